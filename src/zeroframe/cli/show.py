"""``zeroframe show``: frames in a browser, down to their pixels."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zeroframe.cli.options import (
    OK,
    WRITE,
    Ext,
    Json,
    Open,
    Overwrite,
    Port,
    bytes_of,
    expanded,
    local_path,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zeroframe.cli.console import Screen
    from zeroframe.viewer.planes import Picture

__all__ = ["show"]

_PAGE = "show.html"
#: So often it is looked whether somebody wants to end it.
_TURN_S = 0.5


def show(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", parser=local_path, help="Raw, calibrated and combined frames, and masks."),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            *("--output", "-o"),
            metavar="FILE",
            parser=local_path,
            help=f"The page. [default: {_PAGE}]",
            rich_help_panel=WRITE,
        ),
    ] = None,
    ext: Ext = None,
    serve: Annotated[
        bool,
        typer.Option(
            "--serve",
            help="Serve the frames to the browser of this machine; nothing is written.",
            rich_help_panel=WRITE,
        ),
    ] = False,
    port: Port = 0,
    max_size: Annotated[
        str | None,
        typer.Option(
            "--max-size",
            metavar="SIZE",
            help="How large the page may become, as 500M. [default: 150M]",
            rich_help_panel=WRITE,
        ),
    ] = None,
    overwrite: Overwrite = False,
    open_it: Open = None,
    json: Json = False,
) -> int:
    """Look at frames in the browser: zoom to the pixels, values, sections, profiles, blink, masks, amplifiers.

    The page is one file that needs nothing else, neither a server nor the net; its values are those of the files.
    """
    from zeroframe.cli.console import Screen
    from zeroframe.viewer.planes import open_pictures

    screen = Screen.beside(json=json)
    pictures = [each for path in expanded(paths) for each in open_pictures(path, ext)]
    opens = sys.stdout.isatty() if open_it is None else open_it
    if serve:
        return _serve(pictures, port, screen, opens=opens)
    return _write(pictures, output or Path(_PAGE), max_size, screen, overwrite=overwrite, opens=opens, json=json)


def _write(
    pictures: Sequence[Picture],
    output: Path,
    max_size: str | None,
    screen: Screen,
    *,
    overwrite: bool,
    opens: bool,
    json: bool,
) -> int:
    from zeroframe.cli.console import megabytes
    from zeroframe.cli.documents import document_of, print_json
    from zeroframe.viewer.page import DEFAULT_PAGE_BYTES, write_page

    _refuse_among_raw([each.path for each in pictures], output)
    made = write_page(output, pictures, overwrite=overwrite, max_bytes=bytes_of(max_size) or DEFAULT_PAGE_BYTES)
    screen.line(f"{output} ({megabytes(made.bytes_out)} MB)", "page", "cyan")
    for sentence in made.left_out:
        screen.line(sentence, "left out", "yellow")
    if opens:
        import webbrowser

        webbrowser.open(output.absolute().as_uri())
    if json:
        print_json(document_of("show", OK, out=str(output), bytes=made.bytes_out, left_out=list(made.left_out)))
    return OK


def _refuse_among_raw(paths: Sequence[Path], output: Path) -> None:
    """Refuse to put a page among raw frames; raises `RawFolderError`. Beside results of ours it may stand."""
    from zeroframe.errors import RawFolderError
    from zeroframe.fits.inputs import Inputs
    from zeroframe.headers.own_results import carried_key
    from zeroframe.planning.targets import refuse_among

    raw = [path for path in paths if carried_key(path) is None]
    try:
        refuse_among(Inputs.of(raw), {output.parent})
    except RawFolderError as error:
        raise RawFolderError(error.path, error.reason, "choose another folder for the page with -o") from error


def _serve(pictures: Sequence[Picture], port: int, screen: Screen, *, opens: bool) -> int:
    from contextlib import suppress
    from threading import Event

    from zeroframe.viewer.server import loopback_server
    from zeroframe.viewer.serving import ServedPictures

    served = ServedPictures(pictures)
    served.prepare()
    # from before the line is printed: whoever reads the address may end it at once
    with (
        suppress(KeyboardInterrupt),
        loopback_server(lambda path: served.answer(path.removeprefix("/")), port) as server,
    ):
        screen.line(f"{server.url}; Ctrl-C ends it", "served at", "cyan")
        if opens:
            import webbrowser

            webbrowser.open(server.url)
        ended = Event()
        while not ended.wait(_TURN_S):  # a signal in the instant before a wait without end would be seen at its end
            pass
    return OK
