"""Writing: what astropy reads back is what was given, to the bit; and a file is there whole or not at all."""

from __future__ import annotations

import os
import resource
import signal
import stat
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.io.fits.verify import VerifyWarning
from hypothesis import given
from hypothesis import strategies as st

from zeroframe.errors import ArgumentError, OutputError, OutputExistsError, UsageError
from zeroframe.fits import ImagePart, read_raw, scan, write_fits
from zeroframe.fits.atomic import atomic_file, write_all
from zeroframe.fits.building import card
from zeroframe.fits.checksums import add_sums, data_sum, encode_checksum

COMPRESSIONS = ("none", "gzip", "rice")
DTYPES = ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8", "?")


def image_of(dtype: str, shape: tuple[int, ...] = (37, 51)) -> np.ndarray:
    image = np.random.default_rng(3).normal(100, 9, shape).astype(dtype)
    kind = np.dtype(dtype).kind
    if kind in "iu":
        info = np.iinfo(dtype)
        image.flat[:2] = info.min, info.max
    if kind == "f":
        image.flat[:4] = np.nan, np.inf, -0.0, 1e-42
    return image


def bits(array: np.ndarray) -> bytes:
    return array.astype(array.dtype.newbyteorder("=")).tobytes()


def read_by_astropy(path: Path) -> list[np.ndarray]:
    with fits.open(path, checksum=True, memmap=False) as hdus:  # a wrong sum is a warning, which is an error
        hdus.verify("exception")
        return [np.asarray(hdu.data) for hdu in hdus if hdu.data is not None]


