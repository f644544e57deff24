"""The inspection keeps to a memory limit: the same result where it can, a smaller sample and a word where not."""

from __future__ import annotations

import re
import tracemalloc

import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import CCDData

from workbench import command, names_in
from zeroframe.errors import MemoryLimitError, UsageError
from zeroframe.fits import ImagePart, read_raw, write_fits
from zeroframe.inspection import inspect_overscan
from zeroframe.inspection.samples import SampleSize
from zeroframe.inspection.sources import Pixels, Source, gather_sources

NY, NX, WIDTH, GAIN = 1100, 900, 40, 1.6
KINDS = ("zero", "zero", "zero", "flat", "flat")


def frames_of(shape_yx=(NY, NX), width=WIDTH):
    random = np.random.default_rng(11)
    light = np.where(np.arange(shape_yx[1]) < shape_yx[1] - width, 9000.0, 0.0)
    for kind in KINDS:
        signal = light if kind == "flat" else 0.0 * light
        pixels = random.normal(1000.0 + signal, np.sqrt(signal / GAIN + 16.0), shape_yx)
        yield kind, np.rint(pixels).astype(np.uint16)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """The same frames, wrapped in three ways."""
    places = {}
    for form, suffix in (("none", ".fits"), ("gzip", ".fits.gz"), ("rice", ".fits.fz")):
        places[form] = tmp_path_factory.mktemp(form)
        for number, (kind, pixels) in enumerate(frames_of()):
            part = ImagePart(pixels, fits.Header({"IMAGETYP": kind, "FILTER": "r", "BUNIT": "adu"}))
            write_fits(places[form] / f"{kind}{number}{suffix}", [part], compress=form)
    return places


def peak_and_result(*arguments, **options):
    """Return what was found, and the most memory that was in use for it."""
    tracemalloc.start()
    try:
        result = inspect_overscan(*arguments, **options)
        return tracemalloc.get_traced_memory()[1], result
    finally:
        tracemalloc.stop()


@pytest.mark.long
@pytest.mark.parametrize("form", ["none", "gzip", "rice"])
def test_a_limit_is_kept(folders, form):
    whole = inspect_overscan(folders[form])
    thinned = 0
    for limit in (60_000_000, 30_000_000, 22_000_000):
        peak, result = peak_and_result(folders[form], mem_limit_bytes=limit, workers=8)
        assert peak < limit
        assert str(result.recommended.section) == f"[{NX - WIDTH + 1}:{NX},1:{NY}]"
        assert (result.decision, result.trim) == (whole.decision, whole.trim)
        said = [text for text in result.sentences if text.startswith("the memory limit holds only")]
        if not said:
            assert result.sentences == whole.sentences
            continue
        thinned += 1
        rows, columns = map(int, re.findall(r"(\d+) of [\d,]+ (?:rows|columns)", said[0].replace(",", "")))
        assert 0 < rows < NY
        assert 0 < columns < NX
        assert result.gain_e_per_adu.value == pytest.approx(GAIN, rel=0.05)
    assert 1 <= thinned <= 2


def test_the_limit_changes_nothing_as_long_as_everything_fits(folders):
    results = [
        inspect_overscan(folders["none"], mem_limit_bytes=limit, workers=workers)
        for limit, workers in ((60_000_000, 1), (80_000_000, 8), (None, 2), (10**12, None))
    ]
    first = results[0]
    for result in results[1:]:
        assert (result.sentences, result.read_noise_adu, result.gain_e_per_adu) == (
            (first.sentences, first.read_noise_adu, first.gain_e_per_adu)
        )
        assert result.strips[0].leak_adu == first.strips[0].leak_adu


def test_a_limit_that_is_too_small_is_refused_with_one_that_is_enough(folders):
    with pytest.raises(MemoryLimitError, match=r"the memory limit of 3\.0 MB does not hold") as refused:
        inspect_overscan(folders["none"], mem_limit_bytes=3_000_000)
    enough = int(re.search(r"raise it to (\d+) MB or more", str(refused.value))[1]) * 1_000_000
    peak, result = peak_and_result(folders["none"], mem_limit_bytes=enough)
    assert result.decision == "use"
    assert peak < enough
    assert enough < 20_000_000


