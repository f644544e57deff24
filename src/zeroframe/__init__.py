"""zeroframe: raw CCD frames in, calibrated and combined frames out, with the reasons shown.

The jobs are functions, `bias`, `dark`, `flat` and `night`, which do what the commands do, and `plan`, which shows it.
The verbs have ccdproc's names, so that notebooks run with ``import zeroframe as ccdp``. Nothing is imported before it
is used: the names below are loaded when they are first asked for.
"""

from __future__ import annotations

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

from zeroframe._version import __version__

if TYPE_CHECKING:
    from zeroframe.blocks import block_average, block_reduce, block_replicate
    from zeroframe.calibration import create_deviation, flat_correct, gain_correct, subtract_bias, subtract_dark
    from zeroframe.cameras import Camera, camera_names, load_camera
    from zeroframe.ccd import read_ccd
    from zeroframe.collection import ImageFileCollection
    from zeroframe.combiner import combine
    from zeroframe.corrections import subtract_overscan, trim_image
    from zeroframe.cosmic_rays import cosmicray_lacosmic, cosmicray_median
    from zeroframe.defects import ccdmask
    from zeroframe.display import show_image
    from zeroframe.errors import (
        ArgumentError,
        AssumptionWarning,
        CameraError,
        ClusterError,
        DamagedError,
        DownloadError,
        FolderLostError,
        FrameError,
        HeaderError,
        HeaderWarning,
        JobLostError,
        MemoryLimitError,
        MismatchError,
        NoFramesError,
        NotFitsError,
        OutputError,
        OutputExistsError,
        RawFolderError,
        SectionError,
        UnitError,
        UnsafeArchiveError,
        UnsupportedError,
        UsageError,
        ZeroframeError,
        ZeroframeWarning,
    )
    from zeroframe.fetching import fetch
    from zeroframe.frame_combiner import Combiner
    from zeroframe.inspection import inspect_overscan
    from zeroframe.nights.recipe import NightRecipe, load_recipe
    from zeroframe.processing import ccd_process
    from zeroframe.reduced import Forecast, Reduction
    from zeroframe.reduction import bias, dark, flat, night, plan
    from zeroframe.reprojection import wcs_project
    from zeroframe.saving import write_ccd
    from zeroframe.sections import Section
    from zeroframe.simulate import simulate_biases, simulate_night
    from zeroframe.verbs import Keyword

__all__ = [
    "ArgumentError",
    "AssumptionWarning",
    "Camera",
    "CameraError",
    "ClusterError",
    "Combiner",
    "DamagedError",
    "DownloadError",
    "FolderLostError",
    "Forecast",
    "FrameError",
    "HeaderError",
    "HeaderWarning",
    "ImageFileCollection",
    "JobLostError",
    "Keyword",
    "MemoryLimitError",
    "MismatchError",
    "NightRecipe",
    "NoFramesError",
    "NotFitsError",
    "OutputError",
    "OutputExistsError",
    "RawFolderError",
    "Reduction",
    "Section",
    "SectionError",
    "UnitError",
    "UnsafeArchiveError",
    "UnsupportedError",
    "UsageError",
    "ZeroframeError",
    "ZeroframeWarning",
    "__version__",
    "bias",
    "block_average",
    "block_reduce",
    "block_replicate",
    "camera_names",
    "ccd_process",
    "ccdmask",
    "combine",
    "cosmicray_lacosmic",
    "cosmicray_median",
    "create_deviation",
    "dark",
    "fetch",
    "flat",
    "flat_correct",
    "gain_correct",
    "inspect_overscan",
    "load_camera",
    "load_recipe",
    "night",
    "plan",
    "read_ccd",
    "show_image",
    "simulate_biases",
    "simulate_night",
    "subtract_bias",
    "subtract_dark",
    "subtract_overscan",
    "trim_image",
    "wcs_project",
    "write_ccd",
]

_HOME = {
    "ArgumentError": "errors",
    "AssumptionWarning": "errors",
    "Camera": "cameras",
    "CameraError": "errors",
    "ClusterError": "errors",
    "Combiner": "frame_combiner",
    "DamagedError": "errors",
    "DownloadError": "errors",
    "FolderLostError": "errors",
    "Forecast": "reduced",
    "FrameError": "errors",
    "HeaderError": "errors",
    "HeaderWarning": "errors",
    "ImageFileCollection": "collection",
    "JobLostError": "errors",
    "Keyword": "verbs",
    "MemoryLimitError": "errors",
    "MismatchError": "errors",
    "NightRecipe": "nights.recipe",
    "NoFramesError": "errors",
    "NotFitsError": "errors",
    "OutputError": "errors",
    "OutputExistsError": "errors",
    "RawFolderError": "errors",
    "Reduction": "reduced",
    "Section": "sections",
    "SectionError": "errors",
    "UnitError": "errors",
    "UnsafeArchiveError": "errors",
    "UnsupportedError": "errors",
    "UsageError": "errors",
    "ZeroframeError": "errors",
    "ZeroframeWarning": "errors",
    "bias": "reduction",
    "block_average": "blocks",
    "block_reduce": "blocks",
    "block_replicate": "blocks",
    "camera_names": "cameras",
    "ccd_process": "processing",
    "ccdmask": "defects",
    "combine": "combiner",
    "cosmicray_lacosmic": "cosmic_rays",
    "cosmicray_median": "cosmic_rays",
    "create_deviation": "calibration",
    "dark": "reduction",
    "fetch": "fetching",
    "flat": "reduction",
    "flat_correct": "calibration",
    "gain_correct": "calibration",
    "inspect_overscan": "inspection",
    "load_camera": "cameras",
    "load_recipe": "nights.recipe",
    "night": "reduction",
    "plan": "reduction",
    "read_ccd": "ccd",
    "show_image": "display",
    "simulate_biases": "simulate",
    "simulate_night": "simulate",
    "subtract_bias": "calibration",
    "subtract_dark": "calibration",
    "subtract_overscan": "corrections",
    "trim_image": "corrections",
    "wcs_project": "reprojection",
    "write_ccd": "saving",
}

# events are logged for whoever listens; without a listener nothing is printed
logging.getLogger("zeroframe").addHandler(logging.NullHandler())


def __getattr__(name: str) -> Any:  # noqa: ANN401 -- whatever the name stands for
    if name not in _HOME:
        raise AttributeError(f"module 'zeroframe' has no attribute {name!r}")
    value = getattr(import_module(f"zeroframe.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
