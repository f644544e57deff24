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
    #: How it is stored: 'uint16', 'float01' (over 65535), or 'int16', of which the sign is lost.
    stored: str = "uint16"


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


def write_night(folder: Path, shots, camera=Camera(), seed=1, stated_gain=1.0, shape=SHAPE):
    chance = np.random.default_rng(seed)
    nx = shape[1]
    field_of = 1 - 0.15 * ((np.arange(nx) - nx / 2) / (nx / 2)) ** 2
    response = chance.normal(1, 0.01, shape) * field_of
    pattern = chance.normal(0, 1.0, shape)
    folder.mkdir(parents=True)
    made = {}
    for number, shot in enumerate(shots):
        electrons = shot.light * camera.gain * response + camera.dark_rate * shot.exposure_s
        image = chance.poisson(np.clip(electrons, 0, None)) / camera.gain + shot.level + pattern
        image += chance.normal(0, camera.read_noise, shape)
        if shot.edit is not None:
            image = shot.edit(image, chance)
        image = np.clip(np.round(image / camera.step) * camera.step, 0, camera.top)
        made[shot.name] = image = made.get(shot.same_as, image)
        hdu = fits.PrimaryHDU(_stored(image, shot.stored))
        gain = camera.gain * stated_gain
        hdu.header.update({
            "IMAGETYP": shot.kind, "EXPTIME": shot.exposure_s, "BUNIT": "adu", "FILTER": "V", "GAIN": gain,
            "RDNOISE": camera.read_noise * gain, "DATE-OBS": f"2026-11-20T{number // 60:02d}:{number % 60:02d}:00",
            **shot.cards,
        })  # fmt: skip
        hdu.writeto(folder / shot.name)


def _stored(image, how):
    if how == "float01":
        return (image / 65535).astype(np.float32)
    whole = image.astype(np.uint16)
    return whole.view(np.int16) if how == "int16" else whole


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


def stopped_at(part):
    """The read-out ended after that part of the rows: what follows is 0."""

    def edit(image, _):
        image = image.copy()
        image[int(part * len(image)) :] = 0
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


def leak(light):
    """Add light from the left edge, with its photons; the gain is 1.5."""

    def edit(image, chance):
        shape = light * np.exp(-8.0 * np.arange(image.shape[1]) / image.shape[1])
        return image + chance.poisson(np.broadcast_to(1.5 * shape, image.shape)) / 1.5

    return edit


def banded(by, axis=0):
    """Move each row, or with axis 1 each column, by a level of its own."""

    def edit(image, chance):
        size = [1, 1]
        size[axis] = image.shape[axis]
        return image + chance.normal(0, by, size)

    return edit


def wave(amplitude, period=7.3):
    """Add a wave along the rows, of another phase in each."""

    def edit(image, chance):
        return image + amplitude * np.sin(
            2 * np.pi * np.arange(image.shape[1]) / period + chance.uniform(0, 2 * np.pi, (len(image), 1))
        )

    return edit


def column(amount, at=0.4):
    """Brighten one column."""

    def edit(image, _):
        image = image.copy()
        image[:, int(at * image.shape[1])] += amount
        return image

    return edit


def dead_column(at=0.4):
    def edit(image, chance):
        image = image.copy()
        image[:, int(at * image.shape[1])] = 1000 + chance.normal(0, 4, len(image))
        return image

    return edit


def wrapped_stars(peak, sigma=6.0, number=4):
    """Add stars brighter than 16 bits, of which the highest one was lost."""

    def edit(image, chance):
        y, x = np.indices(image.shape)
        for _ in range(number):
            at = chance.uniform(0.2, 0.8, 2) * image.shape
            image = image + peak * np.exp(-((y - at[0]) ** 2 + (x - at[1]) ** 2) / (2 * sigma**2))
        return np.round(image) % 65536

    return edit


def stars(number=20):
    """Add ordinary stars, some of them saturated."""

    def edit(image, chance):
        y, x = np.indices(image.shape)
        for _ in range(number):
            at = chance.uniform(0, 1, 2) * image.shape
            peak = np.exp(chance.uniform(np.log(50), np.log(150000)))
            image = image + peak * np.exp(-((y - at[0]) ** 2 + (x - at[1]) ** 2) / (2 * 1.3**2))
        return np.minimum(image, 65535)

    return edit


def squares(contrast):
    """Make the pixels of each square of two by two answer as those of a colour sensor do."""

    def edit(image, _):
        factor = np.ones(image.shape)
        factor[::2, ::2] = 1 - contrast
        factor[1::2, 1::2] = 1 - contrast / 2
        return 1000 + (image - 1000) * factor

    return edit


