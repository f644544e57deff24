"""An amplifier that is blind, or was not read, is named and masked; the others are calibrated as if it were not there.

The truth is what is drawn: each amplifier has its own gain and level, and the light of the sky.
"""

import numpy as np
import pytest
from astropy.io import fits

import zeroframe
from zeroframe.frames.mask_bits import MaskBit

NY, WIDTH, STRIP = 120, 64, 16
SKY, FLAT = 400.0, 24000.0  # electrons
GAINS = (1.2, 1.5, 1.8, 1.35)


def images(chance, light_e, amplifiers, silent, what, kind):
    drift = chance.normal(0, 2)
    for number in range(amplifiers):
        image = np.zeros((NY, WIDTH + STRIP))
        blind = number == silent and what == "blind"
        image[:, :WIDTH] = chance.poisson(0.0 if blind else light_e, (NY, WIDTH)) / GAINS[number]
        image += 900 + 50 * number + drift + chance.normal(0, 3.0, image.shape)
        if number == silent and (isinstance(what, int) or (what == "not read in flats" and kind == "flat")):
            image[:] = what if isinstance(what, int) else 0
        yield np.clip(np.rint(image), 0, 65535).astype(np.uint16)


def write(path, chance, kind, exposure_s, light_e, amplifiers, silent, what):
    header = fits.Header({"IMAGETYP": kind, "EXPTIME": exposure_s, "INSTRUME": "drawn", "FILTER": "R", "BUNIT": "adu"})
    hdus = [fits.PrimaryHDU(None, header)]
    for number, image in enumerate(images(chance, light_e, amplifiers, silent, what, kind)):
        left, gain = number * WIDTH, GAINS[number]
        hdus.append(fits.ImageHDU(image, fits.Header({
            "EXTNAME": f"IM{number + 1}", "CCDNAME": "chip", "AMPNAME": f"A{number + 1}",
            "DETSEC": f"[{left + 1}:{left + WIDTH},1:{NY}]", "DETSIZE": f"[1:{amplifiers * WIDTH},1:{NY}]",
            "DATASEC": f"[1:{WIDTH},1:{NY}]", "BIASSEC": f"[{WIDTH + 1}:{WIDTH + STRIP},1:{NY}]",
            "GAIN": gain, "RDNOISE": 3.0 * gain,
        })))  # fmt: skip
    fits.HDUList(hdus).writeto(path)


def night(folder, seed, amplifiers, silent, what):
    raw = folder / "raw"
    raw.mkdir(parents=True)
    chance = np.random.default_rng(seed)
    for kind, count, exposure_s, light_e in (("bias", 4, 0, 0), ("flat", 5, 2, FLAT), ("object", 2, 60, SKY)):
        for number in range(count):
            write(raw / f"{kind}{number}.fits", chance, kind, exposure_s, light_e, amplifiers, silent, what)
    return zeroframe.night(raw, folder / "out", report=False, workers=1)


CASES = [(2, 1, "blind"), (4, 2, "blind"), (4, 0, 0), (2, 1, 65535), (3, 2, "not read in flats")]


@pytest.mark.filterwarnings("ignore::zeroframe.errors.HeaderWarning")
@pytest.mark.parametrize(("amplifiers", "silent", "what"), CASES)
def test_it_is_named_and_the_others_are_right(tmp_path, amplifiers, silent, what):
    made = night(tmp_path, amplifiers + silent, amplifiers, silent, what)
    said = [each for each in made.findings if f"A{silent + 1}" in each.sentence]
    codes = {each.code for each in made.findings}
    expected = {"blind": "ZF206", "not read in flats": "ZF204"}.get(what, "ZF205")
    assert expected in {each.code for each in said}, made.findings
    # it is said once: no mask, no frame and no flat is complained of for that amplifier
    assert not codes & {"ZF406", "ZF414"}, made.findings
    assert ("ZF404" in codes) == (what == "not read in flats")  # what works in science frames is lost there
    # nothing is said of the amplifiers that work, and nothing that is not so
    assert not codes & {"ZF101", "ZF102", "ZF202", "ZF203", "ZF401", "ZF403", "ZF408", "ZF409", "ZF604"}, made.findings
    living = [number for number in range(amplifiers) if number != silent]
    with fits.open(tmp_path / "out" / "object0.fits") as hdus:
        image, sigma, mask = hdus[0].data, hdus["UNCERT"].data, hdus["MASK"].data
    parts = [np.s_[:, number * WIDTH : (number + 1) * WIDTH] for number in range(amplifiers)]
    assert (mask[parts[silent]] != 0).all()
    # over a flat of even light, each pixel has the level of the mean of the amplifiers that have one
    level = SKY * np.mean([1.0 / GAINS[number] for number in living])
    for number in living:
        error = 3.0 * np.sqrt(SKY / WIDTH / NY) / np.mean(GAINS) + level * 3.0 / np.sqrt(5 * FLAT * NY * WIDTH) + 0.5
        assert image[parts[number]].mean() == pytest.approx(level, abs=error)
        assert (mask[parts[number]] != 0).mean() < 0.005
        pulls = (image[parts[number]] - image[parts[number]].mean()) / sigma[parts[number]]
        assert np.square(pulls).mean() == pytest.approx(1.0, abs=0.1)


@pytest.mark.filterwarnings("ignore::zeroframe.errors.HeaderWarning")
def test_where_all_work_nothing_is_said(tmp_path):
    made = night(tmp_path, 3, 4, -1, "")
    assert [each for each in made.findings if each.severity != "note"] == []


@pytest.mark.filterwarnings("ignore::zeroframe.errors.HeaderWarning")
def test_a_second_run_says_the_same(tmp_path):
    first = night(tmp_path, 5, 2, 1, "blind")
    second = zeroframe.night(tmp_path / "raw", tmp_path / "out", report=False, workers=1)
    assert (
        {each.sentence for each in first.findings if each.code == "ZF206"}
        == {each.sentence for each in second.findings if each.code == "ZF206"}
        != set()
    )


@pytest.mark.filterwarnings("ignore::zeroframe.errors.HeaderWarning")
def test_an_amplifier_that_is_full_was_read(tmp_path):
    """A frame that is saturated all over, beside a strip with a level of its own, is no amplifier that was not read."""
    raw = tmp_path / "raw"
    raw.mkdir()
    chance = np.random.default_rng(8)
    for number in range(3):
        write(raw / f"bias{number}.fits", chance, "bias", 0, 0, 2, -1, "")
    write(raw / "object0.fits", chance, "object", 60, 4e5, 2, -1, "")
    zeroframe.night(raw, tmp_path / "out", report=False, workers=1)
    with fits.open(tmp_path / "out" / "object0.fits") as hdus:
        assert (hdus["MASK"].data & MaskBit.SATURATED != 0).all()
        assert hdus[0].header["NUNREAD"] == 0
