"""Raw files of cameras and XISF: read as FITS is, with what they say, through a whole night, and never altered."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from other_formats import write_dng, write_xisf
from workbench import command
from zeroframe.cli.jobs import night
from zeroframe.errors import DamagedError, NotFitsError, UnsupportedError
from zeroframe.fits import read_raw, scan
from zeroframe.headers.dialects import read_facts
from zeroframe.simulate import SIMULATED_CAMERAS, Strip, night_specs, sensor_truth, simulate_frame


def sums(folder: Path) -> dict[str, str]:
    """Return the hash and the time of every file."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() + str(path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("seed", range(4))
def test_a_dng_is_read_with_what_it_says(tmp_path, seed):
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 65535, (rng.integers(40, 60), rng.integers(60, 90)), dtype=np.uint16)
    letters = str(rng.choice(["RGGB", "BGGR", "GRBG", "GBRG"]))
    margins = (2, 12) if seed % 2 else (0, 0)
    path = tmp_path / "a.dng"
    write_dng(path, pixels, exposure_s=12.5, iso=1600, letters=letters, margins=margins, black=256, model="EOS 9")
    found = scan(path)
    facts = read_facts(found.cards, path.name)
    assert facts.exposure_s == 12.5
    assert facts.date_obs == "2024-03-09T20:11:12"
    assert facts.instrument == "Maker EOS 9"
    assert facts.saturation_adu == 65532
    assert (found.cards["ISOSPEED"], found.cards["BLACKLVL"]) == (1600, 256)
    # the pattern of a DNG is that of its active area
    active = pixels[margins[0] :, margins[1] :]
    assert active.shape[0] > 0
    assert facts.colours.moved(*margins).letters == letters
    raw = read_raw(path, with_mark=True)
    np.testing.assert_array_equal(raw.decode(), pixels)
    assert raw.mark.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert ("BIASSEC" in found.cards) is bool(seed % 2)


@pytest.mark.parametrize("codec", [None, "zlib", "lz4", "zstd"])
@pytest.mark.parametrize("kind", ["u1", "u2", "u4", "f4", "f8"])
def test_an_xisf_is_read_with_its_keywords(tmp_path, kind, codec):
    rng = np.random.default_rng(3)
    pixels = rng.integers(0, 200, (30, 41)).astype(kind)
    if kind[0] == "f":
        pixels = (rng.random((30, 41)) * 0.9).astype(kind)
    header = fits.Header({"IMAGETYP": "Light Frame", "EXPTIME": 2.5, "GAIN": 100, "OBJECT": "M 1", "SIMPLE": True})
    header["LASTFLAT"] = True
    header["DATE-OBS"] = "2024-03-09T20:11:12.5"
    header.add_history("made for a test")
    path = tmp_path / "a.xisf"
    write_xisf(path, pixels, header, codec)
    raw = read_raw(path)
    # floating point images of PixInsight are fractions of 16 bits
    expected = pixels * pixels.dtype.type(65535) if kind[0] == "f" else pixels
    np.testing.assert_array_equal(raw.decode(), expected)
    for word in ("IMAGETYP", "EXPTIME", "GAIN", "OBJECT", "LASTFLAT", "DATE-OBS"):
        assert raw.cards[word] == header[word], word
    assert isinstance(raw.cards["GAIN"], int)


