"""How often each check names what is wrong, and how often it names what is not: the tables of docs/findings.md.

``python tests/wrong_nights_table.py`` reduces every wrong night of `wrong_nights.WRONG` by several cameras and sizes,
and 300 good ones; it writes what came out to tests/data/wrong_nights.json, and docs/findings.md. It takes ten minutes;
with ``--new`` only those are reduced that are not in the file yet.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections import Counter
from pathlib import Path

import zeroframe
from wrong_nights import STATED_GAIN, WRONG, Camera, good_camera, good_shape, write_night
from zeroframe.review import CHECKS
from zeroframe.review.findings import findings_page

GOOD_NIGHTS = 300
#: Seed, camera and size of the frames of a wrong night.
VARIANTS = (
    (1, Camera(), (160, 176)),
    (2, Camera(gain=2.2, dark_rate=0.05), (210, 140)),
    (3, Camera(gain=1.2, dark_rate=0.08), (256, 280)),
)
DATA = Path(__file__).resolve().parent / "data" / "wrong_nights.json"
PAGE = Path(__file__).resolve().parents[1] / "docs" / "findings.md"


def findings_of(folder: Path, *args, **kwargs):
    write_night(folder / "raw", *args, **kwargs)
    return zeroframe.night(folder / "raw", folder / "out", report=False).findings


def wrong_night(name: str, variant: int, folder: Path):
    """Reduce a wrong night; return the codes that name it, and all findings."""
    shots, codes, frame = WRONG[name]
    seed, camera, shape = VARIANTS[variant]
    found = findings_of(folder, shots, camera, seed, STATED_GAIN.get(name, 1.0), shape)
    named = {each.code for each in found if each.code in codes and frame in " ".join((each.sentence, *each.frames))}
    return sorted(named), found


def good_night(seed: int, folder: Path):
    """Reduce a good night; return its findings."""
    camera, shots = good_camera(seed)
    return findings_of(folder, shots, camera, seed, shape=good_shape(seed))


def measure(known: dict) -> dict:
    """Reduce them all, but for wrong nights that are known, and good ones where some are."""
    wrong = {}
    for number, (name, (_, codes, _)) in enumerate(WRONG.items(), start=1):
        named = known.get("wrong", {}).get(name, {}).get("named", [])
        for variant in range(len(named), len(VARIANTS)):
            with tempfile.TemporaryDirectory() as folder:
                named.append(wrong_night(name, variant, Path(folder))[0])
        wrong[name] = {"codes": sorted(codes), "named": named}
        sys.stderr.write(f"{number} of {len(WRONG)} {name}: {named}\n")
    if "good" in known:
        return {"wrong": wrong, "good": known["good"]}
    codes, severities = Counter(), Counter()
    for seed in range(GOOD_NIGHTS):
        with tempfile.TemporaryDirectory() as folder:
            found = [each for each in good_night(seed, Path(folder)) if each.severity != "note"]
        codes.update({each.code for each in found})
        severities.update({each.severity for each in found})
        sys.stderr.write(f"good {seed}: {[each.sentence for each in found]}\n" if found else "")
    good = {"nights": GOOD_NIGHTS, "codes": dict(sorted(codes.items())), "severities": dict(sorted(severities.items()))}
    return {"wrong": wrong, "good": good}


def tables(measured: dict) -> str:
    """Return the measured rates as the end of the page."""
    wrong, good = measured["wrong"], measured["good"]
    runs = sum(len(each["named"]) for each in wrong.values())
    named = sum(bool(codes) for each in wrong.values() for codes in each["named"])
    lines = [
        "", "## How often the checks are right", "",
        (f"Measured by `tests/wrong_nights_table.py` on {len(wrong)} kinds of wrong nights, each by {len(VARIANTS)} "
        f"cameras and sizes of frames, and on {good['nights']} good nights of varied cameras, skies and stars. "
        f"{named} of {runs} wrong nights were named by the right code with the right frame; "
        f"{good['severities'].get('warning', 0)} good nights had a warning and "
        f"{good['severities'].get('error', 0)} an error."), "",
        "| code | wrong nights it was to name | named by it | good nights with it |", "|---|---|---|---|",
    ]  # fmt: skip
    for check in CHECKS:
        of = [each for each in wrong.values() if check.code in each["codes"]]
        hits = sum(check.code in codes for each in of for codes in each["named"])
        total = sum(len(each["named"]) for each in of)
        if total or check.code in good["codes"]:
            lines.append(f"| {check.code} | {total} | {hits} | {good['codes'].get(check.code, 0)} |")
    lines += ["", "Where several codes could name a night, one of them is enough.", "",
              "| wrong night | codes | named |", "|---|---|---|"]  # fmt: skip
    for name, each in wrong.items():
        hits = sum(bool(codes) for codes in each["named"])
        lines.append(f"| {name} | {', '.join(each['codes'])} | {hits} of {len(each['named'])} |")
    return "\n".join(lines) + "\n"


def page(measured: dict) -> str:
    return findings_page() + tables(measured)


if __name__ == "__main__":
    found = measure(json.loads(DATA.read_text()) if "--new" in sys.argv else {})
    DATA.write_text(json.dumps(found, indent=1) + "\n")
    PAGE.write_text(page(found), encoding="utf-8")
