"""A flat that lights only part of the frame, as behind a slit: expected, told once, and no error of the night."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits

import zeroframe

BIAS, READ, GAIN = 500.0, 4.0, 1.5


def written(folder, name, kind, electrons, random, exposure_s=10.0):
    adu = BIAS + random.poisson(electrons) / GAIN + random.normal(0.0, READ, electrons.shape)
    cards = {"IMAGETYP": kind, "EXPTIME": exposure_s, "FILTER": "V", "GAIN": GAIN, "RDNOISE": READ * GAIN}
    words = np.clip(np.rint(adu), 0, 65535).astype(np.uint16)
    folder.mkdir(parents=True, exist_ok=True)
    fits.PrimaryHDU(words, fits.Header({**cards, "BUNIT": "adu"})).writeto(folder / name)


def slit_night(folder, lit, *, axis=1, shape=(200, 160), bad=0.0, seed=1):
    """Write a night of a spectrograph whose slit lights a fraction of an axis; pixels of a fraction do not answer."""
    random = np.random.default_rng(seed)
    size = shape[axis]
    inside = np.abs(np.arange(size) - 0.45 * size) < 0.5 * lit * size
    profile = np.where(inside, 1.0, 0.003)
    slit = np.ones(shape) * (profile if axis == 1 else profile[:, None])
    slit *= np.where(random.random(shape) < bad, 0.02, 1.0)
    for number in range(4):
        written(folder, f"b{number}.fits", "bias", 0.0 * slit, random, 0.0)
        written(folder, f"f{number}.fits", "flat", 20000.0 * slit, random)
    for number in range(2):
        written(folder, f"s{number}.fits", "object", 300.0 * slit, random)
    return 1.0 - inside.mean()


def reduced(folder, more=""):
    """Reduce it; columns that no light reaches, with an edge as sharp as this, would be taken for an overscan."""
    recipe = folder / "night.toml"
    recipe.write_text(f'[frames]\noverscan = "none"\n{more}')
    return zeroframe.night(folder / "raw", folder / "out", recipe=recipe, report=False)


def findings(made):
    return {code: [each for each in made.findings if each.code == code] for code in ("ZF404", "ZF414")}


@pytest.mark.parametrize(("lit", "axis"), [(0.46, 1), (0.3, 0), (0.8, 1)])
def test_what_a_slit_does_not_light_is_a_note(tmp_path, lit, axis):
    unlit = slit_night(tmp_path / "raw", lit, axis=axis)
    made = reduced(tmp_path)
    found = findings(made)
    assert not found["ZF404"]
    [note] = found["ZF414"]
    assert note.severity == "note"
    assert note.figure == pytest.approx(unlit, abs=0.005)
    assert len(note.frames) == 2
    assert "combined_flat" in note.sentence
    assert fits.getheader(tmp_path / "out" / "s0.fits")["NUNLIT"] == pytest.approx(unlit * 200 * 160, abs=100)
    again = reduced(tmp_path)
    assert findings(again) == found


def test_a_frame_that_is_lit_throughout_says_nothing(tmp_path):
    slit_night(tmp_path / "raw", 2.0)
    made = reduced(tmp_path)
    assert findings(made) == {"ZF404": [], "ZF414": []}
    assert "NUNLIT" not in fits.getheader(tmp_path / "out" / "s0.fits")


def test_what_else_is_masked_is_held_against_the_lit_part(tmp_path):
    unlit = slit_night(tmp_path / "raw", 0.46)
    mask = np.zeros((200, 160), np.uint8)
    mask[:60] = 1
    fits.PrimaryHDU(mask).writeto(tmp_path / "own.fits")
    made = reduced(tmp_path, f'[masks]\nown_mask = "{tmp_path / "own.fits"}"\n')
    wrong = findings(made)["ZF404"]
    assert [each.figure for each in wrong] == pytest.approx([0.3, 0.3], abs=0.01), unlit
    assert "of what its flat lights is masked, bad by the flat, the biases or your mask 30" in wrong[0].sentence
