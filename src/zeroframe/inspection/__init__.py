"""Look at the pixels: find the overscan, say whether it is good for anything, and measure noise and gain."""

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