@pytest.mark.parametrize("compress", COMPRESSIONS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype(tmp_path: Path, dtype: str, compress) -> None:
    path = tmp_path / "x.fits"
    image = image_of(dtype)
    written = write_fits(path, [ImagePart(image)], compress=compress)
    assert written == path.stat().st_size
    (back,) = read_by_astropy(path)
    stored = image.astype(np.uint8) if dtype == "?" else image
    assert back.dtype.newbyteorder("=") == stored.dtype
    assert bits(back) == bits(stored)
    raw = read_raw(path, check_sums=True)
    assert raw.decode().dtype == stored.dtype
    assert bits(raw.decode()) == bits(stored)
    with fits.open(path, checksum=True, disable_image_compression=True) as hdus:
        assert all({"CHECKSUM", "DATASUM"} <= set(hdu.header) for hdu in hdus)


@pytest.mark.parametrize("compress", COMPRESSIONS)
@pytest.mark.parametrize("dtype", ["u2", "i4", "f4", "u1"])
@pytest.mark.parametrize(
    "view",
    [
        lambda a: a,
        lambda a: a[:, 3:-5],
        lambda a: a[::-1, ::-2],
        lambda a: a.T,
        lambda a: a[5],
        lambda a: a[:, 5],
        lambda a: a.reshape(6, 100, 601),
        lambda a: a.reshape(6, 100, 601)[:, 1:, ::3],
        lambda a: a.astype(a.dtype.newbyteorder(">")),
        lambda a: a[:1, :1],
    ],
)
def test_every_memory_layout(tmp_path: Path, view, dtype: str, compress) -> None:
    path = tmp_path / "x.fits"
    image = view(image_of(dtype, (600, 601)))  # more than one chunk
    before = image.copy()
    write_fits(path, [ImagePart(image)], compress=compress)
    (back,) = read_by_astropy(path)
    assert back.shape == image.shape
    assert bits(back) == bits(image) == bits(before)


@pytest.mark.parametrize("compress", COMPRESSIONS)
def test_same_input_same_bytes(tmp_path: Path, compress) -> None:
    image = image_of("f4")
    paths = tmp_path / "a.fits", tmp_path / "b.fits"
    for path, data in zip(paths, (image, image.astype(">f4")), strict=True):
        write_fits(path, [ImagePart(data, fits.Header({"EXPTIME": 1.0}))], compress=compress)
        os.utime(path, (0, 0))
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_gzip_is_one_member_without_name_and_time(tmp_path: Path) -> None:
    path = tmp_path / "x.fits.gz"
    write_fits(path, [ImagePart(image_of("f4"))], compress="gzip")
    assert path.read_bytes()[:8] == b"\x1f\x8b\x08\0\0\0\0\0"
    assert scan(path).encoding == "gzip"
    subprocess.run(["gzip", "--test", path], check=True)


def test_known_datasum_is_used(tmp_path: Path) -> None:
    path = tmp_path / "x.fits"
    image = image_of("f4").astype(">f4")
    known = data_sum(image.tobytes())
    write_fits(path, [ImagePart(image, datasum=known)])
    read_by_astropy(path)
    assert read_raw(path).cards["DATASUM"] == str(known)


STALE = {
    "BITPIX": 16,
    "NAXIS": 2,
    "NAXIS1": 9999,
    "NAXIS2": 9999,
    "BSCALE": 3.0,
    "BZERO": 32768,
    "BLANK": -1,
    "ZIMAGE": True,
    "ZCMPTYPE": "RICE_1",
    "ZTILE1": 5,
    "TFIELDS": 1,
    "TTYPE1": "x",
    "CHECKSUM": "wrong",
    "DATASUM": "1",
    "PCOUNT": 7,
    "GROUPS": True,
}


@pytest.mark.parametrize("compress", COMPRESSIONS)
def test_header_is_kept_but_for_what_described_the_storage(tmp_path: Path, compress) -> None:
    path = tmp_path / "x.fits"
    header = fits.Header(STALE)
    header["OBJECT"] = ("M1", "the nebula")
    header["LONG"] = "abc " * 40
    header["HIERARCH ESO DET NAME"] = "CCD"
    header["TZERO"] = 4.5
    header["HISTORY"] = "was taken"
    header["COMMENT"] = "remark"
    header["UNDEF"] = None
    before = header.copy()
    write_fits(path, [ImagePart(image_of("f4"), header)], compress=compress)
    assert header == before
    with fits.open(path, checksum=True) as hdus:
        back = hdus[-1].header
        assert back["OBJECT"] == "M1"
        assert back.comments["OBJECT"] == "the nebula"
        assert back["LONG"] == ("abc " * 40).rstrip()
        assert back["ESO DET NAME"] == "CCD"
        assert back["TZERO"] == 4.5
        assert list(back["HISTORY"]) == ["was taken"]
        assert back["UNDEF"] is None or isinstance(back["UNDEF"], fits.card.Undefined)  # None since astropy 7
        assert (back["BITPIX"], back["NAXIS1"], back["NAXIS2"]) == (-32, 51, 37)
        assert not {"BLANK", "BSCALE", "BZERO", "ZIMAGE", "TTYPE1", "GROUPS"} & set(back)
        assert hdus[-1].data.shape == (37, 51)


@pytest.mark.parametrize("compress", COMPRESSIONS)
def test_several_extensions(tmp_path: Path, compress) -> None:
    path = tmp_path / "x.fits"
    image, count = image_of("f4"), image_of("u2")
    parts = [
        ImagePart(image, fits.Header({"OBJECT": "M1"})),
        ImagePart(count, fits.Header({"EXTNAME": "OLD", "INHERIT": True}), name="COUNT"),
        ImagePart(None, fits.Header({"EMPTY": 1}), name="NOTHING"),
        ImagePart(image[:3], fits.Header({"EXTNAME": "KEPT"})),
    ]
    write_fits(path, parts, compress=compress)
    backs = read_by_astropy(path)
    assert [bits(back) for back in backs] == [bits(image), bits(count), bits(image[:3])]
    with fits.open(path) as hdus:
        names = [hdu.name for hdu in hdus]
        assert hdus[0].header["EXTEND"] is True
        assert [key for key in hdus["COUNT"].header if key == "EXTNAME"] == ["EXTNAME"]
    assert names[-3:] == ["COUNT", "NOTHING", "KEPT"]
    assert len(scan(path).hdus) == len(names)


def test_an_image_without_pixels(tmp_path: Path) -> None:
    for compress in COMPRESSIONS:
        path = tmp_path / f"{compress}.fits"
        write_fits(path, [ImagePart(np.zeros((0, 5), np.float32))], compress=compress)
        with fits.open(path, checksum=True) as hdus:
            hdus.verify("exception")
        assert scan(path).hdus[-1].layout is None


def test_mandatory_cards_stand_first(tmp_path: Path) -> None:
    path = tmp_path / "x.fits"
    write_fits(path, [ImagePart(image_of("u2"), fits.Header({"OBJECT": "x"})), ImagePart(image_of("u1"), name="MASK")])
    with fits.open(path) as hdus:
        first = ["SIMPLE", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "EXTEND", "BSCALE", "BZERO", "OBJECT"]
        assert list(hdus[0].header) == [*first, "DATASUM", "CHECKSUM"]
        first = ["XTENSION", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "PCOUNT", "GCOUNT", "EXTNAME"]
        assert list(hdus[1].header) == [*first, "DATASUM", "CHECKSUM"]


def test_input_that_cannot_be_written(tmp_path: Path) -> None:
    path = tmp_path / "x.fits"
    for dtype in ("f2", "c8", "U3", "O"):
        with pytest.raises(ArgumentError, match=r"x\.fits: an array of dtype .* cannot be written as FITS"):
            write_fits(path, [ImagePart(np.zeros((2, 2), dtype))])
    with pytest.raises(ArgumentError, match="compress='gz' is not known; did you mean 'gzip'"):
        write_fits(path, [ImagePart(image_of("f4"))], compress="gz")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="no image to write"):
        write_fits(path, [])
    with pytest.raises(ValueError, match="does not fit a card"):
        card("EXTNAME", "x" * 69)
    for compress in COMPRESSIONS:
        with pytest.raises(UsageError, match=r"its header cannot be written \(EXTNAME .* does not fit a card\)"):
            write_fits(path, [ImagePart(image_of("f4"), name="x" * 80)], compress=compress)
    assert list(tmp_path.iterdir()) == []


