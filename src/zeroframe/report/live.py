"""The page of a night that is being taken: it asks the server that it came from what is new, and shows it."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from zeroframe.html import asset_text, policy_hash, safe_html, visible
from zeroframe.report.draw.images import png_bytes, shades, stretch_limits
from zeroframe.verbs.display import block_average

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from zeroframe.run.live.board import FrameRow, News

__all__ = ["live_news", "live_page", "live_picture"]

_PICTURE_PIXELS = 24_000


def live_page(raw: str, out: str) -> bytes:
    """Return the page; what stands on it comes later.

    Parameters
    ----------
    raw, out : str
        Where frames arrive, and where results go, as they were named.
    """
    style, script, page = (_text(f"live.{ending}") for ending in ("css", "js", "html"))
    policy = (
        "default-src 'none'; img-src 'self' data:; "
        f"style-src '{policy_hash(style)}'; script-src '{policy_hash(script)}'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'"
    )
    words = {"policy": policy, "style": style, "script": script, "raw": safe_html(raw), "out": safe_html(out)}
    for word, text in words.items():
        page = page.replace("{{" + word + "}}", text)
    return page.encode()


def live_news(news: News) -> bytes:
    """Return what has changed as JSON."""
    told = {
        "version": news.version,
        "rows": [_row(each) for each in news.rows],
        "names": [visible(name) for name in news.names],
        "status": visible(news.status),
        "findings": [_finding(each) for each in news.findings],
    }
    return json.dumps(told, separators=(",", ":"), allow_nan=False).encode()


def live_picture(image: NDArray[np.floating]) -> bytes:
    """Return a small picture of a frame as PNG, averaged over squares of pixels."""
    ny, nx = image.shape
    block = max(math.ceil(math.sqrt(ny * nx / _PICTURE_PIXELS)), 1)
    small = block_average(image, block)
    return png_bytes(shades(small, *stretch_limits(small)))


def _row(row: FrameRow) -> dict[str, Any]:
    return {
        "name": visible(row.name),
        "id": row.name.encode("utf-8", "surrogateescape").hex(),
        "kind": row.kind,
        "object": visible(row.object_name),
        "filter": visible(row.filter_name),
        "exposure": row.exposure_s,
        "arrived": row.arrived_s,
        "seen": row.seen_s,
        "state": row.state,
        "reason": visible(row.reason),
        "level": row.level,
        "noise": row.noise,
        "unit": row.unit,
        "saturated": row.saturated_fraction,
        "used": [visible(name) for name in row.used],
        "findings": [_finding(each) for each in row.findings],
        "pictured": row.pictured,
    }


def _finding(finding: Any) -> dict[str, str]:  # noqa: ANN401 -- a Finding
    return {
        "code": finding.code,
        "severity": finding.severity,
        "sentence": visible(finding.sentence),
        "remedy": visible(finding.remedy),
    }


def _text(name: str) -> str:
    return asset_text("zeroframe.report", "templates", name)
