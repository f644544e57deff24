"""Words that a user teaches: which card says what, and which frames are of which kind.

In TOML::

    [words]
    filter = "FILTER01"                                  # a card for a meaning
    exposure = { card = "EXPMS", factor = 0.001 }        # in another unit
    kind = { card = "SHOT", values = { flat = "Plano*", bias = ["Cero", "Offset*"] } }
    temperature = { card = "DETINFO", pattern = "T=([-+0-9.]+)" }
    binning = ["NBX", "NBY"]                             # along x and y
    settings = { fibre = "FIBRE" }                       # frames that differ in it never belong together
    optics = { prism = "PRISM" }                         # the same of flats and what is divided by them

    [[kinds]]                                            # the first that fits counts, before every card
    kind = "flat"
    file = "sky*/*.fits"                                 # or folder = "Flats*", card = { OBJECT = "Sky*" },
                                                         # list = ["a001.fits", "a002.fits"]

They stand in a camera file and in a recipe; ``--card`` and ``--kind`` say the same on the command line.
"""

from __future__ import annotations

import re
from dataclasses import field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from zeroframe.errors import UsageError, nearest_name
from zeroframe.headers.kinds import calibration_kinds
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = [
    "MEANINGS",
    "NO_WORDS",
    "KindRule",
    "TaughtCard",
    "Words",
    "parse_words",
    "words_guessed",
    "words_of_options",
    "words_text",
]

#: What a card can be taught to mean.
MEANINGS = (
    "kind", "exposure", "filter", "gain", "read_noise", "temperature", "binning", "date", "saturation", "linearity",
    "unit", "object", "instrument",
)  # fmt: skip
_NUMBERS = frozenset(("exposure", "gain", "read_noise", "temperature", "saturation", "linearity"))
_OTHER_KINDS = ("science", "arc", "other")


@dataclass(frozen=True, slots=True)
class TaughtCard:
    """A card that means something.

    Attributes
    ----------
    meaning : str
        One of `MEANINGS`.
    keyword : str
        In upper case.
    factor : float
        By which its number is multiplied.
    pattern : str
        A regular expression whose first group is the value, where that is not all that the card says; may be empty.
    values : tuple of (pattern, kind)
        Of ``kind``: values with ``*`` and ``?`` as in a shell, and what they mean.
    """

    meaning: str
    keyword: str
    factor: float = 1.0
    pattern: str = ""
    values: tuple[tuple[str, str], ...] = ()

    def kind_of(self, text: str) -> str | None:
        """Return the kind that a value means, as taught."""
        return next((kind for pattern, kind in self.values if fnmatchcase(text.casefold(), pattern.casefold())), None)


@dataclass(frozen=True, slots=True)
class KindRule:
    """Which frames are of a kind: all that is said has to fit.

    Attributes
    ----------
    kind : str
    file, folder : str
        Patterns with ``*`` and ``?``: of the end of a path, or of its name where no slash is in it; of the name of
        a folder.
    cards : tuple of (keyword, pattern)
    files : tuple of str
        Names, or ends of paths.
    """

    kind: str
    file: str = ""
    folder: str = ""
    cards: tuple[tuple[str, str], ...] = ()
    files: tuple[str, ...] = ()

    @property
    def reason(self) -> str:
        """What it says, in words."""
        said = [f"file = {self.file!r}"] if self.file else []
        said += [f"folder = {self.folder!r}"] if self.folder else []
        said += [f"{keyword} = {pattern!r}" for keyword, pattern in self.cards]
        said += [f"a list of {len(self.files)} files"] if self.files else []
        return f"{' and '.join(said)} (taught)"

    def fits(self, cards: Mapping[str, object], file_name: str, folders: Sequence[str]) -> bool:
        """Say whether a frame is one of these."""
        path = "/".join([*folders, file_name.replace("\\", "/").rsplit("/", 1)[-1]])
        if self.file and not _is_end(path, self.file):
            return False
        if self.folder and not any(_fits(each, self.folder) for each in folders):
            return False
        if self.files and not any(_is_end(path, each) for each in self.files):
            return False
        for keyword, pattern in self.cards:
            value = cards.get(keyword)
            if value is None or not _fits(value.strip() if isinstance(value, str) else str(value), pattern):
                return False
        return True


def _fits(text: str, pattern: str) -> bool:
    return fnmatchcase(text.casefold(), pattern.casefold())


