"""The report: what stands in it, that nothing from outside gets out of hand, and that it works in a browser."""

from __future__ import annotations

import io
import os
import re
import shutil
import sys
import time
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

import zeroframe.report.page as page_module
from nights import bias_plan, only_group
from workbench import write_raw
from zeroframe.errors import OutputExistsError, ZeroframeError
from zeroframe.frames.quality import Flag as QualityFlag
from zeroframe.headers.survey import survey_tree
from zeroframe.html import table_html, verdict_html
from zeroframe.inspection.inspecting import inspect_overscan
from zeroframe.planning.planning import plan_night
from zeroframe.planning.recipe import NightRecipe
from zeroframe.planning.shorthands import recipe_for
from zeroframe.report import ReportData, can_write_reports, is_report, night_report_data, render_report, write_report
from zeroframe.report.data import Curve, KeyFigure, PageFlag, PageRow, PageSection, PageVerdict, Plot, Remark
from zeroframe.report.draw.images import NO_PIXEL, png_bytes, shades, stretch_limits
from zeroframe.report.draw.plots import HEIGHT, WIDTH, draw_plot, ticks
from zeroframe.report.draw.sampling import bins_for, histogram_of, open_rows, preview, sample_for_page
from zeroframe.run.engine import run_night
from zeroframe.run.reviewing import review_of
from zeroframe.simulate import simulate_biases
from zeroframe.stacks.noise_budget import Excess, NoisePart

SHAPE_YX = (180, 120)
OVERSCAN, TRIM = "[106:120,*]", "[1:100,*]"
EVIL_NAMES = (
    "<script>alert(1)<script>.fits",
    "\"><img src=x onerror='alert(2)'>.fits",
    "naïve Ω \x1b[2J\u202e.fits",
    "-leading dash & {{ 7 * 7 }}.fits",
)


def raw_frame(number, light=0.0, noise=4.0, level=1000.0):
    """A frame of 100 columns of image and 20 of overscan, of which light leaks into the first three."""
    random = np.random.default_rng(number)
    image = np.r_[np.ones(100), 0.02, 0.01, 0.004, np.zeros(17)]
    pattern = 3.0 * np.sin(np.arange(120) / 9.0) * (np.arange(120) < 100)
    return np.rint(random.normal(level + number + pattern + light * image, noise, SHAPE_YX)).astype(np.uint16)


def run_folder(raw, out, **said):
    plan = bias_plan(raw, out, **{"overscan": OVERSCAN, "trim": TRIM, **said})
    return plan, run_night(plan)


def unseen(raw, out):
    """Plan a folder of which nothing is said, and no pixel is looked at."""
    return plan_night(survey_tree(raw, recurse=False), raw, out, recipe_for("bias", NightRecipe(), {}))


def of_biases(data):
    """Return the section of the biases."""
    (section,) = [section for section in data.sections if section.title == "Bias"]
    return section


def rows_of(data):
    """Return the rows of the one table of frames."""
    (table,) = of_biases(data).frame_tables
    return table.frames


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """Six biases of ordinary names, calibrated and combined."""
    raw = tmp_path_factory.mktemp("plain") / "raw"
    for number in range(6):
        write_raw(raw / f"b{number}.fits", raw_frame(number))
    return run_folder(raw, raw.parent / "out")


