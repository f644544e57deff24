"""The figures by which it is judged whether the numbers are right, measured against known truth: before, and now.

``python tests/figures_of_numbers.py`` prints a table: what is measured, what it was before it was mended (commit
ccc9ebd, measured independently), what is wanted, and what it is now. ``--quick`` takes fewer draws and some minutes;
``--only TEXT`` takes the rows that hold the text. Truth is that of the makers in ``tests/``, none of it from zeroframe.
"""

# ruff: noqa: T201, E402 -- a program, which finds its neighbours before it imports them

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

TESTS = Path(__file__).resolve().parent
sys.path[:0] = [str(TESTS), *(str(TESTS / room) for room in ("frames", "inspection", "kernels", "run", "stacks"))]

import test_bleeding as bleeding
import test_dark_scale as dark_scale
import test_defects as defects
import test_few_and_unequal as few
import test_flat_shapes as shapes
import test_gain as gains
import test_lit_flats as lit
import test_mosaic_stars as mosaic_stars
import test_overscan_levels as levels
import test_overscan_worth as worth
import test_pooled as pooled
import test_shared_errors as shared
import test_shared_night as shared_night
import test_surroundings as surroundings

import good_nights
import lit_flats
import saturation_cases
import star_fields
import zeroframe
from inspection_cases import FIRST_COARSE, by_kind, frames_of, make_case, mistakes
from zeroframe.frames.bad_pixels import bad_pixels, hot_pixels
from zeroframe.frames.bleeding import mask_bleeding
from zeroframe.frames.cosmic_rays import mask_lacosmic
from zeroframe.frames.dark_scale import fit_dark_scale
from zeroframe.frames.level_curves import FitRejection
from zeroframe.frames.mask_bits import MaskBit
from zeroframe.frames.overscan import strip_curve
from zeroframe.frames.statistics import pair_noise
from zeroframe.frames.strip_levels import line_levels
from zeroframe.headers.kinds import Kind
from zeroframe.inspection import inspect_overscan
from zeroframe.stacks.clipping import clip_spec


@dataclass(frozen=True)
class Row:
    """One figure: the subject, what it is, what it was, what is wanted, and how it is measured now."""

    section: str
    what: str
    before: str
    wanted: str
    measure: Callable[[bool, Path], str]


ROWS: list[Row] = []


def figure(section: str, what: str, before: str, wanted: str) -> Callable:
    """Put a measurement into the table; it is told whether to be quick, and gets a folder of its own."""

    def put(measure: Callable[[bool, Path], str]) -> Callable[[bool, Path], str]:
        ROWS.append(Row(section, what, before, wanted, measure))
        return measure

    return put


def chi_square(errors: np.ndarray) -> tuple[float, float]:
    """Return the mean of squares of errors over what is stated, and its standard error."""
    squares = np.square(errors[np.isfinite(errors)])
    return float(squares.mean()), float(squares.std() / squares.size**0.5)


def said(value: float, error: float) -> str:
    """Return a figure with its error."""
    return f"{value:.3f} ± {error:.3f}"


# --- 1. overscan -----------------------------------------------------------------------------------------------------


def _sky(folder: Path, given: dict) -> float:
    worth.reduce_night(folder, given)
    return float(np.median(fits.getdata(folder / "out" / "science0.fits")[:, : worth.NX]))


@figure("1", "sky of a night whose bias level moves by +206 (truth 150 ADU)", "274 too high, not said", "150")
def _moving_level(quick: bool, folder: Path) -> str:
    return f"{_sky(folder, worth.A_BIAS_LEVEL_THAT_MOVES):.2f} ADU"


@figure("1", "sky of a night whose flats leak 0.1 % into the strip (truth 42 ADU)", "36 (strip refused)", "42")
def _leak(quick: bool, folder: Path) -> str:
    biases, flats, science = [500.0, 500.3, 499.8], [(500.0, 1500.0)] * 2, [(494.0, 42.0)] * 2
    return f"{_sky(folder, worth.night(biases, flats, science, leak=1e-3, noise=1.2)):.2f} ADU"


