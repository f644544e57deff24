"""What the tests of plans share: raw frames that are headers only, since a plan reads no pixel."""

from __future__ import annotations

from pathlib import Path

from astropy.io import fits

from zeroframe.headers.survey import survey_tree
from zeroframe.planning.plan import NightPlan
from zeroframe.planning.planning import plan_night
from zeroframe.planning.recipe import NightRecipe, parse_recipe
from zeroframe.simulate import night_specs
from zeroframe.simulate.headers import frame_header
from zeroframe.simulate.mosaics import any_camera

WORDS = {"bias": "zero", "dark": "dark", "flat": "flat", "science": "object", "arc": "comp", "other": "focus"}


def write_header(path: Path, shape_yx: tuple[int, int], header: fits.Header) -> Path:
    """Write the header of a raw frame of 16 bits, and no pixel after it."""
    ny, nx = shape_yx
    layout = {"SIMPLE": True, "BITPIX": 16, "NAXIS": 2, "NAXIS1": nx, "NAXIS2": ny, "BZERO": 32768, "BSCALE": 1}
    whole = fits.Header(layout.items())
    whole.extend(header, strip=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(whole.tostring(padding=True).encode("ascii"))
    return path


def frame(
    folder: Path,
    name: str,
    kind: str | None,
    exposure_s: float | None = 0.0,
    shape_yx: tuple[int, int] = (12, 20),
    **cards: object,
) -> Path:
    """Write one frame; cards that are None are left out, and an underscore in a card stands for a hyphen."""
    said = {"IMAGETYP": WORDS.get(kind, kind), "EXPTIME": exposure_s, **cards}
    header = fits.Header({word.replace("_", "-"): value for word, value in said.items() if value is not None})
    return write_header(folder / name, shape_yx, header)


def several(
    folder: Path, number: int, stem: str, kind: str | None, exposure_s: float | None = 0.0, **cards: object
) -> None:
    """Write so many frames of one sort."""
    for n in range(1, number + 1):
        frame(folder, f"{stem}{n}.fits", kind, exposure_s, **cards)


def plan(folder: Path, recipe: str | NightRecipe = "", **options: object) -> NightPlan:
    """Plan a folder by a recipe."""
    chosen = parse_recipe(recipe) if isinstance(recipe, str) else recipe
    return plan_night(survey_tree(folder), folder, folder.parent / "out", chosen, **options)


def simulated_headers(camera: str, folder: Path) -> Path:
    """Write the headers of a simulated night at their full size."""
    known = any_camera(camera)
    for index, spec in enumerate(night_specs(known)):
        write_header(folder / spec.file_name, known.shape_yx, frame_header(known, spec, 1, index))
    return folder


def told(made: NightPlan, what: str) -> str:
    """Return what the plan says under one title, a line for each choice."""
    return "\n".join(f"{each.value}: {each.reason}" for each in made.choices if each.what == what)
