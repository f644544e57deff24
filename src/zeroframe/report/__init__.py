"""The page that shows why a result can be trusted: measurements as plain data, and one self-contained HTML file.

`data` holds what the page shows; `night` fills it from a run; `page` writes it. Images
and diagrams are PNG and SVG with nothing but numpy and zlib: drawn by matplotlib, the same figures would
cost 0.8 s for its import and 50 kB each, would be blurred when zoomed, and would not follow the colours of the page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zeroframe.records import lazy_names

if TYPE_CHECKING:
    from zeroframe.report.build import night_report_data
    from zeroframe.report.data import ReportData
    from zeroframe.report.drawn import night_page
    from zeroframe.report.page import (
        can_write_reports,
        is_report,
        render_report,
        replaceable_report,
        write_drawn,
        write_report,
    )

__all__ = [
    "ReportData",
    "can_write_reports",
    "is_report",
    "night_page",
    "night_report_data",
    "render_report",
    "replaceable_report",
    "write_drawn",
    "write_report",
]

__getattr__ = lazy_names(
    __name__,
    {
        "ReportData": "data",
        "can_write_reports": "page",
        "is_report": "page",
        "night_page": "drawn",
        "night_report_data": "build",
        "render_report": "page",
        "replaceable_report": "page",
        "write_drawn": "page",
        "write_report": "page",
    },
)