@figure("1", "noise of a row's level over the ideal, noise 0.4 to 20 ADU, steps 1, 4, 16", "1.3 to 3", "under 1.05")
def _row_levels(quick: bool, folder: Path) -> str:
    ratios, biases = [], []
    for step in (1, 4, 16):
        truth = 1000.0 + np.linspace(0.0, 1.7 * step, 4000)
        for noise in (0.4, 0.8, 1.6, 4.0, 20.0):
            clean, pixels = levels.digitised(truth, noise, step, 25, seed=3, outliers=0.001)
            error, ideal = line_levels(pixels, "auto").level_adu - truth, clean.mean(axis=1) - truth
            ratios.append(np.std(error) / np.std(ideal))
            biases.append(abs(error.mean() - ideal.mean()))
    return f"{min(ratios):.2f} to {max(ratios):.2f}; off by at most {max(biases):.3f} ADU (1.35)"


@figure("1", "noise of sums over rows, over what single pixels say", "4.7", "within 10 %")
def _row_sums(quick: bool, folder: Path) -> str:
    random, sums = np.random.default_rng(8), []
    for _ in range(6):
        pixels = random.normal(1000.0, 4.0, (1000, 525)).round()
        curve = strip_curve(pixels[:, 500:].astype(np.uint16), method="auto")
        sums.append((pixels[:, :500] - curve.level_adu[:, None]).sum(axis=1))
    return f"{np.std(sums) / (np.hypot(4.0, 12**-0.5) * np.sqrt(500)):.2f}"


@figure("1", "rows moved by one bad line and a fit, at most", "550 to 6,412 ADU", "none")
def _bad_line(quick: bool, folder: Path) -> str:
    worst = 0.0
    for where, value in levels.BAD_LINES.values():
        for fit, order in (("chebyshev", 1), ("legendre", 3), ("spline", 4)):
            curve = strip_curve(levels.with_bad_lines(where, value)[:, 200:], fit=fit, order=order)
            worst = max(worst, np.abs(np.delete(curve.level_adu - levels.LEVEL, np.arange(400)[where])).max())
    free = strip_curve(
        levels.with_bad_lines(slice(0, 1), 65535)[:, 200:], fit="chebyshev", order=1, reject=FitRejection(iterations=0)
    )
    return f"{worst:.1f} ADU (without rejection {np.abs(free.level_adu - levels.LEVEL)[1:].max():.0f})"


@figure("1", "sky beside a star that bleeds through the overscan, right and top (truth 500)", "-64,000", "500")
def _trail_in_strip(quick: bool, folder: Path) -> str:
    found = []
    for side in ("right", "top"):
        for covers in (30, 12):
            raw = folder / f"{side}{covers}" / "raw"
            raw.mkdir(parents=True)
            for number in range(3):
                pixels = levels.trailed(side, 0, width=0, seed=number).astype(float) - 500.0
                strip = np.s_[:, 400:] if side == "right" else np.s_[400:]
                pixels[strip] += 500.0
                header = fits.Header({"IMAGETYP": "bias", "EXPTIME": 0.0})
                fits.writeto(raw / f"b{number}.fits", np.rint(pixels).astype(np.uint16), header)
            header = fits.Header({"IMAGETYP": "object", "EXPTIME": 5.0})
            fits.writeto(raw / "s.fits", levels.trailed(side, covers), header)
            recipe = folder / f"{side}{covers}.toml"
            overscan, trim = ("[401:430,:]", "[1:400,:]") if side == "right" else ("[:,401:430]", "[:,1:400]")
            recipe.write_text(f'[frames]\noverscan = "{overscan}"\ntrim = "{trim}"\n')
            zeroframe.night(raw, raw.parent / "out", recipe=recipe, report=False)
            with fits.open(raw.parent / "out" / "s.fits") as hdus:
                data = hdus[0].data if side == "right" else hdus[0].data.T
                mask = hdus["MASK"].data if "MASK" in hdus else np.zeros(hdus[0].data.shape, np.uint8)
                mask = mask if side == "right" else mask.T
            beside = data[150:154, :190][mask[150:154, :190] == 0]
            found.append(f"{np.median(beside):.1f}" if beside.size else "masked")
    return ", ".join(found)