def _is_end(path: str, pattern: str) -> bool:
    """Say whether a pattern fits a path or its end; one without a slash, its name."""
    if "/" not in pattern:
        return _fits(path.rsplit("/", 1)[-1], pattern)
    pattern = pattern.removeprefix("./").removeprefix("**/")
    return _fits(path, pattern) or _fits(path, f"*/{pattern.removeprefix('*/')}") or _fits(f"x/{path}", pattern)


@dataclass(frozen=True, slots=True)
class Words:
    """All that is taught.

    Attributes
    ----------
    meanings : tuple of TaughtCard
    kinds : tuple of KindRule
    settings, optics : tuple of (name, keyword)
        Cards that set frames apart.
    """

    meanings: tuple[TaughtCard, ...] = ()
    kinds: tuple[KindRule, ...] = ()
    settings: tuple[tuple[str, str], ...] = ()
    optics: tuple[tuple[str, str], ...] = field(default=())

    def __bool__(self) -> bool:
        return bool(self.meanings or self.kinds or self.settings or self.optics)

    def cards(self, meaning: str) -> tuple[TaughtCard, ...]:
        """Return the cards of a meaning."""
        return tuple(each for each in self.meanings if each.meaning == meaning) if self.meanings else ()

    def kind_of(self, cards: Mapping[str, object], file_name: str, folders: Sequence[str]) -> KindRule | None:
        """Return the first rule that fits a frame."""
        return next((rule for rule in self.kinds if rule.fits(cards, file_name, folders)), None)

    def before(self, others: Words) -> Words:
        """Return these words and others, which are asked after them."""
        if not others:
            return self
        return Words(
            (*self.meanings, *others.meanings), (*self.kinds, *others.kinds),
            (*self.settings, *others.settings), (*self.optics, *others.optics),
        )  # fmt: skip

    def extracted(self, cards: Mapping[str, object]) -> dict[str, object]:
        """Return the values that patterns take out of what cards say, by keyword."""
        found: dict[str, object] = {}
        for each in self.meanings:
            value = cards.get(each.keyword) if each.pattern else None
            if value is not None:
                match = re.search(each.pattern, str(value))
                found[each.keyword] = None if match is None else match[1] if match.re.groups else match[0]
        return found


NO_WORDS = Words()


def _kind_names() -> tuple[str, ...]:
    return (*(row.kind.value for row in calibration_kinds()), *_OTHER_KINDS)


def _kind(name: object, where: str) -> str:
    if name not in _kind_names():
        known = nearest_name(str(name), _kind_names()) or f"; known are {', '.join(_kind_names())}"
        raise UsageError(f"{where}: {name!r} is no kind of frame{known}")
    return str(name)


def parse_words(words: object, kinds: object, where: str) -> Words:
    """Read the tables ``[words]`` and ``[[kinds]]`` of a camera file or a recipe.

    Parameters
    ----------
    words, kinds : object
        What TOML gave; None where there is no such table.
    where : str
        The file, for messages.

    Raises
    ------
    UsageError
        When a key or value is not known; it is named.

    Examples
    --------
    >>> parse_words({"filter": "FILTER01"}, [{"kind": "flat", "folder": "Sky*"}], "night.toml").kinds[0].reason
    "folder = 'Sky*' (taught)"
    """
    table = {} if words is None else words
    if not isinstance(table, dict):
        raise UsageError(f"{where}: words = {words!r} cannot be used; expected is a table [words]")
    own_kinds = table.get("kinds", [])
    rules = [*_listed(kinds, f"{where}: kinds"), *_listed(own_kinds, f"{where}: words.kinds")]
    meanings: list[TaughtCard] = []
    apart: dict[str, tuple[tuple[str, str], ...]] = {"settings": (), "optics": ()}
    for name, said in table.items():
        if name == "kinds":
            continue
        if name in apart:
            if not isinstance(said, dict) or not all(isinstance(each, str) for each in said.values()):
                raise UsageError(f"{where}: words.{name} = {said!r} cannot be used; expected is {{ name = 'CARD' }}")
            apart[name] = tuple((sort, card.upper()) for sort, card in said.items())
            continue
        if name not in MEANINGS:
            known = nearest_name(name, (*MEANINGS, *apart)) or f"; known are {', '.join((*MEANINGS, *apart, 'kinds'))}"
            raise UsageError(f"{where}: words.{name} is not a meaning that can be taught{known}")
        meanings += _meaning(name, said, f"{where}: words.{name}")
    return Words(tuple(meanings), tuple(rules), apart["settings"], apart["optics"])


