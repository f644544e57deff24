"""zeroframe: raw CCD frames in, calibrated and combined frames out, with the reasons shown.

The jobs are functions, `bias`, `dark`, `flat` and `night`, which do what the commands do, and `plan`, which shows it.
The verbs have ccdproc's names, so that notebooks run with ``import zeroframe as ccdp``. Nothing is imported before it
is used: the names below are loaded when they are first asked for.
"""

from __future__ import annotations

import logging
from importlib import import_module
from pathlib import Path
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
        FolderBusyError,
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
    from zeroframe.verbs.as_ccdproc.ccddata import CCDData, fits_ccddata_reader, fits_ccddata_writer
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
    from zeroframe.verbs.filters import (
        background_deviation_box,
        background_deviation_filter,
        median_filter,
        rebin,
        sigma_func,
        transform_image,
    )
    from zeroframe.verbs.mask_bits import bitfield_to_boolean_mask, read_mask
    from zeroframe.verbs.overscan import subtract_overscan, trim_image
    from zeroframe.verbs.process import ccd_process
    from zeroframe.verbs.reproject import wcs_project
    from zeroframe.verbs.saving import write_ccd
    from zeroframe.verbs.settings import conf, log_to_metadata
    from zeroframe.verbs.slices import slice_from_string

__all__ = [
    "ArgumentError",
    "AssumptionWarning",
    "CCDData",
    "Camera",
    "CameraError",
    "ClusterError",
    "Combiner",
    "DamagedError",
    "DownloadError",
    "FolderBusyError",
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
    "background_deviation_box",
    "background_deviation_filter",
    "bias",
    "bitfield_to_boolean_mask",
    "block_average",
    "block_reduce",
    "block_replicate",
    "camera_names",
    "ccd_process",
    "ccdmask",
    "combine",
    "conf",
    "cosmicray_lacosmic",
    "cosmicray_median",
    "create_deviation",
    "dark",
    "fetch",
    "fits_ccddata_reader",
    "fits_ccddata_writer",
    "flat",
    "flat_correct",
    "gain_correct",
    "inspect_overscan",
    "load_camera",
    "load_recipe",
    "log_to_metadata",
    "median_filter",
    "night",
    "plan",
    "read_ccd",
    "read_mask",
    "rebin",
    "show_image",
    "sigma_func",
    "simulate_biases",
    "simulate_night",
    "slice_from_string",
    "split_colours",
    "subtract_bias",
    "subtract_dark",
    "subtract_overscan",
    "transform_image",
    "trim_image",
    "wcs_project",
    "write_ccd",
]

_HOME = {
    "ArgumentError": "errors",
    "AssumptionWarning": "errors",
    "CCDData": "verbs.as_ccdproc.ccddata",
    "Camera": "headers.cameras",
    "CameraError": "errors",
    "ClusterError": "errors",
    "Combiner": "verbs.combiner",
    "DamagedError": "errors",
    "DownloadError": "errors",
    "FolderBusyError": "errors",
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
    "background_deviation_box": "verbs.filters",
    "background_deviation_filter": "verbs.filters",
    "bias": "cli.jobs",
    "bitfield_to_boolean_mask": "verbs.mask_bits",
    "block_average": "verbs.blocks",
    "block_reduce": "verbs.blocks",
    "block_replicate": "verbs.blocks",
    "camera_names": "headers.cameras",
    "ccd_process": "verbs.process",
    "ccdmask": "verbs.ccdmask",
    "combine": "verbs.combine",
    "conf": "verbs.settings",
    "cosmicray_lacosmic": "verbs.cosmic_rays",
    "cosmicray_median": "verbs.cosmic_rays",
    "create_deviation": "verbs.calibration",
    "dark": "cli.jobs",
    "fetch": "cli.examples",
    "fits_ccddata_reader": "verbs.as_ccdproc.ccddata",
    "fits_ccddata_writer": "verbs.as_ccdproc.ccddata",
    "flat": "cli.jobs",
    "flat_correct": "verbs.calibration",
    "gain_correct": "verbs.calibration",
    "inspect_overscan": "inspection",
    "load_camera": "headers.cameras",
    "load_recipe": "planning.recipe",
    "log_to_metadata": "verbs.settings",
    "median_filter": "verbs.filters",
    "night": "cli.jobs",
    "plan": "cli.jobs",
    "read_ccd": "verbs.ccddata",
    "read_mask": "verbs.mask_bits",
    "rebin": "verbs.filters",
    "show_image": "verbs.display",
    "sigma_func": "verbs.filters",
    "simulate_biases": "simulate",
    "simulate_night": "simulate",
    "slice_from_string": "verbs.slices",
    "split_colours": "verbs.colours",
    "subtract_bias": "verbs.calibration",
    "subtract_dark": "verbs.calibration",
    "subtract_overscan": "verbs.overscan",
    "transform_image": "verbs.filters",
    "trim_image": "verbs.overscan",
    "wcs_project": "verbs.reproject",
    "write_ccd": "verbs.saving",
}

#: ccdproc's modules, which notebooks import from. They stand in a folder of their own, where Python looks, too.
_MODULES = frozenset(("ccddata", "combiner", "core", "image_collection", "log_meta", "utils"))
__path__.append(str(Path(__file__).parent / "verbs" / "as_ccdproc"))
#: Names that ccdproc has, or had, and zeroframe has not: what to use.
_ELSEWHERE = {
    "background_variance_box": "background_deviation_box, squared",
    "background_variance_filter": "background_deviation_filter, squared",
    "cosmicray_clean": "cosmicray_lacosmic, or cosmicray_median with rbox=",
    "create_variance": "create_deviation, which gives standard deviations",
    "extern": "astropy.nddata.bitmask",
    "setbox": "numpy's slices",
    "test": "pytest",
}

# events are logged for whoever listens; without a listener nothing is printed
logging.getLogger("zeroframe").addHandler(logging.NullHandler())


def __getattr__(name: str) -> Any:  # noqa: ANN401 -- whatever the name stands for
    if name in _MODULES:
        return import_module(f"zeroframe.{name}")
    if name not in _HOME:
        from zeroframe.errors import nearest_name

        instead = f"; use {_ELSEWHERE[name]}" if name in _ELSEWHERE else nearest_name(name, __all__)
        raise AttributeError(f"module 'zeroframe' has no attribute {name!r}{instead}")
    value = getattr(import_module(f"zeroframe.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