@pytest.fixture(scope="module")
def evil(tmp_path_factory):
    """Frames whose names and headers are an attack, one of them damaged, one flagged; with all that can be shown."""
    raw = tmp_path_factory.mktemp("evil") / "raw"
    paths = [
        write_raw(raw / name, raw_frame(number), OBJECT="<script>alert(3)</script>", FILTER='"><b>')
        for number, name in enumerate(EVIL_NAMES)
    ]
    (raw / "damaged <i>.fits").write_bytes(paths[0].read_bytes()[:5000])
    plan, result = run_folder(raw, raw.parent / "out")
    group = only_group(result)
    inspection = inspect_overscan(
        {"bias": [raw_frame(n) for n in range(4)], "flat": [raw_frame(n, light=9000.0) for n in (8, 9)]}
    )
    flag = QualityFlag(
        paths[1], "<b>leak</b>", 40.0, 2.0, "columns 1 to 3 are 40 ADU high </td><script>alert(5)</script>"
    )
    plan, flagged = replace(plan, evidence=inspection), replace(result, groups=(replace(group, flags=(flag,)),))
    flagged = replace(flagged, review=review_of(plan, flagged, {}))
    return night_report_data(plan, flagged, command="zeroframe bias '<script>alert(4)</script>'")


class Elements(HTMLParser):
    """The elements of a page with their attributes, and its text."""

    def __init__(self, page):
        super().__init__()
        self.found, self.text = [], ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data

    def named(self, tag):
        return [attributes for name, attributes in self.found if name == tag]


