"""The same folders seen by ccdproc's ImageFileCollection; where ours is different on purpose, a test says so."""

from __future__ import annotations

import inspect
import logging
import warnings
from dataclasses import replace

import ccdproc
import numpy as np
import pytest
from astropy.io import fits
from astropy.utils.exceptions import AstropyUserWarning

from zeroframe.simulate import SIMULATED_CAMERAS, simulate_night
from zeroframe.verbs.collection import ImageFileCollection

Theirs = ccdproc.ImageFileCollection


@pytest.fixture(autouse=True)
def _own_index(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("ZEROFRAME_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="module", params=["palomar-lfc", "palomar-lfc gzip", "apogee-cg16m"])
def night(request, tmp_path_factory):
    name, *packed = request.param.split()
    folder = tmp_path_factory.mktemp("night")
    camera = SIMULATED_CAMERAS[name]
    simulate_night(replace(camera, image_shape_yx=(40, 48)), folder, gzip=bool(packed))
    return folder


def same_tables(ours, theirs):
    assert ours.colnames == theirs.colnames
    for name in ours.colnames:
        assert ours[name].tolist() == theirs[name].tolist(), name
        assert ours[name].mask.tolist() == theirs[name].mask.tolist(), name
        if not theirs[name].mask.any():
            assert ours[name].dtype == theirs[name].dtype, name


def test_summary(night):
    for folder in (night, night / "darks"):
        if folder.is_dir():
            same_tables(ImageFileCollection(folder).summary, Theirs(folder).summary)
            same_tables(ImageFileCollection(folder).summary, Theirs(folder).summary)  # ours from the index


def test_summary_of_some_keywords(night):
    for keywords in (["exptime", "imagetyp"], ["IMAGETYP", "nonesuch", "naxis1"]):
        same_tables(ImageFileCollection(night, keywords).summary, Theirs(night, keywords).summary)
        assert ImageFileCollection(night, keywords).keywords == list(Theirs(night, keywords).keywords)


@pytest.mark.parametrize(
    "cards",
    [
        {"imagetyp": "bias"},
        {"imagetyp": "BIAS", "exptime": 0.0},
        {"exptime": 90},
        {"filter": "*"},
        {"filter": None},
        {"filter": "r", "imagetyp": "*"},
        {"IMAGETYP": "dark"},
        {"imagetyp": "bias|flat", "regex_match": True},
        {"file": ".*0[12]", "regex_match": True},
        {"nonesuch": None},
    ],
)
def test_files_filtered(night, cards):
    ours, theirs = ImageFileCollection(night), Theirs(night)
    for include_path in (False, True):
        expected = list(theirs.files_filtered(include_path=include_path, **cards))
        assert ours.files_filtered(include_path=include_path, **cards) == expected


def test_location_files_repr_values_filter_sort(night):
    ours, theirs = ImageFileCollection(night), Theirs(night)
    assert (ours.location, ours.files, ours.ext) == (theirs.location, theirs.files, theirs.ext)
    for kwargs in (
        {},
        {"keywords": ["exptime"]},
        {"glob_include": "*1*"},
        {"glob_exclude": "*5*", "glob_include": "*"},
    ):
        assert repr(ImageFileCollection(night, **kwargs)) == repr(Theirs(night, **kwargs))
    assert ours.values("exptime") == theirs.values("exptime")
    assert sorted(ours.values("imagetyp", unique=True)) == sorted(theirs.values("imagetyp", unique=True))
    chosen, expected = ours.filter(imagetyp="bias"), theirs.filter(imagetyp="bias")
    assert (chosen.files, chosen.location, chosen.keywords) == (expected.files, expected.location, expected.keywords)
    assert chosen.summary["file"].tolist() == expected.summary["file"].tolist()
    ours.sort(["exptime", "file"])
    theirs.sort(["exptime", "file"])
    assert ours.files == theirs.files


def test_loops(night):
    ours, theirs = ImageFileCollection(night), Theirs(night)
    cards = {"imagetyp": "bias"}
    for one, other in zip(ours.headers(**cards), theirs.headers(**cards), strict=True):
        assert one.tostring() == other.tostring()
    for one, other in zip(ours.data(**cards), theirs.data(**cards), strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.dtype == other.dtype.newbyteorder("=")
    for one, other in zip(ours.hdus(**cards), theirs.hdus(**cards), strict=True):
        assert (type(one), one.header.tostring()) == (type(other), other.header.tostring())
        np.testing.assert_array_equal(one.data, other.data)
    unit = {"unit": "adu"}
    pairs = ours.ccds(unit, return_fname=True, **cards), theirs.ccds(unit, return_fname=True, **cards)
    for (one, name), (other, expected) in zip(*pairs, strict=True):
        assert (name, one.unit, type(one).__mro__[0].__name__) == (expected, other.unit, "CCDData")
        np.testing.assert_array_equal(one.data, other.data)


def test_saved_copies_are_the_same(night, tmp_path):
    for name, made in (("ours", ImageFileCollection(night)), ("theirs", Theirs(night))):
        (tmp_path / name).mkdir()
        for header in made.headers(save_location=str(tmp_path / name), imagetyp="bias"):
            header["OBSERVER"] = "Payne"
    names = sorted(path.name for path in (tmp_path / "ours").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "theirs").iterdir())
    for name in names:
        diff = fits.FITSDiff(
            str(tmp_path / "ours" / name), str(tmp_path / "theirs" / name), ignore_keywords=["CHECKSUM", "DATASUM"]
        )
        assert diff.identical, diff.report()


def test_every_public_name_and_argument_is_there():
    public = {name for name in dir(Theirs) if not name.startswith("_")}
    assert public <= set(dir(ImageFileCollection))
    arguments = list(inspect.signature(Theirs).parameters)
    assert list(inspect.signature(ImageFileCollection).parameters)[: len(arguments)] == arguments
    for loop in ("headers", "data", "hdus"):
        wanted = {"save_with_name", "save_location", "overwrite", "do_not_scale_image_data", "return_fname"}
        assert wanted <= set(inspect.signature(getattr(ImageFileCollection, loop)).parameters)


# -- different on purpose ----------------------------------------------------------------------------------------------


@pytest.fixture
def pair(tmp_path):
    for name, cards in (("a", [("EXPTIME", 60.0), ("GAIN", 1)]), ("b", [("EXPTIME", 5.0), ("GAIN", "high")])):
        fits.PrimaryHDU(np.ones((2, 2), np.int16), fits.Header(cards)).writeto(tmp_path / f"{name}.fits")
    return tmp_path


def test_numbers_are_found_by_text_and_mixed_columns_keep_their_types(pair):
    assert list(Theirs(pair).files_filtered(exptime="60")) == []
    assert ImageFileCollection(pair).files_filtered(exptime="60") == ["a.fits"]
    assert Theirs(pair).summary["gain"].tolist() == ["1", "high"]
    assert ImageFileCollection(pair).summary["gain"].tolist() == [1, "high"]


def test_a_column_with_gaps_has_the_type_of_its_values(pair):
    fits.setval(pair / "a.fits", "AIRMASS", value=1.5)
    assert Theirs(pair).summary["airmass"].dtype == object
    assert ImageFileCollection(pair).summary["airmass"].dtype == np.float64


def test_a_loop_that_is_left_early_changes_nothing(pair):
    ours, theirs = ImageFileCollection(pair), Theirs(pair)
    next(iter(theirs.headers(exptime=60.0)))
    next(iter(ours.headers(exptime=60.0)))
    assert theirs.summary["file"].mask.any()
    assert not ours.summary["file"].mask.any()


def test_an_unknown_card_finds_nothing_and_is_said(pair):
    assert list(Theirs(pair).files_filtered(exptme=60.0)) == []
    with pytest.warns(AstropyUserWarning, match="did you mean 'exptime'"):
        assert ImageFileCollection(pair).files_filtered(exptme=60.0) == []


def test_the_blank_text_means_missing_as_their_documentation_says(pair):
    fits.setval(pair / "a.fits", "FILTER", value="r")
    assert list(Theirs(pair).files_filtered(filter="")) == []
    assert ImageFileCollection(pair).files_filtered(filter="") == ["b.fits"]


def test_more_files_are_found_and_bad_ones_are_said(pair, caplog):
    (pair / "a.fits").rename(pair / "A.FIT")
    (pair / "bad.fits").write_text("text")
    (pair / "folder.fits").mkdir()
    with caplog.at_level(logging.CRITICAL), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert Theirs(pair).files == ["b.fits", "bad.fits", "folder.fits"]
    with pytest.warns(UserWarning, match=r"bad\.fits"):
        assert ImageFileCollection(pair).files == ["A.FIT", "b.fits"]


def test_suffixes_stay_together(pair):
    (pair / "b.fits").unlink()
    fits.writeto(pair / "c.fits.gz", np.ones((2, 2)))
    (pair / "a.fits").unlink()
    list(Theirs(pair).headers(save_with_name="_t"))
    assert (pair / "c.fits_t.gz").exists()
    list(ImageFileCollection(pair, glob_include="c.fits.gz").headers(save_with_name="_o"))
    assert (pair / "c_o.fits.gz").exists()
