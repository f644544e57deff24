"""What is trimmed is blind in every frame: beside the edge of a lamp or of a full disc, other frames see light."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.nddata import CCDData

from zeroframe.headers.sections import Section
from zeroframe.inspection import inspect_overscan
from zeroframe.inspection.blind_strips import stated_widths

NY, NX, STRIP, GAIN, NOISE_E = 200, 300, 32, 1.5, 6.0
Y, X = np.mgrid[:NY, :NX]
SKY = 60.0 * (1.0 + sum(20.0 * np.exp(-(((X - at) / 1.2) ** 2)) for at in (40, 77, 133, 201, 260)))
PLANET = np.where(np.hypot(Y - NY / 2, X - 150) < 70, 1e6, 200.0)


def night(flat_e, science_e, *, strips=(0, STRIP), stated=None, bias_rms=1.0, seed=1):
    """Return frames with headers, whose overscan is at the left and right; the columns of the image have a pattern."""
    rng = np.random.default_rng(seed)
    left, right = strips
    stated = (left, right) if stated is None else stated
    pattern = bias_rms * rng.standard_normal(NX)
    whole = NX + left + right

    def frame(kind, light_e):
        electrons = rng.poisson(np.broadcast_to(light_e, (NY, NX)))
        pixels = 1000.0 + rng.normal(0.0, 0.5) + rng.normal(0.0, NOISE_E / GAIN, (NY, whole))
        pixels[:, left : left + NX] += electrons / GAIN + pattern
        made = CCDData(np.clip(pixels.round(), 0, 65535).astype(np.uint16), unit="adu")
        made.meta["IMAGETYP"] = kind
        if sum(stated):
            made.meta["DATASEC"] = f"[{stated[0] + 1}:{whole - stated[1]},1:{NY}]"
            first, last = (whole - stated[1] + 1, whole) if stated[1] else (1, stated[0])
            made.meta["BIASSEC"] = f"[{first}:{last},1:{NY}]"
        return made

    frames = [frame("bias", 0.0) for _ in range(4)]
    frames += [frame("flat", level * flat_e) for level in (1.0, 1.02, 1.04, 1.06)]
    return frames + [frame("object", science_e) for _ in range(2)]


def fading(width, at=250):
    return 40000.0 * (np.exp(-(((X - at) / width) ** 2)) + 0.002)


@pytest.mark.parametrize(
    ("flat", "science"),
    [
        (fading(70), SKY),
        (fading(90), SKY),
        (40000.0 * 10.0 ** (-3.0 + X / 100.0), SKY),
        (np.full((NY, NX), 30000.0), PLANET),
    ],
    ids=["lamp of 70 columns", "lamp of 90", "lamp that rises 1000 times", "a disc that is full"],
)
def test_nothing_is_cut_away_that_sees_light(flat, science):
    found = inspect_overscan(night(flat, science))
    assert str(found.trim) == f"[1:{NX},1:{NY}]"
    assert str(found.recommended.section) == f"[{NX + 1}:{NX + STRIP},1:{NY}]"


def test_an_overscan_beside_a_lamp_that_fades_is_found():
    found = inspect_overscan(night(fading(70), SKY, strips=(STRIP, 0)))
    assert str(found.trim) == f"[{STRIP + 1}:{NX + STRIP},1:{NY}]"
    assert [strip.side for strip in found.strips] == ["left"]


@pytest.mark.parametrize(
    "light",
    [
        sum(np.exp(-(((X - at) / 2.0) ** 2)) for at in range(12, 285, 11)),
        1.0 / (1.0 + np.exp((np.hypot(1.5 * (Y - 99.5), X - 149.5) - 130.0) / 1.5)),
    ],
    ids=["fibres along columns", "a round field"],
)
class TestLightThatDoesNotReachTheSide:
    def test_the_header_is_believed_where_no_frame_has_light_in_its_overscan(self, light):
        found = inspect_overscan(night(40000.0 * light, 400.0 * light))
        assert str(found.trim) == f"[1:{NX},1:{NY}]"
        assert str(found.recommended.section) == f"[{NX + 1}:{NX + STRIP},1:{NY}]"
        assert "no light in flats" in found.verdict

    def test_a_header_is_not_believed_that_calls_part_of_the_image_overscan(self, light):
        found = inspect_overscan(night(40000.0 * light, 400.0 * light, strips=(0, 0), stated=(0, 8)))
        assert found.recommended is None

    def test_nor_one_whose_overscan_frames_light(self, light):
        found = inspect_overscan(night(40000.0 * light, 400.0 * light + 60.0, strips=(0, 0), stated=(0, 32)))
        assert found.recommended is None


@pytest.mark.parametrize(
    ("said", "widths"),
    [
        ({"DATASEC": "[1:300,1:240]", "BIASSEC": "[301:332,1:240]"}, {"right": 32}),
        ({"DATASEC": "[33:332,1:240]", "BIASSEC": "[1:32,1:240]"}, {"left": 32}),
        ({"TRIMSEC": "[1:332,1:220]", "BIASSEC": "[1:332,221:240]"}, {"top": 20}),
        ({"BIASSEC": "[301:332,1:240]"}, {"right": 32}),
        ({"DATASEC": "[1:332,1:240]", "BIASSEC": "[301:332,1:240]"}, {}),  # image and overscan at once
        ({"DATASEC": "[1:300,1:240]"}, {}),
        ({"BIASSEC": "[100:120,1:240]"}, {}),
    ],
)
def test_stated_widths(said, widths):
    sections = {name: Section.parse(text) for name, text in said.items()}
    assert stated_widths(sections, (240, 332)) == widths
