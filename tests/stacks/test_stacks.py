"""Frames in memory and in files, given band by band."""

from __future__ import annotations

import bz2
import gzip
import os
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from zeroframe.errors import (
    DamagedError,
    MemoryLimitError,
    MismatchError,
    NoFramesError,
    OutputError,
    UnsupportedError,
)
from zeroframe.fits import read, read_raw
from zeroframe.stacks.combine import CombineSpec, combine_stack
from zeroframe.stacks.spool import SpooledStack
from zeroframe.stacks.stack import ArrayStack, FileStack, held_bytes, held_open, open_stack
from zeroframe.stacks.tallied import TalliedStack

SHAPE = (17, 9)
COUNT = 3


def pixels_of(dtype):
    rng = np.random.default_rng(0)
    pixels = rng.normal(100, 30, (COUNT, *SHAPE)).astype(dtype)
    if np.dtype(dtype).kind == "f":
        pixels[0, 2, 3] = np.nan
    return pixels


def write_all(folder, pixels, suffix=".fits"):
    paths = []
    for index, frame in enumerate(pixels):
        path = folder / f"f{index}.fits"
        fits.PrimaryHDU(frame).writeto(path)
        if suffix == ".fits.gz":
            path = path.rename(folder / f"f{index}.fits.gz")
            path.write_bytes(gzip.compress(path.read_bytes()))
        elif suffix == ".fits.bz2":
            path = path.rename(folder / f"f{index}.fits.bz2")
            path.write_bytes(bz2.compress(path.read_bytes()))
        elif suffix == ".fits.fz":
            path.unlink()
            path = folder / f"f{index}.fits.fz"
            kind = "GZIP_2" if frame.dtype.kind == "f" else "RICE_1"
            hdu = fits.CompImageHDU(frame, compression_type=kind, quantize_level=0)
            fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)
        paths.append(path)
    return paths


def read_all(stack, rows, dtype):
    nx = stack.shape_yx[1]
    out = np.empty((len(stack.names), rows.stop - rows.start, nx), dtype)
    for index in range(len(stack.names)):
        stack.read_rows(index, rows, out[index])
    return out


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.float32, np.float64])
@pytest.mark.parametrize("suffix", [".fits", ".fits.gz", ".fits.bz2", ".fits.fz"])
def test_rows_of_files(tmp_path, dtype, suffix):
    pixels = pixels_of(dtype)
    stack, frames = open_stack(write_all(tmp_path, pixels, suffix), in_memory_bytes=10**9)
    assert isinstance(stack, FileStack if suffix == ".fits" else ArrayStack)
    assert stack.shape_yx == SHAPE
    assert len(frames) == COUNT
    assert stack.dtype == (np.float64 if dtype is np.float64 else np.float32)
    for out in (np.float32, np.float64):
        for rows in (slice(0, 17), slice(5, 6), slice(16, 17)):
            np.testing.assert_array_equal(read_all(stack, rows, out), pixels[:, rows].astype(out))


@pytest.mark.parametrize(
    ("bitpix", "cards"),
    [
        (np.int16, {"BSCALE": 0.1, "BZERO": 7.0}),
        (np.int16, {"BLANK": 100}),
        (np.int16, {"BZERO": 32768, "BLANK": 100}),
        (np.int16, {"BZERO": 1.5}),
        (np.int32, {"BSCALE": 3.0}),
        (np.int32, {"BZERO": 2.0**31}),
        (np.uint8, {"BZERO": -128}),
        (np.float32, {"BSCALE": 2.0}),
        (np.float64, {"BZERO": 1.0}),
        (np.int64, {"BZERO": 2.0**63}),
    ],
)
def test_rows_are_decoded_as_whole_files_are(tmp_path, bitpix, cards):
    path = tmp_path / "scaled.fits"
    fits.PrimaryHDU(pixels_of(bitpix)[0]).writeto(path)
    with fits.open(path, mode="update", do_not_scale_image_data=True) as file:
        file[0].header.update(cards)
    stack, _ = open_stack([path], in_memory_bytes=0)
    expected = read_raw(path).decode()
    wanted = np.float64 if expected.dtype == np.float64 else np.float32
    assert stack.dtype == wanted
    np.testing.assert_array_equal(read_all(stack, slice(3, 9), wanted)[0], expected[3:9].astype(wanted))


