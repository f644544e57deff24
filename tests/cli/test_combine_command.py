"""`zeroframe combine`: files into one file."""

from __future__ import annotations

import gzip
import zlib

import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import CCDData

from workbench import (
    command,
    floor_of,
    header_of,
    naive_clipped_mean,
    names_in,
    pixels_of,
    raw_pixels,
    small_folder,
    write_raw,
)
from zeroframe.fits import ImagePart, write_fits


@pytest.fixture
def frames(tmp_path):
    return small_folder(tmp_path / "frames", 6, BUNIT="adu")


@pytest.fixture
def stack(frames):
    return np.stack([fits.getdata(path) for path in frames]).astype(np.float64)


@pytest.fixture
def target(tmp_path):
    return tmp_path / "combined.fits"


class TestResult:
    @pytest.mark.parametrize("spread", ["noise", "mad"])
    def test_as_in_the_readme(self, frames, stack, target, spread):
        options = () if spread == "noise" else ("--clip-spread", spread)
        run = command("combine", *frames, "-o", target, "--method", "average", "--clip", "5", *options)
        assert (run.code, run.err) == (0, "")
        assert "All is well." in run.out
        floor = floor_of(target) if spread == "noise" else 0.0
        assert floor == (pytest.approx(4.0, rel=0.15) if spread == "noise" else 0.0)
        expected, _, counts = naive_clipped_mean(stack, floor=floor)
        np.testing.assert_allclose(pixels_of(target), expected, rtol=1e-6)
        np.testing.assert_array_equal(pixels_of(target, "COUNTS"), counts)
        # the error of a pixel, from all of them: tests/stacks/test_pooled.py holds it against truth
        stated = np.square(pixels_of(target, "UNCERT") * np.sqrt(counts)).mean()
        assert stated == pytest.approx(4.0**2 + 1 / 12, rel=0.12)
        header = header_of(target)
        assert (header["COMBINED"], header["NCOMBINE"], header["BUNIT"]) == (True, 6, "adu")
        assert [header[f"IMCMB{number:03d}"] for number in range(1, 7)] == [path.name for path in frames]
        assert header["COMBREJ"].startswith("clip -5 +5 mad_std about median")
        assert (" floor " in header["COMBREJ"]) == (spread == "noise")

    def test_sums_are_taken_while_calibrated_frames_are_read(self, stack, target, tmp_path):
        floats = []
        for number, pixels in enumerate(stack):
            pixels[number, number] = np.nan
            floats.append(tmp_path / f"f{number}.fits")
            write_fits(floats[-1], [ImagePart(pixels.astype(np.float32), fits.Header({"BUNIT": "adu"}))])
        run = command("combine", *floats, "-o", target, "--clip", "0")
        assert (run.code, run.err) == (0, "")
        np.testing.assert_allclose(pixels_of(target), np.nanmean(stack, axis=0), rtol=1e-6)
        said = [line for line in header_of(target)["HISTORY"] if line.startswith("IMCMB")]
        assert said == [f"IMCMB{n:03d} crc32 {zlib.crc32(p.read_bytes()):08x}" for n, p in enumerate(floats, start=1)]
        content = bytearray(floats[2].read_bytes())
        content[2880 + 400] ^= 0x10
        floats[2].write_bytes(content)
        run = command("combine", *floats, "-o", target, "--clip", "0", "--overwrite")
        assert run.code == 1
        assert "f2.fits: its data are not those it was written with (DATASUM is " in run.out + run.err
        others = np.delete(stack, 2, axis=0)
        np.testing.assert_allclose(pixels_of(target), np.nanmean(others, axis=0), rtol=1e-6)
        run = command("combine", *floats, "-o", target, "--clip", "0", "--overwrite", "--ignore-checksums")
        assert run.code == 0
        assert pixels_of(target, "COUNTS").max() == 6
        content[50:54] = b"edit"
        content[2880 + 400] ^= 0x10
        floats[2].write_bytes(content)
        run = command("combine", *floats, "-o", target, "--clip", "0", "--overwrite")
        assert (run.code, "f2.fits: its header was changed" in run.err) == (0, True)

    @pytest.mark.parametrize(("method", "compute"), [("average", np.mean), ("median", np.median), ("sum", np.sum)])
    def test_without_clipping(self, frames, stack, target, method, compute):
        assert command("combine", *frames, "-o", target, "--method", method, "--clip", "0").code == 0
        np.testing.assert_allclose(pixels_of(target), compute(stack, axis=0), rtol=1e-6)
        assert (pixels_of(target, "COUNTS") == 6).all()

    @pytest.mark.parametrize(("method", "root"), [("average", "/ √6"), ("median", "/ √6"), ("sum", "× √6")])
    def test_the_noise_that_is_expected_is_said_as_it_is_worked_out(self, frames, target, method, root):
        run = command("combine", *frames, "-o", target, "--method", method)
        assert f"expected: one frame's {root}" in run.out

    @pytest.mark.parametrize("suffix", [".fits.gz", ".fits.fz"])
    def test_name_says_how_it_is_compressed(self, frames, target, suffix):
        packed = target.with_name("packed" + suffix)
        assert command("combine", *frames, "-o", target).code == 0
        assert command("combine", *frames, "-o", packed).code == 0
        assert (packed.read_bytes()[:2] == b"\x1f\x8b") == suffix.endswith("gz")
        np.testing.assert_array_equal(pixels_of(packed), pixels_of(target))

    def test_compressed_input(self, frames, target, tmp_path):
        packed = []
        for path in frames:
            packed.append(path.with_suffix(".fits.gz"))
            packed[-1].write_bytes(gzip.compress(path.read_bytes()))
        assert command("combine", *frames, "-o", target).code == 0
        assert command("combine", *packed, "-o", tmp_path / "again.fits").code == 0
        np.testing.assert_array_equal(pixels_of(tmp_path / "again.fits"), pixels_of(target))

    @pytest.mark.long
    @pytest.mark.parametrize("compressed", [False, True])
    def test_bands_give_the_same_bytes(self, tmp_path, target, compressed):
        paths = []
        for number in range(1, 9):
            path = write_raw(tmp_path / "big" / f"b{number}.fits", raw_pixels(number, (300, 400)))
            if compressed:
                path = path.with_suffix(".fits.gz")
                path.write_bytes(gzip.compress(path.with_suffix("").read_bytes()))
            paths.append(path)
        assert command("combine", *paths, "-o", target).code == 0
        again = tmp_path / "again.fits"
        run = command("combine", *paths, "-o", again, "--mem-limit", "1.3M", "--workers", 1)
        assert run.code == 0, run.out
        assert again.read_bytes() == target.read_bytes()
        assert names_in(tmp_path) == ["again.fits", "big", "combined.fits"]

    def test_result_combined_again(self, frames, target, tmp_path):
        """Combined frames, with their uncertainty and counts beside them, may be combined among themselves."""
        for name in ("one.fits", "two.fits"):
            assert command("combine", *frames, "-o", tmp_path / name).code == 0
        run = command("combine", tmp_path / "one.fits", tmp_path / "two.fits", "-o", target, "--clip", 0)
        assert "ZF402" in run.out, run.out + run.err  # it is one frame under two names
        assert run.code == 1
        np.testing.assert_array_equal(pixels_of(target), pixels_of(tmp_path / "one.fits"))
        assert header_of(target)["NCOMBINE"] == 2

    def test_single_frame(self, frames, target):
        run = command("combine", frames[0], "-o", target)
        assert run.code == 0
        assert "needs two frames" in run.out
        np.testing.assert_array_equal(pixels_of(target), fits.getdata(frames[0]))

    def test_frame_named_twice_counts_once(self, frames, target):
        assert command("combine", *frames, frames[0], "-o", target).code == 0
        assert header_of(target)["NCOMBINE"] == 6