@figure("1", "inspection: verdict right, and regions right to the column, of cameras of low noise or coarse steps",
        "refused ('more than nan ADU')", "98 %")  # fmt: skip
def _inspection(quick: bool, folder: Path) -> str:
    counts = {"verdict": 0, "region": 0, "side": 0}
    numbers = range(FIRST_COARSE, FIRST_COARSE + (20 if quick else 100))
    for number in numbers:
        case = make_case(number)
        frames = frames_of(case)
        wrong = {each.split(":")[0] for each in mistakes(case, frames, inspect_overscan(by_kind(case, frames)))}
        for word in counts:
            counts[word] += word in wrong
    right = {word: 100.0 * (1.0 - count / len(numbers)) for word, count in counts.items()}
    return f"verdict {right['verdict']:.0f} %, region {right['region']:.0f} % of {len(numbers)}"


@figure("1", "noise of a frame by pairs over the truth, noise 0.15 to 5 steps", "0.004", "1")
def _pair_noise(quick: bool, folder: Path) -> str:
    ratios = []
    for share in (0.15, 0.3, 0.4, 0.6, 1.0, 5.0):
        random = np.random.default_rng(int(100 * share))
        raw = [np.round(random.normal(1000.0 + random.uniform(0, 4, (300, 1)), share * 4, (300, 325)) / 4) * 4
               for _ in range(2)]  # fmt: skip
        frames = [(each[:, :300] - each[:, 300:].mean(axis=1, keepdims=True)).astype(np.float32) for each in raw]
        each = [frame - frame.mean(axis=1, keepdims=True) for frame in frames]
        ratios.append(pair_noise(*frames) / (np.std(each[0] - each[1]) / 2**0.5))
    return f"{min(ratios):.3f} to {max(ratios):.3f}"


# --- 2. saturation and what was never read ---------------------------------------------------------------------------


@figure("2", "frames that are full found, of good ones called full", "65535 only", "all, none")
def _saturation(quick: bool, folder: Path) -> str:
    found, false = saturation_cases.counted(20 if quick else 60, folder)
    parts = []
    for limit in ("converter", "well, soft", "well"):
        hits = [hit for name, each in found.items() if name.endswith(f", {limit}") for hit in each]
        parts.append(f"{limit} {sum(hits)} of {len(hits)}")
    wrong = [hit for each in false.values() for hit in each]
    return f"{'; '.join(parts)}; false {sum(wrong)} of {len(wrong)}"


@figure("2", "pixels of bleeding trails masked; masked without charge", "none", "all, none")
def _trails(quick: bool, folder: Path) -> str:
    hit = clear_count = false = 0
    for seed in range(1, 4 if quick else 9):
        for turned in (False, True):
            random = np.random.default_rng(seed)
            light = bleeding.star(2e6, random.uniform(150, 250), random.uniform(60, 240))
            image, mask, charge = bleeding.observed(light, 40000.0, random, trail=1500.0)
            image, mask = (np.ascontiguousarray(each.T) if turned else each for each in (image, mask))
            mask_bleeding(image, mask, np.count_nonzero(mask))
            mask = mask.T if turned else mask
            found = mask & MaskBit.BLEED != 0
            extra = charge - np.minimum(light, 40000.0)
            clear = (extra > light + 8 * bleeding.NOISE) & (mask & MaskBit.SATURATED == 0)
            hit, clear_count = hit + int(found[clear].sum()), clear_count + int(clear.sum())
            false += int((found & (extra < 1.0)).sum())
    return f"{100 * hit / clear_count:.1f} % of {clear_count}, along columns and rows; {false} false"


@figure("2", "a bias whose last 2 % or 40 % of rows are 0: rows found, error of the combined bias", "2 %: not seen",
        "all")  # fmt: skip
