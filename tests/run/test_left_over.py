"""Second runs over a folder of raw frames that has changed, and what was said of headers that no header knows."""

from __future__ import annotations

import json

import pytest

from workbench import command, names_in
from wrong_nights import changed, good_shots, write_night


def _raw(folder, **cards):
    shots = [each for each in good_shots(counts=(4, 3, 3, 2)) if each.name != "s1.fits"]
    of_b = [*changed(shots, "f", cards={"FILTER": "B"}), *changed(shots, "s", cards={"FILTER": "B"})]
    shots += [
        type(each)(**{**vars(each), "name": f"B{each.name}"}) for each in of_b if each.name[0] in "fs" and each.cards
    ]
    write_night(folder, [type(each)(**{**vars(each), "cards": {**each.cards, **cards}}) for each in shots])
    return folder


def _night(raw, out, *options):
    done = command("night", raw, "-o", out, "--no-report", "--json", *options)
    assert done.code in {0, 1}, done.err
    return json.loads(done.out)


def _named(said, code):
    return {name for each in said["findings"] if each["code"] == code for name in each["frames"]}


def test_results_of_raw_frames_that_are_gone_are_named(tmp_path):
    raw, out = _raw(tmp_path / "raw"), tmp_path / "out"
    assert _named(_night(raw, out), "ZF506") == set()
    before = names_in(out)
    for path in [raw / "b3.fits", *raw.glob("Bf*.fits"), *raw.glob("Bs*.fits")]:
        path.unlink()
    said = _night(raw, out, "--overwrite")
    gone = {"b3.fits", "combined_flat_B.fits", "bad_pixels_B.fits"} & set(before)
    gone |= {name for name in before if name.startswith(("Bf", "Bs"))}
    assert {"b3.fits", "combined_flat_B.fits", "bad_pixels_B.fits", "Bs0.fits"} <= gone
    assert _named(said, "ZF506") == gone
    assert names_in(out) == before  # nothing is deleted
    assert _named(_night(raw, out), "ZF506") == gone  # a run that keeps all says it again
    verified = command("verify", out, "--raw", raw)
    assert verified.code == 1
    assert all(name in verified.out + verified.err for name in gone)
    for name in gone:
        (out / name).unlink()
    assert _named(_night(raw, out), "ZF506") == set()
    assert command("verify", out, "--raw", raw).code == 0


def test_one_raw_frame_that_is_gone_while_all_else_is_kept(tmp_path):
    raw, out = _raw(tmp_path / "raw"), tmp_path / "out"
    _night(raw, out)
    (raw / "s0.fits").unlink()
    assert _named(_night(raw, out), "ZF506") == {"s0.fits"}


@pytest.mark.parametrize("formats", [("gzip", "none"), ("none", "rice")])
def test_results_in_another_format_are_named(formats, tmp_path):
    raw, out = _raw(tmp_path / "raw"), tmp_path / "out"
    _night(raw, out, "--compress", formats[0])
    first = {name for name in names_in(out) if ".fits" in name}
    said = _night(raw, out, "--compress", formats[1])
    assert _named(said, "ZF506") == first


def test_what_another_command_made_of_frames_that_are_there_is_not_named(tmp_path):
    raw, out = _raw(tmp_path / "raw"), tmp_path / "out"
    _night(raw, out)
    done = command("bias", raw, "-o", out, "--no-report", "--json")
    assert done.code == 0, done.err
    assert _named(json.loads(done.out), "ZF506") == set()
    assert command("verify", out, "--raw", raw).code == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--card", "filter=NOSUCH"], "NOSUCH"),
        (["--card", "exposure=NOSUCH*0.001"], "NOSUCH"),
        (["--kind", "flat=nosuch*.fits"], "nosuch*.fits"),
        (["--kind", "flat=OBJECT=nosuch"], "OBJECT"),
    ],
)
def test_what_meets_no_frame_is_said(options, words, tmp_path):
    raw = _raw(tmp_path / "raw")
    said = _night(raw, tmp_path / "out", *options)
    found = [each for each in said["findings"] if each["code"] == "ZF507"]
    assert len(found) == 1
    assert words in found[0]["sentence"]
    assert found[0]["severity"] == "warning"
    dry = command("night", raw, "-o", tmp_path / "dry", "--dry-run", *options)
    assert words in dry.out


def test_what_meets_one_frame_is_not_said(tmp_path):
    raw = _raw(tmp_path / "raw", BAND="V")
    said = _night(raw, tmp_path / "out", "--card", "filter=BAND", "--kind", "flat=Bf0.fits")
    assert not [each for each in said["findings"] if each["code"] == "ZF507"]


@pytest.mark.parametrize(("seconds", "named"), [(1.0, False), (5.0, False), (1000.0, True)])
def test_exposures_in_another_unit_are_named(seconds, named, tmp_path):
    """Frames are a minute apart: 60 s fits, and five times that may be coadds or a clock; 60,000 s is in ms."""
    raw = tmp_path / "raw"
    write_night(raw, [type(each)(**{**vars(each), "exposure_s": each.exposure_s * seconds}) for each in good_shots()])
    said = _night(raw, tmp_path / "out")
    assert bool([each for each in said["findings"] if each["code"] == "ZF508"]) == named
    if named:
        said = _night(raw, tmp_path / "other", "--card", "exposure=EXPTIME*0.001")
        assert not [each for each in said["findings"] if each["code"] == "ZF508"]


def test_raw_frames_in_counts_per_second_are_refused(tmp_path):
    raw = tmp_path / "raw"
    write_night(raw, changed(good_shots(), "", cards={"BUNIT": "adu/s"}))
    done = command("night", raw, "-o", tmp_path / "out", "--no-report")
    assert done.code == 2
    assert "was divided by its exposure" in " ".join(done.out.split())


def test_what_meets_no_frame_of_one_night_of_many_is_no_warning(tmp_path):
    """It may meet those of another night: a rule for the sky flats of one, in a recipe for all."""
    raw, out = _raw(tmp_path / "raw"), tmp_path / "out"
    done = command("night", raw, "-o", out, "--by-night", "--no-report", "--json", "--kind", "flat=nosuch*.fits")
    assert done.code == 0, done.err
    record = json.loads((out / "2026-11-19" / "run.json").read_text())
    assert "nosuch" in json.dumps(record["choices"])
    assert not [each for each in record["this_run"]["findings"] if each["code"] == "ZF507"]
