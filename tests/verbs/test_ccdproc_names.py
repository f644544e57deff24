"""What notebooks import from ccdproc, by name and by module; its verbs beside calibration, against ccdproc itself."""

from __future__ import annotations

import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import ccdproc
import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.nddata import CCDData, InverseVariance, StdDevUncertainty, VarianceUncertainty
from astropy.utils.exceptions import AstropyDeprecationWarning, AstropyUserWarning
from astropy.wcs import WCS
from scipy import ndimage

import zeroframe
from zeroframe.errors import UnitError, UsageError

MODULES = ("core", "combiner", "image_collection", "ccddata", "log_meta", "utils.slices")


def frame(seed=1, shape=(23, 31), **words):
    return CCDData(np.random.default_rng(seed).normal(100.0, 7.0, shape), unit="adu", **words)


@pytest.mark.parametrize("module", ["", *MODULES])
def test_every_public_name_of_ccdproc_is_there(module):
    theirs = importlib.import_module(f"ccdproc.{module}" if module else "ccdproc")
    ours = importlib.import_module(f"zeroframe.{module}" if module else "zeroframe")
    public = getattr(theirs, "__all__", None) or [name for name in vars(theirs) if not name.startswith("_")]
    if module == "log_meta":  # its __all__ is empty
        public = ["log_to_metadata"]
    if not module:  # besides what `from .core import *` brings, it has its modules and the class of its settings
        public = [name for name in public if name != "Conf"]
    assert [name for name in public if not hasattr(ours, name)] == []


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("create_variance", "use create_deviation"),
        ("cosmicray_clean", "use cosmicray_lacosmic"),
        ("subtract_overscn", "did you mean 'subtract_overscan'"),
        ("nothing_like_it", "has no attribute 'nothing_like_it'$"),
    ],
)
def test_a_name_that_is_not_there_says_what_to_use(name, said):
    with pytest.raises(AttributeError, match=said):
        getattr(zeroframe, name)
    with pytest.raises(ImportError):
        exec(f"from zeroframe import {name}")


def test_modules_of_ccdproc_cost_nothing_before_they_are_asked_for():
    code = "import sys, zeroframe; print([m for m in sys.modules if m in ('numpy', 'astropy', 'zeroframe.core')])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize("text", ["[1:-1, 0:4:2]", "[ : : -2]", "[2:5]", "", "[3,4]", "[:,5:]", "[-3:,:]"])
def test_slices_of_numpy(text):
    assert zeroframe.slice_from_string(text) == ccdproc.utils.slices.slice_from_string(text)


@pytest.mark.parametrize("text", ["[1:5, :]", "[*,-*]", "[20:1:4, 2:1]", "[*:2,-*:2]", "[7,8]", "[5:1]", "[9:3:2,*]"])
def test_slices_of_fits(text):
    expected = ccdproc.utils.slices.slice_from_string(text, fits_convention=True)
    assert zeroframe.slice_from_string(text, fits_convention=True) == expected


@pytest.mark.parametrize("text", ["1:5", "[1:5", "[a:b]", "[0:5]", "[1:-5]", "[1:2:3:4]"])
def test_slices_that_are_none(text):
    with pytest.raises(ValueError, match=r"bracket|range|counts"):
        zeroframe.slice_from_string(text, fits_convention=True)


@pytest.mark.parametrize(
    ("function", "words"),
    [(np.fliplr, {}), (ndimage.shift, {"shift": (1, -2), "order": 0}), (ndimage.rotate, {"angle": 90.0})],
)
def test_transform_image(function, words):
    mask = np.random.default_rng(3).random((23, 31)) > 0.9
    own = frame(uncertainty=StdDevUncertainty(np.full((23, 31), 2.0)), mask=mask)
    found, expected = (package.transform_image(own, function, **words) for package in (zeroframe, ccdproc))
    np.testing.assert_array_equal(found.data, expected.data)
    np.testing.assert_array_equal(found.mask, expected.mask)
    np.testing.assert_array_equal(found.uncertainty.array, expected.uncertainty.array)
    assert found.meta["TRANSFRM"] == function.__name__
    own.wcs = WCS(naxis=2)
    with pytest.warns(AstropyUserWarning, match="WCS information may be incorrect"):
        zeroframe.transform_image(own, function, **words)
    with pytest.raises(TypeError, match="it must be a function"):
        zeroframe.transform_image(own, 3)


