"""What is known of a camera beyond its headers: the overscan that is useful, the pixels that see light.

A camera is data: a TOML file, one of those in ``profiles/`` or the user's own; both are read and checked alike. ::

    name = "my-camera"                  # required
    title = "My camera at my telescope"
    source = "measured on the flats of 2024-05-01"
    shape_xy = [2080, 4128]             # unbinned, overscan included, as NAXIS1 and NAXIS2
    saturation_adu = 65535.0

    [match]                             # recognised where every card fits one of its patterns; * and ? as in a shell
    INSTRUME = "MyCam*"
    CHIPID = ["0", ""]                  # an empty pattern accepts a header without the card

    [[amplifier]]                       # at least one
    name = "A"
    overscan = "[2056:2080,:]"          # unbinned; or "none"
    overscan_axis = 1                   # numpy axis that the level is taken along: 1 a level per row, 0 per column
    overscan_method = "auto"            # by what the pixels are; or "median", "mean", "clipped", "constant"
    overscan_reason = "light leaks into columns 2049 to 2055"
    trim = "[1:2048,:]"
    gain_e_per_adu = 1.1
    read_noise_e = 8.0

It may teach words of its headers, too, in ``[words]`` and ``[[kinds]]``: see `zeroframe.headers.words`.

Of several amplifiers each has a name, its own figures, and may say where it belongs, of which detector it is and in
which extension of the file it stands (``ext = "im1"``: sections are in pixels of that): see
`zeroframe.headers.detectors`. What one of them leaves in another stands in entries ``[[crosstalk]]``: ``from = "A"``,
``to = "B"``, ``part = 0.0003``.
"""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import fields, replace
from fnmatch import translate
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast, get_args

from zeroframe.errors import CameraError, SectionError, UsageError, nearest_name
from zeroframe.fits.small_files import SETTINGS_BYTES, read_small_file
from zeroframe.headers.detectors import Amplifier, Crosstalk, Detector, OverscanMethod
from zeroframe.headers.sections import Section
from zeroframe.headers.set_up import binning_of
from zeroframe.headers.words import NO_WORDS, Words, parse_words, words_text
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = [
    "Camera",
    "camera_names",
    "camera_to_toml",
    "load_camera",
    "recognise",
]


