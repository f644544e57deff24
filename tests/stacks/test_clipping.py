"""Clipping that knows the noise, and what makes a combined frame noisier than it could be."""

from __future__ import annotations

import numpy as np
import pytest

from workbench import command, floor_of, header_of, pixels_of, raw_pixels, small_folder, write_raw
from zeroframe.errors import UsageError
from zeroframe.frames.statistics import clipped_std
from zeroframe.headers.kinds import Kind
from zeroframe.stacks.clipping import CLIP_SPREADS, NoiseFloor, clip_spec, gaussian_rate, noise_floor, with_floor
from zeroframe.stacks.combine import CombineSpec, Rejection, combine_stack
from zeroframe.stacks.measured import ChosenStack, combine_prepared, prepare
from zeroframe.stacks.noise import FrameNoise, SampledStack, frame_noise, frame_pairs, measure_noise
from zeroframe.stacks.noise_budget import explain_excess
from zeroframe.stacks.stack import ArrayStack

SHAPE = (400, 500)
SIGMA = 4.0


def noise_frames(frames, seed=1, shape_yx=SHAPE, sigma=SIGMA):
    random = np.random.default_rng(seed)
    return [np.rint(random.normal(0.0, sigma, shape_yx)) for _ in range(frames)]


def stack_of(arrays):
    names = tuple(str(number) for number in range(len(arrays)))
    return ArrayStack([array.astype(np.float32) for array in arrays], [None] * len(arrays), names)


def combined_noise(frames, spread, clip=5.0, seeds=3):
    """Noise of the combination over sigma / sqrt(N)."""
    found = []
    for seed in range(seeds):
        stack = stack_of(noise_frames(frames, seed))
        floor = noise_floor(frame_noise(stack), [0.0] * frames)
        spec = with_floor(clip_spec("average", clip, spread), spread, floor, frames)
        found.append(clipped_std(combine_stack(stack, spec).data))
    return float(np.mean(found)) / np.sqrt(SIGMA**2 + 1 / 12) * np.sqrt(frames)


class TestNoise:
    @pytest.mark.parametrize("frames", [3, 6, 12, 25])
    def test_floor_costs_nothing(self, frames):
        assert combined_noise(frames, "noise") == pytest.approx(1.0, abs=0.004)

    @pytest.mark.parametrize(("frames", "factor"), [(3, 1.099), (6, 1.035), (12, 1.014), (25, 1.007)])
    def test_without_it_few_frames_lose(self, frames, factor):
        assert combined_noise(frames, "mad") == pytest.approx(factor, abs=0.006)


class TestCoarseNumbers:
    """Noise of less than a quarter of a step: 1 value in 25 is a step off, and belongs to the noise."""

    @pytest.mark.parametrize("frames", [2, 3, 5, 8])
    @pytest.mark.parametrize("noise_steps", [0.15, 0.2, 0.23, 0.3])
    @pytest.mark.parametrize("step", [1.0, 16.0])
    def test_what_is_one_step_off_is_kept_and_hits_go(self, frames, noise_steps, step):
        random = np.random.default_rng(frames)
        arrays = [step * np.rint(random.normal(300.0, noise_steps, (150, 300))) for _ in range(frames)]
        for number, array in enumerate(arrays):
            array[number::40, 7::50] += 20.0 * step
        stack = stack_of(arrays)
        result, clipping = combine_prepared(stack, prepare(stack, clip_spec("average", 5), kind=Kind.BIAS))
        hits = sum(array[number::40, 7::50].size for number, array in enumerate(arrays))
        assert clipping.rejected == pytest.approx(hits, abs=0.02 * hits + 2)
        # the truth: a plain average of what was not hit
        values = np.array(arrays)
        for number in range(frames):
            values[number, number::40, 7::50] = np.nan
        assert np.mean(result.data != np.nanmean(values, axis=0, dtype=np.float32)) < 1e-3


