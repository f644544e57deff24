"""The names of ``ccdproc.core``."""

from zeroframe.verbs.arguments import Keyword
from zeroframe.verbs.blocks import block_average, block_reduce, block_replicate
from zeroframe.verbs.calibration import create_deviation, flat_correct, gain_correct, subtract_bias, subtract_dark
from zeroframe.verbs.ccdmask import ccdmask
from zeroframe.verbs.cosmic_rays import cosmicray_lacosmic, cosmicray_median
from zeroframe.verbs.filters import (
    background_deviation_box,
    background_deviation_filter,
    median_filter,
    rebin,
    sigma_func,
    transform_image,
)
from zeroframe.verbs.mask_bits import bitfield_to_boolean_mask
from zeroframe.verbs.overscan import subtract_overscan, trim_image
from zeroframe.verbs.process import ccd_process
from zeroframe.verbs.reproject import wcs_project

__all__ = [
    "Keyword",
    "background_deviation_box",
    "background_deviation_filter",
    "bitfield_to_boolean_mask",
    "block_average",
    "block_reduce",
    "block_replicate",
    "ccd_process",
    "ccdmask",
    "cosmicray_lacosmic",
    "cosmicray_median",
    "create_deviation",
    "flat_correct",
    "gain_correct",
    "median_filter",
    "rebin",
    "sigma_func",
    "subtract_bias",
    "subtract_dark",
    "subtract_overscan",
    "transform_image",
    "trim_image",
    "wcs_project",
]