def test_compressed_frames_beyond_the_limit_go_to_temporary_files(tmp_path):
    pixels = pixels_of(np.float32)
    paths = write_all(tmp_path, pixels, ".fits.gz")
    spool = tmp_path / "spool"
    spool.mkdir()
    stack, _ = open_stack(paths, in_memory_bytes=100, spool_folder=spool)
    assert isinstance(stack, SpooledStack)
    assert held_bytes(stack) == 0
    assert not list(spool.iterdir())  # the file has no name, so nothing can be left behind
    np.testing.assert_array_equal(read_all(stack, slice(0, 17), np.float32), pixels)
    np.testing.assert_array_equal(read_all(stack, slice(5, 9), np.float64), pixels[:, 5:9])
    kept, _ = open_stack(paths, in_memory_bytes=pixels.nbytes, spool_folder=spool)
    assert isinstance(kept, ArrayStack)
    assert held_bytes(kept) == pixels.nbytes


def test_masks_go_to_the_temporary_file_too(tmp_path):
    pixels, mask = pixels_of(np.uint16)[1], np.random.default_rng(1).random(SHAPE) < 0.3
    path = tmp_path / "masked.fits.gz"
    parts = [fits.PrimaryHDU(pixels), fits.ImageHDU(mask.astype(np.uint8), name="MASK")]
    fits.HDUList(parts).writeto(path)
    stack, _ = open_stack([path, path], in_memory_bytes=0, spool_folder=tmp_path)
    expected = np.where(mask, np.nan, pixels.astype(np.float32))
    np.testing.assert_array_equal(read_all(stack, slice(2, 11), np.float32), [expected[2:11]] * 2)


def test_a_thousand_temporary_frames_are_one_open_file(tmp_path):
    paths = write_all(tmp_path, pixels_of(np.uint16), ".fits.gz")
    before = len(list(Path("/proc/self/fd").iterdir()))
    stack, _ = open_stack(paths * 300, in_memory_bytes=0, spool_folder=tmp_path)
    assert len(list(Path("/proc/self/fd").iterdir())) == before + 1
    del stack
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_frame_that_cannot_be_unpacked_in_the_memory_there_is_is_not_read(tmp_path):
    path = write_all(tmp_path, pixels_of(np.uint16), ".fits.gz")[0]
    path.write_bytes(path.read_bytes()[:-40])  # reading it would say that it is cut off
    with pytest.raises(MemoryLimitError, match="one frame while it is unpacked"):
        open_stack([path], in_memory_bytes=0, limit_bytes=100)


def test_no_room_for_temporary_files(tmp_path):
    paths = write_all(tmp_path, pixels_of(np.float32), ".fits.gz")
    with pytest.raises(OutputError, match=r"cannot hold the inflated frames .* set TMPDIR"):
        open_stack(paths, in_memory_bytes=0, spool_folder=tmp_path / "missing")


def test_masks_in_files(tmp_path):
    pixels = pixels_of(np.float32)
    mask = np.random.default_rng(1).random(SHAPE) < 0.3
    for name, kind in (("u.fits", np.uint8), ("i.fits", np.int16), ("z.fits.gz", np.uint8)):
        parts = [fits.PrimaryHDU(pixels[1]), fits.ImageHDU(mask.astype(kind), name="MASK")]
        fits.HDUList([*parts, fits.ImageHDU(pixels[1], name="UNCERT")]).writeto(tmp_path / name)
        stack, _ = open_stack([tmp_path / name], in_memory_bytes=10**6)
        np.testing.assert_array_equal(
            read_all(stack, slice(4, 12), np.float32)[0], np.where(mask, np.nan, pixels[1])[4:12]
        )
    fits.HDUList([parts[0], fits.ImageHDU(mask[1:].astype(np.uint8), name="MASK")]).writeto(tmp_path / "bad.fits")
    with pytest.raises(MismatchError, match=r"bad\.fits: its mask is 9 x 16 pixels, but its image is 9 x 17"):
        open_stack([tmp_path / "bad.fits"], in_memory_bytes=0)


