"""The amplifiers of a detector: which pixels of an image each has read, and where they belong on the detector.

A file holds detectors, a detector has amplifiers. What is wrong with their sections is found here, before any pixel is
read: parts that overlap, and gaps in the assembled image.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING, Literal

from zeroframe.errors import CameraError, SectionError
from zeroframe.headers.sections import WHOLE, AxisRange, Section
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["Amplifier", "Crosstalk", "Detector", "OverscanMethod"]

OverscanMethod = Literal["auto", "median", "mean", "clipped", "constant"]
#: An overscan may fall short of the image by a tenth at its ends; as in `zeroframe.frames.overscan`.
_COVERED = 0.9


@dataclass(frozen=True, slots=True)
class Amplifier:
    """One read-out channel, in pixels of the image that it is part of.

    Attributes
    ----------
    name : str
        Empty where the camera has only one.
    overscan : Section or None
        The useful overscan; None: none, and `overscan_reason` says why.
    overscan_axis : {0, 1}
        The numpy axis that the level is taken along: 1 gives a level for each row, 0 for each column.
    overscan_method : {'auto', 'median', 'mean', 'clipped', 'constant'}
        How the pixels of one row or column become its level.
    overscan_reason : str
        Why this strip, or why none.
    parallel_overscan : Section or None
        A second overscan, across the first: its level is taken along the other axis, after the first.
    prescan : Section or None
        Pixels that were read before the image; they are cut off.
    trim : Section or None
        The pixels that see light; None: all.
    place : Section or None
        Where they belong on the detector, in pixels of its image; an axis that is read backwards is turned around.
    gain_e_per_adu, read_noise_e, saturation_adu : float or None
        None where not measured; of the last, where it is that of the camera.
    detector : str
        The detector that it is part of; empty where the file holds only one.
    ext : str
        Number or name of the extension in whose pixels sections are given; empty where the file holds one image.
    """

    name: str = ""
    overscan: Section | None = None
    overscan_axis: Literal[0, 1] = 1
    overscan_method: OverscanMethod = "auto"
    overscan_reason: str = ""
    parallel_overscan: Section | None = None
    prescan: Section | None = None
    trim: Section | None = None
    place: Section | None = None
    gain_e_per_adu: float | None = None
    read_noise_e: float | None = None
    saturation_adu: float | None = None
    detector: str = ""
    ext: str = ""

    def binned(self, factors_xy: tuple[int, int]) -> Amplifier:
        """Return it in binned pixels; raises `SectionError` where a section holds no whole one."""
        return self._with_sections(lambda _, section: section.bin(*factors_xy))

    def unbinned(self, factors_xy: tuple[int, int]) -> Amplifier:
        """Return it in pixels of the sensor, of which an amplifier with binned pixels is given.

        Examples
        --------
        >>> str(Amplifier(trim=Section.parse("[3:5,1:4]")).unbinned((2, 3)).trim)
        '[5:10,1:12]'
        """

        def whole(_: str, section: Section) -> Section:
            ranges = []
            for part, factor in zip(section.ranges, factors_xy, strict=True):
                first, last = part.ends()
                low, high = (min(first, last) - 1) * factor + 1, max(first, last) * factor
                ranges.append(AxisRange(high, low) if first > last else AxisRange(low, high))
            return Section(tuple(ranges))

        return self._with_sections(whole)

    def shifted(self, dx: int, dy: int) -> Amplifier:
        """Return it as it stands in an image that begins so many pixels further left and below; its place stays."""
        return self._with_sections(lambda name, section: section if name == "place" else section.shift(dx, dy))

    def resolved(self, shape_yx: tuple[int, ...]) -> Amplifier:
        """Return it with every end of its sections a number; raises `CameraError` where one lies outside the image."""

        def resolve(name: str, section: Section) -> Section:
            try:
                return section if name == "place" else section.resolve(shape_yx)
            except SectionError as error:
                raise CameraError(f"{_called(self)}: {name}: {error}") from None

        return self._with_sections(resolve)

    def _with_sections(self, change: Callable[[str, Section], Section]) -> Amplifier:
        """Return it with each of its sections changed, by its name."""

        def changed(name: str, section: Section | None) -> Section | None:
            return None if section is None else change(name, section)

        return replace(
            self,
            overscan=changed("overscan", self.overscan),
            parallel_overscan=changed("parallel_overscan", self.parallel_overscan),
            prescan=changed("prescan", self.prescan),
            trim=changed("trim", self.trim),
            place=changed("place", self.place),
        )


@dataclass(frozen=True, slots=True)
class Crosstalk:
    """What of one amplifier's signal appears in another one, which reads at the same moment.

    Attributes
    ----------
    source, victim : str
        Names of the two amplifiers.
    part : float
        ADU of the victim for each ADU that the source reads above its level; negative where it is drawn down.
    detector : str
        Of which they are; empty where the file holds only one.
    """

    source: str
    victim: str
    part: float
    detector: str = ""


@dataclass(frozen=True, slots=True)
class Detector:
    """A detector (chip) and the amplifiers that read it.

    Attributes
    ----------
    name : str
        Empty where the file holds only one.
    amplifiers : tuple of Amplifier
        At least one.
    crosstalk : tuple of Crosstalk
        Between them.
    """

    name: str
    amplifiers: tuple[Amplifier, ...]
    crosstalk: tuple[Crosstalk, ...] = ()

    def placed(self, shape_yx: tuple[int, ...]) -> Detector:
        """Return the detector with all sections resolved and each amplifier in its place.

        Parameters
        ----------
        shape_yx : tuple of int
            Of the image as it stands in the file.

        Returns
        -------
        Detector
            Where no amplifier says where it belongs, they keep the order in which they stand in the image.

        Raises
        ------
        CameraError
            When a section lies outside the image, two overlap that must not, or the places leave a gap.

        Examples
        --------
        >>> a, b = (Amplifier(name, trim=Section.parse(trim)) for name, trim in (("A", "[1:8,*]"), ("B", "[13:20,*]")))
        >>> [str(each.place) for each in Detector("", (a, b)).placed((5, 20)).amplifiers]
        ['[1:8,1:5]', '[9:16,1:5]']
        """
        amplifiers = [each.resolved(shape_yx) for each in self.amplifiers]
        if len(amplifiers) == 1 and amplifiers[0].place is None:
            return Detector(self.name, (amplifiers[0],))
        if len(amplifiers) == 1 and amplifiers[0].trim is None:
            amplifiers = [replace(amplifiers[0], trim=WHOLE.resolve(shape_yx))]
        _check_names(amplifiers)
        _check_apart(amplifiers)
        for each in amplifiers:
            _check_beside(each)
        if all(each.place is None for each in amplifiers):
            amplifiers = _in_order(amplifiers)
        _check_places(amplifiers)
        return Detector(self.name, tuple(amplifiers), self.crosstalk)


def _called(amplifier: Amplifier) -> str:
    return f"amplifier {amplifier.name}".rstrip()


def _check_names(amplifiers: Sequence[Amplifier]) -> None:
    names = [each.name for each in amplifiers]
    if len(amplifiers) > 1 and not all(names):
        raise CameraError(f'amplifier {names.index("") + 1} has no name; of several, each needs one: name = "A"')
    for name in names:
        if names.count(name) > 1:
            raise CameraError(f"{names.count(name)} amplifiers are called '{name}'; give each a name of its own")


def _check_apart(amplifiers: Sequence[Amplifier]) -> None:
    """Raise where two amplifiers have one pixel, or one of an overscan is kept as image, too."""
    for each in amplifiers:
        if each.trim is None:
            raise CameraError(f"{_called(each)} has no trim; of several amplifiers, each needs the pixels that it read")
    parts = [(each, word, section) for each in amplifiers for word, section in _parts(each)]
    for (one, word, section), (other, other_word, other_section) in combinations(parts, 2):
        common = section.intersect(other_section)
        if common is not None and (one is not other or "trim" in {word, other_word}):
            raise CameraError(
                f"{word} {section} of {_called(one)} and {other_word} {other_section} of {_called(other)} "
                f"have {common} in common; each pixel belongs to one of them"
            )


def _check_beside(amplifier: Amplifier) -> None:
    """Raise where an overscan does not run along the pixels that it is to give a level."""
    across = 1 - amplifier.overscan_axis
    for word, section, axis in (
        ("overscan", amplifier.overscan, across),
        ("parallel_overscan", amplifier.parallel_overscan, 1 - across),
    ):
        if section is None:
            continue
        # numpy's rows are the second range of a section
        (first, last), (low, high) = (part.ranges[1 - axis].ends() for part in (_trim_of(amplifier), section))
        covered, needed = min(last, high) - max(first, low) + 1, last - first + 1
        if covered < _COVERED * needed:
            lines = "rows" if axis == 0 else "columns"
            raise CameraError(
                f"{word} {section} of {_called(amplifier)} stands beside {max(covered, 0)} of the {needed} {lines} of "
                f"its trim {amplifier.trim}; a level for each of the {lines} needs a section along all of them"
            )


def _parts(amplifier: Amplifier) -> Iterator[tuple[str, Section]]:
    for word in ("trim", "overscan", "parallel_overscan", "prescan"):
        section = getattr(amplifier, word)
        if section is not None:
            yield word, section


def _trim_of(amplifier: Amplifier) -> Section:
    if amplifier.trim is None:
        raise CameraError(f"{_called(amplifier)} has no trim")
    return amplifier.trim


def _in_order(amplifiers: Sequence[Amplifier]) -> list[Amplifier]:
    """Return amplifiers in the places that are left when everything between their images is cut away."""
    starts = []
    for axis in (0, 1):
        begins, to = {}, 1
        ends = sorted({_trim_of(each).ranges[axis].ends() for each in amplifiers})
        for (first, last), (after, _) in zip(ends, [*ends[1:], (ends[-1][1] + 1, 0)], strict=True):
            if after <= last:
                raise CameraError(
                    "the images of the amplifiers do not stand in rows and columns; say of each where it belongs: "
                    'place = "[1:1024,1:2048]"'
                )
            begins[first] = to
            to += last - first + 1
        starts.append(begins)
    placed = []
    for each in amplifiers:
        ranges = [(starts[axis][part.ends()[0]], part.ends()) for axis, part in enumerate(_trim_of(each).ranges)]
        placed.append(
            replace(each, place=Section(tuple(AxisRange(to, to + last - first) for to, (first, last) in ranges)))
        )
    return placed


def _check_places(amplifiers: Sequence[Amplifier]) -> None:
    """Raise where the places overlap, have another size than what is put there, or leave a gap."""
    taken: list[tuple[Amplifier, Section]] = []
    for each in amplifiers:
        if each.place is None:
            raise CameraError(f"{_called(each)} has no place; give all amplifiers one, or none")
        rising = Section(tuple(AxisRange(min(part.ends()), max(part.ends())) for part in each.place.ranges))
        size, own = (" x ".join(str(b - a + 1) for a, b in _ends(part)) for part in (rising, _trim_of(each)))
        if size != own:
            raise CameraError(f"{_called(each)}: place {each.place} is {size} pixels, and trim {each.trim} is {own}")
        taken.append((each, rising))
    for (one, section), (other, other_section) in combinations(taken, 2):
        common = section.intersect(other_section)
        if common is not None:
            raise CameraError(
                f"the places {one.place} of {_called(one)} and {other.place} of {_called(other)} overlap in {common}"
            )
    sizes = [[b - a + 1 for a, b in _ends(section)] for _, section in taken]
    nx, ny = (max(_ends(section)[axis][1] for _, section in taken) for axis in (0, 1))
    missing = nx * ny - sum(width * height for width, height in sizes)
    if missing:
        raise CameraError(
            f"the places of the amplifiers leave a gap: they fill {nx * ny - missing} pixels of [1:{nx},1:{ny}], "
            f"and {missing} belong to none"
        )


def _ends(section: Section) -> list[tuple[int, int]]:
    return [part.ends() for part in section.ranges]
