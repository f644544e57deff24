"""Science frames that are written with loss: what is lost, as astropy reads them, and that nothing else is."""

from __future__ import annotations

import json
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import CCDData
from scipy.ndimage import maximum_filter, uniform_filter

from nights import CAMERAS, RECIPES, all_bytes, carried_out, planned, small_night
from workbench import command, write_raw
from zeroframe import combine
from zeroframe.errors import AssumptionWarning, UsageError
from zeroframe.fits import ImagePart, read_raw, write_fits
from zeroframe.headers.survey import KEY_CARD
from zeroframe.kernels.rice import LEADING_ZEROS, decode_rice
from zeroframe.verbs.saving import write_ccd

#: One science frame of each camera, as its result is called without suffix.
pytestmark = pytest.mark.long

SCIENCE = {"palomar-lfc": "ccd.037.0", "apogee-cg16m": "kelt-16-b-S001-R001-C084-r"}
LFC = "palomar-lfc"
PLANES = ("MASK", "UNCERT")
#: Of one step: what a value that was written in whole steps is off by, and what float32 rounds on top.
HALF = 0.5005


def recipe(camera, how):
    return f'compress = "{how}"\n{RECIPES[camera]}'


@pytest.fixture(scope="module")
def raws(tmp_path_factory):
    return {name: small_night(tmp_path_factory.mktemp(name) / "raw", name) for name in CAMERAS}


@pytest.fixture(scope="module")
def outs(raws, tmp_path_factory):
    """The results of each night, by how they are written."""
    made = {}
    for name, raw in raws.items():
        for how in ("none", "rice", "rice-lossy"):
            made[name, how] = tmp_path_factory.mktemp(f"{name}-{how}") / "out"
            carried_out(raw, made[name, how], recipe(name, how))
    return made


@pytest.fixture(params=sorted(SCIENCE))
def both(request, outs):
    """One science frame as it was calibrated, and as it was written with loss: paths."""
    name = SCIENCE[request.param]
    return outs[request.param, "none"] / f"{name}.fits", outs[request.param, "rice-lossy"] / f"{name}.fits.fz"


def written_at(folder):
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.rglob("*.fits*")}


def planes(path):
    with fits.open(path, checksum=True) as hdus:
        images = [hdu for hdu in hdus if hdu.data is not None]
        first = images[0]
        return first.header, {"IMAGE": first.data, **{hdu.name: hdu.data for hdu in images[1:]}}


