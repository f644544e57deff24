"""Nights of detectors that several amplifiers read: assembled to the pixel; noise and mask by each one's figures."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits

import zeroframe
from amplifiers import CAMERAS, DARK_E, EXPOSURE_S, SKY_E, naive, response, without, write_camera, write_night
from nights import all_bytes, calibrated, carried_out, planned
from workbench import command
from zeroframe.errors import CameraError, UnsupportedError, UsageError
from zeroframe.headers.sections import Section
from zeroframe.planning.recipe import parse_recipe
from zeroframe.run.explain import explain_file

STAR = np.s_[40:60, 200:220]


def recipe(camera, more=""):
    return f'[frames]\ncamera = "{camera}"\n{more}\n[steps]\nbias = "always"\nuncertainty = true\n'


@pytest.fixture(scope="module", params=list(CAMERAS))
def night(request, tmp_path_factory):
    """A night that was reduced: what it is of, its folders, its camera file, what came out."""
    of, folder = CAMERAS[request.param], tmp_path_factory.mktemp(request.param)
    camera = write_night(of, folder / "raw")
    result = carried_out(folder / "raw", folder / "out", recipe(camera))
    assert [each.outcome.reason for each in result.frames if not each.is_good] == []
    return of, folder, camera, result


def test_each_amplifier_loses_its_own_overscan_and_stands_in_its_place(night):
    of, folder, _, result = night
    biases = sorted((folder / "raw").glob("bias*"))
    for path in biases:
        expected = naive(fits.getdata(path), of)
        np.testing.assert_allclose(calibrated(folder / "out" / path.name).data, expected, rtol=1e-6, atol=2e-4)
    combined = calibrated(folder / "out" / "combined_bias.fits")
    mean = np.mean([naive(fits.getdata(path), of) for path in biases], axis=0)
    alike = np.isclose(combined.data, mean, rtol=1e-6, atol=1e-3)  # all but the few pixels that were clipped
    assert alike.mean() > 0.999
    assert {each.outcome.shape_yx for each in result.frames} == {of.assembled_yx}


def science_of(night):
    folder = night[1]
    return [calibrated(path) for path in sorted((folder / "out").glob("object*.fits"))]


def scale_of(of):
    """Return electrons per ADU of a frame over its flat: the mean gain by the level of the flat."""
    flat, gains = response(of), np.zeros(of.assembled_yx)
    for each in of.camera.amplifiers:
        gains[each.place.slices_yx(of.assembled_yx)] = each.gain_e_per_adu
    return flat.sum() / (flat / gains).sum()


def test_noise_of_each_pixel_is_that_of_its_amplifier(night):
    of = night[0]
    truth = SKY_E * response(of).mean() / scale_of(of)
    for frame in science_of(night):
        good = ~frame.mask
        good[STAR] = False
        whole = ((frame.data - truth) / frame.sigma)[good]
        assert 0.95 < np.mean(whole**2) < 1.05
        for each in of.camera.amplifiers:
            place = each.place.slices_yx(of.assembled_yx)
            own = ((frame.data - truth) / frame.sigma)[place][good[place]]
            assert 0.92 < np.mean(own**2) < 1.08, each.name


def test_no_step_at_a_seam(night):
    of, science = night[0], science_of(night)
    mean = np.mean([frame.data for frame in science], axis=0)
    bad = np.any([frame.mask for frame in science], axis=0)
    bad[STAR] = True
    mean = np.where(bad, np.nan, mean)
    ny, nx = of.assembled_yx
    seams = [(mean[:, nx // 2 - 30 : nx // 2], mean[:, nx // 2 : nx // 2 + 30])]
    if len(of.camera.amplifiers) == 4:
        seams.append((mean[ny // 2 - 30 : ny // 2], mean[ny // 2 : ny // 2 + 30]))
    for before, after in seams:
        step = np.nanmean(after) - np.nanmean(before)
        error = np.hypot(*(np.nanstd(part) / np.sqrt(np.isfinite(part).sum()) for part in (before, after)))
        assert abs(step) < 4.0 * error + 0.003 * np.nanmean(mean)


def test_saturation_is_each_amplifiers_own(night):
    of, folder, _, _ = night
    for path in sorted((folder / "raw").glob("object*")):
        raw, frame = fits.getdata(path), calibrated(folder / "out" / path.name)
        expected = np.zeros(of.assembled_yx, bool)
        for each in of.camera.amplifiers:
            high = raw[each.trim.slices_yx(of.shape_yx)] >= each.saturation_adu
            expected[each.place.slices_yx(of.assembled_yx)] = high
        assert frame.header["NSATPIX"] == expected.sum() > 300
        assert frame.mask[expected].all()


def test_the_header_is_true_for_the_assembled_image(night):
    of, folder, _, _ = night
    ny, nx = of.assembled_yx
    for name in ("object28.fits", "combined_bias.fits", "combined_flat_R.fits"):
        path = next((folder / "out").glob(name))
        header = fits.getheader(path)
        assert "amplifier B: gain 1." in "\n".join(header["HISTORY"])
        assert {"BIASSEC", "TRIMSEC", "LTV1", "LTM1_1"}.isdisjoint(header)
        assert header["DATASEC"] == f"[1:{nx},1:{ny}]"
        gains = [each.gain_e_per_adu for each in of.camera.amplifiers]
        of_raw = name.startswith("combined")  # science frames have one scale over their flat
        assert header["GAIN"] == pytest.approx(np.mean(gains) if of_raw else scale_of(of), rel=1e-6 if of_raw else 2e-3)
        assert header["RDNOISE"] == pytest.approx(np.mean([each.read_noise_e for each in of.camera.amplifiers]))
    header = fits.getheader(folder / "out" / "object28.fits")
    # pixel 210 of the raw frame is the tenth of B, which is turned around in `two`, or lies before its image in `four`
    assert (header["CRPIX1"], header["CDELT1"]) == ((311.0, -0.1) if of.camera.name == "two" else (154.0, 0.1))
    told = "\n".join(header["HISTORY"])
    for each in of.camera.amplifiers:
        assert f"amplifier {each.name}: overscan {each.overscan} mean subtracted" in told
        assert f"amplifier {each.name}: {each.trim} put at {each.place}" in told
        assert f"gain {each.gain_e_per_adu:g} e-/ADU, read noise {each.read_noise_e:g} e-" in told


def test_the_table_of_amplifiers_stands_beside_combined_frames(night):
    of, folder, _, _ = night
    for name, kind in (("combined_bias.fits", "bias"), ("combined_flat_R.fits", "flat")):
        with fits.open(folder / "out" / name) as hdus:
            table = hdus["AMPLIFIERS"].data
            assert hdus["AMPLIFIERS"].verify_checksum() == 1
            assert hdus["AMPLIFIERS"].verify_datasum() == 1
        assert list(table["NAME"]) == [each.name for each in of.camera.amplifiers]
        for row, each in zip(table, of.camera.amplifiers, strict=True):
            assert (row["RAWSEC"], row["BIASSEC"], row["SECTION"]) == (
                str(each.trim),
                str(each.overscan),
                str(each.place),
            )
            assert (row["GAIN"], row["RDNOISE"]) == (each.gain_e_per_adu, each.read_noise_e)
            levels = [
                fits.getdata(path)[each.overscan.slices_yx(of.shape_yx)].mean()
                for path in sorted((folder / "raw").glob(f"{kind}*"))
            ]
            assert row["LEVEL"] == pytest.approx(np.mean(levels), abs=0.6)


def test_kept_on_a_second_run_and_explained(night):
    of, folder, camera, _ = night
    before = all_bytes(folder / "out")
    again = carried_out(folder / "raw", folder / "out", recipe(camera))
    assert {each.outcome.state for each in again.frames} == {"skipped"}
    assert all_bytes(folder / "out") == before
    told = "\n".join(explain_file(folder / "out" / "object28.fits"))
    assert f"It was assembled of what {len(of.camera.amplifiers)} amplifiers read:" in told
    assert "  amplifier B: gain 1." in told
    plan = planned(folder / "raw", folder / "out", recipe(camera))
    choices = {choice.what: choice for choice in plan.choices}
    assert choices["amplifiers"].value == f"{len(of.camera.amplifiers)}, assembled to one image"
    assert "put at [1:160," in choices["amplifier A"].value
    assert choices["noise of amplifier B"].value.startswith("gain 1.")
    assert "noise" not in choices  # which would be one figure for all


def test_dark_and_flat_are_those_of_the_detector(night):
    of, folder, _, _ = night
    gains = np.zeros(of.assembled_yx)
    for each in of.camera.amplifiers:
        gains[each.place.slices_yx(of.assembled_yx)] = each.gain_e_per_adu
    dark = calibrated(next((folder / "out").glob("combined_dark*.fits")))
    flat = calibrated(next((folder / "out").glob("combined_flat*.fits")))
    expected = response(of) / gains
    expected /= expected.mean()
    for each in of.camera.amplifiers:
        place = each.place.slices_yx(of.assembled_yx)
        current = DARK_E * EXPOSURE_S / each.gain_e_per_adu
        assert np.mean(dark.data[place]) == pytest.approx(current, rel=0.01)
        assert np.mean(flat.data[place] / expected[place]) == pytest.approx(1.0, abs=0.001)


def test_in_electrons(night, tmp_path):
    of, folder, camera, _ = night
    zeroframe.night(folder / "raw", tmp_path / "out", camera=str(camera), unit="electron", report=False)
    truth = SKY_E * response(of).mean()
    for path in sorted((tmp_path / "out").glob("object*.fits")):
        frame = calibrated(path)
        good = ~frame.mask
        good[STAR] = False
        assert frame.header["BUNIT"] == fits.getheader(path, "UNCERT")["BUNIT"] == "electron"
        assert frame.header["GAIN"] == 1.0
        assert frame.header["GAINCOR"] == pytest.approx(scale_of(of), rel=2e-3)
        assert frame.header["RDNOISE"] == pytest.approx(np.mean([each.read_noise_e for each in of.camera.amplifiers]))
        assert frame.data[good].mean() == pytest.approx(truth, rel=0.005)
        assert 0.95 < np.mean(((frame.data - truth) / frame.sigma)[good] ** 2) < 1.05
        assert abs(frame.header["SEAMSTEP"]) < 0.003 + 4.0 * frame.header["SEAMERR"]


def test_in_electrons_without_a_flat(night, tmp_path):
    """Each amplifier is multiplied by its own gain: what differs then is the response alone."""
    of, folder, camera, _ = night
    text = recipe(camera) + "flat = false\n"
    zeroframe.night(folder / "raw", tmp_path / "out", recipe=parse_recipe(text), unit="electron", report=False)
    frame = calibrated(tmp_path / "out" / "object28.fits")
    good = ~frame.mask
    good[STAR] = False
    truth = SKY_E * response(of)
    assert frame.header["BUNIT"] == "electron"
    for each in of.camera.amplifiers:
        place = each.place.slices_yx(of.assembled_yx)
        seen = good[place]
        assert np.mean((frame.data / truth)[place][seen]) == pytest.approx(1.0, rel=0.005)
        assert 0.92 < np.mean((((frame.data - truth) / frame.sigma)[place][seen]) ** 2) < 1.08


def test_the_command_and_its_report(night, tmp_path):
    of, folder, camera, _ = night
    done = command("night", folder / "raw", "-o", tmp_path / "out", "--camera", camera)
    assert done.code == 0, done.out + done.err
    page = (tmp_path / "out" / "report.html").read_text()
    for each in of.camera.amplifiers:
        assert f"amplifier {each.name}" in page
    assert "in their places" in re.sub(r"\s+", " ", page)


# --- what cannot be --------------------------------------------------------------------------------------------------


def test_a_gain_that_is_not_known_is_no_gain(night, tmp_path):
    of, folder, _, _ = night
    camera = write_camera(without(of.camera, gain_e_per_adu=None), tmp_path / "less.toml")
    result = carried_out(folder / "raw", tmp_path / "out", recipe(camera))
    (reason, *_) = [each.outcome.reason for each in result.frames if each.frame.name.startswith("object")]
    assert "the gain of amplifier B is not known: no uncertainty; give it in the camera file" in reason
    assert calibrated(tmp_path / "out" / "object28.fits").sigma is None


def test_the_header_of_each_amplifier_is_refused_where_it_is_asked_for_as_one(night, tmp_path):
    _, folder, camera, _ = night
    for more, words in (
        ("gain_e_per_adu = 2.0", "asked for as those of one amplifier"),
        ('trim = "[1:5,:]"', "--overscan and --trim are those of one amplifier"),
    ):
        with pytest.raises(UsageError, match=words):
            planned(folder / "raw", tmp_path / "out", recipe(camera, more))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"place": "[300:141,1:260]"}, r"places \[1:160,1:260\] of amplifier A and \[300:141,1:260\] .* overlap in"),
        ({"place": "[330:171,1:260]"}, r"leave a gap: they fill 83200 pixels of \[1:330,1:260\], and 2600 belong"),
        ({"place": "[320:161,1:250]"}, r"amplifier B: place .* is 160 x 250 pixels, and trim .* is 160 x 260"),
        ({"place": None}, "amplifier B has no place; give all amplifiers one, or none"),
        (
            {"trim": "[151:310,1:260]"},
            r"trim \[1:160,1:260\] of amplifier A and trim .* of amplifier B have \[151:160,",
        ),
        (
            {"overscan": "[175:200,1:260]"},
            r"overscan \[161:180,1:260\] of amplifier A and overscan .* \[175:180,1:260\]",
        ),
        ({"overscan": "[191:210,1:260]"}, r"overscan .* of amplifier B have \[201:210,1:260\] in common"),
        ({"prescan": "[355:370,1:260]"}, "amplifier 2: prescan: .* outside the image"),
        ({"overscan": "[181:200,1:200]"}, r"overscan .* of amplifier B stands beside 200 of the 260 rows of its trim"),
        ({"overscan_axis": 0}, r"overscan .* of amplifier B stands beside 0 of the 160 columns of its trim"),
        ({"name": "A"}, "2 amplifiers are called 'A'"),
        ({"name": ""}, "amplifier 2 has no name"),
        ({"trim": None}, "amplifier B has no trim"),
        ({"detector": "other"}, "has 2 detectors in a file"),
    ],
)
def test_amplifiers_that_cannot_be(tmp_path, change, words):
    of = CAMERAS["two"]
    plain = ("name", "detector", "overscan_axis")
    figures = {key: value if value is None or key in plain else Section.parse(value) for key, value in change.items()}
    (tmp_path / "raw").mkdir()
    header = fits.Header({"IMAGETYP": "bias", "EXPTIME": 0.0})
    fits.PrimaryHDU(np.zeros(of.shape_yx, np.uint16), header).writeto(tmp_path / "raw" / "b.fits")
    camera = write_camera(without(of.camera, **figures), tmp_path / "c.toml")
    with pytest.raises((CameraError, UnsupportedError), match=words):
        planned(tmp_path / "raw", tmp_path / "out", recipe(camera))


def test_without_places_they_keep_their_order(tmp_path):
    of = CAMERAS["four"]
    amplifiers = tuple(replace(each, place=None) for each in of.camera.amplifiers)
    (detector,) = replace(of.camera, amplifiers=amplifiers).detectors
    places = [str(each.place) for each in detector.placed(of.shape_yx).amplifiers]
    assert places == ["[1:160,1:128]", "[161:320,1:128]", "[1:160,129:256]", "[161:320,129:256]"]


def test_binned_frames_have_binned_amplifiers():
    of = CAMERAS["four"]
    (detector,) = of.camera.for_binning((2, 2)).detectors
    placed = detector.placed((144, 190)).amplifiers
    assert [str(each.place) for each in placed] == ["[1:80,1:64]", "[81:160,1:64]", "[1:80,128:65]", "[160:81,65:128]"]
