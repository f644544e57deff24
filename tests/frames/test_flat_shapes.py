"""Which flats of a group do not belong to the others: counted on drawn sensors, lamps and twilights."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from flats import Sensor, sky_flat
from reliability import ALL_CASES
from zeroframe.frames.quality import flag_frames, measure_frame

GROUPS = 300 if ALL_CASES else 40


def flags_of(frames):
    """Judge frames; return what is said of each, by its number."""
    named = {Path(f"{number}.fits"): measure_frame(frame, is_flat=True) for number, frame in enumerate(frames)}
    return {int(flag.path.stem): flag for flag in flag_frames(named)}


def gradient(shape, fraction, angle):
    """Return light that grows by a fraction from side to side."""
    y, x = (np.mgrid[: shape[0], : shape[1]] + 0.5) / np.reshape(shape, (2, 1, 1)) - 0.5
    return 1.0 + fraction * (x * np.cos(angle) + y * np.sin(angle))


def lamp(sensor, random, count):
    """Return flats of a lamp that drifts by a few per cent."""
    level = 10 ** random.uniform(3.3, 4.6)
    return [sensor.exposed(level * (1 + 0.02 * number * random.normal()), random) for number in range(count)]


def twilight(sensor, random, count):
    """Return flats of the sky between 5,000 and 50,000 ADU, with stars."""
    levels = np.geomspace(50_000, 5_000, count) * random.uniform(0.9, 1.0)
    return [sky_flat(sensor, level, random, stars=int(random.integers(0, 12))) for level in levels]


class TestGoodFlats:
    @pytest.mark.long
    @pytest.mark.parametrize("kind", [lamp, twilight])
    def test_few_are_named(self, kind):
        random = np.random.default_rng(11)
        named, frames = Counter(), 0
        for _ in range(GROUPS):
            sensor, count = Sensor.drawn(random), int(random.integers(2, 9))
            frames += count
            named.update(flag.what for flag in flags_of(kind(sensor, random, count)).values())
        assert sum(named.values()) < 0.01 * frames, (named, frames)


class TestOddFlats:
    """One of three to eight is wrong; it is named, and no other."""

    def odd_one(self, wrong, seed):
        random = np.random.default_rng(seed)
        found, others, groups = 0, 0, GROUPS // 2
        for number in range(groups):
            sensor = Sensor.drawn(random)
            frames = (twilight if number % 2 else lamp)(sensor, random, int(random.integers(3, 9)))
            odd = int(random.integers(len(frames)))
            frames[odd] = wrong(sensor, float(np.median(frames[odd])), random)
            flags = flags_of(frames)
            found += flags.pop(odd, None) is not None
            others += len(flags)
        return found / groups, others

    def test_lamp_off(self):
        def wrong(sensor, _, random):
            return sensor.exposed(random.uniform(0, 2), random)

        assert self.odd_one(wrong, 1) == (1.0, 0)

    @pytest.mark.long
    def test_gradient_of_a_fifth(self):
        def wrong(sensor, level, random):
            return sensor.exposed(level * gradient(sensor.response.shape, 0.2, random.uniform(0, 6.3)), random)

        assert self.odd_one(wrong, 2) == (1.0, 0)

    @pytest.mark.long
    def test_gradient_of_seven_hundredths(self):
        def wrong(sensor, level, random):
            return sensor.exposed(level * gradient(sensor.response.shape, 0.07, random.uniform(0, 6.3)), random)

        found, others = self.odd_one(wrong, 3)
        assert found > 0.9  # of lamps of 2,000 ADU the noise of so small a frame hides it
        assert others == 0

    @pytest.mark.long
    def test_another_filter(self):
        """Light of another colour falls off otherwise, and half of the scatter of pixels is another."""

        def wrong(sensor, level, random):
            ny, nx = sensor.response.shape
            y, x = np.mgrid[:ny, :nx]
            away = ((y / ny - 0.5) ** 2 + (x / nx - 0.5) ** 2) / 0.5
            other = (1.0 - random.choice([-1, 1]) * 0.08 * away) * (1.0 + 0.01 * random.standard_normal((ny, nx)))
            return sensor.exposed(level * other, random)

        found, others = self.odd_one(wrong, 4)
        assert found > 0.95
        assert others == 0

    @pytest.mark.long
    def test_flipped(self):
        def wrong(sensor, level, random):
            return np.ascontiguousarray(sensor.exposed(level, random)[:, ::-1])

        found, others = self.odd_one(wrong, 5)
        assert found > 0.95
        assert others == 0

    def test_of_two_that_differ_both_are_named_as_undecided(self):
        random = np.random.default_rng(6)
        sensor = Sensor.drawn(random)
        tilted = gradient(sensor.response.shape, 0.2, 0.3)
        flags = flags_of([sensor.exposed(20_000, random), sensor.exposed(20_000 * tilted, random)])
        assert {number: flag.what for number, flag in flags.items()} == {0: "shapes", 1: "shapes"}
        assert flags[0].figure == pytest.approx(0.1, abs=0.02)  # half of it on either side

    def test_two_and_two_are_undecided(self):
        random = np.random.default_rng(7)
        sensor = Sensor.drawn(random)
        tilted = gradient(sensor.response.shape, 0.2, 0.3)
        flags = flags_of([sensor.exposed(20_000 * light, random) for light in (1.0, tilted, 1.0, tilted)])
        assert {flag.what for flag in flags.values()} == {"shapes"}
        assert len(flags) == 4

    def test_all_lamps_off(self):
        random = np.random.default_rng(8)
        sensor = Sensor.drawn(random)
        flags = flags_of([sensor.exposed(0.0, random) for _ in range(4)])
        assert {flag.what for flag in flags.values()} == {"light"}
        assert len(flags) == 4

    def test_fibres_that_vary_from_pixel_to_pixel_are_lit(self):
        random = np.random.default_rng(9)
        fibres = Sensor(1.0 + 0.9 * np.sin(np.arange(320) * 2.4) * np.ones((240, 1)), 1.0, 4.0)
        assert not flags_of([fibres.exposed(20_000, random) for _ in range(3)])
