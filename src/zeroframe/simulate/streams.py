"""Random streams: one for each effect of each frame, so that nothing depends on what else is simulated."""

from __future__ import annotations

from enum import IntEnum, auto
from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np

if TYPE_CHECKING:
    from zeroframe.simulate.specs import SimulatedCamera

__all__ = ["Effect", "name_key", "random_stream"]


class Effect(IntEnum):
    """What a stream is for. New ones go to the end: the numbers are part of every seed's frames."""

    SMOOTH_PATTERN = auto()
    COLUMN_PATTERN = auto()
    PIXEL_PATTERN = auto()
    HOT_PIXELS = auto()
    PIXEL_RESPONSE = auto()
    DUST = auto()
    STARS = auto()
    LEVEL = auto()
    ROWS = auto()
    STRIP = auto()
    PHOTONS = auto()
    COSMIC_RAYS = auto()
    READ_NOISE = auto()
    AMPLIFIER = auto()


def name_key(name: str) -> int:
    """Return a number that stands for a name, the same on every machine."""
    return crc32(name.encode())


def random_stream(camera: SimulatedCamera, seed: int, effect: Effect, *key: int) -> np.random.Generator:
    """Return the generator of one effect, independent of every other by numpy's `SeedSequence`.

    Parameters
    ----------
    camera : SimulatedCamera
        Only its name enters.
    seed : int
        The seed of the simulation, not negative.
    effect : Effect
        What the numbers are for.
    *key : int
        Which frame, strip or filter.

    Returns
    -------
    numpy.random.Generator
        Its numbers may change between releases of numpy (NEP 19), never between runs of one.
    """
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(name_key(camera.name), int(effect), *key)))
