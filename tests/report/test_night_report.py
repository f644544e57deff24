"""The report of a night: its figures against simulated truth and plain numpy, what goes wrong, and how it looks."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits
from test_report import Elements

from nights import RECIPES, SMALL_CG16M, calibrated, planned, sensor_of, small_night
from workbench import SMALL_LFC
from zeroframe.frames.quality import measure_frame
from zeroframe.frames.steps import FrameRecipe
from zeroframe.headers.kinds import Kind
from zeroframe.headers.sections import Section as PixelSection
from zeroframe.planning.first_steps import Choice
from zeroframe.report import ReportData, night_report_data, render_report, write_report
from zeroframe.report.data import (
    Bar,
    Column,
    Comparison,
    FrameTable,
    Lane,
    PageRow,
    PageSection,
    PageVerdict,
    Remark,
    Table,
    TableRow,
    Timeline,
)
from zeroframe.report.draw.combined import above_plot, flat_range, pixels_above
from zeroframe.report.draw.images import NO_PIXEL
from zeroframe.report.draw.sampling import TrimmedImage, open_rows, preview
from zeroframe.report.draw.timelines import draw_timeline
from zeroframe.report.sections.darks import DarkCurrent, dark_current
from zeroframe.report.sections.reading import open_night
from zeroframe.report.sections.science import measure_lights
from zeroframe.run.engine import run_night
from zeroframe.run.reviewing import review_of

LFC, CG16M = "palomar-lfc", "apogee-cg16m"
EVIL_NAME = "<img src=x onerror='alert(2)'>.fits"


def carried(raw, out, recipe):
    plan = planned(raw, out, recipe)
    return plan, run_night(plan)


@pytest.fixture(scope="module")
def lfc(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lfc")
    return carried(small_night(folder / "raw"), folder / "out", RECIPES[LFC])


@pytest.fixture(scope="module")
def lfc_page(lfc):
    return night_report_data(*lfc, command="zeroframe night raw -o out")


@pytest.fixture(scope="module")
def cg16m(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cg16m")
    return carried(small_night(folder / "raw", CG16M), folder / "out", RECIPES[CG16M])


def changed(path, value=0, rows=slice(0), columns=slice(0), **cards):
    """Fill some pixels of a raw frame, and change cards."""
    with fits.open(path, mode="update") as hdus:
        hdus[0].data[rows, columns] = value
        hdus[0].header.update(cards)
        for word in ("DATASUM", "CHECKSUM"):
            hdus[0].header.remove(word, ignore_missing=True)


@pytest.fixture(scope="module")
def trouble(tmp_path_factory):
    """A saturated flat, no dark of its exposure, another filter, a leak, damage, and names that are an attack."""
    folder = tmp_path_factory.mktemp("trouble")
    raw = small_night(folder / "raw")
    changed(raw / "ccd.018.0.fits", 65535, slice(100, 200), slice(100, 300))
    changed(raw / "ccd.043.0.fits", FILTER='r"><b>x</b>', OBJECT="<script>alert(1)</script>")
    for number in (17, 18, 19):
        (raw / "darks" / f"ccd.{number:03d}.0.fits").unlink()
    damaged = raw / "ccd.003.0.fits"
    damaged.write_bytes(damaged.read_bytes()[:200_000])
    changed(raw / "ccd.005.0.fits", 1160, slice(0, 150), slice(0, 200))
    shutil.copy(raw / "ccd.037.0.fits", raw / EVIL_NAME)
    changed(raw / EVIL_NAME, 65535, slice(50, 60), slice(50, 60), EXPTIME=250.0)
    return carried(raw, folder / "out", RECIPES[LFC] + "[steps]\nto_electrons = true\n")


@pytest.fixture(scope="module")
def trouble_page(trouble):
    return night_report_data(*trouble, command="zeroframe night '<script>alert(4)</script>'")


def section(data, title):
    return next(each for each in data.sections if each.title == title)


def table(data, title):
    return next(each for one in data.sections for each in one.tables if each.title == title)


def cells(found):
    """A table as a list of dicts, by the heads of its columns."""
    heads = [column.title for column in found.columns]
    return [dict(zip(heads, row.cells, strict=True)) for row in found.rows]


class TestContent:
    def test_verdict_in_a_sentence(self, lfc_page, cg16m):
        said = "All is well: 2 science frames calibrated with dark and flat; 6 combined frames made."
        assert (lfc_page.verdict.tone, lfc_page.verdict.headline) == ("good", said)
        assert night_report_data(*cg16m).verdict.headline == (
            "All is well: 2 science frames calibrated with bias, dark and flat; 3 combined frames made."
        )

    def test_one_section_a_kind(self, lfc_page):
        titles = [each.title for each in lfc_page.sections]
        assert titles == ["The night at a glance", "Bias", "Darks", "Flats", "Science"]
        text = Elements(render_report(lfc_page)).text
        for words in (
            *("combined_flat_gp.fits", "Before and after, g'", "zeroframe night raw -o out", "24 input files"),
            *("as asked for", "Why these, and what was turned down", "Rejected: dark 70 s", "numpy"),
        ):
            assert words in text

    def test_the_same_night_gives_the_same_page(self, lfc, lfc_page):
        again = night_report_data(*lfc, command="zeroframe night raw -o out", workers=1)
        assert render_report(again) == render_report(lfc_page)

    def test_glance_counts_every_frame(self, lfc, lfc_page):
        rows = cells(table(lfc_page, "What there is, and what became of it"))
        assert sum(int(row["frames"]) for row in rows) == len(lfc[0].frames) == 24
        by_name = {row["what"]: row for row in rows}
        assert by_name["dark 300 s"]["used for"] == "2 science frames and the hot pixels of 2 frames"
        assert by_name["bias"]["used for"] == "the noise of 2 science frames"
        assert by_name["science g'"]["used for"] == "with dark 300 s · flat g'"

    def test_timeline_has_the_times_of_the_headers(self, lfc, lfc_page):
        (line,) = lfc_page.sections[0].timelines
        assert line.title == "Night of 2016-01-15"
        bars = {bar.label.partition(",")[0]: bar for lane in line.lanes for bar in lane.bars}
        assert len(bars) == 24
        for frame in lfc[0].frames:
            header = fits.getheader(frame.source)
            hours, minutes, seconds = map(float, header["UT"].split(":"))
            assert header["DATE-OBS"] == "2016-01-16"
            assert bars[frame.name].start_h == pytest.approx(24 + hours + minutes / 60 + seconds / 3600)
            assert bars[frame.name].length_h == pytest.approx(header["EXPTIME"] / 3600)

    def test_what_was_there_already(self, lfc):
        again = run_night(lfc[0])
        assert {each.outcome.state for each in again.frames} == {"skipped"}
        data = night_report_data(lfc[0], again)
        assert data.verdict.headline.startswith("All is well: 2 science frames")
        page = re.sub(r'src="data:[^"]*"', "", render_report(data))
        assert re.findall(r"\b(?:nan|inf)\b", page, re.IGNORECASE) == []


class TestDarks:
    def test_dark_current_is_the_simulated_one(self, lfc, cg16m):
        for (plan, result), camera in ((lfc, SMALL_LFC), (cg16m, SMALL_CG16M)):
            view = open_night(plan, result)
            longest = max((each.group for each in view.groups_of(Kind.DARK)), key=lambda group: group.traits.exposure_s)
            found = dark_current(view, longest)
            assert found.unit == "e⁻/s"
            assert 0 < found.error < camera.dark_e_per_s
            assert abs(found.value - camera.dark_e_per_s) < 3.5 * found.error

    def test_none_is_said_to_be_below_a_limit(self, lfc_page):
        rows = {row["combined"]: row for row in cells(table(lfc_page, "Combined darks"))}
        assert rows["dark 7 s"]["dark current"].startswith("below ")
        assert re.fullmatch(r"0\.00\d+ ± 0\.00\d+ e⁻/s", rows["dark 300 s"]["dark current"])
        assert rows["dark 7 s"]["bias"] == "still in it"

    @pytest.mark.parametrize(
        ("current", "words"),
        [
            (DarkCurrent(1.4, float("nan"), "ADU/s"), "1.4 ADU/s"),
            (DarkCurrent(-0.3, 0.1, "ADU/s"), "below 0.2 ADU/s"),
            (DarkCurrent(12.34, 0.5, "e⁻/s"), "12.3 ± 0.5 e⁻/s"),
            (DarkCurrent(120.0, 3.0, "e⁻/s"), "120 ± 3 e⁻/s"),
        ],
    )
    def test_words(self, current, words):
        assert current.words() == words

    def test_hot_pixels_are_counted(self, lfc, lfc_page):
        plan, result = lfc
        (mask,) = (each for each in result.masks if each.job.what == "hot")
        dark = fits.getdata(plan.out / mask.job.source)
        assert mask.count == np.count_nonzero(~(dark <= np.float32(mask.limit)))
        truth = sensor_of(SMALL_LFC)
        assert mask.count == pytest.approx(np.count_nonzero(truth.dark_e_per_s > 0.3), abs=5)
        assert next(each for each in lfc_page.figures if each.label == "hot pixels").value == str(mask.count)
        (plot,) = section(lfc_page, "Darks").plots
        (span,) = plot.spans
        curve = next(each for each in plot.curves if each.label == "dark 300 s")
        assert dict(zip(curve.x, curve.y, strict=True))[span.first] == mask.count

    def test_counting_in_bands(self, tmp_path):
        pixels = np.random.default_rng(1).normal(0, 4, (120, 70)).astype(np.float32)
        pixels[3, 5] = np.nan
        fits.PrimaryHDU(pixels).writeto(tmp_path / "d.fits")
        limits = [-3.0, 0.0, 5.0, 100.0]
        expected = tuple(np.count_nonzero(~(pixels <= np.float32(limit))) for limit in limits)
        assert pixels_above(open_rows(tmp_path / "d.fits"), limits) == expected

        assert expected[-1] == 1

    @pytest.mark.parametrize("noise", [2e5, 1e7, 1e30])
    def test_a_dark_whose_noise_is_beyond_all_reason_is_not_drawn(self, tmp_path, noise):
        pixels = np.random.default_rng(4).normal(0, noise, (40, 50)).astype(np.float32)
        pixels[3, 4] = 3 * noise
        fits.PrimaryHDU(pixels).writeto(tmp_path / "d.fits")
        drawn = above_plot({"dark": tmp_path / "d.fits"}, "ADU", None)
        assert (drawn is None) == (noise > 1e6)


class TestFlats:
    def test_levels_scatter_saturation_and_range(self, cg16m):
        plan, result = cg16m
        data = night_report_data(plan, result)
        (row,) = cells(table(data, "Combined flats"))
        (group,) = (each for each in plan.groups if each.kind is Kind.FLAT)
        levels = [np.median(calibrated(frame.target).data) for frame in group.frames]
        low, high = map(float, row["levels, ADU"].split(" to "))
        assert (low, high) == (pytest.approx(min(levels), rel=0.01), pytest.approx(max(levels), rel=0.01))
        scatter = 100 * np.std(levels, ddof=1) / np.mean(levels)
        assert float(row["scatter"].removesuffix(" %")) == pytest.approx(scatter, rel=0.03)
        assert row["saturated"] == "none"
        ends = np.percentile(fits.getdata(group.target), (1, 99))
        assert [float(end) for end in row["range"].split(" to ")] == pytest.approx(ends, abs=0.03)
        assert float(row["gain measured"].split()[0]) == pytest.approx(SMALL_CG16M.gain_e_per_adu, rel=0.02)
        (plot,) = section(data, "Flats").plots
        assert plot.curves[0].y == pytest.approx([level / 1000 for level in levels], rel=0.01)

    def test_levels_that_hardly_differ_are_not_drawn(self, lfc_page):
        assert section(lfc_page, "Flats").plots == ()

    @pytest.mark.long
    def test_a_saturated_flat_is_left_out_and_said(self, trouble_page):
        rows = {row["combined"]: row for row in cells(table(trouble_page, "Combined flats"))}
        assert (rows["flat i'"]["frames"], rows["flat i'"]["saturated"]) == ("2 of 3", "8.3 %")
        said = "ccd.018.0.fits: 8.33 % of this flat is saturated (limit 1 %)"
        assert f"left out of flat i': {said}" in [remark.text for remark in section(trouble_page, "Flats").remarks]
        verdict = trouble_page.verdict
        assert f"{said} (ZF203)" in [remark.text for remark in (*verdict.remarks, *verdict.more)]
        folded = {each.title: each for each in section(trouble_page, "Flats").frame_tables}
        assert folded["3 frames of flat i'"].is_open
        assert not folded["3 frames of flat g'"].is_open

    def test_range_of_nothing(self):
        assert np.isnan(flat_range(np.full((3, 3), np.nan))).all()


class TestScience:
    def test_figures_are_those_of_the_files(self, lfc):
        view = open_night(*lfc)
        for name, found in measure_lights(view).items():
            raw = fits.getdata(lfc[0].raw / name)[:, :600].astype(np.float32)
            after = calibrated(lfc[0].out / name)
            assert found.raw_level == pytest.approx(np.median(raw), rel=0.01)
            assert found.raw_noise == pytest.approx(measure_frame(raw).noise_adu, rel=0.02)
            assert found.level == pytest.approx(np.median(after.data), rel=0.01)
            assert found.stated == pytest.approx(np.median(after.sigma), rel=0.02)
            assert found.masked == after.mask.sum()
            assert found.saturated == np.count_nonzero(raw == 65535)

    def test_the_noise_is_what_is_stated(self, lfc, cg16m, trouble):
        for night in (lfc, cg16m, trouble):
            ratios = {name: one.noise_ratio for name, one in measure_lights(open_night(*night)).items()}
            flattened = [ratio for name, ratio in ratios.items() if name != "ccd.043.0.fits" or night is lfc]
            assert flattened == pytest.approx(np.ones(len(flattened)), abs=0.03)

    def test_an_uncertainty_that_is_wrong_is_noticed(self, lfc):
        plan, result = lfc
        name = "ccd.037.0.fits"
        frames = tuple(
            replace(each, said={**each.said, "NOISERAT": 0.5 * each.said["NOISERAT"]})
            if each.frame.name == name
            else each
            for each in result.frames
        )
        wrong = replace(result, frames=frames)
        data = night_report_data(plan, replace(wrong, review=review_of(plan, wrong, {})))
        assert data.verdict.tone == "note"
        said = [remark.text for remark in data.verdict.remarks]
        assert any(re.search(r"ccd.037.0.fits: its noise is 0\.(49|5\d) times .* \(ZF403\)", text) for text in said)

    def test_before_and_after_share_their_contrast(self, lfc, lfc_page):
        shown = {each.title: each for each in section(lfc_page, "Science").comparisons}
        assert set(shown) == {"ccd.037.0.fits", "ccd.043.0.fits"}
        for name, each in shown.items():
            before, after = each.pictures
            assert before.shades.shape == after.shades.shape
            raw, done = (preview(image, pixels=60_000) for image in (
                TrimmedImage(open_rows(lfc[0].raw / name), FrameRecipe.of_one(trim=PixelSection.parse("[1:600,:]"))),
                open_rows(lfc[0].out / name),
            ))  # fmt: skip
            steps = []
            for picture, image in ((before, raw), (after, done)):
                inner = (picture.shades > 20) & (picture.shades < 230)
                steps.append(np.polyfit(image[inner], picture.shades[inner].astype(float), 1)[0])
            assert steps[0] == pytest.approx(steps[1], rel=0.01)
            # vignetting and dust are gone: less structure is left after
            scatter = [np.std(np.sort(p.shades.ravel().astype(float))[2000:-2000]) for p in (before, after)]
            assert scatter[1] < 0.75 * scatter[0]

    def test_why_which_calibration(self, lfc_page):
        first = section(lfc_page, "Science").comparisons[0]
        assert [(step.what, step.value) for step in first.steps] == [
            ("bias", "not needed"), ("dark", "dark 300 s"), ("flat", "flat g'"),
        ]  # fmt: skip
        assert first.steps[1].reason.startswith("same exposure: 300 s")
        assert any(line.startswith("Rejected: flat i'") for line in first.details)

    def test_electrons_are_shown_as_adu(self, trouble_page):
        shown = {each.title: each for each in section(trouble_page, "Science").comparisons}
        assert "electrons over 1.1 e⁻/ADU" in shown["ccd.037.0.fits"].caption
        assert "calibrated, e⁻" in [column.title for column in shown["ccd.037.0.fits"].figures.columns]
        saturated = {row.cells[0]: row.cells[1] for row in shown[EVIL_NAME].figures.rows}["saturated"]
        assert saturated.startswith("100 (")
        after = shown[EVIL_NAME].pictures[1].shades  # what is masked is no pixel
        assert (after == NO_PIXEL).any()

    def test_what_is_missing_stands_at_the_frame(self, trouble_page):
        shown = {each.title: each for each in section(trouble_page, "Science").comparisons}
        flat = shown["ccd.043.0.fits"].steps[2]
        assert (flat.what, flat.value, flat.certain) == ("flat", "none", False)
        assert "vignetting, dust and pixel response stay in" in flat.reason

    def test_turned_and_trimmed_images(self, tmp_path):
        pixels = np.arange(30 * 20, dtype=np.int16).reshape(30, 20)
        fits.PrimaryHDU(pixels).writeto(tmp_path / "i.fits")
        for words in ("[3:18,2:25]", "[18:3,*]", "[*,25:2]", "[18:3,25:2]"):
            trim = PixelSection.parse(words)
            image = TrimmedImage(open_rows(tmp_path / "i.fits"), FrameRecipe.of_one(trim=trim))
            expected = pixels[trim.slices_yx((30, 20))]
            assert image.shape_yx == expected.shape
            for rows in (slice(0, 5), slice(7, 8), slice(0, expected.shape[0])):
                out = np.empty(expected[rows].shape, np.float32)
                image.read_rows(0, rows, out)
                np.testing.assert_array_equal(out, expected[rows])

    @pytest.mark.parametrize("compress", ["gzip", "rice"])
    def test_compressed_results(self, lfc, tmp_path, compress):
        raw = tmp_path / "raw"
        shutil.copytree(lfc[0].raw, raw)
        plan, result = carried(raw, tmp_path / "out", f'compress = "{compress}"\n' + RECIPES[LFC])
        assert open_rows(plan.science[0].target).shape_yx == (400, 600)
        data = night_report_data(plan, result)
        assert data.verdict.tone == "good"


class TestTrouble:
    def test_what_is_wrong_comes_first(self, trouble_page):
        verdict = trouble_page.verdict
        assert verdict.tone == "bad"
        assert verdict.headline == (
            "Finished with problems (3 frames): 3 science frames calibrated with bias and dark, 1 of them not in full; "
            "5 combined frames made."
        )
        tones = [remark.tone for remark in verdict.remarks]
        assert tones == sorted(tones, key=["bad", "note", "neutral", "good"].index)
        assert verdict.remarks[0].text.startswith("ccd.003.0.fits: is cut off")
        assert any(remark.text.startswith("ccd.005.0.fits: it is") for remark in verdict.remarks)

    def test_frames_that_lack_something(self, trouble_page):
        rows = {row["file"]: row for row in cells(table(trouble_page, "Frames that lack something"))}
        assert set(rows) == {"ccd.003.0.fits", "ccd.043.0.fits"}
        assert rows["ccd.003.0.fits"]["lacks"] == "everything"
        assert rows["ccd.043.0.fits"]["lacks"] == "flat"
        assert "another filter" in rows["ccd.043.0.fits"]["why"]

    def test_nothing_from_outside_becomes_an_element(self, trouble_page):
        page = render_report(trouble_page)
        elements = Elements(page)
        assert len(elements.named("script")) == len(elements.named("style")) == 1
        assert not {"b", "i", "link", "iframe", "form"} & {tag for tag, _ in elements.found}
        for _, attributes in elements.found:
            assert not [name for name in attributes if name.startswith("on") or name == "style"]
        assert all(image["src"].startswith("data:image/png;base64,") for image in elements.named("img"))
        for words in (EVIL_NAME, 'r"><b>x</b>', "<script>alert(1)</script>", "alert(4)"):
            assert words in elements.text

    def test_every_field_is_text(self):
        bad = "</script></style><script>alert(1)</script>\x00\x07"
        columns, row = (Column(bad), Column(bad, figure=True)), TableRow((bad, bad), "bad")
        one = Table(bad, columns, (row,), bad)
        everything = PageSection(
            bad,
            timelines=(Timeline(bad, bad, (Lane(bad, 0, (Bar(1.0, 0.1, bad),)),), bad),) * 2,
            tables=(one,),
            comparisons=(Comparison(bad, bad, (), one, (Choice(bad, bad, bad),), (Remark(bad),), bad, (bad,)),) * 13,
            frame_tables=(FrameTable(bad, bad, (PageRow(bad, bad, bad),), bad),) * 9,
        )
        page = render_report(ReportData(bad, bad, PageVerdict("note", bad), sections=(everything,)))
        elements = Elements(page)
        assert len(elements.named("script")) == 1
        assert not {"\x00", "\x07"} & set(page)
        assert len(elements.named("article")) == 13

    def test_a_frame_whose_flat_could_not_be_made(self, tmp_path):
        raw = small_night(tmp_path / "raw", one_filter=True)
        plan = planned(raw, tmp_path / "out", RECIPES[LFC])
        for number in (14, 15, 16):
            path = raw / f"ccd.{number:03d}.0.fits"
            path.write_bytes(path.read_bytes()[:100_000])
        data = night_report_data(plan, run_night(plan))
        assert data.verdict.tone == "bad"
        rows = cells(table(data, "Frames that lack something"))
        why = "no flat: it could not be made, so vignetting, dust and pixel response stay in"
        assert {"file": "ccd.037.0.fits", "lacks": "flat", "why": why} in rows
        (flat,) = cells(table(data, "Combined flats"))
        assert flat["frames"] == "not made"
        step = section(data, "Science").comparisons[0].steps[2]
        assert (step.value, step.certain) == ("none", False)
        render_report(data)

    def test_science_alone(self, tmp_path):
        raw = small_night(tmp_path / "raw", one_filter=True)
        only = tmp_path / "only"
        only.mkdir()
        shutil.copy(raw / "ccd.037.0.fits", only / "m.fits")
        data = night_report_data(*carried(only, tmp_path / "out", RECIPES[LFC]))
        assert data.verdict.headline == "Finished with problems (1 frame): 1 science frame calibrated, not in full."
        assert [each.title for each in data.sections] == ["The night at a glance", "Science"]
        render_report(data)


@pytest.fixture(scope="module")
def long(lfc):
    """Each science frame 60 times, each flat and bias 30 times, by links to the same files."""
    plan, result = lfc
    frames = {each.frame.name: each for each in result.frames}

    def several(frame, number):
        return [replace(frame, name=f"n{n}_{frame.name}") for n in range(number)]

    science = tuple(each for frame in plan.science for each in several(frame, 60))
    groups = tuple(
        replace(group, frames=tuple(each for frame in group.frames for each in several(frame, 30)))
        for group in plan.groups
    )
    outcomes = tuple(
        replace(frames[frame.name.partition("_")[2]], frame=frame)
        for frame in (*(frame for group in groups for frame in group.frames), *science)
    )
    plan = replace(plan, science=science, groups=groups)
    of = {group.name: group for group in groups}
    found = tuple(replace(each, group=of[each.group.name]) for each in result.groups)
    return night_report_data(plan, replace(result, frames=outcomes, groups=found))


class TestLongNight:
    def test_stays_small_and_says_what_is_left_out(self, long, tmp_path):
        assert write_report(tmp_path / "report.html", long) < 5_000_000
        science = section(long, "Science")
        assert len(science.comparisons) == 48
        assert "72 frames more are in the table, but not shown before and after." in [r.text for r in science.remarks]
        assert len(science.tables[0].rows) == 120
        bias = section(long, "Bias").frame_tables[0]
        assert bias.title == "210 frames of bias"
        assert len(bias.frames) == 40
        assert bias.hint == "170 frames more, of which nothing is to be said, are not shown."

    def test_is_folded(self, long):
        elements = Elements(render_report(long))
        assert len(elements.named("article")) == 48
        assert "36 more, before and after" in elements.text


class TestTimeline:
    @pytest.mark.parametrize("hours", [0.01, 0.5, 3.0, 11.0, 40.0])
    def test_ticks_and_bars_stay_in_the_figure(self, hours):
        bars = tuple(Bar(23.0 + hours * n / 10, hours / 20, "b") for n in range(10))
        drawn = draw_timeline(Timeline("t", "a", (Lane("l", 0, bars),)))
        assert 1 <= len(drawn.ticks) <= 7
        assert all(0 <= place <= 100 for place, _ in drawn.ticks)
        assert all(bar.left >= 0 and bar.left + bar.width <= 100 for bar in drawn.lanes[0].bars)

    def test_a_single_moment(self):
        drawn = draw_timeline(Timeline("t", "a", (Lane("l", 0, (Bar(5.0, 0.0, "b"),)),)))
        assert drawn.lanes[0].bars[0].left == pytest.approx(50, abs=0.1)
        assert drawn.lanes[0].bars[0].width > 0


@pytest.fixture(scope="module")
def path(trouble_page, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_report(path, trouble_page)
    return path


class TestInBrowser:
    @pytest.mark.parametrize("width", [320, 390, 768, 1280, 1920])
    def test_nothing_sticks_out(self, browser, path, width):
        browser.open(path, width)
        browser.value("document.querySelectorAll('details').forEach(each => { each.open = true; })")
        assert browser.value("document.documentElement.scrollWidth") <= width
        outside = f"""[...document.querySelectorAll('main *')]
            .filter(e => e.getBoundingClientRect().right > {width + 1}
            && !e.closest('.unseen, .wide, .frames thead, .cards thead, svg'))
            .map(e => e.tagName + '.' + e.className)"""
        assert browser.value(outside) == []
        assert browser.complaints == []
        assert [url for url in browser.requests if not url.startswith("data:image/png")] == [path.resolve().as_uri()]

    @pytest.mark.parametrize("width", [390, 1280])
    def test_no_word_is_broken_to_letters(self, browser, path, width):
        """No cell of a table is so narrow that its head takes more than three lines."""
        browser.open(path, width)
        lines = """[...document.querySelectorAll('.cards thead th, .cards td, .cards th')]
            .filter(e => e.offsetWidth > 2 && e.offsetHeight > 110 && e.innerText.length < 30)
            .map(e => e.innerText)"""
        assert browser.value(lines) == []

    def test_before_and_after_stand_side_by_side_on_a_phone(self, browser, path):
        browser.open(path, 390)
        boxes = browser.value("""[...document.querySelectorAll('.pair')].map(pair =>
            [...pair.querySelectorAll('img')].map(e => (r => [r.left, r.top, r.width])(e.getBoundingClientRect())))""")
        assert len(boxes) == 3
        for (left, top, width), (left_after, top_after, width_after) in boxes:
            assert top == pytest.approx(top_after, abs=1)
            assert left + width <= left_after + 1
            assert width == pytest.approx(width_after, abs=1)
            assert width > 120

    def test_blinks(self, browser, path):
        browser.open(path)
        stage = "[...document.querySelectorAll('.blink')].find(e => e.innerText.startsWith('Before and after'))"
        shown = f"[...{stage}.querySelectorAll('.frame')].map(f => getComputedStyle(f).visibility)"
        assert browser.value(shown) == ["visible", "hidden"]
        browser.value(f"{stage}.querySelectorAll('[data-show]')[1].click()")
        assert browser.value(shown) == ["hidden", "visible"]

    def test_a_closer_look_has_the_values_that_the_shades_stand_for(self, browser, path, trouble_page):
        (pair, _) = next(each.pictures for each in section(trouble_page, "Science").comparisons if each.pictures)
        browser.open(path)
        shown = f"[...document.querySelectorAll('article img')].find(each => each.alt === {json.dumps(pair.alt)})"
        browser.value(f"{shown}.closest('article').querySelector('[data-closer]').click()")
        inside = "document.querySelector('#viewer iframe').contentDocument"
        browser.until(f"document.querySelector('#viewer iframe') !== null && {inside}.getElementById('stage') !== null")
        browser.until(f"{inside}.getElementById('stage').dataset.state === 'whole'")
        row, column = pair.shades.shape[0] // 3, pair.shades.shape[1] // 2
        x, y = column * pair.block + 1, row * pair.block + 1
        browser.value(
            f"{inside}.getElementById('go-to').value = '{x}, {y}'; {inside}.querySelector('#go button').click()"
        )
        browser.until(f"{inside}.getElementById('cursor').textContent.includes('mean')")
        shown = browser.value(f"{inside}.querySelectorAll('#cursor dd')[2].textContent")
        low, high = pair.limits
        assert float(shown.split()[0]) == pytest.approx(low + (high - low) * pair.shades[row, column] / 254, rel=1e-5)
        assert browser.complaints == []
        browser.value("document.querySelector('#viewer button').click()")
        browser.until("document.querySelector('#viewer') === null")

    def test_results_are_linked(self, browser, path, trouble_page):
        browser.open(path)
        links = browser.value("[...document.querySelectorAll('a[href$=\".fits\"]')].map(a => a.getAttribute('href'))")
        linked = {each.link for each in section(trouble_page, "Science").comparisons if each.link}
        assert linked
        assert linked <= set(links)
        assert all(link.startswith("./") for link in links)

    def test_contents_lead_to_each_section(self, browser, path, trouble_page):
        browser.open(path)
        titles = browser.value(
            "[...document.querySelectorAll('.contents a')].map(a => document.querySelector(a.hash).textContent)"
        )
        assert titles[: len(trouble_page.sections)] == [each.title for each in trouble_page.sections]

    def test_dark(self, browser, path):
        browser.open(path, dark=True)
        assert (
            browser.value("getComputedStyle(document.querySelector('.comparison')).backgroundColor")
            == "rgb(31, 35, 39)"
        )
        assert browser.value("getComputedStyle(document.querySelector('.lane text')).fill") == "rgb(232, 234, 237)"
