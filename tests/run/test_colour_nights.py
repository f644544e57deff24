"""Nights of colour sensors against their truth: masks, errors, flats and headers are right within each colour."""

from __future__ import annotations

import os

import numpy as np
import pytest
from astropy.io import fits

from colour_nights import colour_camera, planes, reduced

ALL = bool(os.environ.get("ZEROFRAME_ALL_CASES"))
#: Rays a frame: 30 on one of 600 x 800 pixels, and as many a pixel on smaller ones.
RAYS = (5, 30)
#: Pattern, shape, seed, whether headers name the pattern.
CASES = [("RGGB", (240, 322), 1, True), ("GRBG", (241, 320), 2, True), ("GBRG", (240, 321), 3, False)]
if ALL:
    CASES += [(letters, (600, 803), seed, named) for letters in ("RGGB", "BGGR", "GRBG", "GBRG")
              for seed in (11, 12, 13) for named in (True, False)]  # fmt: skip


@pytest.fixture(scope="module")
def mono(tmp_path_factory):
    """Masked fractions of a night without filters, of the same density of cosmic rays."""
    _, frames = reduced(tmp_path_factory.mktemp("mono"), colour_camera("", (240, 322), rays=RAYS[0]), seed=1)
    return np.mean([frame.cosmic().mean() for frame in frames])


@pytest.mark.long
@pytest.mark.parametrize(("pattern", "shape_yx", "seed", "named"), CASES)
def test_colours_are_masked_alike_and_their_errors_are_right(tmp_path, mono, pattern, shape_yx, seed, named):
    camera = colour_camera(pattern, shape_yx, rays=RAYS[shape_yx[0] > 250], names_colours=named)
    made, frames = reduced(tmp_path, camera, seed)
    fractions, chis, found_of = [], [], []
    for frame in frames:
        cosmic = frame.cosmic()
        sky = np.zeros(shape_yx, bool)
        for cut in planes(frame.data):
            sky[cut] = frame.light[cut] < 1.2 * np.median(frame.light[cut])
        fractions.append([cosmic[cut].mean() for cut in planes(cosmic)])
        chis.append([frame.chi_square(cut, sky) for cut in planes(cosmic)])
        found_of.append((cosmic & frame.truth.cosmic_rays).sum() / frame.truth.cosmic_rays.sum())
        stated = frame.header.get("BAYERPAT")
        assert stated == (pattern if named else None)
        assert ("CFAFOUND" in frame.header) is not named
    fractions = np.mean(fractions, axis=0)
    assert np.ptp(fractions) < 5e-4
    assert np.abs(fractions - mono).max() < 5e-4
    assert np.min(found_of) > 0.85
    assert (np.abs(np.mean(chis, axis=0) - 1.0) < 0.05).all()
    said = [str(one.sentence) for one in made.findings]
    assert any("colour pattern" in sentence for sentence in said) is not named
    assert [one.code for one in made.findings] == ([] if named else ["ZF201"])


def test_odd_trims_keep_the_colours_right(tmp_path):
    camera = colour_camera("RGGB", (200, 262), rays=10)
    _, frames = reduced(tmp_path, camera, 4, '[frames]\noverscan = "none"\ntrim = "[260:4,2:197]"\n')
    cells = np.array([["R", "G"], ["G", "B"]])
    for number, frame in enumerate(fits.open(path) for path in sorted((tmp_path / "out" / "LIGHT").glob("*.fits"))):
        header, data = frame[0].header, frame[0].data
        painted = np.tile(cells, (100, 131))[1:197, 3:260][:, ::-1]
        assert data.shape == painted.shape
        assert header["BAYERPAT"] == "".join(painted[:2, :2].ravel())
        frame.close()
        assert number < 4
    del frames
    with fits.open(tmp_path / "out" / "combined_flat_clear.fits") as hdus:
        # each colour has a level of 1, and the lamp's are told: 0.45 : 1 : 0.6
        data, header = hdus[0].data, hdus[0].header
        for cut in planes(data):
            assert np.nanmean(data[cut]) == pytest.approx(1.0, abs=0.01)
        levels = [header[f"FLATLV_{letter}"] for letter in "RGB"]
        assert np.array(levels) / levels[1] == pytest.approx([0.45, 1.0, 0.6], rel=0.01)


