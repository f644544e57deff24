"""``zeroframe watch``: a night while it is being taken."""

from __future__ import annotations

import math
import sys
from collections import OrderedDict
from contextlib import nullcontext, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import TYPE_CHECKING, Annotated

import typer

from zeroframe.cli.options import (
    WRITE,
    CalibrationsAsked,
    Camera,
    Cards,
    DetectorAsked,
    Ext,
    IgnoreChecksums,
    Json,
    Kinds,
    LibraryAsked,
    MemLimit,
    Open,
    Overscan,
    Port,
    Recurse,
    Report,
    Strict,
    Trim,
    Workers,
    bytes_of,
    local_path,
)

if TYPE_CHECKING:
    from zeroframe.cli.calibrate import RunOptions
    from zeroframe.cli.console import Screen
    from zeroframe.planning.recipe import NightRecipe
    from zeroframe.run.live.board import Board, FrameRow
    from zeroframe.run.live.first_look import Seen
    from zeroframe.viewer.server import Answer
    from zeroframe.viewer.serving import ServedPictures

__all__ = ["watch"]

_KEPT_VIEWS = 3
_NEWS_WAIT_S = 10.0
#: Of these a filter says nothing.
_DARK_KINDS = ("bias", "dark")
_LOUD = {"note": "cyan", "warning": "yellow", "error": "red"}


def watch(
    raw: Annotated[
        Path,
        typer.Argument(
            metavar="RAW", parser=local_path, help="Folder that frames are written to; it is never written to by us."
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", metavar="OUT", parser=local_path, help="Folder for the results.", rich_help_panel=WRITE
        ),
    ],
    serve: Annotated[
        bool,
        typer.Option("--serve", help="Show the night in the browser of this machine.", rich_help_panel=WRITE),
    ] = False,
    port: Port = 0,
    open_it: Open = None,
    camera: Camera = None,
    overscan: Overscan = None,
    trim: Trim = None,
    ext: Ext = None,
    detector: DetectorAsked = None,
    calibrations: CalibrationsAsked = None,
    library: LibraryAsked = None,
    recipe: Annotated[
        Path | None,
        typer.Option(
            "--recipe",
            metavar="FILE",
            help="Settings file, written by zeroframe recipe; by default zeroframe.toml of RAW or above.",
        ),
    ] = None,
    kind: Kinds = None,
    card: Cards = None,
    recurse: Recurse = True,
    ignore_checksums: IgnoreChecksums = False,
    report: Report = True,
    mem_limit: MemLimit = None,
    workers: Workers = None,
    strict: Strict = False,
    json: Json = False,
) -> int:
    """Calibrate frames as they arrive, and say at once what is odd about one. Ctrl-C ends the night.

    Frames are calibrated with the biases, darks and flats that are there by then; when better ones come, what depends
    on them is made again. At the end OUT holds what zeroframe night RAW -o OUT would have made. Earlier results that
    were made with other options are replaced; that is said before it is done.
    """
    from zeroframe.cli.calibrate import RunOptions
    from zeroframe.cli.console import Screen
    from zeroframe.cli.night import recipe_asked
    from zeroframe.fits.folders import make_output_folder
    from zeroframe.headers.cameras import load_camera
    from zeroframe.headers.trees import tree_files
    from zeroframe.planning.targets import check_output_folder
    from zeroframe.run.live.replacing import replaced_by
    from zeroframe.run.lock import WATCH, folder_lock

    said = {
        "camera": camera,
        "overscan": overscan,
        "trim": trim,
        "ext": ext,
        "detector": detector,
        "calibrations": calibrations,
        "library": library,
        "kind": kind,
        "card": card,
    }
    check_output_folder(raw, out)
    next(iter(tree_files(raw, output=out)), None)  # that it can be read is known before anything is served
    wanted = recipe_asked("night", recipe, said, raw)
    if wanted.frames.camera is not None:
        load_camera(wanted.frames.camera)  # a name that nobody knows is told now, and not with the first frame
    options = RunOptions(
        check_sums=not ignore_checksums,
        report=report,
        limit=bytes_of(mem_limit),
        workers=workers,
        strict=strict,
        json=json,
    )
    screen = Screen.beside(json=json)
    opens = sys.stdout.isatty() if open_it is None else open_it
    make_output_folder(out)
    with folder_lock(out, WATCH):
        told = replaced_by(raw, out, wanted)
        if told:
            screen.line(told, "replaces", "yellow")
        _watch(raw, out, wanted, options, screen, serve=port if serve else None, opens=opens, recurse=recurse)
        return _end(raw, out, wanted, options, screen, recurse=recurse)


