"""What flats of different levels and exposures share with a science frame, in whole nights of known truth."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits

import zeroframe

SHAPE = 240, 320
READ_NOISE, GAIN, PEDESTAL = 12.0, 1.0, 800.0


def written(folder, name, kind, exposure_s, adu):
    cards = {"IMAGETYP": kind, "EXPTIME": exposure_s, "FILTER": "V", "GAIN": GAIN, "RDNOISE": READ_NOISE * GAIN}
    folder.mkdir(parents=True, exist_ok=True)
    words = np.clip(np.rint(adu), 0, 65535).astype(np.uint16)
    fits.PrimaryHDU(words, fits.Header({**cards, "BUNIT": "adu"})).writeto(folder / name)


def chi_square(
    folder, levels, exposures, sky, *, biases=2, darks=3, seed=1, method="average", bias="always", exposure_s=60.0
):
    """Reduce a night of few biases and faint flats; return the mean of (error / UNCERT) ** 2, and the flat's header."""
    random = np.random.default_rng(seed)
    response = 1.0 + 0.02 * random.standard_normal(SHAPE)
    response /= response.mean()
    rate = 0.5

    def frame(light, exposure_s):
        return (
            PEDESTAL
            + random.poisson(light * response + rate * exposure_s) / GAIN
            + random.normal(0.0, READ_NOISE, SHAPE)
        )

    raw = folder / "raw"
    for number in range(biases):
        written(raw, f"b{number}.fits", "bias", 0.0, frame(0.0, 0.0))
    for number in range(darks):
        written(raw, f"d{number}.fits", "dark", 60.0, frame(0.0, 60.0))
    for number, (level, exposure_s) in enumerate(zip(levels, exposures, strict=True)):
        written(raw, f"f{number}.fits", "flat", exposure_s, frame(level, exposure_s))
    written(raw, "s.fits", "object", exposure_s, frame(sky, exposure_s))
    recipe = folder / "night.toml"
    recipe.write_text(f'[steps]\nbias = "{bias}"\ncosmic_rays = "none"\n[flat]\nmethod = "{method}"\n')
    made = zeroframe.night(raw, folder / "out", recipe=recipe, report=False)
    assert made.is_good, [each.sentence for each in made.findings]
    with fits.open(folder / "out" / "s.fits") as hdus:
        error = hdus[0].data.astype(np.float64) - sky / GAIN
        sigma, mask = hdus["UNCERT"].data.astype(np.float64), hdus["MASK"].data if "MASK" in hdus else 0
    good = np.asarray(mask == 0) & np.ones(SHAPE, bool)
    header = fits.getheader(folder / "out" / "combined_flat_V.fits")
    return float(np.mean(np.square((error - error[good].mean())[good] / sigma[good]))), header


TWILIGHT = (2400.0, 1200.0, 600.0, 300.0), (2.0, 6.0, 18.0, 54.0)


@pytest.mark.parametrize("sky", [100.0, 400.0, 1200.0])
@pytest.mark.parametrize("method", ["average", "median"])
def test_flats_of_falling_level_and_rising_exposure(tmp_path, sky, method):
    found, header = chi_square(tmp_path, *TWILIGHT, sky, method=method)
    assert header["DARKPART"] != pytest.approx(2.0 / 60.0, rel=0.5)
    # the median is of flats whose common error, brought to one level, differs: it counts that as their scatter, too
    assert found == pytest.approx(1.0, abs=0.05 if method == "average" else 0.1)


def test_flats_that_are_alike_say_nothing(tmp_path):
    found, header = chi_square(tmp_path, (600.0, 603.0, 599.0, 601.0), (5.0,) * 4, 400.0)
    assert "DARKPART" not in header
    assert "ZEROPART" not in header
    assert found == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize(
    ("biases", "darks", "bias", "exposure_s"),
    [
        (2, 3, "always", 60.0),
        (3, 6, "always", 15.0),
        (10, 4, "always", 60.0),
        (3, 0, "always", 30.0),
        (3, 3, "auto", 60.0),
    ],
)
def test_the_errors_of_dark_and_flat_are_those_of_what_was_subtracted_too(tmp_path, biases, darks, bias, exposure_s):
    """The truth is a constant: pixels have no pattern but their response."""
    levels, exposures = (300.0, 310.0, 290.0, 300.0), (20.0 if bias == "always" else 60.0,) * 4
    how = {"biases": biases, "darks": darks, "seed": biases + darks, "bias": bias, "exposure_s": exposure_s}
    found, header = chi_square(tmp_path, levels, exposures, 400.0, **how)
    assert found == pytest.approx(1.0, abs=0.05)
    subtracted = [card for card in ("ZEROCOR", "DARKCOR") if card in header]
    assert header["UNCERTIN"].split() == subtracted
    assert header["GAINMEAS"] == pytest.approx(GAIN, rel=0.03)  # the noise of dark current is none of the lamp's
    assert len(subtracted) == (2 if darks and bias == "always" else 1)
    random = np.random.default_rng(biases + darks)
    response = 1.0 + 0.02 * random.standard_normal(SHAPE)
    truths = {"combined_dark_60s.fits": 30.0, "combined_flat_V.fits": response / response.mean()}
    for name, truth in truths.items() if darks else [*truths.items()][1:]:
        with fits.open(tmp_path / "out" / name) as hdus:
            error = hdus[0].data.astype(np.float64) - truth
            pulls = (error - error.mean()) / hdus["UNCERT"].data
            assert ("UNCERTIN" in hdus[0].header) == ("ZEROCOR" in hdus[0].header or "DARKCOR" in hdus[0].header)
        assert np.mean(np.square(pulls)) == pytest.approx(1.0, abs=0.05), name