def _unread(quick: bool, folder: Path) -> str:
    parts = []
    for bad in (5, 100):
        random, raw = np.random.default_rng(bad), folder / f"raw{bad}"
        raw.mkdir()
        for number in range(5):
            pixels = np.rint(1000.0 + random.normal(0.0, 4.0, (250, 300)))
            if number == 2:
                pixels[250 - bad :] = 0
            header = fits.Header({"IMAGETYP": "bias", "EXPTIME": 0.0})
            fits.writeto(raw / f"b{number}.fits", pixels.astype(np.uint16), header)
        zeroframe.bias(raw, folder / f"out{bad}", report=False)
        level = fits.getdata(folder / f"out{bad}" / "combined_bias.fits")[250 - bad :].mean()
        count = fits.getheader(folder / f"out{bad}" / "b2.fits")["NUNREAD"] // 300
        parts.append(f"{count} of {bad} rows, off by {level - 1000:+.2f} ADU")
    return "; ".join(parts)


# --- 3. gain and noise -----------------------------------------------------------------------------------------------


@figure("3", "chi-square of science with GAIN = 2.6, 25, 30 in the header (truth 1.3)", "1.92, 10, 11", "1")
def _stated_gain(quick: bool, folder: Path) -> str:
    parts = []
    for stated in (2.6, 25, 30):
        here = folder / str(stated)
        gains.frames_of_a_night(here / "raw", np.random.default_rng(12), stated={"GAIN": stated})
        gains.night_of(here)
        with fits.open(here / "out" / "s.fits") as hdus:
            errors = (hdus[0].data.astype(np.float64) - 500.0) / hdus["UNCERT"].data
        parts.append(said(*chi_square(errors)))
    return ", ".join(parts)


@figure("3", "chi-square of combined frames, averages, N = 2, 3, 4, 6, 10, 25, 50", "13.9, 6.6, 3.5, 2.0, 1.4, -, -",
        "0.95 to 1.05")  # fmt: skip
def _combined(quick: bool, folder: Path) -> str:
    return _of_counts("average")


@figure("3", "the same of medians", "without their factor", "0.95 to 1.05")
def _combined_medians(quick: bool, folder: Path) -> str:
    return _of_counts("median")


def _of_counts(method: str) -> str:
    found = []
    for count in (2, 3, 4, 6, 10, 25, 50):
        result = pooled.combined(pooled.drawn(count, np.random.default_rng(count)), clip_spec(method, 5.0))
        found.append(f"{pooled.chi_square(result, 0.0)[0]:.3f}")
    return ", ".join(found) + " ± 0.005"


@figure("3", "a sky of 1, 3, 10 e-: chi-square; inverse-variance mean", "1.14, 1.20, 1.25; -69, -31, -12 %",
        "within 3 %")  # fmt: skip
def _faint(quick: bool, folder: Path) -> str:
    squares, means = [], []
    for sky in (1.0, 3.0, 10.0):
        random = np.random.default_rng(int(sky))
        light = (random.poisson(sky, (800, 800)) + random.normal(0.0, 3.0, (800, 800))).astype(np.float32)
        sigma = surroundings.stated(light, 3.0, 1.0).astype(np.float64)
        squares.append(f"{chi_square((light - sky) / sigma)[0]:.3f}")
        means.append(f"{100 * (np.average(light, weights=sigma**-2.0) / sky - 1):+.1f}")
    return f"{', '.join(squares)} ± 0.002; {', '.join(means)} %"


@figure("3", "stated over true variance where frame and flat share bias and dark", "1.08 to 1.10", "1")
def _shared(quick: bool, folder: Path) -> str:
    ratios = [shared.variance_ratio(light, level, scale) for light in (0.0, 200.0, 600.0) for level in (200.0, 2000.0)
              for scale in (1.0, 0.25)]  # fmt: skip
    night, _ = shared_night.chi_square(folder, *shared_night.TWILIGHT, 400.0)
    return f"{min(ratios):.3f} to {max(ratios):.3f}; twilight flats of four exposures {night:.3f}"