def test_frames_in_memory_are_not_copied(folders):
    """Masks are applied, and bytes swapped, only where pixels are looked at."""
    frames = [
        CCDData(pixels.astype(">u2"), unit="adu", mask=np.zeros(pixels.shape, dtype=bool), meta={"IMAGETYP": kind})
        for kind, pixels in frames_of()
    ]
    for frame in frames:
        frame.mask[7, 9] = True
    sources, problems = gather_sources(frames)
    assert problems == []
    assert all(
        np.shares_memory(source.pixels.stored, frame.data) for source, frame in zip(sources, frames, strict=True)
    )
    assert np.isnan(sources[0].pixels.part(slice(7, 8), slice(9, 10))).all()
    assert str(inspect_overscan(frames).recommended.section) == f"[{NX - WIDTH + 1}:{NX},1:{NY}]"


@pytest.mark.parametrize(
    ("pixels", "cards"),
    [
        (np.arange(600, dtype=np.uint16), {}),
        (np.arange(600, dtype=np.int32), {"BSCALE": 0.5, "BZERO": 7.0}),
        (np.arange(600, dtype=np.int16), {"BLANK": 77}),
        (np.linspace(0, 1, 600).astype(np.float32), {}),
    ],
)
def test_parts_are_those_of_the_whole(tmp_path, pixels, cards):
    hdu = fits.PrimaryHDU(pixels.reshape(20, 30))
    hdu.writeto(tmp_path / "a.fits")
    if cards:
        content = (tmp_path / "a.fits").read_bytes()
        header = fits.Header.fromstring(content[:2880])
        header.update(cards)
        (tmp_path / "a.fits").write_bytes(header.tostring().encode().ljust(2880) + content[2880:])
    raw = read_raw(tmp_path / "a.fits")
    whole, parts = raw.decode(), Pixels(raw.pixels, raw.layout)
    for rows, columns in ((slice(None), slice(-7, None)), (slice(3, 9), slice(None)), (slice(None), slice(2, 30, 5))):
        part = parts.part(rows, columns)
        assert part.dtype == whole.dtype
        np.testing.assert_array_equal(part, whole[rows, columns])


@pytest.mark.parametrize("kept", [2, 8, 18, 19, 500])
@pytest.mark.parametrize("lines", [5, 100, 300, 950])
def test_the_lines_that_are_kept_are_the_first_of_each_bin(lines, kept):
    size = SampleSize((lines, 40), kept, 2)
    bins = max(min(48, lines // 6), 1)
    height = lines // bins
    numbers = [n for n in range(lines) if kept >= height or (n < bins * height and n % height < kept)]
    zone = np.arange(lines)[:, None] * np.ones(3)
    np.testing.assert_array_equal(size.thinned("left", zone)[:, 0], numbers)
    for line in range(lines + 1):
        assert size.place("left", line) == sum(number < line for number in numbers)


def test_a_frame_of_nothing():
    with pytest.raises(UsageError, match="neither pixels nor a file"):
        Source("b", None, (20, 20)).read()


def test_the_command_keeps_to_the_limit(folders, tmp_path):
    run = command("bias", folders["none"], "-o", tmp_path / "out", "--mem-limit", "3M", "--no-report")
    assert run.code == 2
    assert "does not hold what is looked at to find the overscan; raise it to" in run.err
    run = command("bias", folders["none"], "-o", tmp_path / "out", "--mem-limit", "22M", "--no-report")
    assert run.code == 0, run.out + run.err
    assert f"[{NX - WIDTH + 1}:{NX},1:{NY}]" in run.out
    assert len(names_in(tmp_path / "out")) == KINDS.count("zero") + 1
    run = command("inspect", folders["none"], "--mem-limit", "22M")
    assert run.code == 0, run.out + run.err
    assert "the memory limit holds only" in run.out
