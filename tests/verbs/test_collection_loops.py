"""The loops over a collection: what they hand out, what they save, and what they leave alone."""

from __future__ import annotations

import bz2
import gzip
import warnings
from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.nddata import CCDData, StdDevUncertainty

from zeroframe.errors import ArgumentError, AssumptionWarning, DamagedError, OutputError, OutputExistsError, UsageError
from zeroframe.verbs.collection import ImageFileCollection


@pytest.fixture(autouse=True)
def _own_index(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("ZEROFRAME_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def folder(tmp_path):
    raw = tmp_path / "raw"
    raw.mkdir()
    for number in range(3):
        header = fits.Header([("IMAGETYP", "BIAS" if number < 2 else "DARK"), ("FRAME", number)])
        hdus = fits.HDUList([fits.PrimaryHDU(np.full((4, 5), 40000 + number, np.uint16), header)])
        hdus.append(fits.BinTableHDU.from_columns([fits.Column("t", "E", array=np.arange(3.0))], name="TEMPS"))
        hdus.writeto(raw / f"f{number}.fits")
    return raw


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_what_is_handed_out(folder):
    files = ImageFileCollection(folder)
    headers = list(files.headers())
    assert [type(header) for header in headers] == [fits.Header] * 3
    assert headers[1]["FRAME"] == 1
    arrays = list(files.data())
    assert [(array.dtype, int(array[0, 0])) for array in arrays] == [(np.dtype("uint16"), 40000 + n) for n in range(3)]
    (stored, *_) = files.data(do_not_scale_image_data=True)
    assert (stored.dtype, int(stored[0, 0])) == (np.dtype("int16"), 40000 - 32768)
    (hdu, *_) = files.hdus()
    assert isinstance(hdu, fits.PrimaryHDU)
    assert (hdu.data.dtype.kind, int(hdu.data[0, 0]), hdu.header["FRAME"]) == ("u", 40000, 0)
    pairs = list(files.ccds(ccd_kwargs={"unit": "electron"}, return_fname=True, imagetyp="bias"))
    assert [name for _, name in pairs] == ["f0.fits", "f1.fits"]
    ccd = pairs[1][0]
    assert type(ccd) is CCDData
    assert (ccd.unit, ccd.header["FRAME"], int(ccd.data[0, 0])) == (u.electron, 1, 40001)


def test_a_ccd_can_be_written_and_read_again(folder, tmp_path):
    for ccd, name in ImageFileCollection(folder).ccds(ccd_kwargs={"unit": "adu"}, return_fname=True):
        ccd.write(tmp_path / name)
        again = CCDData.read(tmp_path / name)
        assert (again.unit, again.data.shape, int(again.data[0, 0])) == (u.adu, (4, 5), int(ccd.data[0, 0]))


def test_adu_is_assumed_and_said_once(folder):
    with pytest.warns(AssumptionWarning, match=r"f0\.fits: no BUNIT.*adu is assumed") as caught:
        units = [ccd.unit for ccd in ImageFileCollection(folder).ccds()]
    assert units == [u.adu] * 3
    assert len(caught) == 1
    assert Path(caught[0].filename) == Path(__file__)
    for path in folder.iterdir():
        fits.setval(path, "BUNIT", value="electron")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [ccd.unit for ccd in ImageFileCollection(folder).ccds()] == [u.electron] * 3


def test_mask_and_uncertainty_come_with_the_ccd(tmp_path):
    mask = np.zeros((3, 4), bool)
    mask[1, 2] = True
    made = CCDData(np.ones((3, 4)), unit="adu", mask=mask, uncertainty=StdDevUncertainty(np.full((3, 4), 0.5)))
    made.write(tmp_path / "a.fits")
    files = ImageFileCollection(tmp_path)
    (ccd,) = files.ccds()
    assert ccd.mask.sum() == 1
    assert ccd.uncertainty.array[0, 0] == 0.5
    (bare,) = files.ccds(ccd_kwargs={"hdu_mask": None, "hdu_uncertainty": None})
    assert (bare.mask, bare.uncertainty, bare.unit) == (None, None, u.adu)
    with pytest.raises(ArgumentError, match="ext="):
        files.ccds({"hdu": 1})


def test_nothing_is_saved_unless_asked(folder):
    before = contents(folder)
    for header in ImageFileCollection(folder).headers():
        header["FRAME"] = 99
    for hdu in ImageFileCollection(folder).hdus():
        hdu.data[:] = 0
    assert contents(folder) == before


def test_changed_headers_are_saved_with_everything_else(folder, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    before = contents(folder)
    for header in ImageFileCollection(folder).headers(save_location=out, save_with_name="_new", imagetyp="bias"):
        header["OBSERVER"] = "Payne"
    assert contents(folder) == before
    assert sorted(path.name for path in out.iterdir()) == ["f0_new.fits", "f1_new.fits"]
    with fits.open(out / "f1_new.fits", checksum=True) as hdus:
        assert hdus[0].header["OBSERVER"] == "Payne"
        assert (hdus[0].data.dtype.kind, int(hdus[0].data[0, 0])) == ("u", 40001)
        assert hdus["TEMPS"].data["t"].tolist() == [0.0, 1.0, 2.0]


def test_stored_numbers_are_kept_when_only_the_header_changes(tmp_path):
    hdu = fits.PrimaryHDU(np.arange(6, dtype=np.int16).reshape(2, 3), fits.Header([("BSCALE", 0.5), ("BZERO", 10.0)]))
    hdu.header["BSCALE"], hdu.header["BZERO"] = 0.5, 10.0
    hdu.writeto(tmp_path / "a.fits")
    for header in ImageFileCollection(tmp_path).headers(save_with_name="_new"):
        header["OBSERVER"] = "Payne"
    with fits.open(tmp_path / "a_new.fits", do_not_scale_image_data=True) as hdus:
        assert (hdus[0].header["BITPIX"], hdus[0].header["BSCALE"], hdus[0].data[1].tolist()) == (16, 0.5, [3, 4, 5])


def test_data_hdus_and_ccds_are_saved(folder, tmp_path):
    for loop, kwargs in (("data", {}), ("hdus", {}), ("ccds", {"ccd_kwargs": {"unit": "adu"}})):
        out = tmp_path / loop
        out.mkdir()
        for item in getattr(ImageFileCollection(folder), loop)(save_location=out, **kwargs):
            pixels = item if loop == "data" else item.data
            pixels[0, 0] = 7
        for number in range(3):
            with fits.open(out / f"f{number}.fits") as hdus:
                assert hdus[0].data[0, :2].tolist() == [7, 40000 + number]
                assert hdus[0].header["FRAME"] == number


def test_overwrite_replaces_the_files_themselves_and_nothing_else_does(folder):
    files = ImageFileCollection(folder)
    for data in files.data(overwrite=True):
        data[:] = 3
    assert all(fits.getdata(path).max() == 3 for path in folder.iterdir())
    with pytest.raises(UsageError, match="would replace the files"):
        files.ccds(overwrite=True)
    list(files.headers(save_with_name="_b"))
    with pytest.raises(OutputExistsError, match=r"f0_b\.fits"):
        list(files.headers(save_with_name="_b"))
    assert len(list(files.headers(save_with_name="_b", overwrite=True))) == 3


def test_leaving_early_changes_nothing(folder, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    files = ImageFileCollection(folder)
    for header in files.headers(save_location=out, imagetyp="bias"):
        header["FRAME"] = 5
        break
    assert list(out.iterdir()) == []
    assert files.files == ["f0.fits", "f1.fits", "f2.fits"]
    assert files.summary["file"].mask.sum() == 0

    def fail_at_the_second():
        for number, data in enumerate(files.data(save_location=out)):
            data[:] = 1
            if number == 1:
                raise RuntimeError("in the loop")

    with pytest.raises(RuntimeError, match="in the loop"):
        fail_at_the_second()
    assert [path.name for path in out.iterdir()] == ["f0.fits"]


def test_a_folder_that_is_not_there_is_refused_before_the_loop(folder, tmp_path):
    with pytest.raises(OutputError, match="make it first"):
        ImageFileCollection(folder).headers(save_location=tmp_path / "nowhere")


def test_a_copy_that_fails_leaves_nothing(folder, tmp_path, monkeypatch):
    out = tmp_path / "out"
    out.mkdir()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("zeroframe.fits.atomic.os.writev", full)
    with pytest.raises(OutputError, match="No space left"):
        list(ImageFileCollection(folder).headers(save_location=out))
    assert list(out.iterdir()) == []


@pytest.mark.parametrize(("suffix", "pack"), [(".gz", gzip.compress), (".bz2", bz2.compress)])
def test_compressed_files_are_saved_compressed_under_a_sensible_name(folder, tmp_path, suffix, pack):
    source = tmp_path / f"a.1.fits{suffix}"
    source.write_bytes(pack((folder / "f0.fits").read_bytes()))
    files = ImageFileCollection(tmp_path)
    for header in files.headers(save_with_name="_new"):
        header["FRAME"] = 8
    target = tmp_path / f"a.1_new.fits{suffix}"
    assert target.read_bytes()[:2] == source.read_bytes()[:2]
    assert fits.getheader(target)["FRAME"] == 8
    if suffix == ".gz":
        list(ImageFileCollection(tmp_path).ccds({"unit": "adu"}, file=source.name, save_with_name="_ccd"))
        assert (tmp_path / "a.1_ccd.fits.gz").read_bytes()[:2] == b"\x1f\x8b"
    else:
        with pytest.raises(OutputError, match="bzip2 is not written"):
            list(files.ccds({"unit": "adu"}, save_with_name="_ccd"))


def test_tile_compressed_files(tmp_path):
    data = np.arange(400, dtype=np.int16).reshape(20, 20)
    header = fits.Header([("IMAGETYP", "BIAS")])
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(data, header)]).writeto(tmp_path / "a.fits.fz")
    files = ImageFileCollection(tmp_path)
    np.testing.assert_array_equal(next(files.data()), data)
    for one in files.headers(save_with_name="_new"):
        one["OBSERVER"] = "Payne"
    for ccd in files.ccds({"unit": "adu"}, save_with_name="_ccd"):
        ccd.data = ccd.data + 1
    with fits.open(tmp_path / "a_new.fits.fz") as hdus:
        assert isinstance(hdus[1], fits.CompImageHDU)
        assert hdus[1].header["OBSERVER"] == "Payne"
        np.testing.assert_array_equal(hdus[1].data, data)
    with fits.open(tmp_path / "a_ccd.fits.fz") as hdus:
        np.testing.assert_array_equal(hdus[1].data, data + 1)
    (again,) = ImageFileCollection(tmp_path, glob_include="*_ccd*").ccds()
    np.testing.assert_array_equal(again.data, data + 1)


def test_a_header_that_cannot_be_written_is_said(folder):
    loop = ImageFileCollection(folder).headers(save_with_name="_new")
    next(loop).append(fits.Card.fromstring("B*D     = 3".ljust(80)))
    with pytest.raises(UsageError, match=r"f0\.fits: the copy has a header that cannot be written"):
        next(loop)
    assert len(list(folder.iterdir())) == 3


def test_damaged_pixels_are_named(folder):
    files = ImageFileCollection(folder)
    path = folder / "f1.fits"
    path.write_bytes(path.read_bytes()[:2900])
    with pytest.raises(DamagedError, match=r"f1\.fits"):
        list(files.data())


@pytest.mark.parametrize("loop", ["hdus", "data", "ccds"])
def test_a_file_that_is_cut_off_is_named(tmp_path, loop):
    """Whatever reads it: numpy's own error would say nothing of the file."""
    path = tmp_path / "cut.fits"
    fits.PrimaryHDU(np.arange(140, dtype=np.uint16).reshape(10, 14)).writeto(path)
    path.write_bytes(path.read_bytes()[: 2880 + 120])
    files = ImageFileCollection(filenames=[str(path)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # astropy's, of a file that is too short
        with pytest.raises(DamagedError, match=r"cut\.fits"):
            list(getattr(files, loop)(**({"ccd_kwargs": {"unit": "adu"}} if loop == "ccds" else {})))
