"""Screen, page, JSON, run.json and headers show the same figures, findings and verdict, in a second run, too."""

from __future__ import annotations

import html
import json
import os
import re
import subprocess

import pytest
from astropy.io import fits

from browser import find_browser
from workbench import command
from wrong_nights import STATED_GAIN, WRONG, write_night
from zeroframe.run.figures import FRAME_CARDS

NAMES = list(WRONG)[::4][:20]
WAYS = [(name, more) for name in NAMES for more in ((), ("--reject-outliers",))]
if not os.environ.get("ZEROFRAME_ALL_CASES"):
    WAYS = [WAYS[0], WAYS[13]]


def shown_by_browser(page):
    program = find_browser()
    if program is None:
        pytest.skip("no browser is installed")
    said = subprocess.run(
        [program, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", page.as_uri()],
        capture_output=True, text=True, check=True, timeout=300,
    )  # fmt: skip
    text = re.sub(r"(?s)<(script|style|svg).*?</\1>", "", said.stdout)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())


def findings_of(document):
    return [(each["code"], each["severity"], each["sentence"]) for each in document["findings"]]


def figures_of(document):
    return {each["name"]: each["figures"] for each in document["results"] if each["figures"]}


@pytest.mark.long
@pytest.mark.parametrize(("name", "more"), WAYS)
def test_all_views_of_a_wrong_night_agree(tmp_path, name, more):
    raw, out = tmp_path / "raw", tmp_path / "out"
    write_night(raw, WRONG[name][0], stated_gain=STATED_GAIN.get(name, 1.0))
    document = json.loads(command("night", raw, "-o", out, "--json", *more).out)
    screen = command("night", raw, "-o", out, *more).out
    again = json.loads(command("night", raw, "-o", out, "--json", *more).out)
    assert findings_of(again) == findings_of(document)
    assert again["verdict"] == document["verdict"]
    assert figures_of(again) == figures_of(document)

    record = json.loads((out / "run.json").read_text())["this_run"]
    assert record["figures"] == figures_of(document)
    assert record["verdict"] == document["verdict"]["headline"]
    assert [each["code"] for each in record["findings"]] == [code for code, _, _ in findings_of(document)]

    assert document["verdict"]["headline"] in screen
    assert all(code in screen for code, _, _ in findings_of(document) if code != "ZF201")
    for each in document["results"]:
        figures = each["figures"]
        if each["what"] == "combined" and "noise_adu" in figures and each["state"] == "done":
            (row,) = [line for line in screen.splitlines() if line.startswith(f"│ {each['name']} ")]
            cells = [cell.strip() for cell in row.strip("│").split("│")]
            assert cells[2:4] == [f"{figures['level_adu']:.2f}", f"{figures['noise_adu']:.3f}"]
        if each["what"] == "frame" and each["state"] == "done":
            header = fits.getheader(out / each["name"])
            for figure, card in FRAME_CARDS.items():
                assert figures.get(figure) == header.get(card), (figure, card)

    page = shown_by_browser(out / "report.html")
    assert document["verdict"]["headline"].rstrip(".") in page
    worst = findings_of(document)[:3]
    assert all(f"({code})" in page for code, _, _ in worst)
