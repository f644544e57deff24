"""From headers and wishes to a list of jobs, as plain data; no pixel is read here."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from zeroframe.clipping import ClipSpread, clip_spec
from zeroframe.dialects import Kind
from zeroframe.errors import (
    FrameError,
    MismatchError,
    NoFramesError,
    OutputError,
    RawFolderError,
)
from zeroframe.io.inputs import Inputs, RawFolders
from zeroframe.io.urls import any_far
from zeroframe.recipes import Choice, FrameRecipe, RecipeWishes, choose_recipe, kind_choices, size_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from zeroframe.cameras import Camera
    from zeroframe.combining import CombineSpec
    from zeroframe.io import Compression, ImageLayout
    from zeroframe.survey import Found

__all__ = [
    "BiasPlan",
    "BiasWishes",
    "CalibrateJob",
    "CombineJob",
    "Refused",
    "check_output_folder",
    "plan_bias",
    "refuse_among",
    "refuse_within",
    "same_form",
    "target_path",
]

_SUFFIX = {"none": ".fits", "gzip": ".fits.gz", "rice": ".fits.fz"}
#: Endings that are taken off a raw frame's name before the new one is put on.
_OLD_SUFFIXES = (".gz", ".bz2", ".fz", ".fits", ".fit", ".fts")
_COMBINED_NAME = "combined_bias"
_NEVER = "raw data are never written to"
_ELSEWHERE = "choose another folder with -o"


@dataclass(frozen=True, slots=True)
class CalibrateJob:
    """One raw frame, stored as ``layout`` says, that becomes one calibrated frame."""

    source: Path
    target: Path
    recipe: FrameRecipe
    layout: ImageLayout
    compress: Compression = "none"

    @property
    def shape_yx(self) -> tuple[int, int]:
        """Shape of the calibrated frame."""
        shape = self.layout.shape_yx if self.recipe.trim is None else self.recipe.trim.shape_yx(self.layout.shape_yx)
        ny, nx = shape
        return ny, nx


@dataclass(frozen=True, slots=True)
class CombineJob:
    """Calibrated frames that become one combined frame.

    ``clip_spread`` is what deviations are counted in; where that needs the noise of the frames, it is measured first.
    """

    sources: tuple[Path, ...]
    target: Path
    spec: CombineSpec
    compress: Compression = "none"
    clip_spread: ClipSpread = "noise"


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that was meant to take part and cannot."""

    path: Path
    problem: FrameError | OutputError


@dataclass(frozen=True, slots=True)
class BiasWishes:
    """What the caller asked for.

    Parameters
    ----------
    recipe : RecipeWishes
        What is done to each frame.
    spec : CombineSpec
        How the frames are combined; by default averaged, clipped at 5.
    compress : {'none', 'gzip', 'rice'}
        Of what is written.
    combine : bool
        Whether they are combined at all.
    overwrite : bool
        Whether files that are there already may be replaced.
    clip_spread : {'noise', 'mad', 'std', 'ccd'}
        What deviations are counted in when they are clipped; by default 1.4826 MAD, but no less than the noise of the
        frames. ``mad`` is as in the notebooks.
    reject_outliers : bool
        Whether frames that do not belong to the others are left out of the combination.
    """

    recipe: RecipeWishes = field(default_factory=RecipeWishes)
    spec: CombineSpec = field(default_factory=lambda: clip_spec("average", 5.0))
    compress: Compression = "none"
    combine: bool = True
    overwrite: bool = False
    clip_spread: ClipSpread = "noise"
    reject_outliers: bool = False


@dataclass(frozen=True, slots=True)
class BiasPlan:
    """All that is going to be done to a folder of biases.

    Attributes
    ----------
    out : pathlib.Path
        Where results go.
    found : tuple of Found
        Everything in the folder.
    calibrate : tuple of CalibrateJob
        In the order of their names.
    combine : CombineJob or None
        None where it was not asked for.
    refused : tuple of Refused
        Frames that ought to take part and cannot.
    choices : tuple of Choice
        What was decided, and why.
    camera : Camera or None
        The camera whose profile is used.
    overwrite : bool
        Whether files that are there already may be replaced.
    reject_outliers : bool
        Whether frames that do not belong to the others are left out of the combination.
    """

    out: Path
    found: tuple[Found, ...]
    calibrate: tuple[CalibrateJob, ...]
    combine: CombineJob | None
    refused: tuple[Refused, ...]
    choices: tuple[Choice, ...]
    camera: Camera | None
    overwrite: bool
    reject_outliers: bool = False


