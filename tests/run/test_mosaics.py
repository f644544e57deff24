"""Nights of detectors whose headers speak of several amplifiers: true and lying headers, no camera file."""

from __future__ import annotations

import os
import shutil
import warnings
from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

import zeroframe
from mosaics import compared, gain_map
from workbench import command
from zeroframe.headers.sections import Section
from zeroframe.simulate import SIMULATED_MOSAICS, simulate_night
from zeroframe.simulate.mosaics import HEADER_TRUTHS

SHAPES = {
    "two-amp-spectrograph": (200, 600),
    "quad-mef": (240, 360),
    "sixteen-mef": (240, 1600),
    "four-chip-mosaic": (240, 256),
}
CASES = [
    ("two-amp-spectrograph", "absent"),
    ("quad-mef", "shifted"),
    ("quad-mef", "absent"),
    ("four-chip-mosaic", "gains off"),
]
if os.environ.get("ZEROFRAME_ALL_CASES"):
    CASES = [(name, header) for name in SHAPES for header in HEADER_TRUTHS]


@pytest.fixture(scope="module", params=CASES, ids=" ".join)
def night(request, tmp_path_factory):
    """A night that was reduced: camera, seed, folder, result."""
    name, header = request.param
    folder, seed = tmp_path_factory.mktemp("night"), sum(map(ord, name + header)) % 97
    camera = replace(SIMULATED_MOSAICS[name].resized(SHAPES[name]), header=header)
    simulate_night(camera, folder / "raw", seed=seed)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        options = {}
        if header == "absent" and not camera.one_image:  # no pixel says where extensions belong
            assert command("inspect", folder / "raw", "--write", folder / "my.toml").code == 0
            options["camera"] = str(with_places(folder / "my.toml", camera))
        result = zeroframe.night(folder / "raw", folder / "out", **options)
    return camera, seed, folder, result, [str(each.message) for each in said]


@pytest.mark.long
def test_assembled_to_the_pixel_with_true_noise_and_no_seam(night):
    camera, seed, folder, _, _ = night
    for chi_square, (step, error) in compared(camera, seed, folder / "out"):
        assert 0.95 < chi_square < 1.05
        assert abs(step) < 0.003 + 3.0 * error


@pytest.mark.long
def test_the_table_of_amplifiers(night):
    """Gain and read noise within 2 % of the truth, level and place of each."""
    camera, _, folder, _, _ = night
    for chip in camera.chips:
        with fits.open(folder / "out" / name_of(camera, chip)) as hdus:
            table, shape = hdus["AMPLIFIERS"].data, hdus[0].shape
            assert hdus["AMPLIFIERS"].verify_checksum() == 1
            assert [column.unit for column in table.columns][4:] == ["adu", "electron/adu", "electron", "adu"]
        if camera.header != "absent":
            assert list(table["NAME"]) == [each.name for each in chip.amplifiers]
        for row, each in zip(table, chip.amplifiers, strict=True):
            assert row["GAIN"] == pytest.approx(each.gain_e_per_adu, rel=0.02)
            noise = np.hypot(each.read_noise_e, each.gain_e_per_adu / np.sqrt(12))  # rounding adds its own
            assert row["RDNOISE"] == pytest.approx(noise, rel=0.02)
            assert row["LEVEL"] == pytest.approx(each.level_adu, abs=10.0)
            rows, columns = Section.parse(row["SECTION"]).slices_yx(shape)
            own = each.place.slices_yx(shape)
            for found, true in zip((rows, columns), own, strict=True):
                assert sorted(range(4096)[found]) == list(range(4096)[true])


def with_places(path, camera):
    """Fill in what a camera file of `inspect` leaves open, as somebody does who knows the camera."""
    text = path.read_text()
    for chip in camera.chips:
        for each in chip.amplifiers:
            ends = [
                part.ends()[::-1] if flip else part.ends()
                for part, flip in zip(each.place.ranges, each.flips_xy, strict=True)
            ]
            # of a binned camera, in unbinned pixels
            place = ",".join(
                f"{(a - 1) * n + 1 if a < b else a * n}:{b * n if a < b else (b - 1) * n + 1}"
                for (a, b), n in zip(ends, camera.binning_xy, strict=True)
            )
            detector = f'\ndetector = "{chip.name}"' if len(camera.chips) > 1 else ""
            text = text.replace('place = "?"', f'place = "[{place}]"{detector}', 1)
    path.write_text(text)
    return path


