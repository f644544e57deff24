"""Flats that are lit in orders, as of an echelle or of fibres: where the overscan is, and the gain."""

from __future__ import annotations

import numpy as np
import pytest

from zeroframe.inspection import inspect_overscan

NY, NX, STRIP = 300, 360, 24


def night(*, strip=STRIP, period=20, width=2.0, tilt=0.05, scattered=0.002, border=0.0, seed=1):
    """Return biases and flats with orders that run along the rows to both sides; a baffle may end them smoothly."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:NY, :NX]
    away = (y - tilt * x) % period - period / 2
    light = np.exp(-0.5 * (away / width) ** 2) + scattered
    if border:
        light /= (1.0 + np.exp((border - x) / 1.5)) * (1.0 + np.exp((x - NX + border) / 1.5))

    def frame(level):
        electrons = np.zeros((NY, NX + strip))
        electrons[:, :NX] = random.poisson(1.5 * level * light)
        return np.rint(electrons / 1.5 + random.normal(1000.0, 1.0) + random.normal(0.0, 4.0, electrons.shape))

    frames = {"bias": [frame(0.0) for _ in range(4)], "flat": [frame(20000.0) for _ in range(2)]}
    return {kind: [each.astype(np.uint16) for each in some] for kind, some in frames.items()}


@pytest.mark.parametrize("made", [{}, {"scattered": 0.0}, {"tilt": 0.0}, {"period": 35, "width": 2.5}], ids=str)
def test_orders_that_run_to_the_side_prove_an_overscan(made):
    found = inspect_overscan(night(**made))
    assert found.decision == "use"
    assert str(found.trim) == f"[1:{NX},1:{NY}]"
    assert str(found.recommended.section) == f"[{NX + 1}:{NX + STRIP},1:{NY}]"
    assert found.strips[0].light_adu > 5000.0  # of the orders, not of what is scattered between them
    gain = found.gain_e_per_adu
    assert abs(gain.value - 1.5) < 2.5 * gain.error < 0.5


@pytest.mark.parametrize("border", [0.0, 12.0, 30.0])
def test_orders_without_an_overscan_prove_none(border):
    found = inspect_overscan(night(strip=0, border=border))
    assert not found.strips
    assert found.recommended is None