@figure("3", "gain by pairs of flats: error over the stated error; drifting stars, slopes, 3 % bend", "bars too small",
        "under 2.5")  # fmt: skip
def _gain(quick: bool, folder: Path) -> str:
    worst = []
    for made in ({}, {"stars": 0.01}, {"slope": 0.2}, {"bend": 0.03}, {"step": 16}):
        away = []
        for seed in range(1, 3 if quick else 7):
            pairs, biases = gains.light_of(np.random.default_rng(seed), [20_000.0] * 4, **made)
            found = gains.gain_from_pairs(pairs, biases, gains.READ_NOISE, 65535.0)
            away.append(abs(found.value - gains.GAIN) / found.error)
        worst.append(f"{max(away):.1f} ({next(iter(made), 'plain')}, {found.value:.3f} ± {found.error:.3f})")
    return ", ".join(worst)


# --- 4. flats and darks ----------------------------------------------------------------------------------------------


@figure("4", "one wrong flat of three to eight named (lamp off, 20 %, 7 % gradient), and others named", "none",
        "all, none")  # fmt: skip
def _flats(quick: bool, folder: Path) -> str:
    judge = shapes.TestOddFlats()

    def gradient(fraction: float) -> Callable:
        return lambda sensor, level, random: sensor.exposed(
            level * shapes.gradient(sensor.response.shape, fraction, random.uniform(0, 6.3)), random
        )

    wrong = {"lamp off": lambda sensor, _, random: sensor.exposed(random.uniform(0, 2), random),
             "20 %": gradient(0.2), "7 %": gradient(0.07)}  # fmt: skip
    found = {name: judge.odd_one(each, 21) for name, each in wrong.items()}
    return ", ".join(f"{name} {100 * share:.0f} % ({others} others)" for name, (share, others) in found.items())


@figure("4", "noise of flats of falling level over the ideal", "1.33 to 1.5", "1")
def _weights(quick: bool, folder: Path) -> str:
    made = few.TestUnequalFlats()
    found, _ = few.combined(made.drawn(), Kind.FLAT, variances=tuple(30_000.0 / made.LEVELS))
    return f"{found.data.std() / (30_000.0 / np.sqrt(made.LEVELS.sum())):.3f}"


@figure("4", "good pixels called hot under the glow of an amplifier", "3.3 % of the frame", "none")
def _glow(quick: bool, folder: Path) -> str:
    random = np.random.default_rng(6)
    y, x = np.mgrid[: defects.SHAPE[0], : defects.SHAPE[1]]
    glow = 600.0 * np.exp(-np.hypot(y, x) / 60.0)
    dark = random.poisson(glow + 5.0) + random.normal(0.0, 3.0, glow.shape)
    return f"{hot_pixels(dark.astype(np.float32), 20.0).count} of {dark.size}"


@figure("4", "bad columns and blobs 1 to 64 wide: pixels masked, and good ones", "from 4 columns on 0 to 13 %", "all")
def _columns(quick: bool, folder: Path) -> str:
    shares, false = [], 0
    for width in (1, 2, 4, 5, 8, 13, 20, 32) if quick else (1, 2, 3, 4, 5, 6, 8, 10, 13, 16, 20, 26, 32, 40, 64):
        place = (np.s_[:, 217 : 217 + width], 0.6), (np.s_[100 : 100 + width, 401 : 401 + width], 0.6)
        flat, truth = defects.flat_with(place)
        mask = bad_pixels(flat, 10.0, 0.2).mask
        shares.append(mask[truth].mean())
        false += int((mask & ~truth).sum())
    return f"at least {100 * min(shares):.1f} %; {false} good ones"


@figure("4", "dark scaled by a fit to hot pixels: (scale - truth) / error, at most; hot pixels left in the frame", "-",
        "under 3")  # fmt: skip