def target_path(out: Path, source: Path, compress: Compression) -> Path:
    """Return where the result of a raw frame is written.

    Examples
    --------
    >>> from pathlib import Path
    >>> target_path(Path("out"), Path("raw/ccd.001.0.fits.gz"), "none").name
    'ccd.001.0.fits'
    """
    name = source.name
    while suffix := next((s for s in _OLD_SUFFIXES if name.lower().endswith(s) and len(name) > len(s)), ""):
        name = name[: -len(suffix)]
    return out / (name + _SUFFIX[compress])


def check_output_folder(raw: Path, out: Path) -> None:
    """Refuse to write into the raw data.

    Raises
    ------
    RawFolderError
        When ``out`` is the raw folder or lies inside it, by whatever name, link or mount.
    OutputError
        When ``out`` is a file.
    """
    refuse_within([raw], [out])
    if out.exists() and not out.is_dir():
        raise OutputError(out, "is a file, not a folder", "choose another folder with -o")


def refuse_within(raw_folders: Iterable[Path], folders: Iterable[Path]) -> None:
    """Refuse to write into folders of raw data, or into folders within them, by whatever name, link or mount.

    Parameters
    ----------
    raw_folders, folders : iterable of pathlib.Path
        Of raw data, and of results; the latter need not be there.

    Raises
    ------
    RawFolderError
        Which names the first.
    """
    known = RawFolders.of(raw_folders)
    for folder in sorted(folders):
        raw = known.around(folder)
        if raw is not None:
            same = folder == raw if any_far(folder) else folder.exists() and raw.exists() and folder.samefile(raw)
            where = "is the raw folder" if same else f"lies inside the raw folder {raw}"
            raise RawFolderError(folder, f"{where}, and {_NEVER}", _ELSEWHERE)


def refuse_among(inputs: Inputs, folders: Iterable[Path]) -> None:
    """Refuse to write into folders in which raw frames really lie: links to them may stand in the raw folder.

    Parameters
    ----------
    inputs : Inputs
        The raw frames.
    folders : iterable of pathlib.Path
        Of results; they need not be there.

    Raises
    ------
    RawFolderError
        Which names the first.
    """
    for folder in sorted(folders):
        path = inputs.lying_in(folder)
        if path is not None:
            raise RawFolderError(folder, f"is where {path} really lies, and {_NEVER}", _ELSEWHERE)
        link = inputs.hard_link_in(folder)
        if link is not None:
            raise RawFolderError(folder, f"holds a raw frame ({link.name}, by a hard link), and {_NEVER}", _ELSEWHERE)