class TestContent:
    def test_verdict_comes_first(self, plain):
        page = render_report(night_report_data(*plain, command="zeroframe bias raw -o out"))
        text = Elements(page).text
        assert "All is well: 6 biases calibrated and combined." in text
        assert text.index("All is well: 6 biases", 400) < text.index("read noise") < text.index("6 frames of bias")
        for words in (
            "Raw", "Calibrated", "Single", "Combined", "Noise against the number of frames", "σ/√n",
            "[106:120,1:180] auto", "as asked for", "b0.fits", "zeroframe bias raw -o out", "numpy", "6 input files",
            "used: columns 106–120",
        ):  # fmt: skip
            assert words in text

    def test_the_same_data_give_the_same_page(self, plain):
        assert render_report(night_report_data(*plain)) == render_report(night_report_data(*plain, workers=1))

    def test_noise_against_number(self, plain):
        plots = {plot.title: plot for plot in of_biases(night_report_data(*plain)).plots}
        measured, expected, _ = plots["Noise against the number of frames"].curves
        assert measured.x == expected.x == (1.0, 2.0, 3.0, 4.0, 6.0)
        assert measured.y[0] == pytest.approx(4.1, abs=0.2)
        assert measured.y[-1] == only_group(plain[1]).combined.noise.combined
        assert np.all(np.abs(np.array(measured.y) / expected.y - 1) < 0.2)

    def test_frames_have_level_noise_and_lines(self, plain):
        rows = rows_of(night_report_data(*plain))
        assert [row.name for row in rows] == [f"b{n}.fits" for n in range(6)]
        for number, row in enumerate(rows):
            assert row.raw_level == pytest.approx(1000 + number, abs=1.5)
            assert row.level == pytest.approx(0.0, abs=1.5)
            assert row.noise == pytest.approx(4.0, abs=0.3)
            assert sum(row.histogram.counts) == 18_000 * len(row.rows) // 180
            assert len(row.columns) == row.thumbnail.shades.shape[1]

    def test_what_is_wrong_is_said_first(self, evil):
        assert evil.verdict.tone == "bad"
        assert evil.verdict.headline == "Finished with problems (2 frames): 4 of 5 biases calibrated and combined."
        assert "damaged <i>.fits" in evil.verdict.remarks[0].text
        assert "columns 1 to 3 are 40 ADU high" in evil.verdict.remarks[1].text

    def test_a_guess_asks_for_a_look(self, tmp_path):
        for number in range(3):
            write_raw(tmp_path / "raw" / f"b{number}.fits", raw_frame(number), BIASSEC="[101:120,1:180]")
        plan = unseen(tmp_path / "raw", tmp_path / "out")
        data = night_report_data(plan, run_night(plan))
        assert (data.verdict.tone, data.verdict.headline) == ("good", "All is well: 3 biases calibrated and combined.")
        assert "BIASSEC [101:120,1:180] may be wrong" in data.verdict.remarks[0].text

    def test_inspection_brings_profiles_and_sentences(self, evil):
        section = of_biases(evil)
        strip = next(plot for plot in section.plots if plot.title == "Overscan, right")
        chosen = next(span for span in strip.spans if span.tone == "good")
        assert chosen.label == "chosen: columns 104–120"
        assert {curve.label for curve in strip.curves} == {"bias (4)", "flat (2)"}
        assert "104" in section.remarks[0].text

    def test_noise_that_does_not_fall_is_explained(self, plain):
        plan, result = plain
        part = NoisePart("rows", 0.9, "rows: their levels differ between frames, 2.2 ADU in each")
        excess = Excess(1.4, 1.0, (part,), 2.0)
        group = only_group(result)
        noisy = replace(group, combined=replace(group.combined, excess=excess))
        worse = replace(result, groups=(noisy,))
        data = night_report_data(plan, replace(worse, review=review_of(plan, worse, {})))
        text = " ".join(remark.text for remark in data.verdict.remarks)
        assert "its noise of 1.63 ADU is 1.63 times the 1 that the pixels of its 6 frames alone give" in text
        assert "levels of rows that differ between frames" in text

    @pytest.mark.parametrize("compress", ["gzip", "rice"])
    def test_compressed_results_look_the_same(self, plain, tmp_path, compress):
        raw = plain[0].raw
        data = night_report_data(*run_folder(raw, tmp_path / "out", compress=compress))
        usual = night_report_data(*plain)
        for ours, theirs in zip(of_biases(data).blinks, of_biases(usual).blinks, strict=True):
            for one, other in zip(ours.pictures, theirs.pictures, strict=True):
                np.testing.assert_array_equal(one.shades, other.shades)

    def test_one_frame_and_no_combination(self, tmp_path):
        write_raw(tmp_path / "raw" / "only.fits", raw_frame(1))
        data = night_report_data(*run_folder(tmp_path / "raw", tmp_path / "out", combine=False))
        assert data.verdict.headline == "All is well: 1 bias calibrated."
        assert [plot.title for plot in of_biases(data).plots] == [
            "Overscan of one raw frame",
            "Distribution of pixels",
        ]
        assert "only.fits" in render_report(data)

    def test_nothing_could_be_done(self, tmp_path):
        raw = tmp_path / "raw"
        for number in range(2):
            write_raw(raw / f"b{number}.fits", raw_frame(number))
        plan = bias_plan(raw, tmp_path / "out")
        for path in raw.iterdir():
            path.write_bytes(path.read_bytes()[:6000])
        data = night_report_data(plan, run_night(plan))
        assert data.verdict.headline == "Finished with problems (2 frames): 0 of 2 biases calibrated."
        assert "cut off" in render_report(data)

    def test_what_was_there_already(self, plain, tmp_path):
        raw = plain[0].raw
        plan, _ = run_folder(raw, tmp_path / "out")
        again = run_night(plan)
        assert {each.outcome.state for each in again.frames} == {"skipped"}
        data = night_report_data(plan, again)
        assert data.verdict.headline == "All is well: 6 biases calibrated and combined."
        assert data.figures[0].note == "6 were there already"
        assert all(abs(row.level) < 1.5 for row in rows_of(data))
        assert "Noise against the number of frames" in render_report(data)

    def test_infinities_and_holes(self, tmp_path):
        for number in range(3):
            pixels = raw_frame(number).astype(np.float32)
            pixels[20:40], pixels[50 + number, 10:14] = np.nan, (np.inf, -np.inf, np.inf, -np.inf)
            write_raw(tmp_path / "raw" / f"b{number}.fits", pixels)
        plan = unseen(tmp_path / "raw", tmp_path / "out")
        data = night_report_data(plan, run_night(plan))
        shown = of_biases(data).blinks[0].pictures[0].shades
        assert (shown[20:40] == NO_PIXEL).all()
        page = re.sub(r'src="data:[^"]*"', "", render_report(data))
        assert re.findall(r"\b(?:nan|inf)\b", page, re.IGNORECASE) == []

    def test_flipped_frames_lie_on_the_raw_one(self, tmp_path):
        write_raw(tmp_path / "raw" / "b.fits", raw_frame(1))
        plan, result = run_folder(tmp_path / "raw", tmp_path / "out", trim="[100:11,180:1]", overscan_method="median")
        target = result.frames[0].frame.target
        place = plan.frames[0].recipe.trim.slices_yx(SHAPE_YX)
        shown = preview(open_rows(target), SHAPE_YX, place)
        raw = raw_frame(1).astype(float)
        level = np.median(raw[:, 105:], axis=1, keepdims=True)
        np.testing.assert_array_equal(shown[:, 10:100], (raw - level)[:, 10:100])
        assert np.isnan(shown[:, :10]).all()
        assert np.isnan(shown[:, 100:]).all()