def test_filters():
    own = frame(seed=4, mask=np.zeros((23, 31), bool))
    found, expected = (package.median_filter(own, size=(3, 5)) for package in (zeroframe, ccdproc))
    np.testing.assert_array_equal(found.data, expected.data)
    assert found.unit == "adu"
    assert found.mask is None
    np.testing.assert_array_equal(zeroframe.median_filter(own.data, 3), ndimage.median_filter(own.data, 3))
    values = np.random.default_rng(5).normal(0, 3, (31, 17))
    for axis in (None, 0, 1):
        np.testing.assert_array_equal(zeroframe.sigma_func(values, axis=axis), ccdproc.sigma_func(values, axis=axis))


@pytest.mark.parametrize("box", [1, 2, 5, 8, 13])
def test_noise_of_surroundings(box):
    values = np.random.default_rng(box).normal(0, 3, (31, 17))
    for name in ("background_deviation_box", "background_deviation_filter"):
        found, expected = (getattr(package, name)(values, box) for package in (zeroframe, ccdproc))
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
        with pytest.raises(ValueError, match="bbox is 0"):
            getattr(zeroframe, name)(values, 0)


@pytest.mark.parametrize("shape", [(10, 10), (46, 62), (23, 93), (7, 5)])
def test_rebin(shape):
    own = frame(uncertainty=StdDevUncertainty(np.random.default_rng(1).random((23, 31))), mask=np.eye(23, 31) > 0)
    with pytest.warns(AstropyDeprecationWarning):
        found, expected = (package.rebin(own, shape) for package in (zeroframe, ccdproc))
    np.testing.assert_array_equal(found.data, expected.data[: shape[0], : shape[1]])
    np.testing.assert_array_equal(found.mask, expected.mask[: shape[0], : shape[1]])
    np.testing.assert_array_equal(found.uncertainty.array, expected.uncertainty.array[: shape[0], : shape[1]])


# --- headers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("meta", [{}, fits.Header()])
def test_what_is_written_into_the_header(meta):
    own = frame(meta=meta)
    bias = frame(2)
    key = zeroframe.Keyword("SKYLEVEL", unit=u.adu, value=12.5)
    found = zeroframe.subtract_bias(own, bias, add_keyword=key).meta["SKYLEVEL"]
    assert (found == 12.5) if isinstance(meta, fits.Header) else (found == 12.5 * u.adu)
    text = zeroframe.Keyword("FILTER", value="V")
    assert zeroframe.subtract_bias(own, bias, add_keyword=text).meta["FILTER"] == "V"
    named = zeroframe.subtract_bias(own, bias, add_keyword="bias_is_subtracted").meta
    assert named["bias_is_subtracted"] is None or isinstance(named["bias_is_subtracted"], fits.card.Undefined)
    with zeroframe.conf.set_temp("auto_logging", False):
        assert len(zeroframe.subtract_bias(own, bias).meta) == 0
    assert "ZEROCOR" in zeroframe.subtract_bias(own, bias).meta
    for error in (TypeError, AttributeError):
        with pytest.raises(error, match="add_keyword must be"):
            zeroframe.subtract_bias(own, bias, add_keyword=15)


