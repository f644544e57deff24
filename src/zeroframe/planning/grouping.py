"""Which frames of one kind are combined, and what their combined frame is called."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache, partial
from itertools import count
from math import fsum
from typing import TYPE_CHECKING, TypeVar

from zeroframe.fits.part_paths import file_of
from zeroframe.headers.kinds import calibration_kind
from zeroframe.headers.sections import size_words
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from zeroframe.headers.kinds import Kind
    from zeroframe.planning.plan import Configuration, NightFrame
    from zeroframe.planning.recipe import Tolerances

__all__ = [
    "FILTER",
    "Batch",
    "exposure_words",
    "files_of_detectors",
    "filter_key",
    "filter_of",
    "frames_words",
    "grouped",
    "light_path",
    "one_batch",
    "spelled",
]

T = TypeVar("T")
#: What the filter is called among the sorts of names that are compared.
FILTER = "filter"
#: Figures of an exposure that a name does without.
_EXPOSURE_FRACTION = 0.001


@dataclass(frozen=True, slots=True)
class Batch:
    """Frames that will be combined, before it is known what is done to them.

    Attributes
    ----------
    kind : Kind
        A kind of calibration.
    frames : tuple of NightFrame
        In the order of their names.
    traits : Configuration
        What they have in common; numbers that vary within the tolerances are the mean.
    label, stem : str
        In words, and as a file is called: ``dark 300 s``, ``combined_dark_300s``.
    """

    kind: Kind
    frames: tuple[NightFrame, ...]
    traits: Configuration
    label: str = ""
    stem: str = ""


@lru_cache(maxsize=1024)
def spelled(name: str) -> str:
    """Return a filter's name without blanks that mean nothing.

    Examples
    --------
    >>> spelled(" Clear +  R ")
    'Clear+R'
    """
    return re.sub(r"\s*\+\s*", "+", " ".join(name.split()))


def filter_of(traits: Configuration) -> str | None:
    """Return the filter of a frame as it is compared: with its case where that tells it from another of the folder."""
    if FILTER in traits.case_counts and traits.filter_name is not None:
        return spelled(traits.filter_name)
    return filter_key(traits.filter_name)


def light_path(traits: Configuration) -> tuple[object, ...]:
    """Return what flats have in common: the light that lit them, the filter, grating and slit, as they are compared."""
    optics = tuple((sort, value.casefold()) for sort, value in traits.optics)
    return filter_of(traits), traits.flat_light, optics


def filter_key(name: str | None) -> str | None:
    """Return a filter's name as it is compared where case does not count.

    Examples
    --------
    >>> filter_key(" Clear +  R "), filter_key(None)
    ('clear+r', None)
    """
    return None if name is None else spelled(name).casefold()


def exposure_words(seconds: float | None) -> str:
    """Return an exposure with as many figures as it needs.

    Examples
    --------
    >>> [exposure_words(seconds) for seconds in (300.0625, 0.12, 1.0, 1.0233, None)]
    ['300.062 s', '0.12 s', '1 s', '1.023 s', 'an unknown time']
    """
    return "an unknown time" if seconds is None else f"{round(seconds, 3):.12g} s"


def frames_words(number: int, kind: str = "") -> str:
    """Return how many frames, in words.

    Examples
    --------
    >>> frames_words(1), frames_words(3, "science")
    ('1 frame', '3 science frames')
    """
    return f"{number} {kind + ' ' if kind else ''}frame{'' if number == 1 else 's'}"


def files_of_detectors(frames: Sequence[NightFrame]) -> str:
    """Return from how many files some frames come, in words, where files of several detectors give several each.

    Examples
    --------
    >>> files_of_detectors([])
    ''
    """
    files = {file_of(frame.source) for frame in frames}
    return f" from {len(files)} file{'' if len(files) == 1 else 's'}" if len(files) < len(frames) else ""


def grouped(kind: Kind, frames: Iterable[NightFrame], tolerances: Tolerances) -> list[Batch]:
    """Put together the frames of one kind that are combined; the order in which they come does not matter.

    Parameters
    ----------
    kind : Kind
        A kind of calibration.
    frames : iterable of NightFrame
        All of that kind.
    tolerances : Tolerances
        How far the frames of one group may differ.

    Returns
    -------
    list of Batch
        In the order of what sets them apart.
    """
    found = [sorted(frames, key=lambda frame: frame.name)]
    found = [part for each in found for part in _by_key(each, lambda frame: (*_form(frame), frame.traits.night))]
    found = _by_number(found, lambda traits: traits.gain_e_per_adu, tolerances.same_gain)
    row = calibration_kind(kind)
    if row.temperature_tolerance is not None:
        same = tolerances.temperature_check(row.temperature_tolerance)
        found = _by_number(found, lambda traits: traits.temperature_c, same)
    if row.by_exposure:
        found = _by_number(found, lambda traits: traits.exposure_s, tolerances.same_exposure)
    if row.by_filter:
        found = [part for each in found for part in _by_key(each, lambda frame: light_path(frame.traits))]
        for sort in sorted({sort for each in found for frame in each for sort, _ in frame.traits.angles}):
            found = _by_number(found, partial(_angle, sort), tolerances.same_angle)
    batches = [Batch(kind, tuple(each), _common_traits([frame.traits for frame in each])) for each in found if each]
    return _named(sorted(batches, key=_order), tolerances)


def one_batch(kind: Kind, frames: Iterable[NightFrame]) -> Batch:
    """Put all frames together, as the only ones of their kind."""
    found = sorted(frames, key=lambda frame: frame.name)
    traits = _common_traits([frame.traits for frame in found])
    return Batch(kind, tuple(found), traits, kind.value, f"combined_{kind.value}")


def _form(frame: NightFrame) -> tuple[object, ...]:
    traits = frame.traits
    return traits.shape_yx, traits.binning_xy, traits.unit, traits.settings, traits.done, frame.recipe


def _angle(sort: str, traits: Configuration) -> float | None:
    return dict(traits.angles).get(sort)


def _by_key(frames: Sequence[NightFrame], key: Callable[[NightFrame], tuple[object, ...]]) -> list[list[NightFrame]]:
    parts: dict[tuple[object, ...], list[NightFrame]] = {}
    for frame in frames:
        parts.setdefault(key(frame), []).append(frame)
    return list(parts.values())


def _by_number(
    groups: Sequence[Sequence[NightFrame]],
    number: Callable[[Configuration], float | None],
    same: Callable[[float, float], bool],
) -> list[list[NightFrame]]:
    """Divide groups where a number is not the same: all of a part are the same as its smallest, so that none creeps."""
    parts = []
    for frames in groups:
        values = [(number(frame.traits), frame.name, frame) for frame in frames]
        known = sorted((value, name, frame) for value, name, frame in values if value is not None)
        while known:
            smallest = known[0][0]
            parts.append([frame for value, _, frame in known if same(smallest, value)])
            known = [each for each in known if not same(smallest, each[0])]
        parts.append([frame for value, _, frame in values if value is None])
    return [sorted(part, key=lambda frame: frame.name) for part in parts]


def _common_traits(traits: Sequence[Configuration]) -> Configuration:
    return replace(
        traits[0],
        exposure_s=_mean(each.exposure_s for each in traits),
        temperature_c=_mean(each.temperature_c for each in traits),
        gain_e_per_adu=_mean(each.gain_e_per_adu for each in traits),
    )


def _mean(values: Iterable[float | None]) -> float | None:
    """Return the mean of those that are known: to the last bit the same in whatever order the frames come."""
    known = sorted(value for value in values if value is not None)
    if not known or known[0] == known[-1]:
        return known[0] if known else None
    return fsum(known) / len(known)


def _order(batch: Batch) -> tuple[object, ...]:
    traits = batch.traits
    return (
        traits.night or "",
        *(traits.shape_yx, traits.binning_xy, traits.unit, traits.settings),
        *(-1.0 if number is None else number for number in (traits.gain_e_per_adu, traits.exposure_s)),
        traits.temperature_c or 0.0,
        filter_of(traits) or "",
        (traits.flat_light or "", traits.optics, traits.angles),
        batch.frames[0].name,
    )


def _named(batches: Sequence[Batch], tolerances: Tolerances) -> list[Batch]:
    """Give each batch its label and file name: the kind, and what sets it apart from the others of its kind."""
    gains = _rounded((batch.traits.gain_e_per_adu for batch in batches), tolerances.same_gain)
    degrees = _rounded((batch.traits.temperature_c for batch in batches), tolerances.same_temperature)
    sorts = [_words_apart(batch, gains, degrees) for batch in batches]
    varying = {sort for sort in {sort for words in sorts for sort in words} if len({w.get(sort) for w in sorts}) > 1}
    if len({(words.get("chip"), words.get("gain")) for words in sorts}) == len({words.get("chip") for words in sorts}):
        varying.discard("gain")  # each chip has its own, and is told by its name
    taken: set[str] = set()
    named = []
    for batch, words in zip(batches, sorts, strict=True):
        own = [batch.kind.value, *_own_words(batch)]
        apart = [words[sort] for sort in words if sort in varying]
        label, stem = ", ".join([" ".join(own), *apart]), _short(_slug([*own, *apart, *_case_words(batch)]))
        number = next(n for n in count(1) if (stem if n == 1 else f"{stem}_{n}").casefold() not in taken)
        if number > 1:
            label, stem = f"{label} ({number})", f"{stem}_{number}"
        taken.add(stem.casefold())
        named.append(replace(batch, label=label, stem=stem))
    return named


#: With its ending, a name of so many characters stands in one card of a header, which holds 68.
_LONGEST_STEM, _LONGEST_END = 57, 20


def _short(stem: str) -> str:
    """Leave out the middle of a name that is too long for a card; its end tells cameras and gains apart."""
    if len(stem) <= _LONGEST_STEM:
        return stem
    return f"{stem[: _LONGEST_STEM - _LONGEST_END].rstrip('_')}_{stem[-_LONGEST_END + 1 :].lstrip('_')}"


def _own_words(batch: Batch) -> list[str]:
    """Return what a combined frame of this kind is always called by."""
    row = calibration_kind(batch.kind)
    if row.by_exposure and batch.traits.exposure_s is not None:
        exposure = batch.traits.exposure_s
        rounded = (round(exposure, digits) for digits in range(4))
        short = next((each for each in rounded if _is_near(each, exposure)), exposure)
        return [f"{short:.6g} s"]
    if row.by_filter and batch.traits.filter_name not in {None, "no filter"}:
        return [str(batch.traits.filter_name)]
    return []


def _case_words(batch: Batch) -> Iterator[str]:
    """Yield the case of names that differ by it from others, since R and r are one name to many file systems.

    It is said of each of them, so that what is called R in one folder is not called as r is in another.
    """
    traits = batch.traits
    names = {**dict(traits.settings), **({} if traits.filter_name is None else {FILTER: traits.filter_name})}
    for sort in traits.case_counts:
        if sort != FILTER or calibration_kind(batch.kind).by_filter:
            name = names[sort]
            yield "upper case" if name.isupper() else "lower case" if name.islower() else "mixed case"


def _is_near(one: float, other: float) -> bool:
    return abs(one - other) <= _EXPOSURE_FRACTION * abs(other)


def _rounded(values: Iterable[float | None], same: Callable[[float, float], bool]) -> dict[float, float]:
    """Return for each number the smallest one that is the same: means that differ by chance set nothing apart."""
    smallest: dict[float, float] = {}
    for value in sorted({value for value in values if value is not None}):
        last = next(reversed(smallest.values()), None)
        smallest[value] = last if last is not None and same(last, value) else value
    return smallest


def _words_apart(batch: Batch, gains: Mapping[float, float], degrees: Mapping[float, float]) -> dict[str, str]:
    """Return what may set a batch apart from the others of its kind, by sort."""
    traits = batch.traits
    words = {"size": size_words(traits.shape_yx, traits.binning_xy), "unit": traits.unit}
    words |= {sort: value if value.startswith(sort) else f"{sort} {value}" for sort, value in traits.settings}
    if calibration_kind(batch.kind).by_filter:
        words |= {"light": traits.flat_light} if traits.flat_light is not None else {}
        words |= {sort: f"{sort} {value}" for sort, value in traits.optics}
        words |= {sort: f"{sort} {value:.6g}" for sort, value in traits.angles}
    if traits.gain_e_per_adu is not None:
        words["gain"] = f"gain {gains[traits.gain_e_per_adu]:.3g}"
    if calibration_kind(batch.kind).temperature_tolerance is not None and traits.temperature_c is not None:
        words["temperature"] = f"{round(degrees[traits.temperature_c])} C"
    if traits.night is not None:
        words["night"] = f"night of {traits.night}"
    return words


def _slug(words: Sequence[str]) -> str:
    """Return words as a file name that every system takes."""
    parts = []
    for word in words:
        # a prime is part of a filter's name: g and g' are two filters
        text = re.sub(r"(\d) (s|C)$", r"\1\2", word.replace("night of ", "").replace(" pixels", ""))
        parts.append(re.sub(r"[^\w.+-]+", "_", text.replace("'", "p"), flags=re.ASCII).strip("_."))
    return "_".join(part for part in ["combined", *parts] if part)