class TestPieces:
    def test_png_is_that_of_others(self):
        from matplotlib.image import imread

        image = np.array([[0, 254], [127, NO_PIXEL]], np.uint8)
        decoded = np.rint(255 * imread(io.BytesIO(png_bytes(image)), format="png")[..., :3]).astype(int)
        np.testing.assert_array_equal(decoded[1], [[0, 0, 0], [255, 255, 255]])  # row 0 is at the bottom
        np.testing.assert_array_equal(decoded[0], [[128, 128, 128], [66, 92, 138]])

    def test_stretch_of_odd_images(self):
        assert stretch_limits(np.full((3, 3), np.nan)) == (0.0, 1.0)
        low, high = stretch_limits(np.arange(1000.0))
        assert (low, high) == pytest.approx((5, 994), abs=1)
        assert shades(np.array([[np.inf, -np.inf, np.nan]]), 0.0, 1.0).tolist() == [[NO_PIXEL] * 3]

    @pytest.mark.parametrize("scale", ["linear", "log", "asinh"])
    @pytest.mark.parametrize(("low", "high"), [(0.8, 4.2), (1e-5, 0.3), (1.0, 800.0), (1099.2, 1105.9), (-2e6, 3e6)])
    def test_ticks_are_few_and_lie_on_the_axis(self, scale, low, high):
        found = ticks(max(low, 1e-6) if scale == "log" else low, high, scale)
        assert 1 <= len(found) <= 8
        assert found == sorted(set(found))
        assert all(low <= value <= high for value in found)

    @pytest.mark.parametrize("scale", ["linear", "log", "asinh"])
    def test_plots_stay_in_their_frame(self, scale):
        y = (float("nan"), 5.0, 0.0, 1e5, -3.0, float("inf"))
        plot = Plot("t", "x", "y", "a", (Curve("c", tuple(map(float, range(6))), y, marks=True),), y_scale=scale)
        drawn = draw_plot(plot)
        assert drawn.curves[0].marks
        assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in drawn.curves[0].marks)
        assert "nan" not in drawn.curves[0].path

    def test_plot_of_nothing(self):
        assert draw_plot(Plot("t", "x", "y", "a", (Curve("c", (), ()),))).curves[0].path == ""

    def test_histograms_of_whole_numbers_have_no_comb(self):
        values = np.rint(np.random.default_rng(1).normal(3.3, 4.17, 100_000))
        counts = np.array(histogram_of(values, *bins_for(values, 3.0, 4.17)).counts)
        assert counts.sum() == 100_000
        assert np.all(np.diff(np.sign(np.diff(counts[5:-5]))) <= 0) or np.abs(np.diff(counts, 2)).max() < 2000

    def test_masked_pixels_take_no_part(self, tmp_path):
        pixels = np.random.default_rng(1).normal(0, 4, (64, 64)).astype(np.float32)
        pixels[:32] = np.nan
        sample = sample_for_page(write_raw(tmp_path / "m.fits", pixels), 1)
        assert np.isnan(sample.rows[:31]).all()
        assert np.isfinite(sample.columns).all()
        assert sample.noise == pytest.approx(4, rel=0.1)

    def test_notebook_fragments_escape(self):
        for html in (
            verdict_html("note", "<b>", ["<i>\x00"]),
            table_html(["<b>"], [["<i>", None]]),
        ):
            assert not {"b", "i"} & {tag for tag, _ in Elements(html).found}

    def test_contrast(self):
        """WCAG 2.2, 1.4.3 and 1.4.11: 4.5 for text, 3 for lines, in light and in dark."""
        css = page_module._text("report.css")
        light = dict(re.findall(r"--([\w-]+): (#\w{6})", css.split("@media")[0]))
        dark = light | dict(re.findall(r"--([\w-]+): (#\w{6})", css.split("@media")[1]))
        for colours in (light, dark):
            for ink in ("ink", "soft", "good", "note", "bad"):
                for paper in ("paper", "panel"):
                    assert contrast(colours[ink], colours[paper]) >= 4.5, (ink, paper)
            for tone in ("good", "note", "bad"):
                for ink in ("ink", tone):
                    assert contrast(colours[ink], colours[f"{tone}-panel"]) >= 4.5, (ink, tone)
            assert all(contrast(colours[f"c{n}"], colours["panel"]) >= 3 for n in range(5))
            assert contrast(colours["focus"], colours["paper"]) >= 3


