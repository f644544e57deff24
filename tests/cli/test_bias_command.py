"""The main job as a person runs it: raw biases into calibrated ones and a combined one."""

from __future__ import annotations

import bz2
import gzip
import shutil
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import CCDData

import zeroframe
from workbench import (
    all_float32,
    bytes_in,
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
from zeroframe.headers.cameras import camera_to_toml, load_camera
from zeroframe.simulate import simulate_biases

LFC_NAMES = [f"ccd.{number:03d}.0.fits" for number in range(1, 7)]


@pytest.fixture(scope="module")
def lfc_raw(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lfc") / "raw"
    simulate_biases("palomar-lfc", folder, frames=6, gzip=True, seed=1)
    yield folder
    shutil.rmtree(folder.parent)  # 350 MB, which pytest would keep for three runs


@pytest.fixture(scope="module")
def lfc_pixels(lfc_raw):
    return {path.name: fits.getdata(path) for path in sorted(lfc_raw.iterdir())}


@pytest.fixture(scope="module")
def lfc_two(lfc_raw):
    """Two of the frames, for runs whose pixels only have to be compared."""
    folder = lfc_raw.parent / "two"
    folder.mkdir()
    for path in sorted(lfc_raw.iterdir())[:2]:
        (folder / path.name).symlink_to(path)
    return folder


@pytest.fixture(scope="module")
def lfc_run(lfc_raw):
    """Run the first example of the README."""
    return lfc_raw.parent / "out", command("bias", lfc_raw, "-o", lfc_raw.parent / "out")


@pytest.fixture(scope="module")
def lfc_out(lfc_run):
    return lfc_run[0]


def naive_lfc(raw):
    """Example 1 of the notebook, in numpy."""
    level = np.median(raw[:, 2055:].astype(np.float64), axis=1)
    return (raw[:, :2048] - level[:, None]).astype(np.float32)


@pytest.mark.long
class TestLfcNight:
    @pytest.mark.long
    def test_six_gzipped_frames(self, lfc_run):
        out, run = lfc_run
        assert (run.code, run.err) == (0, "")
        assert names_in(out) == [*LFC_NAMES, "combined_bias.fits"]
        assert all_float32((out / name for name in LFC_NAMES), (4128, 2048))
        for words in (
            "6 bias frames found",
            "IMAGETYP = 'BIAS'",
            "camera: Palomar 200-inch Large Format Camera, chip 0 — recognised by INSTRUME = 'LFC'",
            "overscan: [2056:2080,1:4128] median",
            "light leaks",
            "2048 x 4128",
            "float32",
            "expected: one frame's / √6",
            "All is well.",
        ):
            assert words in run.out
        assert max(map(len, run.out.splitlines()[:10])) <= 80

    def test_frames_are_those_of_numpy(self, lfc_out, lfc_pixels):
        for name, raw in lfc_pixels.items():
            np.testing.assert_array_equal(pixels_of(lfc_out / name.removesuffix(".gz")), naive_lfc(raw))

    def test_combined_is_that_of_numpy(self, lfc_out):
        rows = slice(1000, 1400)
        stack = np.stack([pixels_of(lfc_out / name)[rows] for name in LFC_NAMES])
        combined = lfc_out / "combined_bias.fits"
        assert floor_of(combined) == pytest.approx(np.sqrt(4.0**2 + 1 / 12) * np.sqrt(1 + np.pi / 2 / 25), rel=0.01)
        expected, deviation, counts = naive_clipped_mean(stack, floor=floor_of(combined))
        same = pixels_of(combined, "COUNTS")[rows] == counts
        # a value that lies at the limit to the last digit may fall on either side
        assert same.mean() > 0.9999
        np.testing.assert_allclose(pixels_of(combined)[rows][same], expected[same], rtol=1e-5, atol=1e-5)
        stated = np.square(pixels_of(combined, "UNCERT")[rows] * np.sqrt(counts))[same].mean()
        # how the levels of frames and the noisiest pixels differ is in the one and not in the other
        assert stated == pytest.approx(np.mean((deviation**2 * counts / (counts - 1))[same]), rel=0.02)

    def test_header_of_a_frame(self, lfc_out):
        header = header_of(lfc_out / LFC_NAMES[0])
        assert header["OVERSCAN"] == "[2056:2080,1:4128] median"
        assert header["TRIM"] == "[1:2048,1:4128]"
        assert header["BUNIT"] == "adu"
        assert "BIASSEC" not in header  # nothing of it is left
        assert "BZERO" not in header
        assert header["DATASEC"] == header.get("TRIMSEC", header["DATASEC"]) == "[1:2048,1:4128]"

    def test_combined_file(self, lfc_out):
        with fits.open(lfc_out / "combined_bias.fits", checksum=True) as hdus:
            header = hdus[0].header
            assert header["COMBINED"] is True
            assert header["NCOMBINE"] == 6
            assert [header[f"IMCMB{number:03d}"] for number in range(1, 7)] == LFC_NAMES
            assert [hdu.name for hdu in hdus] == ["PRIMARY", "UNCERT", "COUNTS"]
            assert [hdu.data.shape for hdu in hdus] == [(4128, 2048)] * 3
            assert hdus["UNCERT"].data.dtype == np.dtype(">f4")
            assert 1 <= hdus["COUNTS"].data.min() <= hdus["COUNTS"].data.max() == 6

    def test_ccddata_reads_the_combined_file(self, lfc_out):
        ccd = CCDData.read(lfc_out / "combined_bias.fits")
        assert ccd.unit == "adu"
        assert ccd.uncertainty.uncertainty_type == "std"

    @pytest.mark.long
    def test_verbs_give_the_same_bits(self, lfc_out, lfc_raw, tmp_path):
        raw = zeroframe.read_ccd(lfc_raw / "ccd.001.0.fits.gz", unit="adu")
        ccd = zeroframe.subtract_overscan(raw, overscan=raw[:, 2055:], median=True)
        ccd = zeroframe.trim_image(ccd[:, :2048])
        np.testing.assert_array_equal(ccd.data, pixels_of(lfc_out / LFC_NAMES[0]))
        combined = zeroframe.combine(
            [lfc_out / name for name in LFC_NAMES],
            method="average",
            sigma_clip=True,
            sigma_clip_low_thresh=5,
            sigma_clip_high_thresh=5,
            sigma_clip_func=np.ma.median,
            sigma_clip_dev_func="mad_std",
            combine_uncertainty_function="pooled",
        )
        written = tmp_path / "as_in_the_notebook.fits"
        files = [lfc_out / name for name in LFC_NAMES]
        assert command("combine", *files, "-o", written, "--clip-spread", "mad").code == 0
        np.testing.assert_array_equal(combined.data, pixels_of(written))
        np.testing.assert_array_equal(combined.uncertainty.array, pixels_of(written, "UNCERT"))
        np.testing.assert_array_equal(combined.flags, pixels_of(written, "COUNTS"))

    @pytest.mark.parametrize("how", ["named", "spelled out", "own profile"])
    def test_other_ways_to_say_the_same(self, lfc_two, lfc_out, tmp_path, how):
        if how == "named":
            arguments = ["--camera", "palomar-lfc"]
        elif how == "spelled out":
            arguments = ["--overscan", "[2056:2080,:]", "--overscan-method", "median", "--trim", "[1:2048,:]"]
        else:
            profile = tmp_path / "my.toml"
            profile.write_text(camera_to_toml(load_camera("palomar-lfc")))
            arguments = ["--camera", profile]
        run = command("bias", lfc_two, "-o", tmp_path / "out", "--no-combine", *arguments)
        assert run.code == 0
        assert "as asked for" in run.out
        assert names_in(tmp_path / "out") == LFC_NAMES[:2]
        for name in LFC_NAMES[:2]:
            np.testing.assert_array_equal(pixels_of(tmp_path / "out" / name), pixels_of(lfc_out / name))

    def test_without_combining_the_noise_is_measured_too(self, lfc_two, tmp_path):
        run = command("bias", lfc_two, "-o", tmp_path / "out", "--no-combine")
        row = next(line for line in run.out.splitlines() if "read noise of one frame" in line)
        assert float(row.split("│")[2]) == pytest.approx(np.hypot(4.0, 1 / np.sqrt(12)), rel=0.02)
        assert "read noise of the combined" not in run.out


@pytest.mark.long
def test_cg16m_is_only_trimmed(tmp_path):
    raw = tmp_path / "raw"
    paths = simulate_biases("apogee-cg16m", raw, frames=2, seed=3)
    run = command("bias", raw, "-o", tmp_path / "asked", "--trim", "[1:4096,:]")
    assert run.code == 0
    assert "overscan: not subtracted — none asked for" in run.out
    for path in paths:
        written = tmp_path / "asked" / path.with_suffix(".fits").name
        np.testing.assert_array_equal(pixels_of(written), fits.getdata(path)[:, :4096])
        assert header_of(written)["BUNIT"] == header_of(path)["BUNIT"]
        assert "OVERSCAN" not in header_of(written)
    assert all_float32([tmp_path / "asked" / "combined_bias.fits"], (4096, 4096))
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / paths[0].name).symlink_to(paths[0])
    recognised = command("bias", tmp_path / "one", "-o", tmp_path / "recognised", "--no-combine")
    assert recognised.code == 0
    assert "CG16M" in recognised.out
    assert "overscan: not subtracted — light leaks" in recognised.out
    first = paths[0].with_suffix(".fits").name
    assert (tmp_path / "recognised" / first).read_bytes() == (tmp_path / "asked" / first).read_bytes()


def test_binned_frames_of_a_known_camera(tmp_path):
    cards = {"INSTRUME": "LFC", "DETECTOR": "SITe SI002 x 6", "CHIPID": 0, "CCDSUM": "16 16"}
    path = write_raw(tmp_path / "raw" / "b.fits", raw_pixels(1, (258, 130)), **cards)
    run = command("bias", path.parent, "-o", tmp_path / "out", "--no-combine")
    assert run.code == 0, run.err
    assert "overscan: [130:130,1:258]" in run.out
    assert pixels_of(tmp_path / "out" / "b.fits").shape == (258, 128)


class TestReport:
    def test_page_is_written_and_kept_where_nothing_changed(self, tmp_path):
        small_folder(tmp_path / "raw", 3)
        run = command("bias", tmp_path / "raw", "-o", tmp_path / "out")
        page = tmp_path / "out" / "report.html"
        assert run.code == 0
        assert f"report: {page}" in run.out
        written = page.stat()
        assert "combined_bias.fits" in page.read_text(encoding="utf-8")
        assert command("bias", tmp_path / "raw", "-o", tmp_path / "out").code == 0
        assert page.stat() == written

    def test_page_can_be_left_out(self, tmp_path):
        small_folder(tmp_path / "raw", 3)
        assert command("bias", tmp_path / "raw", "-o", tmp_path / "out", "--no-report").code == 0
        assert not (tmp_path / "out" / "report.html").exists()

    def test_a_page_of_somebody_else_is_not_replaced(self, tmp_path):
        small_folder(tmp_path / "raw", 3)
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "report.html").write_text("mine")
        run = command("bias", tmp_path / "raw", "-o", tmp_path / "out")
        assert run.code == 1
        assert "no report: " in run.err
        assert (tmp_path / "out" / "report.html").read_text() == "mine"