class TestRejection:
    @pytest.mark.parametrize("frames", [3, 6, 12, 25])
    def test_outlier_of_any_frame_goes(self, frames):
        arrays = noise_frames(frames)
        for number, array in enumerate(arrays):
            array[number::40, 7::50] += 300.0
        result, clipping = combine_prepared(stack_of(arrays), prepare(stack_of(arrays), clip_spec("average", 5)))
        hit = np.zeros(SHAPE, bool)
        for number in range(frames):
            hit[number::40, 7::50] = True
        # with three frames the two that are left may by chance stand so far apart that the third does not stand out
        kept = (result.counts == frames) & hit
        assert kept.sum() <= (0.02 if frames == 3 else 0.0) * hit.sum()
        assert clipping.rejected >= 0.98 * hit.sum()

    def test_unstable_pixel_keeps_its_values(self):
        """The floor is never a ceiling: a pixel that is ten times as noisy is averaged like the others."""
        arrays = noise_frames(12)
        random = np.random.default_rng(5)
        for array in arrays:
            array[:, 100] = random.normal(0.0, 10 * SIGMA, SHAPE[0])
        stack = stack_of(arrays)
        lost = {}
        for spread in ("noise", "ccd"):
            spec = prepare(stack, clip_spec("average", 5, spread), spread).spec
            lost[spread] = 1.0 - combine_stack(stack, spec).counts[:, 100].mean() / 12
        assert lost["noise"] < 0.01
        assert lost["ccd"] > 0.3

    def test_ccd_is_a_fixed_limit(self):
        arrays = [np.full((2, 3), value) for value in (0.0, 0.0, 1.0, 2.0, 19.0, 21.0, 500.0)]
        rejection = Rejection(sigma_low=5, sigma_high=5, spread="floor", floor_adu=4.0)
        # the median is 2, so that 22 is the limit
        assert combine_stack(stack_of(arrays), CombineSpec(rejection=rejection)).counts.tolist() == [[6] * 3] * 2

    def test_floor_alone_works_with_a_center_of_the_callers_own(self):
        arrays = [np.full((2, 3), value) for value in (0.0, 1.0, 2.0, 100.0)]
        spec = CombineSpec(
            rejection=Rejection(sigma_low=5, sigma_high=5, center=np.nanmedian, spread="floor", floor_adu=4.0)
        )
        assert (combine_stack(stack_of(arrays), spec).data == 1.0).all()

    def test_floor_alone_needs_a_floor(self):
        with pytest.raises(UsageError, match="needs floor_adu"):
            Rejection(sigma_low=5, sigma_high=5, spread="floor")

    def test_negative_clip(self):
        with pytest.raises(UsageError, match="--clip is -1"):
            clip_spec("average", -1.0)


