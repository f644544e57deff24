"""Why a frame has no calibration frame: what is said is what is so."""

from __future__ import annotations

import pytest

from workbench import command, raw_pixels, write_raw

TRIM = ("--trim", "[*,*]", "--overscan", "none", "--no-report")


@pytest.fixture
def raw(tmp_path):
    for number, (kind, exposure_s) in enumerate([("bias", 0.0)] * 3 + [("object", 60.0)]):
        write_raw(tmp_path / "raw" / f"{kind}{number}.fits", raw_pixels(number), IMAGETYP=kind, EXPTIME=exposure_s)
    return tmp_path / "raw"


def test_biases_that_are_there_and_not_combined(raw, tmp_path):
    run = command("night", raw, "-o", tmp_path / "out", "--no-combine", *TRIM)
    said = " ".join((run.out + run.err).split())
    assert "biases are not combined, as asked for" in said
    assert "there is no bias" not in said


def test_biases_that_are_not_there(raw, tmp_path):
    for path in raw.glob("bias*"):
        path.unlink()
    run = command("night", raw, "-o", tmp_path / "out", *TRIM)
    assert "there is no bias in the folder" in " ".join((run.out + run.err).split())


def test_a_folder_of_combined_frames_that_is_not_there(raw, tmp_path):
    run = command("night", raw, "-o", tmp_path / "out", "--calibrations", tmp_path / "none", *TRIM)
    assert run.code == 2
    said = " ".join((run.out + run.err).split())
    assert f"{tmp_path / 'none'}, named for combined calibration frames, is not there; give the folder that" in said