class TestUnknownCamera:
    def test_sections_of_the_header_are_shown_and_not_believed(self, tmp_path):
        paths = small_folder(tmp_path / "raw", BIASSEC="[17:20,1:12]", TRIMSEC="[1:16,1:12]")
        run = command("bias", tmp_path / "raw", "-o", tmp_path / "out")
        assert run.code == 0
        said = next(line for line in run.out.splitlines() if line.startswith("overscan"))
        for words in (
            "(please check)",
            "not subtracted",
            "cannot be checked",
            "BIASSEC [17:20,1:12]",
            "TRIMSEC [1:16,1:12]",
            "the strip stays in the results as if it were image",
            "a level that moves from frame to frame is not taken out",
            "give --overscan and --trim",
        ):
            assert words in said
        for path in paths:
            written = tmp_path / "out" / path.name
            np.testing.assert_array_equal(pixels_of(written), fits.getdata(path))
            assert header_of(written)["BIASSEC"] == "[17:20,1:12]"
            assert "TRIM" not in header_of(written)

    def test_header_without_sections(self, tmp_path):
        small_folder(tmp_path / "raw")
        run = command("bias", tmp_path / "raw", "-o", tmp_path / "out")
        assert run.code == 0
        assert "camera: not known — looked at the pixels of 3 bias instead" in run.out
        assert "overscan (please check): not subtracted — cannot be checked: without a frame that sees light" in run.out
        assert "the strip stays" not in run.out


