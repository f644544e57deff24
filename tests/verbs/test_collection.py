"""The table of a collection, its files, and choosing among them."""

from __future__ import annotations

import gzip
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.utils.exceptions import AstropyUserWarning

from zeroframe.errors import NoFramesError, UsageError, ZeroframeWarning
from zeroframe.fits import ImagePart, write_fits
from zeroframe.verbs.collection import ImageFileCollection


@pytest.fixture(autouse=True)
def _own_index(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("ZEROFRAME_CACHE", str(tmp_path_factory.mktemp("cache")))


def write(path, cards=(), data=None, **more):
    data = np.full((3, 4), 1000, np.uint16) if data is None else data
    header = fits.Header([*cards, *more.items()])
    fits.PrimaryHDU(data, header).writeto(path, output_verify="silentfix")
    return path


@pytest.fixture
def night(tmp_path):
    folder = tmp_path / "raw"
    folder.mkdir()
    for number, (kind, exposure, name) in enumerate(
        [
            ("BIAS", 0.0, None),
            ("bias  ", 0.0, None),
            ("FLAT", 7.5, "g'"),
            ("OBJECT", 300.0, "r"),
            ("OBJECT", 60.0, "g'"),
        ]
    ):
        cards = [("IMAGETYP", kind), ("EXPTIME", exposure), ("FRAME", number)]
        if name:
            cards.append(("FILTER", name))
        write(folder / f"f{number}.fits", cards)
    return folder


def test_the_table_has_a_row_a_file_and_a_column_a_card(night):
    table = ImageFileCollection(night).summary
    assert isinstance(table, Table)
    assert table.colnames[0] == "file"
    assert {"simple", "bitpix", "naxis1", "imagetyp", "exptime", "filter"} <= set(table.colnames)
    assert table["file", "imagetyp"][0]["imagetyp"] == "BIAS"
    assert table["exptime"].dtype == np.float64
    assert table["frame"].dtype == np.int64
    assert table["simple"].dtype == np.bool_
    assert table["filter"].tolist() == [None, None, "g'", "r", "g'"]
    assert table["filter"].dtype.kind == "U"
    assert table["file"].mask.tolist() == [False] * 5


def test_files_are_found_by_content(night, tmp_path):
    one = (night / "f0.fits").read_bytes()
    (night / "UPPER.FIT").write_bytes(one)
    (night / "nosuffix").write_bytes(one)
    (night / "packed.gz").write_bytes(gzip.compress(one))
    write_fits(
        night / "tiles.fz", [ImagePart(np.ones((8, 9), np.int16), fits.Header([("IMAGETYP", "BIAS")]))], compress="rice"
    )
    (night / "notes.txt").write_text("a clear night")
    (night / "empty").touch()
    (night / "._f0.fits").write_bytes(b"\0\5\x16\7")
    (night / "folder.fits").mkdir()
    files = ImageFileCollection(night)
    assert files.files == [
        "UPPER.FIT",
        "f0.fits",
        "f1.fits",
        "f2.fits",
        "f3.fits",
        "f4.fits",
        "nosuffix",
        "packed.gz",
        "tiles.fz",
    ]
    row = files.summary[files.files.index("tiles.fz")]
    assert (row["imagetyp"], row["naxis1"], row["naxis2"]) == ("BIAS", 9, 8)  # those of the image, not of its table


def test_what_cannot_be_read_is_left_out_and_named(night):
    (night / "text.fits").write_text("not an image")
    (night / "cut.fits").write_bytes((night / "f0.fits").read_bytes()[:400])
    (night / "gone.fits").symlink_to(night / "nowhere")
    with pytest.warns(ZeroframeWarning, match=r"(?s)3 files are left out.*cut\.fits.*gone\.fits.*text\.fits") as caught:
        files = ImageFileCollection(night)
    assert Path(caught[0].filename) == Path(__file__)
    assert len(files.files) == 5
    assert sorted(Path(problem.path).name for problem in files.problems) == ["cut.fits", "gone.fits", "text.fits"]


def test_find_fits_by_reading_asks_the_content_alone(night):
    (night / "text.fits").write_text("not an image")
    assert len(ImageFileCollection(night, find_fits_by_reading=True).files) == 5


def test_many_bad_files_make_one_readable_warning(tmp_path):
    for number in range(30):
        (tmp_path / f"{number:02d}.fits").write_text("x")
    with pytest.warns(ZeroframeWarning) as caught:
        ImageFileCollection(tmp_path)
    texts = [str(warning.message) for warning in caught]
    assert len(texts) == 2
    assert texts[0].count("\n") == 10
    assert "and 20 more" in texts[0]
    assert texts[1] == "no FITS files in the collection."


def test_an_empty_collection_still_answers(tmp_path):
    with pytest.warns(ZeroframeWarning, match="no FITS files"):
        files = ImageFileCollection(tmp_path)
    assert files.summary.colnames == ["file"]
    assert (len(files.summary), files.files, files.files_filtered(imagetyp="bias"), list(files.data())) == (
        0,
        [],
        [],
        [],
    )
    assert not files.summary
    files.sort("file")
    files.refresh  # noqa: B018 -- it warns again, tested above
    with pytest.raises(NoFramesError, match="is not there"):
        ImageFileCollection(tmp_path / "nowhere")
    write(tmp_path / "a.fits")
    with pytest.raises(NoFramesError, match="is not a folder"):
        ImageFileCollection(tmp_path / "a.fits")


def test_patterns_choose_among_the_names_in_the_folder(night):
    assert ImageFileCollection(night, glob_include="f[12]*").files == ["f1.fits", "f2.fits"]
    files = ImageFileCollection(night, glob_include="f*", glob_exclude="*[0-3].fits")
    assert (files.files, files.glob_include, files.glob_exclude) == (["f4.fits"], "f*", "*[0-3].fits")


def test_named_files_stay_in_their_order(night, tmp_path):
    other = write(tmp_path / "other.fits", IMAGETYP="DARK")
    files = ImageFileCollection(night, filenames=["f3.fits", str(other), "f0.fits"])
    assert files.files == ["f3.fits", "other.fits", "f0.fits"]
    assert files.files_filtered(imagetyp="dark", include_path=True) == [str(other)]
    assert [name for _, name in files.headers(return_fname=True)] == files.files
    alone = ImageFileCollection(filenames=str(other))
    assert (alone.files, alone.location) == ([str(other)], "")
    assert alone.summary["file"][0] == str(other)
    with pytest.warns(ZeroframeWarning, match=r"missing\.fits: there is no such file"):
        assert ImageFileCollection(night, filenames=["f0.fits", "missing.fits"]).files == ["f0.fits"]


def test_keywords_are_the_columns(night):
    files = ImageFileCollection(night, keywords=["EXPTIME", "imagetyp", "nonesuch", "EXPTIME", "file"])
    assert files.keywords == files.summary.colnames == ["file", "EXPTIME", "imagetyp", "nonesuch"]
    assert files.summary["nonesuch"].mask.all()
    files.keywords = ["filter"]
    assert files.summary.colnames == ["file", "filter"]
    files.keywords = "*"
    assert "naxis1" in files.summary.colnames
    files_of_all = ImageFileCollection(night)
    del files.keywords
    assert files.summary.colnames == ["file"]
    assert files.files_filtered(imagetyp="flat") == ["f2.fits"]  # any card, whether it is a column or not
    assert ImageFileCollection(night, keywords="imagetyp").keywords == ["file", "imagetyp"]
    with_more = ImageFileCollection(night, keywords=["*", "exptime", "SEEING"])
    assert with_more.keywords == with_more.summary.colnames == [*files_of_all.keywords, "SEEING"]
    assert with_more.summary["SEEING"].mask.all()


def test_columns_that_are_added_are_cards(night):
    files = ImageFileCollection(night)
    files.summary["quality"] = ["good", "bad", "good", "good", "bad"]
    files.summary["FWHM"] = np.ma.MaskedArray([2.5, 3.0, 2.0, 4.0, 9.9], [0, 0, 0, 0, 1])
    assert files.files_filtered(quality="good", fwhm="<3") == ["f0.fits", "f2.fits"]
    assert files.files_filtered(FWHM=None) == ["f4.fits"]
    assert files.files_filtered(regex_match=True, quality="^b") == ["f1.fits", "f4.fits"]
    assert files.values("fwhm") == [2.5, 3.0, 2.0, 4.0, None]
    assert files.keywords == files.summary.colnames
    assert [name for _, name in files.data(quality="bad", return_fname=True)] == ["f1.fits", "f4.fits"]
    files.sort("fwhm")
    assert files.files == ["f2.fits", "f0.fits", "f1.fits", "f3.fits", "f4.fits"]
    assert files.files_filtered(quality="bad") == ["f1.fits", "f4.fits"]
    files.keywords = ["exptime", "quality"]  # takes the others away and keeps the table
    assert set(files.summary.colnames) == {"file", "exptime", "quality"}
    assert files.files_filtered(quality="bad") == ["f1.fits", "f4.fits"]


def test_values(night):
    files = ImageFileCollection(night)
    assert files.values("exptime") == [0.0, 0.0, 7.5, 300.0, 60.0]
    assert files.values("FILTER", unique=True) == [None, "g'", "r"]
    assert files.values("file")[0] == "f0.fits"
    with pytest.raises(ValueError, match="did you mean 'exptime'"):
        files.values("exptim")


def test_a_card_of_two_types_does_not_spoil_its_column(tmp_path):
    for number, value in enumerate([1, "two", 3.5, True, None]):
        write(tmp_path / f"{number}.fits", [("SETTING", value)] if value is not None else [])
    for number, value in enumerate([1, 2.5]):
        fits.setval(tmp_path / f"{number}.fits", "MIXED", value=value)
    for number, value in enumerate([1, 2**70]):
        fits.setval(tmp_path / f"{number}.fits", "HUGE", value=value)
    fits.setval(tmp_path / "0.fits", "EMPTY", value=fits.card.Undefined())
    files = ImageFileCollection(tmp_path)
    setting = files.summary["setting"]
    assert setting.tolist() == [1, "two", 3.5, True, None]
    assert [type(value) for value in setting.tolist()] == [int, str, float, bool, type(None)]
    assert files.files_filtered(setting="two") == ["1.fits"]
    assert files.files_filtered(setting=">2") == ["2.fits"]
    assert files.summary["mixed"].dtype == np.float64
    assert files.summary["huge"].tolist()[:2] == [1, 2**70]
    assert files.summary["empty"].mask.all()  # the card is there, and has no value
    files.sort("setting")
    assert files.summary["setting"].tolist() == [1, True, 3.5, "two", None]


def test_comments_are_joined_and_of_other_cards_the_first_counts(tmp_path):
    header = fits.Header([("GAIN", 1.5), ("COMMENT", "one"), ("HISTORY", "it began"), ("COMMENT", "two"), ("LAST", 1)])
    header.append(("GAIN", 2.5))
    header["LONGTEXT"] = "x" * 100
    header["HIERARCH ESO TPL ID"] = "bias"
    write(tmp_path / "a.fits", header.cards)
    files = ImageFileCollection(tmp_path)
    row = files.summary[0]
    assert (row["gain"], row["comment"], row["history"], row["longtext"]) == (1.5, "one,two", "it began", "x" * 100)
    assert files.keywords[-2:] == ["comment", "history"]
    assert files.files_filtered(**{"ESO TPL ID": "BIAS"}) == ["a.fits"]


def test_a_card_named_file_does_not_hide_the_names(tmp_path):
    write(tmp_path / "a.fits", FILE="elsewhere")
    files = ImageFileCollection(tmp_path)
    assert files.summary["file"].tolist() == ["a.fits"]
    assert files.files_filtered(file="A.fits") == ["a.fits"]


@pytest.mark.parametrize(
    ("cards", "numbers"),
    [
        ({"imagetyp": "BIAS"}, [0, 1]),
        ({"imagetyp": "bias", "exptime": 0}, [0, 1]),
        ({"IMAGETYP": "  flat "}, [2]),
        ({"exptime": "60"}, [4]),
        ({"exptime": np.float32(7.5)}, [2]),
        ({"exptime": ">7.5"}, [3, 4]),
        ({"exptime": "<= 7.5", "imagetyp": "!bias"}, [2]),
        ({"exptime": lambda value: 50 < value < 400}, [3, 4]),
        ({"filter": ["R", "i"]}, [3]),
        ({"filter": {None, "r"}}, [0, 1, 3]),
        ({"filter": "*"}, [2, 3, 4]),
        ({"filter": None}, [0, 1]),
        ({"filter": ""}, [0, 1]),
        ({"filter": "!g'"}, [0, 1, 3]),
        ({"filter": "!*"}, [0, 1]),
        ({"bunit": None}, [0, 1, 2, 3, 4]),
        ({"imagetyp": "bi"}, []),
        ({"imagetyp": "b.as", "regex_match": True}, [0, 1]),
        ({"imagetyp": "^(flat|obj)", "regex_match": True, "filter": "*"}, [2, 3, 4]),
        ({"exptime": "^3", "regex_match": True}, [3]),
    ],
)
def test_choosing(night, cards, numbers):
    files = ImageFileCollection(night)
    expected = [f"f{number}.fits" for number in numbers]
    assert files.files_filtered(**cards) == expected
    assert files.files_filtered(include_path=True, **cards) == [str(night / name) for name in expected]
    assert [name for _, name in files.headers(return_fname=True, **cards)] == expected
    assert files.summary["file"].mask.sum() == 0


def test_a_card_that_is_nowhere_finds_no_file_and_is_said_with_a_suggestion(night):
    files = ImageFileCollection(night, keywords=["imagetyp", "seeing"])
    said = r"no card 'imagetype' in any of the 5 headers; did you mean 'imagetyp'\?; no file"
    with pytest.warns(AstropyUserWarning, match=said):
        assert files.files_filtered(imagetype="bias", exptime=0.0) == []
    with pytest.warns(ZeroframeWarning, match="no card 'seeing'"):  # a loop that waits for files goes on waiting
        assert list(files.data(seeing="<2")) == []
    with pytest.warns(ZeroframeWarning, match="no card 'seeing'|no FITS files") as caught:
        assert files.filter(seeing="<2").files == []
    assert len(caught) == 2
    assert files.files_filtered(seeing=None, imagetyp="flat") == ["f2.fits"]
    with pytest.raises(UsageError, match="did you mean 'overwrite'"):
        files.ccds(overwite=True)  # when it is called, not when the loop begins
    with pytest.raises(UsageError, match=r"f2\.fits: the condition on filter fails for \"g'\""):
        files.files_filtered(filter=lambda value: value > 3)


def test_filter_makes_a_collection_that_can_be_filtered(night):
    files = ImageFileCollection(night, keywords=["imagetyp", "exptime"])
    chosen = files.filter(imagetyp="object")
    assert chosen.keywords == files.keywords
    assert chosen.files == [str(night / "f3.fits"), str(night / "f4.fits")]
    assert [float(one.mean()) for one in chosen.filter(exptime="<100").data()] == [1000.0]
    assert [Path(path).name for path in chosen.filter(filter="r").files_filtered(include_path=True)] == ["f3.fits"]
    assert len(files.files) == 5
    chosen.refresh()
    assert len(chosen.files) == 2
    with pytest.warns(ZeroframeWarning, match="no FITS files"):
        assert files.filter(exptime=">1000").files == []


def test_sort_orders_table_files_and_loops(night):
    files = ImageFileCollection(night)
    table = files.summary
    files.sort(["filter", "exptime"])
    expected = ["f2.fits", "f4.fits", "f3.fits", "f0.fits", "f1.fits"]
    assert files.files == table["file"].tolist() == [name for _, name in files.headers(return_fname=True)] == expected
    assert table["filter"].tolist() == ["g'", "g'", "r", None, None]
    with pytest.raises(UsageError, match="did you mean"):
        files.sort("filtr")


def test_refresh_sees_what_has_changed(night):
    files = ImageFileCollection(night, keywords=["imagetyp"])
    write(night / "f9.fits", IMAGETYP="DARK")
    (night / "f0.fits").unlink()
    fits.setval(night / "f1.fits", "IMAGETYP", value="FLAT")
    files.refresh()
    assert files.files == ["f1.fits", "f2.fits", "f3.fits", "f4.fits", "f9.fits"]
    assert files.summary["imagetyp"].tolist() == ["FLAT", "FLAT", "OBJECT", "OBJECT", "DARK"]


def test_another_extension(tmp_path):
    primary = fits.PrimaryHDU(header=fits.Header([("IMAGETYP", "BIAS"), ("EXPTIME", 0.0)]))
    science = fits.ImageHDU(np.full((2, 3), 5, np.int16), fits.Header([("GAIN", 2.0)]), name="SCI")
    second = fits.ImageHDU(np.full((2, 3), 6, np.int16), name="SCI2")
    fits.HDUList([primary, science, second]).writeto(tmp_path / "a.fits")
    by_name = ImageFileCollection(tmp_path, ext="SCI")
    assert (by_name.summary["gain"][0], "imagetyp" in by_name.keywords) == (2.0, False)
    both = ImageFileCollection(tmp_path, ext=2, header_ext=0)
    assert both.files_filtered(imagetyp="bias") == ["a.fits"]
    assert [int(data[0, 0]) for data in both.data(imagetyp="bias")] == [6]
    assert [header["IMAGETYP"] for header in both.headers()] == ["BIAS"]
    with pytest.warns(ZeroframeWarning) as caught:
        assert ImageFileCollection(tmp_path, ext="XYZ").files == []
    assert "a.fits: has no extension 'XYZ'; it holds 0 'PRIMARY', 1 'SCI', 2 'SCI2'" in str(caught[0].message)


def test_repr_can_be_read_and_run(night):
    assert repr(ImageFileCollection(night)) == f"ImageFileCollection(location={night!r})"
    files = ImageFileCollection(
        str(night), ["imagetyp"], filenames="f0.fits", glob_include="f*", glob_exclude="x*", ext=0, header_ext=0
    )
    again = eval(repr(files))
    assert repr(again) == repr(files)
    assert again.files == ["f0.fits"]


def test_the_second_look_opens_no_file(night, monkeypatch):
    for path in night.iterdir():
        os.utime(path, (1e9, 1e9))
    first = ImageFileCollection(night)

    def refuse(*_, **__):
        raise AssertionError("a file was read though it has not changed")

    monkeypatch.setattr("zeroframe.headers.reading.scan", refuse)
    second = ImageFileCollection(night)
    assert second.summary.colnames == first.summary.colnames
    for name in first.summary.colnames:
        assert second.summary[name].tolist() == first.summary[name].tolist()
        assert second.summary[name].dtype == first.summary[name].dtype
    part = ImageFileCollection(night, glob_include="f[34]*")
    assert part.files == ["f3.fits", "f4.fits"]
    shutil.copy(night / "f0.fits", night / "f8.fits")
    with pytest.warns(ZeroframeWarning, match="was read though it has not changed"):
        ImageFileCollection(night)
