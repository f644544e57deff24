"""The benchmark of a million headers, with a few of them: so that it cannot rot."""

from __future__ import annotations

from pathlib import Path

import pytest
from astropy.io import fits

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def _benchmarks_are_found(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))


def test_headers_are_fits():
    from benchmarks.scale import header_of

    header = fits.Header.fromstring(header_of(3, 30, 100))
    assert (header["NAXIS1"], header["NAXIS2"], header["IMAGETYP"]) == (2080, 4128, "FLAT")
    assert len(header) > 100


def test_a_night_is_indexed_and_planned(tmp_path):
    from benchmarks.scale import one_night

    done = one_night(7, frames=100, folder=tmp_path)
    assert done.headers == 100
    assert done.jobs > 100  # every frame, and what is combined
    assert (tmp_path / "headers-7.sqlite").stat().st_size > 0


def test_the_table_of_the_docs():
    from benchmarks.scale import measure_scale, table_of

    found = measure_scale(40, 20, 1)
    assert (found["headers"], found["nights"]) == (40, 2)
    assert found["jobs"] > 40
    table = table_of(found)
    assert "| its share of the plan of a night | " in table
    assert "40 headers of 2 nights" in table


#: Of about the size of those that are measured, so that the storage limits a survey.
_COSTS = {"client_s": 1e-3, "scheduler_s": 5e-4, "night_s": 0.2, "calibration_s": 0.1, "science_s": 0.4}
_SIZES = {"combined_s": 0.02, "science_mb": 76.0}


@pytest.mark.long
@pytest.mark.parametrize(
    ("dearer", "limits"),
    [
        ({}, "storage"),
        ({"client_s": 0.05}, "client"),
        ({"science_s": 6.0}, "workers' cores"),
        ({"scheduler_s": 0.05}, "scheduler"),
    ],
)
def test_the_simulated_survey_takes_what_the_sum_says(dearer, limits):
    from benchmarks.survey_model import Costs, Survey, busy_seconds, simulate_survey

    costs, survey = Costs(**{**_COSTS, **_SIZES, **dearer}), Survey(12_000, 100, 5000.0)
    busy, simulated = busy_seconds(costs, survey), simulate_survey(costs, survey)
    assert max(busy, key=lambda name: busy[name]) == limits
    assert busy[limits] <= simulated.seconds <= 1.2 * busy[limits]
    for name, seconds in simulated.busy.items():
        shared = survey.workers if name == "workers' cores" else 1
        assert seconds / shared == pytest.approx(busy[name])


def test_nights_one_after_the_other_leave_workers_idle():
    from benchmarks.survey_model import Costs, Survey, simulate_survey

    costs = Costs(**_COSTS, **_SIZES)
    one, eight = (simulate_survey(costs, Survey(1200, 100, 5000.0, night_frames=40, nights_at_once=n)) for n in (1, 8))
    assert one.busy == pytest.approx(eight.busy)
    assert one.seconds > 1.5 * eight.seconds


def test_a_simulated_night_by_hand():
    """A worker that is alone does one thing after the other; of ten frames one is a bias, one a dark, two are flats."""
    from benchmarks.survey_model import Costs, Survey, simulate_survey

    costs = Costs(client_s=2.0, scheduler_s=4.0, night_s=10.0, header_s=1.0, look_s=0.5, calibration_s=3.0,
                  science_s=5.0, combined_s=1.0, header_mb=0.1, raw_mb=1.0, calibration_mb=2.0,
                  science_mb=3.0)  # fmt: skip
    survey = Survey(10, 1, 1.0, night_frames=10, network_mb_s=1000.0, nights_at_once=1, jobs_at_once=1)
    around = 2.0 + 4.0  # what client and scheduler take of each job
    frames = 4 * (around + 1 + 3 + 2) + 6 * (around + 1 + 5 + 3)
    combined = 6 * (around + 2) + 4 * (2 + 1)  # each frame is read and combined once more
    headers = around + 10 * (0.1 + 0.5)  # are one job
    assert simulate_survey(costs, survey).seconds == pytest.approx(headers + 10 + 10 * 1 + frames + combined)


def test_the_costs_of_jobs(tmp_path):
    from benchmarks.costs import _InTurn, _tiny_night

    assert len(list(_tiny_night(tmp_path / "raw", 20).iterdir())) == 20
    assert _InTurn().submit(abs, -3).result() == 3
    with pytest.raises(TypeError):
        _InTurn().submit(abs, "three").result()