def _dark_scale(quick: bool, folder: Path) -> str:
    pulls = []
    for truth in (0.1, 0.5, 1.4):
        for seed in range(3 if quick else 10):
            random = np.random.default_rng([seed, int(100 * truth)])
            current = dark_scale.currents(random, 400)
            dark = np.mean([dark_scale.exposed(random, current, 1.0) for _ in range(5)], axis=0)
            frame = dark_scale.exposed(random, current, truth, light=300.0 + dark_scale.stars(random))
            found = fit_dark_scale(frame, dark, np.zeros(frame.shape, bool), gain_e_per_adu=1.0)
            pulls.append(abs(found.scale - truth) / found.error)
    current = dark_scale.written(folder / "raw", np.random.default_rng(5), warmer=1.4)
    left = []
    for how in ("exposure", "fit"):
        zeroframe.night(folder / "raw", folder / how, report=False, dark_scale=how)
        left.append(100 * dark_scale.hot_error(folder / how, "s1.fits", current)[0])
    return f"{max(pulls):.1f}; {left[1]:+.1f} % of their charge (by exposure {left[0]:+.1f} %)"


@figure("4", "rows that differ in turn: pixels called bad", "48.5 %", "none")
def _alternating(quick: bool, folder: Path) -> str:
    flat = defects.vignetted(np.random.default_rng(4))
    flat[::2] *= 1.6
    return f"{100 * bad_pixels(flat.astype(np.float32), 10.0, 0.2).mask.mean():.2f} %"


def _on_lit_flats(names: tuple[str, ...], quick: bool) -> str:
    """Say per kind of light which share of its defects is found, and of good light called bad, with and without any."""
    parts = []
    for name in names:
        found = count = 0
        false, none = [], []
        for seed in range(30, 33 if quick else 42):
            flat, bad, lighted = lit_flats.flat_with_defects(name, seed)
            mask = bad_pixels(flat, 10.0, 0.2).mask
            found, count = found + int((mask & bad & lighted).sum()), count + int((bad & lighted).sum())
            false.append((mask & ~lit._near(bad)).mean())
            clean, _, _ = lit_flats.flat_with_defects(name, seed, **lit.NONE)
            none.append(bad_pixels(clean, 10.0, 0.2).mask.mean())
        parts.append(f"{name} {100 * found / count:.1f} % ({1e6 * np.mean(false):.0f}, {1e6 * np.mean(none):.0f} ppm)")
    return ", ".join(parts)


@figure("4", "flats that light the detector unevenly: pixels of defects found (good pixels called bad beside them, "
        "and in flats without any)", "half behind fibres and slits; 4 to 16 % of the frame", "all, none")  # fmt: skip
def _lit_flats(quick: bool, folder: Path) -> str:
    return _on_lit_flats(("fibres", "slit", "orders", "slitlets", "field", "corners"), quick)


@figure("4", "the same of spots of lenslets and pinholes", "not known", "all, none")
def _spots(quick: bool, folder: Path) -> str:
    return _on_lit_flats(("spots",), quick)


# --- 5. cosmic rays --------------------------------------------------------------------------------------------------


def _searched(make: Callable, sizes: tuple, fields: int) -> str:
    total = star_fields.Counted(0, 0, 0, 0, 0, 0, 0)
    for size in sizes:
        for seed in range(500, 500 + fields):
            field = make(size, seed)
            mask = np.zeros(field.pixels.shape, bool)
            mask_lacosmic(field.pixels, field.sigma, mask)
            total += star_fields.counted(field, mask)
    found = f"{100 * total.found / total.pixels:.1f} % of {total.pixels} pixels above 5 sigma"
    return f"{total.touched} of {total.stars} touched; {found} and {total.tracks_found} of {total.tracks} hits found"


@figure("5", "stars of 1.5 to 10 pixels", "41 of 95", "under 2 in 1000; 95 %")
def _stars(quick: bool, folder: Path) -> str:
    return _searched(star_fields.stars, (1.5, 1.75, 2.0, 3.0, 4.0, 6.0, 10.0), 2 if quick else 10)


@figure("5", "donuts of 6 to 18 pixels", "half", "under 2 in 1000; 95 %")
def _donuts(quick: bool, folder: Path) -> str:
    return _searched(star_fields.donuts, (6.0, 12.0, 18.0), 3 if quick else 10)