def test_cards_that_are_not_valid_are_mended(tmp_path: Path) -> None:
    path = tmp_path / "x.fits"
    header = fits.Header.fromstring("EXPTIME = what is this".ljust(80))
    with pytest.warns(VerifyWarning):
        write_fits(path, [ImagePart(image_of("f4"), header)])
    read_by_astropy(path)
    assert read_raw(path).cards["EXPTIME"] == "what is this"


def test_existing_files_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "x.fits"
    path.write_text("precious")
    with pytest.raises(
        OutputExistsError, match=r"x\.fits: there is a file of that name already; choose another name, or move it away"
    ):
        write_fits(path, [ImagePart(image_of("f4"))])
    assert path.read_text() == "precious"
    link = tmp_path / "link.fits"
    link.symlink_to("nowhere")
    with pytest.raises(OutputExistsError):
        write_fits(link, [ImagePart(image_of("f4"))])
    write_fits(path, [ImagePart(image_of("f4"))], overwrite=True)
    read_by_astropy(path)
    assert sorted(tmp_path.iterdir()) == [link, path]


def write_then(path: Path, act: Callable[[], object], *, overwrite: bool = False) -> None:
    """Act while a file is half written."""
    with atomic_file(path, overwrite=overwrite) as descriptor:
        write_all(descriptor, [b"half"])
        act()


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_appears_meanwhile_is_kept(tmp_path: Path, links: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not links:
        monkeypatch.setattr(Path, "hardlink_to", _no_links)
    path = tmp_path / "x.fits"
    with pytest.raises(OutputExistsError):
        write_then(path, lambda: path.write_text("early"))
    assert path.read_text() == "early"
    assert list(tmp_path.iterdir()) == [path]


def _no_links(path: Path, target: Path) -> None:
    raise PermissionError(1, "Operation not permitted")  # what FAT answers


def test_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "hardlink_to", _no_links)
    write_fits(tmp_path / "x.fits", [ImagePart(image_of("f4"))])
    read_by_astropy(tmp_path / "x.fits")
    assert list(tmp_path.iterdir()) == [tmp_path / "x.fits"]


def test_nothing_stays_after_an_interruption(tmp_path: Path) -> None:
    path = tmp_path / "x.fits"
    with pytest.raises(KeyboardInterrupt):
        write_then(path, lambda: signal.raise_signal(signal.SIGINT))
    assert list(tmp_path.iterdir()) == []
    path.write_text("precious")
    with pytest.raises(ZeroDivisionError):
        write_then(path, lambda: 1 // 0, overwrite=True)
    assert path.read_text() == "precious"
    assert list(tmp_path.iterdir()) == [path]


def test_a_hidden_name_while_it_is_written(tmp_path: Path) -> None:
    name = "n" * 250
    with atomic_file(tmp_path / name) as descriptor:
        (hidden,) = tmp_path.iterdir()
        assert hidden.name.startswith(".nnn")
        assert hidden.name.endswith(".part")
        write_all(descriptor, [b"abc", b"", memoryview(b"def")] * 2000)
    assert (tmp_path / name).read_bytes() == b"abcdef" * 2000
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o666 & ~mask


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("compress", COMPRESSIONS)
def test_no_room(tmp_path: Path, compress) -> None:
    path = tmp_path / "x.fits"
    image = image_of("f4", (400, 400))
    with (
        largest_file(20_000),
        pytest.raises(OutputError, match=r"x\.fits: cannot be written \(File too large\); raise"),
    ):
        write_fits(path, [ImagePart(image)], compress=compress)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk() -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("needs /dev/full, which this system does not have")
    descriptor = os.open(full, os.O_WRONLY)
    try:
        with pytest.raises(OSError, match="No space left on device"):
            write_all(descriptor, [b"x"])
    finally:
        os.close(descriptor)


def test_folders_that_cannot_be_written_to(tmp_path: Path) -> None:
    part = [ImagePart(image_of("f4"))]
    with pytest.raises(OutputError, match=r"cannot be written \(No such file or directory\); create the folder first"):
        write_fits(tmp_path / "absent" / "x.fits", part)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="choose a folder, not a file"):
        write_fits(tmp_path / "file" / "x.fits", part)
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match="Is a directory"):
        write_fits(tmp_path / "folder", part, overwrite=True)
    with pytest.raises(OutputError, match="choose a shorter name"):
        write_fits(tmp_path / ("n" * 300), part)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_a_read_only_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    user = os.geteuid()
    if user == 0:
        for folder in tmp_path.parents[:3]:
            folder.chmod(folder.stat().st_mode | stat.S_IXOTH)
        os.seteuid(65534)
    try:
        with pytest.raises(OutputError, match=r"Permission denied\); choose a folder that may be written to"):
            write_fits(tmp_path / "x.fits", [ImagePart(image_of("f4"))])
    finally:
        os.seteuid(user)
        tmp_path.chmod(0o755)
    assert list(tmp_path.iterdir()) == []


