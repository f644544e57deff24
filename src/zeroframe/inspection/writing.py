"""Files that an inspection leaves behind: a camera profile, and a figure."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from zeroframe import __version__
from zeroframe.errors import CameraError, UsageError
from zeroframe.fits.atomic import atomic_file, write_all
from zeroframe.fits.inputs import NO_INPUTS, Inputs
from zeroframe.headers.cameras import Camera, camera_to_toml
from zeroframe.headers.own_results import INSPECTION, INSPECTION_MARK
from zeroframe.headers.words import NO_WORDS, Words
from zeroframe.inspection.figure import draw_amplifiers
from zeroframe.inspection.result import OverscanInspection

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from zeroframe.headers.survey import RawFrame
    from zeroframe.inspection.amplifiers import LookedAt
    from zeroframe.inspection.without_places import SeenExtension

__all__ = ["named_as_profile", "write_amplifiers", "write_camera", "write_plot", "write_profile"]

#: Images of more dots along one side are not drawn by matplotlib.
_DPI, _MOST_DOTS = 120, 60_000


def write_camera(
    result: OverscanInspection,
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    inputs: Inputs = NO_INPUTS,
    words: Words = NO_WORDS,
) -> Camera:
    """Write what was found as a camera profile, which ``--camera`` takes.

    Parameters
    ----------
    result : OverscanInspection
        What was found. An overscan that is not proven is not written as if it were: then there is nothing to write.
    path : path-like
        Ends in ``.toml``; the camera is called as the file.
    overwrite : bool, optional
        Replace a profile of that name that an inspection has written.
    inputs : Inputs, optional
        Files that are never replaced, such as the raw frames.
    words : Words, optional
        What headers mean: what was taught, and what was guessed.

    Returns
    -------
    Camera
        What was written.

    Raises
    ------
    CameraError
        When the path does not end in ``.toml``, or nothing was proven.
    OutputExistsError
        When another file is there, which is kept.
    OutputError
        When the file cannot be written.
    """
    target = named_as_profile(path)
    if result.decision == "not proven":
        raise CameraError(f"{target} was not written: {result.verdict}")
    camera = replace(result.to_camera(target.stem), words=words)
    write_profile(camera_to_toml(camera), target, inputs, overwrite=overwrite)
    return camera


def write_amplifiers(
    seen: Sequence[LookedAt],
    of: Sequence[RawFrame],
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    inputs: Inputs = NO_INPUTS,
) -> Camera:
    """Write the amplifiers of detectors as a camera profile, which ``--camera`` takes.

    Parameters
    ----------
    seen : sequence of LookedAt
        What was found, of each detector of the files.
    of : sequence of RawFrame
        A frame of each.
    path, overwrite, inputs
        As for `write_camera`.

    Returns
    -------
    Camera
        What was written: in unbinned pixels of the extension that each amplifier stands in.

    Raises
    ------
    CameraError, OutputExistsError, OutputError
        As `write_camera` does.
    """
    target = named_as_profile(path)
    amplifiers = []
    for one, item in zip(seen, of, strict=True):
        rows = one.found.extension_rows()
        for each in one.found.detector.amplifiers:
            first = each.trim.ranges[1].ends()[0] if each.trim is not None else 1
            number = next(n for n, part in enumerate(rows) if part.start < first <= part.stop)
            ext = str(one.found.extensions[number])
            own = each.shifted(0, -rows[number].start).unbinned(item.binning_xy)
            amplifiers.append(replace(own, ext="" if ext == "0" else ext))
    crosstalk = [
        replace(each, detector=one.found.name)
        for one in seen
        for each in (() if one.crosstalk is None else one.crosstalk.to_take_out)
    ]
    camera = Camera(
        target.stem, target.stem, None, tuple(amplifiers), source="its header, and its pixels",
        crosstalk=tuple(crosstalk),
    )  # fmt: skip
    write_profile(camera_to_toml(camera), target, inputs, overwrite=overwrite)
    return camera


def named_as_profile(path: str | os.PathLike[str]) -> Path:
    """Return the path of a camera profile; raises `CameraError` where it is not named as one."""
    target = Path(path)
    if target.suffix.lower() != ".toml":
        raise CameraError(f"{target}: a camera profile needs a name that ends in .toml")
    return target


def write_profile(text: str, target: Path, inputs: Inputs, *, overwrite: bool) -> None:
    """Write a camera profile that an inspection has made, marked as such; raises as `write_camera` does."""
    replaces = INSPECTION.permission(target, inputs, overwrite=overwrite)
    with atomic_file(target, overwrite=replaces) as descriptor:
        write_all(descriptor, [f"# A camera profile for zeroframe, {INSPECTION_MARK}.\n{text}".encode()])


def write_plot(
    result: OverscanInspection | Sequence[LookedAt] | Sequence[SeenExtension],
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    inputs: Inputs = NO_INPUTS,
) -> None:
    """Write the figure of an inspection.

    Parameters
    ----------
    result : OverscanInspection, or sequence of LookedAt or of SeenExtension
        What was found; of detectors that several amplifiers read, that of each amplifier is drawn.
    path : path-like
        Ends in ``.png``, ``.pdf`` or ``.svg``.
    overwrite, inputs
        As for `write_camera`, of a figure.

    Raises
    ------
    UsageError
        When the name ends in something else.
    OutputExistsError
        When another file is there, which is kept.
    OutputError
        When the file cannot be written.
    """
    target = Path(path)
    form = target.suffix.lower().removeprefix(".")
    if form not in {"png", "pdf", "svg"}:
        raise UsageError(f"{target}: a figure needs a name that ends in .png, .pdf or .svg")
    replaces = INSPECTION.permission(target, inputs, overwrite=overwrite)
    content = BytesIO()
    said = {"Software" if form == "png" else "Creator": f"zeroframe {__version__}, {INSPECTION_MARK}"}
    fig = result.plot() if isinstance(result, OverscanInspection) else draw_amplifiers(result)
    dpi = min(_DPI, _MOST_DOTS / max(fig.get_size_inches()))
    fig.savefig(content, format=form, dpi=dpi, metadata=said)
    with atomic_file(target, overwrite=replaces) as descriptor:
        write_all(descriptor, [content.getvalue()])