@figure("5", "spectra full of lines", "not known", "under 2 in 1000; 95 %")
def _spectra(quick: bool, folder: Path) -> str:
    return _searched(star_fields.spectra, (1.8, 2.5, 4.0), 2 if quick else 10)


#: How two other exposures of a field differ from it: not at all, moved, moved and blurred under thin clouds.
_POINTINGS = {
    "same": ((0.0, 0.0), 1.0, 1.0), "moved": ((7.4, -11.3), 1.0, 1.0), "moved, blurred": ((7.4, -11.3), 1.2, 0.8),
}  # fmt: skip


def _by_others(make: Callable, sizes: tuple, fields: int) -> str:
    """Say what is touched and found alone, and by one and by two other exposures."""
    parts = []
    for name, (moved, blurred, dimmed) in _POINTINGS.items():
        for count in (0, 1, 2) if name == "same" else (1, 2):
            total = star_fields.Counted(0, 0, 0, 0, 0, 0, 0)
            for size in sizes:
                for seed in range(500, 500 + fields):
                    own = make(size, seed, by=star_fields.Pointing(0))
                    way = [star_fields.Pointing(n, tuple(n * each for each in moved), blurred, dimmed) for n in (1, 2)]
                    others = [make(size, seed, by=each).pixels for each in way[:count]]
                    mask = np.zeros(own.pixels.shape, bool)
                    mask_lacosmic(own.pixels, own.sigma, mask, others=others)
                    total += star_fields.counted(own, mask)
            hits = f"{100 * total.tracks_found / total.tracks:.1f} % of {total.tracks}"
            parts.append(f"{name}, by {count}: {total.touched} of {total.stars} touched, {hits} hits")
    return "; ".join(parts)


@figure("5", "stars of 1.5 to 6 pixels, by other exposures", "one frame only", "under 2 in 1000; 95 %")
def _stars_by_others(quick: bool, folder: Path) -> str:
    return _by_others(star_fields.stars, (1.5, 3.0, 6.0), 1 if quick else 4)


@figure("5", "donuts of 6 to 18 pixels, by other exposures", "one frame only", "under 2 in 1000; 95 %")
def _donuts_by_others(quick: bool, folder: Path) -> str:
    return _by_others(star_fields.donuts, (6.0, 12.0, 18.0), 1 if quick else 4)


@figure("5", "spectra full of lines, by other exposures", "one frame only", "under 2 in 1000; 95 %")
def _spectra_by_others(quick: bool, folder: Path) -> str:
    return _by_others(star_fields.spectra, (1.8, 2.5, 4.0), 1 if quick else 4)


@figure("5", "colour mosaics, stars of 1.5, 2, 2.5, 3, 4 pixels: touched (within colours alone); hits found",
        "9 of 10 of 2 pixels", "under 2 in 1000; 95 %")  # fmt: skip
def _colours(quick: bool, folder: Path) -> str:
    parts = []
    for size in (1.5, 2.0, 2.5, 3.0, 4.0):
        alone = done = star_fields.Counted(0, 0, 0, 0, 0, 0, 0)
        for seed in range(600, 602 if quick else 610):
            with pytest.MonkeyPatch.context() as patch:
                field = mosaic_stars.mosaic(size, seed, patch)
            within, mask = mosaic_stars.searched(field, field.sigma)
            alone, done = alone + star_fields.counted(field, within), done + star_fields.counted(field, mask)
        hits = f"{100 * done.tracks_found / done.tracks:.1f} % of {done.tracks}"
        parts.append(f"{size:g}: {done.touched} ({alone.touched}) of {done.stars}, {hits}")
    return "; ".join(parts)


@figure("5", "a transit of 30 frames, stars of 3 to 10 pixels and defocused: flux of the brightest star that is masked "
        "where nothing hit it, at most; stars touched", "0 to 32 %; 41 of 95", "none; under 2 in 1000")  # fmt: skip
