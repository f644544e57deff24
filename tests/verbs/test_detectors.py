"""Files of several amplifiers and chips in Python and on the command line."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

import zeroframe
from workbench import command
from zeroframe.errors import ArgumentError, AssumptionWarning, UnsupportedError, UsageError
from zeroframe.run.verify import verify_folder
from zeroframe.simulate import SIMULATED_MOSAICS, simulate_biases

LSST = Path(__file__).parents[3] / "shared" / "data" / "lsst-itl"


@pytest.fixture(scope="module")
def chips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("chips")
    simulate_biases(SIMULATED_MOSAICS["four-chip-mosaic"].resized((64, 128)), folder, frames=4)
    return folder


@pytest.mark.long
@pytest.mark.skipif(not LSST.is_dir(), reason="needs the real frames")
def test_a_sensor_of_lsst_is_assembled_as_expected():
    """Equal to what LSST's own code made, up to one vertical flip."""
    ccd = zeroframe.read_ccd(LSST / "itl_spot.fits.gz", "adu")
    expected = fits.getdata(LSST / "itl_expected_assembled.fits.gz")
    np.testing.assert_array_equal(ccd.data[::-1], expected)
    assert ccd.meta["DATASEC"] == "[1:4072,1:4000]"
    assert {"DETSEC", "CHANNEL", "EXTNAME"}.isdisjoint(ccd.meta)


def naive(path, chip):
    """Assemble a chip with numpy: each amplifier less the mean of each row of its overscan, turned and placed."""
    parts = []
    with fits.open(path) as hdus:
        for hdu in hdus[1:]:
            if hdu.header["CCDNAME"] == chip:
                pixels = hdu.data.astype(float)
                level = pixels[:, 72:].mean(axis=1)  # 8 columns of prescan, 64 of image, 40 of overscan
                image = pixels[:, 8:72] - level[:, None]
                parts.append(image if hdu.header["CCDSEC"].startswith("[1:") else image[:, ::-1])
    return np.concatenate(parts, axis=1)


def test_read_ccd_assembles_one_detector(chips):
    path = sorted(chips.iterdir())[1]
    ccd = zeroframe.read_ccd(path, detector="chip3")
    assert ccd.shape == (64, 128)
    # our level of a row is smoothed over rows where that is the better one
    assert np.std(ccd.data - naive(path, "chip3")) < 1.0
    assert abs(np.mean(ccd.data - naive(path, "chip3"))) < 0.05
    assert ccd.meta["CCDNAME"] == "chip3"
    with pytest.raises(UsageError, match="chip1, chip2, chip3, chip4; say which one: detector='chip1'"):
        zeroframe.read_ccd(path)
    with pytest.raises(UsageError, match=r"holds no detector 'chip5'.*did you mean"):
        zeroframe.read_ccd(path, detector="chip5")
    with pytest.raises(UnsupportedError, match="holds 8 images"):
        zeroframe.read_ccd(path, amplifiers=False)


def test_one_extension_by_number_name_and_version(chips, tmp_path):
    path = min(chips.iterdir())
    by_number = zeroframe.read_ccd(path, ext=3)
    np.testing.assert_array_equal(by_number.data, fits.getdata(path, 3))
    for ext in ("im3", ("im3", 3), "IM3,3"):
        np.testing.assert_array_equal(zeroframe.read_ccd(path, ext=ext).data, by_number.data)
    paths = sorted(map(str, chips.iterdir()))
    mean = zeroframe.combine(paths, unit="adu", ext=("im3", 3))
    np.testing.assert_allclose(mean.data, np.mean([fits.getdata(each, 3) for each in paths], axis=0), rtol=1e-6)


def test_a_collection_of_such_files(tmp_path):
    simulate_biases(SIMULATED_MOSAICS["quad-mef"].resized((64, 128)), tmp_path, frames=2)
    paths = sorted(tmp_path.iterdir())
    ccds = list(zeroframe.ImageFileCollection(tmp_path).ccds())
    for ccd, path in zip(ccds, paths, strict=True):
        np.testing.assert_array_equal(ccd.data, zeroframe.read_ccd(path).data)
        assert ccd.shape == (64, 128)
    one = list(zeroframe.ImageFileCollection(tmp_path, ext=("im2", 2)).ccds())
    np.testing.assert_array_equal(one[0].data, fits.getdata(paths[0], 2))


