"""An overscan that is image in part: told by arithmetic where both are known, else by the light in its mean."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from astropy.nddata import CCDData

import zeroframe
from workbench import command
from wrong_nights import SHAPE, changed, good_shots, write_night
from zeroframe.errors import SectionError
from zeroframe.headers.sections import Section

NX, STRIP = SHAPE[1], 20
FIRST = NX - STRIP + 1
METHODS = ["auto", "mean", "constant", "clipped", "median"]


def _write(folder):
    """A good night whose last columns are an overscan; its levels drift."""

    def edit(image, chance, light):
        image = image.copy()
        image[:, -STRIP:] = chance.normal(1000.0, 4.0, (SHAPE[0], STRIP))
        return image + chance.normal(0.0, 8.0)

    shots = good_shots(counts=(5, 3, 3, 2))
    for shot in list(shots):
        shots = changed(shots, shot.name, edit=partial(edit, light=shot.light))
    write_night(folder, shots)
    return folder


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("what", ["night", "bias"])
def test_it_is_refused_whatever_the_method(what, method, tmp_path):
    raw, out = _write(tmp_path / "raw"), tmp_path / "out"
    sections = ("--overscan", f"[{FIRST - 1}:{NX},:]", "--trim", f"[1:{FIRST - 1},:]", "--overscan-method", method)
    done = command(what, raw, "-o", out, "--no-report", *sections)
    assert done.code == 2
    said = " ".join(done.err.split())
    assert f"have [{FIRST - 1}:{FIRST - 1},:] in common: a pixel is either image or overscan" in said
    assert not out.exists()


def test_so_it_is_in_a_recipe_and_a_camera_file(tmp_path):
    sections = ("--overscan", "[160:179,:]", "--trim", "[1:160,:]")
    recipe = tmp_path / "night.toml"
    recipe.write_text('[frames]\noverscan = "[160:179,:]"\ntrim = "[1:160,:]"\n')
    raw = _write(tmp_path / "raw")
    for words in (sections, ("--recipe", recipe)):
        done = command("night", raw, "-o", tmp_path / "out", *words)
        assert done.code == 2
        assert "have [160:160,:] in common" in " ".join(done.err.split())
    camera = tmp_path / "my.toml"
    camera.write_text(f'name = "my"\n[[amplifier]]\noverscan = "[{FIRST - 3}:{NX},:]"\ntrim = "[1:{FIRST},:]"\n')
    done = command("night", raw, "-o", tmp_path / "out", "--camera", camera)
    assert done.code == 2
    assert f"have [{FIRST - 3}:{FIRST},1:{SHAPE[0]}] in common" in " ".join(done.err.split())


@pytest.mark.parametrize(("overscan", "trim", "common"), [
    ("[161:180,:]", "[1:160,:]", None), ("[161:180,:]", "[160:1,:]", None), ("[160:180,:]", "[160:1,:]", "[160:160,:]"),
    ("[:,1:8]", "[:,8:64]", "[:,8:8]"), ("[1:160,121:128]", "[1:160,1:120]", None),
    ("[161:180,:]", "[*,*]", None), ("[161:180,5:60]", "[1:170,1:50]", "[161:170,5:50]"),
    ("[161:,:]", "[:165,:]", "[161:165,:]"),
])  # fmt: skip
def test_the_arithmetic(overscan, trim, common):
    found = Section.parse(overscan).shared_in_part(Section.parse(trim))
    assert (None if found is None else str(found)) == common
    naive = [np.zeros((128, 180), bool) for _ in range(2)]
    for plane, text in zip(naive, (overscan, trim), strict=True):
        plane[Section.parse(text).forwards().resolve((128, 180)).slices_yx((128, 180))] = True
    both = naive[0] & naive[1]
    assert (found is not None) == (both.any() and both.sum() < naive[0].sum())
    if found is not None:
        assert both[found.resolve((128, 180)).slices_yx((128, 180))].all()
        with pytest.raises(SectionError, match="in common"):
            zeroframe.NightRecipe().frames.__class__(overscan=Section.parse(overscan), trim=Section.parse(trim))


def test_the_verb_says_so():
    frame = CCDData(np.full((6, 20), 1000.0), unit="adu")
    with pytest.warns(zeroframe.AssumptionWarning, match=r"overscan \[16:20,:\] and trim \[1:16,:\] have \[16:16,:\]"):
        zeroframe.ccd_process(frame, oscan="[16:20,:]", trim="[1:16,:]")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("lit", [0, 1, 4])
def test_light_in_a_few_columns_counts_where_their_mean_is_taken(lit, method, tmp_path):
    raw = _write(tmp_path / "raw")
    sections = ("--overscan", f"[{FIRST - lit}:{NX},:]", "--trim", "[1:150,:]", "--overscan-method", method)
    done = command("night", raw, "-o", tmp_path / "out", "--no-report", *sections)
    said = " ".join((done.out + done.err).split())
    seen = lit and method == "mean"
    assert (done.code == 2) == ("sees light, so it is none" in said) == bool(seen)
    if seen:  # the share of the columns, whose light falls off towards the side, in the light of the frame
        light = 1 - 0.15 * ((np.arange(NX - STRIP) - NX / 2) / (NX / 2)) ** 2
        share = float(said.split("% of the")[0].split()[-1])
        expected = light[-lit:].mean() * lit / (STRIP + lit) / np.median([*light, *np.zeros(STRIP)])
        assert share == pytest.approx(100.0 * expected, rel=0.04)