@pytest.mark.parametrize("lamp", ["divided out", "kept"])
def test_the_colour_of_the_lamp_is_kept_or_divided_out(tmp_path, lamp):
    camera = colour_camera("BGGR", (160, 200), rays=5, flat_colours=(0.3, 1.0, 0.8))
    _, frames = reduced(tmp_path, camera, 5, f'[flat]\nlamp_colour = "{lamp}"\n')
    frame = next(frames)
    sky = [np.median(frame.data[cut]) for cut in planes(frame.data)]
    lit = np.array([0.8, 1.0, 1.0, 0.3])  # of B, G, G, R
    expected = np.array([np.median(frame.light[cut]) for cut in planes(frame.data)])
    if lamp == "kept":
        expected = expected / (lit / lit.mean())
    assert np.array(sky) == pytest.approx(expected, rel=0.02)
    # and what is too dim of the flat to be believed is not a colour
    assert np.mean(frame.mask != 0) < 0.01


def test_dim_pixels_of_a_colour_flat_are_found_and_no_others():
    from zeroframe.frames.bad_pixels import bad_pixels
    from zeroframe.headers.colours import ColourPattern

    for seed, lamp in ((1, (0.45, 1.0, 0.6)), (2, (1.4, 1.0, 0.3)), (3, (0.2, 1.0, 0.25))):
        rng = np.random.default_rng(seed)
        shape = (401, 602)
        y, x = np.mgrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j]
        flat = (1 - 0.2 * (x**2 + y**2)) * rng.normal(1.0, 0.006, shape)
        flat *= np.tile([[lamp[0], 1.0], [1.0, lamp[2]]], (201, 301))[: shape[0], : shape[1]]
        places = rng.choice(flat.size, 60, replace=False)
        flat.ravel()[places] *= rng.uniform(0.3, 0.7, 60)
        truth = np.zeros(flat.size, bool)
        truth[places] = True
        found = bad_pixels(flat.astype(np.float32), 10.0, 0.2, ColourPattern("RGGB")).mask.ravel()
        assert found[truth].all()
        assert not found[~truth].any()


def test_a_pattern_that_binning_has_mixed_away_is_no_pattern(tmp_path):
    """Cameras go on writing BAYERPAT where four colours were added up."""
    camera = colour_camera("", (160, 200), rays=5)
    from zeroframe.cli.jobs import night
    from zeroframe.simulate import simulate_night

    simulate_night(camera, tmp_path / "raw", seed=6)
    for path in (tmp_path / "raw").rglob("*.fits"):
        fits.setval(path, "BAYERPAT", value="RGGB")
    made = night(tmp_path / "raw", tmp_path / "out", report=False, workers=1)
    assert any("BAYERPAT says RGGB" in one.sentence for one in made.findings)
    assert "BAYERPAT" not in fits.getheader(next((tmp_path / "out" / "LIGHT").glob("*.fits")))


@pytest.mark.parametrize("letters", ["RGGB", "GBRG"])
def test_a_lamp_that_lights_all_colours_alike_proves_nothing(tmp_path, letters):
    """Flats of a lamp behind the right filter are grey; the sky is not, and the header is true."""
    camera = colour_camera(letters, (160, 200), rays=0, flat_colours=(1.0, 1.0, 1.0))
    _, frames = reduced(tmp_path, camera, seed=8)
    assert all(frame.cosmic().mean() < 0.003 for frame in frames)
    assert fits.getval(next((tmp_path / "out" / "LIGHT").glob("*.fits")), "BAYERPAT") == letters


def test_a_header_with_the_rows_in_the_other_order_is_found_out(tmp_path):
    camera = colour_camera("RGGB", (160, 200), rays=5)
    from zeroframe.cli.jobs import night
    from zeroframe.simulate import simulate_night

    simulate_night(camera, tmp_path / "raw", seed=7)
    for path in (tmp_path / "raw").rglob("*.fits"):
        fits.setval(path, "BAYERPAT", value="GBRG")
    made = night(tmp_path / "raw", tmp_path / "out", report=False, workers=1)
    assert any("RGGB in 28 frames, though BAYERPAT says GBRG" in one.sentence for one in made.findings)
    assert fits.getval(next((tmp_path / "out" / "LIGHT").glob("*.fits")), "BAYERPAT") == "RGGB"


def test_xtrans_frames_are_refused_with_a_sentence(tmp_path):
    from zeroframe.cli.jobs import night

    (tmp_path / "raw").mkdir()
    header = fits.Header({"IMAGETYP": "light", "EXPTIME": 5.0, "BAYERPAT": "XTRANS"})
    fits.writeto(tmp_path / "raw" / "a.fits", np.zeros((50, 60), "u2"), header)
    made = night(tmp_path / "raw", tmp_path / "out", report=False)
    assert made.findings[0].code == "ZF101"
    assert "X-Trans sensor" in made.findings[0].sentence
    assert "colour_pattern = 'none'" in made.findings[0].sentence
    assert not list((tmp_path / "out").glob("*.fits"))
