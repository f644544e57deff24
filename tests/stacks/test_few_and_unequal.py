"""Few frames, whose noise alone tells what is a hit; and flats of unequal levels, which weigh by their light."""

from __future__ import annotations

import numpy as np
import pytest

from zeroframe.headers.kinds import Kind
from zeroframe.kernels.sorting import sorting_pairs
from zeroframe.kernels.stack_limits import NO_LIMITS
from zeroframe.kernels.stack_weighted import stack_weighted
from zeroframe.stacks.clipping import clip_spec
from zeroframe.stacks.measured import combine_prepared, prepare
from zeroframe.stacks.stack import ArrayStack

NOISE = 4.0
SIDE = 500


def combined(frames, kind, **more):
    """Combine as a night does; return data, uncertainty, counts, and what is said of the rejection."""
    names = tuple(map(str, range(len(frames))))
    stack = ArrayStack([np.asarray(frame, np.float32) for frame in frames], [None] * len(frames), names)
    prepared = prepare(stack, clip_spec("average", 5.0), kind=kind, **more)
    found, clipping = combine_prepared(stack, prepared)
    return found, clipping


class TestFewFrames:
    """Darks with a thousand hits each of 8 to 800 sigma."""

    def drawn(self, count, level=0.0):
        random = np.random.default_rng(count)
        frames = level + NOISE * random.standard_normal((count, SIDE, SIDE))
        hit = np.zeros((SIDE, SIDE), int)
        for frame in frames:
            places = random.choice(frame.size, 1000, replace=False)
            frame.flat[places] += 10 ** random.uniform(1.5, 3.5, 1000)
            hit.flat[places] += 1
        return frames, hit

    @pytest.mark.parametrize(("count", "stay"), [(2, 0.03), (3, 0.01), (4, 0.005), (5, 0.002)])
    @pytest.mark.parametrize("kind", [Kind.BIAS, Kind.DARK])
    def test_hits_are_rejected(self, count, stay, kind):
        frames, hit = self.drawn(count, 1000.0 if kind is Kind.BIAS else 2.0)
        found, _ = combined(frames, kind)
        off = np.abs(found.data - np.median(frames)) > 5.0 * NOISE / np.sqrt(count)
        assert np.count_nonzero(off & (hit == 1)) <= stay * np.count_nonzero(hit == 1)
        clean = found.data[hit == 0]
        # nothing good is lost: the noise is that of a plain average
        assert clean.std() * np.sqrt(count) == pytest.approx(NOISE, rel=0.005)

    def test_where_two_of_four_are_hit_the_lower_values_stay(self):
        frames = NOISE * np.random.default_rng(3).standard_normal((4, 60, 60))
        frames[:2, 20, 30] += 3000.0, 2000.0
        found, _ = combined(frames, Kind.DARK)
        assert (found.counts[20, 30], bool(abs(found.data[20, 30]) < 20)) == (2, True)

    @pytest.mark.parametrize("count", [2, 3])
    def test_hot_pixels_keep_their_values(self, count):
        """Photon noise of 20,000 ADU is 35 times that of the dark."""
        random = np.random.default_rng(4)
        frames = NOISE * random.standard_normal((count, 200, 200))
        frames[:, :, 50] += random.poisson(20_000, (count, 200))
        found, _ = combined(frames, Kind.DARK, gain_e_per_adu=1.0)
        assert (found.counts[:, 50] == count).mean() > 0.99

    def test_bright_parts_of_flats_keep_their_values_whatever_the_header_says_of_the_gain(self):
        """A spectrograph's flat of which most is dark, and a header's gain that is ten times too high."""
        random = np.random.default_rng(5)
        light = np.full((200, 300), 300.0)
        light[80:110] = 30_000.0
        frames = random.poisson(light, (3, 200, 300)) + NOISE * random.standard_normal((3, 200, 300))
        found, _ = combined(frames, Kind.FLAT, gain_e_per_adu=10.0)
        assert (found.counts[80:110] == 3).mean() > 0.999

    def test_what_is_said(self):
        frames, _ = self.drawn(3)
        _, clipping = combined(frames, Kind.DARK)
        assert clipping.rejection.describe().startswith("clip -5 +5 floor about median floor 4")
        assert clipping.floor.alone

    def test_two_science_frames_keep_all(self):
        """Stars change with the seeing: nothing tells them from hits."""
        frames, _ = self.drawn(2)
        found, clipping = combined(frames, Kind.SCIENCE)
        assert found.counts.min() == 2
        assert clipping.rejected == 0


