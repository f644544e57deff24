"""Whether a strip is worth subtracting: its level is drift and a leak of light, and science frames decide."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits

import zeroframe
from zeroframe.inspection import inspect_overscan
from zeroframe.inspection.worth import FrameLevel, common_noise, weigh_strip

NY, NX, WIDTH = 300, 340, 24


def along(rng, amplitude):
    """A curve along the frame, of mean zero."""
    curve = amplitude * np.sin(np.linspace(0.0, 3.0, NY) + rng.uniform(0.0, 6.0))
    return curve - curve.mean()


def frames(levels, lights, leak=0.0, width=WIDTH, noise=4.0, seed=1, first_columns=()):
    """Frames of given bias levels and light; light moves the whole strip by ``leak`` of it."""
    rng = np.random.default_rng(seed)
    pattern = rng.normal(0.0, 1.0, (NY, NX))
    made = []
    for level, light in zip(levels, lights, strict=True):
        drift = level + along(rng, 1.5)
        pixels = rng.normal(drift[:, None], noise, (NY, NX + width))
        pixels[:, :NX] += pattern + rng.poisson(light, (NY, NX)) if light else pattern
        pixels[:, NX:] += leak * light
        for number, share in enumerate(first_columns):
            pixels[:, NX + number] += share * light
        made.append(np.clip(pixels.round(), 0, 65535).astype(np.uint16))
    return made


def night(bias, flat, science, **words):
    levels = [*bias, *(level for level, _ in flat), *(level for level, _ in science)]
    lights = [0.0] * len(bias) + [light for _, light in (*flat, *science)]
    made = frames(levels, lights, **words)
    ends = (len(bias), len(bias) + len(flat))
    return {"bias": made[: ends[0]], "flat": made[ends[0] : ends[1]], "science": made[ends[1] :]}


def reduce_night(folder, given):
    """Write frames as a night, and reduce it."""
    raw = folder / "raw"
    raw.mkdir()
    minute = 0
    for kind, word in (("bias", "Bias"), ("flat", "Flat"), ("science", "Light")):
        for number, pixels in enumerate(given[kind]):
            header = fits.Header(
                {"IMAGETYP": word, "EXPTIME": {"bias": 0.0}.get(kind, 5.0), "EGAIN": 1.0, "FILTER": "R"}
            )
            header["DATE-OBS"] = f"2026-03-01T02:{minute:02d}:00"
            minute += 1
            fits.writeto(raw / f"{kind}{number}.fits", pixels, header)
    zeroframe.night(raw, folder / "out", report=False)


#: The level of every frame moves: +159 ADU in flats of 55,000 ADU, +206 in science frames of 150 ADU.
A_BIAS_LEVEL_THAT_MOVES = night(
    [1000.0, 1020.0, 990.0, 1035.0], [(1170.0, 55000.0), (1168.0, 55000.0)], [(1217.0, 150.0), (1216.0, 150.0)]
)


def test_a_level_that_does_not_grow_with_the_light_is_the_bias_level():
    result = inspect_overscan(A_BIAS_LEVEL_THAT_MOVES)
    assert result.decision == "use"
    (strip,) = result.strips
    assert strip.lit_shift_adu["flat"] == pytest.approx(159.0, abs=3.0)
    assert strip.lit_shift_adu["science"] == pytest.approx(206.0, abs=3.0)
    assert strip.worth.with_adu < 2.0
    assert strip.worth.without_adu == pytest.approx(206.0, abs=8.0)
    (said,) = [text for text in result.sentences if "ADU without it" in text]
    assert "in science frames of 150 ADU, and 20" in said


def test_a_leak_of_a_thousandth_is_less_harm_than_a_drift():
    # of an old night: flats of 1500 ADU stand 1.5 ADU high; left out, the sky of 42 ADU is 6 ADU off
    result = inspect_overscan(
        night([500.0, 500.3, 499.8], [(500.0, 1500.0)] * 2, [(494.0, 42.0)] * 2, leak=1e-3, noise=1.2)
    )
    assert result.decision == "use"
    assert result.strips[0].worth.leak == pytest.approx(1e-3, rel=0.3)
    assert result.strips[0].worth.without_adu == pytest.approx(6.0, abs=0.5)


def test_a_leak_that_does_more_harm_than_the_drift_is_refused_with_both_figures():
    result = inspect_overscan(night([1000.0, 1001.0, 999.5], [(1000.0, 20000.0)] * 2, [(1000.5, 2000.0)], leak=0.02))
    assert result.decision == "do not use"
    (objection,) = result.strips[0].objections
    assert objection.startswith(
        "its level rises by 2 % of the light: subtracting it leaves an error of 40 ADU in science"
    )
    assert float(objection.rpartition("one of ")[2].removesuffix(" ADU")) < 3.0
    assert str(result.trim) == f"[1:{NX},1:{NY}]"


def test_a_strip_that_follows_from_frame_to_frame_only_gives_one_level_a_frame():
    rng = np.random.default_rng(3)
    given = night([1000.0, 1040.0, 980.0, 1015.0], [(1030.0, 20000.0)] * 2, [(1060.0, 300.0)])
    for made in given.values():
        for pixels in made:  # the strip drifts along the frame, and the image does not
            pixels[:, NX:] += (100.0 + along(rng, 60.0)[:, None]).round().astype(np.uint16)
    result = inspect_overscan(given)
    assert (result.decision, result.recommended.method) == ("use", "constant")


@pytest.mark.parametrize("seed", range(4))
def test_the_error_that_is_stated_is_the_one_that_is_made(seed):
    rng = np.random.default_rng(seed)
    leak = 10.0 ** rng.uniform(-4, -1.5)
    biases = 1000.0 + rng.normal(0.0, 3.0, 4)
    drift = rng.normal(0.0, 40.0)
    given = night(
        list(biases), [(1000.0 + rng.normal(0, 3), 25000.0)] * 2, [(1000.0 + drift, 800.0)] * 2, leak=leak, seed=seed
    )
    worth = inspect_overscan(given).strips[0].worth
    made_wrong = abs(np.median(given["science"][0][:, NX:]) - (1000.0 + drift))
    assert worth.with_adu == pytest.approx(made_wrong, abs=1.5 + 0.1 * made_wrong)
    assert worth.without_adu == pytest.approx(np.hypot(drift, np.std(biases, ddof=1)), abs=6.0)


def test_a_level_that_falls_with_the_light_is_drift():
    worth = weigh_strip(
        [FrameLevel(950.0, 20000.0, False), FrameLevel(980.0, 100.0, True)], [1000.0], None, one_level=False
    )
    assert (worth.leak, worth.with_adu, worth.without_adu) == (0.0, 0.0, 20.0)
    assert weigh_strip([FrameLevel(950.0, 20000.0, False)], [], None, one_level=False) is None


def test_the_noise_of_a_level_that_rows_share():
    rng = np.random.default_rng(0)
    quiet = [rng.normal(1000.0, 4.0, (500, 16)) for _ in range(3)]
    found = common_noise(quiet)
    assert found.row_adu == pytest.approx(1.0, rel=0.03)
    assert found.smoothed_lines > 30
    humming = [strip + np.tile([1.0, -1.0], 250)[:, None] for strip in quiet]
    found = common_noise(humming)
    assert (found.smoothed_lines, found.added_adu) == (1, pytest.approx(1.0, rel=0.03))
    assert common_noise([strip[:, :1] for strip in quiet]) is None


def test_a_night_whose_strip_has_four_columns_takes_the_level_of_each_frame(tmp_path):
    given = night([1000.0, 1012.0, 991.0], [(1030.0, 20000.0)] * 3, [(1060.0, 300.0)] * 2, width=4, seed=7)
    reduce_night(tmp_path, given)
    header = fits.getheader(tmp_path / "out" / "science0.fits")
    assert header["OVERSCAN"] == f"[{NX + 1}:{NX + 4},1:{NY}] constant"
    assert header["OVSCERR"] == pytest.approx(4.0 / np.sqrt(4 * NY), rel=0.1)
    assert np.median(fits.getdata(tmp_path / "out" / "science0.fits")) == pytest.approx(300.0, abs=3.0)


@pytest.mark.parametrize("drifts", [True, False])
def test_a_second_strip_is_found_where_columns_drift_too_and_a_night_subtracts_both(drifts, tmp_path):
    rng = np.random.default_rng(6)
    given = {"bias": [], "flat": [], "science": []}
    for kind, light, count in (("bias", 0.0, 4), ("flat", 20000.0, 2), ("science", 300.0, 2)):
        for _ in range(count):
            columns = rng.normal(0.0, 3.0) * np.linspace(-1.0, 1.0, NX + WIDTH) ** 2 if drifts else np.zeros(NX + WIDTH)
            level = 1000.0 + rng.normal(0.0, 5.0) + along(rng, 1.5)
            rows = np.concatenate([level, np.full(20, level[-1])])
            pixels = rng.normal(rows[:, None] + columns, 4.0)
            pixels[:NY, :NX] += rng.poisson(light, (NY, NX))
            given[kind].append(pixels.round().astype(np.uint16))
    result = inspect_overscan(given)
    assert str(result.recommended.section) == f"[{NX + 1}:{NX + WIDTH},1:{NY + 20}]"
    assert (result.parallel is not None) == drifts
    camera = result.to_camera("mine").amplifiers[0]
    assert (camera.parallel_overscan is not None) == drifts
    if drifts:
        assert str(result.parallel.section) == f"[1:{NX + WIDTH},{NY + 1}:{NY + 20}]"
        assert result.parallel.axis == 0
        assert any(
            text.startswith(f"then use rows {NY + 1}–{NY + 20}: levels of columns drift") for text in result.sentences
        )
    reduce_night(tmp_path, given)
    header, pixels = (get(tmp_path / "out" / "science0.fits") for get in (fits.getheader, fits.getdata))
    assert header["OVERSCAN"].count("auto") == 1 + drifts
    assert pixels.shape == (NY, NX)
    ends = np.median(pixels[:, :20]), np.median(pixels[:, NX // 2 - 10 : NX // 2 + 10]), np.median(pixels[:, -20:])
    assert ends == pytest.approx([300.0] * 3, abs=2.5)


@pytest.mark.parametrize("share", [0.0, 3e-4, 2e-3, 8e-3])
def test_light_in_all_of_a_strip_is_told_by_the_noise_of_its_photons(share):
    """A level that moves with the light is no light: drawn with and without photons in the strip."""
    told = {}
    for with_photons in (True, False):
        random = np.random.default_rng(3)
        frames = {"bias": [], "flat": []}
        for kind, light in [("bias", 0.0)] * 4 + [("flat", 20000.0)] * 2:
            image = random.poisson(1.5 * light, (300, 200)) / 1.5
            strip = random.poisson(1.5 * share * light, (300, 24)) / 1.5 if with_photons else share * light
            adu = np.hstack([image, np.broadcast_to(strip, (300, 24))]) + random.normal(0.0, 4.0, (300, 224))
            frames[kind].append((1000.0 + random.normal(0.0, 30.0) + adu).round())
        found = inspect_overscan(frames)
        assert found.decision == "use"  # the level drifts by far more
        told[with_photons] = [said for said in found.sentences if "noise of its photons" in said]
    assert not told[False]
    assert bool(told[True]) == (share > 1e-3)