#: More than this is no crosstalk, but a part that was written in per cent.
_MOST_CROSSTALK = 0.1


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera: its size, how headers name it, and its amplifiers.

    Attributes
    ----------
    name, title : str
        The word for the command line, and the one for people.
    shape_yx : tuple of int or None
        Size of a frame, overscan included; None: any.
    amplifiers : tuple of Amplifier
        At least one.
    match : tuple of (card, pattern)
        Every card that is named must fit one of its patterns (``*``, ``?``; letter case does not matter). An empty
        pattern accepts a header without the card. No pairs: chosen by name only.
    source : str
        Where the figures come from.
    saturation_adu : float or None
    bad_pixels : str or None
        Path of a mask of bad pixels; see `zeroframe.frames.own_masks`.
    binning_xy : tuple of int
        The binning that sizes and sections are given for.
    words : Words
        What its headers mean, beyond what is known; see `zeroframe.headers.words`.
    crosstalk : tuple of Crosstalk
        Between amplifiers of one detector.

    Examples
    --------
    >>> camera = load_camera("palomar-lfc")
    >>> camera.shape_yx, str(camera.amplifiers[0].overscan), str(camera.amplifiers[0].trim)
    ((4128, 2080), '[2056:2080,1:4128]', '[1:2048,1:4128]')
    """

    name: str
    title: str
    shape_yx: tuple[int, int] | None
    amplifiers: tuple[Amplifier, ...]
    match: tuple[tuple[str, str], ...] = ()
    source: str = ""
    saturation_adu: float | None = None
    bad_pixels: str | None = None
    binning_xy: tuple[int, int] = (1, 1)
    words: Words = NO_WORDS
    crosstalk: tuple[Crosstalk, ...] = ()

    @property
    def detectors(self) -> tuple[Detector, ...]:
        """The detectors that a file holds, each with its amplifiers, in the order of the first ones."""
        names = dict.fromkeys(amplifier.detector for amplifier in self.amplifiers)
        return tuple(self._detector(name) for name in names)

    def _detector(self, name: str) -> Detector:
        amplifiers = tuple(each for each in self.amplifiers if each.detector == name)
        return Detector(name, amplifiers, tuple(each for each in self.crosstalk if each.detector == name))

    @property
    def names_extensions(self) -> bool:
        """Whether its amplifiers say in which extensions of a file they stand."""
        return any(each.ext for each in self.amplifiers)

    def for_binning(self, binning_xy: tuple[int, int]) -> Camera:
        """Return the camera as its frames look when the sensor is binned.

        Parameters
        ----------
        binning_xy : tuple of int
            Sensor pixels per image pixel along x and y.

        Returns
        -------
        Camera
            Size and sections in binned pixels (`Section.bin`: only pixels that lie wholly inside); the rest unchanged.

        Raises
        ------
        CameraError
            If the camera is binned already, or a section holds no whole binned pixel.

        Examples
        --------
        >>> str(load_camera("palomar-lfc").for_binning((2, 2)).amplifiers[0].overscan)
        '[1029:1040,1:2064]'
        """
        if binning_xy == self.binning_xy:
            return self
        if self.binning_xy != (1, 1):
            raise CameraError(f"the camera '{self.name}' is binned {self.binning_xy} already; bin the unbinned one")

        try:
            amplifiers = tuple(amplifier.binned(binning_xy) for amplifier in self.amplifiers)
        except SectionError as error:
            raise CameraError(
                f"the camera '{self.name}' cannot be binned {binning_xy[0]} x {binning_xy[1]}: {error}"
            ) from None
        shape_yx = None
        if self.shape_yx is not None:
            shape_yx = (self.shape_yx[0] // binning_xy[1], self.shape_yx[1] // binning_xy[0])
        return replace(self, shape_yx=shape_yx, amplifiers=amplifiers, binning_xy=binning_xy)

    def matches(self, cards: Mapping[str, object], shape_yx: tuple[int, ...]) -> bool:
        """Whether a frame is one of this camera's: by its cards and by its size, binning allowed for."""
        patterns: dict[str, list[str]] = {}
        for card, pattern in self.match:
            patterns.setdefault(card, []).append(pattern)
        if not patterns:
            return False
        for card, alternatives in patterns.items():
            value = cards.get(card)
            text = "" if value is None or isinstance(value, bool) else str(value).strip().casefold()
            if not any(_pattern(pattern).fullmatch(text) for pattern in alternatives):
                return False
        if self.shape_yx is None:
            return True
        x, y = binning_of(cards)
        # Where the size is no multiple of the binning, some cameras keep the last part of a pixel and some drop it.
        return len(shape_yx) == 2 and all(
            actual in {full // factor, -(-full // factor)}
            for actual, full, factor in zip(shape_yx, self.shape_yx, (y, x), strict=True)
        )


def camera_names() -> list[str]:
    """Return the names of the cameras that come with zeroframe.

    Examples
    --------
    >>> camera_names()
    ['apogee-cg16m', 'palomar-lfc']
    """
    return list(_built_in_names())


@cache
def _built_in_names() -> tuple[str, ...]:
    entries = Path(__file__).with_name("profiles").iterdir()
    return tuple(sorted(entry.name.removesuffix(".toml") for entry in entries if entry.name.endswith(".toml")))


def load_camera(name_or_path: str | Path) -> Camera:
    """Read a camera by its name, or from a user's own file.

    Parameters
    ----------
    name_or_path : str or Path
        One of `camera_names`, or a path that ends in ``.toml``.

    Returns
    -------
    Camera

    Raises
    ------
    CameraError
        If there is no such camera or file, or the file is not a valid profile; the message names the key.

    Examples
    --------
    >>> camera = load_camera("palomar-lfc")
    >>> camera.shape_yx, str(camera.amplifiers[0].overscan)
    ((4128, 2080), '[2056:2080,1:4128]')
    >>> load_camera("palomar-lcf")
    Traceback (most recent call last):
    zeroframe.errors.CameraError: no camera is called 'palomar-lcf'; did you mean 'palomar-lfc'? ...
    """
    if str(name_or_path).lower().endswith(".toml"):
        try:
            return _parse(read_small_file(Path(name_or_path), SETTINGS_BYTES), str(name_or_path))
        except OSError as error:
            raise CameraError(f"{name_or_path}: the camera file cannot be read ({error.strerror})") from error
    name = str(name_or_path)
    if name not in camera_names():
        raise CameraError(
            f"no camera is called '{name}'{nearest_name(name, camera_names())} (known are {', '.join(camera_names())}; "
            "the path of a file of your own ends in .toml)"
        )
    return _built_in(name)


@cache
def _built_in(name: str) -> Camera:
    profile = Path(__file__).with_name("profiles") / f"{name}.toml"
    return _parse(profile.read_bytes(), f"profiles/{name}.toml")


def recognise(cards: Mapping[str, object], shape_yx: tuple[int, ...]) -> Camera | None:
    """Return the camera that comes with zeroframe and took a frame, as unbinned.

    Parameters
    ----------
    cards : mapping of str to value
        Header of the frame.
    shape_yx : tuple of int
        Size of the frame as it stands in the file, (ny, nx).

    Returns
    -------
    Camera or None
        None where no camera fits, or more than one. See `Camera.for_binning` for binned frames.

    Examples
    --------
    >>> recognise({"INSTRUME": "AspenCG16"}, (4096, 4109)).name
    'apogee-cg16m'
    >>> recognise({"INSTRUME": "AspenCG16"}, (4096, 4096)) is None
    True
    """
    fitting = [camera for camera in map(_built_in, camera_names()) if camera.matches(cards, shape_yx)]
    return fitting[0] if len(fitting) == 1 else None


def camera_to_toml(camera: Camera) -> str:
    """Write a camera as the text of a profile, which `load_camera` reads back equal.

    Parameters
    ----------
    camera : Camera
        Unbinned.

    Returns
    -------
    str

    Raises
    ------
    CameraError
        If the camera is binned: profiles speak of the unbinned sensor.

    Examples
    --------
    >>> print(camera_to_toml(Camera("mine", "", (10, 20), (Amplifier(trim=Section.parse("[1:16,:]")),))))
    name = "mine"
    shape_xy = [20, 10]
    <BLANKLINE>
    [[amplifier]]
    overscan = "none"
    overscan_axis = 1
    overscan_method = "auto"
    trim = "[1:16,:]"
    <BLANKLINE>
    """
    if camera.binning_xy != (1, 1):
        raise CameraError(f"the camera '{camera.name}' is binned {camera.binning_xy}; a profile needs the unbinned one")
    head: dict[str, object] = {"name": camera.name, "title": camera.title, "source": camera.source}
    if camera.shape_yx is not None:
        head["shape_xy"] = [camera.shape_yx[1], camera.shape_yx[0]]
    head["saturation_adu"] = camera.saturation_adu
    head["bad_pixels"] = camera.bad_pixels
    patterns: dict[str, list[str]] = {}
    for card, pattern in camera.match:
        patterns.setdefault(card, []).append(pattern)
    blocks = [_block("", head)]
    if patterns:
        blocks.append(_block("[match]", {_toml_value(card): found for card, found in patterns.items()}))
    for amplifier in camera.amplifiers:
        values = {field.name: getattr(amplifier, field.name) for field in fields(amplifier)}
        blocks.append(_block("[[amplifier]]", {**values, "overscan": amplifier.overscan or "none"}))
    for each in camera.crosstalk:
        pair = {"from": each.source, "to": each.victim, "detector": each.detector}
        blocks.append(_block("[[crosstalk]]", {**pair, "part": each.part}))
    if camera.words:
        blocks.append(words_text(camera.words))
    return "\n".join(blocks)


def _block(title: str, values: dict[str, object]) -> str:
    lines = [f"{key} = {_toml_value(value)}" for key, value in values.items() if value is not None and value != ""]
    return "".join(f"{line}\n" for line in ([title] if title else []) + lines)


def _toml_value(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_toml_value, value))}]"
    if isinstance(value, float):  # numpy's float64 is one too, and its repr is no TOML
        return repr(float(value))
    if isinstance(value, int):
        return repr(value)
    # JSON's escapes are those of TOML's basic strings, except that TOML wants DEL escaped too.
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


