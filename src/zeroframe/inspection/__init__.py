"""Look at the pixels: find the overscan, say whether it is good for anything, and measure noise and gain.

Its modules are imported when a name is first used: a run of a camera that is known measures gains, and does not look
for an overscan, of which a dozen modules know.
"""

from typing import TYPE_CHECKING

from zeroframe.records import lazy_names

if TYPE_CHECKING:
    from zeroframe.inspection.inspecting import inspect_overscan
    from zeroframe.inspection.result import OverscanInspection, StripFinding
    from zeroframe.inspection.writing import write_camera, write_plot

__all__ = [
    "OverscanInspection",
    "StripFinding",
    "inspect_overscan",
    "write_camera",
    "write_plot",
]

__getattr__ = lazy_names(
    __name__,
    {
        "OverscanInspection": "result",
        "StripFinding": "result",
        "inspect_overscan": "inspecting",
        "write_camera": "writing",
        "write_plot": "writing",
    },
)