class TestWhatIsLost:
    def test_files_are_four_to_six_times_smaller(self, both):
        plain, lossy = both
        # small frames: their headers and the descriptors of their tiles, which weigh little in large ones, are left out
        with fits.open(lossy, disable_image_compression=True) as tables:
            stored = sum(hdu.size for hdu in tables)
        with fits.open(plain) as hdus:
            assert 4.0 < sum(hdu.size for hdu in hdus) / stored < 6.5
        assert plain.stat().st_size > 4 * lossy.stat().st_size

    def test_image_and_uncertainty_are_quantised_and_dithered(self, both):
        with fits.open(both[1], disable_image_compression=True) as tables:
            said = [(hdu.header["ZCMPTYPE"], hdu.header.get("ZQUANTIZ")) for hdu in tables[1:]]
        assert sorted(said, key=str) == [("RICE_1", "SUBTRACTIVE_DITHER_2")] * 2 + [("RICE_1", None)]

    def test_the_error_is_spread_evenly_over_one_step(self, both):
        (_, before), (header, after) = map(planes, both)
        step = header["QSTEP"]
        apart = (after["IMAGE"].astype(float) - before["IMAGE"]) / step
        assert np.abs(apart).max() < HALF
        assert apart.std() == pytest.approx(1 / np.sqrt(12), rel=0.01)
        assert abs(apart.mean()) < 5 / np.sqrt(12 * apart.size)
        histogram, _ = np.histogram(apart, 10, (-0.5, 0.5))
        assert np.abs(histogram / apart.size - 0.1).max() < 5 * np.sqrt(0.09 / apart.size)

    def test_the_noise_grows_as_the_header_says(self, both):
        (_, before), (header, after) = map(planes, both)
        noise = header["SKYNOISE"]
        assert header["QLEVEL"] == pytest.approx(8.0)
        assert header["QSTEP"] == pytest.approx(noise / 8.0)
        assert header["QNOISE"] == pytest.approx(header["QSTEP"] / np.sqrt(12))
        # the variance of what was added, measured; there is no error on which the two frames agree
        added = np.var(after["IMAGE"].astype(float) - before["IMAGE"])
        grown = 100 * (np.sqrt(1 + added / noise**2) - 1)
        assert grown == pytest.approx(header["QGROWTH"], rel=0.02)
        assert grown < 0.07

    def test_sums_over_stars_and_sky_stay(self, both):
        (_, before), (header, after) = map(planes, both)
        image, sky, noise = before["IMAGE"].astype(float), header["SKYLEVEL"], header["SKYNOISE"]
        peaks = (maximum_filter(image, 11) == image) & (image > sky + 6 * noise)
        size = 9
        flux = [size**2 * (uniform_filter(each.astype(float), size) - sky)[peaks] for each in (image, after["IMAGE"])]
        error = size * uniform_filter(before["UNCERT"].astype(float) ** 2, size)[peaks] ** 0.5
        off = (flux[1] - flux[0]) / error
        assert peaks.sum() > 10
        assert np.abs(off).max() < 0.2
        assert off.std() < 1.5 / (8 * np.sqrt(12))
        assert abs(np.mean(after["IMAGE"], dtype=float) - image.mean()) < 5 * header["QNOISE"] / np.sqrt(image.size)

    def test_uncertainties_stay_within_half_a_thousandth_and_masks_as_they_are(self, both):
        (_, before), (_, after) = map(planes, both)
        apart = np.abs(after["UNCERT"].astype(float) - before["UNCERT"])
        usual = np.median(before["UNCERT"][before["MASK"] == 0])
        assert apart.max() < 1.001 * HALF * usual / 1000
        assert apart.max() > 0
        assert np.all(after["UNCERT"] > 0)
        assert np.array_equal(after["MASK"], before["MASK"])
        assert fits.getheader(both[1], "UNCERT")["QSTEP"] == pytest.approx(usual / 1000)

    def test_astropy_and_we_read_the_same_bits(self, both):
        _, after = planes(both[1])
        for ext, name in ((1, "IMAGE"), *((name, name) for name in PLANES)):
            ours = read_raw(both[1], ext=ext).pixels
            assert ours.dtype.itemsize == after[name].dtype.itemsize
            assert np.array_equal(ours, after[name])
        assert after["IMAGE"].dtype.newbyteorder("=") == np.float32
        assert CCDData.read(both[1], hdu=1).shape == after["IMAGE"].shape


class TestWhatIsNotLost:
    @pytest.mark.parametrize("name", sorted(SCIENCE))
    def test_all_other_files_are_those_of_lossless_rice(self, outs, name):
        lossy, lossless = (all_bytes(outs[name, how]) for how in ("rice-lossy", "rice"))
        assert lossy.keys() == lossless.keys()
        differ = {file for file in lossy if lossy[file] != lossless[file]}
        kinds = json.loads((outs[name, "rice"] / "run.json").read_text())["recipe"]["frames"].values()
        assert differ == {frame["target"] for frame in kinds if frame["kind"] == "science"}

    def test_what_has_no_value_and_what_is_zero(self, tmp_path):
        image = np.random.default_rng(1).normal(100, 5, (40, 64)).astype(np.float32)
        image[3, 5:9], image[4], image[7, ::3] = np.nan, np.nan, 0.0
        image[9, 2], image[11, 4] = np.inf, 3e38
        path = tmp_path / "frame.fits.fz"
        write_fits(path, [ImagePart(image, step=0.5)], compress="rice-lossy")
        there = fits.getdata(path, 1)
        assert np.array_equal(np.isnan(there), np.isnan(image))
        assert np.array_equal(there == 0, image == 0)
        assert np.array_equal(there[[9, 11]], image[[9, 11]])  # rows that no step can hold are kept whole
        assert np.nanmax(np.abs(np.delete(there, [9, 11], axis=0) - np.delete(image, [9, 11], axis=0))) < 0.5 * HALF
        assert np.array_equal(read_raw(path).pixels, there, equal_nan=True)

    def test_parts_without_a_step_lose_nothing(self, tmp_path):
        image = np.random.default_rng(1).normal(100, 5, (40, 64))
        path = tmp_path / "frame.fits.fz"
        write_fits(path, [ImagePart(image), ImagePart(image.astype(np.float32), name="B")], compress="rice-lossy")
        assert np.array_equal(fits.getdata(path, 1), image)
        assert np.array_equal(fits.getdata(path, "B"), image.astype(np.float32))

    def test_a_frame_without_noise_is_kept_whole_and_says_so(self, tmp_path):
        write_raw(tmp_path / "raw" / "m31.fits", np.full((32, 48), 900, np.uint16), IMAGETYP="object", EXPTIME=10.0)
        told = carried_out(tmp_path / "raw", tmp_path / "out", 'compress = "rice-lossy"\n[frames]\noverscan = "none"')
        (frame,) = told.frames
        assert "written without loss: its noise is not known" in frame.outcome.reason
        assert np.all(fits.getdata(tmp_path / "out" / "m31.fits.fz", 1) == 900)


