"""The errors of combined pixels against truth: frames are drawn whose truth is known, and chi-square is taken."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.nddata import CCDData

import zeroframe
from workbench import command, header_of, pixels_of, write_raw
from zeroframe.headers.kinds import Kind
from zeroframe.stacks.clipping import clip_spec
from zeroframe.stacks.combine import CombineSpec, Rejection, combine_stack
from zeroframe.stacks.grids import Numbers
from zeroframe.stacks.laws import _of_smooth_draws, are_drawn, laws_of
from zeroframe.stacks.measured import combine_prepared, prepare
from zeroframe.stacks.noise import frame_noise
from zeroframe.stacks.rejections import Scheme
from zeroframe.stacks.stack import ArrayStack

SHAPE = 240, 320


@pytest.fixture
def random():
    return np.random.default_rng(13)


def drawn(frames, random, *, truth=0.0, sigma=4.0, e_per_adu=None, step=0.0, masked=0.0):
    """Return frames of known truth: read noise, photon noise where there is a gain, rounding, masked values."""
    truth, sigma = np.broadcast_to(truth, SHAPE), np.broadcast_to(sigma, SHAPE)
    for _ in range(frames):
        light = truth if e_per_adu is None else random.poisson(truth * e_per_adu) / e_per_adu
        values = light + random.standard_normal(SHAPE) * sigma
        values = np.rint(values / step) * step if step else values
        yield np.where(random.random(SHAPE) < masked, np.nan, values).astype(np.float32)


def combined(frames, spec, spread="noise"):
    """Combine frames as a folder or a night does."""
    frames = list(frames)
    stack = ArrayStack(frames, [None] * len(frames), tuple(map(str, range(len(frames)))))
    return combine_stack(stack, prepare(stack, spec, spread).spec)


def chi_square(result, truth, where=...):
    """Return the mean of (error / stated error) squared, and its standard error."""
    squares = np.square((result.data - truth) / result.uncertainty)[where]
    squares = squares[np.isfinite(squares)]
    return squares.mean(), squares.std() / squares.size**0.5


@pytest.mark.parametrize("method", ["average", "median", "sum"])
@pytest.mark.parametrize("frames", [2, 3, 4, 5, 6, 8, 10, 17, 25, 50])
def test_chi_square_is_one_for_any_number_of_frames(frames, method, random):
    result = combined(drawn(frames, random), clip_spec(method, 5.0))
    found, error = chi_square(result, 0.0)
    assert error < 0.01
    assert 0.97 < found < 1.03


@pytest.mark.parametrize("frames", [2, 3, 6, 25])
@pytest.mark.parametrize(
    ("kind", "spec", "spread", "made"),
    [
        ("a ramp of light", clip_spec("average", 5.0), "noise", {"e_per_adu": 0.8, "truth": "ramp"}),
        ("a ramp of light", clip_spec("median", 0.0), "noise", {"e_per_adu": 0.8, "truth": "ramp"}),
        ("a fifth is masked", clip_spec("average", 5.0), "noise", {"masked": 0.2}),
        ("clipping that costs", clip_spec("average", 5.0, "mad"), "mad", {}),
        ("noise below the step", clip_spec("average", 5.0), "noise", {"sigma": 0.5, "step": 1.0, "truth": "uneven"}),
        ("steps of four", clip_spec("average", 5.0), "noise", {"sigma": 2.0, "step": 4.0, "truth": "uneven"}),
        ("medians of whole numbers", clip_spec("median", 0.0), "noise", {"step": 1.0, "truth": "uneven"}),
        ("minmax", CombineSpec("average", Rejection(drop_high=1)), "noise", {}),
    ],
)  # fmt: skip
def test_chi_square_is_one_for(kind, spec, spread, made, frames, random):
    if kind == "minmax":
        # the lowest of two is lower than the truth, which is no noise
        frames = max(frames, 6)
        spec = CombineSpec("average", Rejection(drop_high=1, drop_low=1))
    truths = {"ramp": np.linspace(10.0, 4000.0, SHAPE[1])[None, :], "uneven": random.uniform(0.0, 40.0, SHAPE)}
    truth = np.broadcast_to(truths.get(made.get("truth"), 0.0), SHAPE)
    result = combined(drawn(frames, random, **(made | {"truth": truth})), spec, spread)
    found, error = chi_square(result, truth)
    assert error < 0.015
    assert 0.95 < found < 1.05


def test_level_by_level_the_error_is_that_of_its_light(random):
    """Not only on average: from 10 to 4000 ADU the variance grows thirtyfold."""
    truth = np.broadcast_to(np.linspace(10.0, 4000.0, SHAPE[1])[None, :], SHAPE)
    result = combined(drawn(3, random, truth=truth, e_per_adu=0.8), clip_spec("average", 5.0))
    for part in np.split(np.arange(SHAPE[1]), 8):
        found, error = chi_square(result, truth, (slice(None), part))
        assert abs(found - 1.0) < 0.06 + 3 * error


@pytest.mark.parametrize("frames", [3, 6, 12, 25])
def test_noisier_pixels_keep_a_larger_error(frames, random):
    sigma = np.full(SHAPE, 4.0)
    hot = random.random(SHAPE) < 0.01
    sigma[hot] = 60.0
    result = combined(drawn(frames, random, sigma=sigma), CombineSpec("average"))
    stated = result.uncertainty * frames**0.5
    assert np.median(stated[hot]) > 25.0
    assert np.median(stated[~hot]) == pytest.approx(4.0, rel=0.02)
    found, error = chi_square(result, 0.0)
    assert abs(found - 1.0) < 0.05 + 3 * error
    found, error = chi_square(result, 0.0, ~hot)
    assert 0.93 < found < 1.03
    if frames >= 12:
        found, error = chi_square(result, 0.0, hot)
        assert abs(found - 1.0) < 0.2 + 3 * error


def test_pixels_that_all_differ_in_noise(random):
    """Of a CMOS sensor: read noises of pixels are spread by 40 %."""
    sigma = 2.0 * np.exp(0.4 * random.standard_normal(SHAPE))
    for frames in (2, 5, 20):
        result = combined(drawn(frames, random, sigma=sigma), CombineSpec("average"))
        found, error = chi_square(result, 0.0)
        assert abs(found - 1.0) < 0.04 + 3 * error
        stated = np.square(result.uncertainty).mean()
        assert stated * frames == pytest.approx(np.square(sigma).mean(), rel=0.05)


def test_levels_that_drift_are_an_error_of_the_level(random):
    """Frames differ in level by twice the noise: no pixel is the worse for it against the others."""
    levels = 8.0 * random.standard_normal(6)
    frames = [frame + np.float32(level) for frame, level in zip(drawn(6, random), levels, strict=True)]
    stack = ArrayStack(frames, [None] * 6, tuple("abcdef"))
    prepared = prepare(stack, CombineSpec("average"))
    result = combine_stack(stack, prepared.spec)
    found, _ = chi_square(result, levels.mean())
    assert 0.93 < found < 1.05
    card, _ = prepared.error_cards(6)["LEVELERR"]
    assert card == pytest.approx(levels.std(ddof=1) / 6**0.5, rel=0.01)


class TestOfFilesAndVerb:
    @pytest.fixture
    def files(self, tmp_path, random):
        folder = tmp_path / "frames"
        folder.mkdir()
        return [
            write_raw(folder / f"b{number}.fits", np.rint(1000.0 + frame).astype(np.uint16), BUNIT="adu")
            for number, frame in enumerate(drawn(3, random))
        ]

    @pytest.mark.parametrize("method", ["average", "median"])
    def test_file_and_verb_say_the_same(self, files, tmp_path, method):
        target = tmp_path / "combined.fits"
        assert command("combine", *files, "-o", target, "--method", method, "--clip", "0").code == 0
        ccd = zeroframe.combine(files, method=method, combine_uncertainty_function="pooled")
        np.testing.assert_array_equal(ccd.uncertainty.array, pixels_of(target, "UNCERT"))
        assert header_of(target)["UNCERTOF"] == ccd.meta["UNCERTOF"] == "pixel"
        squares = np.square((ccd.data - 1000.0) / ccd.uncertainty.array)
        assert squares.mean() == pytest.approx(1.0, abs=0.04)

    def test_the_formula_of_ccdproc_is_the_default_of_the_verb(self, files):
        ccd = zeroframe.combine(files)
        values = np.stack([pixels_of(path) for path in files]).astype(np.float64)
        np.testing.assert_allclose(ccd.uncertainty.array, values.std(axis=0) / 3**0.5, rtol=1e-5, atol=1e-6)
        assert "UNCERTOF" not in ccd.meta

    def test_scaled_frames(self, random):
        truth = np.broadcast_to(np.linspace(500.0, 1500.0, SHAPE[1]), SHAPE)
        factors = [1.0, 2.0, 0.5, 1.6]
        frames = [
            CCDData(next(drawn(1, random, truth=truth / factor, e_per_adu=2.0)), unit="adu") for factor in factors
        ]
        ccd = zeroframe.combine(frames, scale=factors, combine_uncertainty_function="pooled")
        assert np.square((ccd.data - truth) / ccd.uncertainty.array).mean() == pytest.approx(1.0, abs=0.04)

    def test_weights_of_single_pixels(self, random):
        frames = [CCDData(frame, unit="adu") for frame in drawn(4, random)]
        weights = random.uniform(0.5, 3.0, (4, *SHAPE))
        ccd = zeroframe.combine(frames, weights=weights, combine_uncertainty_function="pooled")
        assert np.square(ccd.data / ccd.uncertainty.array).mean() == pytest.approx(1.0, abs=0.04)

    def test_a_combination_of_the_next_forgets_it(self, files):
        first = zeroframe.combine(files, combine_uncertainty_function="pooled")
        assert "UNCERTOF" not in zeroframe.combine([first, first]).meta


@pytest.mark.parametrize("frames", [3, 6])
def test_medians_of_whole_numbers_less_a_bias(frames, random):
    """What was subtracted from each pixel hides the grid from its neighbours, and not from the other frames."""
    bias = random.normal(0.0, 3.0, SHAPE).astype(np.float32)
    truth = random.uniform(0.0, 60.0, SHAPE)
    raw = drawn(frames, random, truth=truth + bias, sigma=7.0, step=16.0)
    result = combined([frame - bias for frame in raw], CombineSpec("median"))
    found, _ = chi_square(result, truth)
    assert 0.95 < found < 1.05


@pytest.mark.parametrize("step", [1.0, 4.0])
@pytest.mark.parametrize("noise", [0.2, 0.25, 0.3, 0.4, 0.7, 2.0])
def test_noise_of_coarse_numbers_does_not_collapse(noise, step, random):
    """Against the standard deviation of one frame about its truth, rounding and all."""
    frames = [frame + np.float32(1000.0) for frame in drawn(4, random, sigma=noise * step, step=step)]
    expected = np.std(np.stack(frames).astype(np.float64) - 1000.0)
    stack = ArrayStack(frames, [None] * 4, tuple("abcd"))
    found = frame_noise(stack)
    assert found.typical == pytest.approx(expected, rel=0.05)
    assert found.single == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize("frames", [4, 6, 11])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("share", [0.4, 0.6])
def test_medians_of_frames_in_coarse_steps_whose_levels_differ_by_less_than_a_step(frames, bias, share):
    """An overscan was subtracted, so grids are off each other by a part of a step; a bias shifts all of them alike."""
    random, step = np.random.default_rng(frames), 8.0
    truth = random.normal(0.0, 0.2 * step, SHAPE)
    stack = []
    for _ in range(frames):
        level = random.normal(0.0, 0.15 * step)
        stack.append(np.rint((truth + level + random.normal(0.0, share * step, SHAPE)) / step) * step - level)
    of_bias = random.normal(0.0, 0.15 * step, SHAPE) if bias else 0.0
    found = combined([(each - of_bias).astype(np.float32) for each in stack], clip_spec("median", 5.0))
    error = (found.data - (truth - of_bias)) / found.uncertainty
    assert float(np.mean(np.square(error - error.mean()))) == pytest.approx(1.0, abs=0.08)


@pytest.mark.parametrize(
    ("frames", "method", "rejection"),
    [
        (8, "average", Rejection(scheme=Scheme("gesd"), grow=1.0)),
        (8, "sum", Rejection(scheme=Scheme("gesd"), grow=2.0)),
        (10, "average", Rejection(scheme=Scheme("pclip"), grow=1.0)),
    ],
)
def test_values_beside_rejected_ones_are_lost_at_random(frames, method, rejection, random):
    """A thousand hits, and what is rejected by chance: pixels that lose a good value keep their scatter."""
    planes = list(drawn(frames, random))
    for plane in planes:
        plane.flat[random.choice(plane.size, 125, replace=False)] += 2000.0
    result = combined(planes, CombineSpec(method, rejection))
    assert result.counts.mean() < frames - 0.1
    found, error = chi_square(result, 0.0)
    assert abs(found - 1.0) < 0.05 + 3 * error


@pytest.mark.parametrize("frames", [2, 3, 6])
def test_hot_pixels_of_few_darks_have_photon_noise(frames):
    """Two values of a hot pixel may be alike by chance; there are too few to show how their noise grows."""
    gain, read_adu, random = 1.5, 4.0, np.random.default_rng(frames)
    dark = np.full((240, 300), 4.0)
    hot = random.random(dark.shape) < 5e-3
    dark[hot] += random.exponential(4000.0, hot.sum())
    values = [
        np.rint(random.poisson(dark * gain) / gain + random.normal(0.0, read_adu, dark.shape)) for _ in range(frames)
    ]
    arrays = ArrayStack([each.astype(np.float32) for each in values], [None] * frames, tuple("abcdef"[:frames]))
    spec = clip_spec("average", 5)
    result, _ = combine_prepared(arrays, prepare(arrays, spec, kind=Kind.DARK, gain_e_per_adu=gain))
    bright = dark > 500.0
    pulls = (result.data - dark)[bright] / result.uncertainty[bright]
    assert np.square(pulls).mean() == pytest.approx(1.0, abs=0.35)
    assert result.uncertainty[bright].min() > 0.8 * np.sqrt(500.0 / gain / frames)


def test_a_stated_gain_that_hot_pixels_refute_is_not_believed():
    gain, random = 30.0, np.random.default_rng(1)
    dark = np.full((240, 300), 4.0)
    hot = random.random(dark.shape) < 5e-3
    dark[hot] += random.exponential(4000.0, hot.sum())
    values = [np.rint(random.poisson(dark * gain) / gain + random.normal(0.0, 4.0, dark.shape)) for _ in range(3)]
    arrays = ArrayStack([each.astype(np.float32) for each in values], [None] * 3, tuple("abc"))
    result, _ = combine_prepared(arrays, prepare(arrays, clip_spec("average", 5), kind=Kind.DARK, gain_e_per_adu=1.0))
    assert np.median(result.uncertainty[dark > 2000.0]) < 0.5 * np.sqrt(2000.0 / 3)


def test_what_is_the_same_of_all_frames_is_drawn_once():
    clip = CombineSpec("average", Rejection(sigma_low=5, sigma_high=5))
    _of_smooth_draws.cache_clear()
    laws = [
        laws_of(clip, [2, 3], 3, None, Numbers(sigma, 0.0, None, np.dtype(np.float32)), 0.0) for sigma in (1.0, 7.0)
    ]
    assert _of_smooth_draws.cache_info().misses == 1
    for count in (2, 3):
        np.testing.assert_array_equal(laws[0][count].squares, laws[1][count].squares)
        assert laws[0][count].loss == laws[1][count].loss
    # a floor that is no part of the noise is another way of combining for each noise
    floor = CombineSpec("average", Rejection(sigma_low=3, sigma_high=3, floor_adu=2.0))
    known = [laws_of(floor, [3], 3, None, Numbers(sigma, 0.0, None, np.dtype(np.float32)), 0.0) for sigma in (1.0, 7.0)]
    assert known[0][3].squares.size > known[1][3].squares.size  # more pixels keep all of their values


@pytest.mark.parametrize(
    ("spec", "rate", "drawn"),
    [
        (CombineSpec("average"), None, False),
        (CombineSpec("median"), None, True),
        (CombineSpec("average", Rejection(sigma_low=5, sigma_high=5)), 1e-6, False),
        (CombineSpec("average", Rejection(sigma_low=5, sigma_high=5)), 0.01, True),
        (CombineSpec("average", Rejection(sigma_low=5, sigma_high=5)), None, True),
        (CombineSpec("sum", Rejection(drop_high=1)), 1e-6, True),
        (CombineSpec("average", Rejection(scheme=Scheme("gesd"))), 1e-6, True),
    ],
)
def test_numbers_are_drawn_where_no_formula_tells_the_error(spec, rate, drawn):
    # where they are not, what the numbers of a grid would be rounded to makes no difference
    frames, dtype = 5, np.dtype(np.float64)
    grids = [Numbers(4.0, step, None, dtype) for step in (0.5, 0.25)]
    left = frames - spec.rejection.drop_high
    squares = [laws_of(spec, [left], frames, rate, grid, 0.0)[left].squares for grid in grids]
    assert are_drawn(spec, rate) == drawn
    assert np.array_equal(*squares) != drawn