def contrast(one, other):
    def luminance(colour):
        parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


class TestEscaping:
    def test_nothing_from_outside_becomes_an_element(self, evil):
        page = render_report(evil)
        elements = Elements(page)
        assert len(elements.named("script")) == 1
        assert len(elements.named("style")) == 1
        assert not {"b", "i"} & {tag for tag, _ in elements.found}
        for _, attributes in elements.found:
            assert not [name for name in attributes if name.startswith("on") or name == "style"]
        assert all(img["src"].startswith("data:image/png;base64,") for img in elements.named("img"))
        assert all(img["alt"] for img in elements.named("img"))
        assert not {"link", "iframe", "object", "base", "form"} & {tag for tag, _ in elements.found}
        for words in ("<script>alert(1)<script>.fits", "{{ 7 * 7 }}", "naïve Ω \\x1b[2J\\u202e.fits", "alert(5)"):
            assert words in elements.text
        assert not [c for c in page if not (c.isprintable() or c == "\n")]

    def test_names_that_are_no_text(self, tmp_path):
        odd = os.fsdecode(b"odd\xff.fits")
        try:
            write_raw(tmp_path / "raw" / odd, raw_frame(1))
        except OSError:
            pytest.skip("this file system takes no such name")
        data = night_report_data(*run_folder(tmp_path / "raw", tmp_path / "out"))
        write_report(tmp_path / "report.html", data)
        assert "odd\\udcff.fits" in (tmp_path / "report.html").read_text(encoding="utf-8")

    def test_every_field_is_text(self):
        bad = "</script></style><script>alert(1)</script>\x00\x07"
        frame = PageRow(bad, bad, bad, flags=(PageFlag(bad, bad),))
        data = ReportData(
            *(bad, bad, PageVerdict("note", bad, (Remark(bad),)), (KeyFigure(bad, bad, bad),)),
            sections=(
                PageSection(
                    bad, bad, plots=(Plot(bad, bad, bad, bad, (Curve(bad, (1.0,), (1.0,)),)),), frames=(frame,)
                ),
            ),
        )
        page = render_report(data)
        assert len(Elements(page).named("script")) == 1
        assert "\x00" not in page