def name_of(camera, chip):
    return f"obs018.{chip.name}.fits" if len(camera.chips) > 1 else "obs018.fits"


@pytest.mark.long
def test_what_the_header_has_wrong_is_said(night):
    camera, _, _, _, said = night
    told = " ".join(each for each in said if "header" in each)
    if camera.header in {"true", "absent"}:
        assert told == ""
    elif camera.header == "shifted":
        assert told.count("the pixels show") == len(camera.chips[0].amplifiers) * len(camera.chips)
    else:
        assert "header says a gain of" in told or "% too high, by the flats of" in told


@pytest.mark.long
def test_the_header_of_a_result_is_true(night):
    camera, _, folder, _, _ = night
    for chip in camera.chips:
        header = fits.getheader(folder / "out" / name_of(camera, chip))
        ny, nx = chip.sensor.image_shape_yx
        assert header["DATASEC"] == f"[1:{nx},1:{ny}]"
        assert {"BIASSEC", "TRIMSEC", "EXTNAME", "AMPNAME"}.isdisjoint(header)
        if camera.header != "absent":
            assert header.get("CCDNAME", "") == chip.name
        if "GAIN" in header:
            assert np.min(gain_map(chip)) * 0.97 < header["GAIN"] < np.max(gain_map(chip)) * 1.03
        # a step by the gains before, and none after
        assert abs(header["SEAMRAW"]) > 0.03
        assert abs(header["SEAMSTEP"]) < 0.003 + 4 * header["SEAMERR"]
        if "CRVAL1" in header:  # one projection over the whole focal plane, about its pixel 1000.5
            at = np.array([[1.0, 1.0], [nx, ny], [nx / 2, 3.0]])
            scale = 0.26 / 3600 * camera.binning_xy[0]
            sky = WCS(fits.Header({
                "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 150.0, "CRVAL2": 2.0, "CRPIX1": 1000.5,
                "CRPIX2": 1000.5, "CD1_1": -scale, "CD2_2": scale,
            })).all_pix2world(at + np.array(chip.origin_xy), 1)  # fmt: skip
            del header["DATE-OBS"]  # of which astropy makes another card, with a warning
            np.testing.assert_allclose(WCS(header).all_pix2world(at, 1), sky, atol=1e-8)


@pytest.mark.long
def test_frames_that_say_nothing_of_amplifiers_are_named(tmp_path):
    """Focus frames alone cannot be inspected; those of another size beside a night are left out of it."""
    camera = SIMULATED_MOSAICS["quad-mef"].resized((128, 192))
    simulate_night(camera, tmp_path / "raw")
    simulate_night(SIMULATED_MOSAICS["quad-mef"].resized((128, 256)), tmp_path / "focus")
    for path in sorted((tmp_path / "focus").iterdir())[1:]:
        path.unlink()
    (focus,) = (tmp_path / "focus").iterdir()
    fits.setval(focus, "OBSTYPE", value="focus")
    for verb, options in (("inspect", ()), ("bias", ("-o", tmp_path / "bias")), ("night", ("-o", tmp_path / "night"))):
        assert command(verb, tmp_path / "focus", *options).code == 2
    assert "no bias, dark, flat or science frame" in command("inspect", tmp_path / "focus").err
    focus.rename(tmp_path / "raw" / "focus.fits")
    told = command("inspect", tmp_path / "raw")
    assert told.code == 0
    assert "left out" in told.out
    assert "focus.fits" in told.out


@pytest.mark.long
def test_compressed_files_give_the_same(tmp_path):
    """Tiles as fpack makes them, and gzip: to the bit."""
    camera = SIMULATED_MOSAICS["quad-mef"].resized((128, 192))
    simulate_night(camera, tmp_path / "plain")
    (tmp_path / "fz").mkdir()
    for path in (tmp_path / "plain").iterdir():
        with fits.open(path) as hdus:
            tiles = [fits.CompImageHDU(hdu.data, hdu.header, compression_type="RICE_1") for hdu in hdus[1:]]
            fits.HDUList([hdus[0], *tiles]).writeto(tmp_path / "fz" / f"{path.name}.fz")
    simulate_night(camera, tmp_path / "gz", gzip=True)
    for kind in ("plain", "fz", "gz"):
        zeroframe.night(tmp_path / kind, tmp_path / f"{kind}-out", report=kind == "fz")
    for name in ("combined_bias.fits", "combined_flat_R.fits", "obs019.fits"):
        plain = fits.getdata(tmp_path / "plain-out" / name)
        for kind in ("fz", "gz"):
            np.testing.assert_array_equal(fits.getdata(tmp_path / f"{kind}-out" / name), plain)
    assert (tmp_path / "fz-out" / "report.html").exists()


