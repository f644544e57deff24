"""Frames with known truth, for the demo, the tests and teaching.

A simulated frame is built effect by effect (`zeroframe.simulate.frame`) from a camera's description
(`SimulatedCamera`), from what is fixed in its sensor (`SensorTruth`) and from what one exposure asks for
(`FrameSpec`). Everything follows from a seed, so the truth is never stored: make the frame again and look.
"""

from zeroframe.simulate.folders import bias_specs, night_specs, simulate_biases, simulate_night
from zeroframe.simulate.frame import FrameTruth, SimulatedFrame, simulate_frame
from zeroframe.simulate.mosaic_frames import ChipTruth, MosaicFrame, simulate_mosaic_frame
from zeroframe.simulate.mosaics import (
    HEADER_TRUTHS,
    SIMULATED_MOSAICS,
    AmplifierSpec,
    ChipSpec,
    HeaderTruth,
    SimulatedMosaic,
    any_camera,
)
from zeroframe.simulate.sensor import SensorTruth, sensor_truth
from zeroframe.simulate.specs import (
    SIMULATED_CAMERAS,
    FilterLight,
    FrameKind,
    FrameSpec,
    Side,
    SimulatedCamera,
    Strip,
)

__all__ = [
    "HEADER_TRUTHS",
    "SIMULATED_CAMERAS",
    "SIMULATED_MOSAICS",
    "AmplifierSpec",
    "ChipSpec",
    "ChipTruth",
    "FilterLight",
    "FrameKind",
    "FrameSpec",
    "FrameTruth",
    "HeaderTruth",
    "MosaicFrame",
    "SensorTruth",
    "Side",
    "SimulatedCamera",
    "SimulatedFrame",
    "SimulatedMosaic",
    "Strip",
    "any_camera",
    "bias_specs",
    "night_specs",
    "sensor_truth",
    "simulate_biases",
    "simulate_frame",
    "simulate_mosaic_frame",
    "simulate_night",
]