def plan_bias(found: Sequence[Found], raw: Path, out: Path, wishes: BiasWishes) -> BiasPlan:
    """Plan a folder of biases.

    Parameters
    ----------
    found : sequence of Found
        Everything in the folder, from `zeroframe.survey.survey_folder`.
    raw, out : pathlib.Path
        Where the frames are, and where results go.
    wishes : BiasWishes
        What was asked for.

    Returns
    -------
    BiasPlan
        Nothing is done yet.

    Raises
    ------
    RawFolderError
        When ``out`` is, or is inside, the raw folder, or a folder in which raw frames really lie.
    NoFramesError
        When there is no bias frame.
    SectionError, CameraError, MismatchError, UnsupportedError, UsageError
        When sections or the camera do not fit the frames.
    """
    check_output_folder(raw, out)
    refuse_among(Inputs.of(item.path for item in found), [out])
    unusable = [
        Refused(item.path, item.problem)
        for item in found
        if item.problem is not None and (item.facts is None or item.facts.kind is Kind.BIAS)
    ]
    biases = [item for item in found if item.facts is not None and item.facts.kind is Kind.BIAS and not item.problem]
    combined = [item for item in biases if item.facts is not None and item.facts.combined]
    made = [item for item in biases if item not in combined and item.is_result]
    single = [item for item in biases if item not in combined and item not in made]
    if not single:
        raise NoFramesError(_no_bias_sentence(raw, found, combined, made, unusable))
    usable, odd = same_form(single)
    recipe, camera, choices = choose_recipe(usable[0], wishes.recipe)
    jobs, clashes = _calibrate_jobs(usable, out, recipe, wishes)
    combine = None
    if wishes.combine:
        target = out / (_COMBINED_NAME + _SUFFIX[wishes.compress])
        combine = CombineJob(
            tuple(job.target for job in jobs), target, wishes.spec, wishes.compress, wishes.clip_spread
        )
        if len(jobs) == 1:
            choices.append(Choice("combine", "one frame only", "the result is as noisy as that frame", certain=False))
    refused = (*unusable, *odd, *clashes)
    told = (*kind_choices(single, combined, made), *choices)
    return BiasPlan(
        out, tuple(found), tuple(jobs), combine, refused, told, camera, wishes.overwrite, wishes.reject_outliers
    )


def _no_bias_sentence(
    raw: Path,
    found: Sequence[Found],
    combined: Sequence[Found],
    made: Sequence[Found],
    unusable: Sequence[Refused],
) -> str:
    advice = "; give the folder that holds the raw biases"
    bad = "".join(f"\n  {refused.problem}" for refused in unusable)
    if made:
        what = f"{made[0].path.name}, which zeroframe has calibrated already"
        return f"{raw}: no raw bias frame, only such as {what}{advice}, or combine these with zeroframe combine{bad}"
    if combined:
        return f"{raw}: no raw bias frame, only {combined[0].path.name}, which is combined already{advice}{bad}"
    kinds = Counter(str(item.facts.kind or "unknown") for item in found if item.facts is not None)
    if kinds:
        listed = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
        return f"{raw}: no bias frame that can be used among {kinds.total()} FITS files ({listed}){advice}{bad}"
    if unusable:
        return f"{raw}: no frame that can be used{advice}{bad}"
    return f"{raw}: no FITS file in it{advice}"


def same_form(items: Sequence[Found]) -> tuple[list[Found], list[Refused]]:
    """Keep the frames of the size, binning and unit that most have, and refuse the others.

    Parameters
    ----------
    items : sequence of Found
        At least one, all with an image.

    Returns
    -------
    usable : list of Found
    refused : list of Refused
        Each with a `MismatchError` that says in what it differs.
    """
    most = Counter(item.form for item in items).most_common(1)[0][0]
    refused = []
    for item in items:
        if item.form == most:
            continue
        own, usual = (f"{size_words(form[0], form[1])} in {form[2]}" for form in (item.form, most))
        reason = f"is {own}, but most of the frames are {usual}"
        refused.append(Refused(item.path, MismatchError(item.path, reason, "process it in a folder of its own")))
    return [item for item in items if item.form == most], refused


def _calibrate_jobs(
    usable: Sequence[Found], out: Path, recipe: FrameRecipe, wishes: BiasWishes
) -> tuple[list[CalibrateJob], list[Refused]]:
    """One job a frame; of two frames that would be written to one file, the second is refused."""
    taken = {_COMBINED_NAME + _SUFFIX[wishes.compress]: "the combined frame"} if wishes.combine else {}
    jobs: list[CalibrateJob] = []
    clashes: list[Refused] = []
    for item in usable:
        target = target_path(out, item.path, wishes.compress)
        # file systems that ignore case would let the second overwrite the first
        key = target.name.casefold()
        if key in taken:
            reason = f"would be written to {target}, which is taken by {taken[key]}"
            clashes.append(Refused(item.path, OutputError(item.path, reason, "rename this raw frame")))
        else:
            taken[key] = item.path.name
            jobs.append(CalibrateJob(item.path, target, recipe, item.layout, wishes.compress))
    return jobs, clashes
