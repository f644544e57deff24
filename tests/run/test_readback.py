"""Results are looked at as they stand on the disk."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits

from zeroframe.run.checks import check_files

SHAPE = (12, 20)


def written(folder, name, pixels):
    fits.PrimaryHDU(pixels).writeto(folder / name)
    return folder / name


@pytest.fixture
def good(tmp_path):
    return {written(tmp_path, f"b{number}.fits", np.zeros(SHAPE, np.float32)): SHAPE for number in range(2)}


def test_what_is_right_is_counted(good, tmp_path):
    check = check_files({**good, written(tmp_path, "d.fits", np.zeros((5, 7))): (5, 7)})
    assert check.files == 3
    assert check.shapes_yx == ((5, 7), SHAPE)
    assert check.dtypes == ("float32", "float64")
    assert check.byte_count == sum(path.stat().st_size for path in tmp_path.iterdir())
    assert check.problems == ()


def test_a_type_that_no_result_has_is_named(tmp_path):
    assert check_files({written(tmp_path, "i.fits", np.zeros(SHAPE, np.int16)): SHAPE}).dtypes == ("BITPIX 16",)


def missing(path):
    path.unlink()


def cut_off(path):
    path.write_bytes(path.read_bytes()[:3000])


def another_size(path):
    fits.PrimaryHDU(np.zeros((7, 5), np.float32)).writeto(path, overwrite=True)


def without_an_image(path):
    fits.PrimaryHDU().writeto(path, overwrite=True)


def longer(path):
    path.write_bytes(path.read_bytes() + b"\1" * 2880)


def a_folder(path):
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (missing, "there is no such file"),
        (cut_off, "cut off"),
        (another_size, "holds 5 x 7 and not 20 x 12 pixels; run again with --overwrite"),
        (without_an_image, "image"),
        (longer, "behind its last data"),
        (a_folder, "folder"),
    ],
)
def test_what_is_wrong_is_named_and_not_counted(good, harm, said):
    victim = next(iter(good))
    harm(victim)
    check = check_files(good)
    (problem,) = check.problems
    assert problem.startswith(f"{victim}: ")
    assert said in problem
    assert check.files == 1
    assert check.shapes_yx == (SHAPE,)
