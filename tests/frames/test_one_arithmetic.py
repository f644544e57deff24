"""The verbs on CCDData and the programs of the command line give the same bits: pixels, uncertainty and mask."""

from __future__ import annotations

import shutil
import warnings
from functools import cache

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.nddata import CCDData

import zeroframe as ccdp
from nights import CAMERAS, RECIPES, SEED, carried_out, small_night
from reliability import ALL_CASES
from workbench import SMALL_SECTIONS, command
from zeroframe.errors import AssumptionWarning
from zeroframe.frames.calibration_frames import level_of_flat
from zeroframe.headers.kinds import Kind
from zeroframe.run.cache import CalibrationCache
from zeroframe.simulate import simulate_biases

#: Cosmic rays are left in, so that masks are those of the other steps; they have tests of their own below.
PLAIN = '[steps]\ncosmic_rays = "none"\n'
#: A power of two: a noise in electrons is that in ADU to the last bit.
GAIN = "[frames]\ngain_e_per_adu = 2.0\n"
#: A flat of which some pixels are too dim to be believed.
DIM = "[flat]\nmin_value = 0.88\n"
LFC, CG16M = "palomar-lfc", "apogee-cg16m"
ELECTRONS = "to_electrons = true\n"
MEANS = RECIPES[LFC].replace('"median"', '"mean"')
MEDIANS = "".join(f'[{kind}]\nmethod = "median"\n' for kind in ("bias", "dark", "flat"))
RECIPES_OF = {
    "overscan, a dark that holds its bias": (LFC, RECIPES[LFC] + PLAIN + DIM),
    "means of the overscan, in electrons": (LFC, MEANS + PLAIN + ELECTRONS),
    "overscan and bias": (LFC, RECIPES[LFC] + PLAIN + 'bias = "always"\n'),
    "no dark": (LFC, RECIPES[LFC] + PLAIN + 'bias = "always"\ndark = false\n'),
    "no flat": (LFC, RECIPES[LFC] + PLAIN + "flat = false\n"),
    "no overscan, in electrons": (CG16M, RECIPES[CG16M] + PLAIN + ELECTRONS + DIM),
    "combined by medians": (CG16M, RECIPES[CG16M] + PLAIN + MEDIANS),
}
SCIENCE = {LFC: "ccd.037.0.fits", CG16M: "kelt-16-b-S001-R001-C084-r.fit"}


def raw_night(name, folder, *, dtype=np.uint16, exposure_s=None):
    """Simulate a small night; its pixels become another type, and its science frames another exposure."""
    small_night(folder, name, one_filter=True) if name == LFC else small_night(folder, name)
    if dtype is np.uint16 and exposure_s is None:
        return folder
    rng = np.random.default_rng(5)
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with fits.open(path) as hdus:
            pixels, header = np.array(hdus[0].data), hdus[0].header.copy()
        if exposure_s is not None and path.name == SCIENCE[name]:
            header["EXPTIME"] = exposure_s
            header.remove("EXPOSURE", ignore_missing=True)
        if dtype is not np.uint16:
            pixels = (pixels + rng.uniform(-0.5, 0.5, pixels.shape)).astype(dtype)
            for word in ("BZERO", "BSCALE"):
                header.remove(word, ignore_missing=True)
        for word in ("CHECKSUM", "DATASUM"):
            header.remove(word, ignore_missing=True)
        fits.PrimaryHDU(pixels, header).writeto(path, overwrite=True)
    return folder


def read(path):
    """Read a frame, and let it know its name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AssumptionWarning)
        frame = ccdp.read_ccd(path)
    frame.meta["FILENAME"] = path.name
    return frame


def noise_of(path):
    """Return gain, read noise and pedestal by which a night has worked out a noise."""
    header, bias = fits.getheader(path), path.parent / "combined_bias.fits"
    gain = header["GAINUSED"]
    return {
        "gain": gain * u.electron / u.adu,
        "readnoise": header["RNOISADU"] * gain * u.electron,
        "pedestal": read(bias) if bias.exists() else None,
        "photon_noise_of": "surroundings",
    }


def bad_pixels(outcome, light):
    """Return what a night masks before it looks for cosmic rays: saturated, hot and bad pixels, and where it is dim."""
    frame = outcome.frame
    limit = frame.saturation.asked_adu
    if limit is None and light.data.dtype.kind != "f":
        limit = np.iinfo(light.data.dtype).max
    bad = np.zeros(light.shape, bool) if limit is None else light.data >= limit
    bad = bad[frame.recipe.trim.slices_yx(light.shape)]
    for name in frame.steps.masks:
        bad = bad | (fits.getdata(frame.target.parent / name) != 0)
    if frame.steps.flat is not None:
        bad = bad | (fits.getdata(frame.target.parent / frame.steps.flat) < frame.steps.of(Kind.FLAT).min_value)
    return bad


def combined_frames(outcome):
    """Return the combined frames that a night has calibrated a frame with, and how, as arguments of `ccd_process`."""
    steps, out = outcome.frame.steps, outcome.frame.target.parent
    given = {
        word: None if name is None else read(out / name)
        for word, name in (("master_bias", steps.bias), ("dark_frame", steps.dark), ("master_flat", steps.flat))
    }
    scaled = {"dark_scale": True, "exposure_key": "EXPTIME", "exposure_unit": u.s}
    return given | ({} if steps.dark_scale is None else scaled)


def sections(outcome):
    """Return overscan and trim of a frame, as arguments of `ccd_process`."""
    recipe = outcome.frame.recipe
    strip = {}
    for spec in recipe.regions[0].overscans:
        strip = {"oscan": str(spec.section), "oscan_median": spec.method == "median"}
    return strip | {"trim": str(recipe.trim)}


@pytest.fixture(autouse=True)
def _quiet():
    """Exposures that a night takes for the same may differ by more than a verb does without a word."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "the frame was exposed|the dark is scaled", AssumptionWarning)
        yield