class TestWhatIsInTheFolder:
    def test_other_frames_are_left_alone_and_counted(self, tmp_path):
        raw = tmp_path / "raw"
        small_folder(raw, 2)
        write_raw(raw / "f1.fits", raw_pixels(9), IMAGETYP="flat")
        write_raw(raw / "x.fits", raw_pixels(9), IMAGETYP="whatever")
        write_raw(raw / "b0_combined.fits", raw_pixels(9), COMBINED=True, NCOMBINE=3)
        (raw / "notes.txt").write_text("clouds")
        (raw / "._b1.fits").write_bytes(b"\0\5\x16\7")
        (raw / "more").mkdir()
        run = command("bias", raw, "-o", tmp_path / "out")
        assert run.code == 0, run.out
        assert names_in(tmp_path / "out") == ["b1.fits", "b2.fits", "combined_bias.fits"]
        assert "1 flat" in run.out
        assert "left out: b0_combined.fits — combined already" in run.out

    def test_kind_from_the_name_only_is_uncertain(self, tmp_path):
        fits.PrimaryHDU(raw_pixels(1)).writeto(tmp_path / "z001.fits")
        run = command("bias", tmp_path, "-o", tmp_path.parent / "out_of_names")
        assert run.code == 0
        assert "kind (please check): 1 of 1 frames taken as bias" in run.out
        assert "combine (please check): bias — one frame only" in run.out

    def test_long_exposure_is_doubted(self, tmp_path):
        write_raw(tmp_path / "raw" / "b.fits", raw_pixels(1), EXPTIME=300.0)
        run = command("bias", tmp_path / "raw", "-o", tmp_path / "out")
        assert "exposure (please check): b.fits (300 s)" in run.out

    def test_table_of_many_frames_is_cut(self, tmp_path):
        for number in range(45):
            write_raw(tmp_path / "raw" / f"b{number:02d}.fits", raw_pixels(number))
        run = command("bias", tmp_path / "raw", "-o", tmp_path / "out")
        assert "… and 5 more" in run.out
        assert "b39.fits" in run.out
        assert "b40.fits" not in run.out