def test_one_detector_or_extension_of_a_folder(chips, tmp_path):
    made = zeroframe.bias(chips, tmp_path / "a", detector="CHIP2", report=False)
    assert {each.name for each in made.frames} == {f"obs{n:03d}.chip2.fits" for n in range(1, 5)}
    assert sorted(path.name for path in (tmp_path / "a").glob("*.fits")) == [
        "combined_bias.fits", *(f"obs{n:03d}.chip2.fits" for n in range(1, 5)),
    ]  # fmt: skip
    one = zeroframe.bias(chips, tmp_path / "b", ext="im4", overscan="[73:112,:]", trim="[9:72,:]", report=False)
    assert one.frames[0].read().shape == (64, 64)
    with pytest.raises(UsageError, match="no detector is called 'chip9'; these files hold chip1, chip2"):
        zeroframe.bias(chips, tmp_path / "c", detector="chip9")


def test_each_detector_has_its_combined_frame(chips, tmp_path):
    made = zeroframe.bias(chips, tmp_path / "out", report=False)
    assert sorted(path.name for path in (tmp_path / "out").glob("combined*")) == [
        f"combined_bias_chip{n}.fits" for n in range(1, 5)
    ]
    assert all(each.frames == 4 for each in made.combined)
    again = zeroframe.bias(chips, tmp_path / "out", report=False)
    assert {each.state for each in again.frames} == {"skipped"}
    checked = verify_folder(tmp_path / "out", chips)
    assert checked.problems == ()
    assert checked.inputs == 16


def test_raw_files_of_several_amplifiers_are_not_combined(chips, tmp_path):
    from zeroframe.errors import NoFramesError
    from zeroframe.run.combine_files import run_combine
    from zeroframe.stacks.clipping import clip_spec

    with pytest.raises(NoFramesError, match="is a raw file that 2 amplifiers read, which are not assembled yet"):
        run_combine(sorted(chips.iterdir()), tmp_path / "c.fits", clip_spec("average", 5.0, "noise"))
    outcome = run_combine(sorted(chips.iterdir()), tmp_path / "c.fits", clip_spec("average", 5.0, "noise"), ext="im1")
    assert outcome.state == "done"
    np.testing.assert_allclose(
        fits.getdata(tmp_path / "c.fits"), np.mean([fits.getdata(each, 1) for each in chips.iterdir()], axis=0), atol=6
    )


def test_an_overscan_that_is_not_given_is_asked_for_by_what_the_frame_is(tmp_path):
    for name in ("quad-mef", "two-amp-spectrograph"):
        simulate_biases(SIMULATED_MOSAICS[name].resized((64, 128)), tmp_path / name, frames=1)
    quad, two = (next((tmp_path / name).iterdir()) for name in ("quad-mef", "two-amp-spectrograph"))
    for done in (zeroframe.read_ccd(quad, "adu"), zeroframe.read_ccd(two, "adu", amplifiers=True)):
        with pytest.raises(ArgumentError, match="was subtracted already"):
            zeroframe.subtract_overscan(done)
    raw = zeroframe.read_ccd(two, "adu")
    done = zeroframe.subtract_overscan(raw)  # each of the two loses its own, as when they are put together
    whole = zeroframe.read_ccd(two, "adu", amplifiers=True)
    np.testing.assert_allclose(zeroframe.trim_image(done).data, whole.data, atol=1e-3)
    with pytest.warns(AssumptionWarning, match="one overscan is subtracted from the whole image"):
        zeroframe.subtract_overscan(raw, overscan=raw[:, 128:160])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        half = raw[:, :160]  # what one amplifier read
        zeroframe.subtract_overscan(half, overscan=half[:, 128:])
    with pytest.raises(UnsupportedError, match="holds no image in extension 0, but 4 elsewhere"):
        zeroframe.read_ccd(quad, "adu", ext=0)


def test_explain_says_the_detectors_of_a_raw_file_and_their_amplifiers(chips):
    run = command("explain", min(chips.iterdir()))
    assert run.code == 0
    for chip in ("chip1", "chip2", "chip3", "chip4"):
        assert f"detector {chip}: 2 amplifiers, by the header" in run.out
    assert "amplifier 3B: gain 1.55 e-/ADU, read noise 5.5 e-" in run.out
    assert "\nchip: " not in run.out