class TestWriting:
    def test_atomic_and_not_over_another(self, evil, tmp_path):
        path = tmp_path / "report.html"
        assert write_report(path, evil) == path.stat().st_size
        with pytest.raises(OutputExistsError):
            write_report(path, evil)
        write_report(path, evil, overwrite=True)
        assert [each.name for each in tmp_path.iterdir()] == ["report.html"]

    def test_without_jinja2_a_sentence(self, evil, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "jinja2", None)
        page_module._template.cache_clear()
        with pytest.raises(ZeroframeError, match=r"reports need jinja2.*pip install 'zeroframe\[report\]'"):
            write_report(tmp_path / "report.html", evil)
        page_module._template.cache_clear()
        assert not list(tmp_path.iterdir())

    def test_can_write_reports(self):
        assert can_write_reports()

    def test_only_our_own_pages_are_reports(self, evil, tmp_path):
        ours, other = tmp_path / "report.html", tmp_path / "other.html"
        write_report(ours, evil)
        other.write_text("<!DOCTYPE html><title>my notes on zeroframe report</title>")
        assert is_report(ours)
        assert not is_report(other)
        assert not is_report(tmp_path)

    @pytest.mark.long
    def test_25_lfc_frames_are_quick_and_small(self, tmp_path):
        """Four frames, taken again and again: what a page of 25 costs."""
        simulate_biases("palomar-lfc", tmp_path / "raw", frames=4, seed=1)
        raw, out = tmp_path / "raw", tmp_path / "out"
        plan = bias_plan(raw, out)
        result = run_night(plan)
        group = only_group(result)
        ended = []
        for number in range(25):
            each = result.frames[number % 4]
            files = (each.frame.source, each.frame.target)
            links = [path.with_name(f"n{number}.fits") for path in files]
            for link, path in zip(links, files, strict=True):
                link.symlink_to(path)
            named = {"source": links[0], "target": links[1]}
            frame = replace(each.frame, name=links[0].name, **named)
            ended.append(replace(each, frame=frame, outcome=replace(each.outcome, **named)))
        group = replace(group, group=replace(group.group, frames=tuple(each.frame for each in ended)))
        plan = replace(plan, groups=(group.group,))
        start = time.process_time()  # of the processor, so that other work on the machine does not count
        data = night_report_data(plan, replace(result, frames=tuple(ended), groups=(group,)))
        size = write_report(tmp_path / "report.html", data)
        seconds = time.process_time() - start
        shutil.rmtree(raw)
        shutil.rmtree(out)
        assert len(rows_of(data)) == 25
        assert size < 3_000_000
        assert seconds < 5.0


@pytest.fixture
def opened(browser, evil, tmp_path):
    path = tmp_path / "report.html"
    write_report(path, evil)
    browser.open(path)
    return browser


SHOWN = "[...document.querySelector('.blink').querySelectorAll('.frame')].map(f => getComputedStyle(f).visibility)"
FIRST, SECOND = ["visible", "hidden"], ["hidden", "visible"]


