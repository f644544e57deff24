"""All detectors of a science frame in one file: each as its own result has it, and where it stands."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits

import zeroframe
from workbench import command
from zeroframe.run.verify import verify_folder
from zeroframe.simulate import SIMULATED_MOSAICS, simulate_night

CAMERA = SIMULATED_MOSAICS["four-chip-mosaic"].resized((96, 192))
ENDINGS = {"none": ".fits", "rice": ".fits.fz", "gzip": ".fits.gz"}


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    folder = tmp_path_factory.mktemp("night") / "raw"
    simulate_night(CAMERA, folder, seed=3)
    return folder


@pytest.mark.long
@pytest.mark.parametrize("compress", ENDINGS)
def test_one_file_of_all_detectors(tmp_path, raw, compress):
    out, ending = tmp_path / "out", ENDINGS[compress]
    done = command("night", raw, "-o", out, "--mosaic", "--no-report", "--compress", compress)
    assert done.code == 0, done.out + done.err
    made = sorted(path.name for path in out.glob(f"*.mosaic{ending}"))
    assert made == [f"obs{number:03d}.mosaic{ending}" for number in (18, 19, 20)]
    with fits.open(out / f"obs019.mosaic{ending}") as hdus:
        assert hdus[0].data is None
        header = hdus[0].header if compress != "rice" else hdus[1].header
        assert (header["OBSTYPE"], header["INSTRUME"]) == ("object", "four-chip-mosaic")
        assert "CCDNAME" not in header
        images = [hdu for hdu in hdus if hdu.name == "SCI"]
        assert [hdu.header["EXTVER"] for hdu in images] == [1, 2, 3, 4]
        for number, (chip, hdu) in enumerate(zip(CAMERA.chips, images, strict=True), start=1):
            assert hdu.header["CCDNAME"] == chip.name
            ny, nx = chip.sensor.image_shape_yx
            x, y = chip.origin_xy
            assert hdu.header["DETSEC"] == f"[{x + 1}:{x + nx},{y + 1}:{y + ny}]"
            with fits.open(out / f"obs019.{chip.name}{ending}") as alone:
                own = next(each for each in alone if each.data is not None)
                np.testing.assert_array_equal(hdu.data, own.data)
                assert {word: hdu.header[word] for word in ("GAIN", "RDNOISE", "CRPIX1", "ZEROCOR")} == {
                    word: own.header[word] for word in ("GAIN", "RDNOISE", "CRPIX1", "ZEROCOR")
                }
                for name in ("UNCERT", "MASK"):
                    np.testing.assert_array_equal(hdus[name, number].data, alone[name].data)
        table = hdus["AMPLIFIERS"].data
        assert list(table["DETECTOR"]) == [chip.name for chip in CAMERA.chips for _ in chip.amplifiers]
        assert list(table["NAME"]) == [each.name for chip in CAMERA.chips for each in chip.amplifiers]
        assert all(hdu.verify_checksum() == 1 for hdu in hdus[1:] if compress != "rice")
    ccd = zeroframe.read_ccd(out / f"obs019.mosaic{ending}", ext=("SCI", 3))
    alone = zeroframe.read_ccd(out / f"obs019.chip3{ending}")
    np.testing.assert_array_equal(ccd.data, alone.data)
    np.testing.assert_array_equal(ccd.mask, alone.mask)
    np.testing.assert_array_equal(ccd.uncertainty.array, alone.uncertainty.array)
    (third,) = zeroframe.ImageFileCollection(out, ext=("SCI", 3), glob_include=f"obs019.mosaic{ending}").ccds()
    np.testing.assert_array_equal(third.data, alone.data)

    kept = {path: path.stat().st_mtime_ns for path in out.glob("*mosaic*")}
    assert command("night", raw, "-o", out, "--mosaic", "--no-report", "--compress", compress).code == 0
    assert {path: path.stat().st_mtime_ns for path in out.glob("*mosaic*")} == kept
    assert verify_folder(out, raw).problems == ()


@pytest.mark.long
def test_verify_sees_what_was_altered_or_is_none(tmp_path, raw):
    out = tmp_path / "out"
    zeroframe.night(raw, out, mosaic=True, report=False)
    first, second, third = sorted(out.glob("*.mosaic.fits"))
    with first.open("r+b") as file:
        file.seek(20_000)
        file.write(b"xxxx")
    fits.setval(second, "PARTFILE", value="other.fits", ext=1)
    third.unlink()
    problems = verify_folder(out, raw).problems
    assert len(problems) == 2
    assert "altered" in problems[0]
    assert "was not made by this run" in problems[1]


def test_frames_of_one_detector_make_none(tmp_path):
    camera = SIMULATED_MOSAICS["quad-mef"].resized((96, 192))
    simulate_night(camera, tmp_path / "raw")
    done = command("night", tmp_path / "raw", "-o", tmp_path / "out", "--mosaic", "--no-report")
    assert done.code == 1
    assert "--mosaic: no science frame is of a file that holds several detectors (ZF108)" in done.out + done.err