def at_once(outcome):
    """Calibrate a frame as a night in electrons has done it, by `ccd_process`."""
    light = read(outcome.frame.source)
    return ccdp.ccd_process(
        light,
        error=True,
        gain_corrected=False,
        bad_pixel_mask=bad_pixels(outcome, light),
        **sections(outcome),
        **noise_of(outcome.frame.target),
        **combined_frames(outcome),
    )


def one_by_one(outcome):
    """Calibrate a frame by one verb after the other, in float64."""
    light = read(outcome.frame.source)
    frame = ccdp.ccd_process(light, **sections(outcome))
    frame.data = frame.data.astype(np.float64)
    frame.mask = bad_pixels(outcome, light)
    frame = ccdp.create_deviation(frame, disregard_nan=True, **noise_of(outcome.frame.target))
    return ccdp.ccd_process(frame, **combined_frames(outcome))


def assert_same(found, path):
    """Compare a frame with a result, to the last bit of the type that the result has in its file."""
    with fits.open(path) as hdus:
        planes = {hdu.name: np.array(hdu.data, hdu.data.dtype.newbyteorder("=")) for hdu in hdus}
    expected, sigma = planes["PRIMARY"], planes.get("UNCERT")
    np.testing.assert_array_equal(found.data.astype(expected.dtype), expected)
    if sigma is None:
        assert found.uncertainty is None
    else:
        np.testing.assert_array_equal(found.uncertainty.array.astype(sigma.dtype), sigma)
    mask = planes.get("MASK", np.zeros(expected.shape, np.uint8)) != 0
    np.testing.assert_array_equal(np.zeros(mask.shape, bool) if found.mask is None else found.mask, mask)
    return planes


def reduced(name, raw, out, text, **options):
    """Reduce a night, and return what became of its science frame."""
    result = carried_out(raw, out, text.replace("[frames]\n", GAIN), **options)
    assert result.is_good, result.failed
    return next(each for each in result.frames if each.frame.source.name == SCIENCE[name])


# --- science frames --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", RECIPES_OF)
def test_a_science_frame(case, tmp_path):
    name, text = RECIPES_OF[case]
    outcome = reduced(name, raw_night(name, tmp_path / "raw"), tmp_path / "out", text)
    in_electrons = "to_electrons" in text
    found = at_once(outcome) if in_electrons else one_by_one(outcome)
    planes = assert_same(found, outcome.frame.target)
    assert found.unit == (u.electron if in_electrons else u.adu)
    if in_electrons:
        assert found.data.dtype == planes["PRIMARY"].dtype
    assert planes["UNCERT"].min() > 0.0
    assert planes["MASK"].any()
    done = [getattr(outcome.frame.steps, step) is not None for step in ("bias", "dark", "flat")]
    assert done == [name == CG16M or "always" in text, "dark = false" not in text, "flat = false" not in text]


TYPES = [(LFC, np.int16), (CG16M, np.float32), (LFC, np.float64)]
OTHER_TYPES = [(CG16M, np.int16), (LFC, np.float32), (CG16M, np.float64)]


@pytest.mark.long
@pytest.mark.parametrize(("name", "dtype"), [*TYPES, *(OTHER_TYPES if ALL_CASES else [])])
def test_pixels_of_other_types(name, dtype, tmp_path):
    raw, out = raw_night(name, tmp_path / "raw", dtype=dtype), tmp_path / "out"
    outcome = reduced(name, raw, out, RECIPES[name] + PLAIN + ELECTRONS + DIM)
    found = at_once(outcome)
    planes = assert_same(found, outcome.frame.target)
    assert found.data.dtype == planes["PRIMARY"].dtype == (np.float64 if dtype is np.float64 else np.float32)