class TestEncodings:
    @pytest.fixture
    def plain(self, tmp_path):
        small_folder(tmp_path / "plain", 3, BIASSEC="[17:20,1:12]")
        run = command("bias", tmp_path / "plain", "-o", tmp_path / "out", "--overscan", "[17:20,:]")
        assert run.code == 0
        return tmp_path

    def packed(self, path: Path, form: str) -> None:
        content = path.read_bytes()
        target = path.parent.parent / form / path.name
        target.parent.mkdir(exist_ok=True)
        if form == "gzip":
            target.with_suffix(".fits.gz").write_bytes(gzip.compress(content))
        elif form == "bzip2":
            target.with_suffix(".fits.bz2").write_bytes(bz2.compress(content))
        elif form == "gzip named fits":
            target.write_bytes(gzip.compress(content))
        elif form == "rice by astropy":
            with fits.open(path) as hdus:
                table = fits.CompImageHDU(hdus[0].data, hdus[0].header, compression_type="RICE_1")
                table.writeto(target.with_suffix(".fits.fz"))
        else:
            with fits.open(path) as hdus:
                part = ImagePart(hdus[0].data, hdus[0].header)
                write_fits(target.with_suffix(".fits.fz"), [part], compress="rice")

    @pytest.mark.parametrize("form", ["gzip", "bzip2", "gzip named fits", "rice by astropy", "rice"])
    def test_input_gives_the_pixels_of_plain_files(self, plain, form):
        for path in sorted((plain / "plain").iterdir()):
            self.packed(path, form)
        run = command("bias", plain / form, "-o", plain / "again", "--overscan", "[17:20,:]")
        assert run.code == 0, run.out + run.err
        assert names_in(plain / "again") == names_in(plain / "out")
        for name in names_in(plain / "out"):
            np.testing.assert_array_equal(pixels_of(plain / "again" / name), pixels_of(plain / "out" / name))

    @pytest.mark.parametrize(("compress", "suffix"), [("gzip", ".fits.gz"), ("rice", ".fits.fz")])
    def test_output_reads_back_equal(self, plain, compress, suffix):
        run = command("bias", plain / "plain", "-o", plain / "small", "--overscan", "[17:20,:]", "--compress", compress)
        assert run.code == 0, run.out + run.err
        assert names_in(plain / "small") == [f"{stem}{suffix}" for stem in ("b1", "b2", "b3", "combined_bias")]
        for name in names_in(plain / "out"):
            written = plain / "small" / (name.removesuffix(".fits") + suffix)
            np.testing.assert_array_equal(zeroframe.read_ccd(written).data, pixels_of(plain / "out" / name))
            np.testing.assert_array_equal(pixels_of(written), pixels_of(plain / "out" / name))


