"""A flat whose last rows were never read leaves no step in the combined flat, whatever the light is like there.

The truth is the light that is drawn.
"""

import numpy as np
import pytest
from astropy.io import fits

import zeroframe

NY, NX, LIGHT, FLATS = 240, 200, 40000.0, 5


@pytest.mark.parametrize("unread", [12, 48])
@pytest.mark.parametrize("seed", [1, 2])
def test_rows_that_one_flat_lacks_have_the_level_of_the_others(tmp_path, unread, seed):
    raw = tmp_path / "raw"
    raw.mkdir()
    chance = np.random.default_rng(seed)
    y, x = np.mgrid[:NY, :NX]
    shape = 1.0 - 0.4 * ((y - NY / 2) / NY) ** 2 - 0.2 * ((x - NX / 2) / NX) ** 2
    for number in range(4 + FLATS):
        kind = "bias" if number < 4 else "flat"
        image = chance.normal(900, 3, (NY, NX))
        if kind == "flat":
            image += chance.poisson(LIGHT * shape)
        if number == 6:
            image[-unread:] = 0
        header = fits.Header({"IMAGETYP": kind, "EXPTIME": 2.0 * (kind == "flat"), "FILTER": "R", "BUNIT": "adu"})
        hdu = fits.PrimaryHDU(image.round().astype(np.uint16), header)
        hdu.writeto(raw / f"{kind}{number}.fits")
    made = zeroframe.night(raw, tmp_path / "out", report=False, workers=1)
    assert [each for each in made.findings if "flat6.fits" in each.sentence and "never read" in each.sentence]
    response = fits.getdata(tmp_path / "out" / "combined_flat_R.fits") / shape
    step = np.mean(response[-unread:]) / np.mean(response[:-unread]) - 1.0
    error = 1.0 / np.sqrt((FLATS - 1) * LIGHT * shape[-unread:].sum()) + 1.0 / np.sqrt(
        FLATS * LIGHT * NX * (NY - unread)
    )
    assert abs(step) < 5.0 * error + 3.0 * 3.0 / LIGHT / np.sqrt(4 * unread * NX)
