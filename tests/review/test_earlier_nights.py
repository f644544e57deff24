"""Gain and read noise of a night are held against those of the nights before it."""

from __future__ import annotations

import pytest

import zeroframe
from wrong_nights import Camera, changed, good_shots, write_night


def night(folder, date, camera, seed):
    shots = good_shots(camera, counts=(4, 0, 4, 1))
    write_night(folder / "raw" / date, changed(shots, "", cards={}), camera, seed)
    return zeroframe.night(folder / "raw" / date, folder / "out" / date, report=False)


def codes(made, code="ZF307"):
    return [(each.frames, each.severity) for each in made.findings if each.code == code]


@pytest.mark.long
@pytest.mark.parametrize(
    ("later", "frame"),
    [(Camera(read_noise=8.0), "combined_bias"), (Camera(read_noise=5.3), "combined_bias"),
     (Camera(gain=1.0), "combined_flat"), (Camera(gain=3.0), "combined_flat")],
)  # fmt: skip
def test_another_camera_setting_is_named(tmp_path, later, frame):
    for day in (1, 2):
        assert codes(night(tmp_path, f"2026-11-0{day}", Camera(), day)) == []
    found = codes(night(tmp_path, "2026-11-03", later, 3))
    assert found
    assert all(severity == "warning" for _, severity in found)
    assert any(name.startswith(frame) for frames, _ in found for name in frames)


@pytest.mark.long
def test_another_camera_is_not_held_against_the_first(tmp_path):
    """Two cameras that took turns, whose frames have one size, and results the same names."""
    for day, (name, noise) in enumerate([("A", 4.0), ("B", 8.0), ("A", 4.0), ("B", 8.0), ("A", 8.0)], start=1):
        shots = changed(good_shots(counts=(4, 0, 4, 1)), "", cards={"INSTRUME": f"Camera {name}"})
        date = f"2026-11-{day:02d}"
        write_night(tmp_path / "raw" / date, shots, Camera(read_noise=noise), day)
        made = zeroframe.night(tmp_path / "raw" / date, tmp_path / "out" / date, report=False)
        assert bool(codes(made)) == (day == 5), day


def test_a_run_in_the_same_folder_is_held_against_the_one_before(tmp_path):
    for number, noise in enumerate((4.0, 4.0, 7.0)):
        raw = tmp_path / f"raw{number}"
        write_night(raw, good_shots(counts=(5, 0, 0, 0)), Camera(read_noise=noise), number)
        made = zeroframe.bias(raw, tmp_path / "out", report=False, overwrite=True)
        assert bool(codes(made)) == (noise == 7.0)


def test_a_second_run_says_it_again(tmp_path):
    night(tmp_path, "2026-11-01", Camera(), 1)
    first = night(tmp_path, "2026-11-02", Camera(read_noise=8.0), 2)
    again = zeroframe.night(tmp_path / "raw" / "2026-11-02", tmp_path / "out" / "2026-11-02", report=False)
    assert codes(again) == codes(first) != []
    assert again.figures == first.figures


def test_nights_in_turn_are_not_all_well_where_one_is_to_be_looked_at(tmp_path):
    import json

    from workbench import command

    for day, noise in ((1, 4.0), (2, 8.0)):
        shots = changed(good_shots(counts=(4, 0, 4, 1)), "", cards={"DATE-OBS": f"2026-11-0{day}T23:00:00"})
        write_night(tmp_path / "raw" / str(day), shots, Camera(read_noise=noise), day)
    run = command("night", tmp_path / "raw", "-o", tmp_path / "out", "--by-night", "--no-report")
    assert run.code == 0, run.err
    assert "All is well with 1 of 2 nights, but not with 2026-11-02." in run.out
    assert "to look at" in run.out
    again = command("night", tmp_path / "raw", "-o", tmp_path / "out", "--by-night", "--no-report", "--json")
    assert json.loads(again.out)["verdict"]["tone"] == "note"