def test_a_function_of_ones_own_is_logged():
    @zeroframe.log_to_metadata
    def brightened(ccd, by=1.0):
        return CCDData(ccd.data + by, unit=ccd.unit, meta=fits.Header())

    assert brightened(frame(), by=3).meta["HIERARCH brightened"] == "ccd=<CCDData>, by=3"
    assert len(brightened(frame(), by=3, add_keyword=False).meta) == 0


# --- exceptions ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call",
    [
        lambda: zeroframe.subtract_bias(frame(), CCDData(frame().data, unit="m")),
        lambda: zeroframe.subtract_dark(frame(), CCDData(frame().data, unit="m"), 3 * u.s, 3 * u.s),
        lambda: zeroframe.create_deviation(frame(), gain=2 * u.electron, readnoise=5 * u.electron),
        lambda: zeroframe.gain_correct(CCDData(frame().data, unit="electron"), 2 * u.electron / u.adu),
        lambda: zeroframe.cosmicray_lacosmic(frame(), gain=2 * u.adu / u.electron),
        lambda: zeroframe.flat_correct(frame(), frame(2), norm_value=3 * u.s),
        lambda: zeroframe.subtract_dark(frame(), frame(2), 3 * u.m, 3 * u.m),
    ],
)
def test_units_that_do_not_fit_are_astropys_error_and_ours(call):
    with pytest.raises(u.UnitsError) as caught:
        call()
    assert isinstance(caught.value, UnitError)


def test_collections_raise_what_notebooks_catch(tmp_path):
    with pytest.raises(FileNotFoundError, match="is not there"):
        zeroframe.ImageFileCollection(tmp_path / "none")
    fits.writeto(tmp_path / "a.fits", np.ones((2, 3), np.float32))
    files = zeroframe.ImageFileCollection(tmp_path)
    with pytest.raises(OSError, match="is not a folder"):
        files.data(save_location=tmp_path / "none")
    with pytest.raises(NotImplementedError):
        files.ccds(overwrite=True)
    with pytest.deprecated_call(), pytest.raises(NotImplementedError):
        files.ccds(clobber=True)
    for keys in (None, [], ""):
        with pytest.raises(ValueError, match="sort needs"):
            files.sort(keys)
    (tmp_path / "a.fits").unlink()
    with pytest.raises(FileNotFoundError, match="no such file"):
        next(files.data())
    with pytest.raises(FileNotFoundError, match="no such file"):
        zeroframe.read_ccd(tmp_path / "a.fits")


def test_a_line_of_pixels_as_the_overscan():
    own = frame(seed=9)
    for line, axis in ((own[:, 1], 0), (own[2], 0)):
        found = zeroframe.subtract_overscan(own, overscan=line, overscan_axis=axis)
        np.testing.assert_allclose(found.data, own.data - line.data.mean(), rtol=1e-12)
        found = zeroframe.subtract_overscan(own, overscan=line, overscan_axis=axis, median=True)
        np.testing.assert_allclose(found.data, own.data - np.median(line.data), rtol=1e-12)
    expected = ccdproc.subtract_overscan(own, overscan=own[:, 1], overscan_axis=0)
    np.testing.assert_allclose(
        zeroframe.subtract_overscan(own, overscan=own[:, 1], overscan_axis=0).data, expected.data, rtol=1e-12
    )
    with pytest.raises(TypeError, match="one axis and overscan_axis is 1"):
        zeroframe.subtract_overscan(own, overscan=own[:, 1], overscan_axis=1)


@pytest.mark.parametrize("kind", [StdDevUncertainty, VarianceUncertainty, InverseVariance])
def test_uncertainties_of_every_kind_are_read(tmp_path, kind):
    own = frame(uncertainty=kind(np.random.default_rng(2).uniform(1.0, 9.0, (23, 31))), mask=np.eye(23, 31) > 0)
    own.write(tmp_path / "a.fits")
    expected = CCDData.read(tmp_path / "a.fits")
    looped = next(zeroframe.ImageFileCollection(tmp_path).ccds())
    for found in (zeroframe.read_ccd(tmp_path / "a.fits"), looped):
        assert type(found.uncertainty) is type(expected.uncertainty) is kind
        np.testing.assert_array_equal(found.uncertainty.array, expected.uncertainty.array)
        assert found.uncertainty.unit == expected.uncertainty.unit
        np.testing.assert_array_equal(found.mask, expected.mask)