@cache
def _pattern(pattern: str) -> re.Pattern[str]:
    return re.compile(translate(pattern.strip().casefold()))


def _parse(content: bytes, where: str) -> Camera:
    try:
        data = tomllib.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:  # what is no UTF-8, no TOML, or is nested or long beyond reason
        raise CameraError(f"{where}: this is not a TOML file ({error})") from error
    table = _Table(where, "", data)
    table.only(
        *("name", "title", "source", "shape_xy", "saturation_adu", "bad_pixels", "match", "amplifier", "crosstalk"),
        *("words", "kinds"),
    )
    name = table.text("name")
    if not name:
        raise CameraError(f"{where}: the key 'name' is missing; a camera needs a name")
    shape_yx, mask = table.shape(), table.text("bad_pixels")
    entries = table.take("amplifier", _is_tables, "one [[amplifier]] block or more")
    if not entries:
        raise CameraError(f"{where}: a camera needs at least one [[amplifier]] block")
    numbered = enumerate(cast("list[dict[str, object]]", entries), start=1)
    try:
        words = parse_words(data.get("words"), data.get("kinds"), where)
    except UsageError as error:
        raise CameraError(str(error)) from None
    amplifiers = tuple(_amplifier(_Table(where, f"amplifier {n}: ", one), shape_yx) for n, one in numbered)
    return Camera(
        name=name,
        title=table.text("title") or name,
        shape_yx=shape_yx,
        amplifiers=amplifiers,
        match=table.match(),
        source=table.text("source"),
        saturation_adu=table.positive("saturation_adu"),
        bad_pixels=str(Path(where).parent / mask) if mask else None,
        words=words,
        crosstalk=_crosstalk(table, amplifiers),
    )


