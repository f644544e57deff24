"""Gain by photon transfer on drawn flats of known gain: what is not modelled is in the error, or told."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits

from workbench import command, write_raw
from zeroframe.inspection import inspect_overscan
from zeroframe.inspection.gain import contradicts, gain_from_pairs, like_pairs

SHAPE = 16, 16, 1024
GAIN, READ_NOISE = 1.3, 5.0


def light_of(random, levels_adu, *, bend=0.0, stars=0.0, slope=0.0, step=1, gain=GAIN, read_noise=READ_NOISE):
    """Return pairs of flats and two biases; levels are those of the middle, which vignetting lowers at the sides."""
    x = np.linspace(-1.0, 1.0, SHAPE[2])
    response = random.normal(1.0, 0.01, SHAPE) * (1.0 - 0.15 * x**2)

    def read(adu):
        return np.rint((adu + 1000.0 + random.normal(0.0, read_noise, SHAPE)) / step) * step

    flats = []
    for number, level in enumerate(levels_adu):
        light = level * response * (1.0 + slope * (number % 2 - 0.5) * x)
        if stars:
            places = random.integers(0, light.size - 2, int(stars * light.size))
            for away, share in ((0, 0.3), (1, 1.0), (2, 0.3)):
                light.reshape(-1)[places + away] += share * level * random.exponential(0.03, places.size)
        adu = random.poisson(light * gain) / gain
        flats.append(read(adu * (1.0 - bend * adu / 40_000.0)))
    biases = [read(np.zeros(SHAPE)) for _ in range(2)]
    return list(zip(flats[::2], flats[1::2], strict=True)), biases


@pytest.mark.parametrize(
    "made",
    [
        {},
        {"levels_adu": [200.0] * 4},
        {"levels_adu": [300.0] * 4, "gain": 4.0, "read_noise": 0.5},
        {"step": 16},
        {"slope": 0.2},
        {"bend": 0.03},
        {"bend": 0.03, "levels_adu": [2e3, 2e3, 1e4, 1e4, 2e4, 2e4, 38e3, 38e3]},
        {"levels_adu": [2e3, 2e3, 1e4, 1e4, 2e4, 2e4, 38e3, 38e3]},
        {"stars": 0.002},
        {"stars": 0.01},
    ],
    ids=str,
)
@pytest.mark.parametrize("seed", [1, 2])
def test_the_error_covers_what_is_not_modelled(made, seed):
    words = {"levels_adu": [20_000.0] * 4, **made}
    pairs, biases = light_of(np.random.default_rng(seed), **words)
    truth = made.get("gain", GAIN)
    found = gain_from_pairs(pairs, biases, made.get("read_noise", READ_NOISE), 65535.0)
    assert found is not None
    assert abs(found.value - truth) < 2.5 * found.error
    assert found.error < 0.1 * truth


def orders_of(random, *, along, shift=0.0, level=20_000.0, width=1.5, period=12, gain=1.5):
    """Return a pair of flats whose light lies in orders, the second moved by so many pixels across them, and biases."""
    bands, height, columns = 16, 16, 512
    y, x = 40 * np.arange(bands)[:, None, None] + np.arange(height)[:, None], np.arange(columns)
    response = random.normal(1.0, 0.01, (bands, height, columns))

    def read(electrons):
        return np.rint(electrons / gain + 1000.0 + random.normal(0.0, 4.0, response.shape))

    flats = []
    for number in range(2):
        across = (y - 0.02 * x if along == "rows" else x - 0.02 * y) - shift * number
        away = across % period - period / 2
        light = level * np.exp(-0.5 * (away / width) ** 2) * (1.0 - 0.5 * (x / 256 - 1.0) ** 2)
        flats.append(read(random.poisson(light * response * gain)))
    return [tuple(flats)], [read(np.zeros(response.shape)) for _ in range(2)]


@pytest.mark.parametrize("along", ["rows", "columns"])
@pytest.mark.parametrize(
    "made", [{}, {"level": 300.0}, {"width": 1.0, "period": 8}, {"width": 3.0, "period": 20}, {"gain": 4.0}], ids=str
)
def test_orders_have_the_gain_of_even_flats(along, made):
    pairs, biases = orders_of(np.random.default_rng(1), along=along, **made)
    found = gain_from_pairs(pairs, biases, 4.0, 65535.0)
    truth = made.get("gain", 1.5)
    assert found is not None
    assert abs(found.value - truth) < 2.5 * found.error
    assert found.error < 0.06 * truth


@pytest.mark.parametrize("along", ["rows", "columns"])
@pytest.mark.parametrize("shift", [0.02, 0.05, 0.1, 0.3, 1.0, 4.0])
def test_orders_that_have_moved_tell_the_right_gain_or_none(along, shift):
    pairs, biases = orders_of(np.random.default_rng(2), along=along, shift=shift)
    found = gain_from_pairs(pairs, biases, 4.0, 65535.0)
    assert found is None or abs(found.value - 1.5) < 2.5 * found.error
    assert (found is not None) if shift < 0.05 else True


def test_a_response_that_bends_is_told_with_the_figure():
    levels = [2e3, 2e3, 1e4, 1e4, 2e4, 2e4, 38e3, 38e3]
    pairs, biases = light_of(np.random.default_rng(5), levels, bend=0.03)
    found = gain_from_pairs(pairs, biases, READ_NOISE, 65535.0)
    assert found.is_bent
    assert found.bend == pytest.approx(0.03 * found.bend_level / 40_000, abs=4 * found.bend_error)
    straight, biases = light_of(np.random.default_rng(6), levels)
    assert not gain_from_pairs(straight, biases, READ_NOISE, 65535.0).is_bent
    # one level tells nothing of it
    one, biases = light_of(np.random.default_rng(7), [2e4, 2e4], bend=0.03)
    assert gain_from_pairs(one, biases, READ_NOISE, 65535.0).bend is None


@pytest.mark.parametrize("orders", [False, True])
def test_values_may_be_fractions_of_the_range(orders):
    """Of which the noise of rounding to whole numbers was more than all of theirs, and no gain was found."""
    random = np.random.default_rng(8)
    pairs, biases = orders_of(random, along="rows") if orders else light_of(random, [2e4] * 4)
    pairs = [tuple(flat.astype(np.float64) for flat in pair) for pair in pairs]
    whole = gain_from_pairs(pairs, biases, READ_NOISE, 65535.0)
    parts = [tuple(flat / 65535.0 for flat in pair) for pair in pairs]
    found = gain_from_pairs(parts, [bias / 65535.0 for bias in biases], READ_NOISE / 65535.0, 1.0)
    assert found.value == pytest.approx(65535.0 * whole.value, rel=1e-6)
    assert found.error == pytest.approx(65535.0 * whole.error, rel=1e-3)


def test_flats_are_paired_with_their_like():
    assert like_pairs([("r", 1.0), ("r", 5.0), ("r", 1.0)], [100.0, 100.0, 101.0]) == [(0, 2)]
    assert like_pairs(["r"] * 4, [1e4, 1e3, 9.9e3, 1.1e3]) == [(0, 2), (1, 3)]
    assert like_pairs(["r", "g"], [1.0, 1.0]) == []


def frames_of_a_night(folder, random, *, stated, exposures=(3.0, 3.0, 3.0, 3.0), truth=GAIN):
    """Write biases, flats whose level goes with their exposure, and a science frame, all of one gain."""
    shape = 300, 400

    def write(name, kind, exposure_s, light_adu, **cards):
        adu = random.poisson(light_adu * truth, shape) / truth + 1000.0 + random.normal(0.0, READ_NOISE, shape)
        cards = {"BUNIT": "adu", "EXPTIME": exposure_s, "IMAGETYP": kind, **cards}
        write_raw(folder / name, np.rint(adu).astype(np.uint16), **cards, **stated)

    for number in range(4):
        write(f"b{number}.fits", "bias", 0.0, 0.0)
    for number, exposure_s in enumerate(exposures):
        write(f"f{number}.fits", "flat", exposure_s, 4000.0 * exposure_s, FILTER="R")
    write("s.fits", "light", 60.0, 500.0, FILTER="R")


def night_of(folder, more=""):
    """Reduce it, without darks; return what was said."""
    (folder / "night.toml").write_text(f"{more}[steps]\ndark = false\n")
    run = command("night", folder / "raw", "-o", folder / "out", "--recipe", folder / "night.toml", "--no-report")
    assert run.code == 0, run.out + run.err
    return run.out


@pytest.mark.parametrize(
    ("stated", "used"), [(2.6, "measured"), (1.34, "stated"), (None, "measured"), (25, "measured")]
)
def test_a_night_believes_its_flats(stated, used, tmp_path):
    cards = {} if stated is None else {"GAIN": stated}
    frames_of_a_night(tmp_path / "raw", np.random.default_rng(11), stated=cards)
    out = night_of(tmp_path)
    with fits.open(tmp_path / "out" / "s.fits") as hdus:
        header, data, sigma = hdus[0].header, hdus[0].data, hdus["UNCERT"].data
    expected = {"measured": GAIN, "stated": stated}[used]
    assert header["GAINUSED"] == pytest.approx(expected, rel=0.02)
    squares = np.square((data - 500.0) / sigma)
    assert squares.mean() == pytest.approx(1.0, abs=0.05)
    if stated == 2.6:
        assert header["GAINSAID"] == 2.6
        said = "say a gain of 2.6 e-/ADU, the flats of this night have 1."
        assert said in " ".join(out.split())
    else:
        assert "GAINSAID" not in header


def test_a_recipe_has_the_last_word(tmp_path):
    frames_of_a_night(tmp_path / "raw", np.random.default_rng(11), stated={"GAIN": 1.3})
    night_of(tmp_path, "[frames]\ngain_e_per_adu = 2.6\n")
    assert fits.getheader(tmp_path / "out" / "s.fits")["GAINUSED"] == 2.6


def test_inspection_and_night_say_the_same(tmp_path):
    """Flats of four exposures, each twice: pairs are those of one exposure."""
    from zeroframe import inspect_overscan

    frames_of_a_night(tmp_path / "raw", np.random.default_rng(12), stated={}, exposures=(1.0, 4.0, 1.0, 4.0))
    found = inspect_overscan(tmp_path / "raw").gain_e_per_adu
    night_of(tmp_path)
    header = fits.getheader(tmp_path / "out" / "combined_flat_R.fits")
    assert found.value == pytest.approx(GAIN, abs=3 * found.error)
    assert header["GAINMEAS"] == pytest.approx(GAIN, abs=3 * header["GAINERR"])
    assert abs(found.value - header["GAINMEAS"]) < found.error + header["GAINERR"]


def test_what_contradicts():
    assert [contradicts(stated, measured, 0.03) for stated, measured in ((4.65, 0.525), (1.5, 2.35), (1.91, 1.69))] == [
        True, True, True,
    ]  # fmt: skip
    assert not contradicts(5.4, 5.278, 0.056)


@pytest.mark.parametrize("shape", [(100, 500), (300, 400), (530, 220)])
def test_inspection_and_a_night_find_one_gain(shape, tmp_path):
    """They look at the same rows: on a spectrograph with gaps between fibres they had said 1.050 and 1.013."""
    random, rows = np.random.default_rng(14), np.arange(shape[0])[:, None]
    light = 6000.0 * (0.05 + np.abs(np.sin(rows / 6.0))) * np.linspace(0.3, 1.0, shape[1])
    for number in range(6):
        kind, level, name = ("flat", light, "R") if number < 3 else ("bias", 0.0 * light, "")
        adu = random.poisson(level * GAIN) / GAIN + 1000.0 + random.normal(0.0, READ_NOISE, shape)
        cards = {"BUNIT": "adu", "EXPTIME": 3.0 * (number < 3), "IMAGETYP": kind, "FILTER": name}
        write_raw(tmp_path / "raw" / f"{number}.fits", np.rint(adu).astype(np.uint16), **cards)
    adu = random.poisson(0.1 * light * GAIN) / GAIN + 1000.0 + random.normal(0.0, READ_NOISE, shape)
    write_raw(
        tmp_path / "raw" / "s.fits",
        np.rint(adu).astype(np.uint16),
        BUNIT="adu",
        EXPTIME=3.0,
        IMAGETYP="object",
        FILTER="R",
    )
    inspected = inspect_overscan(tmp_path / "raw").gain_e_per_adu
    night_of(tmp_path, '[frames]\noverscan = "none"\n')
    header = fits.getheader(tmp_path / "out" / "combined_flat_R.fits")
    assert header["GAINMEAS"] == pytest.approx(inspected.value, rel=0.003)
    assert abs(header["GAINMEAS"] - GAIN) < 4.0 * header["GAINERR"]


@pytest.mark.parametrize("bend", [0.04, 0.075])
def test_flats_of_one_level_do_not_contradict_a_gain_that_is_right(bend):
    pairs, biases = light_of(np.random.default_rng(3), [36_000.0] * 4, bend=bend)
    found = gain_from_pairs(pairs, biases, READ_NOISE, 65535.0)
    assert found.value > 1.08 * GAIN
    assert not contradicts(GAIN, found.value, found.error, found.too_high)
    # what no bend explains is contradicted still
    assert contradicts(0.5 * GAIN, found.value, found.error, found.too_high)
    assert contradicts(1.5 * GAIN, found.value, found.error, found.too_high)


def test_flats_of_several_levels_know_whether_they_are_too_high():
    levels = [2e3, 2e3, 1e4, 1e4, 2e4, 2e4, 38e3, 38e3]
    pairs, biases = light_of(np.random.default_rng(4), levels)
    assert gain_from_pairs(pairs, biases, READ_NOISE, 65535.0).too_high == 0.0
