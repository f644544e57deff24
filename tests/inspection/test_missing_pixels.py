"""Pixels without a value: inspection finds of such frames what it finds of the same frames with all of their values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from zeroframe.inspection.image_layout import image_layout
from zeroframe.inspection.inspecting import inspect_overscan
from zeroframe.inspection.sources import Pixels

GAIN_E_PER_ADU, NOISE_ADU = 1.5, 4.0
NY, NX, STRIP = 200, 240, 20
#: One pixel of the image, one of the overscan, a row, a column, and a block at the edge.
MISSING = {
    "a pixel": (20, 30),
    "a pixel of the overscan": (20, NX - 5),
    "a row": (50, slice(None)),
    "a column": (slice(None), 31),
    "a block": (slice(0, 9), slice(0, 12)),
}


@dataclass(frozen=True)
class _Frames:
    biases: list[np.ndarray]
    flats: list[np.ndarray]


def _frames(seam: int | None = None) -> _Frames:
    """Six biases whose amplifiers drift by 2 ADU from frame to frame, each by itself, and three flats."""
    random = np.random.default_rng(5)

    def read(electrons: float) -> np.ndarray:
        frame = random.normal(1000.0 + random.normal(0, 2.0), NOISE_ADU, (NY, NX))
        frame[:, : NX - STRIP] += random.poisson(electrons, (NY, NX - STRIP)) / GAIN_E_PER_ADU
        if seam is not None:
            frame[:, seam:] += 12.0 + random.normal(0, 2.0)
        return frame.round().astype(np.float32)

    return _Frames([read(0.0) for _ in range(6)], [read(15000.0) for _ in range(3)])


def _without(frames: list[np.ndarray], where: object, some: slice) -> list[np.ndarray]:
    copies = [frame.copy() for frame in frames]
    for frame in copies[some]:
        frame[where] = np.nan
    return copies


@pytest.mark.parametrize("where", MISSING.values(), ids=MISSING)
@pytest.mark.parametrize("some", [slice(1), slice(None)], ids=["of one", "of all"])
@pytest.mark.parametrize("kind", ["biases", "flats"])
@pytest.mark.parametrize("seam", [None, 110])
def test_the_same_amplifiers_are_found(seam: int | None, kind: str, some: slice, where: object):
    frames = _frames(seam)
    lists = {name: getattr(frames, name) for name in ("biases", "flats")}
    lists[kind] = _without(lists[kind], where, some)
    layout = image_layout(*([Pixels(frame) for frame in each] for each in lists.values()))
    assert layout.by_turns == ""
    assert [part.image for part in layout.along_y.parts] == [slice(0, NY)]
    begins = [0] if seam is None else [0, seam]
    assert [part.image.start for part in layout.along_x.parts] == begins
    assert layout.along_x.parts[-1].strips[-1].stop == NX


@pytest.mark.parametrize("where", MISSING.values(), ids=MISSING)
@pytest.mark.parametrize("kind", ["bias", "flat"])
def test_the_same_overscan_read_noise_and_gain_are_found(kind: str, where: object):
    frames = _frames()
    given = {"bias": frames.biases, "flat": frames.flats}
    given[kind] = _without(given[kind], where, slice(1))
    found = inspect_overscan(given)
    assert str(found.recommended.section) == f"[{NX - STRIP + 1}:{NX},1:{NY}]"
    assert str(found.trim) == f"[1:{NX - STRIP},1:{NY}]"
    assert found.read_noise_adu.value == pytest.approx(NOISE_ADU, rel=0.02)
    assert found.gain_e_per_adu.value == pytest.approx(GAIN_E_PER_ADU, rel=0.04)
