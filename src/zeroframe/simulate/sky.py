"""What stands in the sky: background and stars."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zeroframe.simulate.streams import Effect, name_key, random_stream

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zeroframe.simulate.specs import FrameSpec, SimulatedCamera

__all__ = ["sky_image_e"]


def sky_image_e(camera: SimulatedCamera, spec: FrameSpec, seed: int) -> NDArray[np.float32]:
    """Sky and stars in electrons, as a perfect detector would gather them without noise.

    Parameters
    ----------
    camera : SimulatedCamera
        The camera.
    spec : FrameSpec
        Exposure time, filter, and object; frames of one object show the same stars in the same places.
    seed : int
        The seed of the simulation.

    Returns
    -------
    ndarray of float32, (ny, nx) of the image area
        Electrons in each pixel.

    Raises
    ------
    UsageError
        When the camera has no such filter.
    """
    background_e = camera.filter_light(spec.filter_name).sky_e_per_s * spec.exposure_s
    ny, nx = camera.image_shape_yx
    # One percent from edge to edge, as moonlight leaves it.
    image = np.empty((ny, nx), dtype=np.float32)
    image[:] = (background_e * np.linspace(0.995, 1.005, ny, dtype=np.float32))[:, None]
    if camera.colour_pattern:
        image *= camera.by_colour(camera.sky_colours)
    _add_stars(image, camera, spec, random_stream(camera, seed, Effect.STARS, name_key(spec.object_name)))
    return image


def _add_stars(
    image: NDArray[np.float32], camera: SimulatedCamera, spec: FrameSpec, random: np.random.Generator
) -> None:
    """Add Gaussian star images, in place; a sensor with filters sees each star in a colour of its own."""
    planes = [camera.by_colour(light) for light in ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))]
    ny, nx = image.shape
    count = round(camera.stars_per_mpix * image.size / 1e6)
    sigma = camera.seeing_fwhm_pixels / np.sqrt(8 * np.log(2))
    half = int(np.ceil(6 * sigma))
    faintest, brightest = camera.star_flux_range_e_per_s
    flux_e = np.minimum(faintest / (1 - random.random(count)), brightest) * spec.exposure_s
    for y0, x0, flux in zip(random.uniform(0, ny, count), random.uniform(0, nx, count), flux_e, strict=True):
        rows = np.arange(max(0, int(y0) - half), min(ny, int(y0) + half + 1))
        columns = np.arange(max(0, int(x0) - half), min(nx, int(x0) + half + 1))
        along_y = np.exp(-0.5 * ((rows - y0) / sigma) ** 2) * (flux / (2 * np.pi * sigma**2))
        along_x = np.exp(-0.5 * ((columns - x0) / sigma) ** 2)
        star = np.outer(along_y, along_x).astype(np.float32)
        place = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        if camera.colour_pattern:
            # from a red giant to a hot star, as green pixels see them
            redness = random.uniform(-1.0, 1.0)
            light = (0.75 * 2.0**redness, 1.0, 0.75 * 2.0**-redness)
            star *= sum(np.float32(share) * plane[place] for share, plane in zip(light, planes, strict=True))
        image[place] += star
