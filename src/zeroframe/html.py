"""Small pieces of HTML for results that a notebook shows by themselves, and what all pages of ours are made with.

They need nothing but the standard library, and stand on the ground floor so that any result can use them. A notebook
has no style sheet of ours, so what little style there is stands in the elements and takes over the notebook's colours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

__all__ = [
    "asset_text",
    "is_page_of",
    "policy_hash",
    "safe_html",
    "sparkline_path",
    "table_html",
    "verdict_html",
    "visible",
]

#: Within so many bytes a page of ours says that it is one.
_HEAD_BYTES = 2048
# colours that can be read on white and on black
_MARKS = {"good": ("✔", "#2e8b57"), "bad": ("✘", "#e05252"), "note": ("▲", "#c27c0e")}


def visible(text: str) -> str:
    r"""Return a text with control characters, invisible ones and undecodable bytes written out.

    Names of files and header words are not ours: a right-to-left mark can make a name read as another one, a lone
    surrogate cannot be written to a file at all.

    Parameters
    ----------
    text : str
        Anything.

    Returns
    -------
    str
        Printable, and as it was where it was printable.

    Examples
    --------
    >>> visible("bias\x1b[2J\u202e.fits"), visible("naïve Ω.fits")
    ('bias\\x1b[2J\\u202e.fits', 'naïve Ω.fits')
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text)


def asset_text(package: str, folder: str, name: str) -> str:
    """Return the text of a style sheet, script or page that is part of a package.

    Examples
    --------
    >>> asset_text("zeroframe.viewer", "assets", "view.html")[:15]
    '<!DOCTYPE html>'
    """
    from importlib.resources import files  # which takes 5 ms, and few results have a page

    return (files(package) / folder / name).read_text(encoding="utf-8")


def policy_hash(text: str) -> str:
    """Return what a page's Content-Security-Policy names its own style sheet or script by, so that no other one runs.

    Examples
    --------
    >>> policy_hash("")
    'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='
    """
    import base64
    import hashlib

    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")


def safe_html(text: object) -> str:
    """Return a text so that it is nothing but text in HTML, in attributes too.

    Examples
    --------
    >>> safe_html('<b>"M 51"</b>')
    '&lt;b&gt;&quot;M 51&quot;&lt;/b&gt;'
    """
    from html import escape  # which compiles patterns, and the command line needs none

    return escape(visible(str(text)), quote=True)


def verdict_html(tone: Literal["good", "note", "bad"], headline: str, sentences: Iterable[str] = ()) -> str:
    """Return a verdict: its mark, its headline, and a list of what it rests on.

    Parameters
    ----------
    tone : {'good', 'note', 'bad'}
        ``note`` where something is to be looked at.
    headline : str
        In a few words.
    sentences : iterable of str
        What it rests on.

    Returns
    -------
    str
        HTML.

    Examples
    --------
    >>> "All is well" in verdict_html("good", "All is well.")
    True
    """
    mark, colour = _MARKS[tone]
    items = "".join(f"<li>{safe_html(sentence)}</li>" for sentence in sentences)
    listed = f"<ul>{items}</ul>" if items else ""
    return (
        f'<div><p><strong><span style="color:{colour}">{mark}</span> {safe_html(headline)}</strong></p>{listed}</div>'
    )


def table_html(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table; None is shown as an empty cell.

    Examples
    --------
    >>> print(table_html(["file"], [["a.fits"]]))
    <table><thead><tr><th scope="col">file</th></tr></thead><tbody><tr><td>a.fits</td></tr></tbody></table>
    """
    head = "".join(f'<th scope="col">{safe_html(name)}</th>' for name in columns)
    cells = ("".join(f"<td>{'' if cell is None else safe_html(cell)}</td>" for cell in row) for row in rows)
    body = "".join(f"<tr>{row}</tr>" for row in cells)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def is_page_of(generator: str, path: Path) -> bool:
    """Say whether a file is a page that some command of ours wrote, by what its head says of that."""
    with path.open("rb") as file:
        return f'content="{generator}"'.encode() in file.read(_HEAD_BYTES)


def sparkline_path(values: Sequence[float], low: float, high: float, width: float = 96, height: float = 24) -> str:
    """Return the path (SVG) of a line through values, cut at the limits, with gaps where a value is not finite.

    Parameters
    ----------
    values : sequence of float
        Evenly spaced.
    low, high : float
        What stands at the lower and the upper edge.
    width, height : float
        Of the picture.

    Returns
    -------
    str
        The ``d`` of a ``path``.

    Examples
    --------
    >>> sparkline_path([0.0, 5.0, 99.0], 0.0, 10.0, width=10, height=10)
    'M0 10L5 5L10 0'
    """
    span = (high - low) or 1.0
    step = width / max(len(values) - 1, 1)
    parts, pen_is_down = [], False
    for number, value in enumerate(values):
        if not low - 1e300 < value < high + 1e300:  # also for NaN
            pen_is_down = False
            continue
        y = height * (1.0 - min(max((value - low) / span, 0.0), 1.0))
        parts.append(f"{'L' if pen_is_down else 'M'}{number * step:.4g} {y:.3g}")
        pen_is_down = True
    return "".join(parts)