def test_a_dark_that_is_scaled_and_less_the_bias_of_the_frame(tmp_path):
    """The bias is in both: of its error is left what the factor of the dark leaves of the bias."""
    raw, out = raw_night(CG16M, tmp_path / "raw", exposure_s=50.0), tmp_path / "out"
    outcome = reduced(CG16M, raw, out, RECIPES[CG16M] + PLAIN + ELECTRONS)
    assert outcome.frame.steps.dark_scale == pytest.approx(50 / 90)
    assert_same(at_once(outcome), outcome.frame.target)
    # a bias that is not known to be that of the dark has an error of its own
    given = combined_frames(outcome)
    given["master_bias"].meta["FILENAME"] = "another.fits"
    light = read(outcome.frame.source)
    words = {"error": True, "gain_corrected": False, **sections(outcome), **noise_of(outcome.frame.target)}
    other = ccdp.ccd_process(light, **words, **given)
    np.testing.assert_array_equal(other.data, fits.getdata(outcome.frame.target))
    assert (other.uncertainty.array > fits.getdata(outcome.frame.target, "UNCERT")).all()


@pytest.mark.long
def test_float64_does_not_depend_on_memory(tmp_path, monkeypatch):
    """Standard deviations of combined frames are float32 in files, and were float64 while they stayed in memory."""
    raw = raw_night(CG16M, tmp_path / "raw", dtype=np.float64)
    text = RECIPES[CG16M] + PLAIN
    first = reduced(CG16M, raw, tmp_path / "out", text)
    usual = CalibrationCache.__init__

    def short(cache, out, limit_bytes, *args, **words):
        usual(cache, out, 1, *args, **words)

    monkeypatch.setattr(CalibrationCache, "__init__", short)
    second = reduced(CG16M, raw, tmp_path / "again", text)
    assert first.frame.target.read_bytes() == second.frame.target.read_bytes()


# --- frames that are combined ----------------------------------------------------------------------------------------


def test_darks_and_flats_of_a_night(tmp_path):
    raw, out = raw_night(CG16M, tmp_path / "raw"), tmp_path / "out"
    result = carried_out(raw, out, RECIPES[CG16M])
    frames = [each for each in result.frames if each.outcome.is_there and each.frame.steps.bias is not None]
    kinds = {}
    for outcome in frames[::3]:
        found = ccdp.ccd_process(read(outcome.frame.source), **sections(outcome), **combined_frames(outcome))
        found.uncertainty = None  # that of one frame is not written
        if str(outcome.frame.kind) != "science":
            good = np.isfinite(fits.getdata(outcome.frame.target))
            np.testing.assert_array_equal(found.data[good], fits.getdata(outcome.frame.target)[good])
            kinds[str(outcome.frame.kind)] = good.mean()
    assert len(kinds) == 2
    assert min(kinds.values()) > 0.99


def test_the_level_of_a_flat(tmp_path):
    """A flat that a verb divides by has the level that a night divides it by, and one of level 1 stays as it is."""
    out = tmp_path / "out"
    result = carried_out(raw_night(CG16M, tmp_path / "raw"), out, RECIPES[CG16M])
    group = next(each for each in result.groups if each.group.name == "combined_flat_r.fits")
    frames = [read(frame.target) for frame in group.group.frames]
    scale = np.median(list(group.levels.values())) / np.array([group.levels[f.source] for f in group.group.frames])
    own = ccdp.combine(frames, scale=scale)
    stated = fits.getheader(out / "combined_flat_r.fits")["FLATLEVL"]
    assert level_of_flat(own.data) == pytest.approx(stated, rel=1e-4)  # a night rejects outliers first
    light = CCDData(np.full(own.shape, 7.0, np.float32), unit="adu")
    found = ccdp.flat_correct(light, own)
    level = float(found.meta["FLATCOR"].rpartition("/")[2])
    assert level == pytest.approx(level_of_flat(own.data), rel=1e-5)
    normalised = read(out / "combined_flat_r.fits")
    kept = ccdp.flat_correct(light, normalised)
    assert kept.meta["FLATCOR"] == "combined_flat_r.fits / 1"
    np.testing.assert_array_equal(kept.data, ccdp.flat_correct(light, normalised, norm_value=1.0).data)
    # what was multiplied since is not believed to be of level 1
    twice = ccdp.gain_correct(normalised, 2.0)
    np.testing.assert_allclose(ccdp.flat_correct(light, twice).data, kept.data, rtol=1e-6)
    assert ccdp.flat_correct(light, twice).meta["FLATCOR"].endswith("/ 2")