class TestLeftOut:
    def without(self, run, target, path, *words, frames=6):
        assert run.code == 1, run.out + run.err
        (said,) = [line for line in run.out.splitlines() if line.startswith("left out: ")]
        for word in (path, *words):
            assert str(word) in said
        assert header_of(target)["NCOMBINE"] == frames
        return True

    def test_missing(self, frames, target, tmp_path):
        gone = tmp_path / "gone.fits"
        assert self.without(command("combine", *frames, gone, "-o", target), target, gone)

    def test_text(self, frames, target, tmp_path):
        (tmp_path / "notes.fits").write_text("clouds")
        run = command("combine", *frames, tmp_path / "notes.fits", "-o", target)
        assert self.without(run, target, tmp_path / "notes.fits", "not FITS")

    @pytest.mark.parametrize("packed", [False, True])
    def test_pixels_that_cannot_be_read(self, frames, target, packed):
        """Its header is good, so this comes out when the work has begun already."""
        bad = frames[2]
        content = bad.read_bytes()[:3000]
        if packed:
            whole = gzip.compress(bad.read_bytes())
            content = whole[: len(whole) - 200]
        bad.write_bytes(content)
        run = command("combine", *frames, "-o", target)
        assert self.without(run, target, bad, "cut off", frames=5)
        stack = np.stack([fits.getdata(p) for p in frames if p != bad])
        expected, _, counts = naive_clipped_mean(stack, floor=floor_of(target), floor_alone=True)
        np.testing.assert_array_equal(pixels_of(target, "COUNTS"), counts)
        np.testing.assert_allclose(pixels_of(target), expected, rtol=1e-6)

    def test_another_size(self, frames, target, tmp_path):
        odd = write_raw(tmp_path / "odd.fits", raw_pixels(1, (12, 21)), BUNIT="adu")
        assert self.without(command("combine", *frames, odd, "-o", target), target, odd, "21 x 12", "20 x 12")

    def test_another_unit(self, frames, target, tmp_path):
        odd = write_raw(tmp_path / "odd.fits", raw_pixels(1), BUNIT="electron")
        assert self.without(command("combine", *frames, odd, "-o", target), target, odd, "in electron", "in adu")

    def test_combined_ones_are_left_out_of_a_whole_folder(self, frames, target):
        folder = frames[0].parent
        assert command("combine", *frames, "-o", folder / "combined_bias.fits").code == 0
        run = command("combine", *sorted(folder.iterdir()), "-o", target)
        assert run.code == 0
        assert run.err.startswith(f"note: {folder / 'combined_bias.fits'}: combined already")
        assert header_of(target)["NCOMBINE"] == 6


