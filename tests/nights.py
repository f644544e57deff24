"""What the tests of nights share: small nights with known truth, planned and carried out."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from astropy.io import fits

from workbench import SMALL_LFC, files_in, write_files
from zeroframe.frames.raw import FrameOutcome
from zeroframe.headers.survey import survey_tree
from zeroframe.planning import asking
from zeroframe.planning.plan import NightPlan
from zeroframe.planning.planning import plan_night
from zeroframe.planning.recipe import NightRecipe, parse_recipe
from zeroframe.planning.shorthands import recipe_for
from zeroframe.run.engine import run_night
from zeroframe.run.outcomes import GroupOutcome, NightResult
from zeroframe.run.session import RunSettings
from zeroframe.simulate import (
    SIMULATED_CAMERAS,
    SimulatedCamera,
    night_specs,
    sensor_truth,
    simulate_frame,
    simulate_night,
)

#: A CG16M of 300 x 400 image pixels, without its overscan, which is of no use.
SMALL_CG16M: SimulatedCamera = replace(SIMULATED_CAMERAS["apogee-cg16m"], image_shape_yx=(300, 400))
CAMERAS = {"palomar-lfc": SMALL_LFC, "apogee-cg16m": SMALL_CG16M}
#: What is known of the small cameras; no profile fits their size.
RECIPES = {
    "palomar-lfc": '[frames]\noverscan = "[608:632,:]"\noverscan_method = "median"\ntrim = "[1:600,:]"\n',
    "apogee-cg16m": '[frames]\noverscan = "none"\ntrim = "[1:400,:]"\n',
}
SEED = 1


def small_night(folder: Path, name: str = "palomar-lfc", *, one_filter: bool = False) -> Path:
    """Write a small night; of the LFC, only what its science frame in g' needs, where that is enough."""
    write_files(folder, _frames(name))
    if one_filter:
        for number in (17, 18, 19, 43):
            (folder / f"ccd.{number:03d}.0.fits").unlink()
        for number in (23, 24, 25):
            (folder / "darks" / f"ccd.{number:03d}.0.fits").unlink()
    return folder


@cache
def _frames(name: str) -> dict[str, bytes]:
    """Simulate them once for all tests of a process."""
    with tempfile.TemporaryDirectory() as folder:
        simulate_night(CAMERAS[name], folder, seed=SEED)
        return files_in(Path(folder))


def planned(raw: Path, out: Path, text: str, *, overwrite: bool = False) -> NightPlan:
    """Plan a night by the text of a recipe."""
    return plan_night(survey_tree(raw), raw, out, parse_recipe(text), overwrite=overwrite)


def carried_out(
    raw: Path, out: Path, text: str, *, overwrite: bool = False, progress: object = None, **settings: object
) -> NightResult:
    """Plan a night by the text of a recipe, and carry it out."""
    return run_night(planned(raw, out, text, overwrite=overwrite), RunSettings(**settings), progress=progress)


@cache
def sensor_of(camera: SimulatedCamera):
    """What is true of the sensor, of all filters of the night."""
    names = sorted({spec.filter_name for spec in night_specs(camera) if spec.is_lit})
    return sensor_truth(camera, SEED, filter_names=names)


def truth_of(camera: SimulatedCamera, file_name: str):
    """What is true of one frame of the night."""
    specs = night_specs(camera)
    index = next(number for number, spec in enumerate(specs) if spec.file_name == file_name)
    return simulate_frame(camera, specs[index], SEED, index=index, sensor=sensor_of(camera)).truth


@dataclass(frozen=True)
class Calibrated:
    """A calibrated frame as astropy reads it."""

    data: np.ndarray
    sigma: np.ndarray | None
    mask: np.ndarray
    header: fits.Header


def calibrated(path: Path) -> Calibrated:
    """Read a result with astropy, which also compares the checksums."""
    with fits.open(path, checksum=True) as hdus:
        names = {hdu.name: hdu for hdu in hdus[1:]}
        data = np.array(hdus[0].data, dtype=np.float64)
        sigma = np.array(names["UNCERT"].data, dtype=np.float64) if "UNCERT" in names else None
        mask = np.array(names["MASK"].data) != 0 if "MASK" in names else np.zeros(data.shape, bool)
        return Calibrated(data, sigma, mask, hdus[0].header)


def bits(path: Path) -> np.ndarray:
    """Read the mask of a result as it stands, with astropy alone."""
    return np.array(fits.getdata(path, "MASK"))


def all_bytes(folder: Path) -> dict[str, bytes]:
    """Return what is in a folder and in those within, but what tells of the run."""
    told = {"run.json", "report.html", "overview.html"}
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name not in told]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def bias_plan(raw: Path, out: Path, *, overwrite: bool = False, **said: object) -> NightPlan:
    """Plan a folder of biases, as `zeroframe bias` does; ``said`` are its options."""
    return asking.planned("bias", raw, out, recipe_for("bias", NightRecipe(), said), overwrite=overwrite)


def bias_run(raw: Path, out: Path, **said: object) -> NightResult:
    """Plan a folder of biases, and carry it out."""
    return run_night(bias_plan(raw, out, **said))


def only_group(result: NightResult) -> GroupOutcome:
    """Return the one group of a run."""
    (group,) = result.all_groups
    return group


def outcomes(result: NightResult) -> list[FrameOutcome]:
    """Return how the frames of a run ended."""
    return [each.outcome for each in result.frames]