#: The level that is plainest to work out by hand.
MEDIANS = ("--overscan", "[17:20,:]", "--overscan-method", "median")


class TestPixels:
    @pytest.mark.parametrize(
        ("dtype", "bitpix"),
        [("u1", -32), ("i2", -32), ("u2", -32), ("i4", -32), ("u4", -32), ("f4", -32), ("f8", -64)],
    )
    def test_output_type(self, tmp_path, dtype, bitpix):
        pixels = (raw_pixels(1, level=100) % 200).astype(dtype)
        write_raw(tmp_path / "raw" / "b.fits", pixels)
        run = command("bias", tmp_path / "raw", "-o", tmp_path / "out", *MEDIANS, "--trim", "[1:16,:]")
        assert run.code == 0, run.out + run.err
        expected = pixels[:, :16].astype(np.float64) - np.median(pixels[:, 16:], axis=1)[:, None]
        written = tmp_path / "out" / "b.fits"
        assert header_of(written)["BITPIX"] == bitpix
        np.testing.assert_array_equal(pixels_of(written), expected)

    def test_not_finite_pixels_stay_so_and_are_masked_in_the_combined_frame(self, tmp_path):
        for number in (1, 2, 3):
            pixels = raw_pixels(number).astype(np.float32)
            pixels[3, 4] = np.nan
            if number == 1:
                pixels[5, 6] = np.nan
            write_raw(tmp_path / "raw" / f"b{number}.fits", pixels)
        run = command("bias", tmp_path / "raw", "-o", tmp_path / "out")
        assert run.code == 0, run.out + run.err
        combined = tmp_path / "out" / "combined_bias.fits"
        assert np.isnan(pixels_of(tmp_path / "out" / "b1.fits")[5, 6])
        assert np.argwhere(pixels_of(combined, "MASK")).tolist() == [[3, 4]]
        assert pixels_of(combined, "COUNTS")[[3, 5], [4, 6]].tolist() == [0, 2]

    def test_trim_may_flip(self, tmp_path):
        (path, *_) = small_folder(tmp_path / "raw")
        run = command("bias", tmp_path / "raw", "-o", tmp_path / "out", "--trim", "[16:3,12:2]", *MEDIANS)
        assert run.code == 0, run.out + run.err
        raw = fits.getdata(path).astype(np.float64)
        expected = (raw - np.median(raw[:, 16:], axis=1)[:, None])[11:0:-1, 15:1:-1]
        np.testing.assert_array_equal(pixels_of(tmp_path / "out" / path.name), expected)

    def test_overscan_at_the_top_gives_a_level_for_each_column(self, tmp_path):
        (path, *_) = small_folder(tmp_path / "raw")
        sections = ("--overscan", "[:,10:12]", "--overscan-method", "median", "--trim", "[:,1:9]")
        run = command("bias", tmp_path / "raw", "-o", tmp_path / "out", *sections)
        assert run.code == 0, run.out + run.err
        raw = fits.getdata(path).astype(np.float64)
        np.testing.assert_array_equal(pixels_of(tmp_path / "out" / path.name), raw[:9] - np.median(raw[9:], axis=0))

    def test_how_the_level_is_taken(self, tmp_path):
        (path, *_) = small_folder(tmp_path / "raw")
        raw = fits.getdata(path).astype(np.float64)
        means = raw[:, 16:].mean(axis=1)
        line = np.polynomial.polynomial.polyval(
            np.arange(12), np.polynomial.polynomial.polyfit(np.arange(12), means, 1)
        )
        for number, (options, level, words) in enumerate(
            [
                (("--overscan-method", "mean"), means, "mean"),
                (("--overscan-method", "mean", "--overscan-fit", "chebyshev"), line, "mean chebyshev 1"),
                (
                    ("--overscan-method", "mean", "--overscan-fit", "legendre", "--overscan-order", "1"),
                    line,
                    "legendre 1",
                ),
            ]
        ):
            out = tmp_path / str(number)
            run = command("bias", tmp_path / "raw", "-o", out, "--overscan", "[17:20,:]", *options)
            assert run.code == 0, run.out + run.err
            np.testing.assert_allclose(pixels_of(out / path.name), raw - level[:, None], atol=1e-4)
            assert words in header_of(out / path.name)["OVERSCAN"]

    def test_how_the_level_is_taken_goes_for_a_camera_too(self, tmp_path):
        profile = tmp_path / "my.toml"
        profile.write_text(
            'name = "mine"\n[[amplifier]]\noverscan = "[17:20,:]"\noverscan_method = "median"\ntrim = "[1:16,:]"\n'
        )
        (path, *_) = small_folder(tmp_path / "raw")
        for method, compute in (("median", np.median), ("mean", np.mean)):
            out = tmp_path / method
            options = () if method == "median" else ("--overscan-method", method)
            assert command("bias", tmp_path / "raw", "-o", out, "--camera", profile, *options).code == 0
            raw = fits.getdata(path).astype(np.float64)
            expected = raw[:, :16] - compute(raw[:, 16:], axis=1)[:, None]
            np.testing.assert_array_equal(pixels_of(out / path.name), expected)
        assert "raise" not in run_error(tmp_path)

    @pytest.mark.parametrize(("method", "compute"), [("median", np.median), ("average", np.mean), ("sum", np.sum)])
    def test_methods(self, tmp_path, method, compute):
        paths = small_folder(tmp_path / "raw")
        run = command("bias", tmp_path / "raw", "-o", tmp_path / "out", "--method", method, "--clip", "0")
        assert run.code == 0, run.out + run.err
        stack = np.stack([fits.getdata(path) for path in paths]).astype(np.float64)
        combined = tmp_path / "out" / "combined_bias.fits"
        np.testing.assert_allclose(pixels_of(combined), compute(stack, axis=0), rtol=1e-6)
        assert header_of(combined)["COMBMETH"] == method