def test_killed_while_writing(tmp_path: Path) -> None:
    code = (
        "import os, sys; from zeroframe.fits.atomic import atomic_file, write_all\n"
        "with atomic_file(sys.argv[1]) as d:\n    write_all(d, [b'half'])\n    os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "x.fits"], check=False)
    assert done.returncode == -9
    assert not (tmp_path / "x.fits").exists()


@given(st.binary(max_size=5000))
def test_sums_are_those_of_astropy(data: bytes) -> None:
    padded = np.frombuffer(data.ljust(-(-len(data) // 4) * 4, b"\0"), np.uint8)
    expected = int(fits.PrimaryHDU()._compute_checksum(padded))
    assert data_sum(data) == expected
    half = len(data) // 8 * 4
    assert add_sums(data_sum(data[:half]), data_sum(data[half:])) == expected


def test_sum_over_many_chunks() -> None:
    words = np.random.default_rng(5).integers(0, 2**32, 100_001, np.uint32).astype(">u4")
    total = sum(map(int, words))
    while total >> 32:
        total = (total & 0xFFFFFFFF) + (total >> 32)
    assert data_sum(words.tobytes()) == total
    assert data_sum(b"\xff" * 4_000_000) == 0xFFFFFFFF
    assert data_sum(b"") == 0


@pytest.mark.parametrize("start", [0, 1])  # where the words are not aligned, too
def test_sum_by_a_kernel_is_that_of_python(start: int) -> None:
    data = memoryview(np.random.default_rng(6).integers(0, 256, 1_300_003, np.uint8).tobytes())[start:]
    words = struct.unpack(f">{len(data) // 4}I", data[: len(data) // 4 * 4])
    rest = bytes(data[len(words) * 4 :]).ljust(4, b"\0")
    assert data_sum(data) == add_sums(*words, int.from_bytes(rest, "big"))


@given(st.integers(0, 2**32 - 1))
def test_checksum_text_is_that_of_astropy(total: int) -> None:
    assert encode_checksum(total) == fits.PrimaryHDU()._char_encode(~np.uint32(total))
    text = encode_checksum(total)
    assert text.isalnum()
    assert add_sums(data_sum((text[1:] + text[0]).encode()), total, -data_sum(b"0" * 16) % 0xFFFFFFFF) in (
        0,
        0xFFFFFFFF,
    )


@pytest.mark.long
def test_real_frames_are_written_with_their_headers(real_data: Path, tmp_path: Path) -> None:
    written = 0
    names = ["kpno-spectrograph/sp0001.fits", "sbig-spectrograph/slitview.00000352.BIAS.FIT", "sbig-camera/z001.FIT"]
    names += ["lco-bias/coj1m011-fl08-20151216-0049-b00.fits.fz", "maxim-dl/m1_V_raw (1).fits", "odd/comp.fits"]
    names += ["saao-left-overscan/a8280271.fits", "odd/v_a_20180810_13_1_0_1.fits.gz", "odd/fixed-1890.fits"]
    for name in names:
        raw = read_raw(real_data / name)
        image = raw.decode()
        for compress in COMPRESSIONS:
            paths = tmp_path / "cards.fits", tmp_path / "header.fits"
            write_fits(paths[0], [ImagePart(image, raw.cards)], compress=compress, overwrite=True)
            write_fits(paths[1], [ImagePart(image, raw.cards.to_header())], compress=compress, overwrite=True)
            for path in paths:
                (back,) = read_by_astropy(path)
                assert bits(back) == bits(image)
                assert read_raw(path).cards.get("EXPTIME") == raw.cards.get("EXPTIME")
            assert paths[0].read_bytes() == paths[1].read_bytes()
            written += 1
    assert written == 27
