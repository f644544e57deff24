"""zeroframe: raw CCD frames in, calibrated and combined frames out, with the reasons shown.

The jobs are functions, `bias`, `dark`, `flat` and `night`, which do what the commands do, and `plan`, which shows it.
The verbs have ccdproc's names, so that notebooks run with ``import zeroframe as ccdp``. Nothing is imported before it
is used: the names below are loaded when they are first asked for.
"""

from __future__ import annotations

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

#: The one place where the version stands.
__version__ = "0.1.0"

if TYPE_CHECKING:
    from zeroframe.cli.examples import fetch
    from zeroframe.cli.jobs import bias, dark, flat, night, plan
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
    from zeroframe.frames.mask_bits import MaskBit
    from zeroframe.headers.cameras import Camera, camera_names, load_camera
    from zeroframe.headers.sections import Section
    from zeroframe.inspection import inspect_overscan
    from zeroframe.planning.recipe import NightRecipe, load_recipe
    from zeroframe.run.reduced import Forecast, Reduction
    from zeroframe.simulate import simulate_biases, simulate_night
    from zeroframe.verbs.arguments import Keyword
    from zeroframe.verbs.blocks import block_average, block_reduce, block_replicate
    from zeroframe.verbs.calibration import create_deviation, flat_correct, gain_correct, subtract_bias, subtract_dark
    from zeroframe.verbs.ccddata import read_ccd
    from zeroframe.verbs.ccdmask import ccdmask
    from zeroframe.verbs.collection import ImageFileCollection
    from zeroframe.verbs.colours import split_colours
    from zeroframe.verbs.combine import combine
    from zeroframe.verbs.combiner import Combiner
    from zeroframe.verbs.cosmic_rays import cosmicray_lacosmic, cosmicray_median
    from zeroframe.verbs.display import show_image
    from zeroframe.verbs.mask_bits import bitfield_to_boolean_mask, read_mask
    from zeroframe.verbs.overscan import subtract_overscan, trim_image
    from zeroframe.verbs.process import ccd_process
    from zeroframe.verbs.reproject import wcs_project
    from zeroframe.verbs.saving import write_ccd

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
    "MaskBit",
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
    "bitfield_to_boolean_mask",
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
    "read_mask",
    "show_image",
    "simulate_biases",
    "simulate_night",
    "split_colours",
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
    "Camera": "headers.cameras",
    "CameraError": "errors",
    "ClusterError": "errors",
    "Combiner": "verbs.combiner",
    "DamagedError": "errors",
    "DownloadError": "errors",
    "FolderLostError": "errors",
    "Forecast": "run.reduced",
    "FrameError": "errors",
    "HeaderError": "errors",
    "HeaderWarning": "errors",
    "ImageFileCollection": "verbs.collection",
    "JobLostError": "errors",
    "Keyword": "verbs.arguments",
    "MaskBit": "frames.mask_bits",
    "MemoryLimitError": "errors",
    "MismatchError": "errors",
    "NightRecipe": "planning.recipe",
    "NoFramesError": "errors",
    "NotFitsError": "errors",
    "OutputError": "errors",
    "OutputExistsError": "errors",
    "RawFolderError": "errors",
    "Reduction": "run.reduced",
    "Section": "headers.sections",
    "SectionError": "errors",
    "UnitError": "errors",
    "UnsafeArchiveError": "errors",
    "UnsupportedError": "errors",
    "UsageError": "errors",
    "ZeroframeError": "errors",
    "ZeroframeWarning": "errors",
    "bias": "cli.jobs",
    "bitfield_to_boolean_mask": "verbs.mask_bits",
    "block_average": "verbs.blocks",
    "block_reduce": "verbs.blocks",
    "block_replicate": "verbs.blocks",
    "camera_names": "headers.cameras",
    "ccd_process": "verbs.process",
    "ccdmask": "verbs.ccdmask",
    "combine": "verbs.combine",
    "cosmicray_lacosmic": "verbs.cosmic_rays",
    "cosmicray_median": "verbs.cosmic_rays",
    "create_deviation": "verbs.calibration",
    "dark": "cli.jobs",
    "fetch": "cli.examples",
    "flat": "cli.jobs",
    "flat_correct": "verbs.calibration",
    "gain_correct": "verbs.calibration",
    "inspect_overscan": "inspection",
    "load_camera": "headers.cameras",
    "load_recipe": "planning.recipe",
    "night": "cli.jobs",
    "plan": "cli.jobs",
    "read_ccd": "verbs.ccddata",
    "read_mask": "verbs.mask_bits",
    "show_image": "verbs.display",
    "simulate_biases": "simulate",
    "simulate_night": "simulate",
    "split_colours": "verbs.colours",
    "subtract_bias": "verbs.calibration",
    "subtract_dark": "verbs.calibration",
    "subtract_overscan": "verbs.overscan",
    "trim_image": "verbs.overscan",
    "wcs_project": "verbs.reproject",
    "write_ccd": "verbs.saving",
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
