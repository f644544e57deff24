"""Why a result is as it is: run.json and the file itself, in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zeroframe.errors import DamagedError, NoFramesError
from zeroframe.fits import scan
from zeroframe.fits.store.names import is_there
from zeroframe.headers.kinds import calibration_kinds, kind_row
from zeroframe.planning.decisions import listed
from zeroframe.planning.grouping import frames_words
from zeroframe.planning.plan import match_from_data
from zeroframe.planning.words import explain_frame
from zeroframe.run.keys import KEY_CARD
from zeroframe.run.record import RECORD_NAME, RunRecord, read_record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from zeroframe.fits import Cards

__all__ = ["explain_file", "is_raw"]

#: Cards that say in figures what a result rests on, and how people call that.
_FIGURES = (
    ("GAINUSED", "gain", "e-/ADU"),
    ("RNOISADU", "noise of a pixel without light", "ADU"),
    ("RAWLEVEL", "mean level of the raw image", "ADU"),
    ("DARKSCAL", "scale of the dark, fitted to hot pixels", ""),
    ("FLATLEVL", "level of the flat before it was divided by it", "ADU"),
    ("GAINMEAS", "gain measured on pairs of flats", "e-/ADU"),
    ("NOISEADU", "noise of a pixel of one frame, measured on pairs", "ADU"),
    ("NCOMBINE", "frames combined", ""),
    ("NMASKED", "masked pixels", ""),
    ("NUNLIT", "of them where the flat has too little light", ""),
    ("NSATPIX", "saturated pixels", ""),
    ("NBLEED", "pixels that they bled into", ""),
    ("NUNREAD", "pixels that were never read", ""),
    ("NCOSMIC", "pixels of cosmic rays", ""),
    ("QSTEP", "written with loss, quantised in steps of", "in the unit of the image"),
    ("QGROWTH", "growth of the noise by that", "%"),
)
#: Said where it is not 0.
_SELDOM = ("NBLEED", "NUNREAD")


def explain_file(path: Path) -> list[str]:
    """Say of a result of a night which bias, dark and flat it was made with, why, and what was the next best.

    Parameters
    ----------
    path : pathlib.Path
        A calibrated frame, a combined frame or a mask, where the run has put it, or would have.

    Returns
    -------
    list of str
        Sentences; those that begin with blanks belong to the one before.

    Raises
    ------
    FrameError
        When the file cannot be read; or is not there, and the run does not say why.
    NoFramesError
        When there is no run.json of a night that knows it.
    DamagedError
        When there is a run.json that cannot be used.
    """
    if not is_there(path):
        return _why_not_there(path)
    cards = scan(path).cards
    name, record = _record_of(path)
    recipe = record.recipe
    said = [_standing(name, cards, record), *_about_the_record(record)]
    by_target = {str(frame["target"]): (raw, frame) for raw, frame in recipe["frames"].items()}
    if name in by_target:
        raw, frame = by_target[name]
        said += [f"{name} is a {frame['kind']} frame, calibrated from {raw}."]
        matches = [match_from_data(match) for match in frame["matches"]]
        if matches or any(raw in group["frames"] for group in recipe["groups"].values()):
            said += explain_frame(name, matches)
        else:
            said += [f"{name}: no bias, dark or flat is used for it, and it is not combined, as was asked for."]
        said += _stored([match.chosen for match in matches], recipe)
        said += _amplifiers(cards)
        said += _of_this_run(raw, record)
        said += _masks(frame, recipe)
    elif name in recipe["groups"]:
        said += _group(name, recipe["groups"][name], record)
    elif name in recipe["masks"]:
        job = recipe["masks"][name]
        said += [f"{name} is the mask of {job['what']} pixels of {job['source']}."]
    return [*filter(None, said), *_figures(cards)]


def is_raw(path: Path) -> bool:
    """Say whether a file is one that zeroframe has not made, and no run knows.

    Raises
    ------
    FrameError
        When it is there and cannot be read.
    """
    if not is_there(path) or KEY_CARD in scan(path).cards:
        return False
    try:
        name, record = _record_of(path)
    except (NoFramesError, DamagedError):  # what cannot be read says nothing against it
        return True
    recipe = record.recipe  # a folder above it may hold the results of a run that has read it, or of another one
    planned = {str(frame["target"]) for frame in recipe["frames"].values()}
    return not (name in record.outputs or name in planned or name in recipe["groups"] or name in recipe["masks"])


def _why_not_there(path: Path) -> list[str]:
    """Say why there is no such result, where the run tried to make it; raise `FrameError` where nobody knows."""
    try:
        name, record = _record_of(path)
    except NoFramesError:
        scan(path)  # says what is wrong with the name
        raise
    asked = {name, *(raw for raw, frame in record.recipe["frames"].items() if frame["target"] == name)}
    ended = [each for sort in ("frames", "combined", "masks") for each in record.this_run.get(sort) or []]
    reasons = [each["reason"] for each in ended if each["name"] in asked and each["state"] == "failed"]
    if not reasons:
        scan(path)
    return [f"{name} is not there, because the last run could not make it: {reason}" for reason in reasons]


def _record_of(path: Path) -> tuple[str, RunRecord]:
    """Return how the run calls a file, by its path within the folder of results, and the run.json of that."""
    for folder in path.absolute().parents:
        record = read_record(folder) if (folder / RECORD_NAME).is_file() else None
        if record is not None and record.recipe.get("command") == "night":
            return path.absolute().relative_to(folder.absolute()).as_posix(), record
    raise NoFramesError(
        f"{path}: no {RECORD_NAME} of a night beside it or above; give a file where zeroframe has put it"
    )


def _standing(name: str, cards: Cards, record: RunRecord) -> str:
    """Say whether the file is the one that the run has made; empty where it is."""
    mark = record.outputs.get(name)
    if mark is None:
        raise NoFramesError(f"{name} is not among the results of the last run; see `zeroframe verify`")
    if str(cards.get(KEY_CARD)) != mark.key:
        return f"Careful: {name} is not the file that the last run has made; see `zeroframe verify`."
    return ""


def _about_the_record(record: RunRecord) -> list[str]:
    """Say that somebody has changed run.json, where what is said here rests on it."""
    changed = [name for name in record.altered if name in {"recipe", "outputs", "this_run"}]
    return [f"Careful: {listed(changed)} in {RECORD_NAME} has been changed since it was written."] if changed else []


def _of_this_run(raw: str, record: RunRecord) -> list[str]:
    """Say what went otherwise than planned."""
    for each in record.this_run.get("frames", []):
        if each["name"] == raw:
            lost = [f"But its {step} could not be made, so it went without." for step in each.get("lost", [])]
            left = [f"It was not combined: {each['reason']}."] if each["state"] == "left out" else []
            return [*lost, *left]
    return []


def _amplifiers(cards: Cards) -> list[str]:
    """Say which parts a frame was assembled of, as its header does."""
    lines = [line for line in str(cards.get("HISTORY", "")).splitlines() if line.startswith("amplifier ")]
    count = len({line.partition(":")[0] for line in lines})
    return [f"It was assembled of what {count} amplifiers read:", *(f"  {line}" for line in lines)] if lines else []


def _stored(names: Sequence[str | None], recipe: Mapping[str, Any]) -> list[str]:
    """Say of combined frames that existed already where they are, who made them, and what was doubtful of them."""
    said = []
    for name in names:
        known = recipe.get("stored", {}).get(name)
        if known is not None:
            night = known["traits"]["night"]
            when = "when it was taken is not known" if night is None else f"taken in the night of {night}"
            count = f"of {frames_words(known['frames'])}"
            said.append(f"{name} existed already: {known['path']}, made by {known['made_by']} {count}, {when}.")
            level, noise = (known["figures"].get(f"{each}_adu") for each in ("level", "noise"))
            figures = [f"a level of {level:.6g} ADU"] if level is not None else []
            figures += [f"a noise of {noise:.3g} ADU"] if noise is not None else []
            said += [f"  It has {' and '.join(figures)}; its errors are {known['uncertainty']}."] if figures else []
            said += [f"  Doubtful: {doubt}." for doubt in known["doubts"]]
    return said


def _masks(frame: Mapping[str, Any], recipe: Mapping[str, Any]) -> list[str]:
    names = frame["steps"]["masks"]
    stored = recipe.get("stored", {})
    words = [f"{name} ({recipe['masks'][name]['what']} pixels)" for name in names if name in recipe["masks"]]
    words += [f"{name} (a stored mask, {stored[name]['path']})" for name in names if name in stored]
    return [f"Masked by {', '.join(words)}."] if words else []


def _group(name: str, group: Mapping[str, Any], record: RunRecord) -> list[str]:
    """Explain a combined frame."""
    used = record.outputs[name].sources
    planned = [record.recipe["frames"][raw]["target"] for raw in group["frames"]]
    missing = [target for target in planned if target not in used]
    said = [f"{name} is {group['label']}: the {group['spec']['method']} of {frames_words(len(used))}."]
    said += [f"  {each}" for each in used]
    said += [f"  Not: {', '.join(missing)}."] if missing else []
    if group["scaled_by_level"]:
        said.append("Each was divided by its own level before anything was rejected, and the result has a level of 1.")
    row = kind_row(group["kind"])
    if row is not None and row.may_keep_bias:
        kept = "still holds its bias, so it is never scaled" if group["includes_bias"] else "holds no bias"
        said.append(f"It {kept}.")
    frames = record.recipe["frames"]
    kinds = [row.kind for row in calibration_kinds()]
    done = [raw for raw, frame in frames.items() if name in [frame["steps"].get(kind) for kind in kinds]]
    known = [raw for raw, frame in frames.items() if name in frame["uses"] and raw not in done]
    said += [f"It is used for {listed(done)}."] if done else []
    said += [f"The noise of {listed(known)} is known from it."] if known else []
    return said if done or known else [*said, "No frame needs it."]


def _figures(cards: Cards) -> list[str]:
    """Say what the header holds in figures."""
    said = []
    for word, what, unit in _FIGURES:
        value = cards.get(word)
        if isinstance(value, int | float) and not isinstance(value, bool) and (value or word not in _SELDOM):
            text = f"{value}" if isinstance(value, int) else f"{value:.6g}"
            said.append(f"{what}: {text} {unit}".rstrip())
    return said
