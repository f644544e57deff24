"""How often amplifiers are found in the pixels: ``python tests/layout_figures.py --number 200`` prints the table.

Layouts are drawn by `layout_cases.draw`: 1 to 16 amplifiers in columns, rows and grids. Seeds 0, 1, 2 … are drawn
layouts, 10,000 … frames of one amplifier.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import warnings
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
from astropy.io import fits

from layout_cases import count_of, draw
from zeroframe.headers.survey import survey_tree
from zeroframe.inspection.amplifiers import look_at_amplifiers
from zeroframe.inspection.image_layout import image_layout
from zeroframe.inspection.interior import AxisLayout, Part, detector_of_pixels
from zeroframe.inspection.sources import Pixels

__all__ = ["by_header", "by_pixels", "layout_of", "true_detector", "write_frames", "wrong_along"]


def layout_of(drawn):
    """Return the layout that the pixels of drawn frames show."""
    return image_layout(*([Pixels(frame) for frame in some] for some in (drawn.biases, drawn.flats)))


def wrong_along(found, ranges):
    """Say what is wrong of the parts along one axis: their number, an image, or the strip that gives the level."""
    if len(found.parts) != count_of(ranges):
        return f"{len(found.parts)} of {count_of(ranges)}"
    if len(found.parts) == 1:
        return ""
    images = [each for each in ranges if each.kind == "image"]
    for part, image in zip(found.parts, images, strict=True):
        if (part.image.start, part.image.stop) != (image.begin, image.end):
            return f"image {part.image}, not {image}"
        own = [each for each in ranges if each.owner == image.owner and each.kind == "overscan"]
        if own and not part.strips:
            return f"no strip, not {own}"
        if own and not any(each.begin <= part.strips[0].start and part.strips[0].stop <= each.end for each in own):
            return f"strip {part.strips[0]}, not {own}"
    return ""


def by_pixels(drawn):
    """Say how a layout was found by the pixels alone, and what is wrong."""
    found = layout_of(drawn)
    wrong = [one for one in (wrong_along(found.along_x, drawn.columns), wrong_along(found.along_y, drawn.rows)) if one]
    word = "said" if found.doubts else "without a word"
    if not wrong:
        return ("right" if not found.doubts else "right, with a doubt"), ""
    return f"{'taken for one' if found.amplifiers == 1 else 'wrong'}, {word}", "; ".join(wrong)


def write_frames(folder, drawn):
    """Write biases and flats whose headers say nothing of amplifiers."""
    for kind, frames in (("zero", drawn.biases), ("flat", drawn.flats)):
        for number, pixels in enumerate(frames):
            cards = {"OBSTYPE": kind, "EXPTIME": 5.0 * (kind == "flat"), "INSTRUME": "drawn", "FILTER": "R"}
            cards["DATE-OBS"] = f"2024-05-01T{2 + (kind == 'flat'):02d}:{number:02d}:00"
            header = fits.Header(list(cards.items()))
            fits.PrimaryHDU(pixels.clip(0, 65535).astype(np.uint16), header).writeto(folder / f"{kind}{number}.fits")


def true_detector(drawn, shift=0):
    """Return the amplifiers as a header would say them, every section of columns off by so many columns."""
    layouts = []
    for ranges, off in ((drawn.columns, shift), (drawn.rows, 0)):
        parts = []
        for number in range(count_of(ranges)):
            own = {each.kind: slice(each.begin, each.end) for each in ranges if each.owner == number}
            # as a header, which never says that a section ends beyond the image
            moved = {
                kind: slice(max(part.start + off, 0), min(part.stop + off, ranges[-1].end))
                for kind, part in own.items()
            }
            strips = tuple(moved[kind] for kind in ("overscan", "prescan") if kind in moved)
            # as the search has it: where one amplifier has all columns, strips are parts of them
            image = moved["image"] if count_of(ranges) > 1 else slice(0, ranges[-1].end)
            parts.append(Part(image, strips))
        layouts.append(AxisLayout(tuple(parts)))
    found = detector_of_pixels(*layouts, drawn.biases.shape[1:])
    if found is None:
        return None
    said = tuple(replace(each, overscan_reason="header (drawn)") for each in found.detector.amplifiers)
    return replace(found, detector=replace(found.detector, amplifiers=said), convention="drawn")


def by_header(drawn, shift=0):
    """Say what is made of a header that is true, or whose columns are off; None where one amplifier reads the image."""
    true, stated = true_detector(drawn), true_detector(drawn, shift)
    if true is None or stated is None:
        return None, ""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write_frames(Path(folder), drawn)
        seen = look_at_amplifiers(
            [replace(item, found=stated) for item in survey_tree(Path(folder), recurse=False)], 10**9
        )
    wrong = []
    for each, own in zip(seen.found.detector.amplifiers, true.detector.amplifiers, strict=True):
        if each.trim != own.trim:
            wrong.append(f"{each.name}: data {each.trim}, not {own.trim}")
        elif each.overscan is not None and each.overscan.intersect(each.trim) is not None:
            wrong.append(f"{each.name}: overscan {each.overscan} in the data")
    if not wrong:
        return "right", ""
    return f"wrong, {'said' if seen.remarks else 'without a word'}", "; ".join(wrong[:2])


def main(arguments=None):
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=200, help="of each kind")
    parser.add_argument("--first", type=int, default=0, help="seed to begin with")
    parser.add_argument("--only", choices=("pixels", "one", "header", "shifted"), help="one row of the table")
    options = parser.parse_args(arguments)
    rows = {
        "pixels": ("drawn layouts, pixels alone", 0, None, by_pixels),
        "one": ("one amplifier, pixels alone", 10_000, (1, 1), by_pixels),
        "header": ("drawn layouts, header true", 0, None, by_header),
        "shifted": ("drawn layouts, header off by 3 columns", 0, None, lambda drawn: by_header(drawn, 3)),
    }
    for name, (title, first, grid, judge) in rows.items():
        if options.only not in {None, name}:
            continue
        counts = Counter()
        for seed in range(first + options.first, first + options.first + options.number):
            drawn = draw(seed, grid)
            said, why = judge(drawn)
            counts[said] += 1
            if why:
                print(f"  {said}: {drawn.says}: {why}", file=sys.stderr)  # noqa: T201
        counts.pop(None, None)
        print(f"{title}: {dict(counts.most_common())}", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