def both(*edits):
    def edit(image, chance):
        for each in edits:
            image = each(image, chance)
        return image

    return edit


def moved(y, x):
    return lambda image, _: np.roll(image, (y, x), (0, 1))


def turned(image, _):
    return image[::-1]


def mirrored(image, _):
    return image[:, ::-1]


def scaled(by):
    return lambda image, _: image * by


def over_again(strength):
    """Give the pixels a strong response of their own, the same in every frame."""

    def edit(image, _):
        response = np.random.default_rng(9).normal(1, strength, image.shape)
        return 1000 + (image - 1000) * response

    return edit


def hot_of(fraction, by):
    """Add hot pixels, the same in every frame, of a current that is so many times the usual one."""

    def edit(image, _):
        chosen = np.random.default_rng(7).random(image.shape) < fraction
        return image + by * chosen * np.random.default_rng(8).uniform(500, 5000, image.shape)

    return edit


def bulge(by):
    """Multiply what is above a bias of 1000 by a shape that is highest in the middle."""

    def edit(image, _):
        x = np.linspace(-1, 1, image.shape[1])
        y = np.linspace(-1, 1, image.shape[0])[:, np.newaxis]
        return 1000 + (image - 1000) * (1 - by * (x**2 + y**2) / 2)

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
    "science-read-to-half": (_first(GOOD, "s", edit=stopped_at(0.5)), {"ZF205"}, "s0.fits"),
    "science-without-its-last-rows": (_first(GOOD, "s", edit=stopped_at(0.985)), {"ZF205"}, ".fits"),
    "one-bias-read-to-half": (_first(GOOD, "b", edit=stopped_at(0.5)), {"ZF205"}, "b0.fits"),
    "one-bias-without-its-last-rows": (_first(GOOD, "b", edit=stopped_at(0.985)), {"ZF204"}, ".fits"),
    "gain-a-setting": (GOOD, {"ZF201", "ZF204"}, "gain"),
    "gain-a-third-off": (GOOD, {"ZF204"}, "gain of "),
}


def _timed(shots, which, levels):
    """Give the frames whose name begins with ``which`` levels one after the other."""
    given = iter(levels)
    return [replace(each, level=1000.0 + next(given, 0.0)) if each.name.startswith(which) else each for each in shots]


def _each(shots, which, edit, others=None):
    """Edit the frames of some kinds, and all others in another way."""
    return [
        replace(each, edit=edit) if each.name[0] in which else replace(each, edit=others) if others else each
        for each in shots
    ]


def _with_darks(shots, prefix, exposure_s, light, **cards):
    darks = (Shot(f"{prefix}{i}.fits", "dark", exposure_s, light, cards=cards) for i in range(5))
    return [*changed(shots, "", cards={"CCD-TEMP": -10.0}), *darks]


