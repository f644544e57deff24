"""Amplifiers of a camera that takes no biases: its short darks tell them."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits

import zeroframe
from zeroframe.headers.survey import survey_tree
from zeroframe.inspection.sources import source_of
from zeroframe.inspection.unknown_layouts import found_in_pixels, short_darks_as_biases

HALF, TALL, STRIP = 130, 110, 24
GAINS, LEVELS = (1.4, 1.9, 1.5, 1.7), (900.0, 1060.0, 985.0, 1020.0)


def written(folder, *, amplifiers=4, seconds=(5.0, 120.0)):
    """A night of darks, flats and science frames; each row of amplifiers is image, strip, strip, image."""
    rng = np.random.default_rng(11)
    folder.mkdir()
    kinds = [("dark", seconds[0], 0.0)] * 4 + [("dark", seconds[1], 0.0)] * 3
    kinds += [("flat", 3.0, 20000.0)] * 4 + [("object", 120.0, 300.0)]
    for number, (kind, time, light) in enumerate(kinds):
        rows = []
        for row in (0, 1):
            parts = []
            for column in (0, 1):
                which = 2 * row + column if amplifiers == 4 else 0
                level = LEVELS[which] + rng.normal(0.0, 1.0)
                seen = rng.poisson(np.full((TALL, HALF), light * 1.5 + 0.02 * time)) / GAINS[which]
                blind = [np.zeros((TALL, STRIP))] if amplifiers == 4 else []
                own = np.hstack([seen, *blind] if column == 0 else [*blind, seen])
                parts.append(own + rng.normal(level if amplifiers == 4 else 950.0, 3.5, own.shape))
            rows.append(np.hstack(parts))
        header = fits.Header({"IMAGETYP": kind, "EXPTIME": time, "INSTRUME": "four"})
        header["DATE-OBS"] = f"2021-01-01T03:{number:02d}:00"
        fits.writeto(folder / f"x{number:02d}.fits", np.vstack(rows).round().astype(np.uint16), header)
    return folder


def test_four_amplifiers_are_told_and_measured(tmp_path):
    raw = written(tmp_path / "raw")
    found = found_in_pixels(list(survey_tree(raw)))
    right = HALF + 2 * STRIP + 1
    columns, rows = [f"1:{HALF}", f"{right}:{right + HALF - 1}"], [f"1:{TALL}", f"{TALL + 1}:{2 * TALL}"]
    assert [str(each.trim) for each in found.detector.amplifiers] == [f"[{x},{y}]" for y in rows for x in columns]
    zeroframe.night(raw, tmp_path / "out", report=False)
    with fits.open(tmp_path / "out" / "x11.fits") as hdus:
        pixels, error = hdus[0].data, hdus["UNCERT"].data
    assert pixels.shape == (2 * TALL, 2 * HALF)
    for y, x in ((0, 0), (0, 1), (1, 0), (1, 1)):
        part = slice(y * TALL + 3, (y + 1) * TALL - 3), slice(x * HALF + 3, (x + 1) * HALF - 3)
        noise = np.diff(pixels[part], axis=1).std() / np.hypot(error[part][:, 1:], error[part][:, :-1]).mean()
        assert noise == pytest.approx(1.0, abs=0.06)


@pytest.mark.parametrize(("amplifiers", "seconds"), [(1, (5.0, 120.0)), (4, (60.0, 120.0))])
def test_one_amplifier_is_one_and_long_darks_tell_nothing(tmp_path, recwarn, amplifiers, seconds):
    assert found_in_pixels(list(survey_tree(written(tmp_path / "raw", amplifiers=amplifiers, seconds=seconds)))) is None
    assert not [each for each in recwarn if "not certain from the pixels" in str(each.message)]


def test_biases_are_biases_where_there_are_some(tmp_path):
    raw = written(tmp_path / "raw")
    with fits.open(raw / "x00.fits", mode="update") as hdus:
        hdus[0].header["IMAGETYP"] = "bias"
    sources = [source for source in map(source_of, survey_tree(raw)) if source is not None]
    assert short_darks_as_biases(sources) == sources
