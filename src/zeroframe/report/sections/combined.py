"""What the sections of biases, darks and flats have in common: remarks, rows, pictures, tables of frames."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import quote

from zeroframe.frames.numbers import percent
from zeroframe.planning.grouping import frames_words
from zeroframe.report.data import FrameTable, Remark, TableRow
from zeroframe.report.draw.combined import combined_blink, small_image
from zeroframe.report.sections.reading import figure_words, frame_flags
from zeroframe.report.sections.remarks import noise_and_ideal, noise_remarks
from zeroframe.report.sections.rows import frame_rows
from zeroframe.workers import map_threads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zeroframe.report.data import Blink, PageRow, Tone
    from zeroframe.report.sections.reading import NightView
    from zeroframe.run.outcomes import GroupOutcome

__all__ = [
    "MOST_PICTURES",
    "combined_pictures",
    "combined_row",
    "frame_table",
    "group_remarks",
    "left_remarks",
    "noise_words",
    "rows_of",
]

#: Pictures of combined frames of one kind.
MOST_PICTURES = 6


def group_remarks(view: NightView, groups: Sequence[GroupOutcome], unit: str, kind: str) -> list[Remark]:
    """Say of each group what went wrong and what does not belong; of all, how noisy the results are.

    Parameters
    ----------
    view : NightView
        The night.
    groups : sequence of GroupOutcome
        Of one kind.
    unit : str
        Of their noise.
    kind : str
        What they are called, as ``darks``.
    """
    found = []
    for each in groups:
        if each.combined.state == "failed":
            found.append(Remark(f"{each.group.label}: {view.short(each.combined.reason)}", "bad"))
        found += [Remark(f"{each.group.label}: {view.short(text)}", "bad") for text in each.combined.left_out]
        found += [
            Remark(f"left out of {each.group.label}: {view.short(one.outcome.reason)}", "note")
            for one in view.frames_of(each.group)
            if one.outcome.state == "left out"
        ]
        found += [Remark(f"{view.name(flag.path)}: {flag.sentence}", "note") for flag in each.suspects]
    noises = [
        noise_remarks(each.combined, each.combined.noise, unit, f"combined {each.group.label}") for each in groups
    ]
    told = [remark for some in noises for remark in some]
    quiet = [remark for remark in told if remark.tone == "good"]
    found += [remark for remark in told if remark.tone != "good"]
    if len(quiet) < 2:
        return [*found, *quiet]
    pairs = [noise_and_ideal(each.combined, each.combined.noise) for each in groups]
    excess = max(pair[0] / pair[1] - 1 for pair in pairs if pair is not None)
    most = f"no more than {percent(excess)}" if excess > 0 else "none"
    which = f"The combined {kind} are" if len(quiet) == len(told) else f"{len(quiet)} of the combined {kind} are"
    said = f"{which} as quiet as they should be: {most} above σ/√N, where σ is the noise of one frame."
    return [*found, Remark(said, "good")]


def combined_pictures(
    view: NightView, groups: Sequence[GroupOutcome], unit: str
) -> tuple[tuple[Blink, ...], list[Remark]]:
    """Return pictures of combined frames, and say how many there is no room for."""
    shown = view.pictured(groups, MOST_PICTURES)
    images = map_threads(lambda each: small_image(each.combined.target), shown, view.workers)
    pictures = tuple(
        combined_blink(
            each.group.label, image, unit, shape_yx=each.group.frames[0].shape_yx, file=str(each.combined.target)
        )
        for each, image in zip(shown, images, strict=True)
    )
    return pictures, left_remarks(sum(each.combined.is_there for each in groups))


def left_remarks(number_there: int) -> list[Remark]:
    """Say how many combined frames there is no picture of."""
    left = number_there - MOST_PICTURES
    return (
        [Remark(f"Pictures of {MOST_PICTURES} combined frames are shown; {left} more are in the folder.")]
        if left > 0
        else []
    )


def frame_table(view: NightView, each: GroupOutcome, unit: str) -> FrameTable:
    """Return the frames of a group, folded away where nothing is to be said of them."""
    rows, total = rows_of(view, each), len(view.frames_of(each.group))
    left = total - len(rows)
    hint = (
        f"{frames_words(left)} more, of which nothing is to be said, {'is' if left == 1 else 'are'} not shown."
        if left
        else ""
    )
    wrong = any(
        row.state not in {"done", "skipped"} or any(flag.tone != "neutral" for flag in row.flags) for row in rows
    )
    return FrameTable(f"{frames_words(total)} of {each.group.label}", unit, rows, hint, wrong)


def rows_of(view: NightView, each: GroupOutcome) -> tuple[PageRow, ...]:
    """Return the rows of the frames of a group that are shown."""
    shown = view.shown[each.group.name]
    return frame_rows(
        [replace(one.outcome, reason=view.short(one.outcome.reason)) for one in shown],
        {one.frame.source: view.samples[one.frame.name] for one in shown if one.frame.name in view.samples},
        {one.frame.source: frame_flags(one, each.flags) for one in shown},
        {one.frame.source: one.frame.name for one in shown},
        {one.frame.source: view.link(one.frame.target) for one in shown if one.outcome.is_there},
    )


def combined_row(each: GroupOutcome, cells: tuple[str, ...]) -> TableRow:
    """Return the row of a combined frame: what it is called, of how many frames, and the cells that are given."""
    if each.combined.state == "not asked for":
        return TableRow((each.group.label, "not combined", *cells), "neutral")
    if not each.combined.is_there:
        return TableRow((each.group.label, "not made", *("–" for _ in cells)), "bad")
    frames = len(each.group.frames)
    shown = str(each.combined.frames) if each.combined.frames == frames else f"{each.combined.frames} of {frames}"
    tone: Tone = "neutral" if each.combined.frames == frames else "note"
    return TableRow((each.group.label, shown, *cells), tone, f"./{quote(each.group.name)}")


def noise_words(each: GroupOutcome) -> tuple[str, str]:
    """Return the noise of a pixel of the combined frame, and what it should be."""
    found = noise_and_ideal(each.combined, each.combined.noise)
    return ("–", "–") if found is None else (figure_words(found[0]), figure_words(found[1]))