def _transit(quick: bool, folder: Path) -> str:
    random, lost, touched, count = np.random.default_rng(30), [], 0, 0
    for number in range(10 if quick else 30):
        size = float(random.uniform(3.0, 10.0))
        donut = number % 5 == 4
        field = (star_fields.donuts if donut else star_fields.stars)(size, 77, count=40, rays=60 + number)
        mask = np.zeros(field.pixels.shape, bool)
        mask_lacosmic(field.pixels, field.sigma, mask)
        found = star_fields.counted(field, mask)
        touched, count = touched + found.touched, count + found.stars
        sky = np.median(field.light)
        near = [field.light[int(y), int(x)] if not donut else field.light[int(y) - int(0.7 * size), int(x)]
                for y, x in field.stars]  # fmt: skip
        y, x = field.stars[int(np.argmax(near))]
        v, u = np.mgrid[: mask.shape[0], : mask.shape[1]]
        own = np.hypot(v - y, u - x) < 1.5 * size
        by_hit = own & (field.charge > 0)
        flux = field.light - sky
        lost.append(100.0 * float(flux[own & mask & ~_grown(by_hit)].sum() / flux[own].sum()))
    return f"{max(lost):.3f} %; {touched} of {count}"


def _grown(mask: np.ndarray) -> np.ndarray:
    """Two pixels around: what spreads about a hit is not told from it."""
    from scipy.ndimage import binary_dilation

    return binary_dilation(mask, np.ones((5, 5)))


@figure("5", "hit pixels that stay in two, three, four darks", "all; 40 of 1,000; -", "none")
def _few(quick: bool, folder: Path) -> str:
    made, parts = few.TestFewFrames(), []
    for count in (2, 3, 4):
        frames, hit = made.drawn(count, 2.0)
        found, _ = few.combined(frames, Kind.DARK)
        off = np.abs(found.data - np.median(frames)) > 5.0 * few.NOISE / np.sqrt(count)
        rms = float(np.sqrt(np.mean(np.square(found.data[hit == 1] - np.median(frames)))))
        parts.append(f"{np.count_nonzero(off & (hit == 1))} of {np.count_nonzero(hit == 1)} (rms {rms:.2f})")
    return "; ".join(parts)


# --- whole nights ----------------------------------------------------------------------------------------------------


@figure("all", "good nights of drawn cameras: chi-square within 5 and 10 %, sums over rows and 7 x 7 within 10 %",
        "46 of 51 by 0.98 to 1.04", "95 %, all; 95 %")  # fmt: skip
def _nights(quick: bool, folder: Path) -> str:
    found = [good_nights.night(seed)[1] for seed in range(30 if quick else 300)]
    values = {name: [each.get(name, float("nan")) for each in found] for name in ("chi2", "rows", "boxes")}
    usual = 100 * good_nights.within(values["chi2"], good_nights.USUAL)
    most = {name: 100 * good_nights.within(each, good_nights.MOST) for name, each in values.items()}
    return (
        f"{usual:.1f} %, {most['chi2']:.1f} % of {len(found)} (from {min(values['chi2']):.3f} to "
        f"{max(values['chi2']):.3f}); rows {most['rows']:.1f} %, squares {most['boxes']:.1f} %"
    )


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer draws")
    parser.add_argument("--only", default="", help="rows that hold this text")
    options = parser.parse_args()
    failed = 0
    print("| subject | figure | before | wanted | now | s |\n|---|---|---|---|---|---|")
    for row in ROWS:
        if options.only.lower() not in f"{row.section} {row.what}".lower():
            continue
        folder, start = Path(tempfile.mkdtemp(prefix="figures_")), time.process_time()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                now = row.measure(options.quick, folder)
        except Exception as error:  # noqa: BLE001 -- the other rows are to be seen, too, and this one is counted
            now, failed = f"FAILED: {type(error).__name__}: {error}", failed + 1
        finally:
            shutil.rmtree(folder)
        cells = (row.section, row.what, row.before, row.wanted, now, f"{time.process_time() - start:.0f}")
        print(f"| {' | '.join(cells)} |", flush=True)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
