"""What is done to frames: from what was asked for and what is known of the camera, and every choice is told."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from zeroframe.errors import CameraError, MismatchError, SectionError, UnsupportedError, UsageError
from zeroframe.frames.overscan import LevelMethod, OverscanSpec
from zeroframe.frames.regions import Region, require_apart
from zeroframe.frames.steps import FrameRecipe
from zeroframe.headers.cameras import Camera, load_camera, recognise
from zeroframe.headers.detectors import Amplifier, Detector
from zeroframe.headers.sections import AxisRange, Section, size_words
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zeroframe.frames.level_fits import Fit
    from zeroframe.headers.geometry import FoundDetector
    from zeroframe.headers.survey import RawFrame
    from zeroframe.inspection import OverscanInspection

__all__ = ["Choice", "RecipeOptions", "amplifier_choices", "choose_recipe", "inspection_of"]


#: Lines at the sides of an image, and the part of a frame, that headers and pixels may see otherwise without a word.
_FEW_LINES, _SMALL_PART = 4, 0.01


@dataclass(frozen=True, slots=True)
class Choice:
    """Something that was decided: what, how, and why; ``certain`` is False where it was a guess."""

    what: str
    value: str
    reason: str
    certain: bool = True


@dataclass(frozen=True, slots=True)
class RecipeOptions:
    """What the caller asked to be done to each frame; None leaves it to what is known of the camera.

    Parameters
    ----------
    camera : str, optional
        Name of a camera, or path of a profile.
    overscan, trim : Section, optional
        Override those of the camera.
    overscan_method, overscan_fit, overscan_order
        As in `OverscanSpec`.
    evidence : OverscanInspection, optional
        What the pixels say of a camera that is not known.
    """

    camera: str | None = None
    overscan: Section | None = None
    trim: Section | None = None
    overscan_method: LevelMethod | None = None
    overscan_fit: Fit | None = None
    overscan_order: int | None = None
    evidence: OverscanInspection | None = None

    @property
    def names_sections(self) -> bool:
        """Whether the caller spelled out what to do."""
        return self.overscan is not None or self.trim is not None


def choose_recipe(item: RawFrame, options: RecipeOptions) -> tuple[FrameRecipe, Camera | None, list[Choice]]:
    """Decide on overscan and trim for frames like this one: what was asked for, else what is known of the camera.

    What the header says of its sections is shown, and not believed.

    Parameters
    ----------
    item : RawFrame
        One of the frames, which all have its size.
    options : RecipeOptions
        What was asked for.

    Returns
    -------
    recipe : FrameRecipe
        Its sections have been checked against the size of the frame.
    camera : Camera or None
        The camera whose profile was used.
    choices : list of Choice
        What was decided, and why.

    Raises
    ------
    SectionError
        When a section lies outside the frame.
    CameraError
        When the camera that was asked for is not known.
    MismatchError
        When frames of that camera have another size.
    UnsupportedError
        When its files hold several detectors.
    UsageError
        When it was said how to take the overscan's level, and no overscan is subtracted.
    """
    camera, choices = _choose_camera(item, options)
    if item.found is not None and (camera is None or camera.names_extensions):
        camera, choices = _camera_of_header(item, item.found), _header_geometry(item.found)
    amplifiers = (_amplifier_seen(item, options),) if camera is None else _detector_for(camera, item).amplifiers
    if camera is not None and len(amplifiers) > 1:
        recipe = _assembled(camera, amplifiers, item, options)
        return recipe, camera, [*choices, *amplifier_choices(recipe, camera)]
    amplifier = amplifiers[0]
    trim = _turned(amplifier) if options.trim is None else options.trim
    region = _region(amplifier, item, options)
    kept = _checked(trim, "trim", item)
    for spec in region.overscans:
        if kept is not None and (options.names_sections or options.camera is not None):  # what headers say may be wrong
            require_apart(spec.section, kept)
    recipe = FrameRecipe((replace(region, trim=kept),))
    if camera is None and not options.names_sections:
        return recipe, None, [*choices, *_unknown_camera_choices(recipe, item, options)]
    profile = "none asked for" if camera is None else f"profile of {camera.name}"
    reason = "as asked for" if options.overscan is not None else (amplifier.overscan_reason or profile)
    value = _overscan_words(recipe.regions[0])
    choices.append(Choice("overscan", value, reason))
    choices.append(Choice("trim", str(recipe.trim or "none"), profile if options.trim is None else "as asked for"))
    return recipe, camera, choices


def _overscan_words(region: Region) -> str:
    return " and ".join(spec.describe() for spec in region.overscans) or "not subtracted"


def amplifier_choices(recipe: FrameRecipe, camera: Camera) -> list[Choice]:
    """Say what is done to the pixels of each of several amplifiers, and why.

    Parameters
    ----------
    recipe : FrameRecipe
        With a region for each.
    camera : Camera
        Of which they are.
    """
    reasons = {each.name: each.overscan_reason for each in camera.amplifiers}
    known = f"camera {camera.name}"
    told = [Choice("amplifiers", f"{len(recipe.regions)}, assembled to one image", known)]
    for region in recipe.regions:
        value = f"overscan {_overscan_words(region)}; {region.trim} put at {region.place}"
        reason = reasons[region.name] or known
        told.append(Choice(f"amplifier {region.name}", value, reason, certain="not proven" not in reason))
    if recipe.crosstalk:
        parts = ", ".join(f"{each.part:g} of {each.source} in {each.victim}" for each in recipe.crosstalk)
        told.append(Choice("crosstalk", f"taken out: {parts}", known))
    return told


def _assembled(
    camera: Camera, amplifiers: tuple[Amplifier, ...], item: RawFrame, options: RecipeOptions
) -> FrameRecipe:
    """Return what is done to frames that several amplifiers read: each has its own overscan and figures."""
    if options.names_sections:
        raise UsageError(
            f"--overscan and --trim are those of one amplifier, and the camera {camera.name} has {len(amplifiers)}; "
            "say it of each in a camera file"
        )
    regions = []
    for each in amplifiers:
        region = _region(each, item, options)
        saturation_adu = camera.saturation_adu if each.saturation_adu is None else each.saturation_adu
        regions.append(
            replace(
                region,
                trim=each.trim,
                place=each.place,
                name=each.name,
                gain_e_per_adu=each.gain_e_per_adu,
                read_noise_e=each.read_noise_e,
                saturation_adu=saturation_adu,
            )
        )
    return FrameRecipe(tuple(regions), camera.crosstalk)


def _camera_of_header(item: RawFrame, found: FoundDetector) -> Camera:
    """Return the camera of one detector that its headers describe; a camera file would say the same."""
    facts = item.facts
    name = (facts.instrument if facts is not None else None) or "camera"
    name = f"{name} {found.name}".strip()
    amplifiers = tuple(replace(each, detector="") for each in found.detector.amplifiers)
    crosstalk = tuple(replace(each, detector="") for each in found.detector.crosstalk)
    return Camera(name, name, None, amplifiers, binning_xy=item.binning_xy, crosstalk=crosstalk)


def _header_geometry(found: FoundDetector) -> list[Choice]:
    """Say from where it is known which amplifiers there are."""
    number = len(found.detector.amplifiers)
    several = f"{number} amplifiers" if number > 1 else "1 amplifier"
    whose = f"detector {found.name}: " if found.name else ""
    looked = "; their pixels were looked at" if found.looked_at else ""
    told = found.convention.startswith(("camera ", "pixels: "))
    said = found.convention if told else f"by the header ({found.convention})"
    return [Choice("camera", f"{whose}{several}", f"{said}{looked}")]


def _region(amplifier: Amplifier, item: RawFrame, options: RecipeOptions) -> Region:
    """Return how the overscans of an amplifier are subtracted."""
    first = _overscan_spec(amplifier, item, options)
    parallel = None
    if amplifier.parallel_overscan is not None and options.overscan is None:
        across: Literal[0, 1] = 0 if amplifier.overscan_axis == 1 else 1
        parallel = OverscanSpec(amplifier.parallel_overscan, across, amplifier.overscan_method)
    return Region(first, parallel=parallel)


def _turned(amplifier: Amplifier) -> Section | None:
    """Return what is kept of a frame that one amplifier read, turned as its place says."""
    if amplifier.trim is None or amplifier.place is None:
        return amplifier.trim
    return Section(
        tuple(
            AxisRange(*(part.ends()[::-1] if place.flipped else part.ends()))
            for part, place in zip(amplifier.trim.ranges, amplifier.place.ranges, strict=True)
        )
    )


def inspection_of(item: RawFrame, options: RecipeOptions) -> OverscanInspection | None:
    """Return what the pixels say of the camera, chip, size and binning of a frame; None where they were not asked."""
    if options.evidence is None or item.shape_yx is None:
        return None
    return options.evidence.of_frame(
        item.shape_yx, item.binning_xy, item.frame.cards if item.frame is not None else None
    )


def _amplifier_seen(item: RawFrame, options: RecipeOptions) -> Amplifier:
    """Overscan and trim as the pixels show them; none where sections were spelled out, or the size is another one."""
    seen = inspection_of(item, options)
    if seen is None or options.names_sections:
        return Amplifier()
    trim = seen.trim if seen.strips else None
    if seen.recommended is None:
        return Amplifier(trim=trim, overscan_reason=seen.verdict)
    spec = seen.recommended
    return Amplifier(
        overscan=spec.section,
        overscan_axis=1 if spec.axis is None else spec.axis,
        overscan_method=spec.method,
        overscan_reason=seen.verdict,
        parallel_overscan=None if seen.parallel is None else seen.parallel.section,
        trim=trim,
    )


def _unknown_camera_choices(recipe: FrameRecipe, item: RawFrame, options: RecipeOptions) -> list[Choice]:
    """Say what was chosen for a camera that is not known: by its pixels, or nothing."""
    seen = inspection_of(item, options)
    if seen is None:
        return _header_choices(item)
    certain = seen.decision != "not proven"
    value = _overscan_words(recipe.regions[0])
    looked = ", ".join(f"{len(names)} {kind}" for kind, names in seen.used.items())
    stated = "" if recipe.subtracts_overscan else _stated_sections(item)
    is_or_are = "are" if " and " in stated else "is"
    reason = seen.verdict + (f"; the header's {stated} {is_or_are} not believed without proof" if stated else "")
    if not certain and "BIASSEC" in stated:
        reason += (
            ": the strip stays in the results as if it were image, and a level that moves from frame to frame is not "
            "taken out; where the header is right, give --overscan and --trim"
        )
    cut = _cut_of_image(seen, recipe)
    return [
        Choice("camera", "not known", f"looked at the pixels of {looked} instead"),
        Choice("overscan", value, reason, certain),
        Choice(
            "trim",
            str(recipe.trim or "none"),
            f"what the pixels show{cut}" if recipe.trim else "no overscan strip was found",
            certain and not cut,
        ),
    ]


def _cut_of_image(seen: OverscanInspection, recipe: FrameRecipe) -> str:
    """Say how much more is cut away than the header allows, which calls it image; nothing where that is little."""
    stated = seen.header_sections.get("DATASEC") or seen.header_sections.get("TRIMSEC")
    if stated is None or recipe.trim is None:
        return ""
    more = []
    for part, kept, length, word in zip(
        stated.ranges, recipe.trim.ranges, seen.shape_yx[::-1], ("columns", "rows"), strict=True
    ):
        (first, last), (kept_first, kept_last) = sorted(part.ends()), sorted(kept.ends())
        lost = max(kept_first - first, 0) + max(last - kept_last, 0)
        if lost > max(_FEW_LINES, _SMALL_PART * length):
            more.append(f"{lost} {word}")
    if not more:
        return ""
    return (
        f": no frame has light in {' and '.join(more)} that the header's {stated} calls image; "
        "give --trim where they are to stay"
    )


def _choose_camera(item: RawFrame, options: RecipeOptions) -> tuple[Camera | None, list[Choice]]:
    """Return the camera that was named, else one that the header gives away; none where sections were spelled out."""
    if options.camera is not None:
        camera = load_camera(options.camera)
        return camera, [Choice("camera", camera.title or camera.name, "as asked for")]
    cards: Mapping[str, object] = item.frame.cards if item.frame is not None else {}
    found = None if options.names_sections else recognise(cards, item.shape_yx or ())
    if found is None:
        return None, []
    words = [
        f"{card} = {cards.get(card)!r}" for card in dict.fromkeys(card for card, _ in found.match) if card in cards
    ]
    reason = f"recognised by {', '.join(words)} and {size_words(item.shape_yx)}"
    return found, [Choice("camera", found.title or found.name, reason)]


def _detector_for(camera: Camera, item: RawFrame) -> Detector:
    """Return the one detector of a camera, binned as the frame is, its amplifiers in their places."""
    detectors = camera.detectors
    if len(detectors) != 1:
        reason = f"the camera {camera.name} has {len(detectors)} detectors in a file, and only one can be used yet"
        raise UnsupportedError(item.path, reason, "make a camera file of one of them")
    if camera.shape_yx is not None:
        factors_yx = item.binning_xy[::-1]
        # where the size is no multiple of the binning, some cameras keep the last part of a pixel and some drop it
        fits = all(
            actual in {full // factor, -(-full // factor)}
            for actual, full, factor in zip(item.shape_yx or (), camera.shape_yx, factors_yx, strict=True)
        )
        if not fits:
            own = size_words(item.shape_yx, item.binning_xy)
            reason = f"is {own}, but frames of camera {camera.name} are {size_words(camera.shape_yx)} unbinned"
            raise MismatchError(item.path, reason, "choose another camera, or give --overscan and --trim")
    binned = camera.for_binning(item.binning_xy)
    if len(camera.amplifiers) == 1 and camera.amplifiers[0].place is None:
        return binned.detectors[0]
    try:
        return binned.detectors[0].placed(item.shape_yx or ())
    except CameraError as error:
        if item.found is not None and "leave a gap" in str(error):
            names = ", ".join(each.name for each in item.found.detector.amplifiers)
            reason = f"lacks an amplifier: it holds {names}, and {error}"
            advice = "copy it again if it is cut off; --keep-amplifiers calibrates those that are there"
            raise UnsupportedError(item.path, reason, advice) from None
        size = size_words(item.shape_yx, item.binning_xy)
        raise CameraError(f"the camera {camera.name} does not fit {item.path} ({size}): {error}") from None


def _overscan_spec(amplifier: Amplifier, item: RawFrame, options: RecipeOptions) -> OverscanSpec | None:
    """How the overscan is subtracted; None where it is not."""
    asked = options.overscan is not None
    section = _checked(options.overscan if asked else amplifier.overscan, "overscan", item)
    if section is None:
        if (options.overscan_method, options.overscan_fit, options.overscan_order) != (None, None, None):
            raise UsageError(
                "it was said how to take the level of the overscan, and there is none; give --overscan too"
            )
        return None
    if options.overscan_order is not None and options.overscan_fit is None:
        raise UsageError("--overscan-order belongs to a fit; give --overscan-fit too")
    method = options.overscan_method or ("auto" if asked else amplifier.overscan_method)
    axis = None if asked else amplifier.overscan_axis
    order = 1 if options.overscan_order is None else options.overscan_order
    return OverscanSpec(section, axis, method, options.overscan_fit, order)


def _checked(section: Section | None, what: str, item: RawFrame) -> Section | None:
    """Return the section with every end a number, if it lies in the frame."""
    if section is None:
        return None
    try:
        return section.resolve(item.shape_yx or ())
    except SectionError as error:
        raise SectionError(f"{item.path}: {what}: {error}; give --{what} as it stands in this frame") from error


def _stated_sections(item: RawFrame) -> str:
    """Return the sections that the header names, in words."""
    cards: Mapping[str, object] = item.frame.cards if item.frame is not None else {}
    return " and ".join(f"{word} {cards.get(word)}" for word in ("BIASSEC", "TRIMSEC") if "[" in str(cards.get(word)))


def _header_choices(item: RawFrame) -> list[Choice]:
    """Say what is not done, and which sections of the header were not believed."""
    stated = _stated_sections(item)
    if not stated:
        return [Choice("overscan", "none", "the camera is not known, and the header names no overscan")]
    reason = (
        f"the camera is not known, and the header's {stated} may be wrong, as such cards often are; "
        "look at the pixels, then give --overscan and --trim, or --camera"
    )
    return [Choice("overscan", "not subtracted, nothing trimmed", reason, certain=False)]