COLD = {"CCD-TEMP": -10.0}
_ODD = {"ZF202", "ZF203"}
_TURNED = {"ZF605"}
_SPECKLED = both(over_again(0.03))
BRIGHT = good_shots(sky=3000.0)
WRONG |= {
    "biases-with-bands": (_each(GOOD, "b", banded(6.0)), {"ZF601"}, "combined_bias"),
    "biases-with-weak-bands": (_each(GOOD, "b", banded(3.2)), {"ZF601"}, "combined_bias"),
    "darks-with-bands-of-columns": (_each(GOOD, "d", banded(6.0, 1)), {"ZF601"}, "combined_dark"),
    "darks-with-weak-bands-of-columns": (_each(GOOD, "d", banded(3.2, 1)), {"ZF601"}, "combined_dark"),
    "darks-with-a-leak": (_each(GOOD, "d", leak(200.0)), {"ZF415"}, "s0.fits"),
    "darks-with-a-weak-leak": (_each(GOOD, "d", leak(40.0)), {"ZF415"}, "s0.fits"),
    "science-with-bands": (_each(GOOD, "s", banded(25.0)), {"ZF610"}, "s0.fits"),
    "science-with-weak-bands": (_each(GOOD, "s", banded(15.0, 1)), {"ZF610"}, ".fits"),
    "biases-with-a-wave": (_each(GOOD, "b", wave(5.0)), {"ZF602"}, "b0.fits"),
    "biases-with-a-weak-wave": (_each(GOOD, "b", wave(2.0, 23.0)), {"ZF602"}, "b0.fits"),
    "darks-with-a-wave": (_each(GOOD, "d", wave(5.0, 3.1)), {"ZF602"}, "d0.fits"),
    "darks-with-a-weak-wave": (_each(GOOD, "d", wave(2.2, 11.7)), {"ZF602"}, "d0.fits"),
    "biases-after-power-on": (_timed(GOOD, "b", (60, 25, 8, 2, 0)), {"ZF306", *_ODD}, "b0.fits"),
    "biases-shortly-after-power-on": (_timed(GOOD, "b", (5.5, 2, 0, 0, 0)), {"ZF306", *_ODD}, "b0.fits"),
    "darks-that-drift": (_timed(GOOD, "d", (0, 10, 20, 30, 40)), {"ZF306"}, "combined_dark"),
    "darks-that-drift-a-little": (_timed(GOOD, "d", (0, 1.5, 3, 4.5, 6)), {"ZF306"}, "combined_dark"),
    "science-shifted": (_each(GOOD, "s", both(hot(0.02), moved(0, 1)), hot(0.02)), _TURNED, "s0.fits"),
    "science-shifted-few-hot-pixels": (_each(GOOD, "s", both(hot(0.004), moved(1, 0)), hot(0.004)), _TURNED, "s0.fits"),
    "science-shifted-by-two": (_each(BRIGHT, "s", both(_SPECKLED, moved(0, 2)), _SPECKLED), _TURNED, "s0.fits"),
    "science-upside-down": (_each(GOOD, "s", both(hot(0.02), turned), hot(0.02)), _TURNED, "s0.fits"),
    "science-upside-down-few-hot-pixels": (_each(GOOD, "s", both(hot(0.004), turned), hot(0.004)), _TURNED, "s0.fits"),
    "science-mirrored": (_each(BRIGHT, "s", both(_SPECKLED, mirrored), _SPECKLED), _TURNED, "s0.fits"),
    "darks-mirrored": (_each(GOOD, "d", both(hot(0.02), mirrored), hot(0.02)), _TURNED, ".fits"),
    "rows-from-the-top": (changed(GOOD, "s", cards={"ROWORDER": "BOTTOM-UP"}), {"ZF607"}, "s0.fits"),
    "flips-in-flats": (changed(GOOD, "f", cards={"FLIPSTAT": "Flip/Mirror"}), {"ZF607"}, "f0.fits"),
    "biases-from-0-to-1": (changed(GOOD, "b", stored="float01"), {"ZF309"}, "b0.fits"),
    "darks-from-0-to-1": (changed(GOOD, "d", stored="float01"), {"ZF309", "ZF301"}, "d"),
    "flats-from-0-to-1": (changed(GOOD, "f", stored="float01"), {"ZF309", "ZF302", "ZF102"}, "f"),
    "science-from-0-to-1": (changed(GOOD, "s", stored="float01"), {"ZF309", "ZF303"}, "s0.fits"),
    "biases-of-8-bits": (_each(GOOD, "b", scaled(1 / 256)), {"ZF310"}, "combined_dark"),
    "biases-of-12-bits": (_each(GOOD, "b", scaled(1 / 16)), {"ZF310"}, "combined_dark"),
    "darks-of-8-bits": (_each(GOOD, "d", scaled(1 / 256)), {"ZF301"}, "combined_dark"),
    "darks-of-12-bits": (_each(GOOD, "d", scaled(1 / 16)), {"ZF301"}, "combined_dark"),
    "darks-of-another-offset": (changed(GOOD, "d", level=1600.0), {"ZF310"}, "combined_dark"),
    "darks-of-slightly-another-offset": (changed(GOOD, "d", level=1250.0), {"ZF310"}, "combined_dark"),
    "science-wrapped": (_each(GOOD, "s", wrapped_stars(140000.0)), {"ZF604"}, "s0.fits"),
    "science-wrapped-a-little": (_each(GOOD, "s", wrapped_stars(66500.0, 9.0)), {"ZF604"}, "s0.fits"),
    "flats-wrapped": (changed(GOOD, "f", light=66000.0, edit=lambda a, _: np.round(a) % 65536), {"ZF604"}, "f0"),
    "all-without-bzero": (changed(GOOD, "", stored="int16", level=40000.0), {"ZF309"}, "b0.fits"),
    "flats-without-bzero": (changed(GOOD, "f", stored="int16", light=45000.0), {"ZF309", "ZF302", "ZF102"}, "f"),
    "new-hot-column": (_each(GOOD, "s", column(400.0)), {"ZF603"}, "s0.fits"),
    "new-warm-column": (_each(GOOD, "s", column(32.0)), {"ZF603"}, "s0.fits"),
    "new-dead-column": (_each(GOOD, "s", dead_column()), {"ZF603"}, "s0.fits"),
    "one-bias-with-a-leak-in-a-corner": (_first(GOOD, "b", edit=blob(8.0, 0.3)), _ODD, "b0.fits"),
    "one-bias-with-a-leak-of-half-a-sigma": (_first(GOOD, "b", edit=blob(2.6, 0.3)), _ODD, "b0.fits"),
    "colours-unsaid": (_each(GOOD, "fs", squares(0.5)), {"ZF606", "ZF201"}, "colour"),
    "weak-colours-unsaid": (_each(GOOD, "fs", squares(0.1)), {"ZF606", "ZF201"}, "colour"),
    "hot-pixels-of-a-warmer-night": (_each(GOOD, "s", hot_of(0.01, 1.8), hot_of(0.01, 1.0)), {"ZF410"}, "s0.fits"),
    "hot-pixels-half-as-hot": (_each(GOOD, "s", hot_of(0.01, 0.68), hot_of(0.01, 1.0)), {"ZF410"}, "s0.fits"),
    "flat-of-another-camera": (_each(BRIGHT, "f", over_again(0.05)), {"ZF411"}, "s0.fits"),
    "flat-of-slightly-another-camera": (_each(BRIGHT, "f", over_again(0.02)), {"ZF411"}, "s0.fits"),
    "flat-of-another-focus": (_each(BRIGHT, "f", bulge(0.5)), {"ZF412"}, "s0.fits"),
    "flat-of-slightly-another-focus": (_each(BRIGHT, "f", bulge(0.2)), {"ZF412"}, "s0.fits"),
    "long-darks-with-light": (_with_darks(GOOD, "long", 120, 100.0, **COLD), {"ZF308"}, "combined_dark"),
    "long-darks-with-a-little-light": (_with_darks(GOOD, "long", 120, 16.0, **COLD), {"ZF308"}, "combined_dark"),
    "cold-darks-with-light": (
        [*changed(GOOD, "", cards={"CCD-TEMP": -10.0}), *(Shot(f"cold{i}.fits", "dark", 60, 60.0,
         cards={"CCD-TEMP": -25.0}) for i in range(5))], {"ZF308"}, "combined_dark",
    ),
    "cold-darks-with-a-little-light": (
        [*changed(GOOD, "", cards={"CCD-TEMP": -10.0}), *(Shot(f"cold{i}.fits", "dark", 60, 14.0,
         cards={"CCD-TEMP": -25.0}) for i in range(5))], {"ZF308"}, "combined_dark",
    ),
    "biases-of-many-levels": (_timed(GOOD, "b", (14, -19, 6, -12, 9)), {"ZF311", *_ODD}, "bias"),
    "biases-of-slightly-other-levels": (_timed(GOOD, "b", (2.5, -4.0, 4.0, -2.5, 3.5)), {"ZF311"}, "combined_bias"),
    "all-cut-off-at-zero": (changed(GOOD, "", level=3.0), {"ZF608"}, "b0.fits"),
    "biases-cut-off-a-little": (changed(GOOD, "b", level=7.0), {"ZF608"}, "b0.fits"),
    "science-of-another-pedestal": (changed(GOOD, "s", level=1100.0, cards={"PEDESTAL": -100}), {"ZF609"}, "s0.fits"),
    "darks-of-two-offsets": (_timed(GOOD, "d", (0, 100, 0, 100, 100)), {"ZF311"}, "combined_dark"),
    "darks-of-nearly-one-offset": (_timed(GOOD, "d", (0, 7, 7, 0, 0)), {"ZF311"}, "combined_dark"),
    "science-of-no-exposure": (changed(GOOD, "s", exposure_s=0), {"ZF312"}, "s0.fits"),
    "faint-science-of-no-exposure": (changed(GOOD, "s", exposure_s=0, light=40.0), {"ZF312"}, "s0.fits"),
}  # fmt: skip
#: Of those whose header states another gain than the truth: by which factor.
STATED_GAIN = {"gain-a-setting": 16.7, "gain-a-third-off": 1.34}


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
    shots = good_shots(camera, counts, sky, flat)
    if seed % 2:
        shots = changed(shots, "s", edit=stars(int(chance.integers(3, 12))))
    return camera, shots


def good_shape(seed):
    """Return how large the frames of a good night are."""
    chance = np.random.default_rng(2000 + seed)
    return tuple(int(n) for n in chance.integers((100, 120), (260, 300)))