class TestRefused:
    def refused(self, run, *words):
        assert run.code == 2, run.out
        assert run.out == ""
        for word in words:
            assert str(word) in run.err
        return True

    def test_nothing_usable(self, target, tmp_path):
        run = command("combine", tmp_path / "a.fits", tmp_path / "b.fits", "-o", target)
        assert self.refused(run, tmp_path / "a.fits", tmp_path / "b.fits")
        assert not target.exists()

    def test_target_is_there(self, frames, target):
        target.write_text("mine")
        for more in ((), ("--overwrite",)):
            run = command("combine", *frames, "-o", target, *more)
            assert self.refused(run, target, "is there already, and is not replaced", "not made by zeroframe combine")
            assert target.read_text() == "mine"
        target.unlink()
        assert command("combine", *frames, "-o", target).code == 0
        assert self.refused(command("combine", *frames, "-o", target), target, "is there already", "--overwrite")
        assert command("combine", *frames[1:], "-o", target, "--overwrite").code == 0
        assert header_of(target)["NCOMBINE"] == len(frames) - 1

    @pytest.mark.parametrize("linked", [False, True])
    def test_target_is_one_of_the_frames(self, frames, tmp_path, linked):
        before = frames[0].read_bytes()
        target = frames[0]
        if linked:
            target = tmp_path / "link.fits"
            target.symlink_to(frames[0])
        run = command("combine", *frames, "-o", target, "--overwrite")
        assert self.refused(run, target, "one of the frames")
        assert frames[0].read_bytes() == before

    def test_folder_is_missing(self, frames, tmp_path):
        run = command("combine", *frames, "-o", tmp_path / "nowhere" / "c.fits")
        assert self.refused(run, "nowhere", "make it")

    def test_memory_limit(self, frames, target):
        run = command("combine", *frames, "-o", target, "--mem-limit", "2000")
        assert run.code == 2
        assert "not combined: the memory limit" in run.out
        assert "raise it to" in run.out
        assert not target.exists()

    def test_no_frames(self, target):
        assert command("combine", "-o", target).code == 2