def _watch(
    raw: Path,
    out: Path,
    recipe: NightRecipe,
    options: RunOptions,
    screen: Screen,
    *,
    serve: int | None,
    opens: bool,
    recurse: bool,
) -> None:
    """Watch until Ctrl-C; ``serve`` is a port, None: nothing is served."""
    from zeroframe.run.live.night import LiveNight, LiveSettings
    from zeroframe.viewer.server import loopback_server

    telling = _Telling(screen)
    with TemporaryDirectory(prefix="zeroframe-watch-") as folder:
        pictures = Path(folder)
        settings = LiveSettings(raw, out, recipe, recurse, options.settings(None))
        live = LiveNight(
            settings, lambda seen: serve is not None and _pictured(seen, pictures), telling.row, telling.trouble
        )
        site = _Site(live.board, raw, out, pictures)
        # from before the line is printed: whoever reads it may end the night at once
        with (
            suppress(KeyboardInterrupt),
            nullcontext() if serve is None else loopback_server(site.answer, serve) as server,
        ):
            where = "" if server is None else f"; {server.url} shows it"
            screen.line(f"{raw}{where}; Ctrl-C ends the night", "watching", "cyan")
            if server is not None and opens:
                import webbrowser

                webbrowser.open(server.url)
            live.watch()


def _end(raw: Path, out: Path, recipe: NightRecipe, options: RunOptions, screen: Screen, *, recurse: bool) -> int:
    """Carry out the night as it is now, as `zeroframe night` does; return its exit code."""
    from zeroframe.cli.calibrate import carry_out_folder

    screen.line("the night as a whole, and its report; Ctrl-C once more leaves it as it is", "ending", "cyan")
    return carry_out_folder("night", raw, out, recipe, options, overwrite=True, recurse=recurse, command="watch")


class _Telling:
    """Says in the terminal what becomes of frames, a line each; from one thread at a time."""

    def __init__(self, screen: Screen) -> None:
        self._screen, self._lock = screen, Lock()
        self._trouble = ""

    def row(self, row: FrameRow) -> None:
        from zeroframe.frames.numbers import percent

        words = [row.kind, row.object_name if row.object_name != row.kind else ""]
        words += [] if row.kind in _DARK_KINDS else [row.filter_name]
        if row.exposure_s is not None:
            words.append(f"{row.exposure_s:g} s")
        if row.level is not None and row.noise is not None:
            decimals = 2 - math.floor(math.log10(row.noise)) if row.noise > 0 else 2
            words.append(f"level {row.level:.{min(max(decimals, 0), 6)}f} {row.unit}, noise {row.noise:.3g}")
        if row.saturated_fraction:
            words.append(f"saturated {percent(row.saturated_fraction)}")
        style = {"failed": "red", "calibrated": "green", "left out": "yellow"}.get(row.state, "cyan")
        with self._lock:
            said = ", ".join(word for word in words if word)
            self._screen.line(f"{row.name}: {said}{'; ' if said and row.reason else ''}{row.reason}", row.state, style)
            for finding in row.findings:
                self._screen.line(finding.sentence, finding.severity, _LOUD[finding.severity])

    def trouble(self, reason: str) -> None:
        """Say why the night was not calibrated, once; nothing: it was."""
        with self._lock:
            if reason and reason != self._trouble:
                self._screen.line(f"{reason}; it is tried again", "not calibrated yet", "yellow")
            self._trouble = reason


def _pictured(seen: Seen, folder: Path) -> bool:
    """Draw a frame that has just arrived; say whether there is a picture of it."""
    from zeroframe.report.live import live_picture

    if seen.image is None:
        return False
    (folder / f"{_id(seen.name)[-200:]}.png").write_bytes(live_picture(seen.image))
    return True


def _id(name: str) -> str:
    return name.encode("utf-8", "surrogateescape").hex()


class _Site:
    """What the browser gets: the page of the night, news, pictures, and each frame in the viewer."""

    def __init__(self, board: Board, raw: Path, out: Path, pictures: Path) -> None:
        self._board, self._raw, self._out, self._pictures = board, raw, out, pictures
        self._views: OrderedDict[str, ServedPictures] = OrderedDict()
        self._lock = Lock()

    def answer(self, path: str) -> Answer | None:
        """Return what stands at a path; None where nothing does."""
        from zeroframe.report.live import live_news, live_page
        from zeroframe.viewer.server import Answer

        what, _, rest = path.removeprefix("/").partition("/")
        if not what:
            return Answer(live_page(str(self._raw), str(self._out)))
        if what == "news" and rest.isdecimal():
            return Answer(live_news(self._board.since(int(rest), _NEWS_WAIT_S)), "application/json")
        name, _, more = rest.partition("/")
        row = self._row(name)
        if row is None:
            return None
        if what == "picture" and row.pictured:
            return Answer((self._pictures / f"{name[-200:]}.png").read_bytes(), "image/png")
        return self._view(row, more) if what == "frame" else None

    def _row(self, name: str) -> FrameRow | None:
        try:
            return self._board.row(bytes.fromhex(name).decode("utf-8", "surrogateescape"))
        except ValueError:
            return None

    def _view(self, row: FrameRow, more: str) -> Answer | None:
        """Return the viewer of a frame, raw and calibrated; files are opened anew with each page."""
        from zeroframe.fits.part_paths import file_of
        from zeroframe.viewer.planes import open_pictures
        from zeroframe.viewer.serving import ServedPictures

        with self._lock:
            view = self._views.get(row.name)
            if view is None or not more:
                paths = [file_of(row.source), *([] if row.target is None else [row.target])]
                view = ServedPictures([each for path in paths for each in open_pictures(path)])
                self._views[row.name] = view
                while len(self._views) > _KEPT_VIEWS:
                    self._views.popitem(last=False)
        return view.answer(more)
