"""Folders of real frames of many cameras: what each is, as a person reads it, and two nights from raw to science."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from astropy.io import fits

import zeroframe
from zeroframe.headers.survey import survey_tree
from zeroframe.planning.traits import moment_of, split_nights

# Of each folder: how many of each kind, its filters, its nights.
FOLDERS = {
    "andor-solis-ohp": ({"bias": 2, "flat": 2, "arc": 1, None: 1}, {None}, {"2022-09-19"}),
    "feder-apogee-maxim": (
        {"bias": 6, "dark": 5, "flat": 1, "science": 9, "arc": 1},
        {None, "R", "B", "r"},
        None,
    ),
    "headers-as-frames": (
        {"science": 7, None: 1},
        {None, "HSC-r", "i.MP9702", "IRCUT", "B1", "I88B10", "K98"},
        None,
    ),
    "huntsman-zwo": ({"bias": 1, "flat": 1}, {None, "g_band"}, {"2021-01-06", "2021-01-11"}),
    "keck-nirspec": ({"flat": 1, "science": 1}, {"NIRSPEC-5"}, {"2010-04-28"}),
    "lco-sbig-window": ({"science": 3}, {"V", "ip"}, None),
    "microobservatory": ({None: 1}, {"Clear"}, None),
    "oagh-iraf-processed": ({"bias": 2, "flat": 1, "science": 1}, {None}, None),
    "p200-dbsp-headers": ({"bias": 1, "arc": 1, "flat": 2, "science": 1}, {None}, None),
    "panoptes-dslr": ({None: 4}, {None}, None),
    "soar-goodman": ({"arc": 1, "flat": 2, "bias": 3, "science": 1}, {None}, {"2018-02-04"}),
}
#: What a person reads of when they were taken, where nights depend on how hours are divided.
DAYS = {
    "headers-as-frames": {
        *("2023-06-10", "2015-10-10", "2008-11-01", "2021-03-02"),
        *("2025-05-13", "2005-01-26", "2004-04-26", "2005-02-15"),
    },
    "lco-sbig-window": {"2015-02-19", "2015-12-19"},
    "microobservatory": {"2017-12-20"},
    "oagh-iraf-processed": {"2010-05-08"},
    "p200-dbsp-headers": {"2020-07-16"},
    "soar-goodman": {"2018-02-04", "2018-02-05"},
}


@pytest.fixture
def cameras(real_data):
    folder = real_data / "cameras"
    if not folder.is_dir():
        pytest.skip("needs ../shared/data/cameras")
    return folder


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FOLDERS)
def test_folders_are_read_as_a_person_reads_them(cameras, name):
    kinds, filters, nights = FOLDERS[name]
    found = [item for item in survey_tree(cameras / name, recurse=False) if item.facts is not None]
    assert Counter(item.facts.kind for item in found) == kinds
    assert {item.facts.filter_name for item in found} == filters
    moments = [moment_of(item) for item in found]
    if nights is not None:
        assert set(split_nights(moments).nights) == nights
    if name in DAYS:
        assert {moment.day.isoformat() for moment in moments if moment is not None} == DAYS[name]
    assert all(moment is not None for moment in moments) or name == "panoptes-dslr"


@pytest.mark.filterwarnings("ignore")
def test_temperatures_and_gains_of_real_frames(cameras):
    def facts_of(name):
        folder, _, file = name.partition("/")
        return next(
            item.facts for item in survey_tree(cameras / folder, recurse=False) if item.path.name.startswith(file)
        )

    assert facts_of("microobservatory/HATP").temperature_c == pytest.approx(-2.15)
    assert facts_of("headers-as-frames/megaprime").temperature_c == -133.13
    assert facts_of("panoptes-dslr/tiny").temperature_c == 11.0
    assert facts_of("soar-goodman/0194").temperature_c == -106.3
    assert facts_of("andor-solis-ohp/Bias").gain_e_per_adu is None  # 2 is the number of a preamplifier
    assert facts_of("huntsman-zwo/bias").exposure_s == 0.0
    assert facts_of("keck-nirspec/NS.20100429.32524").exposure_s == 80.0


def test_the_andor_night_from_raw_to_science(cameras, tmp_path):
    made = zeroframe.night(cameras / "andor-solis-ohp", tmp_path / "out", report=False)
    kinds = {frame.name: frame.kind for frame in made.frames}
    (planet,) = [name for name, kind in kinds.items() if kind == "science"]
    assert planet.startswith("M76")
    header = fits.getheader(tmp_path / "out" / planet)
    assert (header["ZEROCOR"], header["FLATCOR"]) == ("combined_bias.fits", "combined_flat.fits")
    bias = fits.getdata(tmp_path / "out" / "combined_bias.fits")
    raw = [fits.getdata(path).squeeze() for path in sorted((cameras / "andor-solis-ohp").glob("Bias*"))]
    assert float(np.mean(bias)) == pytest.approx(float(np.mean(raw)), abs=0.05)


def test_what_iraf_has_done_is_not_done_again(cameras, tmp_path):
    made = zeroframe.night(cameras / "oagh-iraf-processed", tmp_path / "out", report=False)
    assert {frame.kind for frame in made.frames} == {"bias", "flat", "science"}
    raw = fits.getdata(cameras / "oagh-iraf-processed" / "spec0001.fits")
    with fits.open(tmp_path / "out" / "spec0001.fits") as hdus:
        np.testing.assert_allclose(hdus[0].data, raw, rtol=1e-6, atol=1e-3)
        assert hdus[0].header.get("FLATCOR", "").startswith("Oct  1 19:18 Flat field")
    told = [choice for choice in made.plan.choices if choice.what == "done already"]
    assert {choice.value for choice in told} == {"bias of flat0001.fits", "bias and dark and flat of spec0001.fits"}
    flat = fits.getdata(cameras / "oagh-iraf-processed" / "flat0001.fits").astype(float)
    combined = fits.getdata(tmp_path / "out" / "combined_flat.fits").astype(float)
    ratio = combined / flat
    assert np.ptp(ratio[np.isfinite(ratio)]) < 1e-4 * np.median(ratio)  # scaled, with no bias taken out a second time
