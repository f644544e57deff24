"""What `zeroframe inspect` does with the frames of a folder: it shows, draws and writes what their pixels say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zeroframe.cli.console import say
from zeroframe.cli.documents import amplifiers_document, extensions_document, inspect_document, print_json
from zeroframe.headers.words import words_guessed
from zeroframe.inspection import inspect_overscan, write_camera, write_plot
from zeroframe.inspection.amplifiers import by_detector, look_at_detectors
from zeroframe.inspection.unknown_layouts import with_amplifiers_seen
from zeroframe.inspection.without_places import look_at_extensions, write_draft
from zeroframe.inspection.writing import write_amplifiers
from zeroframe.planning.detect import of_unknown_cameras
from zeroframe.records import dataclass
from zeroframe.workers import default_limit_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from zeroframe.cli.console import Screen
    from zeroframe.fits.inputs import Inputs
    from zeroframe.headers.cameras import Camera
    from zeroframe.headers.survey import RawFrame
    from zeroframe.headers.words import Words
    from zeroframe.inspection import OverscanInspection
    from zeroframe.inspection.amplifiers import LookedAt
    from zeroframe.inspection.without_places import SeenExtension

__all__ = ["Output", "inspect_frames"]


@dataclass(frozen=True, slots=True)
class Output:
    """Where what was seen is shown, drawn and written.

    Attributes
    ----------
    screen : Screen
        The terminal.
    write, plot : path or None
        The profile of a camera, and the plots, where they are asked for.
    overwrite : bool
        Whether files that are there already may be replaced.
    inputs : Inputs
        Files that are never replaced.
    json : bool
        Whether it is printed as a document for programs.
    """

    screen: Screen
    write: Path | None
    plot: Path | None
    overwrite: bool
    inputs: Inputs
    json: bool

    @property
    def targets(self) -> list[Path]:
        """The files that are written."""
        return [target for target in (self.write, self.plot) if target is not None]

    def draw(self, seen: OverscanInspection | Sequence[LookedAt] | Sequence[SeenExtension]) -> None:
        """Save the plots, where they are asked for."""
        if self.plot is not None:
            write_plot(seen, self.plot, overwrite=self.overwrite, inputs=self.inputs)
            self.screen.line(str(self.plot), "plot", "cyan")

    def say_profile(self, profile: Camera, of: str = "") -> None:
        """Say where the profile of a camera is, and how it is used."""
        said = f"{self.write}; use it with --camera {self.write} (camera {profile.name}{of})"
        self.screen.line(said, "profile", "cyan")


def inspect_frames(
    output: Output,
    found: Sequence[RawFrame],
    camera: str | None,
    words: Words,
    limit_bytes: int | None,
    workers: int | None,
) -> None:
    """Look at frames of one amplifier, of several, or of extensions of which nobody knows where they belong.

    Parameters
    ----------
    output : Output
        Where it is shown.
    found : sequence of RawFrame
        The frames, their headers read.
    camera : str or None
        Name of a camera, or path of a profile.
    words : Words
        What headers mean.
    limit_bytes : int or None
        How much memory may be used.
    workers : int or None
        How many threads.
    """
    found = _with_amplifiers(found, camera)
    several = by_detector(found)
    if several:
        _show_amplifiers(output, found, several, limit_bytes or default_limit_bytes())
        return
    extensions = look_at_extensions(found, mem_limit_bytes=limit_bytes, workers=workers, words=words)
    if extensions:
        _show_extensions(output, extensions)
        return
    result = inspect_overscan(found, camera, mem_limit_bytes=limit_bytes, workers=workers)
    for one in result.every:
        output.screen.inspection(one, whose=one.whose if result.others else "")
    output.draw(result)
    if output.write is not None:
        doubts = (doubt for item in found if item.facts is not None for doubt in item.facts.doubts)
        words = words.before(words_guessed(doubts))
        profile = write_camera(result, output.write, overwrite=output.overwrite, inputs=output.inputs, words=words)
        output.say_profile(profile, f", of frames of {result.whose}" if result.others else "")
    if output.json:
        print_json(inspect_document(result, output.targets))


def _show_amplifiers(
    output: Output, found: Sequence[RawFrame], several: Sequence[Sequence[RawFrame]], limit_bytes: int
) -> None:
    """Look at the amplifiers of detectors, and show, draw and write what was found."""
    pairs, refused = look_at_detectors(several, limit_bytes, crosstalk=True)
    seen, items = [each for each, _ in pairs], [item for _, item in pairs]
    for each in seen:
        output.screen.amplifiers(each)
    output.screen.left_out(refused)
    _say_not_looked_at(found, several)
    output.draw(seen)
    if output.write is not None:
        output.say_profile(
            write_amplifiers(seen, items, output.write, overwrite=output.overwrite, inputs=output.inputs)
        )
    if output.json:
        print_json(amplifiers_document(seen, output.targets))


def _say_not_looked_at(found: Sequence[RawFrame], several: Sequence[Sequence[RawFrame]]) -> None:
    """Name the frames beside those of several amplifiers, so that nobody takes them for inspected."""
    looked_at = {id(item) for members in several for item in members}
    for item in found:
        if id(item) not in looked_at:
            why = "is not one of several amplifiers; look at it in a folder without them"
            say(f"note: {item.path}: not looked at: {item.problem.reason if item.problem else why}")


def _show_extensions(output: Output, seen: Sequence[SeenExtension]) -> None:
    """Show what the pixels of extensions say whose places no header says; write the camera file to be filled in."""
    for each in seen:
        output.screen.inspection(each.inspection, whose=f"extension {each.ext}")
    output.draw(seen)
    if output.write is None:
        where = "with --write my.toml a camera file is written"
    else:
        write_draft(seen, output.write, overwrite=output.overwrite, inputs=output.inputs)
        where = f"written to {output.write}"
    said = f"no header says where these {len(seen)} images belong; {where}: fill in the place of each"
    output.screen.line(said, "places", "yellow")
    if output.json:
        print_json(extensions_document(seen, said, output.targets))


def _with_amplifiers(found: Sequence[RawFrame], camera: str | None) -> Sequence[RawFrame]:
    """Return frames with the amplifiers that their pixels show, where neither header nor camera file says anything."""
    seen = {} if camera is not None else with_amplifiers_seen(of_unknown_cameras(found))
    return [seen.get(id(item), item) for item in found]