def dither_numbers():
    """The 10,000 numbers of the FITS standard 4.0, appendix I."""
    numbers, seed = np.empty(10000), 1.0
    for index in range(10000):
        product = 16807.0 * seed
        seed = product - 2147483647.0 * int(product / 2147483647.0)
        numbers[index] = seed / 2147483647.0
    assert seed == 1043618065
    return numbers.astype(np.float32)


def test_decoded_as_the_standard_says(tmp_path):
    """A decoder of its own (section 10.2, and our kernel for the codes) gives the bits that astropy and we read."""
    image = np.random.default_rng(1).normal(100, 5, (12, 700)).astype(np.float32)
    image[3, 4:9], image[7, ::5] = np.nan, 0.0
    path = tmp_path / "frame.fits.fz"
    write_fits(path, [ImagePart(image, step=0.6)], compress="rice-lossy")
    numbers, decoded = dither_numbers(), np.empty_like(image)
    with fits.open(path, disable_image_compression=True) as tables:
        header, table = tables[1].header, tables[1].data
        for row in range(len(image)):
            tile = np.asarray(table["COMPRESSED_DATA"][row]).astype(np.uint8)
            whole = np.empty((1, image.shape[1]), np.int32)
            assert decode_rice(tile, np.array([0]), np.array([tile.size]), 32, LEADING_ZEROS, whole) == -1
            first = (row + header["ZDITHER0"] - 1) % 10000
            place = int(numbers[first] * 500)
            for x, stored in enumerate(whole[0].tolist()):
                value = (stored - float(numbers[place]) + 0.5) * table["ZSCALE"][row] + table["ZZERO"][row]
                decoded[row, x] = {header["ZBLANK"]: np.nan, -2147483646: 0.0}.get(stored, np.float32(value))
                place += 1
                if place == 10000:
                    first = (first + 1) % 10000
                    place = int(numbers[first] * 500)
    assert np.array_equal(decoded, fits.getdata(path, 1), equal_nan=True)
    assert np.array_equal(decoded, read_raw(path).pixels, equal_nan=True)