def _meaning(name: str, said: object, where: str) -> list[TaughtCard]:
    found = []
    for one in said if isinstance(said, list) else [said]:
        if isinstance(one, str) and one.strip():
            found.append(TaughtCard(name, one.strip().upper()))
        elif isinstance(one, dict):
            found.append(_taught_card(name, one, where))
        else:
            raise UsageError(
                f"{where} = {said!r} cannot be used; expected is the name of a card, or {{ card = 'CARD' }}"
            )
    return found


def _taught_card(name: str, said: Mapping[str, Any], where: str) -> TaughtCard:
    for key in said:
        if key not in {"card", "factor", "pattern", "values"}:
            raise UsageError(f"{where}: the key '{key}' is not known; known are card, factor, pattern, values")
    card, factor, pattern = said.get("card"), said.get("factor", 1.0), said.get("pattern", "")
    if not isinstance(card, str) or not card.strip():
        raise UsageError(f"{where}: card = {card!r} cannot be used; expected is the name of a card")
    is_number = isinstance(factor, int | float) and not isinstance(factor, bool) and factor != 0
    if not is_number or (name not in _NUMBERS and factor != 1):
        raise UsageError(f"{where}: factor = {factor!r} cannot be used; expected is a number, for what is a number")
    try:
        re.compile(pattern)
    except (re.error, TypeError) as error:
        raise UsageError(f"{where}: pattern = {pattern!r} is no regular expression ({error})") from None
    values = said.get("values", {})
    if not isinstance(values, dict) or (values and name != "kind"):
        raise UsageError(f"{where}: values = {values!r} cannot be used; expected is {{ flat = ['word'] }}, for kinds")
    pairs = []
    for kind, words in values.items():
        known = _kind(kind, where)
        pairs += [(str(word), known) for word in (words if isinstance(words, list) else [words])]
    return TaughtCard(name, card.strip().upper(), float(factor), pattern, tuple(pairs))


def _listed(kinds: object, where: str) -> list[KindRule]:
    if kinds is None:
        return []
    if not isinstance(kinds, list) or not all(isinstance(each, dict) for each in kinds):
        raise UsageError(f"{where} = {kinds!r} cannot be used; expected are tables [[kinds]]")
    return [_rule(each, where) for each in kinds]


def _rule(said: Mapping[str, Any], where: str) -> KindRule:
    known = ("kind", "file", "folder", "card", "list")
    for key in said:
        if key not in known:
            raise UsageError(
                f"{where}: the key '{key}' is not known{nearest_name(key, known)}; known are {', '.join(known)}"
            )
    for key in ("file", "folder"):
        if not isinstance(said.get(key, ""), str):
            raise UsageError(f"{where}: {key} = {said[key]!r} cannot be used; expected is a pattern such as 'sky*'")
    cards, files = said.get("card", {}), said.get("list", [])
    if not isinstance(cards, dict):
        raise UsageError(f"{where}: card = {cards!r} cannot be used; expected is {{ OBJECT = 'Sky*' }}")
    if not isinstance(files, list) or not all(isinstance(each, str) for each in files):
        raise UsageError(f"{where}: list = {files!r} cannot be used; expected is a list of file names")
    rule = KindRule(
        _kind(said.get("kind"), where), said.get("file", ""), said.get("folder", ""),
        tuple((keyword.upper(), str(pattern)) for keyword, pattern in cards.items()), tuple(files),
    )  # fmt: skip
    if not (rule.file or rule.folder or rule.cards or rule.files):
        raise UsageError(f"{where}: kind = {rule.kind!r} says not which frames; give file, folder, card or list")
    return rule


