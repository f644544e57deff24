"""The command ``ls``: what is in a folder, from the headers alone."""

from __future__ import annotations

import sys
from pathlib import Path  # noqa: TC003 -- typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from zeroframe.cli.console import Screen, harmless_cell, say
from zeroframe.cli.documents import document_of, print_json
from zeroframe.cli.options import INCOMPLETE, OK, Camera, Cards, Json, Kinds, Recurse, path_or_url, taught_words

if TYPE_CHECKING:
    from zeroframe.fits.cards import CardValue
    from zeroframe.headers.listing import Listing

__all__ = ["list_folder"]


def list_folder(
    folder: Annotated[
        Path,
        typer.Argument(metavar="DIR", parser=path_or_url, help="Folder with frames, or its URL."),
    ],
    columns: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES", help="What is shown, as 'file,kind,exptime': built-in columns, or any header keyword."
        ),
    ] = None,
    where: Annotated[
        str | None, typer.Option(metavar="CONDITIONS", help="Which frames, as 'imagetyp=bias exptime>0'.")
    ] = None,
    output_format: Annotated[
        Literal["table", "csv", "json"], typer.Option("--format", help="How it is shown.")
    ] = "table",
    why: Annotated[
        bool, typer.Option("--why", help="Say of each frame which cards were understood, passed over, and not known.")
    ] = False,
    camera: Camera = None,
    kind: Kinds = None,
    card: Cards = None,
    recurse: Recurse = True,
    json: Json = False,
) -> int:
    """Show what is in a folder and those within, from the headers alone."""
    from zeroframe.headers.listing import list_frames

    names = None if columns is None else [name.strip() for name in columns.split(",") if name.strip()]
    words = taught_words(camera, kind, card)
    listing = list_frames(folder, columns=names, where=where, recurse=recurse, words=words, why=why)
    code = INCOMPLETE if listing.problems or listing.empty_because else OK
    if listing.empty_because:
        say(f"note: {listing.empty_because}")
    if json:
        problems = [str(problem) for problem in listing.problems]
        explained = {name: list(lines) for name, lines in listing.explanations}
        cells = list(listing.columns)
        print_json(document_of("ls", code, columns=cells, frames=_frames(listing), problems=problems, why=explained))
    elif output_format == "json":
        from json import dumps

        sys.stdout.write(dumps(_frames(listing), indent=1) + "\n")
    elif output_format == "csv":
        import csv

        rows = [[harmless_cell(one) for one in row] for row in (listing.columns, *listing.rows)]
        csv.writer(sys.stdout, lineterminator="\n").writerows(rows)
    else:
        Screen().listing(listing)
        for name, lines in listing.explanations:
            Screen().line(name, "why", "cyan")
            for line in lines:
                Screen().line(f"  {line}")
    for problem in listing.problems:
        say(f"note: {problem}")
    return code


def _frames(listing: Listing) -> list[dict[str, CardValue]]:
    return [dict(zip(listing.columns, row, strict=True)) for row in listing.rows]
