"""Extensions in another order give the same results, to the bit; a file that lacks one is refused by name.

The truth is the same night with all files written alike.
"""

import numpy as np
import pytest
from astropy.io import fits

import zeroframe

NY, WIDTH, STRIP, AMPLIFIERS = 60, 48, 12, 4
KINDS = {"bias": (4, 0, 0), "flat": (3, 2, 20000), "object": (2, 60, 300)}


def hdus_of(seed, kind, exposure_s, light):
    chance = np.random.default_rng(seed)
    header = fits.Header({"IMAGETYP": kind, "EXPTIME": exposure_s, "INSTRUME": "drawn", "FILTER": "R", "BUNIT": "adu"})
    yield fits.PrimaryHDU(None, header)
    for number in range(AMPLIFIERS):
        image = np.zeros((NY, WIDTH + STRIP))
        image[:, :WIDTH] = chance.poisson(light, (NY, WIDTH)) / (1.2 + 0.1 * number)
        image += 800 + 90 * number + chance.normal(0, 3, image.shape)
        left = number * WIDTH
        yield fits.ImageHDU(image.round().astype(np.uint16), fits.Header({
            "EXTNAME": f"IM{number + 1}", "CCDNAME": "chip", "AMPNAME": f"A{number + 1}",
            "DETSEC": f"[{left + 1}:{left + WIDTH},1:{NY}]", "DETSIZE": f"[1:{AMPLIFIERS * WIDTH},1:{NY}]",
            "DATASEC": f"[1:{WIDTH},1:{NY}]", "BIASSEC": f"[{WIDTH + 1}:{WIDTH + STRIP},1:{NY}]",
            "GAIN": 1.2 + 0.1 * number, "RDNOISE": 3.0 * (1.2 + 0.1 * number),
        }))  # fmt: skip


def night(folder, order, only=None, **options):
    """Write a night; ``order`` says in which order the extensions of which files stand, ``only`` which they have."""
    raw = folder / "raw"
    raw.mkdir(parents=True)
    seed = 0
    for kind, (count, exposure_s, light) in KINDS.items():
        for number in range(count):
            seed += 1
            name = f"{kind}{number}.fits"
            first, *images = hdus_of(seed, kind, exposure_s, light)
            chosen = (only or {}).get(name, (only or {}).get(kind, range(AMPLIFIERS)))
            images = [images[place] for place in order.get(name, order.get(kind, range(AMPLIFIERS))) if place in chosen]
            fits.HDUList([first, *images]).writeto(raw / name)
    return zeroframe.night(raw, folder / "out", report=False, workers=1, **options)


def pixels(out):
    found = {}
    for path in sorted(out.glob("*.fits")):
        with fits.open(path) as hdus:
            found[path.name] = [hdu.data.tobytes() for hdu in hdus if hdu.is_image and hdu.data is not None]
    return found


@pytest.fixture(scope="module")
def alike(tmp_path_factory):
    """Results of the night whose files are all written alike."""
    folder = tmp_path_factory.mktemp("alike")
    night(folder, {})
    return folder / "out"


ORDERS = [{"object": (3, 2, 1, 0)}, {"bias1.fits": (1, 0, 3, 2), "flat": (2, 3, 0, 1)}, {"flat0.fits": (3, 0, 1, 2)}]


@pytest.mark.parametrize("order", ORDERS)
def test_the_order_in_a_file_changes_nothing(tmp_path, alike, order):
    made = night(tmp_path / "turned", order)
    assert [each for each in made.findings if each.severity != "note"] == []
    assert pixels(tmp_path / "turned" / "out") == pixels(alike)


def test_nor_where_amplifiers_are_kept_apart(tmp_path):
    recipe = tmp_path / "apart.toml"
    recipe.write_text("[frames]\nkeep_amplifiers = true\n")
    night(tmp_path / "alike", {}, recipe=recipe)
    night(tmp_path / "turned", ORDERS[1], recipe=recipe)
    assert pixels(tmp_path / "turned" / "out") == pixels(tmp_path / "alike" / "out")


@pytest.mark.parametrize(("name", "lost"), [("bias2.fits", 1), ("bias0.fits", 0), ("object1.fits", 3)])
def test_a_file_that_lacks_one_is_named_with_it(tmp_path, alike, name, lost):
    left = [number for number in range(AMPLIFIERS) if number != lost]
    made = night(tmp_path / "short", {}, {name: left})
    (said,) = [each for each in made.findings if each.severity == "error"]
    assert said.code == "ZF101"
    assert name in said.sentence
    assert f"[{lost * WIDTH + 1}:{(lost + 1) * WIDTH},1:{NY}] of the detector to A{lost + 1}, " in said.sentence
    # no other product has another name for it
    names = set(pixels(alike)) - {name}
    assert set(pixels(tmp_path / "short" / "out")) == names


def test_a_detector_that_is_read_in_part_all_night_is_left_as_it_is(tmp_path):
    made = night(tmp_path, {}, dict.fromkeys(KINDS, (0, 1)))
    assert [each for each in made.findings if each.severity != "note"] == []
