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
