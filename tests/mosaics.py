"""Nights of simulated detectors of several amplifiers, and what their results are compared with."""

from __future__ import annotations

import numpy as np
from astropy.io import fits

from zeroframe.simulate import night_specs, simulate_mosaic_frame
from zeroframe.simulate.mosaic_frames import mosaic_sensors


def truths(camera, seed):
    """Return for each chip the sky of science frames in ADU over their flat, what is hit in any, and hot pixels."""
    sensors = mosaic_sensors(camera, seed)
    specs = list(night_specs(camera))
    science = [n for n, spec in enumerate(specs) if spec.kind == "science"]
    frames = [simulate_mosaic_frame(camera, specs[n], seed, index=n, sensors=sensors) for n in science]
    found = []
    for number, (chip, sensor) in enumerate(zip(camera.chips, sensors, strict=True)):
        gains = gain_map(chip)
        scale = float(np.mean(sensor.response["R"] / gains))
        hits = np.any([frame.truth[number].cosmic_rays for frame in frames], axis=0)
        found.append((frames[0].truth[number].sky_e * scale, hits, sensor.hot_pixels))
    return found


def gain_map(chip):
    gains = np.full(chip.sensor.image_shape_yx, np.nan)
    for each in chip.amplifiers:
        gains[each.place.slices_yx(gains.shape)] = each.gain_e_per_adu
    assert np.isfinite(gains).all()
    return gains


def results(camera, out):
    """Return the calibrated science frames of each chip: (data, sigma, bad)."""
    specs = night_specs(camera)
    found = []
    for chip in camera.chips:
        frames = []
        for spec in specs:
            if spec.kind == "science":
                name = spec.file_name.removesuffix(".fits") + (f".{chip.name}" if len(camera.chips) > 1 else "")
                with fits.open(out / f"{name}.fits") as hdus:
                    data, sigma = hdus[0].data.astype(float), hdus["UNCERT"].data.astype(float)
                    bad = hdus["MASK"].data != 0 if "MASK" in hdus else np.zeros(data.shape, bool)
                frames.append((data, sigma, bad))
        found.append(frames)
    return found


def compared(camera, seed, out):
    """Return for each chip: chi-square, and the largest step at a seam as a fraction of the sky with its error."""
    told = []
    for chip, (truth, hits, hot), frames in zip(camera.chips, truths(camera, seed), results(camera, out), strict=True):
        chi, steps = [], []
        sky = float(np.median(truth))
        mean = np.mean([np.where(bad, np.nan, data - truth) for data, _, bad in frames], axis=0)
        for data, sigma, bad in frames:
            assert data.shape == truth.shape
            good = ~bad & ~hits & ~hot & (truth < 1.5 * sky)
            chi.append(float(np.mean(((data - truth)[good] / sigma[good]) ** 2)))
        mean[hits | hot | (truth > 1.5 * sky)] = np.nan
        for each in chip.amplifiers:
            (_, x2), (_, y2) = (part.ends() for part in each.place.ranges)
            rows, columns = each.place.slices_yx(mean.shape)
            if x2 < mean.shape[1]:
                steps.append(step(mean[rows, x2 - 30 : x2], mean[rows, x2 : x2 + 30], sky))
            if y2 < mean.shape[0]:
                steps.append(step(mean[y2 - 30 : y2, columns], mean[y2 : y2 + 30, columns], sky))
        told.append((float(np.mean(chi)), max(steps, key=lambda one: abs(one[0]) - 3 * one[1])))
    return told


def step(before, after, sky):
    error = np.hypot(*(np.nanstd(part) / np.sqrt(np.isfinite(part).sum()) for part in (before, after)))
    return float(np.nanmean(after) - np.nanmean(before)) / sky, float(error) / sky
