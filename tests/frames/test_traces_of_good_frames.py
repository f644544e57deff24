"""Dead columns that are masked are no odd ones, and what is dark beside bright light did not wrap; all else is told."""

import numpy as np
import pytest

from zeroframe.frames.mask_bits import MaskBit
from zeroframe.frames.traces import measure_traces

NY, NX, BIAS, GAIN, READ_NOISE = 200, 340, 1000.0, 1.5, 3.3
Y, X = np.mgrid[:NY, :NX]
VIGNETTED = 1.0 - 0.1 * (((X - NX / 2) / (NX / 2)) ** 2 + ((Y - NY / 2) / (NY / 2)) ** 2)
DEAD = [40, 41, 163, 290]
GREEN_OF_FOUR = np.tile([[0.2, 1.0], [1.0, 0.6]], (NY // 2, NX // 2))


def of_sky(light, seed):
    """A calibrated frame of such light, its noise, and a mask of dead columns, cosmic rays and half a column."""
    chance = np.random.default_rng(seed)
    pixels = chance.normal(light, np.sqrt(light / GAIN + READ_NOISE**2))
    mask = np.zeros((NY, NX), np.uint8)
    mask[:, DEAD] = MaskBit.BAD
    mask[: NY // 2, 100] = MaskBit.BAD
    mask[chance.random(mask.shape) < 0.003] = MaskBit.COSMIC
    pixels[mask != 0] = chance.normal(0.0, 2000.0, np.count_nonzero(mask))
    return pixels.astype(np.float32), float(np.median(light)), float(np.sqrt(np.median(light) / GAIN)), mask


SKIES = {
    "slope": 2000.0 * (1.0 + 0.25 * (X / NX - 0.5)),
    "galaxy": 400.0 + 20_000.0 * np.exp(-np.hypot(Y - 90.0, X - 180.0) / 25.0),
    "moon": 20.0 + 50_000.0 * (np.hypot(Y - 100.0, X - 370.0) < 250.0),
}


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("sky", SKIES)
def test_a_masked_column_is_not_odd_where_the_sky_slopes(sky, seed):
    """Put at the level of the frame, it stood off its neighbours by up to 5 noises."""
    pixels, level, noise, mask = of_sky(SKIES[sky], seed)
    assert measure_traces(pixels, level, noise, "sky", mask)["odd_columns"] == 0


@pytest.mark.parametrize("without_mask", [False, True])
@pytest.mark.parametrize("at", [42, 39, 120, 164, 337])
def test_an_odd_column_is_found_beside_masked_ones(at, without_mask):
    pixels, level, noise, mask = of_sky(SKIES["slope"], 4)
    pixels[:, at] += 3.0 * noise
    if without_mask:  # what has no value is as good as masked
        pixels[mask != 0] = np.nan
    found = measure_traces(pixels, level, noise, "sky", None if without_mask else mask)
    assert (found["odd_columns"], found["odd_column"]) == (1, at + 1)
    assert found["odd_column_noises"] == pytest.approx(3.0, abs=0.6)


def of_lamp(light, seed, dead=(), wrap=None, dead_pixels=0.0, spread=0.01):
    """A flat less its bias, and how many noises it has; wrapped as 16 bits with a sign are, without, or not at all."""
    chance = np.random.default_rng(seed)
    response = chance.normal(1.0, spread, (NY, NX))
    response[:, list(dead)] *= 0.02
    response[chance.random((NY, NX)) < dead_pixels] = 0.0
    raw = np.round(BIAS + chance.poisson(light * response * GAIN) / GAIN + chance.normal(0.0, READ_NOISE, (NY, NX)))
    if wrap == "unsigned":
        raw %= 65536
    elif wrap == "signed":
        raw = (raw + 32768) % 65536 - 32768
    pixels = (np.minimum(raw, 65535.0) - BIAS).astype(np.float32)
    alike = pixels[:, 2:] - pixels[:, :-2]
    noise = float(1.4826 * np.median(np.abs(alike - np.median(alike))) / np.sqrt(2.0))
    return pixels, float(np.median(pixels)), noise


GOOD = {
    "two dead columns, 42000": (42_000.0 * VIGNETTED, {"dead": DEAD[2:]}),
    "four dead columns, 52000": (52_000.0 * VIGNETTED, {"dead": DEAD}),
    "uneven pixels, 58000": (58_000.0 * VIGNETTED, {"dead": DEAD, "spread": 0.03}),
    "near the top, 62000": (62_000.0 * VIGNETTED, {"dead": DEAD}),
    "dead pixels": (52_000.0 * VIGNETTED, {"dead_pixels": 1e-3}),
    "colours": (58_000.0 * VIGNETTED * GREEN_OF_FOUR, {}),
    "colours and dead columns": (52_000.0 * VIGNETTED * GREEN_OF_FOUR, {"dead": DEAD}),
    "ends of a slit": (52_000.0 * ((X > 60) & (X < 270)), {}),
}


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("case", GOOD)
def test_what_is_dark_beside_bright_light_did_not_wrap(case, seed):
    """Two dead columns were 256 such pixels, and a colour camera 10,000."""
    light, kind = GOOD[case]
    assert measure_traces(*of_lamp(light, seed, **kind), "flat")["wrapped_pixels"] < 4


WRAPPED = {
    "past the top": (65_000.0 * VIGNETTED, {"wrap": "unsigned"}),
    "beside dead columns": (65_000.0 * VIGNETTED, {"wrap": "unsigned", "dead": DEAD}),
    "with a sign": (33_000.0 * VIGNETTED, {"wrap": "signed"}),
    "one colour": (70_000.0 * VIGNETTED * GREEN_OF_FOUR, {"wrap": "unsigned"}),
    "one colour, with a sign": (34_000.0 * VIGNETTED * GREEN_OF_FOUR, {"wrap": "signed"}),
    "even pixels": (66_000.0 * VIGNETTED, {"wrap": "unsigned", "spread": 0.002}),
    "many stars": (
        300.0 + sum(90_000.0 * np.exp(-((X - at) ** 2 + (Y - 100) ** 2) / 32.0) for at in range(20, 340, 20)),
        {"wrap": "unsigned"},
    ),
}


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("case", WRAPPED)
def test_what_wrapped_is_found(case, seed):
    light, kind = WRAPPED[case]
    assert measure_traces(*of_lamp(light, seed, **kind), "flat")["wrapped_pixels"] >= 4
