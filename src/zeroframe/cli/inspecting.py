"""What `zeroframe inspect` does with frames of which no header says which amplifiers read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zeroframe.cli.console import say
from zeroframe.cli.documents import amplifiers_document, extensions_document, print_json
from zeroframe.inspection.amplifiers import look_at_detectors
from zeroframe.inspection.unknown_layouts import with_amplifiers_seen
from zeroframe.inspection.without_places import write_draft
from zeroframe.inspection.writing import write_amplifiers, write_plot
from zeroframe.planning.detect import of_unknown_cameras

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from zeroframe.cli.console import Screen
    from zeroframe.fits.inputs import Inputs
    from zeroframe.headers.survey import RawFrame
    from zeroframe.inspection.without_places import SeenExtension

__all__ = ["amplifiers_seen", "extensions_seen", "frames_with_amplifiers_seen"]


def amplifiers_seen(
    screen: Screen,
    found: Sequence[RawFrame],
    several: Sequence[Sequence[RawFrame]],
    limit_bytes: int,
    write: Path | None,
    plot: Path | None,
    *,
    overwrite: bool,
    inputs: Inputs,
    json: bool,
) -> int:
    """Look at the amplifiers of detectors, and show, draw and write what was found."""
    pairs, refused = look_at_detectors(several, limit_bytes, crosstalk=True)
    seen, items = [each for each, _ in pairs], [item for _, item in pairs]
    for each in seen:
        screen.amplifiers(each)
    screen.left_out(refused)
    _say_not_looked_at(found, several)
    if plot is not None:
        write_plot(seen, plot, overwrite=overwrite, inputs=inputs)
        screen.line(str(plot), "plot", "cyan")
    if write is not None:
        profile = write_amplifiers(seen, items, write, overwrite=overwrite, inputs=inputs)
        screen.line(f"{write}; use it with --camera {write} (camera {profile.name})", "profile", "cyan")
    if json:
        print_json(amplifiers_document(seen, [target for target in (write, plot) if target is not None]))
    return 0


def _say_not_looked_at(found: Sequence[RawFrame], several: Sequence[Sequence[RawFrame]]) -> None:
    """Name the frames beside those of several amplifiers, so that nobody takes them for inspected."""
    looked_at = {id(item) for members in several for item in members}
    for item in found:
        if id(item) not in looked_at:
            why = "is not one of several amplifiers; look at it in a folder without them"
            say(f"note: {item.path}: not looked at: {item.problem.reason if item.problem else why}")


def extensions_seen(
    screen: Screen,
    seen: Sequence[SeenExtension],
    write: Path | None,
    plot: Path | None,
    *,
    overwrite: bool,
    inputs: Inputs,
    json: bool,
) -> int:
    """Show what the pixels of extensions say whose places no header says; write the camera file to be filled in."""
    for each in seen:
        screen.inspection(each.inspection, whose=f"extension {each.ext}")
    if plot is not None:
        write_plot(seen, plot, overwrite=overwrite, inputs=inputs)
        screen.line(str(plot), "plot", "cyan")
    if write is not None:
        write_draft(seen, write, overwrite=overwrite, inputs=inputs)
    where = "with --write my.toml a camera file is written" if write is None else f"written to {write}"
    said = f"no header says where these {len(seen)} images belong; {where}: fill in the place of each"
    screen.line(said, "places", "yellow")
    if json:
        print_json(extensions_document(seen, said, [target for target in (write, plot) if target is not None]))
    return 0


def frames_with_amplifiers_seen(found: Sequence[RawFrame], camera: str | None) -> list[RawFrame]:
    """Return frames with the amplifiers that their pixels show, where neither header nor camera file says anything."""
    seen = {} if camera is not None else with_amplifiers_seen(of_unknown_cameras(found))
    return [seen.get(id(item), item) for item in found]
