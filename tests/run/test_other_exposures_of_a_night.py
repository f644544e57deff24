"""A night whose cosmic rays are judged by the exposures next in time: found, kept, and made again when those change."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
from astropy.io import fits

from nights import carried_out, planned
from star_fields import Pointing, counted, spectra
from zeroframe.errors import OutputError

BIAS = 1000.0
RECIPE = '[frames]\noverscan = "none"\n[steps]\ndark = false\nflat = false\nuncertainty = true\ncosmic_rays = "{}"\n'


def written(folder, name, pixels, minute, kind="object", **cards):
    folder.mkdir(parents=True, exist_ok=True)
    exposure_s = 600.0 if kind == "object" else 0.0
    cards |= {"IMAGETYP": kind, "EXPTIME": exposure_s, "GAIN": 1.0, "RDNOISE": 6.0, "BUNIT": "adu"}
    cards["DATE-OBS"] = f"2024-03-01T22:{minute:02d}:00"
    words = np.clip(np.rint(pixels + BIAS), 0, 65535).astype(np.uint16)
    fits.writeto(folder / name, words, fits.Header(cards), overwrite=True)


def exposures(folder, seed=500, count=4):
    """Write biases and exposures of one field; return what was put in."""
    random = np.random.default_rng(seed)
    fields = [spectra(2.5, seed, shape_yx=(300, 500), rays=60, by=Pointing(number)) for number in range(count)]
    for number in range(3):
        written(folder, f"b{number}.fits", random.normal(0.0, 6.0, (300, 500)), number, "bias")
    for number, field in enumerate(fields):
        written(folder, f"s{number}.fits", field.pixels, 10 + 10 * number, OBJECT="HD 1")
    return fields


def night(folder, how="exposures", **options):
    return carried_out(folder / "raw", folder / how, RECIPE.format(how), **options)


def states(made):
    return {each.frame.name: each.outcome.state for each in made.frames}


def found(folder, how, fields):
    total = None
    for number, field in enumerate(fields):
        mask = fits.getdata(folder / how / f"s{number}.fits", "MASK") & 16 != 0
        one = counted(field, mask)
        total = one if total is None else total + one
    return total


@pytest.mark.long
def test_more_hits_are_found(tmp_path):
    fields = exposures(tmp_path / "raw")
    for how in ("lacosmic", "exposures"):
        assert set(states(night(tmp_path, how)).values()) == {"done"}
    alone, together = (found(tmp_path, how, fields) for how in ("lacosmic", "exposures"))
    assert together.tracks_found > alone.tracks_found
    assert together.touched <= alone.touched
    assert together.false <= alone.false + 2


@pytest.mark.long
def test_a_second_run_keeps_all_and_one_that_changed_is_judged_by_again(tmp_path):
    fields = exposures(tmp_path / "raw")
    night(tmp_path)
    assert set(states(night(tmp_path)).values()) == {"skipped"}
    written(tmp_path / "raw", "s0.fits", fields[0].pixels + 3.0, 10, OBJECT="HD 1")
    again = night(tmp_path, overwrite=True)
    # s0 is judged by the next two, s1 by those beside it, s2 by s1 and s3
    assert {name: state for name, state in states(again).items() if name.startswith("s")} == {
        "s0.fits": "done", "s1.fits": "done", "s2.fits": "skipped", "s3.fits": "skipped",
    }  # fmt: skip
    assert set(states(night(tmp_path)).values()) == {"skipped"}


@pytest.mark.long
def test_one_more_exposure_changes_who_judges_the_last_ones(tmp_path):
    """Results that are there already are others' by then, so they are replaced only where that is allowed."""
    fields = exposures(tmp_path / "raw")
    night(tmp_path)
    written(tmp_path / "raw", "s4.fits", fields[0].pixels, 50, OBJECT="HD 1")
    with pytest.raises(OutputError, match=r"s3\.fits"):
        night(tmp_path)
    again = {name: state for name, state in states(night(tmp_path, overwrite=True)).items() if name.startswith("s")}
    # s3 was judged by s1 and s2, and now by s2 and s4
    assert again == {f"s{n}.fits": "done" if n in {3, 4} else "skipped" for n in range(5)}


def test_only_what_shows_the_same_is_taken(tmp_path):
    exposures(tmp_path / "raw")
    field = spectra(2.5, 501, shape_yx=(300, 500))
    written(tmp_path / "raw", "t0.fits", field.pixels, 51, OBJECT="HD 2")
    written(tmp_path / "raw", "t1.fits", field.pixels, 52, OBJECT="HD 1", FILTER="V")
    plan = planned(tmp_path / "raw", tmp_path / "out", RECIPE.format("exposures"))
    names = {frame.name: [other.name for other in frame.others] for frame in plan.science}
    assert names == {
        "s0.fits": ["s1.fits", "s2.fits"], "s1.fits": ["s0.fits", "s2.fits"], "s2.fits": ["s1.fits", "s3.fits"],
        "s3.fits": ["s1.fits", "s2.fits"], "t0.fits": [], "t1.fits": [],
    }  # fmt: skip


def test_one_that_cannot_be_read_is_named(tmp_path):
    exposures(tmp_path / "raw")
    whole = (tmp_path / "raw" / "s1.fits").read_bytes()
    (tmp_path / "raw" / "s1.fits").write_bytes(whole[: len(whole) // 2])
    made = night(tmp_path)
    first = next(each for each in made.frames if each.frame.name == "s0.fits")
    assert first.outcome.state == "done"
    assert "cosmic rays are not judged by s1.fits: it cannot be read" in first.outcome.remark + first.outcome.reason


@pytest.mark.parametrize("how", ["lacosmic", "median", "none"])
def test_others_are_read_only_where_asked_for(tmp_path, how):
    exposures(tmp_path / "raw")
    plan = planned(tmp_path / "raw", tmp_path / "out", RECIPE.format(how))
    assert not any(frame.others for frame in plan.science)


@pytest.mark.long
def test_processes_make_the_same(tmp_path):
    exposures(tmp_path / "raw")
    night(tmp_path)
    with ProcessPoolExecutor(2) as executor:
        carried_out(tmp_path / "raw", tmp_path / "far", RECIPE.format("exposures"), executor=executor)
    for number in range(4):
        name = f"s{number}.fits"
        assert (tmp_path / "far" / name).read_bytes() == (tmp_path / "exposures" / name).read_bytes()
