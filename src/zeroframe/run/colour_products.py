"""What is made of calibrated frames of a colour sensor when that is asked for: an image of each colour, a picture.

It is made when the run has ended, of the files that are there then, and named after them: ``m67_R.fits``,
``m67_G1.fits`` …, ``m67_RGB.fits``. What is there already of the same frame is kept.
"""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.errors import FrameError, UsageError
from zeroframe.fits import HeaderDraft, ImagePart, read_raw, scan, write_fits
from zeroframe.fits.failures import attempt
from zeroframe.fits.formats import FORMATS
from zeroframe.frames.colours import PHASES, each_colour, plane_of
from zeroframe.frames.mask_bits import mask_header
from zeroframe.headers.colour_planes import PICTURE, PLANE_CARD, plane_cards
from zeroframe.headers.colours import state_pattern
from zeroframe.headers.own_results import COLOUR_PLANE
from zeroframe.headers.survey import KEY_CARD
from zeroframe.kernels.mending import mend_pixels

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from zeroframe.headers.colours import ColourPattern
    from zeroframe.planning.plan import NightFrame, NightPlan
    from zeroframe.run.outcomes import NightResult

__all__ = ["colour_products", "require_debayer"]

_NAMING = 'colour_pattern = "RGGB" (or "BGGR", "GRBG", "GBRG") under [frames] of the recipe'
#: Masked pixels of a picture are replaced by those of their colour around them, up to so far and of so many at least.
_REACH, _FEWEST = 8, 3


def require_debayer(plan: NightPlan) -> None:
    """Raise `UsageError` where pictures are asked for and the library that makes them is not installed."""
    if plan.recipe.steps.debayer and find_spec("colour_demosaicing") is None:
        raise UsageError("--debayer needs colour-demosaicing: pip install 'zeroframe[debayer]'")


def colour_products(plan: NightPlan, result: NightResult) -> list[str]:
    """Make what is asked for of the science frames that are there; return what went wrong, a sentence each.

    Parameters
    ----------
    plan : NightPlan
        What was asked for.
    result : NightResult
        What was made.
    """
    wanted = plan.recipe.steps
    if not (wanted.split_colours or wanted.debayer):
        return []
    there = {each.frame.name for each in result.frames if each.outcome.is_there}
    frames = [frame for frame in plan.science if frame.name in there]
    coloured = [frame for frame in frames if frame.steps.colours is not None]
    problems = []
    if frames and not coloured:
        what = "--split-colours" if wanted.split_colours else "--debayer"
        problems.append(f"{what}: no frame is known to be of a colour sensor; if they are, give {_NAMING}")
    taken = {str(target).casefold() for target in _targets(plan)}
    for frame in coloured:
        failed = attempt(frame.target, _products_of, plan, frame, taken)
        problems += [str(failed)] if isinstance(failed, FrameError) else failed
    return problems


def _targets(plan: NightPlan) -> list[Path]:
    """Return all files that the run itself writes."""
    groups = [group.target for group in (*plan.groups, *plan.uncombined)]
    return [*(frame.target for frame in plan.frames), *groups, *(job.target for job in plan.masks)]


def _products_of(plan: NightPlan, frame: NightFrame, taken: set[str]) -> list[str]:
    """Make the products of one frame."""
    colours, wanted, problems = frame.steps.colours, plan.recipe.steps, list[str]()
    if colours is None:
        return []
    suffix = FORMATS[frame.compress].suffix
    stem = frame.target.name.removesuffix(suffix)
    names = list(colours.names) if wanted.split_colours else []
    if wanted.debayer and colours.says_red:
        names.append(PICTURE)
    elif wanted.debayer:
        problems.append(f"{frame.target}: no picture is made, for it is not known which pixels are red; give {_NAMING}")
    targets = {name: frame.target.with_name(f"{stem}_{name}{suffix}") for name in names}
    clashes = [target for target in targets.values() if str(target).casefold() in taken]
    if clashes:
        problems += [f"{target}: not written, for a result of that name is made of another frame" for target in clashes]
        return problems
    key = str(scan(frame.target).cards.get(KEY_CARD, ""))
    targets = {name: target for name, target in targets.items() if not _is_up_to_date(target, key, name)}
    if not targets:
        return problems
    image = _Calibrated(frame)
    for name, target in targets.items():
        parts = image.picture(colours) if name == PICTURE else image.plane(colours, list(colours.names).index(name))
        permission = COLOUR_PLANE.permission(target, overwrite=True)
        write_fits(target, parts, compress=frame.compress, overwrite=permission)
    return problems


