"""What is understood of a hundred headers of cameras and programs; their cards stand in ``tests/data/headers``.

Kinds, exposures, filters, binnings and dates are all right; gains, read noises and temperatures are right or unknown,
and that once in twenty at most.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from zeroframe.fits import Cards
from zeroframe.headers.dialects import read_facts
from zeroframe.headers.set_up import binning_of

SAMPLES = Path(__file__).resolve().parents[1] / "data" / "headers" / "samples"
EXACT = ("kind", "exp", "filter", "bin", "date")
NUMBERS = ("gain", "noise", "temp")


@dataclass(frozen=True)
class Sample:
    name: str
    truth: dict[str, str]
    cards: Cards


def card(line):
    keyword, _, rest = line.partition("=")
    if line.startswith("HIERARCH"):
        return line.ljust(80)
    return f"{keyword.strip():8}= {rest.strip()}".ljust(80)


def samples():
    for path in sorted(SAMPLES.glob("*.txt")):
        for block in re.split(r"^@ ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
            head, *lines = block.strip().split("\n")
            name, _, said = head.partition(" | ")
            pairs = re.findall(r"(\w+)=(.*?)(?= \w+=|$)", said)
            text = "".join(card(line) for line in lines) + "END".ljust(80)
            yield Sample(name.strip(), dict(pairs), Cards(text.encode("latin-1")))


ALL = list(samples())


def understood(sample):
    facts = read_facts(sample.cards, sample.truth.get("file", ""))
    began = facts.began
    moment = None
    if began is not None:
        seconds = began.seconds
        clock = (
            "" if seconds is None else f"T{int(seconds // 3600):02d}:{int(seconds // 60 % 60):02d}:{seconds % 60:09.6f}"
        )
        moment = f"{began.day}{clock}"
    found = {
        "kind": facts.kind,
        "exp": facts.exposure_s,
        "filter": facts.filter_name,
        "gain": facts.gain_e_per_adu,
        "noise": facts.read_noise_e,
        "temp": facts.temperature_c,
        "bin": None if facts.binning_xy is None else "{}x{}".format(*facts.binning_xy),
        "date": moment,
        "light": facts.flat_light,
    }
    return facts, found


def is_right(what, truth, found):
    if truth == "-" or found is None:
        return truth == "-" and found is None
    if what == "date":
        day, _, clock = truth.partition("T")
        hours, minutes, seconds = clock.split(":")
        own_day, _, own = found.partition("T")
        said = [float(each) for each in own.split(":")]
        off = 3600 * (said[0] - int(hours)) + 60 * (said[1] - int(minutes)) + said[2] - float(seconds)
        return own_day == day and abs(off) < 1.0
    if what in {*NUMBERS, "exp"}:
        return found == pytest.approx(float(truth), rel=0.005, abs=0.001)
    return str(found) == truth


def test_there_are_enough():
    assert len(ALL) >= 100
    assert len({re.split(r"[,|]", sample.name)[0].split(" (")[0] for sample in ALL}) >= 60


@pytest.mark.parametrize("sample", ALL, ids=[sample.name for sample in ALL])
def test_what_decides_is_understood(sample):
    facts, found = understood(sample)
    for what in (*EXACT, *(["light"] if "light" in sample.truth else [])):
        assert is_right(what, sample.truth[what], found[what]), (what, found[what], facts)
    for what in NUMBERS:
        wrong = found[what] is not None and not is_right(what, sample.truth[what], found[what])
        assert not wrong, (what, found[what], facts)


@pytest.mark.parametrize("what", NUMBERS)
def test_numbers_are_seldom_unknown(what):
    stated = [sample for sample in ALL if sample.truth[what] != "-"]
    known = [sample for sample in stated if understood(sample)[1][what] is not None]
    assert len(stated) >= 20
    assert len(known) >= 0.95 * len(stated)


@pytest.mark.parametrize("sample", ALL, ids=[sample.name for sample in ALL])
def test_the_binning_alone_is_that_of_all_facts(sample):
    truth = sample.truth["bin"]
    assert "{}x{}".format(*binning_of(sample.cards)) == (truth if truth != "-" else "1x1")
