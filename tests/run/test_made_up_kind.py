"""A kind of calibration that zeroframe does not know, added by one row and one function: a night uses it throughout.

The truth of the pixels is worked out here with numpy, from the raw frames.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from night_headers import plan as plan_headers
from night_headers import several
from nights import calibrated, carried_out, planned
from zeroframe.headers import kinds
from zeroframe.headers.dialects import read_facts
from zeroframe.headers.kinds import CalibrationKind, Kind, KindWords, calibration_kinds
from zeroframe.kernels.operations import Operation, subtract
from zeroframe.planning.recipe import NightRecipe, parse_recipe
from zeroframe.planning.recipe_text import recipe_text
from zeroframe.planning.shorthands import recipe_for
from zeroframe.report import night_report_data, render_report
from zeroframe.run.explain import explain_file

SHAPE = (40, 52)
GAIN, READ_NOISE_E = 2.0, 8.0
RECIPE = f"""
[frames]
overscan = "none"
gain_e_per_adu = {GAIN}
read_noise_e = {READ_NOISE_E}
[bias]
clip = 0
[pedestal]
clip = 0
[dark]
clip = 0
[steps]
bias = "always"
cosmic_rays = "none"
[masks]
hot_pixels = false
bad_pixels = false
"""


def subtract_rows(plane: np.ndarray, sigma: np.ndarray, factor: float) -> Operation:
    """Subtract of each row its mean: the one function."""
    rows = np.repeat(plane.mean(axis=1, dtype=np.float64), plane.shape[1]).reshape(plane.shape)
    return subtract(rows.astype(plane.dtype), sigma, factor)


#: The one row.
PEDESTAL = CalibrationKind(
    kind=Kind("pedestal"),
    words=KindWords(
        plural="pedestals",
        section="Pedestals",
        recipe="The combined pedestals",
        lost="the glow of the amplifier stays in",
        unwanted="if none is wanted, leave 'pedestal' out of kinds in the recipe",
    ),
    header_words=("pedestal",),
    has_photons=False,
    apply=subtract_rows,
    card="PEDCOR",
)


@pytest.fixture
def with_pedestals(monkeypatch):
    """The table with the row, behind the bias; for all threads, until the test ends."""
    bias, *others = kinds.KINDS
    monkeypatch.setattr(kinds, "KINDS", (bias, PEDESTAL, *others))


def write_night(folder: Path, *, pedestals: bool = True) -> dict[str, list[np.ndarray]]:
    """Write a night, whose sensor has a bias, a glow in its pedestals and science frames, a dark current and a flat."""
    rng = np.random.default_rng(7)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    zero, glow, current = 900.0 + 0.5 * x, 60.0 + 3.0 * y, 2.0 + 0.01 * x
    flat = 1.0 - 0.003 * (y - 20) + 0.002 * (x - 26)
    noise_adu = READ_NOISE_E / GAIN
    shown = {
        "bias": (5, "zero", 0.0, "", lambda: zero),
        "pedestal": (4, "PEDESTAL", 0.0, "", lambda: zero + glow),
        "dark": (3, "dark", 60.0, "", lambda: zero + 60 * current),
        "flat": (3, "flat", 60.0, "r", None),
        "science": (2, "object", 120.0, "r", lambda: zero + glow + 120 * current + 800 * flat),
    }
    light = np.round(zero + 60 * current + 20000 * flat)  # flats of one light, so that their levels do not matter
    frames: dict[str, list[np.ndarray]] = {}
    for kind, (number, word, exposure_s, filter_name, mean) in shown.items():
        if kind == "pedestal" and not pedestals:
            continue
        for n in range(1, number + 1):
            pixels = light if mean is None else np.round(mean() + rng.normal(0.0, noise_adu, SHAPE))
            frames.setdefault(kind, []).append(pixels)
            header = fits.Header({"IMAGETYP": word, "EXPTIME": exposure_s, "BUNIT": "adu"})
            if filter_name:
                header["FILTER"] = filter_name
            folder.mkdir(exist_ok=True)
            fits.PrimaryHDU(pixels.astype(np.uint16), header).writeto(folder / f"{kind}{n}.fits")
    return frames


def combined_truth(frames: dict[str, list[np.ndarray]]) -> dict[str, np.ndarray]:
    """Means of the raw frames, less what their kind needs."""
    bias = np.mean(frames["bias"], axis=0)
    dark = np.mean(frames["dark"], axis=0) - bias
    flat = frames["flat"][0] - bias - dark
    return {
        "bias": bias,
        "pedestal": np.mean(frames["pedestal"], axis=0) - bias,
        "dark": dark,
        "flat": flat / flat.mean(),
    }


@pytest.fixture
def night(tmp_path, with_pedestals):
    frames = write_night(tmp_path / "raw")
    return frames, carried_out(tmp_path / "raw", tmp_path / "out", RECIPE), tmp_path / "out"


def test_headers_know_it_only_while_it_is_in_the_table(monkeypatch):
    cards = {"IMAGETYP": "Pedestal"}
    assert read_facts(cards).kind is None
    with monkeypatch.context() as changed:
        changed.setattr(kinds, "KINDS", (*kinds.KINDS, PEDESTAL))
        assert read_facts(cards).kind == "pedestal"
        assert "pedestal" in [row.kind for row in calibration_kinds()]
    assert read_facts(cards).kind is None
    assert [row.kind for row in calibration_kinds()] == ["bias", "dark", "flat"]


def test_pixels_are_right(night):
    frames, result, out = night
    truth = combined_truth(frames)
    assert [each.group.name for each in result.groups] == [
        *("combined_bias.fits", "combined_pedestal.fits", "combined_dark_60s.fits", "combined_flat_r.fits")
    ]
    assert not result.failed
    # its flats are one, without noise, and its dark current has none of electrons either
    assert {each.code for each in result.review.of("error")} == {"ZF310", "ZF402", "ZF501"}
    for kind, name in (("bias", "bias"), ("pedestal", "pedestal"), ("dark", "dark_60s"), ("flat", "flat_r")):
        np.testing.assert_allclose(calibrated(out / f"combined_{name}.fits").data, truth[kind], rtol=2e-6, atol=2e-4)
    glow = truth["pedestal"].mean(axis=1, keepdims=True)
    for n, raw in enumerate(frames["science"], start=1):
        found = calibrated(out / f"science{n}.fits")
        expected = (raw - truth["bias"] - glow - 2.0 * truth["dark"]) / truth["flat"]
        np.testing.assert_allclose(found.data, expected, rtol=0, atol=2e-3)
        assert np.abs(expected - (raw - truth["bias"] - 2.0 * truth["dark"]) / truth["flat"]).min() > 20


def test_uncertainties_are_right(night):
    """L - B - P - s D, with B in P and D: by s - 1 + 1 = s times the error of B, of P once, of D s times."""
    frames, _, out = night
    truth = combined_truth(frames)
    error = {name: calibrated(out / f"combined_{name}.fits").sigma for name in ("bias", "pedestal", "dark_60s")}
    for n, raw in enumerate(frames["science"], start=1):
        variance = (READ_NOISE_E / GAIN) ** 2 + np.maximum(raw - truth["bias"], 0.0) / GAIN
        science = calibrated(out / f"science{n}.fits")
        # the flat holds the dark, too: what of its error cancels is counted once
        shared = science.data / (frames["flat"][0] - truth["bias"] - truth["dark"]).mean()
        own = {name: error[name] ** 2 - error["bias"] ** 2 for name in ("pedestal", "dark_60s")}
        assert all((each > 0).all() for each in own.values())
        variance += (2.0 * error["bias"]) ** 2 + own["pedestal"] + (2.0 - shared) ** 2 * own["dark_60s"]
        np.testing.assert_allclose(science.sigma, np.sqrt(variance) / truth["flat"], rtol=2e-4)


def test_header_record_and_explanation_name_it(night):
    _, result, out = night
    header = calibrated(out / "science1.fits").header
    assert header["PEDCOR"] == "combined_pedestal.fits"
    assert header.comments["PEDCOR"] == "subtracted"
    cards = [word for word in header if word in {"ZEROCOR", "PEDCOR", "DARKCOR", "FLATCOR"}]
    assert cards == ["ZEROCOR", "PEDCOR", "DARKCOR", "FLATCOR"]
    pedestal = calibrated(out / "combined_pedestal.fits").header
    assert (pedestal["NCOMBINE"], pedestal["ZEROCOR"]) == (4, "combined_bias.fits")
    assert [pedestal[f"IMCMB{n:03d}"] for n in range(1, 5)] == [f"pedestal{n}.fits" for n in range(1, 5)]
    record = json.loads((out / "run.json").read_text())["recipe"]
    assert record["frames"]["science1.fits"]["steps"]["pedestal"] == "combined_pedestal.fits"
    assert [each["what"] for each in record["frames"]["science1.fits"]["matches"]] == [
        *("bias", "pedestal", "dark", "flat")
    ]
    assert record["groups"]["combined_pedestal.fits"]["kind"] == "pedestal"
    said = explain_file(out / "science1.fits")
    assert "science1.fits has pedestal (combined_pedestal.fits) subtracted: read in the same way." in said
    told = "\n".join(explain_file(out / "combined_pedestal.fits"))
    assert "It is used for science1.fits, science2.fits." in told
    assert {each.frame.kind for each in result.frames} == {"bias", "pedestal", "dark", "flat", "science"}


def test_page_has_its_section(night, tmp_path):
    _, result, out = night
    data = night_report_data(planned(tmp_path / "raw", out, RECIPE), result)
    titles = [section.title for section in data.sections]
    assert titles == ["The night at a glance", "Bias", "Pedestals", "Darks", "Flats", "Science"]
    section = data.sections[2]
    assert section.tables[0].rows[0].cells[:2] == ("pedestal", "4")
    assert [row.name for row in section.frame_tables[0].frames] == [f"pedestal{n}.fits" for n in range(1, 5)]
    assert "with bias, pedestal, dark and flat" in data.verdict.headline
    assert "Combined pedestals" in render_report(data)


def test_second_run_keeps_everything(night, tmp_path):
    _, first, out = night
    again = carried_out(tmp_path / "raw", out, RECIPE)
    assert {each.outcome.state for each in again.frames} == {"skipped"}
    assert {each.combined.state for each in again.groups} == {"skipped"}
    assert len(again.frames) == len(first.frames)


def test_other_words_keep_everything(night, tmp_path, monkeypatch):
    _, _, out = night
    bias, pedestal, *others = kinds.KINDS
    said = replace(pedestal, words=replace(pedestal.words, plural="glows", section="Glows", lost="it glows"))
    monkeypatch.setattr(kinds, "KINDS", (bias, said, *others))
    again = carried_out(tmp_path / "raw", out, RECIPE)
    assert {each.outcome.state for each in again.frames} == {"skipped"}
    data = night_report_data(planned(tmp_path / "raw", out, RECIPE), again)
    assert "Glows" in [section.title for section in data.sections]


def test_other_arithmetic_makes_what_it_touches_anew(night, tmp_path, monkeypatch):
    frames, _, out = night
    bias, _, *others = kinds.KINDS
    monkeypatch.setattr(kinds, "KINDS", (bias, replace(PEDESTAL, apply=subtract), *others))
    again = carried_out(tmp_path / "raw", out, RECIPE, overwrite=True)
    states = {each.frame.name: each.outcome.state for each in again.frames}
    assert {name for name, state in states.items() if state == "done"} >= {"science1.fits", "science2.fits"}
    assert {states[f"bias{n}.fits"] for n in range(1, 6)} == {"skipped"}
    truth = combined_truth(frames)
    raw = frames["science"][0]
    expected = (raw - truth["bias"] - truth["pedestal"] - 2.0 * truth["dark"]) / truth["flat"]
    np.testing.assert_allclose(calibrated(out / "science1.fits").data, expected, rtol=0, atol=2e-3)


def test_what_lacks_it_is_named(tmp_path, with_pedestals):
    write_night(tmp_path / "raw", pedestals=False)
    plan = planned(tmp_path / "raw", tmp_path / "out", RECIPE)
    assert [(each.name, each.missing) for each in plan.incomplete] == [
        ("science1.fits", ("pedestal",)),
        ("science2.fits", ("pedestal",)),
    ]
    assert "no pedestal (the glow of the amplifier stays in)" in plan.incomplete[0].reason


def test_a_night_without_it_has_the_same_bytes(tmp_path, monkeypatch):
    """A row that no frame is of changes no pixel: the passes are those of bias, dark and flat."""
    write_night(tmp_path / "raw", pedestals=False)
    recipe = RECIPE.replace("[pedestal]\nclip = 0\n", "")
    carried_out(tmp_path / "raw", tmp_path / "without", recipe)
    bias, *others = kinds.KINDS
    monkeypatch.setattr(kinds, "KINDS", (bias, PEDESTAL, *others))
    carried_out(tmp_path / "raw", tmp_path / "with", recipe)
    for path in sorted((tmp_path / "without").glob("*.fits")):
        assert (tmp_path / "with" / path.name).read_bytes() == path.read_bytes()


def test_darks_and_flats_lose_it_where_their_rows_say_so(tmp_path, monkeypatch):
    frames = write_night(tmp_path / "raw")
    bias, dark, flat = kinds.KINDS
    dark = replace(dark, needs=(Kind.BIAS, PEDESTAL.kind))
    flat = replace(flat, needs=(Kind.BIAS, PEDESTAL.kind, Kind.DARK))
    monkeypatch.setattr(kinds, "KINDS", (bias, replace(PEDESTAL, apply=subtract), dark, flat))
    result = carried_out(tmp_path / "raw", tmp_path / "out", RECIPE)
    assert [each.group.kind for each in result.groups] == ["bias", "pedestal", "dark", "flat"]
    truth = combined_truth(frames)
    less = truth["dark"] - truth["pedestal"]
    np.testing.assert_allclose(calibrated(tmp_path / "out" / "combined_dark_60s.fits").data, less, atol=5e-4)
    divisor = frames["flat"][0] - truth["bias"] - truth["pedestal"] - less
    np.testing.assert_allclose(
        calibrated(tmp_path / "out" / "combined_flat_r.fits").data, divisor / divisor.mean(), rtol=2e-6
    )


def test_a_bias_that_two_hold_is_subtracted_once(tmp_path, with_pedestals):
    """Without biases, dark and pedestal both hold the bias: one of them goes, and that is said."""
    write_night(tmp_path / "raw")
    for path in (tmp_path / "raw").glob("bias*.fits"):
        path.unlink()
    made = planned(tmp_path / "raw", tmp_path / "out", RECIPE + "\n[tolerances]\nexposure_s = 100\n")
    (first, _) = made.science
    assert [use.kind for use in first.steps.uses] == ["pedestal", "flat"]
    reasons = {match.what: match.reason for match in first.matches}
    assert reasons["dark"] == "dark 60 s still holds its bias, and so does pedestal"
    assert reasons["bias"] == "the pedestal still contains it and removes it"
    assert [each.missing for each in made.incomplete if each.name == "science1.fits"] == [("dark",)]


def test_recipe_has_its_table(with_pedestals):
    recipe = parse_recipe('kinds = ["bias", "pedestal"]\n[pedestal]\nmethod = "median"\nclip = 3\n')
    assert (recipe.combination("pedestal").method, recipe.combination("pedestal").clip) == ("median", 3.0)
    assert NightRecipe().kinds == ("bias", "pedestal", "dark", "flat")
    assert "# The combined pedestals" in recipe_text(recipe)
    assert parse_recipe(recipe_text(recipe)) == recipe
    alone = recipe_for("pedestal", NightRecipe(), {"method": "median"})
    assert (alone.kinds, alone.combination("pedestal").method) == (("bias", "pedestal"), "median")


def test_groups_are_told_apart_by_what_the_row_says(tmp_path, with_pedestals, monkeypatch):
    several(tmp_path / "raw", 2, "cold", "pedestal", 0.0, CCD_TEMP=-30.0)
    several(tmp_path / "raw", 2, "warm", "pedestal", 0.0, CCD_TEMP=-10.0)
    several(tmp_path / "raw", 2, "red", "pedestal", 0.0, CCD_TEMP=-10.0, FILTER="r")
    labels = [group.label for group in plan_headers(tmp_path / "raw").groups]
    assert labels == ["pedestal, -30 C", "pedestal, -10 C"]
