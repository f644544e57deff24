"""The main job against frames whose truth is known."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import sqrt

import numpy as np
import pytest

from nights import bias_run, only_group, outcomes
from workbench import SMALL_LFC, pixels_of
from zeroframe.frames.statistics import clipped_std
from zeroframe.review import NightFigures, Review, find_check
from zeroframe.run.outcomes import NightResult
from zeroframe.simulate import bias_specs, sensor_truth, simulate_biases, simulate_frame

SEED = 7
ROWS = {"overscan": "[608:632,:]", "trim": "[1:600,:]"}
#: Read noise of 4 ADU, and that of rounding to whole numbers.
NOISE_ADU = sqrt(SMALL_LFC.read_noise_adu**2 + 1 / 12)
#: The level of a row is averaged over dozens of rows, which have no structure of their own: it adds next to nothing.
CALIBRATED_ADU = NOISE_ADU


@dataclass(frozen=True)
class Night:
    """Combined biases less the true pattern, and what was measured: by default, as the notebooks do, and unclipped."""

    frames: int
    error_adu: np.ndarray
    result: NightResult
    hit: np.ndarray
    mad_error_adu: np.ndarray
    plain_error_adu: np.ndarray


def true_error(combined, pattern):
    """What a combined bias differs by from the truth, but for its mean level."""
    error = combined.astype(np.float64) - pattern
    return error - np.median(error)


@pytest.fixture(scope="module", params=[6, 12, 25])
def night(request, tmp_path_factory):
    frames = request.param
    folder = tmp_path_factory.mktemp(f"night{frames}")
    simulate_biases(SMALL_LFC, folder / "raw", frames=frames, seed=SEED)
    errors, results = [], []
    sensor = sensor_truth(SMALL_LFC, SEED, filter_names=[])
    for out, said in (("out", {}), ("mad", {"clip_spread": "mad"}), ("plain", {"clip": 0.0})):
        results.append(bias_run(folder / "raw", folder / out, **ROWS, **said))
        assert results[-1].is_good
        errors.append(true_error(pixels_of(folder / out / "combined_bias.fits"), sensor.fixed_pattern_adu))
    hit = np.zeros(SMALL_LFC.image_shape_yx, bool)
    for index, spec in enumerate(bias_specs(SMALL_LFC, frames)):
        hit |= simulate_frame(SMALL_LFC, spec, SEED, index=index, sensor=sensor).truth.cosmic_rays
    return Night(frames, errors[0], results[0], hit, *errors[1:])


def test_average_scatters_as_it_should(night):
    assert clipped_std(night.plain_error_adu) == pytest.approx(CALIBRATED_ADU / sqrt(night.frames), rel=0.02)


def test_combined_bias_scatters_as_it_should(night):
    """Clipping that knows the noise costs nothing."""
    assert clipped_std(night.error_adu) == pytest.approx(CALIBRATED_ADU / sqrt(night.frames), rel=0.01)


def test_clipping_as_in_the_notebooks_costs_noise(night):
    """Five MAD cost 3.5 % with six frames, whose MAD is often too small, and 1 % with more."""
    factor = clipped_std(night.mad_error_adu) / (CALIBRATED_ADU / sqrt(night.frames))
    if night.frames == 6:
        assert factor == pytest.approx(1.035, abs=0.015)
    else:
        assert factor == pytest.approx(1.0, abs=0.03)
    assert clipped_std(night.error_adu) < clipped_std(night.mad_error_adu)


def test_floor_is_the_noise_of_a_calibrated_frame(night):
    clipping = only_group(night.result).combined.clipping
    assert clipping.rejection.floor_adu == pytest.approx(CALIBRATED_ADU, rel=0.02)
    assert clipping.spread == "noise"


def test_little_more_is_rejected_than_cosmic_rays(night):
    """A cosmic ray stands in one frame of each pixel that it hits, and a Gaussian gives next to nothing."""
    clipping = only_group(night.result).combined.clipping
    assert clipping.values == night.frames * night.hit.size
    assert clipping.expected < 5
    assert night.hit.sum() <= clipping.rejected <= night.hit.sum() + 10
    assert night.hit.sum() <= clipping.pixels <= night.hit.sum() + 10
    assert sum(clipping.masked) == 0


def test_cosmic_rays_are_gone(night):
    sigma = CALIBRATED_ADU / sqrt(night.frames)
    assert night.hit.sum() > 5
    assert np.abs(night.plain_error_adu[night.hit]).max() > 20 * sigma  # they were there
    assert np.abs(night.error_adu[night.hit]).max() < 6 * sigma
    assert np.abs(night.error_adu).max() < 7 * sigma


def test_read_noise_is_measured(night):
    noise = only_group(night.result).combined.noise
    assert noise.single == pytest.approx(NOISE_ADU, rel=0.02)
    assert noise.calibrated == pytest.approx(CALIBRATED_ADU, rel=0.02)
    assert noise.expected == pytest.approx(CALIBRATED_ADU / sqrt(night.frames), rel=0.02)


def test_noise_of_the_combined_frame_is_measured(night):
    """Without knowing the pattern, the measurement finds the noise that the truth shows."""
    assert only_group(night.result).combined.noise.combined == pytest.approx(clipped_std(night.error_adu), rel=0.03)


def test_scatter_with_the_pattern(night):
    pattern = sensor_truth(SMALL_LFC, SEED, filter_names=[]).fixed_pattern_adu
    expected = sqrt(clipped_std(pattern) ** 2 + clipped_std(night.error_adu) ** 2)
    assert only_group(night.result).combined.noise.scatter == pytest.approx(expected, rel=0.02)


def test_bias_level(night):
    sensor = sensor_truth(SMALL_LFC, SEED, filter_names=[])
    for index, (spec, frame) in enumerate(
        zip(bias_specs(SMALL_LFC, night.frames), outcomes(night.result), strict=True)
    ):
        truth = simulate_frame(SMALL_LFC, spec, SEED, index=index, sensor=sensor).truth
        assert frame.raw_level_adu == pytest.approx(truth.level_adu, abs=0.15)
        assert frame.level_adu == pytest.approx(0.0, abs=0.15)


def test_result_reads_as_a_verdict_in_a_notebook(night):
    """The verdict first, then what it rests on; what comes from outside is text."""
    result = night.result
    page = result._repr_html_()
    assert "All is well." in page
    assert f"{len(result.frames)} of {len(result.frames)} frames calibrated" in page
    bad = replace(result.frames[0].outcome, state="failed", reason="<script>alert(1)</script>")
    failed = replace(result.frames[0], outcome=bad)
    found = Review(NightFigures(), (find_check("ZF101").finding("<script>alert(1)</script>"),))
    page = replace(result, frames=(failed, *result.frames[1:]), review=found)._repr_html_()
    assert "Finished with problems" in page
    assert "&lt;script&gt;" in page
    assert "<script" not in page