def test_two_frames_of_two_kinds_are_told(tmp_path):
    """Neither is the odd one by its pixels; what their headers say is enough."""
    for name, level, kind in (("b0", 1000, "Bias Frame"), ("s0", 1400, "Light Frame")):
        pixels = np.random.default_rng(level).normal(level, 5 if level == 1000 else 17, (60, 60))
        fits.writeto(tmp_path / f"{name}.fits", pixels.round().astype(np.uint16), fits.Header({"IMAGETYP": kind}))
    run = command("combine", tmp_path / "b0.fits", tmp_path / "s0.fits", "-o", tmp_path / "c.fits")
    said = " ".join((run.out + run.err).split())
    assert "it is a science by IMAGETYP = 'Light Frame', the other is bias" in said
    assert "ZF202" in said
    assert "All is well" not in said


@pytest.mark.parametrize("how", ["copy", "gzip"])
def test_the_same_pixels_under_two_names_are_told(frames, tmp_path, target, how):
    """No two exposures have one noise: a copy makes that of the result look smaller than it is."""
    other = tmp_path / "other.fits"
    data = frames[1].read_bytes()
    other.write_bytes(data if how == "copy" else gzip.compress(data))
    run = command("combine", *frames, other, "-o", target)
    assert run.code == 1
    assert f"other.fits: it has the pixels of {frames[1].name}, which so count twice" in run.out + run.err
    run = command("combine", *frames, other, "-o", target, "--overwrite", "--reject-outliers")
    assert run.code == 0
    assert header_of(target)["NCOMBINE"] == len(frames)


@pytest.mark.parametrize(
    ("word", "unit"), [("counts", "adu"), ("ADU", "adu"), ("DU/PIXEL", "adu"), ("e-", "electron"), ("mJy", "mJy")]
)
def test_the_unit_is_one_that_astropy_reads(tmp_path, target, word, unit):
    run = command("combine", *small_folder(tmp_path / "frames", 4, BUNIT=word), "-o", target)
    assert run.code == 0, run.err
    assert CCDData.read(target).unit == unit
    assert header_of(target, "UNCERT")["BUNIT"] == unit


def test_photons_of_frames_in_electrons_are_counted_by_one(tmp_path, target):
    """Whatever gain a header keeps of the camera; the sky is 900 electrons, the read noise 5."""
    random = np.random.default_rng(4)

    def sky():
        return random.poisson(900.0, (96, 128)) + random.normal(0, 5.0, (96, 128))

    cards = {"BUNIT": "electron", "GAIN": 3.0, "IMAGETYP": "light", "EXPTIME": 60.0}
    paths = [
        write_raw(
            tmp_path / f"s{number}.fits", random.poisson(900.0, (96, 128)) + random.normal(0, 5.0, (96, 128)), **cards
        )
        for number in range(6)
    ]
    run = command("combine", *paths, "-o", target)
    assert run.code == 0, run.err
    assert "gain of 3" not in run.out
    assert np.median(pixels_of(target, "UNCERT")) == pytest.approx(np.sqrt(925.0 / 6), rel=0.03)


def test_values_beyond_float32_keep_their_errors(frames, tmp_path, target):
    """Of the same frames times 1e40 the errors are 1e40 times as large; they were infinite."""
    plain = tmp_path / "plain.fits"
    assert command("combine", *frames, "-o", plain).code == 0
    for path in frames:
        header = fits.getheader(path)
        pixels = fits.getdata(path).astype(np.float64) * 1e40
        for word in ("BZERO", "BSCALE"):
            header.remove(word, ignore_missing=True)
        fits.writeto(path, pixels, header, overwrite=True)
    run = command("combine", *frames, "-o", target)
    assert (run.code, run.err) == (0, "")
    np.testing.assert_allclose(
        pixels_of(target, "UNCERT"), pixels_of(plain, "UNCERT").astype(np.float64) * 1e40, rtol=1e-3
    )


@pytest.mark.parametrize("cut", [np.s_[:1], np.s_[:, :1]], ids=["one row", "one column"])
def test_of_one_row_the_noise_is_not_held_against_that_of_nothing(frames, target, cut):
    for path in frames:
        pixels, header = fits.getdata(path, header=True)
        fits.writeto(path, pixels[cut], header, overwrite=True)
    run = command("combine", *frames, "-o", target)
    assert run.code == 0
    assert "ZF409" not in run.out
    assert "times the" not in run.out
