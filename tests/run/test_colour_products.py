"""Images of each colour, and pictures, beside the calibrated frames of a colour sensor."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import CCDData

from colour_nights import colour_camera, planes
from workbench import command
from zeroframe import split_colours
from zeroframe.simulate import simulate_night

CAMERA = colour_camera("GRBG", (120, 161), rays=3)


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """A small night of a colour camera."""
    folder = tmp_path_factory.mktemp("night") / "raw"
    simulate_night(CAMERA, folder, seed=9)
    return folder


@pytest.mark.long
@pytest.mark.parametrize("compress", ["none", "rice", "gzip"])
def test_split_colours_writes_the_planes_with_masks_and_errors(tmp_path, raw, compress):
    options = ("-o", tmp_path, "--split-colours", "--no-report", "--compress", compress)
    run = command("night", raw, *options)
    assert run.code == 0, run.err
    ending = {"none": ".fits", "rice": ".fits.fz", "gzip": ".fits.gz"}[compress]
    frames = [path for path in (tmp_path / "LIGHT").iterdir() if path.name.endswith(f"0001{ending}")]
    assert len(frames) == 1
    with fits.open(frames[0]) as hdus:
        image = next(hdu for hdu in hdus if hdu.data is not None)
        for name, cut in zip(("G1", "R", "B", "G2"), planes(image.data), strict=True):
            with fits.open(str(frames[0]).replace(ending, f"_{name}{ending}")) as parts:
                own = next(hdu for hdu in parts if hdu.data is not None)
                np.testing.assert_array_equal(own.data, image.data[cut])
                np.testing.assert_array_equal(parts["UNCERT"].data, hdus["UNCERT"].data[cut])
                np.testing.assert_array_equal(parts["MASK"].data, hdus["MASK"].data[cut])
                assert own.header["COLOUR"] == name
                assert "BAYERPAT" not in own.header
                assert own.header["XPIXSZ"] == 7.52
    kept = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "LIGHT").iterdir()}
    assert len(kept) == 4 * 5
    again = command("night", raw, *options)
    assert again.code == 0
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "LIGHT").iterdir()} == kept
    if compress == "none":
        ccd = CCDData.read(frames[0])
        np.testing.assert_array_equal(split_colours(ccd)["R"].data, ccd.data[0::2, 1::2])
        # somebody else's file in the place of a plane stays
        victim = frames[0].with_name(frames[0].name.replace(".fits", "_R.fits"))
        victim.unlink()
        victim.write_text("notes")
        run = command("night", raw, *options)
        assert run.code == 1
        assert victim.read_text() == "notes"
        assert "_R.fits" in run.out + run.err


@pytest.mark.long
def test_debayer_writes_a_picture_whose_colours_are_true(tmp_path, raw):
    run = command("night", raw, "-o", tmp_path, "--debayer", "--no-report")
    assert run.code == 0, run.err
    assert np.get_printoptions()["legacy"] is False  # which the library sets for the whole process
    path = next((tmp_path / "LIGHT").glob("*0002_RGB.fits"))
    with fits.open(path) as hdus, fits.open(str(path).replace("_RGB", "")) as calibrated:
        cube, mosaic = hdus[0].data, calibrated[0].data
        assert cube.shape == (3, *mosaic.shape)
        assert "BAYERPAT" not in hdus[0].header
        assert np.isfinite(cube).all()
        for plane, cuts in zip(cube, ([1], [0, 3], [2]), strict=True):
            own = np.concatenate([mosaic[planes(mosaic)[cut]].ravel() for cut in cuts])
            assert np.median(plane) == pytest.approx(np.median(own), rel=0.01)
            cut = planes(mosaic)[cuts[0]]
            good = calibrated["MASK"].data[cut] == 0
            # where a colour was measured it stays what it was
            np.testing.assert_allclose(plane[cut][good], mosaic[cut][good], rtol=1e-5)


@pytest.mark.long
def test_without_colours_or_library_it_says_what_to_do(tmp_path, raw, monkeypatch):
    recipe = tmp_path / "night.toml"
    recipe.write_text('[frames]\ncolour_pattern = "none"\n')
    run = command("night", raw, "-o", tmp_path / "a", "--recipe", recipe, "--split-colours", "--no-report")
    assert run.code == 1
    assert "no frame is known to be of a colour sensor" in run.out + run.err
    monkeypatch.setitem(sys.modules, "colour_demosaicing", None)
    run = command("night", raw, "-o", tmp_path / "b", "--debayer", "--no-report")
    assert run.code == 2
    assert "pip install 'zeroframe[debayer]'" in run.err


@pytest.mark.long
def test_verify_knows_the_colours_and_pictures_of_the_frames_of_a_run(tmp_path, raw):
    options = ("-o", tmp_path, "--split-colours", "--debayer", "--no-report")
    assert command("night", raw, *options).code == 0
    made = sorted((tmp_path / "LIGHT").glob("*_*.fits"))
    products = [path for path in made if path.stem.rpartition("_")[2] in {"R", "G1", "G2", "B", "RGB"}]
    run = command("verify", tmp_path, "--raw", raw)
    assert run.code == 0, run.out + run.err
    assert f"{sum(1 for _ in tmp_path.rglob('*.fits'))} results" in run.out
    altered, foreign = products[0], products[1].with_name(products[1].name.replace(".fits", "_x.fits"))
    content = bytearray(altered.read_bytes())
    content[-3000] ^= 4
    altered.write_bytes(content)
    foreign.write_bytes(products[1].read_bytes())
    run = command("verify", tmp_path)
    assert run.code == 1
    assert "has been altered" in run.out + run.err
    assert "was not made by this run" in run.out + run.err
    assert (run.out + run.err).count("problem: ") == 2
    foreign.unlink()
    # made anew in another way, the frame has other colours than those that stand beside it
    altered.unlink()
    assert command("night", raw, *options[:2], "--no-report", "--clip", "4", "--overwrite").code == 0
    run = command("verify", tmp_path)
    assert run.code == 1
    assert (run.out + run.err).count("as it was in an earlier run") == len(products) - 1
