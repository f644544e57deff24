"""Other programs that reject, run on the same frames: IRAF's imcombine and Siril's stack."""

from __future__ import annotations

import os
import shutil
import subprocess

import numpy as np
from astropy.io import fits

FULL_SCALE = 65536.0
IRAF, SIRIL = shutil.which("irafcl"), shutil.which("siril-cli")


def stack_of(frames, seed=1, shape=(48, 64), *, level=400.0, gain=2.0, read_noise=9.0, whole=False):
    """Frames of a CCD with light of 400 to 1200 ADU, cosmic rays, and pixels that are too low."""
    rng = np.random.default_rng(seed)
    light = level * (1.0 + 2.0 * np.arange(shape[1]) / shape[1]) * np.ones(shape)
    values = rng.poisson(light * gain, (frames, *shape)) / gain + rng.normal(0.0, read_noise / gain, (frames, *shape))
    rays, low = rng.random((2, *values.shape)) < np.array([0.01, 0.003])[:, None, None, None]
    values[rays] += rng.uniform(60.0, 4000.0, int(rays.sum()))
    values[low] -= rng.uniform(60.0, 300.0, int(low.sum()))
    return (np.round(values) if whole else values).astype(np.float32)


def imcombine(frames, folder, **words):
    """Return what imcombine makes of frames, and how many of them it used in each pixel."""
    for number, frame in enumerate(frames):
        fits.writeto(folder / f"f{number:02d}.fits", frame)
    said = ", ".join(
        f"{name}={value}" if name == "mclip" else f'{name}="{value}"' if isinstance(value, str) else f"{name}={value}"
        for name, value in words.items()
    )
    script = f"""
set imtype = "fits"
images
immatch
unlearn imcombine
imcombine ("f*.fits", "out", nrejmasks="rejected", {said})
imcopy ("rejected.pl", "count.fits")
logout
"""
    environment = os.environ | {"HOME": str(folder), "USER": "nobody", "TERM": "dumb"}
    done = subprocess.run(
        [IRAF], input=script, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (folder / "count.fits").exists(), done.stdout + done.stderr
    rejected = fits.getdata(folder / "count.fits")
    return fits.getdata(folder / "out.fits"), len(frames) - rejected.reshape(frames[0].shape)


def siril_stack(frames, folder, rejection):
    """Return the average that Siril makes of frames in 32 bits, of which 1.0 is its full scale."""
    for number, frame in enumerate(frames, start=1):
        fits.writeto(folder / f"f_{number:05d}.fit", (frame / FULL_SCALE).astype(np.float32))
    script = folder / "stack.ssf"
    script.write_text(f"requires 1.0.0\nsetext fit\nset32bits\nstack f_ rej {rejection} -nonorm -out=out\n")
    environment = os.environ | {"HOME": str(folder)}
    done = subprocess.run(
        [SIRIL, "-d", str(folder), "-s", str(script)], cwd=folder, env=environment, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    assert (folder / "out.fit").exists(), done.stdout[-3000:] + done.stderr[-1000:]
    return fits.getdata(folder / "out.fit") * FULL_SCALE
