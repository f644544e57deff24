"""Images are shown with nothing lost, at their true coordinates, within the right limits."""

from __future__ import annotations

import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pytest
from astropy.nddata import CCDData
from hypothesis import given
from hypothesis import strategies as st

from zeroframe.errors import ArgumentError, UsageError, ZeroframeError
from zeroframe.verbs.display import block_average, show_image, style_path

mpl.use("agg")
plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(autouse=True)
def _closed_figures():
    yield
    plt.close("all")


def naive_average(image, block):
    """Average square by square, with numpy's own idea of a mean without NaN."""
    ny, nx = image.shape
    values = np.where(np.isfinite(image), image, np.nan)
    out = np.full((-(-ny // block), -(-nx // block)), np.nan)
    for y, x in np.ndindex(out.shape):
        square = values[y * block : (y + 1) * block, x * block : (x + 1) * block]
        if not np.isnan(square).all():
            out[y, x] = np.nanmean(square, dtype=np.float64)
    return out


@given(
    shape=st.tuples(st.integers(1, 13), st.integers(1, 13)),
    block=st.integers(1, 15),
    dtype=st.sampled_from(["u2", ">u2", ">i2", "f4", ">f8", "u1", "?"]),
    holes=st.sampled_from([(), (np.nan,), (np.inf, -np.inf), (np.nan, np.inf)]),
    seed=st.integers(0, 99),
)
def test_squares_are_averaged_whatever_their_type_and_the_edges(shape, block, dtype, holes, seed):
    random = np.random.default_rng(seed)
    image = random.integers(0, 200, shape).astype(dtype)
    if image.dtype.kind == "f":
        for hole in holes:
            image[random.random(shape) < 0.4] = hole
    if block == 1:
        assert block_average(image, 1) is image
    else:
        np.testing.assert_allclose(block_average(image, block), naive_average(image, block), rtol=1e-13)


def test_sums_of_whole_frames_are_exact():
    image = np.full((300, 300), 65535, dtype=np.uint16)
    assert (block_average(image, 300) == 65535).all()
    big = np.full((64, 64), 1e38, dtype=np.float32)
    np.testing.assert_allclose(block_average(big, 64), float(np.float32(1e38)))


def test_a_lone_bright_pixel_is_seen_in_a_large_frame():
    image = np.zeros((4128, 2048), dtype=np.uint16)
    image[4127, 2047] = 60000  # in the incomplete square of the corner
    image[1001, 777] = 60000
    fig, ax = plt.subplots(figsize=(4, 8), dpi=100)
    drawn = show_image(image, ax=ax, percl=0, percu=100)
    shown = drawn.get_array()
    block = round(4128 / shown.shape[0])
    assert block > 4
    assert shown[-1, -1] > 0
    assert shown[1001 // block, 777 // block] == pytest.approx(60000 / block**2)
    assert (np.asarray(shown) > 0).sum() == 2
    assert fig.axes[0] is ax


@pytest.mark.parametrize("shape", [(4128, 2048), (100, 150), (37, 2100)])
def test_coordinates_are_those_of_the_original_pixels(shape):
    image = np.zeros(shape)
    y, x = shape[0] // 3, shape[1] - 2
    image[y, x] = 1.0
    drawn = show_image(image, figsize=(6, 6))
    ax, shown = drawn.axes, np.asarray(drawn.get_array())
    assert ax.get_xlim() == (-0.5, shape[1] - 0.5)
    assert ax.get_ylim() == (-0.5, shape[0] - 0.5)
    left, right, bottom, top = drawn.get_extent()
    row, column = np.unravel_index(shown.argmax(), shown.shape)
    pixel_height, pixel_width = (top - bottom) / shown.shape[0], (right - left) / shown.shape[1]
    assert pixel_height == pixel_width == round(pixel_width)
    assert bottom + row * pixel_height < y < bottom + (row + 1) * pixel_height
    assert left + column * pixel_width < x < left + (column + 1) * pixel_width
    assert drawn.origin == "lower"


@pytest.mark.parametrize(
    ("percl", "percu", "expected"),
    [(99, None, (1, 99)), (1, None, (1, 99)), (90, None, (10, 90)), (100, None, (0, 100)), (5, 99.5, (5, 99.5))],
)
def test_limits_are_percentiles_of_what_is_shown(percl, percu, expected):
    image = np.random.default_rng(1).normal(1000, 5, (800, 900)).astype(np.float32)
    image[0, :] = np.nan
    drawn = show_image(image, percl, percu, input_ratio=4)
    shown = np.asarray(drawn.get_array())
    assert shown.shape == (200, 225)
    np.testing.assert_allclose(drawn.get_clim(), np.nanpercentile(shown, expected), rtol=1e-12)


@pytest.mark.parametrize(("percl", "percu"), [(50, None), (99, 1), (-1, 50), (5, 101), (101, None)])
def test_percentiles_that_leave_nothing_are_refused(percl, percu):
    with pytest.raises(UsageError, match="percl"):
        show_image(np.zeros((5, 5)), percl, percu)


@pytest.mark.parametrize(
    ("image", "limits"),
    [
        (np.full((9, 9), 7, dtype=np.uint16), (6.5, 7.5)),
        (np.full((9, 9), np.nan), (0.0, 1.0)),
        (np.pad([[9.0]], 20), (0.0, 9.0)),
    ],
    ids=["constant", "nothing finite", "one pixel"],
)
def test_limits_of_images_without_spread(image, limits):
    drawn = show_image(image)
    drawn.figure.canvas.draw()
    assert drawn.get_clim() == limits


def test_masked_pixels_take_no_part_and_stay_empty():
    image = CCDData(np.arange(600.0).reshape(20, 30), unit="adu", mask=np.zeros((20, 30), dtype=bool))
    image.data[:10, :10] = 1e6
    image.mask[:10, :10] = True
    for log in (False, True):
        drawn = show_image(image, percl=100, log=log, input_ratio=5)
        assert drawn.get_clim()[1] < 600
        colours = drawn.to_rgba(np.ma.masked_invalid(drawn.get_array()))
        assert (colours[:2, :2, 3] == 0).all()
        assert (colours[2:, :, 3] == 1).all()
    same = show_image(np.ma.masked_array(image.data, image.mask), percl=100, input_ratio=5)
    np.testing.assert_array_equal(same.get_array(), drawn.get_array())
    np.testing.assert_array_equal(image.data[:10, :10], 1e6)


def test_a_flagged_pixel_flags_its_square():
    mask = np.zeros((3000, 3000), dtype=bool)
    mask[1234, 2345] = True
    for image, keywords in ((mask, {}), (mask.astype(np.uint8), {"is_mask": True}), (mask * 4.0, {"is_mask": True})):
        drawn = show_image(image, **keywords)
        shown = np.asarray(drawn.get_array())
        assert shown.sum() == 1
        assert drawn.get_clim() == (0, 1)
        bounds = drawn.axes.get_window_extent()
        assert max(shown.shape) <= max(bounds.width, bounds.height)


def test_log_stretch_takes_values_below_zero_in_order():
    image = np.random.default_rng(3).normal(0, 5, (50, 60))
    for clip in (False, True):
        norm = show_image(image, log=True, clip=clip).norm
        low, high = norm.vmin, norm.vmax
        values = np.linspace(low, high, 7)
        x = np.linspace(0, 1, 7)
        np.testing.assert_allclose(norm(values), np.log10(1000 * x + 1) / np.log10(1001), atol=1e-12)
        np.testing.assert_allclose(norm.inverse(norm(values)), values, rtol=1e-6, atol=1e-9)
        beyond = norm(np.array([low - 1.0, high + 1.0]))
        assert (beyond[0] >= 0) == clip
        assert (beyond[1] <= 1) == clip


def test_the_colour_bar_is_as_high_as_the_image():
    fig, axes = plt.subplots(1, 2, figsize=(20, 10))
    for ax, shape in zip(axes, [(2000, 1000), (500, 2000)], strict=True):
        drawn = show_image(CCDData(np.random.default_rng(1).normal(size=shape), unit="adu"), ax=ax, fig=fig)
        fig.canvas.draw()
        bar = drawn.colorbar.ax
        assert bar.get_title(loc="left") == "adu"
        image_box, bar_box = ax.get_window_extent(), bar.get_window_extent()
        assert (bar_box.y0, bar_box.y1) == pytest.approx((image_box.y0, image_box.y1), abs=1.0)
        assert bar_box.x0 > image_box.x1
        assert image_box.height / image_box.width == pytest.approx(shape[0] / shape[1], rel=0.01)
    assert len(fig.axes) == 4


def test_figures_fit_the_image_and_parts_can_be_left_out():
    drawn = show_image(np.zeros((400, 200)), show_colorbar=False, show_ticks=False, figsize=(8, 8))
    assert tuple(drawn.figure.get_size_inches()) == (4.0, 8.0)
    assert drawn.colorbar is None
    drawn.figure.canvas.draw()
    assert not any(label.get_visible() for label in drawn.axes.get_xticklabels() + drawn.axes.get_yticklabels())
    strip = show_image(np.zeros((4000, 20)), figsize=(6, 9))
    assert tuple(strip.figure.get_size_inches()) == (2.0, 9.0)
    assert tuple(show_image(np.zeros((4, 4)), figsize=None).figure.get_size_inches()) == tuple(
        mpl.rcParams["figure.figsize"]
    )


def test_where_to_draw():
    (fig, ax), (other, _) = plt.subplots(), plt.subplots()
    image = np.zeros((5, 5))
    assert show_image(image, fig=fig, show_colorbar=False).axes is ax
    assert show_image(image, ax=ax, show_colorbar=False).axes is ax
    with pytest.raises(ArgumentError, match="another figure"):
        show_image(image, fig=other, ax=ax)
    parts = plt.figure().subfigures(1, 2)
    inner = parts[0].subplots()
    assert show_image(image, fig=parts[0], ax=inner).axes is inner
    assert show_image(image, fig=parts[0].figure, ax=inner).axes is inner


@pytest.mark.parametrize("image", [np.zeros(5), np.zeros((2, 3, 4)), np.zeros((0, 5)), np.array([["a"]]), None])
def test_what_is_no_image_is_refused(image):
    with pytest.raises(ArgumentError, match="two axes"):
        show_image(image)


@pytest.mark.parametrize("ratio", [0, -2, 1.5])
def test_squares_have_whole_sides(ratio):
    with pytest.raises(UsageError, match="input_ratio"):
        show_image(np.zeros((5, 5)), input_ratio=ratio)


def test_matplotlib_is_imported_when_it_is_needed_and_asked_for_when_it_is_missing(monkeypatch):
    code = "import sys, zeroframe.verbs.display; sys.exit('matplotlib' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ZeroframeError, match=r"pip install 'zeroframe\[report\]'"):
        show_image(np.zeros((5, 5)))


def test_the_style_is_found_by_its_name_and_by_its_path():
    before = mpl.rcParamsDefault["font.size"]
    for style in ("zeroframe.slides", style_path()):
        with plt.style.context(style):
            assert mpl.rcParams["font.size"] > before
            assert mpl.rcParams["figure.figsize"][0] >= 10