def _crosstalk(table: _Table, amplifiers: Sequence[Amplifier]) -> tuple[Crosstalk, ...]:
    """Return what amplifiers leave in each other; each pair stands once, and both are of one detector."""
    entries = cast("list[dict[str, object]]", table.take("crosstalk", _is_tables, "[[crosstalk]] blocks") or [])
    found: dict[tuple[str, str, str], Crosstalk] = {}
    for number, entry in enumerate(entries, start=1):
        own = _Table(table.where, f"crosstalk {number}: ", entry)
        own.only("from", "to", "part", "detector")
        part = own.take("part", _is_part, f"a number between {-_MOST_CROSSTALK} and {_MOST_CROSSTALK}")
        what, source, victim = f"{table.where}: crosstalk {number}: ", own.text("from"), own.text("to")
        detector = _detector_of(source, own.text("detector"), amplifiers, what)
        if part is None:
            raise CameraError(f"{what}the key 'part' is missing")
        if source == victim or detector != _detector_of(victim, detector, amplifiers, what):
            raise CameraError(f"{what}from '{source}' to '{victim}'; expected are two amplifiers of one detector")
        if (source, victim, detector) in found:
            raise CameraError(f"{what}from '{source}' to '{victim}' is there twice")
        found[source, victim, detector] = Crosstalk(source, victim, float(cast("float", part)), detector)
    return tuple(found.values())


def _detector_of(name: str, detector: str, amplifiers: Sequence[Amplifier], what: str) -> str:
    """Return of which detector an amplifier is, of that which is named or of all."""
    known = {each.name: each for each in amplifiers if detector in ("", each.detector)}
    if name not in known:
        listed = ", ".join(filter(None, known)) or "none has a name"
        raise CameraError(f"{what}no amplifier is called '{name}'{nearest_name(name, known)} (there are {listed})")
    if len({each.detector for each in amplifiers if each.name == name and detector in ("", each.detector)}) > 1:
        raise CameraError(f"{what}several detectors have an amplifier '{name}'; say which with the key 'detector'")
    return known[name].detector