class TestInBrowser:
    def test_no_error_and_no_request(self, opened):
        opened.value("new Promise(done => setTimeout(done, 300))")
        assert opened.complaints == []
        assert [url for url in opened.requests if not url.startswith("data:image/png")] == [
            opened.value("location.href")
        ]
        assert opened.value("location.protocol") == "file:"
        assert not [event for event in opened.events if event.get("method") == "Page.javascriptDialogOpening"]
        assert opened.value("[...document.images].every(image => image.complete && image.naturalWidth > 0)")

    def test_policy_forbids_to_load_and_to_run(self, opened):
        blocked = """new Promise(done => {
            const seen = [];
            addEventListener('securitypolicyviolation', event => {
                seen.push(event.effectiveDirective);
                if (seen.length === 2) done(seen.sort());
            });
            const image = Object.assign(new Image(), { src: 'https://zeroframe.invalid/x.png' });
            const script = document.createElement('script');
            script.textContent = 'window.hacked = true';
            document.body.append(image, script);
            setTimeout(() => done(seen), 5000);
        })"""
        assert opened.value(blocked) == ["img-src", "script-src-elem"]
        assert opened.value("window.hacked === undefined")
        failed = []
        for _ in range(100):  # that the network says so, too, may take a while
            failed = [event["params"] for event in opened.events if event.get("method") == "Network.loadingFailed"]
            if failed:
                break
            opened.value("new Promise(done => setTimeout(done, 50))")
        assert [each.get("blockedReason") for each in failed] == ["csp"]

    @pytest.mark.long
    def test_blink_by_mouse(self, opened):
        assert opened.value(SHOWN) == FIRST
        opened.click(".blink .stage")
        assert opened.value(SHOWN) == SECOND
        opened.click(".blink .stage")
        assert opened.value(SHOWN) == FIRST
        opened.click(".blink [data-show='1']")
        assert opened.value(SHOWN) == SECOND
        assert opened.value("document.querySelector(\".blink [data-show='1']\").ariaPressed") == "true"
        opened.click(".blink [data-auto]")
        assert changes(opened) >= 2
        opened.click(".blink [data-auto]")
        assert changes(opened) == 0

    @pytest.mark.long
    def test_blink_by_keyboard(self, opened):
        for _ in range(12):
            opened.press("Tab")
            if opened.value("document.activeElement.className") == "stage":
                break
        else:
            raise AssertionError("the images cannot be reached by keyboard")
        assert opened.value("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        for key, expected in ((" ", SECOND), ("Enter", FIRST), ("ArrowRight", SECOND), ("ArrowLeft", FIRST)):
            opened.press(key)
            assert opened.value(SHOWN) == expected, key
        assert opened.value("document.querySelector('.blink [aria-live]').textContent") == "Raw shown"
        opened.press("b")
        assert changes(opened) >= 2
        opened.press("Escape")
        assert changes(opened) == 0
        assert opened.complaints == []

    @pytest.mark.parametrize("width", [320, 390, 768, 1280, 1920])
    def test_nothing_sticks_out(self, browser, evil, tmp_path, width):
        write_report(tmp_path / "report.html", evil)
        browser.open(tmp_path / "report.html", width)
        assert browser.value("document.documentElement.scrollWidth") <= width
        outside = f"""[...document.querySelectorAll('main *')].filter(e => e.getBoundingClientRect().right > {width + 1}
            && !e.closest('.unseen, .wide, .frames thead')).map(e => e.tagName + '.' + e.className)"""
        assert browser.value(outside) == []

    def test_verdict_is_seen_first_on_a_phone(self, browser, evil, tmp_path):
        write_report(tmp_path / "report.html", evil)
        browser.open(tmp_path / "report.html", 390, 844)
        top, bottom = browser.value(
            "(r => [r.top, r.bottom])(document.querySelector('#headline').getBoundingClientRect())"
        )
        assert 0 < top < bottom < 400
        assert browser.value(
            "[...document.querySelectorAll('button')].every(b => b.getBoundingClientRect().height >= 44)"
        )

    def test_prints(self, opened):
        before = opened.value("document.querySelectorAll('details[open]').length")
        assert before < opened.value("document.querySelectorAll('details').length")
        printed = opened.pdf()
        assert printed.startswith(b"%PDF")
        assert opened.value("document.querySelectorAll('details[open]').length") == before
        assert opened.complaints == []

    def test_without_script_all_is_shown(self, browser, evil, tmp_path):
        write_report(tmp_path / "report.html", evil)
        browser.call("Emulation.setScriptExecutionDisabled", value=True)
        try:
            browser.open(tmp_path / "report.html")
            seen = browser.value(SHOWN)  # the protocol's own scripts still run
        finally:
            browser.call("Emulation.setScriptExecutionDisabled", value=False)
        assert seen == ["visible", "visible"]


def changes(browser):
    """How often the images change by themselves in one and a half seconds."""
    return browser.value("""new Promise(done => {
        let number = 0;
        const watch = new MutationObserver(changed => {
            number += changed.filter(each => each.target.classList.contains('shown')).length;
        });
        watch.observe(document.querySelector('.blink .stage'), { subtree: true, attributeFilter: ['class'] });
        setTimeout(() => { watch.disconnect(); done(number); }, 1500);
    })""")
