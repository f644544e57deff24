"""Cosmic rays by their sharp edges: beside L.A.Cosmic written down slowly, beside astroscrappy, beside the truth."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import product

import numpy as np
import pytest

import naive_rays
from zeroframe.frames.cosmic_rays import mask_lacosmic, scatter_noise
from zeroframe.kernels import small_medians as few_medians
from zeroframe.kernels.lacosmic import SharpLimits, mark_cosmic_rays

READ_NOISE = 8.0
USUAL = SharpLimits()
PURE = SharpLimits(line_contrast=-np.inf, wing_fraction=np.inf)


def point(shape, y, x, flux, fwhm):
    rows, columns = np.indices(shape)
    width = fwhm / 2.3548
    return flux / (2 * np.pi * width**2) * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * width**2))


def sky(shape=(120, 140), rays=40, stars=25, seed=0, fwhm=3.0, lines=()):
    """Electrons, their standard deviation as a night works it out, charge of cosmic rays, light."""
    rng = np.random.default_rng(seed)
    light = np.full(shape, 400.0)
    for _ in range(stars):
        light += point(shape, *rng.uniform(0, shape), 10 ** rng.uniform(2.5, 5.0), fwhm)
    for x in lines:
        light += 3000.0 * np.exp(-((np.arange(shape[1]) - x) ** 2) / (2 * 0.4**2))
    charge = np.zeros(shape)
    for _ in range(rays):
        y, x, angle = rng.uniform(0, shape[0]), rng.uniform(0, shape[1]), rng.uniform(0, 2 * np.pi)
        one = 10 ** rng.uniform(2.3, 4)
        for k in range(1 + int(rng.exponential(3))):
            place = int(y + k * np.sin(angle)), int(x + k * np.cos(angle))
            if all(0 <= i < n for i, n in zip(place, shape, strict=True)):
                charge[place] += one
    pixels = rng.poisson(light + charge) + rng.normal(0, READ_NOISE, shape)
    sigma = np.sqrt(np.maximum(pixels, 0) + READ_NOISE**2)
    return pixels.astype(np.float32), sigma.astype(np.float32), charge, light


def marked(pixels, sigma, mask=None, limits=USUAL, shift=0):
    state = np.zeros(pixels.shape, np.uint8) if mask is None else mask.astype(np.uint8)
    count = mark_cosmic_rays(pixels, sigma, shift, state, limits)
    assert set(np.unique(state)) <= {0, 1}
    found = state.astype(bool)
    if mask is not None:
        assert found[mask].all()
        found &= ~mask
    assert found.sum() == count
    return found


def bad_places(shape, share=0.01, seed=4):
    return np.random.default_rng(seed).random(shape) < share


# --- beside the oracle ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kernel", "count"), [("medians5", 5), ("medians7", 7), ("medians9", 9)])
@pytest.mark.parametrize("step", [1, 32])
def test_medians_of_every_pattern_of_zeros_and_ones(kernel, count, step):
    """What sorts or selects by comparing, and is right for these, is right for all numbers."""
    source, out = np.zeros(1024, np.float32), np.full(1024, -1.0, np.float32)
    for pattern in product((0.0, 1.0), repeat=count):
        source[100 : 100 + count * step : step] = pattern
        getattr(few_medians, kernel)(source, step, out)
        assert out[100 + count // 2 * step] == sorted(pattern)[count // 2]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "limits",
    [
        SharpLimits(),
        PURE,
        SharpLimits(6.0, 0.5, 2.0, 0.5, 0.1, 2),
        SharpLimits(point_ratio=0.7),
        PURE._replace(point_ratio=0.4),
    ],
)
@pytest.mark.parametrize("seed", [0, 1])
def test_found_is_what_the_oracle_finds(dtype, limits, seed):
    pixels, sigma, charge, _ = sky(seed=seed, lines=(30, 71))
    found = marked(pixels.astype(dtype), sigma, limits=limits)
    np.testing.assert_array_equal(found, naive_rays.cosmic_rays(pixels, sigma, np.zeros(charge.shape, bool), *limits))
    assert found.sum() > 50


@pytest.mark.parametrize("shape", [(1, 200), (200, 1), (7, 5), (16, 16), (33, 150), (3, 90)])
def test_frames_of_any_size(shape):
    pixels, sigma, _, _ = sky(shape, rays=6, stars=2, seed=3)
    expected = naive_rays.cosmic_rays(pixels, sigma, np.zeros(shape, bool))
    np.testing.assert_array_equal(marked(pixels, sigma), expected)


def test_rays_at_the_edges_are_found():
    pixels, sigma, _, _ = sky(rays=0, stars=0)
    places = [(0, 0), (0, 60), (119, 139), (70, 0), (40, 139), (1, 20), (118, 90)]
    for place in places:
        pixels[place] += 2000.0
    found = marked(pixels, sigma)
    assert all(found[place] for place in places)
    np.testing.assert_array_equal(found, naive_rays.cosmic_rays(pixels, sigma, np.zeros(found.shape, bool)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_masked_or_not_finite_takes_no_part(dtype):
    """Hot, dead and lost pixels, alone, in a column and in a field, with standard deviations that are lost too."""
    pixels, sigma, _, _ = sky(seed=5)
    mask = bad_places(pixels.shape)
    pixels[mask] = np.random.default_rng(1).choice([0.0, 60000.0, np.nan], mask.sum())
    mask[:, 50] = True
    lost = bad_places(pixels.shape, 0.005, seed=6)
    pixels[lost] = np.random.default_rng(2).choice([np.nan, np.inf, -np.inf], lost.sum())
    pixels[80:100, 20:45] = np.nan
    sigma[bad_places(pixels.shape, 0.005, seed=7)] = np.nan
    sigma[10, 10] = np.inf
    found = marked(pixels.astype(dtype), sigma, mask)
    np.testing.assert_array_equal(found, naive_rays.cosmic_rays(pixels, sigma, mask))
    assert found.sum() > 50
    assert not found[lost].any()


def test_a_frame_without_a_value_has_no_rays():
    nothing = np.full((40, 40), np.nan, np.float32)
    assert not marked(nothing, nothing).any()


def test_noise_of_blocks_is_that_of_each_of_their_pixels():
    pixels, _, _, _ = sky((130, 70))
    blocks = np.array([[20.0, 22.0], [25.0, 18.0], [30.0, 21.0]], np.float32)
    each = np.kron(blocks, np.ones((64, 64), np.float32))[:130, :70].copy()
    np.testing.assert_array_equal(marked(pixels, blocks, shift=6), marked(pixels, each))


def test_pixels_and_noise_stay_as_they_are():
    pixels, sigma, _, _ = sky()
    before = pixels.tobytes(), sigma.tobytes()
    pixels.setflags(write=False)
    sigma.setflags(write=False)
    marked(pixels, sigma)
    assert (pixels.tobytes(), sigma.tobytes()) == before


def test_two_threads_find_what_one_does():
    frames = [sky((300, 300), rays=100, seed=seed)[:2] for seed in range(4)]
    alone = [marked(*frame) for frame in frames]
    with ThreadPoolExecutor(2) as pool:
        for one, other in zip(alone, pool.map(lambda frame: marked(*frame), frames), strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("factor", [0.125, 64.0])
def test_the_unit_does_not_matter(factor):
    pixels, sigma, _, _ = sky()
    other = marked(pixels * np.float32(factor), sigma * np.float32(factor))
    np.testing.assert_array_equal(marked(pixels, sigma), other)


# --- beside astroscrappy ----------------------------------------------------------------------------------------------


@pytest.mark.long
def test_lacosmic_as_astroscrappy_has_it():
    """Its medians leave a border of the image as it is: there, and only there, it finds something else."""
    astroscrappy = pytest.importorskip("astroscrappy")
    pixels, sigma, _, _ = sky((500, 500), rays=300, stars=120, seed=11)
    mask = bad_places(pixels.shape, 0.001)
    pixels[mask] = 30000.0
    theirs, _ = astroscrappy.detect_cosmics(pixels, inmask=mask, invar=sigma**2, satlevel=np.inf)
    theirs = np.asarray(theirs, dtype=bool)
    ours = marked(pixels, sigma, mask, PURE)
    assert (ours & theirs).sum() > 0.97 * (ours | theirs).sum()
    inside = np.zeros(mask.shape, bool)
    inside[10:-10, 10:-10] = True
    assert (ours & theirs & inside).sum() > 0.99 * ((ours | theirs) & inside).sum()
    # what is told from light beside that: hardly anything here
    assert (marked(pixels, sigma, mask) & theirs & inside).sum() > 0.95 * (theirs & inside).sum()


# --- beside the truth -------------------------------------------------------------------------------------------------


def test_rays_are_found_and_stars_are_not():
    pixels, sigma, charge, light = sky((600, 600), rays=300, stars=100, seed=2)
    found = marked(pixels, sigma)
    clear = charge > 5 * np.sqrt(light + READ_NOISE**2)
    assert clear.sum() > 800
    assert found[clear].mean() > 0.94
    in_stars = (light > 500.0) & (charge == 0)
    assert in_stars.sum() > 1500
    assert found[in_stars].mean() < 0.01
    # faint neighbours of what is hit, and pixels of the noise above 4 sigma
    assert (found & (charge == 0)).sum() < 0.25 * found.sum()


@pytest.mark.parametrize(("fwhm", "most"), [(1.75, 0.1), (2.0, 0.05), (2.5, 0.02)])
def test_stars_that_are_as_sharp_as_pixels_allow_stay(fwhm, most):
    rng = np.random.default_rng(8)
    light = np.full((600, 600), 400.0)
    at = rng.uniform(20, 580, (150, 2))
    for y, x in at:
        top, left = int(y) - 10, int(x) - 10
        light[top : top + 21, left : left + 21] += point((21, 21), y - top, x - left, 10 ** rng.uniform(3.3, 5), fwhm)
    pixels = (rng.poisson(light) + rng.normal(0, READ_NOISE, light.shape)).astype(np.float32)
    sigma = np.sqrt(np.maximum(pixels, 0) + READ_NOISE**2).astype(np.float32)
    y, x = at.round().astype(int).T
    assert marked(pixels, sigma)[y, x].mean() < most
    assert marked(pixels, sigma, limits=PURE)[y, x].mean() >= marked(pixels, sigma)[y, x].mean()


@pytest.mark.parametrize("turned", [False, True])
def test_sharp_lines_of_a_spectrum_stay_and_rays_on_them_are_found(turned):
    lines = (20, 41, 62, 83, 104)
    pixels, sigma, _, _ = sky(rays=0, stars=0, lines=lines)
    pixels[50, 41] += 9000.0  # on a line of one pixel, rays have to be twice as high as that
    pixels[80, 83] += 9000.0
    pixels[30, 30] += 1000.0
    places = [(50, 41), (80, 83), (30, 30)]
    if turned:
        pixels, sigma, places = pixels.T.copy(), sigma.T.copy(), [place[::-1] for place in places]
    assert marked(pixels, sigma, limits=PURE).sum() > 200  # which L.A.Cosmic itself masks
    found = marked(pixels, sigma)
    assert all(found[place] for place in places)
    assert found.sum() < 40


# --- in a night -------------------------------------------------------------------------------------------------------


def test_noise_that_nobody_knows_is_measured_on_the_pixels():
    pixels, _, charge, light = sky((400, 500), rays=150, stars=40, seed=9)
    mask = bad_places(pixels.shape)
    pixels[mask] = 50000.0
    blocks = scatter_noise(pixels, mask)
    assert blocks.shape == (7, 8)
    assert np.median(blocks) == pytest.approx(np.sqrt(400 + READ_NOISE**2), rel=0.05)
    assert np.abs(blocks / np.median(blocks) - 1).max() < 0.3
    found = mask.copy()
    count = mask_lacosmic(pixels, np.empty((0, 0), np.float32), found)
    assert count == (found & ~mask).sum()
    clear = (charge > 5 * np.sqrt(light + READ_NOISE**2)) & ~mask
    assert found[clear].mean() > 0.9
    assert (found & ~mask & (charge == 0) & (light > 500.0)).sum() < 0.05 * count


@pytest.mark.parametrize("pixels", [np.full((50, 60), 7.0), np.full((50, 60), np.nan), np.ones((50, 2))])
def test_where_no_noise_can_be_measured_nothing_is_found(pixels):
    mask = np.zeros(pixels.shape, bool)
    assert scatter_noise(pixels.astype(np.float32), mask).size == 0
    assert mask_lacosmic(pixels.astype(np.float32), np.empty((0, 0), np.float32), mask) == 0
    assert not mask.any()