def test_an_uncertainty_that_nobody_knows_is_said(tmp_path):
    fits.HDUList(
        [
            fits.PrimaryHDU(np.ones((2, 3), np.float32), fits.Header([("BUNIT", "adu")])),
            fits.ImageHDU(np.ones((2, 3), np.float32), fits.Header([("UTYPE", "Guess")]), name="UNCERT"),
        ]
    ).writeto(tmp_path / "a.fits")
    with pytest.warns(AstropyUserWarning, match="uncertainty of the kind 'Guess' is not known"):
        assert zeroframe.read_ccd(tmp_path / "a.fits").uncertainty is None
    with pytest.raises(UsageError, match="norm_value must be above zero"):
        zeroframe.flat_correct(frame(), frame(2), norm_value=-7)


# --- the pages -------------------------------------------------------------------------------------------------------

DOCS = Path(__file__).resolve().parents[2] / "docs"
#: Arguments that ccdproc's functions take and ours take by other means, or not at all, as docs/ccdproc.md says.
ELSEWHERE = {("median_filter", "data"), ("Combiner.sigma_clipping", "use_astropy")}


def callables_of_ccdproc():
    for name in dir(ccdproc):
        thing = getattr(ccdproc, name)
        if name.startswith("_") or not callable(thing) or not thing.__module__.startswith("ccdproc"):
            continue
        if inspect.isclass(thing):
            yield name, thing.__init__
            yield from (
                (f"{name}.{inner}", method)
                for inner, method in vars(thing).items()
                if not inner.startswith("_") and inspect.isfunction(method)
            )
        else:
            yield name, thing


@pytest.mark.parametrize("name", [name for name, _ in callables_of_ccdproc() if name != "Conf"])
def test_every_argument_of_ccdproc_is_taken(name):
    theirs = dict(callables_of_ccdproc())[name]
    ours = zeroframe
    for part in name.split("."):
        ours = getattr(ours, part)
    known = inspect.signature(ours).parameters
    if any(each.kind is each.VAR_KEYWORD for each in known.values()) and name != "combine":
        return
    wanted = [
        word
        for word, each in inspect.signature(theirs).parameters.items()
        if each.kind not in (each.VAR_KEYWORD, each.VAR_POSITIONAL) and word != "self" and (name, word) not in ELSEWHERE
    ]
    assert [word for word in wanted if word not in known] == []


def test_the_page_names_every_function_and_argument():
    page = (DOCS / "ccdproc.md").read_text(encoding="utf-8")
    for name, theirs in callables_of_ccdproc():
        if name == "Conf":
            continue
        row = re.search(rf"^\| `{re.escape(name)}` \| (.*) \| .* \|$", page, re.MULTILINE)
        assert row, name
        named = set(re.findall(r"`\**(\w+)`", row[1]))
        assert named == {*inspect.signature(theirs).parameters} - {"self"}, name


@pytest.mark.parametrize(
    "task", ["noao/imred/ccdred/ccdproc", "noao/imred/ccdred/combine", "pkg/images/immatch/imcombine"]
)
def test_the_page_for_those_who_come_from_iraf_names_every_parameter(task):
    path = Path("/usr/lib/iraf", f"{task}.par")
    if not path.is_file():
        pytest.skip("IRAF is not installed")
    words = re.findall(r"^(\w+),", path.read_text(encoding="latin-1"), re.MULTILINE)
    page = (DOCS / "iraf.md").read_text(encoding="utf-8")
    assert len(words) > 20
    assert [word for word in words if word != "mode" and f"`{word}`" not in page] == []