@pytest.mark.parametrize("name", [LFC, CG16M])
@pytest.mark.parametrize("method", ["median", "mean", "clipped"])
def test_a_folder_of_biases(name, method, tmp_path):
    """`zeroframe bias`, and the notebook's loop over its frames."""
    raw, out = tmp_path / "raw", tmp_path / "out"
    simulate_biases(CAMERAS[name], raw, frames=4, seed=SEED)
    _, strip, _, trim = SMALL_SECTIONS
    options = ["--overscan", strip, "--overscan-method", method, "--trim", trim]
    if name == CG16M:
        strip, trim, options = None, "[1:400,:]", ["--trim", "[1:400,:]"]
    made = command("bias", raw, "-o", out, "--clip", 0, *options)
    assert made.code == 0, made.err
    frames = []
    for path in sorted(raw.iterdir()):
        frame = read(path)
        if strip is not None:
            frame = ccdp.subtract_overscan(frame, fits_section=strip, method=method)
        frames.append(ccdp.trim_image(frame, fits_section=trim))
        assert_same(frames[-1], next(out.glob(f"{path.stem}.*")))
    assert len(frames) == 4
    found = ccdp.combine(frames, method="average", combine_uncertainty_function="pooled")
    assert_same(found, out / "combined_bias.fits")


# --- cosmic rays -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def without_search(tmp_path_factory):
    """Nights whose cosmic rays are not looked for, by camera and by what is said of uncertainties."""

    @cache
    def made(name, noise):
        folder = tmp_path_factory.mktemp("plain")
        raw = raw_night(name, folder / "raw")
        return raw, reduced(name, raw, folder / "out", RECIPES[name] + PLAIN + noise)

    return made


@pytest.mark.long
@pytest.mark.parametrize("name", [LFC, CG16M])
@pytest.mark.parametrize(
    ("how", "noise"),
    # where a night makes no uncertainty, its L.A.Cosmic sees the noise in the scatter of pixels; the verb is told one
    [("lacosmic", ""), ("median", ""), ("median", "uncertainty = false\n")],
)
def test_cosmic_rays(name, how, noise, without_search, tmp_path):
    raw, before = without_search(name, noise)
    out = tmp_path / "out"  # what was combined is the same, and is kept
    shutil.copytree(before.frame.target.parent, out)
    after = reduced(name, raw, out, RECIPES[name] + f'[steps]\ncosmic_rays = "{how}"\n' + noise, overwrite=True)
    assert after.outcome.state == "done"  # made anew, and not what the night before has left
    frame = read(before.frame.target)
    count = fits.getheader(after.frame.target)["NCOSMIC"]
    assert count > 3
    if how == "median":
        found = ccdp.cosmicray_median(frame)
    else:
        found = ccdp.cosmicray_lacosmic(frame, gain_apply=False, satlevel=np.inf, finder="zeroframe")
        assert found.meta["COSMICS"] == f"L.A.Cosmic: {count} pixels"
        found.data = frame.data  # a night leaves pixels as they are
    found.uncertainty = frame.uncertainty
    assert_same(found, after.frame.target)


# --- real frames -----------------------------------------------------------------------------------------------------


def test_real_frames_of_a_spectrograph(real_data, tmp_path):
    """Of 103,424 pixels 13,651 differed in the last bit, and standard deviations by up to 6 %."""
    raw, out = tmp_path / "raw", tmp_path / "out"
    shutil.copytree(real_data / "kpno-spectrograph", raw)
    text = (
        '[frames]\noverscan = "[106:132,*]"\noverscan_method = "median"\ntrim = "[1:101,*]"\n'
        'gain_e_per_adu = 4.0\nread_noise_e = 3.5\n[steps]\ncosmic_rays = "none"\nto_electrons = true\n'
    )
    result = carried_out(raw, out, text)
    done = [each for each in result.done if each.frame.steps.flat is not None]
    assert len(done) > 3
    for outcome in done:
        found, target = at_once(outcome), outcome.frame.target
        # beside the slit a night leaves pixels undivided, where the verb divides by next to nothing, as ccdproc does
        flat = fits.getdata(target.parent / outcome.frame.steps.flat)
        dark = flat < 0.1 * outcome.frame.steps.of(Kind.FLAT).min_value
        np.testing.assert_allclose((found.data * flat)[dark], fits.getdata(target)[dark], rtol=1e-5, atol=1e-3)
        assert found.mask[dark].all()
        found.data[dark] = fits.getdata(target)[dark]
        found.uncertainty.array[dark] = fits.getdata(target, "UNCERT")[dark]
        planes = assert_same(found, target)
        assert planes["PRIMARY"].size == 103_424
        assert 100 < np.count_nonzero(dark) < 1000
