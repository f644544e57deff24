"""Simulated detectors of several amplifiers: their headers put what each read where the truth has it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from zeroframe.errors import CameraError
from zeroframe.headers.sections import Section
from zeroframe.simulate import (
    SIMULATED_MOSAICS,
    FrameSpec,
    night_specs,
    simulate_biases,
    simulate_mosaic_frame,
)

SHAPES = {
    "two-amp-spectrograph": (40, 128),
    "quad-mef": (64, 96),
    "sixteen-mef": (64, 128),
    "four-chip-mosaic": (48, 64),
}
FLAT = FrameSpec("flat", 10.0, "R")


def quiet(name, **more):
    """Return a small camera without noise and drift, so that truth and pixels can be compared."""
    camera = SIMULATED_MOSAICS[name].resized(SHAPES[name])
    chips = tuple(
        replace(chip, amplifiers=tuple(replace(each, read_noise_e=0.0) for each in chip.amplifiers))
        for chip in camera.chips
    )
    return replace(camera, chips=chips, row_drift_adu=0.0, **more)


def assembled(camera, frame):
    """Put what each amplifier read where its header says, in electrons, with numpy alone; an image a chip."""
    images = {}
    for pixels, header in frame.images:
        binning = [int(each) for each in header["CCDSUM"].split()]
        x, y = (part.ends() for part in Section.parse(header["CCDSEC"]).ranges)
        data = pixels.astype(float)[Section.parse(header["DATASEC"]).slices_yx(pixels.shape)]
        bias = np.median(pixels[Section.parse(header["BIASSEC"]).slices_yx(pixels.shape)])
        data = (data - bias)[:: 1 if y[0] < y[1] else -1, :: 1 if x[0] < x[1] else -1] * header["GAIN"]
        (x0, y0) = ((min(ends) - 1) // factor for ends, factor in zip((x, y), binning, strict=True))
        size = [
            part.ends()[1] // factor
            for part, factor in zip(Section.parse(header["CCDSIZE"]).ranges, binning, strict=True)
        ]
        image = images.setdefault(header.get("CCDNAME", ""), np.full(size[::-1], np.nan))
        image[y0 : y0 + data.shape[0], x0 : x0 + data.shape[1]] = data
    return images


@pytest.mark.parametrize("name", ["quad-mef", "sixteen-mef", "four-chip-mosaic"])
@pytest.mark.parametrize("seed", [1, 23])
def test_headers_put_the_pixels_where_the_truth_has_them(name, seed):
    camera = quiet(name)
    frame = simulate_mosaic_frame(camera, FLAT, seed, index=3)
    images = assembled(camera, frame)
    assert list(images) == [chip.name for chip in camera.chips]
    for image, truth in zip(images.values(), frame.truth, strict=True):
        off = (image - truth.charge_e) / np.sqrt(truth.charge_e)
        good = ~truth.cosmic_rays
        assert np.isfinite(image).all()
        assert abs(np.mean(off[good])) < 0.05
        assert 0.97 < np.std(off[good]) < 1.04  # digitisation and pattern beside the noise of the light


def test_two_amplifiers_in_one_image_have_their_strips_in_the_middle():
    camera = quiet("two-amp-spectrograph")
    frame = simulate_mosaic_frame(camera, FLAT, 5, index=0)
    ((pixels, header),) = frame.images
    halves = []
    for name in "AB":
        rows, columns = Section.parse(header[f"TRIMSEC{name}"]).slices_yx(pixels.shape)
        bias = np.median(pixels[Section.parse(header[f"BIASSEC{name}"]).slices_yx(pixels.shape)])
        assert bias == pytest.approx(frame.truth[0].levels_adu[name], abs=1.0)
        halves.append((pixels[rows, columns] - bias) * header[f"GAIN{name}"])
    truth = frame.truth[0]
    off = (np.concatenate(halves, axis=1) - truth.charge_e) / np.sqrt(truth.charge_e)
    assert 0.97 < np.std(off[~truth.cosmic_rays]) < 1.04
    assert header["BIASSECA"] == "[65:96,1:40]"
    assert header["BIASSECB"] == "[97:128,1:40]"


@pytest.mark.parametrize("name", ["quad-mef", "four-chip-mosaic"])
def test_one_sky_over_all_extensions(name):
    """A pixel of the sky has the same place in all; that of a chip's corner is where its origin says."""
    camera = SIMULATED_MOSAICS[name].resized(SHAPES[name])
    frame = simulate_mosaic_frame(camera, FLAT, 1, index=0)
    headers = iter(header for _, header in frame.images)
    for chip in camera.chips:
        for amplifier, header in zip(chip.amplifiers, headers, strict=False):
            (x1, x2), (y1, y2) = (part.ends() for part in amplifier.place.ranges)
            first = (x2 if amplifier.flips_xy[0] else x1, y2 if amplifier.flips_xy[1] else y1)
            at = np.array([origin + pixel for origin, pixel in zip(chip.origin_xy, first, strict=True)])
            sky = WCS(header).pixel_to_world_values(camera.prescan, 0)
            scale = 0.26 / 3600 * camera.binning_xy[0]
            expected = WCS(fits.Header({
                "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 150.0, "CRVAL2": 2.0, "CRPIX1": 1000.5,
                "CRPIX2": 1000.5, "CD1_1": -scale, "CD2_2": scale,
            })).pixel_to_world_values(*(at - 1))  # fmt: skip
            np.testing.assert_allclose(sky, expected, atol=1e-9)


