"""Steps at the seams between amplifiers: found, measured, and no slope or star taken for one."""

from __future__ import annotations

import numpy as np
import pytest

from zeroframe.frames.regions import Region
from zeroframe.frames.seams import largest_step
from zeroframe.headers.sections import Section


def quadrants(ny, nx):
    places = [f"[1:{nx // 2},1:{ny // 2}]", f"[{nx // 2 + 1}:{nx},1:{ny // 2}]",
              f"[1:{nx // 2},{ny // 2 + 1}:{ny}]", f"[{nx // 2 + 1}:{nx},{ny // 2 + 1}:{ny}]"]  # fmt: skip
    return [Region(trim=Section.parse(p), place=Section.parse(p), name=n) for n, p in zip("ABCD", places, strict=True)]


@pytest.mark.parametrize("seed", range(6))
def test_a_step_is_measured_within_its_error(seed):
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:120, :160] / 100.0
    sky = 800.0 * (1 - 0.1 * (x - 0.7) ** 2 - 0.05 * y)
    step = random.uniform(0.004, 0.03) * random.choice([-1, 1])
    image = sky * np.where((x >= 0.8) & (y < 0.6), 1 + step, 1.0) + random.normal(0, 6.0, sky.shape)
    found = largest_step(image, quadrants(120, 160), image.shape)
    assert "B" in found.names
    sign = 1 if found.names[1] == "B" else -1
    assert found.fraction == pytest.approx(sign * step, abs=4 * found.error)
    assert found.error < 0.004


def test_no_step_by_slopes_stars_and_masked_pixels():
    large = 0
    for seed in range(40):
        random = np.random.default_rng(100 + seed)
        y, x = np.mgrid[:120, :160]
        image = 500.0 + random.uniform(-1, 1) * x + random.uniform(-1, 1) * y + random.normal(0, 8.0, x.shape)
        for _ in range(6):  # 300 in a million pixels
            at = random.uniform(0, 160), random.uniform(0, 120)
            image += 5000 * np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / 8)
        mask = random.random(x.shape) < 0.05
        image[mask] = 60_000
        found = largest_step(image, quadrants(120, 160), image.shape, mask)
        large += abs(found.fraction) > 0.003 + 4 * found.error
    assert large <= 1


def test_no_seam_and_no_level():
    image = np.random.default_rng(1).normal(0.0, 5.0, (120, 160))
    assert largest_step(image, quadrants(120, 160)[:1], image.shape) is None
    assert largest_step(image, quadrants(120, 160), image.shape) is None
    assert largest_step(np.full((120, 160), np.nan), quadrants(120, 160), image.shape) is None
