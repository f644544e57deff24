"""What was understood of one header: each fact, the card it is from, what was passed over and why, and what is left."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from zeroframe.headers.card_reader import CardReader, Noted, pattern_of, shown
from zeroframe.headers.dialects import FrameFacts, noted_facts
from zeroframe.headers.tables import all_words, dialect_tables
from zeroframe.headers.words import NO_WORDS, Words
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from zeroframe.headers.geometry import FoundDetector

__all__ = ["Divided", "dividing_cards", "explain_header", "explain_raw", "parting_cards", "unknown_cards"]

_MOST_UNKNOWN = 12
_MOST_LOOKED_AT = 60


def explain_header(
    cards: Mapping[str, object],
    file_name: str,
    *,
    folders: Sequence[str] = (),
    words: Words = NO_WORDS,
) -> list[str]:
    """Say what a header says of its frame, and by which cards.

    Parameters
    ----------
    cards, file_name, folders, words
        As for `zeroframe.headers.dialects.read_facts`.

    Returns
    -------
    list of str
        Lines; those that begin with two blanks belong to the one before.

    Examples
    --------
    >>> cards = {"IMAGETYP": "flat", "EXPTIME": "2 min", "FPOSN": "3", "FILTBAND": "K"}
    >>> for line in explain_header(cards, "a.fits")[:4]:
    ...     print(line)
    kind: flat, from IMAGETYP = 'flat'
    exposure: 120 s, from EXPTIME = '2 min'
    filter: K, from FILTBAND = 'K'
    gain: not known; teach it by --card gain=CARD
    """
    facts, reader = noted_facts(cards, file_name, folders=folders, words=words)
    noted, lines = reader.noted, list[str]()
    for fact, text in _facts_in_words(facts):
        lines += _line(fact, text, noted, facts)
    for sort, value in (*facts.settings, *facts.optics, *((sort, f"{number:g}") for sort, number in facts.angles)):
        lines.append(f"{sort}: {value}")
    lines += [f"done already: {kind}, as {said} says" for kind, said in facts.done]
    lines += [f"doubt: {each}" for each in facts.doubts]
    unknown = unknown_cards(cards, words)
    if unknown:
        said = ", ".join(f"{keyword} = {shown(cards.get(keyword))}" for keyword in unknown[:_MOST_UNKNOWN])
        more = len(unknown) - _MOST_UNKNOWN
        lines.append(f"not known, and it may matter: {said}" + (f" and {more} more" if more > 0 else ""))
    return lines


def _facts_in_words(facts: FrameFacts) -> Iterator[tuple[str, str | None]]:
    """Yield each fact with its value in words; None where it is not known."""

    def number(value: float | None, unit: str) -> str | None:
        return None if value is None else f"{value:.10g} {unit}".rstrip()

    yield (
        "kind",
        None if facts.kind is None else f"{facts.kind}" + (f", by {facts.flat_light}" if facts.flat_light else ""),
    )
    yield "exposure", number(facts.exposure_s, "s")
    yield "filter", "none, as the header says" if facts.without_filter else facts.filter_name
    yield "gain", number(facts.gain_e_per_adu, "e-/ADU")
    yield "read_noise", number(facts.read_noise_e, "e-")
    yield "temperature", number(facts.temperature_c, "C")
    yield "binning", None if facts.binning_xy is None else "{} x {}".format(*facts.binning_xy)
    began = facts.began
    clock = "" if began is None or began.seconds is None else _clock(began.seconds)
    yield "date", None if began is None else f"{began.day.isoformat()}{clock}"
    yield "unit", facts.unit
    yield "object", facts.object_name
    yield "instrument", facts.instrument


def _clock(seconds: float) -> str:
    whole = int(seconds)
    return f" {whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d} UT"


def _line(fact: str, text: str | None, noted: Sequence[Noted], facts: FrameFacts) -> list[str]:
    name = fact.replace("_", " ")
    own = [each for each in noted if each.fact in {fact, "time of day" if fact == "date" else fact}]
    taken = [each for each in own if not each.why]
    by = " and ".join(dict.fromkeys(f"{each.keyword} = {each.value}" for each in taken)) if text is not None else ""
    if fact == "kind":
        said = (
            f"kind: {text or 'not known'}, from {facts.kind_reason}"
            if text
            else f"kind: not known: {facts.kind_reason}"
        )
        lines = [said if text else f"{said}; teach it by --kind 'flat=PATTERN'"]
        if facts.kind_contradicted_by:
            lines.append(f"  contradicted by {facts.kind_contradicted_by}")
    elif text is None:
        lines = [f"{name}: not known; teach it by --card {fact}=CARD"]
    else:
        lines = [f"{name}: {text}" + (f", from {by}" if by else "")]
    passed = dict.fromkeys(f"  passed over: {each.keyword} = {each.value} {each.why}" for each in own if each.why)
    return [*lines, *passed]


def explain_raw(path: Path, words: Words = NO_WORDS) -> list[str]:
    """Say what was understood of a raw file.

    Raises
    ------
    FrameError
        When it cannot be read.
    """
    from zeroframe.headers.survey import survey

    items = survey([path], words=words)
    item = items[0]
    if item.frame is None:
        raise item.problem or ValueError(path)
    lines = explain_header(item.frame.cards, path.name, folders=path.absolute().parent.parts[-1:], words=words)
    if len(items) > 1:  # the header is that of the first of them
        lines = [line for line in lines if not line.startswith("chip: ")]
    found = [each.found for each in items if each.found is not None]
    amplifiers = [one for each in found for one in each.detector.amplifiers]
    for fact, known in (
        ("gain", any(one.gain_e_per_adu is not None for one in amplifiers)),
        ("read noise", any(one.read_noise_e is not None for one in amplifiers)),
    ):
        if known:  # what the primary header says, or does not say, is none of an amplifier
            lines = [f"{fact}: of each amplifier, below" if line.startswith(f"{fact}: ") else line for line in lines]
    lines += [line for each in found for line in _amplifiers_of(each)]
    if item.problem is not None:
        lines.append(f"cannot be used: {item.problem.reason}")
    return lines


def _amplifiers_of(found: FoundDetector) -> Iterator[str]:
    """Yield the amplifiers of a detector, with the figures that the header gives."""
    amplifiers = found.detector.amplifiers
    whose = f"detector {found.name}: " if found.name else ""
    several = "amplifier" if len(amplifiers) == 1 else "amplifiers"
    yield f"{whose}{len(amplifiers)} {several}, by the header ({found.convention})"
    for each in amplifiers:
        gain = "no gain" if each.gain_e_per_adu is None else f"gain {each.gain_e_per_adu:.10g} e-/ADU"
        noise = "no read noise" if each.read_noise_e is None else f"read noise {each.read_noise_e:.10g} e-"
        yield f"  amplifier {each.name}: {gain}, {noise}"


def unknown_cards(cards: Mapping[str, object], words: Words = NO_WORDS) -> list[str]:
    """Return the cards that look as if they mattered, and that nobody knows.

    Examples
    --------
    >>> unknown_cards({"EXPTIME": 1.0, "LAMPCUR": 3.0, "AIRMASS": 1.2})
    ['LAMPCUR']
    """
    table = dialect_tables()["may_matter"]
    reader = CardReader(cards, words)
    taught = {each.keyword for each in words.meanings} | {keyword for _, keyword in (*words.settings, *words.optics)}
    found = []
    for keyword in reader.like(table["like"]):
        if keyword in all_words() or keyword in taught or pattern_of(table["unlike"]).search(keyword):
            continue
        value = reader.value(keyword)
        if value is not None and not (isinstance(value, float) and value == 0):
            found.append(keyword)
    return found


@dataclass(frozen=True, slots=True)
class Divided:
    """A card whose values divide frames that are combined.

    Attributes
    ----------
    keyword : str
        In upper case.
    values : tuple of (str, int)
        What it says, as shown, and in how many frames.
    """

    keyword: str
    values: tuple[tuple[str, int], ...]

    @property
    def sentence(self) -> str:
        """As ``FPOSN is 'r' in 3 and 'i' in 3``."""
        return f"{self.keyword} is " + " and ".join(f"{value} in {count}" for value, count in self.values)


def dividing_cards(headers: Sequence[Mapping[str, object]], words: Words = NO_WORDS) -> list[Divided]:
    """Return the cards that nobody knows, that look as if they mattered, and whose values divide some frames.

    Parameters
    ----------
    headers : sequence of mapping
        Of frames that are combined.
    words : Words
        What is taught.

    Returns
    -------
    list of Divided
        Of each part there are two frames or more: what differs from frame to frame divides nothing.

    Examples
    --------
    >>> headers = [{"LAMPNO": number, "LAMPTEMP": 20.0 + n} for n, number in enumerate([1, 1, 1, 2, 2, 2])]
    >>> [each.sentence for each in dividing_cards(headers)]
    ['LAMPNO is 1 in 3 and 2 in 3']
    """
    looked_at = headers[:_MOST_LOOKED_AT]
    found = []
    names = dict.fromkeys(name for cards in looked_at for name in unknown_cards(cards, words))
    for keyword in names:
        counts = Counter(shown(_stripped(cards.get(keyword))) for cards in looked_at)
        if 2 <= len(counts) <= max(2, len(looked_at) // 2) and min(counts.values()) >= 2:
            found.append(Divided(keyword, tuple(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))))
    return found


def parting_cards(
    flats: Sequence[Mapping[str, object]], others: Sequence[Mapping[str, object]], words: Words = NO_WORDS
) -> list[tuple[str, str, str]]:
    """Return the cards of optics that nobody knows, and that say one thing in flats and another in what they divide.

    Parameters
    ----------
    flats, others : sequence of mapping
        Headers of the flats, and of frames that are divided by them.
    words : Words
        What is taught.

    Returns
    -------
    list of (str, str, str)
        The keyword, its text in all flats, and its text in all others. A number says less: angles jitter.

    Examples
    --------
    >>> flats, stars = [{"CROSSGRISM": "B300"}] * 3, [{"CROSSGRISM": "R150"}] * 2
    >>> parting_cards(flats, stars), parting_cards(flats, flats)
    ([('CROSSGRISM', 'B300', 'R150')], [])
    """
    light = pattern_of(dialect_tables()["may_matter"]["light"])
    found = []
    for keyword in unknown_cards(flats[0], words):
        said = [{_stripped(cards.get(keyword)) for cards in part} for part in (flats, others)]
        if light.search(keyword) and said[0].isdisjoint(said[1]) and all(len(values) == 1 for values in said):
            one, other = (values.pop() for values in said)
            if isinstance(one, str) and isinstance(other, str):
                found.append((keyword, one, other))
    return found


def _stripped(value: object) -> object:
    return re.sub(r"\s+", " ", value).strip() if isinstance(value, str) else value
