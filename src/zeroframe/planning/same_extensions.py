"""Files of one camera whose extensions stand in another order, or lack one: matched by what they say, or refused."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from zeroframe.errors import FrameError, UnsupportedError
from zeroframe.fits import scan
from zeroframe.fits.failures import attempt
from zeroframe.fits.part_paths import PartPath, file_of, part_path
from zeroframe.headers.kinds import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from zeroframe.headers.detectors import Amplifier
    from zeroframe.headers.geometry import FoundDetector
    from zeroframe.headers.sections import Section
    from zeroframe.headers.survey import RawFrame

__all__ = ["with_same_extensions"]

#: Name of an amplifier, where it stands on the sensor, and its sections in its own extension.
_Sign = tuple[str, "Section", "Section | None", "Section | None"]


def with_same_extensions(found: Sequence[RawFrame]) -> list[RawFrame]:
    """Return frames whose amplifiers all stand in one order; those that lack an amplifier have a problem.

    Parameters
    ----------
    found : sequence of RawFrame
        Everything in the raw folder.

    Returns
    -------
    list of RawFrame
        Of a file that holds the amplifiers of most others in another order, the images are read in theirs. One that
        holds only some of the amplifiers of a detector, where more files hold all of them, is refused in whole.

    Notes
    -----
    Amplifiers are the same where name, place on the sensor, and sections in their own extensions are. Nothing is
    matched by numbers of extensions. Where files with fewer amplifiers have biases and other frames of their own, the
    detector was read in another way, and they are left as they are.
    """
    signs = {id(item): _signs(item.found) for item in found if item.found is not None and item.problem is None}
    whole = {key: own for key, own in signs.items() if own}
    orders = Counter(whole[id(item)] for item in found if id(item) in whole)
    usual: dict[frozenset[_Sign], tuple[_Sign, ...]] = {}
    for order, _ in orders.most_common():
        usual.setdefault(frozenset(order), order)
    members: dict[frozenset[_Sign], list[RawFrame]] = {}
    for item in found:
        if id(item) in whole:
            members.setdefault(frozenset(whole[id(item)]), []).append(item)
    refused = _lacking(found, members)
    models = {same: next(item for item in some if whole[id(item)] == usual[same]) for same, some in members.items()}
    done: list[RawFrame] = []
    for item in found:
        file, own = file_of(item.path), whole.get(id(item))
        if file in refused:
            if all(file_of(other.path) != file for other in done):
                done.append(replace(item, path=file, problem=refused[file], found=None))
        elif own is None or own == usual[frozenset(own)]:
            done.append(item)
        else:
            done.append(_in_order(item, models[frozenset(own)], own, usual[frozenset(own)]))
    return done


def _signs(found: FoundDetector | None) -> tuple[_Sign, ...]:
    """Return what tells each amplifier, in their order; nothing where one cannot be told surely."""
    if found is None or len(found.extensions) < 2 or len(found.extensions) != len(found.detector.amplifiers):
        return ()
    signs: list[_Sign] = []
    rows = found.extension_rows()
    for amplifier, place, part in zip(found.detector.amplifiers, found.sensor, rows, strict=False):
        if place is None or amplifier.trim is None or not amplifier.name:
            return ()
        own = amplifier.shifted(0, -part.start)
        if own.trim is None or own.trim.ranges[1].ends()[0] < 1:
            return ()
        signs.append((amplifier.name, place, own.trim, own.overscan))
    return tuple(signs) if len({sign[0] for sign in signs}) == len(signs) == len(rows) else ()


def _lacking(found: Sequence[RawFrame], members: dict[frozenset[_Sign], list[RawFrame]]) -> dict[Path, FrameError]:
    """Return files that hold some of the amplifiers of a detector, where more files hold all of them, and why not."""
    held: dict[Path, list[RawFrame]] = {}
    for item in found:
        if item.found is not None and item.problem is None:
            held.setdefault(file_of(item.path), []).append(item)
    refused: dict[Path, FrameError] = {}
    known = {sign[:2] for signs in members for sign in signs}  # of all detectors of a mosaic
    for signs, complete in members.items():
        names = {(sign[0], sign[1]): sign for sign in signs}
        short: dict[Path, list[_Sign]] = {}
        for file, items in held.items():
            own = {
                (each.name, place)
                for item in items
                if item.found is not None
                for each, place in zip(item.found.detector.amplifiers, item.found.sensor, strict=False)
            }
            missing = [sign for key, sign in names.items() if key not in own]
            if own & names.keys() and missing and own <= known:
                short[file] = missing
        kinds = {item.facts.kind for file in short for item in held[file] if item.facts is not None}
        if not short or len(short) >= len(complete) or (Kind.BIAS in kinds and len(kinds) > 1):
            continue
        for file, missing in short.items():
            left = sorted(f"{place} of the detector to {name}" for name, place, *_ in missing)
            holds = [
                each.name for item in held[file] if item.found is not None for each in item.found.detector.amplifiers
            ]
            refused[file] = UnsupportedError(
                file,
                f"lacks an amplifier: it holds {', '.join(holds)}, and the places of the amplifiers leave "
                f"{' and '.join(left)}, whose extension {len(complete)} other files have",
                "copy the file again where it was cut off, or move it away",
            )
    return refused


def _in_order(item: RawFrame, model: RawFrame, own: tuple[_Sign, ...], usual: tuple[_Sign, ...]) -> RawFrame:
    """Return a frame whose images are read in the order in which those of another one stand."""
    found, like = item.found, model.found
    if found is None or like is None or not isinstance(item.path, PartPath):
        return item
    order = [own.index(sign) for sign in usual]
    if tuple(found.heights[place] for place in order) != like.heights:
        return item
    file = file_of(item.path)
    path = part_path(file, tuple(item.path.extensions[place] for place in order), item.path.label)
    frame = attempt(path, lambda: scan(file).part(path))
    if isinstance(frame, FrameError):
        return replace(item, problem=frame)
    amplifiers: tuple[Amplifier, ...] = tuple(
        replace(
            there,
            gain_e_per_adu=found.detector.amplifiers[place].gain_e_per_adu,
            read_noise_e=found.detector.amplifiers[place].read_noise_e,
            saturation_adu=found.detector.amplifiers[place].saturation_adu,
        )
        for there, place in zip(like.detector.amplifiers, order, strict=True)
    )
    detector = replace(like, detector=replace(like.detector, amplifiers=amplifiers))
    return replace(item, path=path, frame=frame.abridged(), found=detector)