def words_of_options(kinds: Iterable[str] = (), cards: Iterable[str] = ()) -> Words:
    """Return what ``--kind`` and ``--card`` teach.

    Parameters
    ----------
    kinds : iterable of str
        ``'flat=*/sky*/*.fits'``, files by a pattern; ``'flat=OBJECT=Sky*'``, by a card.
    cards : iterable of str
        ``'filter=FILTER01'``; ``'exposure=EXPMS*0.001'`` with a factor.

    Raises
    ------
    UsageError
        When one of them cannot be used.

    Examples
    --------
    >>> words = words_of_options(["flat=*/sky*/*.fits"], ["exposure=EXPMS*0.001"])
    >>> words.kinds[0].file, words.cards("exposure")[0].factor
    ('*/sky*/*.fits', 0.001)
    """
    rules = []
    for text in kinds:
        kind, pattern = _both_sides(text, "--kind", "'flat=*/sky*/*.fits', or 'flat=OBJECT=Sky*'")
        keyword, by_card, value = pattern.partition("=")
        name = _kind(kind.strip(), f"--kind {text!r}")
        rules.append(
            KindRule(name, cards=((keyword.strip().upper(), value.strip()),))
            if by_card
            else KindRule(name, pattern.strip())
        )
    meanings = []
    for text in cards:
        meaning, card = _both_sides(text, "--card", "as filter=FILTER01, or exposure=EXPMS*0.001")
        keyword, star, factor = card.partition("*")
        said: dict[str, Any] = {"card": keyword}
        if star:
            try:
                said["factor"] = float(factor)
            except ValueError:
                raise UsageError(f"--card {text!r}: {factor!r} is not a number") from None
        meanings.append((meaning.strip(), said))
    taught = parse_words({}, None, "--card")
    for meaning, said in meanings:
        taught = taught.before(parse_words({meaning: said}, None, "--card"))
    return Words(taught.meanings, tuple(rules))


def _both_sides(text: str, option: str, expected: str) -> tuple[str, str]:
    """Return what stands before the first sign of equality, and behind it."""
    left, equals, right = text.partition("=")
    if not equals or not right.strip():
        raise UsageError(f"{option} {text!r} cannot be used; expected is {expected}")
    return left, right


def words_guessed(doubts: Iterable[str]) -> Words:
    """Return the words that were taken by their looks, as the doubts of headers say which option makes them certain.

    Examples
    --------
    >>> said = "XBAND = 'r' is taken for the filter, by its name or comment; to be sure: --card filter=XBAND"
    >>> words_guessed([said, said]).meanings
    (TaughtCard(meaning='filter', keyword='XBAND', factor=1.0, pattern='', values=()),)
    """
    found = (re.search(r"to be sure: --card (\S+)$", doubt) for doubt in doubts)
    return words_of_options((), dict.fromkeys(match[1] for match in found if match is not None))


def words_text(words: Words) -> str:
    """Write what is taught as TOML, which `parse_words` reads back equal; empty where nothing is.

    Examples
    --------
    >>> print(words_text(words_of_options(["flat=s*.fits"], ["filter=FLT"])).strip())
    [words]
    filter = [{ card = "FLT" }]
    <BLANKLINE>
    [[words.kinds]]
    kind = "flat"
    file = "s*.fits"
    """
    if not words:
        return ""
    lines = ["[words]"]
    lines += [
        f"{meaning} = [{', '.join(_card_text(each) for each in words.cards(meaning))}]"
        for meaning in dict.fromkeys(each.meaning for each in words.meanings)
    ]
    for name, pairs in (("settings", words.settings), ("optics", words.optics)):
        if pairs:
            lines.append(f"{name} = {{ {', '.join(f'{_quoted(sort)} = {_quoted(card)}' for sort, card in pairs)} }}")
    for rule in words.kinds:
        lines += ["", "[[words.kinds]]", f"kind = {_quoted(rule.kind)}"]
        lines += [f"{key} = {_quoted(value)}" for key, value in (("file", rule.file), ("folder", rule.folder)) if value]
        if rule.cards:
            lines.append(f"card = {{ {', '.join(f'{_quoted(key)} = {_quoted(value)}' for key, value in rule.cards)} }}")
        if rule.files:
            lines.append(f"list = [{', '.join(map(_quoted, rule.files))}]")
    return "\n".join(lines) + "\n"


def _card_text(each: TaughtCard) -> str:
    said = [f"card = {_quoted(each.keyword)}"]
    said += [f"factor = {each.factor!r}"] if each.factor != 1 else []
    said += [f"pattern = {_quoted(each.pattern)}"] if each.pattern else []
    if each.values:
        kinds = dict.fromkeys(kind for _, kind in each.values)
        listed = (
            f"{_quoted(kind)} = [{', '.join(_quoted(word) for word, own in each.values if own == kind)}]"
            for kind in kinds
        )
        said.append(f"values = {{ {', '.join(listed)} }}")
    return f"{{ {', '.join(said)} }}"


def _quoted(text: str) -> str:
    import json

    # JSON's escapes are those of TOML's basic strings, except that TOML wants DEL escaped too
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