class TestRuns:
    @pytest.mark.parametrize("workers", [1, 3, "processes"])
    def test_same_bytes_for_any_number_of_workers(self, raws, outs, tmp_path, workers):
        plan = recipe(LFC, "rice-lossy")
        if workers == "processes":
            with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
                carried_out(raws[LFC], tmp_path / "out", plan, executor=pool)
        else:
            carried_out(raws[LFC], tmp_path / "out", plan, workers=workers)
        assert all_bytes(tmp_path / "out") == all_bytes(outs[LFC, "rice-lossy"])

    def test_frames_have_dithers_of_their_own(self, outs):
        names = ("ccd.037.0.fits.fz", "ccd.043.0.fits.fz")
        paths = [outs[LFC, "rice-lossy"] / name for name in names]
        seeds = set()
        for path in paths:
            with fits.open(path, disable_image_compression=True) as tables:
                seeds.add(tables[1].header["ZDITHER0"])
        assert len(seeds) == 2

    @pytest.mark.parametrize("more", [(), ("--check",)])
    def test_a_second_run_keeps_them(self, raws, outs, tmp_path, more):
        (tmp_path / "night.toml").write_text(recipe(LFC, "none"))
        asked = ("night", raws[LFC], "-o", outs[LFC, "rice-lossy"], "--no-report", "--recipe", tmp_path / "night.toml")
        before = written_at(outs[LFC, "rice-lossy"])
        second = command(*asked, "--compress", "rice-lossy", *more)
        assert second.code == 0, second.err
        assert written_at(outs[LFC, "rice-lossy"]) == before

    def test_they_do_not_pass_for_lossless_ones(self, raws, outs):
        other = planned(raws[LFC], outs[LFC, "rice-lossy"], recipe(LFC, "rice"))
        assert {frame.compress for frame in other.frames} == {"rice"}
        lossy = planned(raws[LFC], outs[LFC, "rice-lossy"], recipe(LFC, "rice-lossy"))
        assert {(frame.kind.value == "science", frame.compress) for frame in lossy.frames} == {
            (True, "rice-lossy"),
            (False, "rice"),
        }
        keys = {}
        for how in ("rice", "rice-lossy"):
            header = fits.getheader(outs[LFC, how] / "ccd.037.0.fits.fz", 1)
            keys[how] = header[KEY_CARD]
        assert keys["rice"] != keys["rice-lossy"]

    def test_verify_and_explain(self, outs):
        out = outs[LFC, "rice-lossy"]
        assert command("verify", out).code == 0
        told = command("explain", out / "ccd.037.0.fits.fz").out
        assert "written with loss, quantised in steps of" in " ".join(told.split())
        assert "written with loss" not in command("explain", outs[LFC, "rice"] / "ccd.037.0.fits.fz").out

    def test_the_figure(self, outs):
        header = fits.getheader(outs[LFC, "rice-lossy"] / "ccd.037.0.fits.fz", 1)
        record = json.loads((outs[LFC, "rice-lossy"] / "run.json").read_text())
        step = record["this_run"]["figures"]["ccd.037.0.fits.fz"]["quantisation_step_adu"]
        assert step == pytest.approx(header["QSTEP"], rel=1e-5)


class TestWhereItIsRefusedOrSaid:
    @pytest.mark.parametrize("job", ["bias", "dark", "flat"])
    def test_jobs_without_science_frames(self, raws, tmp_path, job):
        run = command(job, raws[LFC], "-o", tmp_path / "out", "--compress", "rice-lossy")
        assert run.code == 2
        said = " ".join((run.out + run.err).split())
        assert "rice-lossy is for science frames" in said
        assert "use rice" in said

    def test_a_frame_in_memory(self, tmp_path):
        ccd = CCDData(np.ones((4, 5), np.float32), unit="adu")
        with pytest.raises(UsageError, match="rice-lossy is for science frames"):
            write_ccd(ccd, tmp_path / "a.fits.fz", compress="rice-lossy")

    def test_combining_them(self, outs, tmp_path):
        names = ("ccd.037.0.fits.fz", "ccd.043.0.fits.fz")
        frames = [outs[LFC, "rice-lossy"] / name for name in names]
        run = command("combine", *frames, "-o", tmp_path / "sum.fits")
        assert run.code == 0, run.err
        assert "written with loss" in " ".join((run.out + run.err).split())
        header = fits.getheader(tmp_path / "sum.fits")
        assert sum(line.endswith(", quantised") for line in header["HISTORY"]) == 2
        assert not {"QSTEP", "QNOISE", "QLEVEL", "QGROWTH"} & set(header)
        with pytest.warns(AssumptionWarning, match="written with loss"):
            combine(frames, ext=1)
        lossless = command("combine", *[outs[LFC, "rice"] / name for name in names], "-o", tmp_path / "whole.fits")
        assert "written with loss" not in lossless.out + lossless.err

    def test_a_night_of_lossy_biases(self, tmp_path):
        random = np.random.default_rng(2)
        for number in range(3):
            header = fits.Header({"IMAGETYP": "bias", "EXPTIME": 0.0})
            pixels = random.normal(1000, 4, (32, 48)).astype(np.float32)
            image = fits.CompImageHDU(pixels, header, quantize_level=4.0)
            (tmp_path / "raw").mkdir(exist_ok=True)
            fits.HDUList([fits.PrimaryHDU(), image]).writeto(tmp_path / "raw" / f"b{number}.fits.fz")
        made = planned(tmp_path / "raw", tmp_path / "out", '[frames]\noverscan = "none"')
        (said,) = [choice for choice in made.choices if choice.what == "quantised"]
        assert "b0.fits.fz, b1.fits.fz, b2.fits.fz" in said.value
        assert not said.certain
