"""What is found in a folder."""

from __future__ import annotations

import bz2
import gzip
import os
import subprocess
import sys

import numpy as np
import pytest
from astropy.io import fits

from workbench import raw_pixels, small_folder, write_raw
from zeroframe.errors import FrameError, NoFramesError, NotFitsError, UnsupportedError
from zeroframe.headers.kinds import Kind
from zeroframe.headers.survey import survey, survey_tree


def names(found):
    return [item.path.name for item in found]


def test_fits_is_known_by_content(tmp_path):
    (plain,) = small_folder(tmp_path, 1)
    content = plain.read_bytes()
    (tmp_path / "no_suffix").write_bytes(content)
    (tmp_path / "packed.dat").write_bytes(gzip.compress(content))
    (tmp_path / "z.fits.bz2").write_bytes(bz2.compress(content))
    (tmp_path / "gzip_named.fits").write_bytes(gzip.compress(content))
    (tmp_path / "notes.txt").write_text("clouds")
    found = survey_tree(tmp_path, recurse=False)
    assert names(found) == ["b1.fits", "gzip_named.fits", "no_suffix", "packed.dat", "z.fits.bz2"]
    assert {item.facts.kind for item in found} == {Kind.BIAS}
    assert {item.shape_yx for item in found} == {(12, 20)}


@pytest.mark.parametrize("name", ["a.fits.png", "a.fits.md5", "fits.txt", "a.fits.bak", "a.fits~", "picture.gz"])
def test_names_that_only_look_like_it(tmp_path, name):
    (tmp_path / name).write_bytes(b"something else entirely")
    assert survey_tree(tmp_path, recurse=False) == []


@pytest.mark.parametrize("name", ["a.fits", "A.FIT", "a.fts", "a.fits.fz", "a.fits.gz", "a.FIT.bz2"])
def test_names_that_mean_fits(tmp_path, name):
    (tmp_path / name).write_bytes(b"something else entirely")
    (item,) = survey_tree(tmp_path, recurse=False)
    assert isinstance(item.problem, FrameError)
    assert (item.frame, item.facts, item.shape_yx) == (None, None, None)
    with pytest.raises(FrameError):
        _ = item.layout


def test_hidden_files_and_folders_are_left_out(tmp_path):
    small_folder(tmp_path, 1)
    (tmp_path / "._b1.fits").write_bytes(b"\0\5\x16\7")
    (tmp_path / ".b2.fits.123.part").write_bytes(b"")
    (tmp_path / "old.fits").mkdir()
    write_raw(tmp_path / "deeper" / "b9.fits", raw_pixels(9))
    assert names(survey_tree(tmp_path, recurse=False)) == ["b1.fits"]


def test_problem_with_a_readable_header_keeps_what_it_says(tmp_path):
    write_raw(tmp_path / "cube.fits", np.zeros((2, 3, 4), np.uint16), EXPTIME=3.0)
    (item,) = survey_tree(tmp_path, recurse=False)
    assert isinstance(item.problem, UnsupportedError)
    assert (item.facts.kind, item.facts.exposure_s) == (Kind.BIAS, 3.0)
    assert item.shape_yx is None


def test_degenerate_axis(tmp_path):
    write_raw(tmp_path / "lco.fits", np.zeros((1, 3, 4), np.uint16))
    assert survey_tree(tmp_path, recurse=False)[0].shape_yx == (3, 4)


def test_header_of_an_extension_completes_that_of_the_primary(tmp_path):
    primary = fits.PrimaryHDU(header=fits.Header({"IMAGETYP": "zero", "CCDSUM": "2 2"}))
    fits.HDUList([primary, fits.ImageHDU(raw_pixels(1))]).writeto(tmp_path / "one.fits")
    (item,) = survey_tree(tmp_path, recurse=False)
    assert (item.facts.kind, item.binning_xy, item.shape_yx) == (Kind.BIAS, (2, 2), (12, 20))


def test_companions_of_an_image_are_not_images_of_their_own(tmp_path):
    names_of_parts = ("MASK", "UNCERT", "COUNTS")
    parts = [fits.ImageHDU(np.zeros((12, 20), np.uint8), name=name) for name in names_of_parts]
    fits.HDUList([fits.PrimaryHDU(raw_pixels(1)), *parts]).writeto(tmp_path / "combined.fits")
    fits.HDUList([fits.PrimaryHDU(), parts[0]]).writeto(tmp_path / "mask_alone.fits")
    fits.HDUList([fits.PrimaryHDU(raw_pixels(1)), fits.ImageHDU(raw_pixels(2), name="SCI")]).writeto(
        tmp_path / "two.fits"
    )
    combined, mask, two = survey_tree(tmp_path, recurse=False)
    assert (combined.problem, combined.frame.image().index) == (None, 0)
    assert (mask.problem, mask.frame.image().name) == (None, "MASK")
    assert "holds 2 images" in str(two.problem)


def test_form(tmp_path):
    paths = [
        write_raw(tmp_path / "a.fits", raw_pixels(1)),
        write_raw(tmp_path / "b.fits", raw_pixels(1), BUNIT="adu", XBINNING=1, YBINNING=1),
        write_raw(tmp_path / "c.fits", raw_pixels(1), BUNIT="electron"),
    ]
    first, second, third = (item.form for item in survey(paths))
    assert first == second == ((12, 20), (1, 1), "adu", None)
    assert third == ((12, 20), (1, 1), "electron", None)


def test_order_is_that_of_the_names_whatever_the_threads(tmp_path):
    paths = small_folder(tmp_path, 9)
    for workers in (1, 2, 5):
        assert [item.path for item in survey_tree(tmp_path, workers=workers, recurse=False)] == paths
    assert [item.path for item in survey(paths[::-1])] == paths[::-1]


def test_what_the_tables_are_made_into_is_made_by_one_thread(tmp_path):
    small_folder(tmp_path, 4)
    code = (
        "import sys, threading, zeroframe.headers.looking as looking\n"
        "from zeroframe.headers.survey import survey_tree\n"
        "own, seen = looking.read_facts, []\n"
        "def told(*args, **kwargs):\n"
        "    seen.append(threading.current_thread() is threading.main_thread())\n"
        "    found = own(*args, **kwargs)\n"
        "    seen.append('done')\n"
        "    return found\n"
        "looking.read_facts = told\n"
        "survey_tree(sys.argv[1], workers=4)\n"
        "print(seen[:2], seen.count(False))"
    )
    said = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True)
    assert said.stdout == "[True, 'done'] 3\n"


def test_folder_that_is_none(tmp_path):
    with pytest.raises(NoFramesError, match="is not there; give the folder"):
        survey_tree(tmp_path / "nowhere", recurse=False)
    (tmp_path / "file").touch()
    with pytest.raises(NoFramesError, match="is not a folder; give the folder"):
        survey_tree(tmp_path / "file", recurse=False)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_folder_that_may_not_be_read(tmp_path):
    (tmp_path / "closed").mkdir(mode=0o000)
    with pytest.raises(NoFramesError, match="cannot be read"):
        survey_tree(tmp_path / "closed", recurse=False)


def test_real_leftovers(real_data):
    """Everything that is broken is named, in one sentence each."""
    found = {item.path.name: item for item in survey_tree(real_data / "broken", recurse=False)}
    assert isinstance(found["symlink-as-text.fits"].problem, NotFitsError)
    for name in ("zero-bytes.fits", "ldac_test_catalog_corrupt.fits"):
        assert name in str(found[name].problem)
        assert "\n" not in str(found[name].problem)
    assert found["trailing-byte.fits"].problem is None
