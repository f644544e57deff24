"""Stars beside a galaxy or a comet, on whose light peaks of the noise are blunt and say nothing of stars."""

import numpy as np
import pytest

from zeroframe.frames.cosmic_rays import mask_lacosmic

SHAPE = 300, 340
Y, X = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(float)


def frame(seed, halo, fwhm):
    chance = np.random.default_rng(seed)
    width = fwhm / 2.3548
    light = 750.0 + halo * np.exp(-np.hypot(X - 170, Y - 150) / 40)
    for _ in range(120):
        y, x, flux = chance.uniform(3, SHAPE[0] - 3), chance.uniform(3, SHAPE[1] - 3), 10 ** chance.uniform(4.3, 5.8)
        light += flux / (2 * np.pi * width**2) * np.exp(-((Y - y) ** 2 + (X - x) ** 2) / (2 * width**2))
    image = chance.poisson(light).astype(np.float32)
    hits = np.zeros(SHAPE, np.bool_)
    for _ in range(40):
        y, x = chance.integers(5, SHAPE[0] - 5), chance.integers(5, SHAPE[1] - 5)
        hits[y, x : x + 3] = True
    image[hits] += 3000.0
    return image, np.sqrt(image), hits


@pytest.mark.parametrize("fwhm", [2.6, 3.5])
@pytest.mark.parametrize("halo", [0.0, 1500.0, 4800.0, 9000.0])
def test_stars_stay_and_hits_are_found(halo, fwhm):
    for seed in range(2):
        image, sigma, hits = frame(seed, halo, fwhm)
        mask = np.zeros(SHAPE, np.bool_)
        mask_lacosmic(image, sigma, mask)
        assert np.count_nonzero(mask & ~hits) < 80, (halo, fwhm, seed)
        assert mask[hits].mean() > 0.85