def _is_up_to_date(target: Path, key: str, name: str) -> bool:
    """Whether a product is there of the same calibrated frame."""
    if not target.exists():
        return False
    cards = attempt(target, scan, target)
    return not isinstance(cards, FrameError) and (cards.cards.get(KEY_CARD), cards.cards.get(PLANE_CARD)) == (key, name)


class _Calibrated:
    """A calibrated frame as its file holds it."""

    def __init__(self, frame: NightFrame) -> None:
        whole = scan(frame.target)
        image = whole.image()
        self._cards = whole.cards_of(image)
        self.pixels: NDArray[Any] = read_raw(frame.target, ext=image.index).decode()
        named = {hdu.name: hdu.index for hdu in whole.hdus if hdu.layout is not None and hdu.index != image.index}
        self._planes: dict[str, NDArray[Any]] = {
            name: read_raw(frame.target, ext=named[name]).decode() for name in ("MASK", "UNCERT") if name in named
        }

    def _rest(self, images: dict[str, NDArray[Any]]) -> list[ImagePart]:
        said = HeaderDraft()
        said["UTYPE"] = ("StdDevUncertainty", "standard deviation of the primary image")
        headers = {"MASK": mask_header(), "UNCERT": said}
        return [ImagePart(data, headers[name], name) for name, data in images.items()]

    def plane(self, colours: ColourPattern, place: int) -> list[ImagePart]:
        """Return one colour, with its mask and its standard deviations."""
        header = HeaderDraft(self._cards)
        plane_cards(header, colours, place, self.pixels.shape)

        def part(image: NDArray[Any]) -> NDArray[Any]:
            return np.ascontiguousarray(plane_of(image, PHASES[place]))

        return [ImagePart(part(self.pixels), header), *self._rest({k: part(v) for k, v in self._planes.items()})]

    def picture(self, colours: ColourPattern) -> list[ImagePart]:
        """Return red, green and blue of every pixel, interpolated (Malvar, He and Cutler 2004), and the mask."""
        with warnings.catch_warnings(), np.printoptions():
            # it names a module of scipy by its old name, and sets how numpy prints arrays for the whole process
            warnings.simplefilter("ignore", DeprecationWarning)
            from colour_demosaicing import demosaicing_CFA_Bayer_Malvar2004

        mosaic = self.pixels.astype(np.float32)
        mask = self._planes.get("MASK", np.zeros(mosaic.shape, np.uint8)).astype(np.uint8)
        mask[~np.isfinite(mosaic)] |= np.uint8(1)
        for pixels, sigma, own in each_colour(colours, (mosaic, np.zeros_like(mosaic), mask.copy())):
            mend_pixels(pixels, sigma, own, 255, 128, _REACH, 1, _FEWEST)
        mosaic[~np.isfinite(mosaic)] = 0.0
        found = demosaicing_CFA_Bayer_Malvar2004(mosaic, colours.letters)
        header = HeaderDraft(self._cards)
        state_pattern(header, None, len(mosaic))
        header[PLANE_CARD] = (PICTURE, "planes of red, green, blue, interpolated")
        header.add_history(f"colours of {colours.letters} interpolated as by Malvar, He and Cutler (2004)")
        cube = np.ascontiguousarray(np.moveaxis(found, 2, 0), dtype=np.float32)
        only_mask: dict[str, NDArray[Any]] = {name: data for name, data in self._planes.items() if name == "MASK"}
        return [ImagePart(cube, header), *self._rest(only_mask)]
