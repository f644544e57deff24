"""Nights of a simulated colour camera, carried out, beside what is true of their frames."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from astropy.io import fits

from zeroframe.cli.jobs import night
from zeroframe.frames.mask_bits import MaskBit
from zeroframe.run.reduced import Reduction
from zeroframe.simulate import (
    SIMULATED_CAMERAS,
    FrameSpec,
    SimulatedCamera,
    night_specs,
    sensor_truth,
    simulate_frame,
    simulate_night,
)

EXPOSURE_S = 60.0


def colour_camera(pattern: str, shape_yx: tuple[int, int], rays: int = 30, **changes: object) -> SimulatedCamera:
    """Return a camera whose science frames have so many cosmic rays; without a pattern, one of black and white."""
    known = SIMULATED_CAMERAS["osc-cmos"]
    seconds = EXPOSURE_S + 0.5 * known.readout_s
    rate = rays / (shape_yx[0] * shape_yx[1] / 1e6) / seconds
    return replace(known, image_shape_yx=shape_yx, colour_pattern=pattern, cosmic_rays_per_mpix_s=rate, **changes)


@dataclass
class Science:
    """One science frame: its file, its spec and the truth."""

    path: Path
    camera: SimulatedCamera
    spec: FrameSpec
    seed: int
    index: int

    def __post_init__(self) -> None:
        sensor = sensor_truth(self.camera, self.seed, filter_names=["clear"])
        self.truth = simulate_frame(self.camera, self.spec, self.seed, index=self.index, sensor=sensor).truth
        with fits.open(self.path) as hdus:
            self.header, self.data = hdus[0].header, hdus[0].data.astype(float)
            self.mask, self.sigma = hdus["MASK"].data, hdus["UNCERT"].data.astype(float)
        self.light = self.truth.sky_e / self.camera.gain_e_per_adu

    def cosmic(self) -> np.ndarray:
        """Where cosmic rays were found."""
        return self.mask & int(MaskBit.COSMIC) != 0

    def chi_square(self, cut: tuple[slice, slice], where: np.ndarray) -> float:
        """Return the mean of squared deviations from the truth over the errors, where the sky is dark."""
        good = (self.mask == 0) & ~self.truth.cosmic_rays & where
        chi = ((self.data - self.light) / self.sigma)[cut][good[cut]]
        return float(np.mean(chi[np.abs(chi) < 6] ** 2))


def planes(image: np.ndarray) -> list[tuple[slice, slice]]:
    """Return the four places of the cell of 2 x 2, as slices."""
    assert image.ndim == 2
    return [np.s_[dy::2, dx::2] for dy in (0, 1) for dx in (0, 1)]


def reduced(folder: Path, camera: SimulatedCamera, seed: int, recipe: str = "") -> tuple[Reduction, Iterator[Science]]:
    """Simulate a night of 28 frames, carry it out, and return it with its science frames."""
    simulate_night(camera, folder / "raw", seed=seed)
    text = None
    if recipe:
        text = folder / "night.toml"
        text.write_text(recipe)
    made = night(folder / "raw", folder / "out", recipe=text, report=False, workers=1)
    return made, (
        Science(folder / "out" / spec.file_name, camera, spec, seed, index)
        for index, spec in enumerate(night_specs(camera))
        if spec.kind == "science"
    )
