"""`zeroframe combine` with the options of IRAF's imcombine and of Siril: what the verb gives, in a file."""

from __future__ import annotations

import json

import numpy as np
import peers
import pytest
from astropy.io import fits
from astropy.nddata import CCDData

from workbench import command
from zeroframe import combine


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    folder = tmp_path_factory.mktemp("frames")
    for number, frame in enumerate(peers.stack_of(7, 3, (20, 31))):
        fits.writeto(folder / f"f{number}.fits", frame * (1 + 0.02 * number), fits.Header([("BUNIT", "adu")]))
    return sorted(folder.glob("*.fits"))


CASES = {
    "scale": (["--scale", "median", "--clip", "0"], {"scale": "median"}),
    "scale, clipped": (
        ["--scale", "1,1,1,0.9,1,1,1.1", "--clip", "4"],
        {
            "scale": [1, 1, 1, 0.9, 1, 1, 1.1], "sigma_clip": True, "sigma_clip_low_thresh": 4,
            "sigma_clip_high_thresh": 4, "sigma_clip_func": "median", "sigma_clip_dev_func": "mad_std",
        },
    ),
    "zero": (["--zero", "mean", "--clip", "0"], {"zero": "mean"}),
    "weights": (["--weights", "1,2,3,4,5,6,7", "--clip", "0"], {"weights": [1, 2, 3, 4, 5, 6, 7]}),
    "minmax": (["--minmax", ",1300"], {"minmax_clip": True, "minmax_clip_max": 1300.0}),
    "nlow": (["--nlow", "1", "--nhigh", "2"], {"clip_extrema": True, "nlow": 1, "nhigh": 2}),
    "crreject": (
        ["--reject", "crreject", "--readnoise", "9", "--gain", "2", "--grow", "1.5", "--hsigma", "4"],
        {"reject": "crreject", "readnoise": 9, "gain": 2, "grow": 1.5, "sigma_clip_high_thresh": 4},
    ),
    "gesd": (
        ["--reject", "gesd", "--outliers", "0.2", "--method", "median"],
        {"reject": "gesd", "outliers": 0.2, "method": "median"},
    ),
    "winsorised": (["--reject", "winsorised", "--lsigma", "2"], {"reject": "winsorised", "sigma_clip_low_thresh": 2}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_file_is_what_the_verb_gives(name, frames, tmp_path):
    options, words = CASES[name]
    target = tmp_path / "out.fits"
    done = command("combine", *frames, "-o", target, *options, "--json")
    assert done.code == 0, done.err
    expected = combine(frames, **words)
    with fits.open(target) as hdus:
        np.testing.assert_array_equal(hdus[0].data, expected.data)
        np.testing.assert_array_equal(hdus["COUNTS"].data, expected.flags)
        assert hdus[0].header["COMBREJ"] == expected.meta["COMBREJ"]
    said = json.loads(done.out)
    assert said["rejected"] == pytest.approx(1 - expected.flags.sum() / (7 * expected.data.size), abs=1e-6)
    assert CCDData.read(target).uncertainty is not None
    again = command("combine", *frames, "-o", target, *options)
    assert again.code == 2
    assert "is there already" in " ".join(again.err.split())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--gain", "2"], "belongs to --reject"),
        (["--reject", "ccdclip"], "needs the noise of the camera"),
        (["--minmax", "3"], "write LOW,HIGH"),
        (["--weights", "1,x"], "numbers with commas"),
        (["--weights", "1,2"], "weights have shape (2,)"),
        (["--scale", "median", "--reject-outliers"], "do not go together"),
    ],
)
def test_what_cannot_be_done_is_said(options, said, frames, tmp_path):
    done = command("combine", *frames, "-o", tmp_path / "out.fits", *options)
    assert done.code == 2
    assert said in " ".join(done.err.split())
    assert not (tmp_path / "out.fits").exists()


def test_limits_that_no_value_meets_are_refused(frames, tmp_path):
    run = command("combine", *frames, "-o", tmp_path / "a.fits", "--minmax", "1300,900")
    assert (run.code, (tmp_path / "a.fits").exists()) == (2, False)
    assert "--minmax is '1300,900', the higher limit first; write 900,1300" in run.err
    run = command("combine", *frames, "-o", tmp_path / "a.fits", "--minmax", "1e6,2e6")
    assert (run.code, (tmp_path / "a.fits").exists()) == (2, False)
    assert "no pixel keeps a value: values 1000000.0 to 2000000.0 rejects all" in run.err


def test_pixels_without_a_value_are_counted_and_remarks_are_those_of_the_command(frames, tmp_path):
    bare = []
    for frame in frames:
        pixels = fits.getdata(frame)
        pixels[3, :5] = 1e6
        bare.append(tmp_path / frame.name)
        fits.writeto(bare[-1], pixels)
    run = command("combine", *bare, "-o", tmp_path / "a.fits", "--minmax", ",500000", "--json")
    assert run.code == 0, run.err
    assert json.loads(run.out)["not_finite_pixels"] == 5
    assert int(np.isnan(fits.getdata(tmp_path / "a.fits")).sum()) == 5
    assert "adu is assumed" in run.err
    assert "WARNING" not in run.err
    assert "Warning" not in run.err