def _amplifier(table: _Table, shape_yx: tuple[int, int] | None) -> Amplifier:
    table.only(*(field.name for field in fields(Amplifier)))
    axis = table.take("overscan_axis", lambda value: value in (0, 1) and type(value) is int, "0 or 1")
    methods = get_args(OverscanMethod)
    expected = " or ".join(f"'{method}'" for method in methods)
    method = table.take("overscan_method", lambda value: isinstance(value, str) and value in methods, expected)
    return Amplifier(
        name=table.text("name"),
        overscan=table.section("overscan", shape_yx),
        overscan_axis=cast("Literal[0, 1]", 1 if axis is None else axis),
        overscan_method=cast("OverscanMethod", method or "auto"),
        overscan_reason=table.text("overscan_reason"),
        parallel_overscan=table.section("parallel_overscan", shape_yx),
        prescan=table.section("prescan", shape_yx),
        trim=table.section("trim", shape_yx),
        place=table.place(),
        gain_e_per_adu=table.positive("gain_e_per_adu"),
        read_noise_e=table.positive("read_noise_e"),
        saturation_adu=table.positive("saturation_adu"),
        detector=table.text("detector"),
        ext=table.text("ext"),
    )


def _is_tables(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, dict) for one in value)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < float("inf")


def _is_part(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _MOST_CROSSTALK


def _is_shape(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(type(n) is int and n > 0 for n in value)


@dataclass(frozen=True, slots=True)
class _Table:
    """A table of a profile, whose values are taken out one by one and checked."""

    where: str
    prefix: str
    values: dict[str, object]

    def only(self, *known: str) -> None:
        for key in self.values:
            if key not in known:
                hint = nearest_name(key, known) or f"; known are {', '.join(known)}"
                raise CameraError(f"{self.where}: {self.prefix}the key '{key}' is not known{hint}")

    def take(self, key: str, accept: Callable[[object], bool], expected: str) -> object:
        value = self.values.get(key)
        if value is not None and not accept(value):
            raise CameraError(f"{self.where}: {self.prefix}{key} = {value!r} cannot be used; expected is {expected}")
        return value

    def text(self, key: str) -> str:
        return cast("str", self.take(key, lambda value: isinstance(value, str), "a text in quotes") or "")

    def positive(self, key: str) -> float | None:
        value = cast("float | None", self.take(key, _is_number, "a number above 0"))
        return None if value is None else float(value)

    def shape(self) -> tuple[int, int] | None:
        value = cast("list[int] | None", self.take("shape_xy", _is_shape, "two whole numbers, [NAXIS1, NAXIS2]"))
        return None if value is None else (value[1], value[0])

    def match(self) -> tuple[tuple[str, str], ...]:
        table = self.take("match", lambda value: isinstance(value, dict), "a [match] block")
        pairs = []
        for card, value in cast("dict[str, object]", table or {}).items():
            patterns = value if isinstance(value, list) else [value]
            if not patterns or not all(isinstance(pattern, str) for pattern in patterns):
                raise CameraError(
                    f"{self.where}: match: {card} = {value!r} cannot be used; expected is a text or a list of texts"
                )
            pairs += [(card.upper(), str(pattern)) for pattern in patterns]
        return tuple(pairs)

    def section(self, key: str, shape_yx: tuple[int, int] | None) -> Section | None:
        text = self.text(key)
        if not text or text.strip().lower() == "none":
            return None
        try:
            return _checked_section(text, shape_yx)
        except SectionError as error:
            raise CameraError(f"{self.where}: {self.prefix}{key}: {error}") from None

    def place(self) -> Section | None:
        """Return where an amplifier belongs, which may be read backwards."""
        text = self.text("place")
        if not text:
            return None
        try:
            section = Section.parse(text)
        except SectionError as error:
            raise CameraError(f"{self.where}: {self.prefix}place: {error}") from None
        if len(section.ranges) != 2 or not section.resolved:
            raise CameraError(
                f"{self.where}: {self.prefix}place = '{text}' cannot be used; expected is a section of four numbers, "
                "'[1:1024,1:2048]'"
            )
        return section


def _checked_section(text: str, shape_yx: tuple[int, int] | None) -> Section:
    section = Section.parse(text)
    if len(section.ranges) != 2 or section.flipped:
        raise SectionError(f"the section {text} is not one of x and y, read forwards")
    if shape_yx is not None:
        section.resolve(shape_yx)
    return section
