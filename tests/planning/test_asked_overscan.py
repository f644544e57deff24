"""An overscan that was given by hand: refused where light reaches it, whatever the kind of frame that shows it."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from workbench import command, names_in
from wrong_nights import SHAPE, changed, good_shots, write_night

#: Columns at the right of the frame without light, by subtracting it again from what was drawn.
STRIP = 16
DARK = f"[{SHAPE[1] - STRIP + 1}:{SHAPE[1]},:]"


def _night(folder, *, leak=0.0, without=""):
    """A good night with an overscan, in which a part of the light of the image leaks."""

    def edit(image, chance, light):
        image = image.copy()
        image[:, -STRIP:] = chance.normal(1000.0 + leak * light, 4.0, (SHAPE[0], STRIP))
        return image

    shots = [shot for shot in good_shots(counts=(5, 3, 3, 2)) if not without or not shot.name.startswith(without)]
    for shot in list(shots):
        shots = changed(shots, shot.name, edit=partial(edit, light=shot.light))
    write_night(folder, shots)
    return folder


@pytest.mark.parametrize("section", ["[1:16,:]", "[1:16,1:100]", f"[{SHAPE[1] - 2 * STRIP}:{SHAPE[1]},:]", "[:,1:8]"])
@pytest.mark.parametrize("without", ["", "f"], ids=["flats", "science alone"])
def test_lit_pixels_are_refused(section, without, tmp_path):
    raw, out = _night(tmp_path / "raw", without=without), tmp_path / "out"
    done = command("night", raw, "-o", out, "--overscan", section, "--no-report")
    assert done.code == 2
    said = " ".join(done.err.split())
    assert "sees light, so it is none" in said
    assert ("f0.fits" if not without else "s0.fits") in said
    assert not names_in(out) if out.exists() else True


@pytest.mark.parametrize("command_name", ["night", "bias"])
@pytest.mark.parametrize("leak", [0.0, 0.02])
def test_an_overscan_is_used_as_it_was_given(command_name, leak, tmp_path):
    raw, out = _night(tmp_path / "raw", leak=leak), tmp_path / "out"
    done = command(command_name, raw, "-o", out, "--overscan", DARK, "--no-report")
    assert done.code in {0, 1}, done.err
    assert "sees light" not in done.err
    assert "combined_bias.fits" in names_in(out)


def test_biases_alone_show_nothing(tmp_path):
    folder = tmp_path / "raw"
    write_night(folder, [shot for shot in good_shots() if shot.kind == "bias"])
    assert command("bias", folder, "-o", tmp_path / "out", "--overscan", "[1:16,:]").code == 0


def test_the_light_that_is_named_is_that_of_the_frames(tmp_path):
    raw = _night(tmp_path / "raw")
    done = command("bias", raw, "-o", tmp_path / "out", "--overscan", "[1:16,:]")
    words = " ".join(done.err.split()).split("f0.fits it is ")[1].split()
    assert float(words[0]) == pytest.approx(0.86 * 30000.0, rel=0.02)  # vignetted at the side
    assert np.isclose(float(words[words.index("of") + 2]), 0.95 * 30000.0, rtol=0.03)


def _night_with_photons(folder, share):
    """A good night with an overscan in which a part of the light of the image is counted, photon by photon."""

    def edit(image, chance, light):
        image = image.copy()
        photons = chance.poisson(share * light * 1.5, (SHAPE[0], STRIP)) / 1.5  # any gain: it is that of all pixels
        image[:, -STRIP:] = 1000.0 + photons + chance.normal(0.0, 4.0, (SHAPE[0], STRIP))
        return image

    shots = good_shots(counts=(5, 0, 3, 2))
    for shot in list(shots):
        shots = changed(shots, shot.name, edit=partial(edit, light=shot.light))
    write_night(folder, shots)
    return folder


@pytest.mark.parametrize("share", [0.0, 1e-4, 2e-3, 0.03])
def test_light_below_a_tenth_is_told_by_the_noise_of_its_photons(share, tmp_path):
    raw, out = _night_with_photons(tmp_path / "raw", share), tmp_path / "out"
    done = command("night", raw, "-o", out, "--overscan", DARK, "--no-report")
    said = " ".join((done.out + done.err).split())
    assert (done.code == 2) == (share > 0.01), said
    assert ("sees light, so it is none" in said) == (share > 0.01)
    if share > 1e-3:
        told = float(said.split("sees light")[1].split("% of the")[0].split(",")[-1])
        assert told == pytest.approx(100 * share, rel=0.2)
    else:
        assert "sees light" not in said


@pytest.mark.parametrize("moves", [3.0, 300.0, 1500.0])
def test_a_level_that_moves_with_the_light_is_no_light(moves, tmp_path):
    """What electronics do to bright frames is what an overscan is for: it brings no noise of photons."""

    def edit(image, chance, light):
        image = image + moves * light / 30000.0
        image[:, -STRIP:] = 1000.0 + moves * light / 30000.0 + chance.normal(0.0, 4.0, (SHAPE[0], STRIP))
        return image

    shots = good_shots(counts=(5, 0, 3, 2))
    for shot in list(shots):
        shots = changed(shots, shot.name, edit=partial(edit, light=shot.light))
    write_night(tmp_path / "raw", shots)
    done = command("night", tmp_path / "raw", "-o", tmp_path / "out", "--overscan", DARK, "--no-report")
    assert "sees light" not in done.out + done.err
