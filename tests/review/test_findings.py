"""The table of checks, the page made of it, and what a run says in all its views."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

import zeroframe
from workbench import command
from wrong_nights import GOOD, WRONG, write_night
from zeroframe.errors import UsageError
from zeroframe.frames.flat_shapes import measure_flat, odd_flats
from zeroframe.frames.numbers import number, percent
from zeroframe.review import CHECKS, FIGURES, NightFigures, Subject, find_check, review_night
from zeroframe.review.findings import findings_page

DOCS = Path(__file__).resolve().parents[2] / "docs" / "findings.md"
PROGRAM = (sys.executable, "-m", "zeroframe")


def combined(kind, unit="adu", used=(), method="average", **figures):
    return Subject(f"combined_{kind}.fits", "combined", kind, "done", unit, figures, used, method=method)


class TestTable:
    def test_codes_are_one_each(self):
        codes = [check.code for check in CHECKS]
        assert len(set(codes)) == len(codes)
        assert codes == sorted(codes)
        assert all(re.fullmatch("ZF[1-6][0-9]{2}", code) for code in codes)

    def test_the_page_is_made_from_the_table(self):
        assert DOCS.read_text(encoding="utf-8").startswith(findings_page())

    def test_a_wrong_code_names_the_nearest(self):
        with pytest.raises(UsageError, match="ZF9999: no finding has this code"):
            find_check("ZF9999")
        with pytest.raises(UsageError) as raised:
            find_check("ZF408x")
        assert str(raised.value) == "ZF408x: no finding has this code; did you mean 'ZF408'?"


class TestSeverities:
    DARK = combined("dark", used=("combined_bias.fits",), level_adu=-5.0, read_noise_adu=4.0)

    @pytest.mark.parametrize(("asked", "severity"), [(None, "warning"), ("error", "error"), ("note", "note")])
    def test_are_changed_by_code(self, asked, severity):
        found = review_night(NightFigures((self.DARK,)), {} if asked is None else {"ZF301": asked})
        assert [(each.code, each.severity) for each in found] == [("ZF301", severity)]

    def test_a_code_is_switched_off(self):
        assert review_night(NightFigures((self.DARK,)), {"ZF301": "off"}) == ()


class TestNoise:
    @pytest.mark.parametrize(
        ("noise", "method", "severity"),
        [(1.0, "average", None), (1.3, "average", "warning"), (2.5, "average", "error"), (0.6, "average", "warning"),
         (0.1, "average", "error"), (1.3, "median", None), (1.7, "median", "warning")],
    )  # fmt: skip
    def test_of_a_combined_frame(self, noise, method, severity):
        each = combined("bias", method=method, noise_adu=noise, expected_noise_adu=1.0, frames=5.0)
        found = review_night(NightFigures((each,)))
        assert [one.severity for one in found] == ([] if severity is None else [severity])


def every_figure_is_named(document):
    names = {(figure.name, figure.of_data) for figure in FIGURES}
    for result in document["results"]:
        for name in result["figures"]:
            stem = name.removesuffix(f"_{result['unit']}")
            assert (name, False) in names or (stem, True) in names, name


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("views")
    write_night(folder / "raw", WRONG["dark-just-below-bias"][0])
    first = command("night", folder / "raw", "-o", folder / "out", "--json")
    return folder, first


class TestOneNightInAllItsViews:
    def test_json_has_its_schema(self, made):
        jsonschema = pytest.importorskip("jsonschema")
        schema = json.loads((Path(zeroframe.__file__).parent / "review" / "document.schema.json").read_text())
        document = json.loads(made[1].out)
        jsonschema.validate(document, schema)
        every_figure_is_named(document)

    def test_run_json_and_the_page_say_the_same(self, made):
        folder, first = made
        document = json.loads(first.out)
        record = json.loads((folder / "out" / "run.json").read_text())["this_run"]
        assert record["verdict"] == document["verdict"]["headline"]
        assert [each["code"] for each in record["findings"]] == [each["code"] for each in document["findings"]]
        assert record["figures"] == {each["name"]: each["figures"] for each in document["results"] if each["figures"]}
        page = (folder / "out" / "report.html").read_text()
        assert document["verdict"]["headline"].rstrip(".") in page
        assert "ZF301" in page

    def test_a_second_run_says_the_same_again(self, made):
        folder, first = made
        again = json.loads(command("night", folder / "raw", "-o", folder / "out", "--json").out)
        before = json.loads(first.out)
        assert {each["state"] for each in again["results"]} == {"skipped"}
        assert again["findings"] == before["findings"]
        assert again["verdict"] == before["verdict"]
        figures = [{each["name"]: each["figures"] for each in one["results"]} for one in (before, again)]
        assert figures[0] == figures[1]

    def test_the_screen_and_python_say_the_same(self, made):
        folder, first = made
        document = json.loads(first.out)
        shown = command("night", folder / "raw", "-o", folder / "out").out
        said = [each for each in document["findings"] if each["code"] != "ZF201"]
        assert said
        assert f"{said[0]['sentence']} ({said[0]['code']})" in shown
        assert all(each["code"] in shown for each in said)
        assert document["verdict"]["headline"] in shown
        result = zeroframe.night(folder / "raw", folder / "out")
        assert [each.code for each in result.findings] == [each["code"] for each in document["findings"]]
        assert result.figures == {each["name"]: each["figures"] for each in document["results"] if each["figures"]}


def test_a_frame_of_one_pixel_has_a_level_and_no_noise(tmp_path):
    (tmp_path / "raw").mkdir()
    header = fits.Header({"IMAGETYP": "object", "EXPTIME": 1.0, "BUNIT": "adu"})
    fits.PrimaryHDU(np.array([[5]], np.int32), header).writeto(tmp_path / "raw" / "s.fits")
    made = zeroframe.night(tmp_path / "raw", tmp_path / "out", trim="[*,*]", report=False)
    assert made.frames[0].is_there
    assert made.figures["s.fits"]["level_adu"] == 5.0
    assert "noise_adu" not in made.figures["s.fits"]


@pytest.mark.long
def test_json_is_alone_on_standard_output(tmp_path):
    write_night(tmp_path / "raw", GOOD)
    words = ("night", tmp_path / "raw", "-o", tmp_path / "out", "--json", "--no-report")
    said = subprocess.run([*PROGRAM, *words], capture_output=True, text=True, check=True)
    assert json.loads(said.stdout)["verdict"] == {"tone": "good", "headline": "All is well.", "exit_code": 0}
    assert said.stderr.startswith("Found 5 biases, 5 darks, 5 flats and 3 science frames in ")


def test_explain_tells_of_a_code():
    said = command("explain", "ZF401")
    assert said.code == 0
    assert said.out.startswith("ZF401: The noise of a combined frame is not what its frames promise (warning)\n")


@pytest.mark.parametrize(("words", "code", "severities"), [
    ('off = ["ZF301"]', 0, []),
    ('errors = ["ZF301"]', 1, ["error"]),
    ('notes = ["ZF301"]', 0, ["note"]),
])  # fmt: skip
def test_a_recipe_changes_what_a_code_counts(tmp_path, words, code, severities):
    write_night(tmp_path / "raw", WRONG["dark-just-below-bias"][0])
    recipe = tmp_path / "night.toml"
    recipe.write_text(f"[findings]\n{words}\n")
    said = command("night", tmp_path / "raw", "-o", tmp_path / "out", "--json", "--no-report", "--recipe", recipe)
    document = json.loads(said.out)
    assert [each["severity"] for each in document["findings"] if each["code"] == "ZF301"] == severities
    assert said.code == code, document["findings"]
    recorded = json.loads((tmp_path / "out" / "run.json").read_text())["recipe"]["night"]["findings"]
    assert "ZF301" in {one for codes in recorded.values() for one in codes}


def test_a_recipe_names_the_nearest_code(tmp_path):
    (tmp_path / "night.toml").write_text('[findings]\noff = ["ZF999"]\n')
    said = command("night", tmp_path, "-o", tmp_path / "out", "--recipe", tmp_path / "night.toml")
    assert said.code == 2
    assert "findings.off" in said.err


def test_figures_are_written_as_people_write_them():
    """A flat that is dark at one side, a noise of thousands, a share of next to nothing: without exponents."""
    chance = np.random.default_rng(3)
    bands = chance.normal(20000, 140, (4, 32, 8, 320)).astype(np.float32)
    bands[3, :, :, 220:] = chance.normal(1, 140, (32, 8, 100))
    flats = {Path(f"f{number}.fits"): measure_flat(flat, 140.0) for number, flat in enumerate(bands)}
    (odd,) = odd_flats(flats)
    assert re.match(r"its light is 100 % darker at the ((top|bottom) )?right", odd.sentence)
    noisy = combined("flat", noise_adu=12345.0, expected_noise_adu=1234.0, frames=5.0, ideal_noise_adu=1200.0)
    said = [each.sentence for each in review_night(NightFigures((noisy,))) if each.code == "ZF401"]
    assert said == ["combined_flat.fits: its noise is 12345 ADU, 10.00 times the 1234 that its 5 frames promise"]
    assert (percent(1e-7), percent(0.996), percent(9.0), number(18032.3, 3)) == ("0.00001 %", "100 %", "900 %", "18032")
