"""Files of several amplifiers and detectors that are not whole, or mixed: each with its sentence, or done right."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits

from workbench import command
from zeroframe.simulate import SIMULATED_MOSAICS, simulate_night


@pytest.fixture(scope="module")
def nights(tmp_path_factory):
    """Raw nights of four amplifiers, and of four chips."""
    folder = tmp_path_factory.mktemp("nights")
    for name in ("quad-mef", "four-chip-mosaic"):
        simulate_night(SIMULATED_MOSAICS[name].resized((96, 192)), folder / name, seed=3)
    return folder


def changed(source, target, change):
    """Write each file of a night as a change makes it: of its number, path and target."""
    target.mkdir()
    for number, path in enumerate(sorted(source.iterdir()), start=1):
        change(number, path, target / path.name)
    return target


def with_extensions(*numbers, only=None):
    def change(number, path, target):
        with fits.open(path) as hdus:
            kept = hdus if only is not None and number != only else [hdus[0], *(hdus[each] for each in numbers)]
            fits.HDUList(list(kept)).writeto(target)

    return change


@pytest.mark.long
def test_one_chip_alone(nights, tmp_path):
    raw = changed(nights / "four-chip-mosaic", tmp_path / "raw", with_extensions(3, 4))
    done = command("night", raw, "-o", tmp_path / "out", "--no-report")
    assert (done.code, "All is well." in done.out) == (0, True)
    whole = command(
        "night", nights / "four-chip-mosaic", "-o", tmp_path / "whole", "--detector", "chip2", "--no-report"
    )
    assert whole.code == 0
    for ext in (0, "UNCERT"):
        alone = fits.getdata(tmp_path / "out" / "obs018.fits", ext)
        np.testing.assert_array_equal(alone, fits.getdata(tmp_path / "whole" / "obs018.chip2.fits", ext))


@pytest.mark.long
def test_an_amplifier_is_missing_in_one_file(nights, tmp_path):
    raw = changed(nights / "quad-mef", tmp_path / "raw", with_extensions(1, 3, 4, only=18))
    done = command("night", raw, "-o", tmp_path / "out", "--no-report")
    assert done.code == 1
    said = " ".join((done.out + done.err).split())
    assert said.count("obs018.fits: lacks an amplifier: it holds A, C, D, and the places of the amplifiers leave") == 1
    assert sorted(path.name for path in (tmp_path / "out").glob("obs02*.fits")) == ["obs020.fits"]
    assert not (tmp_path / "out" / "obs018.fits").exists()


@pytest.mark.long
def test_an_amplifier_is_missing_in_all_files(nights, tmp_path):
    raw = changed(nights / "quad-mef", tmp_path / "raw", with_extensions(1, 2, 3))
    done = command("night", raw, "-o", tmp_path / "out")
    assert done.code == 2
    assert "lacks an amplifier: it holds A, B, C" in done.err
    assert "--keep-amplifiers calibrates those that are there" in " ".join(done.err.split())
    assert command("night", raw, "-o", tmp_path / "out", "--keep-amplifiers", "--no-report").code == 0
    assert (tmp_path / "out" / "obs018.C.fits").exists()


@pytest.mark.parametrize("cut", [1_000, 30_000])
def test_an_extension_is_cut_off(nights, tmp_path, cut):
    """Within the last one, and before it."""

    def change(number, path, target):
        content = path.read_bytes()
        target.write_bytes(content[:-cut] if number == 18 else content)

    raw = changed(nights / "quad-mef", tmp_path / "raw", change)
    done = command("night", raw, "-o", tmp_path / "out", "--no-report")
    assert done.code == 1
    said = " ".join((done.out + done.err).split())
    assert "obs018.fits" in said
    assert "cut off" in said or "ends within" in said or "are missing" in said
    assert not (tmp_path / "out" / "obs018.fits").exists()
    assert (tmp_path / "out" / "obs019.fits").exists()


@pytest.mark.long
@pytest.mark.parametrize("word", ["CHIPID", ""])
def test_a_file_for_each_chip_in_one_folder(nights, tmp_path, word):
    """Told apart by a word of the header, or by how names end; never combined with each other."""

    def change(number, path, target):
        with fits.open(path) as hdus:
            for chip, hdu in enumerate((hdus[1], hdus[3]), start=1):
                header = hdus[0].header.copy()
                for each in ("DATASUM", "CHECKSUM", "NEXTEND", "BIASSEC", "GAIN"):
                    header.remove(each, ignore_missing=True)
                if word:
                    header[word] = chip
                fits.writeto(target.with_name(f"{path.stem}c{chip}.fits"), hdu.data, header)

    raw = changed(nights / "four-chip-mosaic", tmp_path / "raw", change)
    done = command("night", raw, "-o", tmp_path / "out", "--no-report")
    assert (done.code, "All is well." in done.out) == (0, True)
    chips = ("1", "2") if word else ("c1", "c2")
    for number, chip in enumerate(chips, start=1):
        header = fits.getheader(tmp_path / "out" / f"obs018c{number}.fits")
        for each in ("ZEROCOR", "DARKCOR", "FLATCOR"):
            assert f"chip_{chip}" in header[each]
        assert fits.getval(tmp_path / "out" / f"combined_bias_chip_{chip}.fits", "NCOMBINE") == 8
    mixed = command("combine", *(tmp_path / "out").glob("obs018c*.fits"), "-o", tmp_path / "mixed.fits")
    assert (mixed.code == 2) == bool(word)


@pytest.mark.long
def test_two_binnings_in_one_folder(nights, tmp_path):
    def change(number, path, target):
        target.write_bytes(path.read_bytes())
        if number not in (1, 3, 18):
            return
        with fits.open(path) as hdus:
            made = [hdus[0].copy()]
            for hdu in hdus[1:]:
                ny, nx = (size // 2 for size in hdu.data.shape)
                pixels = hdu.data[: 2 * ny, : 2 * nx].reshape(ny, 2, nx, 2).mean(axis=(1, 3))
                made.append(fits.ImageHDU(np.rint(pixels).astype(np.uint16), hdu.header))
                for word in ("DATASEC", "TRIMSEC", "BIASSEC"):
                    ends = [int(each) for each in hdu.header[word].strip("[]").replace(",", ":").split(":")]
                    made[-1].header[word] = "[{}:{},{}:{}]".format(*((end + 1) // 2 for end in ends))
            for each in made:
                each.header["CCDSUM"] = "4 4"
                for word in ("DATASUM", "CHECKSUM"):
                    each.header.remove(word, ignore_missing=True)
            fits.HDUList(made).writeto(target.with_name(f"{path.stem}b.fits"))

    raw = changed(nights / "quad-mef", tmp_path / "raw", change)
    done = command("night", raw, "-o", tmp_path / "out", "--no-report")
    said = " ".join((done.out + done.err).split())
    assert "3 frames of 77 x 128 pixels binned 4 x 4" in said
    assert "each is calibrated with its own kind only" in said
    assert "flat R: binned 2 x 2, not 4 x 4" in said  # what there is none of, is said
    with fits.open(tmp_path / "out" / "obs018b.fits") as hdus:
        assert hdus[0].data.shape == (48, 96)
        assert "FLATCOR" not in hdus[0].header
    mixed = command("combine", *(tmp_path / "out").glob("obs018*.fits"), "-o", tmp_path / "mixed.fits")
    assert mixed.code == 2
    assert "of each binning by themselves" in " ".join(mixed.err.split())


def test_what_is_no_amplifier(tmp_path):
    """Guider stamps, a table, a preview beside the image, a cube: what it is stands in the sentence, or it is read."""
    rng = np.random.default_rng(1)

    def image(*shape):
        return fits.ImageHDU(rng.normal(500.0, 5.0, shape).astype(np.float32))

    kind = fits.Header({"IMAGETYP": "bias", "BUNIT": "adu"})
    table = fits.BinTableHDU.from_columns([fits.Column("X", "1D", array=np.arange(5.0))])
    cases = {
        "stamps": ([image(20, 20) for _ in range(102)], "holds 102 images"),
        "preview": ([image(400, 500), image(40, 50)], "as previews are"),
        "cube": ([image(3, 40, 50), image(3, 40, 50)], "a cube"),
        "table": ([table], "holds no image"),
    }
    for name, (hdus, words) in cases.items():
        (tmp_path / name).mkdir()
        for number in range(3):
            fits.HDUList([fits.PrimaryHDU(header=kind), *hdus]).writeto(tmp_path / name / f"b{number}.fits")
        done = command("bias", tmp_path / name, "-o", tmp_path / f"{name}-out")
        assert done.code == 2, name
        assert words in " ".join(done.err.split()), (name, done.err)
    (tmp_path / "beside").mkdir()
    for number in range(3):
        pixels = rng.normal(500.0, 5.0, (60, 70)).astype(np.float32)
        fits.HDUList([fits.PrimaryHDU(pixels, kind), table]).writeto(tmp_path / "beside" / f"b{number}.fits")
    assert command("bias", tmp_path / "beside", "-o", tmp_path / "beside-out", "--no-report").code == 0
