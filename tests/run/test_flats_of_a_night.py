"""Flats and darks of a whole night that are not as they should be: what comes out, beside what is true."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits

from flats import Sensor, sky_flat
from nights import carried_out
from workbench import write_raw

BIAS = 1000.0
RECIPE = (
    '[frames]\noverscan = "none"\ntrim = "[:,:]"\ngain_e_per_adu = 1.0\n[steps]\ndark = false\ncosmic_rays = "none"\n'
)


@pytest.fixture
def night(tmp_path):
    """Return a function that writes a night of such flats, carries it out, and returns result and folder."""
    random = np.random.default_rng(21)
    sensor = Sensor(Sensor.drawn(random).response, 1.0, 4.0)

    def made(flats, *, sensor=sensor, recipe=RECIPE, exposures_s=(), degrees=(-10.0,) * 7):
        raw = tmp_path / "raw"
        shape = sensor.response.shape

        def write(name, light, **cards):
            pixels = np.clip(np.rint(light + BIAS), 0, 65535).astype(np.uint16)
            when = f"2026-03-01T01:{len(list(raw.glob('*.fits'))):02d}:00"
            write_raw(raw / name, pixels, **{"DATE-OBS": when, **cards})

        for number in range(7):
            write(
                f"b{number}.fits",
                sensor.read_noise_adu * random.standard_normal(shape),
                IMAGETYP="bias",
                **{"CCD-TEMP": degrees[number]},
            )
        for number, light in enumerate(flats):
            exposure_s = exposures_s[number] if exposures_s else 2.0
            write(f"f{number}.fits", light, IMAGETYP="flat", FILTER="R", EXPTIME=exposure_s)
        write("s.fits", sensor.exposed(3000.0, random), IMAGETYP="object", FILTER="R", EXPTIME=60.0)
        result = carried_out(raw, tmp_path / "out", recipe)
        return result, tmp_path / "out"

    made.random, made.sensor = random, sensor
    return made


def blocks(pixels, side=20):
    """Means of squares, over their mean."""
    ny, nx = pixels.shape
    means = pixels[: ny // side * side, : nx // side * side].reshape(ny // side, side, nx // side, side).mean((1, 3))
    return means / means.mean()


def off(out, sensor, name="combined_flat_R.fits"):
    """Return by how much a combined flat is off the truth anywhere, as a fraction."""
    return np.abs(blocks(fits.getdata(out / name)) / blocks(sensor.response) - 1.0).max()


def tilted(sensor, fraction):
    return 1.0 + fraction * np.linspace(-0.5, 0.5, sensor.response.shape[1])


WRONG = {
    "lamp off": lambda sensor, random: sensor.exposed(0.0, random),
    "gradient": lambda sensor, random: sensor.exposed(20_000 * tilted(sensor, 0.2), random),
    "flipped": lambda sensor, random: sensor.exposed(20_000, random)[:, ::-1],
    "another filter": lambda sensor, random: sensor.exposed(20_000 * Sensor.drawn(random).response, random),
}


class TestOneOfThreeIsWrong:
    @pytest.mark.parametrize("what", WRONG)
    def test_it_is_named_and_left_out_and_the_others_make_a_right_flat(self, night, what):
        sensor, random = night.sensor, night.random
        flats = [sensor.exposed(20_000, random), WRONG[what](sensor, random), sensor.exposed(21_000, random)]
        result, out = night(flats)
        (group,) = [each for each in result.groups if each.group.kind == "flat"]
        assert [path.name for path in group.left_out] == ["f1.fits"]
        (said,) = [each.outcome.reason for each in result.frames if each.outcome.state == "left out"]
        assert "limit" in said
        assert fits.getheader(out / "combined_flat_R.fits")["NCOMBINE"] == 2
        assert off(out, sensor) < 0.01

    def test_of_two_both_are_used_and_named(self, night):
        sensor, random = night.sensor, night.random
        result, _ = night([sensor.exposed(20_000, random), WRONG["gradient"](sensor, random)])
        (group,) = [each for each in result.groups if each.group.kind == "flat"]
        assert group.left_out == ()
        assert {flag.what for flag in group.suspects} == {"shapes"}
        assert not result.is_good

    def test_flats_without_light_make_none(self, night):
        result, out = night([night.sensor.exposed(0.0, night.random) for _ in range(3)])
        assert not (out / "combined_flat_R.fits").exists()
        assert not result.is_good
        assert sum("holds no light" in each.outcome.reason for each in result.frames) == 3


def test_good_twilight_flats_are_all_used_and_weigh_by_their_light(night):
    sensor, random = night.sensor, night.random
    levels = np.array([36_000.0, 24_000.0, 15_000.0, 9_000.0, 5_000.0])
    result, out = night([sky_flat(sensor, level, random, stars=8) for level in levels])
    assert result.is_good
    flat = fits.getdata(out / "combined_flat_R.fits")
    ideal = 1.0 / np.sqrt(levels.sum() * sensor.response / sensor.response.mean())
    truth = sensor.response / np.mean(sensor.response)
    assert np.std((flat / truth - 1.0) / ideal) < 1.06  # 1.25 for a plain average
    assert off(out, sensor) < 0.002


def test_where_the_flat_is_dim_pixels_are_masked_and_right(night):
    response = night.sensor.response.copy()
    response[:, :12] *= 0.03
    sensor = Sensor(response / response.mean(), 1.0, 4.0)
    _, out = night([sensor.exposed(20_000, night.random) for _ in range(5)], sensor=sensor)
    with fits.open(out / "s.fits") as hdus:
        light, mask = hdus[0].data, hdus["MASK"].data != 0
    assert mask[:, :12].all()
    assert mask[:, 12:].mean() < 0.001
    # 0.32 of the truth where the flat counted as 0.1
    assert light[:, :12].mean() / light[:, 12:].mean() == pytest.approx(1.0, abs=0.02)


def test_where_the_flat_holds_nothing_pixels_are_masked_and_not_divided(night):
    """Beside a slit: light of a thousandth, of which the frame would be made that was a thousand times too bright."""
    response = night.sensor.response.copy()
    response[:, :12] *= 0.001
    sensor = Sensor(response / response.mean(), 1.0, 4.0)
    _, out = night([sensor.exposed(20_000, night.random) for _ in range(5)], sensor=sensor)
    with fits.open(out / "s.fits") as hdus:
        light, error, mask = hdus[0].data, hdus["UNCERT"].data, hdus["MASK"].data != 0
    assert mask[:, :12].all()
    # what is left is read noise, undivided, and its error says so
    assert np.abs(light[:, :12]).max() < 10 * 4.0
    assert np.median(error[:, :12]) == pytest.approx(4.0, rel=0.3)


def test_combined_frames_say_what_their_frames_were_in_the_mean(night):
    """Of twilight flats the header of the first said 1 s, and of biases a camera that cools down the warmest."""
    sensor, random = night.sensor, night.random
    degrees = (-9.0, -9.5, -10.0, -10.0, -10.0, -10.0, -10.0)
    _, out = night([sensor.exposed(20_000, random)] * 3, exposures_s=(1.0, 2.0, 6.0), degrees=degrees)
    flat, bias = (fits.getheader(out / name) for name in ("combined_flat_R.fits", "combined_bias.fits"))
    assert flat["EXPTIME"] == 3.0
    assert flat.comments["EXPTIME"] == "mean of 3 exposures, from 1 to 6"
    assert flat["DATE-OBS"] == "2026-03-01T01:07:00"
    assert bias["CCD-TEMP"] == pytest.approx(np.mean(degrees), abs=1e-4)
    assert bias.comments["CCD-TEMP"] == "mean of 7 frames, from -10 to -9"
    assert fits.getheader(out / "s.fits")["EXPTIME"] == 60.0
