"""The page itself: data in, one HTML file out, which needs nothing but itself."""

from __future__ import annotations

import base64
import zlib
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from zeroframe.errors import ZeroframeError
from zeroframe.fits.atomic import atomic_file, write_all
from zeroframe.fits.replacing import Overwrite, Replaceable
from zeroframe.fits.store.names import as_path
from zeroframe.fits.timeline import spanned
from zeroframe.frames.numbers import number
from zeroframe.html import asset_text, is_page_of, policy_hash, visible
from zeroframe.report.draw.images import png_uri
from zeroframe.report.draw.plots import TableScales, bars_path, draw_plot, fixed, spark_path
from zeroframe.report.draw.timelines import draw_timeline
from zeroframe.viewer.page import page_shell, shell_hashes

if TYPE_CHECKING:
    import os

    from jinja2 import Template

    from zeroframe.report.data import ReportData

__all__ = ["can_write_reports", "is_report", "render_report", "replaceable_report", "write_drawn", "write_report"]

_GENERATOR = "zeroframe report"
_WORDS = {"good": "well", "note": "look", "bad": "wrong", "neutral": ""}
_MARKS = {"good": "✔", "note": "▲", "bad": "✘", "neutral": "·"}


def can_write_reports() -> bool:
    """Whether what reports need is installed; nothing is imported.

    Examples
    --------
    >>> can_write_reports()
    True
    """
    return find_spec("jinja2") is not None


def is_report(path: str | os.PathLike[str]) -> bool:
    """Whether a file is a report of ours, which a later run may replace.

    Examples
    --------
    >>> is_report("nowhere/report.html")
    False
    """
    path = as_path(path)
    return path.is_file() and is_page_of(_GENERATOR, path)


def replaceable_report(path: str | os.PathLike[str]) -> Overwrite:
    """Return what of a page that is there may be replaced: one of ours, whatever else is asked for.

    Examples
    --------
    >>> replaceable_report("nowhere/report.html")
    False
    """
    path = as_path(path)
    return (Replaceable.of(path) or False) if is_report(path) else False


def render_report(data: ReportData) -> str:
    """Return a report as HTML.

    Everything that comes from data is text: it is escaped, control characters are written out, and a policy in the page
    (Content-Security-Policy) forbids the browser to run any script but the page's own or to load anything at all.

    Parameters
    ----------
    data : ReportData
        What is shown.

    Returns
    -------
    str
        The same data give the same text.

    Raises
    ------
    ZeroframeError
        When jinja2 is not installed.
    """
    template = _template()
    style, script = _text("report.css"), _text("report.js")
    from markupsafe import Markup

    return template.render(
        data=data,
        generator=_GENERATOR,
        style=Markup(style),  # noqa: S704 -- ours
        script=Markup(script),  # noqa: S704 -- ours
        style_hash=policy_hash(style),
        script_hash=policy_hash(script),
        viewer_page=_viewer_page(),
        viewer_hashes=Markup(f" '{shell_hashes()[1]}'"),  # noqa: S704 -- ours
        viewer_style=Markup(f" '{shell_hashes()[0]}'"),  # noqa: S704 -- ours
        marks=_MARKS,
        words=_WORDS,
    )


def write_report(path: str | os.PathLike[str], data: ReportData, *, overwrite: Overwrite = False) -> int:
    """Write a report as one HTML file, whole or not at all.

    Parameters
    ----------
    path : path-like
        The file.
    data : ReportData
        What is shown.
    overwrite
        As for `zeroframe.fits.write_fits`; and so is what is returned.

    Raises
    ------
    ZeroframeError
        When jinja2 is not installed.
    OutputError
        When the file exists or cannot be written.
    """
    return write_drawn(path, render_report(data).encode("utf-8"), overwrite=overwrite)


@spanned("write the page", lambda path, *_, **__: path)
def write_drawn(path: str | os.PathLike[str], page: bytes, *, overwrite: Overwrite = False) -> int:
    """Write a page that has been drawn; the rest is as for `write_report`."""
    with atomic_file(path, overwrite=overwrite) as descriptor:
        write_all(descriptor, [page])
    return len(page)


@cache
def _viewer_page() -> str:
    """Return the page of `zeroframe show`, compressed, into which the script of a report puts one of its pictures."""
    return base64.b64encode(zlib.compress(page_shell().encode("utf-8"), 9, -15)).decode("ascii")


def _text(name: str) -> str:
    return asset_text("zeroframe.report", "templates", name)


@cache
def _template() -> Template:
    try:
        from jinja2 import Environment, FunctionLoader, StrictUndefined

        from zeroframe.report.compiled import CompiledTemplates
    except ImportError as error:
        raise ZeroframeError(
            f"reports need jinja2, which cannot be imported ({error}); install it: pip install 'zeroframe[report]'"
        ) from error
    environment = Environment(
        loader=FunctionLoader(_text),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        bytecode_cache=CompiledTemplates(),
    )
    environment.globals.update(
        bars_path=bars_path,
        draw_plot=draw_plot,
        draw_timeline=draw_timeline,
        fixed=fixed,
        number=number,
        png_uri=png_uri,
        scales_of=TableScales.of,
        spark_path=spark_path,
    )
    return environment.get_template("report.html.j2")


def _finalize(value: Any) -> Any:  # noqa: ANN401 -- whatever a template shows
    """Write out what is not printable in any text that is not markup of our own; None is shown as nothing."""
    if value is None:
        return ""
    return visible(value) if isinstance(value, str) and not hasattr(value, "__html__") else value
