"""Frames without any value among those that are combined: named, left out, and the result is that of the others."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import CCDData

import zeroframe
from workbench import command, header_of, pixels_of

SHAPE, LEVEL, NOISE_ADU = (96, 120), 1000.0, 4.0
EMPTY = ["NaN", "infinite", "masked"]
LIGHT = {"bias": 0.0, "dark": 20.0, "flat": 20000.0, "object": 300.0}


def _write(folder, kind, count, seed=1):
    random = np.random.default_rng(seed)
    paths = []
    for number in range(count):
        light = random.poisson(LIGHT[kind], SHAPE)
        image = (random.normal(LEVEL, NOISE_ADU, SHAPE) + light).astype(np.float32)
        header = fits.Header({"IMAGETYP": kind, "EXPTIME": float(kind != "bias"), "BUNIT": "adu", "FILTER": "V"})
        fits.PrimaryHDU(image, header).writeto(folder / f"{kind}{number}.fits")
        paths.append(folder / f"{kind}{number}.fits")
    return paths


def _emptied(path, how, part=slice(None)):
    with fits.open(path, mode="update") as hdus:
        if how == "masked":
            mask = np.zeros(SHAPE, np.uint8)
            mask[part] = 1
            hdus.append(fits.ImageHDU(mask, name="MASK"))
        else:
            hdus[0].data[part] = np.nan if how == "NaN" else np.inf
    return path


@pytest.mark.parametrize("how", EMPTY)
@pytest.mark.parametrize("kind", LIGHT)
@pytest.mark.parametrize("place", [0, 2])
def test_the_result_is_that_of_the_others(kind, how, place, tmp_path):
    paths = _write(tmp_path, kind, 4)
    _emptied(paths[place], how)
    done = command("combine", *paths, "-o", tmp_path / "with.fits")
    others = [path for number, path in enumerate(paths) if number != place]
    assert command("combine", *others, "-o", tmp_path / "without.fits").code == 0
    assert done.code == 0
    assert re.search(rf"left out: \S*{kind}{place}.fits: none of its pixels has a value \(ZF203\)", done.out)
    for ext in (0, "UNCERT"):
        assert np.array_equal(*(pixels_of(tmp_path / name, ext) for name in ("with.fits", "without.fits")))
    assert header_of(tmp_path / "with.fits")["NCOMBINE"] == 3
    expected = np.sqrt((NOISE_ADU**2 + LIGHT[kind]) / 3)
    assert np.median(pixels_of(tmp_path / "with.fits", "UNCERT")) == pytest.approx(expected, rel=0.05)


def test_nothing_is_made_of_empty_frames_alone(tmp_path):
    paths = [_emptied(path, "NaN") for path in _write(tmp_path, "bias", 3)]
    done = command("combine", *paths, "-o", tmp_path / "out.fits")
    assert done.code == 2
    assert "no frame has a value in any of its pixels" in " ".join(done.out.split())
    assert "All is well" not in done.out
    assert not (tmp_path / "out.fits").exists()


@pytest.mark.parametrize(("kind", "code"), [("bias", 1), ("flat", 1), ("object", 0)])
def test_a_calibration_frame_that_is_empty_in_part_is_named(kind, code, tmp_path):
    """As in a night; frames of the sky may have been moved to one place, so that each ends elsewhere."""
    paths = _write(tmp_path, kind, 4)
    _emptied(paths[1], "NaN", slice(0, SHAPE[0] // 3))
    done = command("combine", *paths, "-o", tmp_path / "out.fits")
    assert done.code == code
    assert ("of its pixels are not finite" in " ".join(done.out.split())) == bool(code)
    assert header_of(tmp_path / "out.fits")["NCOMBINE"] == 4


def _frames(count=3):
    random = np.random.default_rng(3)
    return [
        CCDData(random.normal(LEVEL, NOISE_ADU, SHAPE), unit="adu", meta={"NUMBER": number}) for number in range(count)
    ]


def _empty(kind="NaN"):
    frame = CCDData(np.full(SHAPE, np.nan if kind == "NaN" else 5.0), unit="adu", meta={"NUMBER": 99})
    if kind == "masked":
        frame.mask = np.ones(SHAPE, bool)
    return frame


@pytest.mark.parametrize("kind", ["NaN", "masked"])
@pytest.mark.parametrize("words", [
    {}, {"combine_uncertainty_function": "pooled"}, {"scale": "median"}, {"zero": "mean", "method": "median"},
    {"scale": np.median}, {"scale": [9.0, 1.0, 1.1, 1.0], "weights": [7.0, 1.0, 2.0, 1.0]},
])  # fmt: skip
def test_the_verb_says_so_and_combines_the_others(kind, words):
    frames = _frames()
    with pytest.warns(zeroframe.AssumptionWarning, match="frame 1: none of its pixels has a value; left out"):
        found = zeroframe.combine([_empty(kind), *frames], **words)
    known = zeroframe.combine(frames, **{
        name: value[1:] if isinstance(value, list) else value for name, value in words.items()
    })  # fmt: skip
    assert np.array_equal(found.data, known.data)
    assert np.array_equal(found.uncertainty.array, known.uncertainty.array)
    assert (found.meta["NCOMBINE"], found.meta["NUMBER"]) == (3, 0)


def test_the_verb_says_so_of_files_and_where_all_are_empty(tmp_path):
    paths = _write(tmp_path, "bias", 3)
    _emptied(paths[2], "NaN")
    with pytest.warns(zeroframe.AssumptionWarning, match="bias2.fits: none of its pixels has a value; left out"):
        assert zeroframe.combine(paths).meta["NCOMBINE"] == 2
    with pytest.warns(zeroframe.AssumptionWarning, match="frame 1, frame 2: none of their pixels has a value"):
        assert zeroframe.combine([_empty(), _empty()]).mask.all()


def test_one_pixel_is_a_value():
    lone = _empty()
    lone.data[3, 5] = LEVEL
    with warnings.catch_warnings():
        warnings.simplefilter("error", zeroframe.AssumptionWarning)
        assert zeroframe.combine([*_frames(), lone]).meta["NCOMBINE"] == 4