def naive_weighted(values, variances, k, floor, photon):
    """Do for one pixel what `stack_weighted` does."""
    good = np.flatnonzero(np.isfinite(values))
    if not good.size:
        return np.nan, np.nan, 0
    center = np.median(values[good])
    level = values[good].min() if good.size == 2 else center
    sigma = np.sqrt((floor**2 + max(level, 0.0) * photon) * variances)
    if good.size == 2:
        a, b = good if values[good[0]] <= values[good[1]] else good[::-1]
        kept = [a] if values[b] - values[a] > k * np.hypot(sigma[a], sigma[b]) else [a, b]
    else:
        kept = [i for i in good if abs(values[i] - center) <= k * sigma[i]] or [good[np.argmin(values[good])]]
    weights, left = 1.0 / variances[kept], values[kept]
    mean = (weights * left).sum() / weights.sum()
    scatter = (weights * (left - mean) ** 2).sum() / weights.sum()
    return mean, np.sqrt(scatter / len(kept)), len(kept)


@pytest.mark.parametrize("count", [2, 3, 4, 7, 20])
def test_the_kernel_does_what_the_words_say(count):
    random = np.random.default_rng(count)
    variances = random.uniform(0.3, 4.0, count)
    stack = 100.0 + 6.0 * random.standard_normal((count, 700)) * np.sqrt(variances)[:, None]
    stack[random.random(stack.shape) < 0.1] += 200.0
    stack[random.random(stack.shape) < 0.05] = np.nan
    factors = random.uniform(0.5, 2.0, count)
    out, error, counts = np.zeros(700), np.zeros(700), np.zeros(700, np.uint16)
    limits = NO_LIMITS._replace(sigma_low=4.0, sigma_high=4.0, floor_adu=5.0, photon_adu=0.1, floor_only=True)
    given = np.ascontiguousarray(stack / factors[:, None])
    stack_weighted(given, factors, variances, sorting_pairs(count), limits, out, error, counts)
    scaled = given * factors[:, None]
    naive = [naive_weighted(scaled[:, pixel], variances, 4.0, 5.0, 0.1) for pixel in range(700)]
    expected, expected_error, expected_counts = map(np.array, zip(*naive, strict=True))
    np.testing.assert_array_equal(counts, expected_counts)
    np.testing.assert_allclose(out, expected, rtol=1e-12)
    np.testing.assert_allclose(error, expected_error, rtol=1e-9, atol=1e-5)


class TestUnequalFlats:
    """Twilight flats that fall from 50,000 to 5,000 electrons, brought to 30,000."""

    LEVELS = np.array([50_000.0, 30_000.0, 15_000.0, 9_000.0, 5_000.0])

    def drawn(self, stars=False):
        random = np.random.default_rng(1)
        frames = []
        for level in self.LEVELS:
            light = np.full((SIDE, SIDE), level)
            if stars:
                places = random.choice(light.size, 500, replace=False)
                light.flat[places] *= random.uniform(1.2, 3.0, 500)
            frames.append(random.poisson(light) * (30_000.0 / level))
        return frames

    def test_they_weigh_by_their_light(self):
        variances = tuple(30_000.0 / self.LEVELS)
        found, clipping = combined(self.drawn(), Kind.FLAT, variances=variances)
        ideal = 30_000.0 / np.sqrt(self.LEVELS.sum())
        plain = np.mean(self.drawn(), axis=0).std()
        assert plain / ideal == pytest.approx(1.37, abs=0.02)
        assert found.data.std() / ideal == pytest.approx(1.0, abs=0.01)
        assert found.data.mean() == pytest.approx(30_000.0, rel=1e-4)
        assert clipping.rejected < 5e-4 * SIDE**2

    def test_stars_are_rejected(self):
        variances = tuple(30_000.0 / self.LEVELS)
        found, _ = combined(self.drawn(stars=True), Kind.FLAT, variances=variances)
        sigma = 30_000.0 / np.sqrt(self.LEVELS.sum())
        assert np.count_nonzero(found.data > 30_000.0 + 6 * sigma) < 0.01 * 2500
