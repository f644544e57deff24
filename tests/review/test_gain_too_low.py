"""A stated gain a tenth too low, with flats of one level: fainter frames tell it from a response that bends."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits

from zeroframe import night

SHAPE, GAIN, READ_ADU = (200, 240), 1.5, 4.0


def told(folder, stated, *, bend=0.0, sky_e=300.0):
    """Reduce a night of one sensor; return what is said of ZF305, and chi-square of a science frame."""
    raw, chance = folder / "raw", np.random.default_rng(3)
    raw.mkdir()
    for kind, light, exposure, count in (("bias", 0.0, 0.0, 5), ("flat", 40000.0, 5.0, 6), ("object", sky_e, 60.0, 2)):
        for number in range(count):
            adu = chance.poisson(light, SHAPE) / GAIN
            adu = adu * (1.0 - bend * adu / 30000.0)  # falls short of light more and more
            strip = 1000.0 + chance.normal(0.0, READ_ADU, (SHAPE[0], 24))
            pixels = np.hstack([1000.0 + adu + chance.normal(0.0, READ_ADU, SHAPE), strip])
            cards = [("IMAGETYP", kind), ("EXPTIME", exposure), ("GAIN", stated), ("FILTER", "V"), ("INSTRUME", "T")]
            cards += [("BIASSEC", "[241:264,1:200]"), ("TRIMSEC", "[1:240,1:200]")]
            fits.writeto(raw / f"{kind}{number}.fits", np.rint(pixels).astype(np.uint16), fits.Header(cards))
    made = night(raw, folder / "out", report=False)
    with fits.open(folder / "out" / "object0.fits") as found:
        image = found[0].data.astype(np.float64)
        chi = np.square((image - image.mean()) / found["UNCERT"].data).mean()
    return [each for each in made.findings if each.code == "ZF305"], chi


@pytest.mark.parametrize("sky_e", [300.0, 10000.0])
def test_it_is_told_where_both_say_so(tmp_path, sky_e):
    (finding,), chi = told(tmp_path, 0.88 * GAIN, sky_e=sky_e)
    assert chi < 0.92
    assert finding.severity == "warning"
    assert "1.32 was used" in finding.sentence
    assert "fainter science frames have 0.9" in finding.sentence


@pytest.mark.parametrize(("stated", "bend"), [(GAIN, 0.0), (0.97 * GAIN, 0.0), (GAIN, 0.035)])
def test_a_gain_that_is_right_is_kept_in_peace(tmp_path, stated, bend):
    findings, chi = told(tmp_path, stated, bend=bend)
    assert chi == pytest.approx(1.0, abs=0.04)
    assert findings == []


def test_frames_of_the_level_of_the_flats_say_nothing(tmp_path):
    findings, _ = told(tmp_path, 0.88 * GAIN, sky_e=36000.0)
    assert findings == []