def run_error(tmp_path):
    """Ask for a way to take the level where there is no overscan."""
    run = command("bias", tmp_path / "raw", "-o", tmp_path / "never", "--overscan-method", "mean")
    assert run.code == 2
    assert not (tmp_path / "never").exists()
    return run.err


def test_running_again_over_it_gives_the_same_bytes(tmp_path):
    small_folder(tmp_path / "raw")
    arguments = ("bias", tmp_path / "raw", "-o", tmp_path / "out")
    assert command(*arguments).code == 0
    first = bytes_in(tmp_path / "out")
    for path in (tmp_path / "out").iterdir():
        content = path.read_bytes()  # cut off, so that what stands at its begin still says whose it is
        path.write_bytes(content[: max(len(content) // 2, 3000)])
    assert command(*arguments, "--overwrite", "--workers", 1).code == 0
    assert bytes_in(tmp_path / "out") == first


def test_the_raw_folder_is_not_touched(tmp_path):
    paths = small_folder(tmp_path / "raw")
    before = [(path.read_bytes(), path.stat().st_mtime_ns) for path in paths]
    assert command("bias", tmp_path / "raw", "-o", tmp_path / "out").code == 0
    assert [(path.read_bytes(), path.stat().st_mtime_ns) for path in paths] == before
    assert names_in(tmp_path / "raw") == [path.name for path in paths]
