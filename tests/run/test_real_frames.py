"""The main job on frames that real cameras took, against plain numpy on what astropy reads."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits
from astropy.stats import sigma_clip

from nights import bias_run, only_group, outcomes
from workbench import command, naive_clipped_mean, names_in, pixels_of
from zeroframe.headers.sections import Section


def by_hand(path):
    """Read unsigned 16-bit pixels without any FITS library: two of these headers are not quite FITS."""
    content = path.read_bytes()
    end = next(start for start in range(0, len(content), 80) if content[start : start + 80].rstrip() == b"END")
    words = {content[at : at + 8].decode().strip(): content[at + 10 : at + 80].decode() for at in range(0, end, 80)}
    nx, ny, bitpix = (int(words[word].partition("/")[0]) for word in ("NAXIS1", "NAXIS2", "BITPIX"))
    zero = float(words.get("BZERO", "0").partition("/")[0].strip(" '"))
    assert bitpix == 16
    data = np.frombuffer(content, ">i2", nx * ny, offset=(end // 2880 + 1) * 2880)
    return data.reshape(ny, nx).astype(np.int32) + int(zero)


def run(folder, out, **sections):
    """With the recipe of the notebooks: their clip can be done again by hand."""
    return bias_run(folder, out, clip_spread="mad", **sections)


def clipped_mean(values):
    """What astropy calls the mean of values clipped at five sigma."""
    return float(sigma_clip(values.astype(np.float64), 5, masked=True).mean())


def read_noise(stack):
    """Read noise by hand: scatter of differences of neighbours in the stack, rows levelled, outliers clipped."""
    variances = []
    for first, second in zip(stack[::2], stack[1::2], strict=False):
        difference = sigma_clip(first.astype(np.float64) - second, 5, masked=True)
        difference = difference - difference.mean(axis=1, keepdims=True)
        width = difference.shape[1]
        variances.append(float(difference.var()) / 2 * width / (width - 1))
    return float(np.sqrt(np.mean(variances)))


def compare(result, raw, image):
    """Levels and read noise against numpy: raw frames, and the part of them that is image."""
    levels = [clipped_mean(pixels[image]) for pixels in raw]
    assert [frame.raw_level_adu for frame in outcomes(result)] == pytest.approx(levels, abs=0.15)
    assert only_group(result).combined.noise.single == pytest.approx(
        read_noise(np.stack([pixels[image] for pixels in raw])), rel=0.01
    )
    return levels


def test_kpno_zeros_with_overscan(real_data, tmp_path):
    folder = real_data / "kpno-spectrograph"
    result = run(folder, tmp_path / "out", overscan="[106:133,:]", overscan_method="median", trim="[1:101,:]")
    assert result.is_good
    names = [frame.source.name for frame in outcomes(result)]
    assert names == [f"sp{number:04d}.fits" for number in range(1, 11)]
    raw = [by_hand(folder / name) for name in names]
    image = np.s_[:, :101]
    levels = compare(result, raw, image)
    assert 613.8 < min(levels) < max(levels) < 614.5
    calibrated = []
    for name, pixels in zip(names, raw, strict=True):
        level = np.median(pixels[:, 105:].astype(np.float64), axis=1, keepdims=True)
        calibrated.append((pixels[image] - level).astype(np.float32))
        np.testing.assert_array_equal(pixels_of(tmp_path / "out" / name), calibrated[-1])
    expected, _, counts = naive_clipped_mean(np.stack(calibrated))
    combined = tmp_path / "out" / "combined_bias.fits"
    same = counts == pixels_of(combined, "COUNTS")
    assert same.mean() > 0.999
    np.testing.assert_allclose(pixels_of(combined)[same], expected[same], atol=1e-5)
    # the noise of ten frames, between what they should give and a tenth more
    noise = only_group(result).combined.noise
    assert 1.0 < noise.combined / noise.expected < 1.1


def test_kpno_by_command_names_the_others(real_data, tmp_path):
    run = command("bias", real_data / "kpno-spectrograph", "-o", tmp_path / "out")
    assert run.code == 0
    said = (
        "10 bias frames found",
        "IMAGETYP = 'zero'",
        "use columns 104–133; header's BIASSEC starts 2 columns too early",
    )
    for words in (*said, "overscan: [104:133,1:1024] auto", "trim: [1:101,1:1024]"):
        assert words in run.out
    assert "15 left alone (2 arc, 4 flat, 9 science)" in run.out
    assert len(names_in(tmp_path / "out")) == 11


@pytest.mark.long
@pytest.mark.parametrize(("name", "frames"), [("sbig-spectrograph", 5), ("sbig-camera", 9)])
def test_sbig_without_overscan(real_data, tmp_path, name, frames):
    """No header word says what these are: their names do, and that is said aloud."""
    folder = real_data / name
    result = run(folder, tmp_path / "out")
    assert result.is_good
    assert len(result.frames) == frames
    raw = [by_hand(frame.source) for frame in outcomes(result)]
    compare(result, raw, np.s_[:, :])
    for frame, pixels in zip(outcomes(result), raw, strict=True):
        np.testing.assert_array_equal(pixels_of(frame.target), pixels)
    said = command("bias", folder, "-o", tmp_path / "again")
    assert said.code == 0
    assert f"kind (please check): {frames} of {frames} frames taken as bias" in said.out


def test_lco_tile_compressed(real_data, tmp_path):
    """What ccdproc ends with exit 0 on, having written nothing."""
    result = run(real_data / "lco-bias", tmp_path / "out", overscan="none")
    assert result.is_good
    (frame,) = outcomes(result)
    assert frame.target.name == "coj1m011-fl08-20151216-0049-b00.fits"
    assert frame.shape_yx == (1024, 1040)
    with fits.open(frame.source) as hdus:
        raw = np.squeeze(hdus[1].data)
    written = pixels_of(frame.target)
    assert written.dtype == np.dtype(">f4")
    np.testing.assert_array_equal(written, raw)
    assert frame.raw_level_adu == pytest.approx(clipped_mean(raw), rel=1e-3)


def test_saao_left_overscan(real_data, tmp_path):
    """Sections that are padded with blanks, and an overscan on the left."""
    path = real_data / "saao-left-overscan" / "a8280271.fits"
    header = fits.getheader(path)
    raw = tmp_path / "raw" / "bias_1.fits"
    raw.parent.mkdir()
    with fits.open(path) as hdus:
        hdus[0].header["OBSTYPE"] = hdus[0].header["IMAGETYP"] = "bias"
        hdus.writeto(raw, output_verify="ignore")
    result = run(
        raw.parent, tmp_path / "out", overscan=header["BIASSEC"], overscan_method="median", trim=header["TRIMSEC"]
    )
    assert result.is_good, result.frames
    pixels = fits.getdata(raw).astype(np.float64)
    strip = Section.parse(header["BIASSEC"]).slices_yx(pixels.shape)
    kept = Section.parse(header["TRIMSEC"]).slices_yx(pixels.shape)
    level = np.median(pixels[strip], axis=1)
    np.testing.assert_allclose(pixels_of(result.frames[0].frame.target), (pixels - level[:, None])[kept], atol=1e-3)


def test_broken_ones_do_not_stop_the_others(real_data, tmp_path):
    """Leftovers, catalogues, texts and empty files among real biases."""
    folder = tmp_path / "raw"
    folder.mkdir()
    for path in [*sorted((real_data / "broken").iterdir()), *sorted((real_data / "kpno-spectrograph").iterdir())[:2]]:
        (folder / path.name).symlink_to(path)
    run = command("bias", folder, "-o", tmp_path / "out")
    assert run.code == 1
    assert names_in(tmp_path / "out") == ["combined_bias.fits", "sp0001.fits", "sp0002.fits"]
    said = [line for line in run.out.splitlines() if line.startswith("failed: ")]
    assert {name for name in ("symlink-as-text.fits", "zero-bytes.fits") if any(name in line for line in said)} == {
        "symlink-as-text.fits",
        "zero-bytes.fits",
    }