def test_ltv_and_atv_name_the_pixel_of_the_chip():
    camera = SIMULATED_MOSAICS["quad-mef"].resized((64, 96))
    frame = simulate_mosaic_frame(camera, FLAT, 1, index=0)
    for _, header in frame.images:
        for axis in (1, 2):
            first, last = Section.parse(header["CCDSEC"]).ranges[axis - 1].ends()
            begin, end = Section.parse(header["DATASEC"]).ranges[axis - 1].ends()
            scale, shift = header[f"LTM{axis}_{axis}"], header[f"LTV{axis}"]
            half = 0.5 if first < last else -0.5  # centres of the outer binned pixels, in unbinned ones
            assert scale * (first + half) + shift == pytest.approx(begin)
            assert scale * (last - half) + shift == pytest.approx(end)
            assert header[f"ATM{axis}_{axis}"] * first + header[f"ATV{axis}"] == 1.0


def test_what_headers_may_be():
    for truth, gain, section in (("true", 1.1, "[27:74,1:32]"), ("gains off", 1.133, "[27:74,1:32]"),
                                 ("shifted", 1.1, "[30:77,1:32]")):  # fmt: skip
        camera = replace(SIMULATED_MOSAICS["quad-mef"].resized((64, 96)), header=truth)
        _, header = simulate_mosaic_frame(camera, FLAT, 1, index=0).images[0]
        assert (header["GAIN"], header["DATASEC"]) == (pytest.approx(gain), section)
    camera = replace(SIMULATED_MOSAICS["quad-mef"].resized((64, 96)), header="absent")
    _, header = simulate_mosaic_frame(camera, FLAT, 1, index=0).images[0]
    assert {"DETSEC", "DATASEC", "BIASSEC", "GAIN"}.isdisjoint(header)


def test_crosstalk_is_that_of_the_amplifier_before():
    plain = quiet("quad-mef")
    with_it = replace(plain, crosstalk=0.01)
    one, other = (simulate_mosaic_frame(each, FLAT, 1, index=0) for each in (plain, with_it))
    before, after = (frame.images[1][0].astype(float) for frame in (one, other))
    source = one.images[0][0] - one.truth[0].levels_adu["A"]
    np.testing.assert_allclose(after - before, 0.01 * source, atol=1.1)


def test_a_folder_and_the_same_frames_again(tmp_path):
    camera = SIMULATED_MOSAICS["four-chip-mosaic"].resized((48, 64))
    paths = simulate_biases(camera, tmp_path / "a", frames=2)
    again = simulate_biases(camera, tmp_path / "b", frames=2)
    assert [path.read_bytes() for path in paths] == [path.read_bytes() for path in again]
    with fits.open(paths[0]) as hdus:
        assert [hdu.name for hdu in hdus] == ["PRIMARY", *(f"im{n}" for n in range(1, 9))]
        assert hdus[0].header["BIASSEC"] == "UNKNOWN"
        assert hdus["im3"].header["CCDNAME"] == "chip2"
    assert len(night_specs("quad-mef")) == 20
    with pytest.raises(CameraError, match=r"'quad-mec'; there are .*did you mean 'quad-mef'"):
        simulate_biases("quad-mec", tmp_path / "c")