def test_colour_pictures_and_damaged_files_are_refused_in_a_sentence(tmp_path):
    cube = np.zeros((20, 30, 3), np.uint16)
    write_xisf(tmp_path / "rgb.xisf", cube, fits.Header())
    with pytest.raises(UnsupportedError, match="three planes as of a colour picture"):
        scan(tmp_path / "rgb.xisf").image()
    fits.writeto(tmp_path / "cube.fits", np.zeros((7, 20, 30), np.uint16))
    with pytest.raises(UnsupportedError, match=r"cube of 30 x 20 x 7 pixels.*fits\.writeto"):
        scan(tmp_path / "cube.fits").image()
    (tmp_path / "bad.xisf").write_bytes(b"XISF0100" + b"\xff" * 100)
    with pytest.raises(DamagedError, match=r"bad\.xisf"):
        scan(tmp_path / "bad.xisf")
    write_dng(tmp_path / "cut.dng", np.full((64, 64), 99, np.uint16))
    whole = (tmp_path / "cut.dng").read_bytes()
    (tmp_path / "cut.dng").write_bytes(whole[: len(whole) // 4])
    with pytest.raises(DamagedError, match="LibRaw"):
        read_raw(tmp_path / "cut.dng").decode()
    (tmp_path / "film.ser").write_bytes(b"LUCAM-RECORDER" + b"\0" * 200)
    with pytest.raises(NotFitsError, match=r"SER film.*Siril"):
        scan(tmp_path / "film.ser")


def test_without_the_library_a_sentence_names_the_line_that_installs_it(tmp_path, monkeypatch):
    write_dng(tmp_path / "a.dng", np.full((64, 64), 99, np.uint16))
    write_xisf(tmp_path / "b.xisf", np.full((64, 64), 99, np.uint16), fits.Header())
    (tmp_path / "c.ser").write_bytes(b"LUCAM-RECORDER" + b"\0" * 200)
    for module in ("rawpy", "xisf"):
        monkeypatch.setitem(sys.modules, module, None)  # as Python marks what is not there
    with pytest.raises(NotFitsError, match=r"pip install 'zeroframe\[raw\]'"):
        scan(tmp_path / "a.dng")
    with pytest.raises(NotFitsError, match=r"pip install 'zeroframe\[xisf\]'"):
        scan(tmp_path / "b.xisf")
    run = command("ls", tmp_path)
    for words in ("zeroframe[raw]", "zeroframe[xisf]", "c.ser is not FITS (a film", "Siril"):
        assert words in run.err
    monkeypatch.undo()
    run = command("ls", tmp_path)
    assert "a.dng" in run.out
    assert "b.xisf" in run.out
    assert "zeroframe[" not in run.err


CAMERA = replace(SIMULATED_CAMERAS["osc-cmos"], image_shape_yx=(160, 240), strips=(Strip("left", 24),))


@pytest.fixture(scope="module")
def frames():
    """Return the frames of a night, by their names."""
    sensor = sensor_truth(CAMERA, 8, filter_names=["clear"])
    return {
        spec.file_name: (spec, simulate_frame(CAMERA, spec, 8, index=index, sensor=sensor))
        for index, spec in enumerate(night_specs(CAMERA))
    }


@pytest.mark.long
def test_a_night_of_xisf_is_that_of_fits_bit_by_bit(tmp_path, frames):
    for number, (name, (_, frame)) in enumerate(frames.items()):
        write_xisf(tmp_path / "xisf" / f"{name[:-5]}.xisf", frame.pixels, frame.header, "lz4" if number % 2 else None)
        path = tmp_path / "fits" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        fits.writeto(path, frame.pixels, frame.header)
    before = sums(tmp_path / "xisf")
    made = {
        kind: night(tmp_path / kind, tmp_path / f"{kind}-out", report=False, workers=1) for kind in ("xisf", "fits")
    }
    assert sums(tmp_path / "xisf") == before
    assert [one.code for one in made["xisf"].findings] == [one.code for one in made["fits"].findings]
    science = [name for name, (spec, _) in frames.items() if spec.kind == "science"]
    assert len(science) == 4
    for name in science:
        with (
            fits.open(tmp_path / "fits-out" / name) as one,
            fits.open(tmp_path / "xisf-out" / f"{name[:-5]}.xisf.fits") as other,
        ):
            for hdu in range(3):
                np.testing.assert_array_equal(one[hdu].data, other[hdu].data)
            assert other[0].header["BAYERPAT"] == one[0].header["BAYERPAT"]
    again = night(tmp_path / "xisf", tmp_path / "xisf-out", report=False, workers=1)
    assert all(frame.state == "skipped" for frame in again.frames)


def test_a_night_of_dng_goes_from_raw_to_science(tmp_path, frames):
    for number, (name, (spec, frame)) in enumerate(frames.items()):
        path = tmp_path / "dng" / name.replace("m67", "light").replace(".fits", ".dng")
        when = f"2024:03:09 20:{number:02d}:12"
        write_dng(path, frame.pixels, exposure_s=spec.exposure_s, when=when, margins=(0, 24), letters="RGGB")
    before = sums(tmp_path / "dng")
    recipe = tmp_path / "night.toml"
    recipe.write_text("[frames]\ngain_e_per_adu = 0.8\n")
    made = night(tmp_path / "dng", tmp_path / "out", recipe=recipe, report=False, workers=1)
    assert sums(tmp_path / "dng") == before
    assert not any(one.severity == "error" for one in made.findings)
    results = sorted((tmp_path / "out" / "LIGHT").glob("*.dng.fits"))
    assert len(results) == 4
    for path, (name, (_, frame)) in zip(results, [one for one in frames.items() if "LIGHT" in one[0]], strict=True):
        with fits.open(path) as hdus:
            # the masked border is the overscan, and is cut off
            assert hdus[0].shape == CAMERA.image_shape_yx, name
            assert hdus[0].header["BAYERPAT"] == "RGGB"
            assert "OVERSCAN" in hdus[0].header
            expected = frame.truth.sky_e / CAMERA.gain_e_per_adu
            good = (hdus["MASK"].data == 0) & ~frame.truth.cosmic_rays
            chi = ((hdus[0].data - expected) / hdus["UNCERT"].data)[good]
            assert np.mean(chi[np.abs(chi) < 6] ** 2) == pytest.approx(1.0, abs=0.06)
