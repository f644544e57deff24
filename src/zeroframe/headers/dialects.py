"""What a header says, whatever words its camera uses for it.

The words stand in ``dialects.toml`` beside this module; the code only knows how to read each sort of value.
What a header says in a form that cannot be used (a list of gains, a section outside the image) is not guessed at:
the fact is None, and a sentence in `FrameFacts.doubts` says why.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from zeroframe.errors import SectionError
from zeroframe.headers.card_numbers import (
    read_exposure,
    read_gain,
    read_number,
    read_read_noise,
    read_temperature,
)
from zeroframe.headers.card_reader import CardReader, whole_number
from zeroframe.headers.colours import COLOUR_SETTING, ColourPattern, read_colours
from zeroframe.headers.kind_words import NOTHING_SAID, contradiction, read_done, read_flat_light, read_kind
from zeroframe.headers.moments import Moment, read_date
from zeroframe.headers.sections import Section
from zeroframe.headers.set_up import read_binning, read_filter, read_optics, read_settings
from zeroframe.headers.tables import dialect_tables
from zeroframe.headers.words import NO_WORDS, Words
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zeroframe.headers.kinds import Kind

__all__ = ["UNKNOWN_UNIT", "FrameFacts", "noted_facts", "number_words", "read_facts", "unit_word"]

#: How a doubt about a unit ends.
UNKNOWN_UNIT = "is not a unit of counts that is known"


@dataclass(frozen=True, slots=True)
class FrameFacts:
    """What one header says of its frame.

    Attributes
    ----------
    kind : Kind or None
        None where neither the header nor the file name says it.
    kind_reason : str
        The words that decided: ``IMAGETYP = 'zero'`` or ``the file name 'z001.FIT'``.
    kind_certain : bool
        False where only the file name or a free text of the observer says so.
    exposure_s : float or None
        In seconds.
    filter_name : str or None
        As written, without surrounding blanks; several wheels are joined with ``+``, empty ones left out.
    unit : str or None
        In astropy's spelling: ``'adu'``, ``'electron'``, ``'adu / s'``, ...
    gain_e_per_adu, read_noise_e, temperature_c : float or None
        In electrons per ADU, electrons (root mean square) and degrees Celsius.
    binning_xy : tuple of int or None
        Sensor pixels per image pixel along x and y.
    object_name, date_obs, instrument : str or None
        As written.
    bias_section, trim_section, data_section, ccd_section : Section or None
        As written; None where absent, unreadable (``'UNKNOWN'``) or outside the image.
    combined : bool
        The header says that the frame was combined from others: it is not a raw one.
    doubts : tuple of str
        What the header says but could not be used, one sentence each.
    remarks : tuple of str
        Those of them that are said wherever the file is read: numbers and dates that cannot be, such as a gain of
        1E-300 or an exposure of thousands of years, and cards that contradict each other.
    saturation_adu, linear_adu : float or None
        From where on raw pixels are full, and up to where they answer to light in proportion, in ADU of the raw frame.
    saturation_card, linear_card : str or None
        The cards that say so.
    kind_contradicted_by : str or None
        Another card, or the file name, that says another kind of calibration: ``FRAME = 'Dark'``.
    colours : ColourPattern or None
        The filters of a colour sensor, of the pixels as they are stored.
    colours_card : str or None
        The card that says so.
    colours_refused : str or None
        Why the colours of its pixels cannot be told apart: it is of an X-Trans sensor.
    without_filter : bool
        The header says that there was no filter; ``filter_name`` is None then, too.
    began : Moment or None
        When the exposure began, in universal time.
    flat_light : str or None
        Of a flat, which light it was lit by: ``dome``, ``twilight``, ``sky`` or ``lamp``.
    settings, optics : tuple of (str, str)
        How the sensor was read, and what the light went through beside the filter, by sort and as written.
    angles : tuple of (str, float)
        Angles of gratings in degrees, and central wavelengths, by sort.
    done : tuple of (str, str)
        Calibrations that another program has done already, and the cards that say so.
    """

    kind: Kind | None
    kind_reason: str
    kind_certain: bool
    exposure_s: float | None
    filter_name: str | None
    unit: str | None
    gain_e_per_adu: float | None
    read_noise_e: float | None
    temperature_c: float | None
    binning_xy: tuple[int, int] | None
    object_name: str | None
    date_obs: str | None
    instrument: str | None
    bias_section: Section | None
    trim_section: Section | None
    data_section: Section | None
    ccd_section: Section | None
    combined: bool
    doubts: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    saturation_adu: float | None = None
    saturation_card: str | None = None
    linear_adu: float | None = None
    linear_card: str | None = None
    kind_contradicted_by: str | None = None
    colours: ColourPattern | None = None
    colours_card: str | None = None
    colours_refused: str | None = None
    without_filter: bool = False
    began: Moment | None = None
    flat_light: str | None = None
    settings: tuple[tuple[str, str], ...] = ()
    optics: tuple[tuple[str, str], ...] = ()
    angles: tuple[tuple[str, float], ...] = ()
    done: tuple[tuple[str, str], ...] = ()

    @property
    def gain_of_pixels(self) -> float | None:
        """Electrons in one unit of the pixels: 1 where they are in electrons, whatever gain of the camera is kept."""
        return 1.0 if self.unit == "electron" else self.gain_e_per_adu

    @property
    def kind_is_silent(self) -> bool:
        """Whether no word says what the frame is for, not even one that is not known."""
        return self.kind is None and self.kind_reason == NOTHING_SAID and self.exposure_s is not None

    @property
    def saturation_may_be_maximum(self) -> bool:
        """Whether the card may as well hold the highest value of this very frame."""
        return self.saturation_card in dialect_tables()["saturation"]["may_be_maximum"]


def read_facts(
    cards: Mapping[str, object],
    file_name: str = "",
    *,
    folders: Sequence[str] = (),
    words: Words = NO_WORDS,
) -> FrameFacts:
    """Read what a header says of its frame.

    Parameters
    ----------
    cards : mapping of str to value
        `zeroframe.fits.Cards`, `astropy.io.fits.Header`, or a dict with keywords in upper case.
    file_name : str, optional
        Asked for the kind where the header has no word for it; folders before it are ignored.
    folders : sequence of str, optional
        Names of the folders that it lies in, the innermost last: asked where its own name does not speak either.
    words : Words, optional
        What a user has taught, which comes first.

    Returns
    -------
    FrameFacts

    Examples
    --------
    >>> facts = read_facts({"IMAGETYP": "zero    ", "EXPTIME": 0.0, "BIASSEC": "[102:133,1:1024]"})
    >>> facts.kind, facts.kind_reason, str(facts.bias_section)
    (<Kind: 'bias'>, "IMAGETYP = 'zero'", '[102:133,1:1024]')
    >>> read_facts({"EXPTIME": 0.12}, "z001.FIT").kind_certain
    False
    """
    return noted_facts(cards, file_name, folders=folders, words=words)[0]


def noted_facts(
    cards: Mapping[str, object],
    file_name: str = "",
    *,
    folders: Sequence[str] = (),
    words: Words = NO_WORDS,
) -> tuple[FrameFacts, CardReader]:
    """Return what `read_facts` does, and the reader, which knows the cards that were taken and passed over."""
    taken_out = words.extracted(cards) if words else {}
    reader = CardReader(_Patched(cards, taken_out) if taken_out else cards, words)
    reader.name_contradictions()
    exposure_s = read_exposure(reader)
    found = read_kind(reader, file_name, folders, exposure_s)
    text, section = dialect_tables()["text"], dialect_tables()["section"]
    saturation_adu, saturation_card = read_number(reader, "saturation")
    linear_adu, linear_card = read_number(reader, "linearity")
    filter_name, without_filter = read_filter(reader)
    gain = read_gain(reader)
    date_obs, began = read_date(reader)
    optics, angles = read_optics(reader)
    colours = read_colours(cards, reader.shape_yx)
    reader.doubts += colours.doubts
    pattern = () if colours.pattern is None else ((COLOUR_SETTING, colours.pattern.letters),)
    facts = FrameFacts(
        kind=found.kind,
        kind_reason=found.reason,
        kind_certain=found.certain,
        exposure_s=exposure_s,
        filter_name=filter_name,
        unit=_unit(reader),
        gain_e_per_adu=gain,
        read_noise_e=read_read_noise(reader),
        temperature_c=read_temperature(reader),
        binning_xy=read_binning(reader),
        object_name=_text_of(reader, "object", text["object_name"]),
        date_obs=date_obs,
        instrument=_text_of(reader, "instrument", text["instrument"]),
        bias_section=_section(reader, section["bias_section"]) or _counted_section(reader, "overscan"),
        trim_section=_section(reader, section["trim_section"]),
        data_section=_section(reader, section["data_section"]) or _counted_section(reader, "data"),
        ccd_section=_section(reader, section["ccd_section"]),
        combined=found.combined or _is_combined(reader),
        doubts=tuple(reader.doubts),
        remarks=tuple(reader.remarks),
        kind_contradicted_by=contradiction(reader, file_name, found),
        saturation_adu=saturation_adu,
        saturation_card=saturation_card,
        linear_adu=linear_adu,
        linear_card=linear_card,
        colours=colours.pattern,
        colours_card=colours.card,
        colours_refused=colours.refused or None,
        without_filter=without_filter,
        began=began,
        flat_light=read_flat_light(reader, found, file_name),
        settings=(*read_settings(reader, gain), *pattern),
        optics=optics,
        angles=angles,
        done=read_done(reader),
    )
    return facts, reader


class _Patched(Mapping[str, object]):
    """A header in which patterns have taken values out of longer texts."""

    def __init__(self, cards: Mapping[str, object], values: Mapping[str, object]) -> None:
        self._cards, self._values = cards, values

    def __getitem__(self, keyword: str) -> object:
        return self._values[keyword] if keyword in self._values else self._cards[keyword]

    def __iter__(self) -> Iterator[str]:
        return iter(self._cards)

    def __len__(self) -> int:
        return len(self._cards)


def number_words(what: str) -> tuple[str, ...]:
    """Return the keywords that a number is read from, the first one that is there.

    Parameters
    ----------
    what : str
        A table of dialects.toml: ``gain``, ``read_noise``, ``exposure`` …

    Examples
    --------
    >>> number_words("gain")[:2]
    ('EGAIN', 'E-GAIN')
    """
    return tuple(dialect_tables()[what]["cards"])


def _text_of(reader: CardReader, meaning: str, keywords: Sequence[str]) -> str | None:
    return reader.first_text([*(each.keyword for each in reader.words.cards(meaning)), *keywords], meaning)


def unit_word(text: str) -> str | None:
    """Return the unit of counts that cameras call so; None where it is none that is known.

    Examples
    --------
    >>> unit_word("DU/PIXEL"), unit_word("e-"), unit_word("counts / s"), unit_word("mJy")
    ('adu', 'electron', 'adu / s', None)
    """
    word = re.sub(r"\s+", "", text.casefold())
    return next((str(unit) for unit, words in dialect_tables()["unit"]["words"].items() if word in words), None)


def _unit(reader: CardReader) -> str | None:
    cards = dialect_tables()["unit"]["cards"]
    for keyword, text in reader.texts([*(each.keyword for each in reader.words.cards("unit")), *cards]):
        unit = unit_word(text)
        if unit is not None:
            reader.note("unit", keyword)
            return unit
        reader.doubts.append(f"{keyword} = {text!r} {UNKNOWN_UNIT}")
        reader.note("unit", keyword, UNKNOWN_UNIT)
    return None


def _section(reader: CardReader, keywords: list[str]) -> Section | None:
    table = dialect_tables()["section"]
    for keyword, text in reader.texts(keywords):
        second = table["lone"].get(keyword)
        if second is not None and reader.value(second) is not None:
            reader.note("section", keyword, f"is that of one of several amplifiers, as {second} says")
            continue
        try:
            section = _section_within(text, None if keyword in table["of_the_sensor"] else reader.shape_yx)
        except SectionError as error:
            reader.doubts.append(f"{keyword}: {error}")
            reader.note("section", keyword, str(error))
        else:
            return section
    return None


def _counted_section(reader: CardReader, what: str) -> Section | None:
    """Return the overscan, or what lies between it and the prescan, where a header counts their pixels, as ESO's do."""
    if reader.shape_yx is None:
        return None
    counted = dialect_tables()["section"]["counted"]
    image, strips = [], []
    for name, size in zip("xy", reader.shape_yx[::-1], strict=True):
        cards = [counted[name][end] for end in ("prescan", "overscan")]
        before, after = (_pixels_counted(reader.value(card)) for card in cards)
        if before + after >= size or any(reader.value(card.replace("OUT1", "OUT2")) for card in cards):
            return None
        image.append(f"{before + 1}:{size - after}" if before or after else ":")
        strips.append(f"{size - after + 1}:{size}" if after else f"1:{before}" if before else "")
    if not any(strips):
        return None
    x, y = image if what == "data" else (strips[0], image[1]) if strips[0] else (image[0], strips[1])
    return Section.parse(f"[{x},{y}]")


def _pixels_counted(value: object) -> int:
    """Return a number of pixels of a card; 0 where it says none."""
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) and value > 0 else 0


@lru_cache(maxsize=1024)  # frames of a camera have the same few
def _section_within(text: str, shape_yx: tuple[int, int] | None) -> Section:
    """Read a section that has to lie inside an image, where its size is known."""
    section = Section.parse(text)
    if shape_yx is not None:
        section.resolve(shape_yx)
    return section


def _is_combined(reader: CardReader) -> bool:
    flag = reader.cards.get("COMBINED")
    count = max(whole_number(reader.value(word)) or 0 for word in ("NCOMBINE", "STACKCNT"))
    return flag is True or (isinstance(flag, str) and flag.strip().upper() in {"T", "TRUE"}) or count > 1
