"""Look at the pixels: find the overscan, say whether it is good for anything, and measure noise and gain.

Its modules are imported when a name is first used: a run of a camera that is known measures gains, and does not look
for an overscan, of which a dozen modules know.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

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

_HOME = {
    "OverscanInspection": "result",
    "StripFinding": "result",
    "inspect_overscan": "inspecting",
    "write_camera": "writing",
    "write_plot": "writing",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 -- whatever the name stands for
    if name not in _HOME:
        raise AttributeError(f"module 'zeroframe.inspection' has no attribute {name!r}")
    return getattr(import_module(f"zeroframe.inspection.{_HOME[name]}"), name)
