"""Look at frames: images averaged down to the pixels of the figure, and a figure style for slides."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from zeroframe.errors import ArgumentError, UsageError, ZeroframeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage
    from numpy.typing import NDArray

__all__ = ["block_average", "show_image", "style_path"]

_DIMENSIONS = 2
# Room beside the image for the colour bar and its numbers, as a fraction of the figure's width.
_ROOM_FOR_COLORBAR = 0.2
_LOG_STRETCH = 1000.0


def style_path() -> Path:
    """Return the file of the figure style for slides: larger letters, thicker lines, colours for every eye.

    ``matplotlib.pyplot.style.use("zeroframe.slides")`` finds it by name; the path is for those who want a copy of it.

    Returns
    -------
    Path
        A matplotlib style sheet. The colours of lines are those of Okabe and Ito (2008), which people who do not see
        all colours can tell apart.

    Examples
    --------
    >>> style_path().name
    'slides.mplstyle'
    """
    # in the root of the package, where matplotlib finds it as "zeroframe.slides"
    return Path(__file__).parents[1] / "slides.mplstyle"


def block_average(image: NDArray[Any], block: int) -> NDArray[Any]:
    """Average an image over squares of pixels, so that every pixel counts.

    Parameters
    ----------
    image : ndarray, shape (ny, nx)
        Numbers of any type and byte order. Pixels that are not finite take no part.
    block : int
        Side of the squares. Those at the upper and right edge may be incomplete, and are averaged over what is there.

    Returns
    -------
    ndarray of float64, shape (ceil(ny / block), ceil(nx / block))
        NaN where no pixel of a square is finite. For a block of 1, the image itself.

    Examples
    --------
    >>> import numpy as np
    >>> block_average(np.array([[1, 3, 5], [1, 3, 5]], dtype=np.uint16), 2)
    array([[2., 5.]])
    """
    if block == 1:
        return image
    total = _block_sum(image, block)
    if np.isfinite(total).all():
        ny, nx = image.shape
        rows = np.minimum(block, ny - np.arange(0, ny, block))
        columns = np.minimum(block, nx - np.arange(0, nx, block))
        counts = np.multiply.outer(rows, columns).astype(np.float64)
    else:
        good = np.isfinite(image)
        counts = _block_sum(good, block)
        counts[counts == 0] = np.nan
        total = _block_sum(np.where(good, image, 0), block)
    average: NDArray[np.float64] = total / counts
    return average


def _block_sum(image: NDArray[Any], block: int) -> NDArray[np.float64]:
    """Return the sums over squares.

    Adding every block-th row, then every block-th column, takes 3 to 12 ms for 4128 x 2080 numbers of 16 bits;
    reshaping to (y, block, x, block) and summing over two axes 13 to 46 ms.
    """
    ny, nx = image.shape
    by_rows = np.zeros((-(-ny // block), nx))
    for start in range(min(block, ny)):
        rows = image[start::block]
        with np.errstate(invalid="ignore"):  # infinities of both signs make NaN
            by_rows[: len(rows)] += rows
    total = np.zeros((len(by_rows), -(-nx // block)))
    for start in range(min(block, nx)):
        columns = by_rows[:, start::block]
        with np.errstate(invalid="ignore"):
            total[:, : columns.shape[1]] += columns
    return total


def show_image(
    image: object,
    percl: float = 99,
    percu: float | None = None,
    is_mask: bool = False,  # noqa: FBT001 -- the arguments of the guide's function, which its notebooks call
    figsize: tuple[float, float] | None = (10, 10),
    cmap: str = "viridis",
    log: bool = False,  # noqa: FBT001
    clip: bool = True,  # noqa: FBT001
    show_colorbar: bool = True,  # noqa: FBT001
    show_ticks: bool = True,  # noqa: FBT001
    fig: Figure | None = None,
    ax: Axes | None = None,
    input_ratio: int | None = None,
) -> AxesImage:
    """Show an image with limits that suit astronomical frames, averaged down to the pixels of the figure.

    The name, the arguments and their order are those of ``show_image`` in the notebooks of the CCD Data Reduction
    Guide (astropy), so that its notebooks run.

    Parameters
    ----------
    image : array_like or CCDData, shape (ny, nx)
        What to show. Masked pixels, and those that are not finite, take no part and stay empty. Its unit, if it has
        one, is written above the colour bar.
    percl, percu : float, optional
        The percentiles of the shown values that get the first and the last colour. With ``percl`` alone, so much is
        cut on either side: 99 stands for the 1st to the 99th percentile.
    is_mask : bool, optional
        The image is a mask: anything but zero is flagged, and a square of pixels is flagged when one of them is.
        Boolean images are masks without being called so.
    figsize : (float, float), optional
        Inches into which a new figure must fit; None for matplotlib's own choice. Not used with ``fig`` or ``ax``.
    cmap : str, optional
        Name of the colour map.
    log : bool, optional
        Stretch the faint values: colours follow log10(1000 x + 1), x running from 0 to 1 between the limits
        (as astropy's ``LogStretch``). Unlike a true logarithm it has a place for values below zero.
    clip : bool, optional
        Values beyond the limits get the first and last colour; otherwise the colours that ``cmap`` has for them.
    show_colorbar, show_ticks : bool, optional
        Whether to draw the colour bar; whether the axes have numbers.
    fig, ax : Figure, Axes, optional
        Where to draw. ``ax`` is enough; ``fig`` alone stands for its current axes.
    input_ratio : int, optional
        Side of the squares of pixels that are averaged. By default the largest one that leaves the figure no fewer
        values than it has pixels; matplotlib smooths over what remains. For masks: the smallest that gives each
        square at least one pixel of the figure.

    Returns
    -------
    AxesImage
        What ``imshow`` returns; its ``axes`` and ``figure`` lead to the rest. (The guide's function returns nothing.)

    Raises
    ------
    ArgumentError
        When the image has no two axes, or ``ax`` does not belong to ``fig``.
    UsageError
        When percentiles or ``input_ratio`` make no sense.
    ZeroframeError
        When matplotlib is not installed.

    Notes
    -----
    Coordinates are those of the pixels of the original array: pixel ``image[y, x]`` is centred on (x, y). The guide's
    function puts its corner there. Where figures are interactive, the pixel under the cursor is named as numpy and as
    FITS do, with its own value, not the average that is drawn.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("agg")
    >>> import numpy as np
    >>> shown = show_image(np.arange(6000.0).reshape(60, 100))
    >>> shown.axes.get_xlim() == (-0.5, 99.5)
    True
    >>> shown.axes.format_coord(3.2, 0.9)
    'image[1, 3] = 103, FITS x 4, y 2'
    >>> matplotlib.pyplot.close(shown.figure)
    """
    plt = _pyplot()
    pixels, unit = _pixels_and_unit(image)
    is_mask = is_mask or pixels.dtype == bool
    limits = _percentiles(percl, percu)
    ax = _axes(plt, pixels.shape, figsize, fig, ax, show_colorbar=show_colorbar)
    block = _block_size(pixels.shape, ax, input_ratio, round_up=is_mask)
    if is_mask:
        flagged = np.nan_to_num(pixels, nan=0.0) != 0
        shown: NDArray[Any] = _block_sum(flagged, block) > 0
        drawing: dict[str, Any] = {"vmin": 0, "vmax": 1, "interpolation": "nearest"}
    else:
        shown = block_average(pixels, block)
        drawing = {"norm": _norm(shown, limits, log=log, clip=clip), "interpolation": "antialiased"}
    ny, nx = pixels.shape
    extent = (-0.5, shown.shape[1] * block - 0.5, -0.5, shown.shape[0] * block - 0.5)
    drawn = ax.imshow(shown, origin="lower", cmap=cmap, extent=extent, aspect="equal", **drawing)
    ax.set(xlim=(-0.5, nx - 0.5), ylim=(-0.5, ny - 0.5))
    ax.format_coord = partial(_under_cursor, pixels, unit)  # type: ignore[method-assign]
    drawn.set_mouseover(False)  # else the average that is drawn is said as well
    if show_colorbar:
        _add_colorbar(drawn, ax, unit, ticks=[0, 1] if is_mask else None)
    if not show_ticks:
        ax.tick_params(which="both", bottom=False, left=False, labelbottom=False, labelleft=False)
    return drawn


def _under_cursor(pixels: NDArray[Any], unit: str, x: float, y: float) -> str:
    """Return the name and the value of the pixel at a place, numbered from 0."""
    column, row = round(x), round(y)
    if not (0 <= row < pixels.shape[0] and 0 <= column < pixels.shape[1]):
        return ""
    value = pixels[row, column]
    said = "masked" if value != value else f"{value:.7g} {unit}".rstrip()
    return f"image[{row}, {column}] = {said}, FITS x {column + 1}, y {row + 1}"


def _pyplot() -> Any:  # noqa: ANN401 -- a module
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ZeroframeError(
            f"figures need matplotlib, which cannot be imported ({error}); install it: pip install 'zeroframe[report]'"
        ) from error
    return plt


def _pixels_and_unit(image: object) -> tuple[NDArray[Any], str]:
    """Return the numbers, NaN where masked, and the unit's name."""
    if isinstance(image, np.ndarray):
        mask = image.mask if isinstance(image, np.ma.MaskedArray) else None
        pixels = np.asarray(image.data) if isinstance(image, np.ma.MaskedArray) else np.asarray(image)
    else:
        mask = getattr(image, "mask", None)
        pixels = np.asarray(getattr(image, "data", image))
    if pixels.ndim != _DIMENSIONS or 0 in pixels.shape or pixels.dtype.kind not in "buif":
        raise ArgumentError(
            f"an image has two axes and holds numbers; this is {pixels.dtype} of shape {pixels.shape}; "
            "give one frame, as an array or CCDData"
        )
    if mask is not None and np.any(mask):
        pixels = np.where(mask, np.nan, pixels)
    return pixels, str(getattr(image, "unit", None) or "")


def _percentiles(percl: float, percu: float | None) -> tuple[float, float]:
    """Return the lower and upper percentile."""
    lower, upper = (percl, percu) if percu is not None else sorted((100 - percl, percl))
    if not 0 <= lower < upper <= 100:
        given = f"percl={percl}" if percu is None else f"percl={percl} and percu={percu}"
        raise UsageError(f"{given} leave nothing to show; give 0 <= percl < percu <= 100, or percl=99 alone")
    return lower, upper


def _axes(
    plt: Any,  # noqa: ANN401 -- a module
    shape_yx: tuple[int, ...],
    figsize: tuple[float, float] | None,
    fig: Figure | None,
    ax: Axes | None,
    *,
    show_colorbar: bool,
) -> Axes:
    """Return the axes to draw in; a new figure has the proportions of the image."""
    if ax is not None:
        owners = {ax.figure, ax.figure.figure, ax.get_figure()}
        if fig is not None and fig not in owners:
            raise ArgumentError("ax belongs to another figure than fig; give ax alone")
        return ax
    if fig is not None:
        return fig.gca()
    if figsize is not None:
        ny, nx = shape_yx
        width, height = figsize
        room = 1 + _ROOM_FOR_COLORBAR if show_colorbar else 1.0
        # No narrower than a third of the box: titles and numbers need room even above a strip of 20 columns.
        figsize = (
            min(width, max(height * nx / ny * room, width / 3)),
            min(height, max(width * ny / (nx * room), height / 3)),
        )
    return cast("Axes", plt.figure(figsize=figsize).add_subplot())


def _block_size(shape_yx: tuple[int, ...], ax: Axes, input_ratio: int | None, *, round_up: bool) -> int:
    """Return how many pixels of the image, along each side, fall on one of the figure's."""
    if input_ratio is not None:
        if input_ratio < 1 or int(input_ratio) != input_ratio:
            raise UsageError(f"input_ratio is {input_ratio}; give a whole number of pixels, at least 1")
        return int(input_ratio)
    place = ax.get_window_extent()
    ny, nx = shape_yx
    ratio = max(nx / max(place.width, 1.0), ny / max(place.height, 1.0), 1.0)
    return min(math.ceil(ratio) if round_up else math.floor(ratio), max(ny, nx))


def _norm(shown: NDArray[Any], percentiles: tuple[float, float], *, log: bool, clip: bool) -> Any:  # noqa: ANN401
    """Return what turns values into colours."""
    from matplotlib.colors import FuncNorm, Normalize

    vmin, vmax = _limits(shown, percentiles)
    if not log:
        return Normalize(vmin, vmax, clip=clip)

    # Continued below the lower limit as an odd function, so that it can be inverted everywhere.
    def forward(values: NDArray[Any]) -> NDArray[Any]:
        x = (np.asanyarray(values) - vmin) / (vmax - vmin)
        stretched: NDArray[Any] = np.sign(x) * np.log10(_LOG_STRETCH * np.abs(x) + 1)
        return stretched

    def inverse(values: NDArray[Any]) -> NDArray[Any]:
        x = np.sign(values) * (10 ** np.abs(values) - 1) / _LOG_STRETCH
        unstretched: NDArray[Any] = vmin + (vmax - vmin) * x
        return unstretched

    return FuncNorm((forward, inverse), vmin, vmax, clip=clip)


def _limits(shown: NDArray[Any], percentiles: tuple[float, float]) -> tuple[float, float]:
    """Return the percentiles of the finite values; the extremes where the percentiles are the same."""
    values = shown[np.isfinite(shown)] if shown.dtype.kind == "f" else shown.ravel()
    if not values.size:
        return 0.0, 1.0
    choices: tuple[Callable[[], Any], ...] = (
        lambda: np.percentile(values, percentiles),
        lambda: (values.min(), values.max()),
    )
    for choice in choices:
        low, high = (float(limit) for limit in choice())
        if low < high:
            return low, high
    return low - 0.5, high + 0.5


def _add_colorbar(drawn: AxesImage, ax: Axes, unit: str, ticks: list[int] | None) -> None:
    """Draw a colour bar that is as high as the image, whatever the proportions of either."""
    from matplotlib.axes import Axes as PlainAxes
    from mpl_toolkits.axes_grid1 import make_axes_locatable  # type: ignore[import-untyped]

    # Plain axes even beside axes with celestial coordinates, whose class would be taken otherwise.
    beside = make_axes_locatable(ax).append_axes("right", size="5%", pad=0.1, axes_class=PlainAxes)
    bar = cast("Any", ax.figure).colorbar(drawn, cax=beside, ticks=ticks)
    if unit:
        bar.ax.set_title(unit, loc="left", size="medium")