class TestFloor:
    NOISE = FrameNoise(4.0, 4.1, 4.2, 6)

    def test_is_what_was_measured(self):
        floor = noise_floor(self.NOISE, [10.0, 10.0, 10.0])
        assert (floor.noise_adu, floor.photon_adu) == (4.2, 0.0)
        assert floor.reason == "measured from 6 pairs of frames"

    def test_levels_that_differ_count(self):
        assert noise_floor(self.NOISE, [0.0, 3.0, 6.0]).noise_adu == pytest.approx(
            np.hypot(4.2, 1.4826 * 3.0), rel=1e-4
        )

    def test_one_odd_level_does_not(self):
        assert noise_floor(self.NOISE, [0.0, 0.0, 0.0, 0.0, 900.0]).noise_adu == 4.2

    def test_one_noisy_frame_does_not_raise_it(self):
        arrays = noise_frames(8)
        arrays[3] *= 20
        assert frame_noise(stack_of(arrays)).typical == pytest.approx(4.0, rel=0.03)

    @pytest.mark.parametrize("frames", range(2, 40))
    def test_pairs(self, frames):
        pairs = frame_pairs(frames)
        assert all(i != j and 0 <= i < frames and 0 <= j < frames for i, j in pairs)
        assert len(set(map(frozenset, pairs))) == len(pairs) <= 8

    def test_photons(self):
        """At the mean level it is the noise that was measured; half as bright a pixel is less noisy."""
        noise = FrameNoise(20.0, 20.0, 20.0, 6)
        floor = noise_floor(noise, [300.0] * 6, kind=Kind.FLAT, gain_e_per_adu=1.0)
        assert floor.noise_adu**2 + floor.photon_adu * 300.0 == pytest.approx(400.0)
        assert floor.photon_adu == 1.0
        assert "gain of 1 e-/ADU" in floor.reason

    @pytest.mark.parametrize(("kind", "gain"), [(Kind.BIAS, 1.0), (Kind.FLAT, None), (Kind.FLAT, 0.1), (None, 1.0)])
    def test_no_photons(self, kind, gain):
        """Of a bias, without a gain, or with one by which light would be noisier than what was measured."""
        assert noise_floor(FrameNoise(20.0, 20.0, 20.0, 6), [300.0] * 6, kind=kind, gain_e_per_adu=gain).photon_adu == 0

    @pytest.mark.parametrize("noise", [None, FrameNoise(0.0, 0.0, 0.0, 3), FrameNoise(np.nan, np.nan, np.nan, 3)])
    def test_no_noise_no_floor(self, noise):
        assert noise_floor(noise, [1.0, 2.0]) is None

    @pytest.mark.parametrize("spread", CLIP_SPREADS)
    def test_what_it_changes(self, spread):
        spec = clip_spec("average", 5, spread)
        known = with_floor(spec, spread, NoiseFloor(4.0, 0.0, ""), 6)
        assert (known is spec) == (spread in {"mad", "std"})
        assert known.rejection.spread == {"noise": "mad_std", "mad": "mad_std", "std": "std", "ccd": "floor"}[spread]
        assert with_floor(spec, spread, NoiseFloor(4.0, 0.0, ""), 2) is spec
        assert with_floor(spec, spread, None, 6) is spec
        assert with_floor(CombineSpec(), spread, NoiseFloor(4.0, 0.0, ""), 6) == CombineSpec()


class TestGaussianRate:
    @pytest.mark.parametrize("frames", [3, 6, 12, 25])
    @pytest.mark.parametrize(
        "rejection",
        [
            Rejection(sigma_low=5, sigma_high=5),
            Rejection(sigma_low=3, sigma_high=3),
            Rejection(sigma_low=3, sigma_high=3, floor_adu=4.0),
            Rejection(sigma_low=3, sigma_high=None, spread="floor", floor_adu=4.0),
            Rejection(sigma_low=2, sigma_high=2, spread="std"),
        ],
        ids=Rejection.describe,
    )
    def test_is_what_is_rejected_of_noise(self, frames, rejection):
        counts = combine_stack(stack_of(noise_frames(frames)), CombineSpec(rejection=rejection)).counts
        rejected = 1.0 - counts.mean() / frames
        assert gaussian_rate(frames, rejection, SIGMA) == pytest.approx(rejected, rel=0.08, abs=1e-6)

    def test_what_cannot_be_told(self):
        assert gaussian_rate(6, Rejection(sigma_low=5, sigma_high=5, center="mean"), 4.0) is None
        assert gaussian_rate(6, Rejection(sigma_low=5, sigma_high=5, spread=np.nanstd), 4.0) is None
        assert gaussian_rate(6, Rejection(sigma_low=5, sigma_high=5), float("nan")) is None

    def test_nothing(self):
        assert gaussian_rate(6, Rejection(), 4.0) == 0.0
        assert gaussian_rate(2, Rejection(sigma_low=5, sigma_high=5), 4.0) == 0.0
        assert gaussian_rate(6, Rejection(sigma_low=5, sigma_high=5, spread="std"), 4.0) == 0.0


