"""What a frame is like, and which frames do not belong to the others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reliability import ALL_CASES
from workbench import SMALL_LFC, command, header_of, pixels_of, raw_pixels, small_folder, write_raw
from zeroframe.fits import ImagePart, read_raw, write_fits
from zeroframe.frames.quality import Flag, flag_frames, measure_frame
from zeroframe.headers.cameras import load_camera
from zeroframe.headers.dialects import read_facts
from zeroframe.simulate import SIMULATED_CAMERAS, bias_specs, sensor_truth, simulate_biases, simulate_frame
from zeroframe.stacks.measured import measure_rows
from zeroframe.stacks.stack import ArrayStack

LFC = replace(SMALL_LFC, image_shape_yx=(256, 300))
CG16M = replace(SIMULATED_CAMERAS["apogee-cg16m"], image_shape_yx=(256, 300))
SMALL_TRIM = ("--overscan", "[608:632,:]", "--trim", "[1:600,:]")


def calibrated(camera, frame):
    """As the folder command does it: the LFC less its overscan, the CG16M only trimmed."""
    rows, columns = camera.image_slices_yx
    pixels = frame.pixels.astype(np.float32)
    if camera.header_style == "palomar-lfc":
        pixels -= np.median(pixels[:, columns.stop + 7 :], axis=1, keepdims=True)
    return pixels[rows, columns]


def leak(electrons):
    """Turn a bias into a frame that has seen light, whatever its header says."""

    def fault(camera, spec):
        light = camera.filters[0]
        scale = electrons / light.flat_e_per_s
        lit = replace(
            spec,
            kind="flat",
            exposure_s=1.0,
            filter_name=light.name,
            light_scale=scale,
            imagetyp="BIAS",
            object_name="",
        )
        return camera, lit

    return fault


FAULTS = {
    "level": lambda camera, spec: (camera, replace(spec, level_offset_adu=60.0)),
    "leak": leak(60.0),
    "flat": leak(20000.0),
    "gain": lambda camera, spec: (replace(camera, gain_e_per_adu=1.5 * camera.gain_e_per_adu), spec),
    "noise": lambda camera, spec: (replace(camera, read_noise_e=1.3 * camera.read_noise_e), spec),
}


def with_saturated(pixels, limit):
    """Measure a frame, its saturated pixels counted as a run counts them."""
    return replace(measure_frame(pixels), saturated=int((pixels >= limit).sum()))


def judged(camera, seed, frames, faults=None):
    """Simulate and measure a folder; return the flags, by the number of the frame."""
    sensor = sensor_truth(camera, seed, filter_names=[camera.filters[0].name] if faults else [])
    qualities, facts = {}, {}
    for index, spec in enumerate(bias_specs(camera, frames)):
        own, made = (faults or {}).get(index, lambda *same: same)(camera, spec)
        frame = simulate_frame(own, made, seed, index=index, sensor=sensor)
        path = Path(f"{index}")
        qualities[path] = with_saturated(calibrated(camera, frame), 64000.0)
        facts[path] = read_facts(frame.header, path.name)
    flags = flag_frames(qualities, facts, level_subtracted=camera.header_style == "palomar-lfc")
    return [(int(flag.path.name), flag) for flag in flags]


class TestMeasure:
    def test_noise_and_level_beside_a_pattern(self):
        random = np.random.default_rng(1)
        rows, columns = random.normal(0.0, 3.0, (500, 1)), random.normal(0.0, 2.0, 600)
        frame = (random.normal(100.0, 4.0, (500, 600)) + rows + columns).astype(np.float32)
        quality = measure_frame(frame)
        assert quality.level_adu == pytest.approx(100.0, abs=0.5)
        assert quality.noise_adu == pytest.approx(4.0, rel=0.02)
        assert (quality.saturated, quality.non_finite, quality.pixels) == (0, 0, 300_000)

    def test_map(self):
        y, x = np.mgrid[:640, :960]
        quality = measure_frame((0.01 * y + 0.02 * x).astype(np.float32))
        assert quality.cells_adu.shape == (32, 32)
        assert np.diff(quality.cells_adu.mean(axis=1)) == pytest.approx(0.01 * (640 - 8) / 31, abs=0.01)
        assert np.diff(quality.cells_adu.mean(axis=0)) == pytest.approx(0.02 * 30, rel=1e-3)

    @pytest.mark.parametrize(
        ("shape_yx", "dtype"), [((500, 600), np.float32), ((1100, 1000), np.float32), ((1100, 1000), np.float64)]
    )
    def test_counts_are_those_of_the_whole_frame(self, shape_yx, dtype):
        frame = np.random.default_rng(1).normal(0.0, 4.0, shape_yx).astype(dtype)
        frame[[3, 77, 200], [5, 6, 7]] = 64500.0
        frame[100, 100:110] = np.nan
        frame[300, 3] = -np.inf
        quality = measure_frame(frame)
        assert (quality.saturated, quality.non_finite) == (0, 11)
        assert quality.noise_adu == pytest.approx(4.0, rel=0.03)

    def test_cosmic_rays_do_not_count(self):
        frame = np.random.default_rng(1).normal(0.0, 4.0, (500, 600)).astype(np.float32)
        clean = measure_frame(frame)
        frame[::37, ::41] += 3000.0
        hit = measure_frame(frame)
        assert hit.noise_adu == pytest.approx(clean.noise_adu, rel=0.02)
        assert hit.level_adu == pytest.approx(clean.level_adu, abs=0.1)
        assert np.abs(hit.cells_adu - clean.cells_adu).max() < 1.0

    @pytest.mark.parametrize("shape_yx", [(1, 1), (1, 50), (50, 1), (2, 3), (3, 2), (12, 20), (33, 31)])
    @pytest.mark.parametrize("value", [0.0, 7.5, np.nan])
    def test_tiny_and_constant(self, shape_yx, value):
        quality = measure_frame(np.full(shape_yx, value, np.float32))
        assert quality.level_adu == pytest.approx(value, nan_ok=True)
        assert np.isfinite(quality.cells_adu).all()
        assert quality.non_finite == (shape_yx[0] * shape_yx[1] if np.isnan(value) else 0)

    def test_a_column_of_infinities(self):
        frame = np.random.default_rng(1).normal(100.0, 4.0, (300, 200)).astype(np.float32)
        frame[:, 30] = np.inf
        quality = measure_frame(frame)
        assert (quality.level_adu, quality.noise_adu) == (pytest.approx(100.0, abs=0.1), pytest.approx(4.0, rel=0.03))

    def test_frame_is_not_changed(self):
        frame = np.random.default_rng(1).normal(0.0, 4.0, (12, 20)).astype(np.float32)
        before = frame.copy()
        measure_frame(frame)
        np.testing.assert_array_equal(frame, before)

    def test_from_a_stack_by_rows(self):
        frames = [np.random.default_rng(n).normal(n, 4.0, (500, 600)).astype(np.float32) for n in range(2)]
        stack = ArrayStack(frames, [None, None], ("a", "b"))
        whole, part = measure_frame(frames[1]), measure_rows(stack, 1)
        assert part.noise_adu == whole.noise_adu
        assert part.level_adu == pytest.approx(whole.level_adu, abs=0.1)
        np.testing.assert_allclose(part.cells_adu, whole.cells_adu, atol=0.1)


class TestNothingIsInvented:
    @pytest.mark.parametrize("camera", [LFC, CG16M], ids=["lfc", "cg16m"])
    def test_good_folders_have_no_flags(self, camera):
        """Folders of 3 to 10 frames, of a camera with an overscan and of one without."""
        for seed in range(100 if ALL_CASES else 24):
            frames = (3, 4, 6, 10)[seed % 4]
            assert judged(camera, seed, frames) == [], f"seed {seed}"

    def test_one_frame_has_nothing_to_compare_with(self):
        assert judged(LFC, 1, 1, {0: FAULTS["flat"]}) == []

    @pytest.mark.parametrize("camera", [LFC, CG16M], ids=["lfc", "cg16m"])
    def test_two_good_ones(self, camera):
        assert [judged(camera, seed, 2) for seed in range(6)] == [[]] * 6


class TestLevelsThatWander:
    """Levels of a camera without overscan, which wander by a part of the noise of a pixel, and one that is off."""

    def flags(self, random, frames, wander, off=0.0, *, subtracted=False):
        levels = random.normal(0.0, wander, frames)
        levels[1] += off
        quality = measure_frame(random.normal(0.0, 4.0, (64, 64)).astype(np.float32))
        each = {Path(f"{n}"): replace(quality, level_adu=level, noise_adu=4.0) for n, level in enumerate(levels)}
        return flag_frames(each, level_subtracted=subtracted)

    @pytest.mark.parametrize(("wander", "most"), [(1.0, 0), (2.0, 3), (3.0, 16)])
    @pytest.mark.parametrize("frames", [3, 4, 5, 8, 20])
    def test_they_are_no_fault_of_one_of_them(self, frames, wander, most):
        """At half a noise 6 of 1,000 nights of three darks were told, 0 are; at three quarters 33, 2."""
        random = np.random.default_rng(frames)
        assert sum(bool(self.flags(random, frames, wander)) for _ in range(1000)) <= most

    @pytest.mark.parametrize("frames", [3, 4, 6, 12])
    def test_one_that_is_off_is_told(self, frames):
        random = np.random.default_rng(frames)
        for off in (-30.0, 30.0):
            for _ in range(100):
                assert [flag.path.name for flag in self.flags(random, frames, 0.4, off)] == ["1"]

    @pytest.mark.parametrize("frames", [3, 4, 6, 12])
    def test_less_is_told_where_an_overscan_was_subtracted(self, frames):
        random = np.random.default_rng(frames)
        for _ in range(100):
            assert [flag.path.name for flag in self.flags(random, frames, 0.04, 3.0, subtracted=True)] == ["1"]
            assert self.flags(random, frames, 0.04, 0.0, subtracted=True) == []


class TestTwo:
    """Of two frames one can be odd only by what nothing but charge does: more level, and the noise of it."""

    def flags(self, charge_adu, drift_adu=0.0, noise_adu=5.0):
        random = np.random.default_rng(6)
        clean = random.normal(1000.0, noise_adu, (256, 300))
        held = random.normal(1000.0 + drift_adu, noise_adu, (256, 300)) + random.poisson(charge_adu, (256, 300))
        frames = {Path("held"): held, Path("clean"): clean}
        return flag_frames({each: measure_frame(pixels.astype(np.float32)) for each, pixels in frames.items()})

    @pytest.mark.parametrize("charge_adu", [30, 66, 4000])
    def test_one_that_holds_charge(self, charge_adu):
        (flag,) = self.flags(charge_adu)
        assert (flag.path, flag.what) == (Path("held"), "level")
        assert flag.figure == pytest.approx(charge_adu, rel=0.02)
        assert "holds light or dark current" in flag.sentence

    def test_a_lit_one(self):
        assert [(frame, flag.what) for frame, flag in judged(LFC, 1, 2, {0: FAULTS["flat"]})] == [(0, "level")]

    @pytest.mark.parametrize("drift_adu", [-60.0, -10.0, 10.0, 60.0])
    def test_a_level_that_drifts_says_nothing_of_which_is_right(self, drift_adu):
        assert self.flags(0, drift_adu) == []


class TestFaultsAreFound:
    @pytest.mark.parametrize("fault", ["leak", "flat", "gain", "noise"])
    @pytest.mark.parametrize("camera", [LFC, CG16M], ids=["lfc", "cg16m"])
    @pytest.mark.parametrize("frames", [4, 6, 10])
    def test_one_bad_frame(self, camera, fault, frames):
        for seed in range(3):
            assert {number for number, _ in judged(camera, seed, frames, {1: FAULTS[fault]})} == {1}

    def test_what_is_said(self):
        flags = [flag for _, flag in judged(LFC, 1, 6, {1: leak(5.0)})]
        (level,) = [flag for flag in flags if flag.what == "level"]
        # 5 electrons, of which 1.1 make an ADU
        assert level.figure == pytest.approx(5.0 / 1.1, rel=0.15)
        assert level.limit < 1.5
        assert level.sentence.startswith("its level of ")
        assert "above the others'" in level.sentence

    def test_gain_by_header_and_by_noise(self):
        assert {flag.what for _, flag in judged(CG16M, 1, 6, {4: FAULTS["gain"]})} == {"gain", "noise"}

    def test_level_that_drifts_without_an_overscan(self):
        assert {(number, flag.what) for number, flag in judged(CG16M, 2, 6, {3: FAULTS["level"]})} == {(3, "level")}

    def test_level_that_the_overscan_takes_out_is_no_fault(self):
        assert judged(LFC, 2, 6, {3: FAULTS["level"]}) == []

    def test_two_bad_frames_of_seven(self):
        faults = {1: FAULTS["leak"], 5: FAULTS["leak"]}
        assert {number for number, _ in judged(LFC, 3, 7, faults)} == {1, 5}

    def test_light_in_one_corner(self):
        random = np.random.default_rng(1)
        frames = {Path(f"{n}"): random.normal(0.0, 4.0, (512, 600)).astype(np.float32) for n in range(5)}
        y, x = np.mgrid[:512, :600]
        frames[Path("2")] += (12.0 * np.exp(-((y - 500) ** 2 + (x - 20) ** 2) / 80.0**2)).astype(np.float32)
        (flag,) = flag_frames({path: measure_frame(pixels) for path, pixels in frames.items()}, level_subtracted=True)
        assert (flag.path, flag.what) == (Path("2"), "shape")
        assert "brighter at the top left" in flag.sentence

    def test_unusable_pixels(self):
        random = np.random.default_rng(1)
        frames = {Path(f"{n}"): random.normal(0.0, 4.0, (100, 100)).astype(np.float32) for n in range(4)}
        for pixels in frames.values():
            pixels[:2, :10] = 65000.0  # hot in all
        frames[Path("1")][50] = 65000.0
        frames[Path("3")][60:63] = np.nan
        flags = flag_frames({path: with_saturated(pixels, 65000.0) for path, pixels in frames.items()})
        assert [(flag.path.name, flag.what) for flag in flags] == [("1", "saturated"), ("3", "not finite")]
        assert "1.20 % of its pixels are saturated" in flags[0].sentence

    def test_single_frame_without_pixels(self):
        quality = measure_frame(np.full((20, 20), np.nan, np.float32))
        (flag,) = flag_frames({Path("a"): quality})
        assert flag.what == "not finite"

    @pytest.mark.parametrize(
        ("card", "usual", "odd", "what"),
        [
            ("CCD-TEMP", -20.0, -15.0, "temperature"),
            ("EGAIN", 1.5, 0.8, "gain"),
            ("EXPTIME", 0.0, 300.0, "exposure"),
            ("IMAGETYP", "BIAS", "DARK", "kind"),
        ],
    )
    def test_headers(self, card, usual, odd, what):
        cards = {"IMAGETYP": "BIAS", "EXPTIME": 0.0}
        facts = {Path(f"{n}"): read_facts({**cards, card: odd if n == 2 else usual}) for n in range(5)}
        random = np.random.default_rng(1)
        qualities = {path: measure_frame(random.normal(0.0, 4.0, (64, 64)).astype(np.float32)) for path in facts}
        (flag,) = flag_frames(qualities, facts)
        assert (flag.path, flag.what) == (Path("2"), what)
        assert flag.figure > flag.limit

    def test_flats_may_differ(self):
        random = np.random.default_rng(1)
        facts = {Path(f"{n}"): read_facts({"IMAGETYP": "FLAT", "EXPTIME": 1.0 + n}) for n in range(5)}
        qualities = {
            path: measure_frame(random.normal(1000.0 * (n + 1), 30.0 * (n + 1), (64, 64)).astype(np.float32))
            for n, path in enumerate(facts)
        }
        assert flag_frames(qualities, facts) == []

    def test_flags_come_in_the_order_of_the_frames(self):
        flags = judged(LFC, 1, 6, {1: FAULTS["flat"], 4: FAULTS["flat"]})
        assert [number for number, _ in flags] == sorted(number for number, _ in flags)
        assert all(isinstance(flag, Flag) for _, flag in flags)


class TestCommand:
    @pytest.fixture
    def raw(self, tmp_path):
        """Six biases, of which the third has seen a little light."""
        simulate_biases(SMALL_LFC, tmp_path / "raw", frames=6, seed=3)
        spec = leak(100.0)(SMALL_LFC, bias_specs(SMALL_LFC, 6)[2])[1]
        frame = simulate_frame(SMALL_LFC, spec, 3, index=2)
        write_fits(tmp_path / "raw" / spec.file_name, [ImagePart(frame.pixels, frame.header)], overwrite=True)
        return tmp_path / "raw"

    def test_said_loudly(self, raw, tmp_path):
        run = command("bias", raw, "-o", tmp_path / "out", *SMALL_TRIM)
        assert run.code == 1
        said = [line for line in run.out.splitlines() if line.startswith("does not belong: ")]
        assert said
        assert all("ccd.003.0.fits: " in line for line in said)
        assert "its level of 9" in said[0]
        assert "Warning: this frame was combined all the same; --reject-outliers excludes it" in run.out
        assert "Finished with problems" in run.out
        assert header_of(tmp_path / "out" / "combined_bias.fits")["NCOMBINE"] == 6

    def test_left_out(self, raw, tmp_path):
        run = command("bias", raw, "-o", tmp_path / "out", "--reject-outliers", *SMALL_TRIM)
        assert run.code == 0, run.out + run.err
        (said,) = [line for line in run.out.splitlines() if line.startswith("left out: ")]
        assert "ccd.003.0.fits: its level of 9" in said
        assert "does not belong" not in run.out
        header = header_of(tmp_path / "out" / "combined_bias.fits")
        assert header["NCOMBINE"] == 5
        assert "ccd.003.0.fits" not in [header[f"IMCMB{number:03d}"] for number in range(1, 6)]
        # it is calibrated all the same, so that it can be looked at
        assert len(list((tmp_path / "out").glob("*.fits"))) == 7

    def test_same_bytes_for_any_memory(self, raw, tmp_path):
        for name, more in (("a", ()), ("b", ("--mem-limit", "6M", "--workers", 1))):
            assert command("bias", raw, "-o", tmp_path / name, "--reject-outliers", *SMALL_TRIM, *more).code == 0
        names = [path.name for path in sorted((tmp_path / "a").glob("*.fits"))]
        assert len(names) == 7
        assert [(tmp_path / "a" / n).read_bytes() for n in names] == [(tmp_path / "b" / n).read_bytes() for n in names]

    def test_combine(self, raw, tmp_path):
        assert command("bias", raw, "-o", tmp_path / "out", "--no-combine", *SMALL_TRIM).code == 1
        paths = sorted((tmp_path / "out").glob("*.fits"))
        assert command("combine", *paths, "-o", tmp_path / "all.fits").code == 1
        run = command("combine", *paths, "-o", tmp_path / "good.fits", "--reject-outliers")
        assert run.code == 0, run.out
        assert "left out: " in run.out
        assert header_of(tmp_path / "good.fits")["NCOMBINE"] == 5
        assert command("combine", *paths[:2], *paths[3:], "-o", tmp_path / "named.fits").code == 0
        np.testing.assert_array_equal(pixels_of(tmp_path / "good.fits"), pixels_of(tmp_path / "named.fits"))

    def test_nothing_is_left_out_of_a_good_folder(self, tmp_path):
        small_folder(tmp_path / "raw", 6)
        run = command("bias", tmp_path / "raw", "-o", tmp_path / "out", "--trim", "[:,:]", "--reject-outliers")
        assert run.code == 0, run.out
        assert header_of(tmp_path / "out" / "combined_bias.fits")["NCOMBINE"] == 6

    def test_saturation_of_the_camera_is_known(self, tmp_path):
        profile = tmp_path / "my.toml"
        profile.write_text('name = "mine"\nsaturation_adu = 30000.0\n[[amplifier]]\ntrim = "[1:20,:]"\n')
        assert load_camera(profile).saturation_adu == 30000.0
        for number in range(1, 5):
            pixels = raw_pixels(number)
            if number == 2:
                pixels[4] = 30000
            write_raw(tmp_path / "raw" / f"b{number}.fits", pixels)
        run = command("bias", tmp_path / "raw", "-o", tmp_path / "out", "--camera", profile)
        assert run.code == 1
        assert "b2.fits: 8.33 % of its pixels are saturated" in run.out


class TestRealFrames:
    @pytest.mark.parametrize(
        ("folder", "pattern", "columns"),
        [
            ("kpno-spectrograph", "sp00*.fits", slice(0, 101)),
            ("sbig-camera", "z*.FIT", slice(None)),
            ("sbig-spectrograph", "*.BIAS.FIT", slice(None)),
        ],
    )
    def test_biases_belong_together(self, real_data, folder, pattern, columns):
        qualities, facts = {}, {}
        for path in sorted((real_data / folder).glob(pattern)):
            raw = read_raw(path)
            fact = read_facts(raw.cards, path.name)
            if fact.kind == "bias":
                facts[path] = fact
                qualities[path] = measure_frame(raw.decode()[:, columns].astype(np.float32))
        assert len(qualities) >= 5
        assert flag_frames(qualities, facts) == []

    def test_dark_among_biases(self, real_data):
        qualities, facts = {}, {}
        for name in ("z001", "z002", "z003", "z004", "d001"):
            path = real_data / "sbig-camera" / f"{name}.FIT"
            raw = read_raw(path)
            facts[path] = read_facts(raw.cards, path.name)
            qualities[path] = measure_frame(raw.decode().astype(np.float32))
        assert {flag.path.stem for flag in flag_frames(qualities, facts)} == {"d001"}