@pytest.mark.long
@pytest.mark.parametrize("name", ["two-amp-spectrograph", "quad-mef"])
def test_stored_calibration_frames_make_what_those_of_the_night_make(tmp_path, name):
    camera = SIMULATED_MOSAICS[name].resized(SHAPES[name])
    raw, stored, science = tmp_path / "raw", tmp_path / "stored", tmp_path / "science"
    simulate_night(camera, raw, seed=21)
    zeroframe.night(raw, tmp_path / "out", report=False)
    for folder, files in ((stored, (tmp_path / "out").glob("combined_*")), (science, [raw / "obs018.fits"])):
        folder.mkdir()
        for path in files:
            shutil.copy(path, folder)
    zeroframe.night(science, tmp_path / "again", calibrations=[stored], report=False)
    first, again = (fits.getdata(tmp_path / folder / "obs018.fits") for folder in ("out", "again"))
    assert abs(np.nanmedian(again) / np.nanmedian(first) - 1.0) < 1e-3
    assert np.nanmedian(np.abs(again - first)) < 0.5


@pytest.mark.long
def test_overscans_behind_the_images_of_all_amplifiers(tmp_path):
    """As Lick's Kast writes them, with DATASEC and COVER alone: the same bits as with each strip beside its image."""
    simulate_night(SIMULATED_MOSAICS["two-amp-spectrograph"].resized((200, 600)), tmp_path / "beside", seed=3)
    (tmp_path / "behind").mkdir()
    for path in (tmp_path / "beside").iterdir():
        with fits.open(path) as hdus:
            pixels, header = hdus[0].data, hdus[0].header
        for word in [word for word in header if word.startswith(("TRIMSEC", "BIASSEC", "CHECKSUM", "DATASUM"))]:
            del header[word]
        header["DATASEC"], header["COVER"] = "[1:600,1:200]", 32
        parts = (pixels[:, :300], pixels[:, 364:], pixels[:, 300:332], pixels[:, 332:364])
        fits.writeto(tmp_path / "behind" / path.name, np.concatenate(parts, axis=1), header)
    for kind in ("beside", "behind"):
        zeroframe.night(tmp_path / kind, tmp_path / f"{kind}-out", report=False)
    for name in ("combined_bias.fits", "combined_flat_R.fits", "obs018.fits"):
        for ext in (0, "UNCERT"):
            one, other = (fits.getdata(tmp_path / f"{kind}-out" / name, ext) for kind in ("beside", "behind"))
            np.testing.assert_array_equal(one, other)


@pytest.mark.long
@pytest.mark.parametrize("name", ["quad-mef", "four-chip-mosaic"])
def test_a_camera_file_that_inspect_has_written_gives_the_same(tmp_path, name):
    """To the bit: sections, places, overscans across, gains and noises of each amplifier."""
    camera = SIMULATED_MOSAICS[name].resized((96, 192))
    simulate_night(camera, tmp_path / "raw", seed=3)
    assert command("inspect", tmp_path / "raw", "--write", tmp_path / "my.toml").code == 0
    zeroframe.night(tmp_path / "raw", tmp_path / "header", report=False)
    zeroframe.night(tmp_path / "raw", tmp_path / "file", camera=str(tmp_path / "my.toml"), report=False)
    made = sorted(path.name for path in (tmp_path / "header").glob("*.fits"))
    assert made == sorted(path.name for path in (tmp_path / "file").glob("*.fits"))
    for each in made:
        with fits.open(tmp_path / "header" / each) as one, fits.open(tmp_path / "file" / each) as other:
            for hdu in one:
                if hdu.data is not None:
                    np.testing.assert_array_equal(hdu.data, other[hdu.name].data)