class TestCounts:
    def test_masked_and_rejected_are_told_apart(self):
        arrays = [array.astype(np.float32) for array in noise_frames(6, shape_yx=(50, 60))]
        arrays[1][5, 6] = np.nan
        arrays[1][7] = np.inf
        arrays[4][5, 6] = np.nan
        arrays[2][20, 30] = 900.0
        stack = stack_of(arrays)
        for masked in (None, (0, 61, 0, 0, 1, 0)):
            _, clipping = combine_prepared(stack, prepare(stack, clip_spec("average", 5)), masked=masked)
            assert clipping.masked == (0, 61, 0, 0, 1, 0)
            assert clipping.rejected == 1
            assert clipping.pixels == 62
            assert clipping.values == 6 * 3000
            assert clipping.expected == pytest.approx(clipping.rate * (18000 - 62))

    def test_some_of_a_stack(self):
        arrays = noise_frames(4, shape_yx=(5, 6))
        stack = stack_of(arrays)
        chosen = ChosenStack.of(stack, [0, 3])
        assert chosen.names == ("0", "3")
        np.testing.assert_array_equal(
            combine_stack(chosen, CombineSpec()).data, np.mean([arrays[0], arrays[3]], axis=0).astype(np.float32)
        )
        assert ChosenStack.of(stack, range(4)) is stack


class TestExcess:
    def explained(self, arrays, spec=CombineSpec()):  # noqa: B008 -- it is frozen
        sample = SampledStack(tuple(array.astype(np.float32) for array in arrays))
        return explain_excess(sample, spec, measure_noise(sample, spec))

    def parts(self, excess):
        return {part.what: part.noise_adu for part in excess.parts}

    def test_nothing_to_explain(self):
        pattern = np.random.default_rng(9).normal(0.0, 3.0, SHAPE)
        excess = self.explained([array + pattern for array in noise_frames(6)])
        assert excess.ratio == pytest.approx(1.0, abs=0.02)
        assert (excess.is_worth_telling, excess.parts) == (False, ())
        assert excess.pattern_adu == pytest.approx(3.0, rel=0.02)

    def test_a_median_of_coarse_steps_is_told_from_its_frames(self):
        random = np.random.default_rng(17)
        for offset, is_noisy in ((0.5, True), (0.0, False)):  # half-way between two steps, and on one of them
            frames = [16.0 * np.rint(random.normal(offset, 0.4, SHAPE)) for _ in range(25)]
            excess = self.explained(frames, CombineSpec(method="median"))
            assert excess.is_worth_telling == is_noisy
            assert excess.average_adu == pytest.approx(np.std(frames[0]) / 5.0, rel=0.05)
            assert (excess.combined_adu < 0.3 * excess.average_adu) == (not is_noisy)

    @pytest.mark.parametrize(("what", "shape"), [("rows", (SHAPE[0], 1)), ("columns", (1, SHAPE[1]))])
    def test_levels_of_rows_and_columns(self, what, shape):
        random = np.random.default_rng(3)
        excess = self.explained([array + random.normal(0.0, 3.0, shape) for array in noise_frames(6)])
        assert excess.ratio == pytest.approx(5.0 / 4.0, rel=0.03)
        assert self.parts(excess) == {what: pytest.approx(3.0 / np.sqrt(6), rel=0.05)}

    def test_shading(self):
        y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
        shading = np.cos(x / 60.0) * np.cos(y / 50.0) * 6.0
        signs = (1, -1, 1, 1, -1, -1)
        excess = self.explained([array + sign * shading for array, sign in zip(noise_frames(6), signs, strict=True)])
        assert "shading" in self.parts(excess)
        assert "rows" not in self.parts(excess)

    def test_way_of_combining(self):
        excess = self.explained(noise_frames(12), CombineSpec("median"))
        assert excess.ratio == pytest.approx(1.2, abs=0.03)
        (part,) = excess.parts
        assert part.what == "combination"
        assert part.noise_adu == pytest.approx(SIGMA / np.sqrt(12) * np.sqrt(1.2**2 - 1), rel=0.1)

    def test_correlated_neighbours(self):
        """They make no pixel noisier, and are told only beside something that does."""
        random = np.random.default_rng(4)
        smooth = [(array[:, 1:] + array[:, :-1]) / np.sqrt(2) for array in noise_frames(6)]
        assert self.explained(smooth).parts == ()
        rows = [array + random.normal(0.0, 3.0, (SHAPE[0], 1)) for array in smooth]
        assert self.parts(self.explained(rows))["correlation"] == pytest.approx(0.5, abs=0.02)

    def test_what_half_of_the_frames_have(self):
        other = np.random.default_rng(8).normal(0.0, 3.0, SHAPE)
        excess = self.explained([array + (other if n % 2 else 0) for n, array in enumerate(noise_frames(6))])
        assert "common" in self.parts(excess)

    def test_sum(self):
        excess = self.explained(noise_frames(5), CombineSpec("sum"))
        assert excess.ratio == pytest.approx(1.0, abs=0.02)
        assert excess.combined_adu == pytest.approx(SIGMA * np.sqrt(5), rel=0.03)

    def test_single_frame(self):
        assert self.explained(noise_frames(1)) is None


