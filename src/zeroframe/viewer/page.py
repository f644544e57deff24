"""Frames as one HTML page that needs nothing but itself."""

from __future__ import annotations

import base64
import json
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from zeroframe.fits.atomic import atomic_file, write_all
from zeroframe.fits.inputs import Inputs
from zeroframe.headers.own_results import SingleResult
from zeroframe.html import asset_text, is_page_of, policy_hash, safe_html
from zeroframe.records import dataclass
from zeroframe.viewer.describe import described, titles_of
from zeroframe.viewer.tiles import TiledMask, TiledPicture, compressed_bytes, pack
from zeroframe.workers import map_threads

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from zeroframe.viewer.planes import Picture

__all__ = [
    "DEFAULT_PAGE_BYTES",
    "VIEWER_PAGE",
    "ShownPage",
    "page_head",
    "page_shell",
    "shell_hashes",
    "write_page",
]

#: How large a page may become; what is beyond is left out, and said.
DEFAULT_PAGE_BYTES = 150_000_000
_GENERATOR = "zeroframe show"
_SCRIPTS = ("tiles.js", "stretch.js", "stage.js", "panels.js", "main.js")
_BASE64 = 4 / 3
#: Coarse levels and masks beside level 0, at most as much again as this part of it.
_COARSE_SHARE = 0.45


#: A page that `zeroframe show` wrote, which it may replace.
VIEWER_PAGE = SingleResult(
    _GENERATOR, partial(is_page_of, _GENERATOR), "choose another file with -o", "replace it with --overwrite"
)


@dataclass(frozen=True)
class ShownPage:
    """A page that was written.

    Attributes
    ----------
    bytes_out : int
        Its size.
    left_out : tuple of str
        What is not in it, each a sentence.
    """

    bytes_out: int
    left_out: tuple[str, ...]


def write_page(
    path: Path, pictures: Sequence[Picture], *, overwrite: bool = False, max_bytes: int = DEFAULT_PAGE_BYTES
) -> ShownPage:
    """Write images into one page, whole or not at all.

    Parameters
    ----------
    path : pathlib.Path
        The page.
    pictures : sequence of Picture
        What it shows, in this order.
    overwrite : bool
        Whether a page that was written by this function before may be replaced; no other file is.
    max_bytes : int
        How large it may become. Images whose pixels would make it larger are shown averaged over two by two pixels,
        four by four, and so on, and the page says so.

    Returns
    -------
    ShownPage

    Raises
    ------
    FrameError
        When a file cannot be read.
    OutputError
        When the page cannot be written.
    """
    may = VIEWER_PAGE.permission(path, Inputs.of([each.path for each in pictures]), overwrite=overwrite)
    shown, titles = [TiledPicture(picture) for picture in pictures], titles_of(pictures)
    missing = _levels_left_out(shown, max_bytes)
    remarks = [_remarks(each, gone) for each, gone in zip(shown, missing, strict=True)]
    told = [
        described(each, title, missing=gone, remarks=said)
        for each, title, gone, said in zip(shown, titles, missing, remarks, strict=True)
    ]
    size = 0
    with atomic_file(path, overwrite=may) as descriptor:
        for piece in _pieces(shown, told, missing):
            write_all(descriptor, [piece])
            size += len(piece)
    return ShownPage(
        size, tuple(f"{title}: {text}" for title, said in zip(titles, remarks, strict=True) for text in said)
    )


def _levels_left_out(shown: Sequence[TiledPicture], max_bytes: int) -> list[frozenset[int]]:
    """Return for each image the levels for which there is no room, the finest first."""
    sizes = [compressed_bytes(each) * _BASE64 for each in shown]
    gone = [0 for _ in shown]

    def page_bytes() -> float:
        return sum((size * (1 + _COARSE_SHARE) / 4.0**out for size, out in zip(sizes, gone, strict=True)), 0.0)

    while page_bytes() > max_bytes:
        able = [n for n, each in enumerate(shown) if gone[n] < len(each.levels) - 1]
        if not able:
            break
        largest = max(able, key=lambda n: sizes[n] / 4 ** gone[n])
        gone[largest] += 1
    return [frozenset(range(out)) for out in gone]


def _remarks(tiled: TiledPicture, missing: frozenset[int]) -> tuple[str, ...]:
    if not missing:
        return ()
    factor = tiled.levels[len(missing)].factor
    said = f"Shown averaged over {factor} x {factor} pixels, since single pixels would make the page too large"
    return (f"{said}; zeroframe show --serve shows them, and so does a larger --max-size.",)


def page_head(data: dict[str, Any] | str, title: str, *, connects: bool) -> str:
    """Return the page up to where data may follow.

    Parameters
    ----------
    data : dict
        What the script is told.
    title : str
        Of the window.
    connects : bool
        Whether the script may ask the server that the page came from, and nobody else; a page in a file asks nobody.
    """
    style, script = _style(), _script()
    # what ends a script, or opens one, inside of JSON is written otherwise; it means the same
    told = json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    policy = (
        "default-src 'none'; img-src data: blob:; "
        f"style-src '{policy_hash(style)}'; script-src '{policy_hash(script)}'; "
        f"connect-src {chr(39)}{'self' if connects else 'none'}{chr(39)}; base-uri 'none'; form-action 'none'"
    )
    words = {
        "policy": policy, "generator": _GENERATOR, "title": safe_html(title), "style": style, "script": script,
        "data": told,
    }  # fmt: skip
    page = _asset("view.html")
    for word, text in words.items():
        page = page.replace("{{" + word + "}}", text)
    return page


def page_shell() -> str:
    """Return a page without images: what is put in place of ``"@@data@@"`` is what its script is told."""
    return page_head("@@data@@", "A closer look", connects=False)  # its tiles follow


def shell_hashes() -> tuple[str, str]:
    """Return the sums of style and script, as a policy of the page around it has to name them."""
    return policy_hash(_style()), policy_hash(_script())


def _pieces(
    shown: Sequence[TiledPicture], told: Sequence[dict[str, Any]], missing: Sequence[frozenset[int]]
) -> Iterator[bytes]:
    """Yield the page: what is seen first stands first, so that it is seen before the rest is there."""
    title = ", ".join(each["title"] for each in told[:3])
    yield page_head({"served": False, "pictures": list(told)}, title, connects=False).encode()
    depth = max(len(each.levels) for each in shown)
    for from_coarsest in range(depth):
        for number, each in enumerate(shown):
            level = len(each.levels) - 1 - from_coarsest
            if level >= 0 and level not in missing[number]:
                yield from _tiles(each, f"t{number}", level)
            if each.mask is not None and (deep := len(each.mask.levels) - 1 - from_coarsest) >= 0:
                yield from _tiles(each.mask, f"m{number}", deep)
    yield b"</body></html>\n"


def _tiles(tiled: TiledPicture | TiledMask, name: str, level: int) -> Iterator[bytes]:
    down, across = tiled.levels[level].tiles_yx
    for ty in range(down):
        values = [tiled.values(level, ty, tx) for tx in range(across)]
        for tx, packed in enumerate(map_threads(lambda each: base64.b64encode(pack(each)), values)):
            yield f'<script type="text/plain" id="{name}-{level}-{ty}-{tx}">'.encode() + packed + b"</script>\n"


@cache
def _style() -> str:
    return _asset("view.css")


@cache
def _script() -> str:
    return '"use strict";\n(() => {\n' + "\n".join(_asset(name) for name in _SCRIPTS) + "\n})();\n"


def _asset(name: str) -> str:
    return asset_text("zeroframe.viewer", "assets", name)
