"""The table of kinds: what every row has to fulfil, so that a row that is added is right or refused here."""

from __future__ import annotations

import copy
import json
import pickle

import pytest

from zeroframe.headers.kinds import KINDS, Kind, calibration_kind, is_calibration, kind_row
from zeroframe.planning.recipe import MaskRecipe, Tolerances


@pytest.mark.parametrize("kind", [Kind.BIAS, Kind.SCIENCE, Kind("pedestal")])
def test_a_kind_is_its_name_wherever_it_goes(kind):
    for other in (pickle.loads(pickle.dumps(kind)), copy.deepcopy(kind), Kind(str(kind))):
        assert (other, hash(other), type(other)) == (kind, hash(kind), Kind)
    assert json.loads(json.dumps({kind: kind})) == {kind.value: kind.value}
    assert f"{kind}" == kind.value == str(kind)
    assert type(kind.value) is str


def test_kinds_that_have_a_name_here_are_one_object():
    assert Kind("dark") is Kind.DARK is pickle.loads(pickle.dumps(Kind.DARK)) is copy.copy(Kind.DARK)
    assert Kind("pedestal") == Kind("pedestal") != Kind.DARK


def test_science_is_no_calibration():
    assert kind_row(Kind.SCIENCE) is None
    assert kind_row(None) is None
    assert not is_calibration("pedestal")
    with pytest.raises(KeyError, match="science"):
        calibration_kind(Kind.SCIENCE)


def test_a_row_needs_only_rows_above():
    names = [row.kind for row in KINDS]
    assert len(set(names)) == len(names)
    for number, row in enumerate(KINDS):
        assert set(row.needs) <= set(names[:number])


@pytest.mark.parametrize("row", KINDS, ids=lambda row: row.kind)
def test_what_a_row_names_is_there(row):
    assert row.card.isascii()
    assert row.card.isupper()
    assert len(row.card) <= 8
    assert isinstance(getattr(Tolerances(), row.nights_tolerance), float)
    assert row.temperature_tolerance is None or isinstance(getattr(Tolerances(), row.temperature_tolerance), float)
    assert row.mask is None or isinstance(getattr(MaskRecipe(), f"{row.mask}_pixels"), bool)
    assert all(word == word.lower() for word in row.header_words)


@pytest.mark.parametrize("row", KINDS, ids=lambda row: row.kind)
def test_a_row_says_what_its_operator_does(row):
    import numpy as np

    plane = np.ones((2, 2), np.float32)
    assert row.apply(plane, np.empty((0, 0), np.float32), 1.0).divides is row.divides