def test_hundreds_of_files_need_few_descriptors(tmp_path):
    resource = pytest.importorskip("resource")
    path = write_all(tmp_path, pixels_of(np.float32)[1:2])[0]
    paths = []
    for index in range(150):
        os.link(path, tmp_path / f"link{index}.fits")
        paths.append(tmp_path / f"link{index}.fits")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
    try:
        stack, _ = open_stack(paths, in_memory_bytes=0)
        found = combine_stack(stack, CombineSpec("median"), workers=3, mem_limit_bytes=20_000)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    np.testing.assert_array_equal(found.data, pixels_of(np.float32)[1])
    assert (found.counts == 150).all()


def test_few_files_are_opened_once_for_all_their_bands(tmp_path, monkeypatch):
    pixels = pixels_of(np.float32)
    stack, _ = open_stack(write_all(tmp_path, pixels), in_memory_bytes=0)
    spec = CombineSpec("median")
    expected = combine_stack(stack, spec, workers=1)
    with held_open(stack) as held:
        descriptors = [image.descriptor for image in held.images]
        monkeypatch.setattr(read, "open_source_descriptor", pytest.fail)  # nothing more is opened
        tallied = TalliedStack(held)
        found = combine_stack(tallied, spec, workers=2, mem_limit_bytes=20_000)
        np.testing.assert_array_equal(found.data, expected.data)
        assert tallied.masked == [np.count_nonzero(~np.isfinite(frame)) for frame in pixels]
    for descriptor in descriptors:
        with pytest.raises(OSError, match="descriptor"):
            os.fstat(descriptor)


def test_many_files_are_not_held_open(tmp_path):
    resource = pytest.importorskip("resource")
    paths = write_all(tmp_path, pixels_of(np.float32))
    many, _ = open_stack(paths * 40, in_memory_bytes=0)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with held_open(many) as held:
        assert held is many
    few, _ = open_stack(paths, in_memory_bytes=0)
    resource.setrlimit(resource.RLIMIT_NOFILE, (16, hard))
    try:
        with held_open(few) as held:
            assert held is few
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    in_memory = ArrayStack([np.zeros(SHAPE)], [None], ["a"])
    with held_open(in_memory) as held:
        assert held is in_memory


def test_files_that_do_not_fit(tmp_path):
    (tmp_path / "a").mkdir()
    first = write_all(tmp_path / "a", pixels_of(np.float32))[0]
    other = tmp_path / "other.fits"
    fits.PrimaryHDU(np.ones((9, 17), np.float32)).writeto(other)
    with pytest.raises(MismatchError, match=r"other\.fits: is 17 x 9 pixels, but .*f0\.fits is 9 x 17"):
        open_stack([first, other], in_memory_bytes=0)
    line = tmp_path / "line.fits"
    fits.PrimaryHDU(np.ones(9, np.float32)).writeto(line)
    with pytest.raises(UnsupportedError, match="not two axes"):
        open_stack([line], in_memory_bytes=0)
    with pytest.raises(NoFramesError):
        open_stack([], in_memory_bytes=0)


def test_a_file_that_is_cut_off(tmp_path):
    path = write_all(tmp_path, np.ones((1, 100, 90), np.float32))[0]
    path.write_bytes(path.read_bytes()[:20000])
    stack, _ = open_stack([path], in_memory_bytes=0)
    with pytest.raises(DamagedError, match="cut off"):
        combine_stack(stack, CombineSpec())


@pytest.mark.parametrize(
    ("arrays", "masks", "error"),
    [
        ([], [], NoFramesError),
        ([np.ones((2, 2)), np.ones((2, 3))], [None, None], MismatchError),
        ([np.ones(4)], [None], MismatchError),
        ([np.ones((2, 2))], [np.zeros((2, 3), bool)], MismatchError),
    ],
)
def test_arrays_that_do_not_fit(arrays, masks, error):
    with pytest.raises(error):
        ArrayStack(arrays, masks, tuple(f"frame {n}" for n in range(len(arrays))))
