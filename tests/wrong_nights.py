"""Small nights of known truth, good ones of many cameras and such as are wrong in one named way.

Each wrong night is there in two strengths: plain, and just above the limit that docs/findings.md promises.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from astropy.io import fits

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SHAPE = (160, 176)
#: The sky of the science frames, in ADU.
SKY = 300.0


@dataclass(frozen=True)
class Shot:
    """One exposure; ``level`` is the bias level, ``light`` is in ADU."""

    name: str
    kind: str
    exposure_s: float
    light: float = 0.0
    level: float = 1000.0
    cards: dict = field(default_factory=dict)
    edit: Callable | None = None
    same_as: str = ""


@dataclass(frozen=True)
class Camera:
    gain: float = 1.5
    read_noise: float = 4.0
    step: int = 1
    dark_rate: float = 0.1
    top: int = 65535


def good_shots(camera=Camera(), counts=(5, 5, 5, 3), sky=SKY, flat=30000.0):
    biases, darks, flats, lights = counts
    return [
        *(Shot(f"b{i}.fits", "bias", 0) for i in range(biases)),
        *(Shot(f"d{i}.fits", "dark", 60) for i in range(darks)),
        *(Shot(f"f{i}.fits", "flat", 5, flat) for i in range(flats)),
        *(Shot(f"s{i}.fits", "object", 60, sky) for i in range(lights)),
    ]


def changed(shots, which, **what):
    """Return the shots with those changed whose name begins with ``which``."""
    return [replace(each, **what) if each.name.startswith(which) else each for each in shots]


def write_night(folder: Path, shots, camera=Camera(), seed=1, stated_gain=None):
    chance = np.random.default_rng(seed)
    nx = SHAPE[1]
    field_of = 1 - 0.15 * ((np.arange(nx) - nx / 2) / (nx / 2)) ** 2
    response = chance.normal(1, 0.01, SHAPE) * field_of
    pattern = chance.normal(0, 1.0, SHAPE)
    folder.mkdir(parents=True)
    made = {}
    for number, shot in enumerate(shots):
        electrons = shot.light * camera.gain * response + camera.dark_rate * shot.exposure_s
        image = chance.poisson(np.clip(electrons, 0, None)) / camera.gain + shot.level + pattern
        image += chance.normal(0, camera.read_noise, SHAPE)
        if shot.edit is not None:
            image = shot.edit(image, chance)
        image = np.clip(np.round(image / camera.step) * camera.step, 0, camera.top)
        made[shot.name] = image = made.get(shot.same_as, image)
        hdu = fits.PrimaryHDU(image.astype(np.uint16))
        gain = camera.gain if stated_gain is None else stated_gain
        hdu.header.update({
            "IMAGETYP": shot.kind, "EXPTIME": shot.exposure_s, "BUNIT": "adu", "FILTER": "V", "GAIN": gain,
            "RDNOISE": camera.read_noise * gain, "DATE-OBS": f"2026-11-20T{number // 60:02d}:{number % 60:02d}:00",
            **shot.cards,
        })  # fmt: skip
        hdu.writeto(folder / shot.name)


def add(amount):
    return lambda image, _: image + amount


def scattered(fraction, value):
    """Set a fraction of the pixels, anywhere, to a value."""

    def edit(image, chance):
        image = image.copy()
        image[chance.random(image.shape) < fraction] = value
        return image

    return edit


def constant(value):
    return lambda image, _: np.full_like(image, value)


def stopped_at(row):
    """The read-out ended there: what follows is 0."""

    def edit(image, _):
        image = image.copy()
        image[row:] = 0
        return image

    return edit


def noisier(by):
    return lambda image, chance: image + chance.normal(0, by, image.shape)


def blob(amount, part):
    """Light over a corner that is a part of the frame along each axis."""

    def edit(image, chance):
        image = image.copy()
        image[: int(part * image.shape[0]), : int(part * image.shape[1])] += amount
        return image

    return edit


def slope(by):
    """Multiply what is above a bias of 1000 by a slope from one side to the other."""

    def edit(image, _):
        return 1000 + (image - 1000) * (1 + by * np.linspace(-0.5, 0.5, image.shape[1]))

    return edit


def hot(fraction):
    """Brighten a fraction of the pixels, the same in every frame."""

    def edit(image, _):
        image = image.copy()
        chosen = np.random.default_rng(7).random(image.shape) < fraction
        image[chosen] += np.random.default_rng(8).uniform(500, 5000, image.shape)[chosen]
        return image

    return edit


def _first(shots, prefix, **what):
    name = next(each.name for each in shots if each.name.startswith(prefix))
    return changed(shots, name, **what)


GOOD = good_shots()
#: Name of the wrong night: the shots, the codes of which one has to be named, and a name that has to stand with it.
WRONG = {
    "dark-below-bias": (changed(GOOD, "d", level=500.0), {"ZF301"}, "combined_dark"),
    "dark-just-below-bias": (changed(GOOD, "d", level=988.0), {"ZF301"}, "combined_dark"),
    "dark-of-another-scale": (changed(GOOD, "d", level=3.9), {"ZF301"}, "combined_dark"),
    "flats-without-lamp": (changed(GOOD, "f", light=0.0), {"ZF302", "ZF102"}, "combined_flat"),
    "flats-of-ten-adu": (changed(GOOD, "f", light=10.0), {"ZF302", "ZF102"}, "combined_flat"),
    "one-flat-without-lamp": (_first(GOOD, "f", light=0.0), {"ZF202", "ZF203"}, "f0.fits"),
    "one-flat-of-little-light": (_first(GOOD, "f", light=60.0), {"ZF202", "ZF203"}, "f0.fits"),
    "one-flat-with-a-gradient": (_first(GOOD, "f", edit=slope(0.2)), {"ZF202", "ZF203"}, "f0.fits"),
    "one-flat-with-a-slight-gradient": (_first(GOOD, "f", edit=slope(0.1)), {"ZF202", "ZF203"}, "f0.fits"),
    "one-flat-flipped": (_first(changed(GOOD, "f", edit=slope(0.2)), "f", edit=slope(-0.2)), {"ZF202", "ZF203"}, "f0"),
    "science-below-zero": (changed(GOOD, "s", light=0.0, level=800.0), {"ZF303"}, "s0.fits"),
    "science-just-below-zero": (changed(GOOD, "s", light=0.0, level=980.0), {"ZF303"}, "s0.fits"),
    "bias-copied": (changed(GOOD, "b1", same_as="b0.fits"), {"ZF501"}, "b1.fits"),
    "bias-copied-twice": (changed(changed(GOOD, "b1", same_as="b0.fits"), "b2", same_as="b0.fits"), {"ZF501"}, "b2"),
    "dark-copied": (changed(GOOD, "d3", same_as="d0.fits"), {"ZF501"}, "d3.fits"),
    "flat-copied": (changed(GOOD, "f3", same_as="f0.fits"), {"ZF501"}, "f3.fits"),
    "biases-constant": (changed(GOOD, "b", edit=constant(1000.0)), {"ZF402", "ZF501"}, "combined_bias"),
    "darks-constant": (changed(GOOD, "d", edit=constant(1000.0)), {"ZF402", "ZF501"}, "combined_dark"),
    "one-bias-with-light": (_first(GOOD, "b", edit=add(300.0)), {"ZF202", "ZF203"}, "b0.fits"),
    "one-bias-with-a-little-light": (_first(GOOD, "b", edit=add(30.0)), {"ZF202", "ZF203"}, "b0.fits"),
    "one-bias-noisy": (_first(GOOD, "b", edit=noisier(12.0)), {"ZF202", "ZF203"}, "b0.fits"),
    "one-bias-somewhat-noisy": (_first(GOOD, "b", edit=noisier(3.0)), {"ZF202", "ZF203"}, "b0.fits"),
    "one-bias-with-a-light-leak": (_first(GOOD, "b", edit=blob(60.0, 0.5)), {"ZF202", "ZF203"}, "b0.fits"),
    "one-bias-with-a-faint-leak": (_first(GOOD, "b", edit=blob(10.0, 0.5)), {"ZF202", "ZF203"}, "b0.fits"),
    "one-dark-with-light": (_first(GOOD, "d", edit=add(300.0)), {"ZF202", "ZF203"}, "d0.fits"),
    "one-dark-with-a-little-light": (_first(GOOD, "d", edit=add(30.0)), {"ZF202", "ZF203"}, "d0.fits"),
    "science-half-saturated": (changed(GOOD, "s", edit=scattered(0.5, 65535.0)), {"ZF404", "ZF407"}, "s0.fits"),
    "science-a-little-saturated": (changed(GOOD, "s", edit=scattered(0.03, 65535.0)), {"ZF404", "ZF407"}, "s0.fits"),
    "many-hot-pixels": (changed(GOOD, "d", edit=hot(0.3)), {"ZF406", "ZF404"}, ".fits"),
    "more-hot-pixels-than-usual": (changed(GOOD, "d", edit=hot(0.07)), {"ZF406", "ZF404"}, ".fits"),
    "science-read-to-half": (_first(GOOD, "s", edit=stopped_at(80)), {"ZF205"}, "s0.fits"),
    "science-without-its-last-rows": (_first(GOOD, "s", edit=stopped_at(157)), {"ZF205"}, "rows 158 to 160"),
    "one-bias-read-to-half": (_first(GOOD, "b", edit=stopped_at(80)), {"ZF205"}, "b0.fits"),
    "one-bias-without-its-last-rows": (_first(GOOD, "b", edit=stopped_at(157)), {"ZF204"}, "rows 158 to 160"),
    "gain-a-setting": (GOOD, {"ZF201", "ZF204"}, "gain"),
    "gain-a-third-off": (GOOD, {"ZF204"}, "gain of 2 e-/ADU"),
}
#: Of those whose header states another gain than the truth.
STATED_GAIN = {"gain-a-setting": 25.0, "gain-a-third-off": 2.0}


def good_camera(seed):
    """Return a camera and how many frames of each kind and how much sky a good night of it has."""
    chance = np.random.default_rng(1000 + seed)
    camera = Camera(
        gain=float(np.exp(chance.uniform(np.log(0.4), np.log(4)))),
        read_noise=float(np.exp(chance.uniform(np.log(1.5), np.log(15)))),
        step=int(chance.choice([1, 1, 1, 4])),
        dark_rate=float(chance.uniform(0, 0.3)),
    )
    counts = tuple(int(n) for n in chance.integers((3, 3, 3, 2), (11, 8, 10, 5)))
    sky = float(np.exp(chance.uniform(np.log(20), np.log(20000))))
    flat = float(chance.uniform(12000, 40000))
    return camera, good_shots(camera, counts, sky, flat)
