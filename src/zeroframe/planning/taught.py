"""What was taught of headers against the frames that there are, and exposures against the times between frames."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from zeroframe.frames.numbers import number
from zeroframe.planning.grouping import exposure_words, frames_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zeroframe.headers.survey import RawFrame
    from zeroframe.headers.words import Words
    from zeroframe.planning.plan import NightFrame

__all__ = ["OVERLAPPING", "UNMET", "overlapping_exposures", "unmet_words"]

#: What the decisions are called in which these are said.
UNMET, OVERLAPPING = "taught", "exposures and times"

#: Exposures so many times longer than frames are apart are in another unit; clocks and coadds do less.
_LONGER = 30.0
#: So many pairs of frames tell, and so large a part of them.
_FEWEST, _PART = 3, 0.5


def unmet_words(words: Words, found: Sequence[RawFrame]) -> Iterator[tuple[str, str]]:
    """Yield what was taught of headers and meets no frame, and what follows.

    Parameters
    ----------
    words : Words
        Of the command line and the recipe.
    found : sequence of RawFrame
        All files.
    """
    read = [item for item in found if item.frame is not None and item.facts is not None]
    if not read:
        return
    # each header once: a card may stand in the primary header or in that of the image
    headers = [
        cards for item in read if item.frame is not None for cards in (item.frame.cards, item.frame.hdus[0].cards)
    ]
    for card in words.meanings:
        if not any(card.keyword in cards for cards in headers):
            yield f"{card.meaning} from the card {card.keyword}", "no frame has that card, so it says nothing"
    reasons = {item.facts.kind_reason for item in read if item.facts is not None}
    for rule in words.kinds:
        if rule.reason not in reasons:
            yield f"{rule.kind} by {rule.reason.removesuffix(' (taught)')}", "it fits no frame, so it says nothing"


def overlapping_exposures(frames: Sequence[NightFrame]) -> str:
    """Say where frames are exposed for far longer than they are apart, as in another unit; empty where they are not.

    Parameters
    ----------
    frames : sequence of NightFrame
    """
    cameras: dict[object, list[tuple[float, NightFrame]]] = {}
    for frame in frames:
        began = frame.facts.began
        if began is not None and began.seconds is not None and frame.facts.exposure_s:
            start_s = began.day.toordinal() * 86400.0 + began.seconds
            cameras.setdefault((frame.facts.instrument, frame.shape_yx), []).append((start_s, frame))
    for members in cameras.values():
        members.sort(key=lambda each: each[0])
        apart = [(later[0] - former[0], former[1]) for former, later in pairwise(members)]
        apart = [each for each in apart if each[0] > 0]
        wrong = [each for each in apart if (each[1].facts.exposure_s or 0.0) > _LONGER * each[0]]
        if len(wrong) >= _FEWEST and len(wrong) > _PART * len(apart):
            seconds, frame = wrong[0]
            return (
                f"{frame.name} is exposed for {exposure_words(frame.facts.exposure_s)}, and the next frame begins "
                f"{number(seconds, 3)} s after it; so are {frames_words(len(wrong))} of {len(apart)}"
            )
    return ""