class TestCommand:
    def test_closing_table(self, tmp_path):
        for number in range(1, 7):
            pixels = raw_pixels(number, (200, 300))
            pixels[10 * number, 40] += 500
            write_raw(tmp_path / "raw" / f"b{number}.fits", pixels)
        run = command("bias", tmp_path / "raw", "-o", tmp_path / "out", "--trim", "[:,:]")
        assert run.code == 0, run.out + run.err
        figures = dict(row.split("│")[1:3] for row in run.out.splitlines() if row.count("│") == 3)
        figures = {name.strip(): value.strip() for name, value in figures.items()}
        assert figures["… values rejected"] in {"6 = 0.00167 %", "7 = 0.00194 %"}
        assert 0.3 < float(figures["… expected from Gaussian noise"]) < 0.9
        assert "measured from 6 pairs of frames" in run.out
        assert floor_of(tmp_path / "out" / "combined_bias.fits") == pytest.approx(4.01, rel=0.02)

    def test_other_spreads(self, tmp_path):
        paths = small_folder(tmp_path / "raw", 6, BUNIT="adu")
        said = {}
        for spread in CLIP_SPREADS:
            target = tmp_path / f"{spread}.fits"
            assert command("combine", *paths, "-o", target, "--clip-spread", spread).code == 0
            said[spread] = header_of(target)["COMBREJ"].partition(" floor 3")[0]
        assert said == {
            "noise": "clip -5 +5 mad_std about median",
            "mad": "clip -5 +5 mad_std about median",
            "std": "clip -5 +5 std about median",
            "ccd": "clip -5 +5 floor about median",
        }

    def test_flats_are_given_photon_noise(self, tmp_path):
        random = np.random.default_rng(1)
        light = np.linspace(500.0, 4000.0, 300) * np.ones((200, 1))
        for number in range(6):
            pixels = random.poisson(light) + random.normal(0.0, 4.0, light.shape)
            write_raw(tmp_path / f"f{number}.fits", pixels.astype(np.float32), IMAGETYP="flat", GAIN=1.0, BUNIT="adu")
        target = tmp_path / "combined.fits"
        assert command("combine", *sorted(tmp_path.glob("f*.fits")), "-o", target).code == 0
        assert header_of(target)["COMBREJ"].endswith(" photon 1")
        assert (pixels_of(target, "COUNTS") == 6).mean() > 0.999

    def test_noise_that_is_too_high_is_explained(self, tmp_path):
        random = np.random.default_rng(2)
        for number in range(1, 7):
            rows = np.rint(random.normal(0.0, 5.0, (300, 1)))
            pixels = (raw_pixels(number, (300, 200)) + rows).astype(np.uint16)
            write_raw(tmp_path / "raw" / f"b{number}.fits", pixels)
        run = command("bias", tmp_path / "raw", "-o", tmp_path / "out", "--trim", "[:,:]")
        (said,) = [line for line in run.out.splitlines() if line.startswith("noise: ")]
        assert " times the " in said
        assert "levels of rows that differ between frames" in " ".join(run.out.split())
