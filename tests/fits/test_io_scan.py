"""Scanning: what a file holds is read from its headers, and what cannot be is refused in one sentence."""

from __future__ import annotations

import bz2
import gzip
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from zeroframe.errors import DamagedError, FrameError, HeaderError, NotFitsError, UnsupportedError
from zeroframe.fits import looks_like_fits, scan
from zeroframe.fits.scan import walk
from zeroframe.fits.streams import open_source


def header(*cards: str) -> bytes:
    text = "".join(card.ljust(80) for card in (*cards, "END"))
    return text.ljust(-(-len(text) // 2880) * 2880).encode("latin-1")


SIMPLE = "SIMPLE  =                    T"
SMALL = (SIMPLE, "BITPIX  = 16", "NAXIS   = 2", "NAXIS1  = 4", "NAXIS2  = 3")
DATA = bytes(2880)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.fits"
    path.write_bytes(header(*SMALL) + DATA)
    return path


@contextmanager
def unprivileged() -> Iterator[None]:
    """Be somebody who may not read everything."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


def test_layout(small: Path) -> None:
    frame = scan(small)
    hdu = frame.image()
    assert (frame.encoding, len(frame.hdus), frame.remarks) == ("plain", 1, ())
    assert (hdu.index, hdu.name) == (0, "PRIMARY")
    assert hdu.layout is not None
    assert hdu.layout.shape_yx == (3, 4)
    assert (hdu.layout.bitpix, hdu.layout.bscale, hdu.layout.bzero, hdu.layout.blank) == (16, 1.0, 0.0, None)
    assert (hdu.layout.data_offset, hdu.layout.byte_count, hdu.layout.dtype) == (2880, 24, ">i2")
    assert hdu.end_offset == 5760
    assert frame.cards is hdu.cards


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress])
def test_wrapping_is_found_by_content(tmp_path: Path, compress) -> None:
    path = tmp_path / "plain_by_name.fits"
    path.write_bytes(compress(header(*SMALL) + DATA))
    assert looks_like_fits(path)
    frame = scan(path)
    assert frame.encoding == compress.__module__.replace("bz2", "bzip2").lstrip("_")
    assert frame.image().layout == scan(path, first_only=True).image().layout


def test_gzip_is_inflated_no_further_than_the_header(tmp_path: Path) -> None:
    path = tmp_path / "big.fits.gz"
    noise = np.random.default_rng(1).integers(0, 256, 2880 * 400, np.uint8).tobytes()
    card = f"NAXIS1  = {len(noise)}"
    path.write_bytes(gzip.compress(header(SIMPLE, "BITPIX  = 8", "NAXIS   = 1", card) + noise, 1))
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 0xFF  # damage that inflating everything would meet
    path.write_bytes(raw)
    assert len(scan(path).hdus) == 1
    raw[-1] ^= 1  # the size no longer tells that nothing follows
    path.write_bytes(raw)
    with pytest.raises(DamagedError, match="gzip data are damaged"):
        scan(path)


@pytest.mark.parametrize("wrap", [bytes, gzip.compress, bz2.compress])
def test_every_extension(tmp_path: Path, wrap) -> None:
    path = tmp_path / "mef.fits"
    primary = fits.PrimaryHDU(header=fits.Header({"EXPTIME": 3.5, "OBJECT": "M1", "COMMENT": "of the file"}))
    table = fits.BinTableHDU.from_columns([fits.Column("a", "PE()", array=[[1.0, 2.0], [3.0]])], name="TAB")
    image = fits.ImageHDU(np.ones((5, 6), ">f4"), name="Sci", header=fits.Header({"OBJECT": "M2"}))
    fits.HDUList([primary, table, image]).writeto(path)
    path.write_bytes(wrap(path.read_bytes()))
    frame = scan(path)
    assert [hdu.name for hdu in frame.hdus] == ["PRIMARY", "TAB", "SCI"]
    with fits.open(path) as hdus:
        infos = [hdu.fileinfo() for hdu in hdus]
    assert [hdu.data_offset for hdu in frame.hdus] == [info["datLoc"] for info in infos]
    assert frame.image() is frame.image("sci") is frame.image(2) is frame.image("SCI,1") is frame.hdus[2]
    assert frame.cards["OBJECT"] == "M2"
    assert frame.cards["EXPTIME"] == 3.5
    assert frame.cards["COMMENT"] == "of the file"
    assert frame.cards["NAXIS"] == 2
    assert "EXPTIME" not in frame.hdus[2].cards
    assert len(scan(path, first_only=True).hdus) == 1
    with pytest.raises(FrameError, match=r"no extension 'SCI,2'.*1 'TAB', 2 'SCI'"):
        frame.image("SCI,2")
    with pytest.raises(UnsupportedError, match="holds no image"):
        frame.image(1)


def test_inherit_f_is_obeyed(tmp_path: Path) -> None:
    path = tmp_path / "f.fits"
    image = header("XTENSION= 'IMAGE   '", *SMALL[1:], "PCOUNT  = 0", "GCOUNT  = 1", "INHERIT = F")
    path.write_bytes(header(SIMPLE, "BITPIX  = 8", "NAXIS   = 0", "EXPTIME = 3.0") + image + DATA)
    assert "EXPTIME" not in scan(path).cards


def test_header_of_tiles_is_that_of_the_image(tmp_path: Path) -> None:
    path = tmp_path / "x.fits.fz"
    image = np.arange(60, dtype=np.uint16).reshape(6, 10)
    extra = fits.Header({"EXPTIME": 2.0, "OBJECT": "x"})
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(image, extra)]).writeto(path)
    hdu = scan(path).image()
    assert hdu.layout is not None
    assert hdu.layout.tile_compressed
    assert (hdu.layout.bitpix, hdu.layout.shape_yx, hdu.layout.bzero) == (16, (6, 10), 32768)
    with fits.open(path) as hdus:
        expected = hdus[1].header
    assert dict(hdu.cards) == {keyword: expected[keyword] for keyword in expected}
    assert hdu.stored_cards["XTENSION"] == "BINTABLE"
    assert hdu.name == ""


@pytest.mark.parametrize(
    ("axes", "shape"),
    [((7,), (7,)), ((2048, 1), (1, 2048)), ((4, 3, 1), (3, 4)), ((4, 3, 1, 1), (3, 4)), ((1, 1, 1), (1, 1))],
)
def test_degenerate_axes(tmp_path: Path, axes: tuple[int, ...], shape: tuple[int, ...]) -> None:
    path = tmp_path / "x.fits"
    cards = [f"NAXIS{axis} = {size}" for axis, size in enumerate(axes, 1)]
    path.write_bytes(
        header(SIMPLE, "BITPIX  = 8", f"NAXIS   = {len(axes)}", *[c.replace(" =", "  =") for c in cards]) + DATA
    )
    layout = scan(path).image().layout
    assert layout is not None
    assert layout.shape_yx == shape


def test_cubes_and_several_images_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "cube.fits"
    fits.PrimaryHDU(np.zeros((2, 3, 4), np.uint8)).writeto(path)
    with pytest.raises(UnsupportedError, match=r"cube\.fits: is a cube of 4 x 3 x 2 pixels"):
        scan(path).image()
    path = tmp_path / "mef.fits"
    images = [fits.ImageHDU(np.zeros((3, 4), np.uint8), name=name) for name in ("AMP1", "AMP2")]
    fits.HDUList([fits.PrimaryHDU(), *images]).writeto(path)
    with pytest.raises(UnsupportedError, match=r"holds 2 images \(extensions 1 'AMP1', 2 'AMP2'\)"):
        scan(path).image()
    assert scan(path).image("amp2").index == 2


def test_random_groups_hold_no_image(tmp_path: Path) -> None:
    path = tmp_path / "groups.fits"
    cards = (SIMPLE, "BITPIX  = 16", "NAXIS   = 3", "NAXIS1  = 0", "NAXIS2  = 3", "NAXIS3  = 4", "GROUPS  = T")
    path.write_bytes(header(*cards, "PCOUNT  = 2", "GCOUNT  = 5") + DATA)
    (hdu,) = scan(path).hdus
    assert hdu.layout is None
    assert hdu.data_bytes == 2 * 5 * (2 + 12)


@pytest.mark.parametrize(
    ("cards", "message"),
    [
        ((SIMPLE, "NAXIS   = 0"), "BITPIX is missing"),
        ((SIMPLE, "BITPIX  = 7", "NAXIS   = 0"), "BITPIX = 7 is not one of"),
        ((SIMPLE, "BITPIX  = T", "NAXIS   = 0"), "BITPIX = True is not one of"),
        ((SIMPLE, "BITPIX  = 16"), "NAXIS is missing"),
        ((SIMPLE, "BITPIX  = 16", "NAXIS   = -2"), "NAXIS = -2 is not a number from 0 upwards"),
        ((SIMPLE, "BITPIX  = 16", "NAXIS   = 99999999"), "NAXIS = 99999999 is more than the 999"),
        ((SIMPLE, "BITPIX  = 16", "NAXIS   = 2", "NAXIS1  = 4"), "NAXIS2 is missing"),
        ((*SMALL[:4], "NAXIS2  = -3"), "NAXIS2 = -3 is not a number"),
        ((*SMALL[:4], "NAXIS2  = 'x'"), "NAXIS2 = 'x' is not a number"),
        ((*SMALL[:4], "NAXIS2  = 3.5"), r"NAXIS2 = 3\.5 is not a number"),
        ((*SMALL, "BSCALE  = 0.0"), "BSCALE = 0 would make every pixel the same"),
        ((*SMALL, "BZERO   = 'many'"), "BZERO = 'many' is not a number"),
        ((*SMALL, "BZERO   = nan"), "BZERO = 'nan' is not a number"),
    ],
)
def test_headers_that_make_no_sense(tmp_path: Path, cards: tuple[str, ...], message: str) -> None:
    path = tmp_path / "bad.fits"
    path.write_bytes(header(*cards) + DATA)
    with pytest.raises(HeaderError, match=rf"bad\.fits: {message}.*mend the header"):
        scan(path)


def test_scale_in_quotes_and_undefined_scale_are_understood(tmp_path: Path) -> None:
    path = tmp_path / "x.fits"
    path.write_bytes(header(*SMALL, "BSCALE  = '+2.0e+000'", "BZERO   =", "BLANK   = 'x'") + DATA)
    layout = scan(path).image().layout
    assert layout is not None
    assert (layout.bscale, layout.bzero, layout.blank) == (2.0, 0.0, None)


def test_header_that_ends_too_early(tmp_path: Path) -> None:
    path = tmp_path / "cut.fits"
    path.write_bytes(header(*SMALL)[:300])
    with pytest.raises(DamagedError, match="cut off within the header: no END card in 300 bytes"):
        scan(path)
    path.write_bytes(gzip.compress(header(*SMALL)[:300]))
    with pytest.raises(DamagedError, match="cut off within the header"):
        scan(path)


def test_header_without_end_runs_into_data(tmp_path: Path) -> None:
    path = tmp_path / "endless.fits"
    path.write_bytes(header(*SMALL).replace(b"END", b"   ") + bytes(range(128, 256)) * 900)
    with pytest.raises(
        HeaderError, match="END card is missing in the header, which runs into something else after 2,880"
    ):
        scan(path)


@pytest.mark.long
def test_endless_header_in_a_small_gzip_is_given_up(tmp_path: Path) -> None:
    path = tmp_path / "endless.fits.gz"
    path.write_bytes(gzip.compress(header(*SMALL).replace(b"END", b"   ") + b" " * 100_000_000, 1))
    with pytest.raises(HeaderError, match="END card is missing"):
        scan(path)


def test_what_stands_behind_the_data_is_remarked(small: Path) -> None:
    whole = small.read_bytes()
    small.write_bytes(whole + b"\n")
    assert scan(small).remarks == ("what stands behind its last data (bytes: 1) is not FITS and is ignored",)
    small.write_bytes(whole + bytes(2880))
    assert "(bytes: 2,880)" in scan(small).remarks[0]
    small.write_bytes(gzip.compress(whole + b"\n"))
    assert scan(small).remarks == ("what stands behind its last data is not FITS and is ignored",)
    small.write_bytes(whole[:3000])
    assert scan(small).remarks == ("the padding behind its last data is incomplete",)
    small.write_bytes(whole[:2890])
    assert scan(small).remarks == ("is cut off: the data should have 24 bytes and have 10",)


def test_gzip_padded_with_zeros_and_of_several_members(small: Path) -> None:
    whole = small.read_bytes()
    small.write_bytes(gzip.compress(whole[:1000]) + gzip.compress(whole[1000:]) + bytes(100))
    assert scan(small).image().layout is not None
    with open_source(small) as source:
        assert source.read(1 << 20) == whole
        assert (source.remarks, source.cut_off) == ([], False)
    small.write_bytes(gzip.compress(whole) + b"rubbish")
    with open_source(small) as source:
        assert source.read(1 << 20) == whole
        assert source.remarks == ["bytes behind the end of its gzip data are ignored"]


def test_walk_stands_at_the_data(small: Path) -> None:
    for wrapped in (False, True):
        if wrapped:
            small.write_bytes(gzip.compress(small.read_bytes()))
        with open_source(small) as source:
            for hdu in walk(source):
                assert source.position == hdu.data_offset


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"the file is empty \(0 bytes\)"),
        (b"../../e2v_spot.fits.gz", "not FITS but text: it begins with '../../e2v_spot.fits.gz'"),
        (b"\0\5\x16\7\0\2", "AppleDouble leftover of macOS.*delete it"),
        (b"PK\3\4rest", "a zip archive; unpack it first"),
        (b"\x89PNG\r\n", "a PNG picture"),
        (b"\0\1\2\3", "not FITS but something else: it begins with '....'"),
        (gzip.compress(b"hello", mtime=0), "not FITS but text inside gzip: it begins with 'hello'"),
        (gzip.compress(b"", mtime=0), "not FITS but text inside gzip"),
        (bz2.compress(b"hello"), "inside bzip2"),
    ],
)
def test_what_is_not_fits(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "x.fits"
    path.write_bytes(content)
    assert not looks_like_fits(path)
    with pytest.raises(NotFitsError, match=message) as caught:
        scan(path)
    assert str(caught.value).startswith(str(path))


def test_what_is_not_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, pipe = tmp_path / "folder.fits", tmp_path / "pipe.fits"
    folder.mkdir()
    os.mkfifo(pipe)
    with pytest.raises(NotFitsError, match="is a folder, not a file"):
        scan(folder)
    with pytest.raises(NotFitsError, match="is a pipe or a device"):
        scan(pipe)
    with socket.socket(socket.AF_UNIX) as listener:
        monkeypatch.chdir(tmp_path)  # the path of a socket must be short
        listener.bind("socket.fits")
        with pytest.raises(NotFitsError, match="is a socket"):
            scan(tmp_path / "socket.fits")
    assert not any(map(looks_like_fits, (folder, pipe, tmp_path / "socket.fits")))


def test_what_cannot_be_opened(tmp_path: Path, small: Path) -> None:
    link, loop = tmp_path / "link.fits", tmp_path / "loop.fits"
    link.symlink_to("nowhere.fits")
    loop.symlink_to(loop)
    with pytest.raises(FrameError, match=r"is a link to nowhere\.fits, which does not exist"):
        scan(link)
    with pytest.raises(FrameError, match="is a link that leads back to itself"):
        scan(loop)
    with pytest.raises(FrameError, match="there is no such file"):
        scan(tmp_path / "absent.fits")
    with pytest.raises(FrameError, match="there is no such file"):
        scan(small / "below.fits")


def test_without_permission(small: Path) -> None:
    for folder in (small.parent, *small.parent.parents):
        if folder.stat().st_uid == os.geteuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | stat.S_IXOTH)
    small.chmod(0)
    with unprivileged(), pytest.raises(FrameError, match=r"may not be read \(permission denied\)"):
        scan(small)


def test_descriptors_are_closed(tmp_path: Path, small: Path) -> None:
    text = tmp_path / "text.fits"
    text.write_text("no")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for path in (small, text, tmp_path, tmp_path / "absent"):
        try:
            scan(path)
        except FrameError:
            assert path != small
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_damaged_gzip_names_what_happened(small: Path) -> None:
    raw = bytearray(gzip.compress(small.read_bytes()))
    raw[12:20] = b"\xff" * 8
    small.write_bytes(raw)
    with pytest.raises(DamagedError, match="gzip data are damaged after"):
        scan(small)


BROKEN = {
    "._bias1.FIT": (NotFitsError, "AppleDouble leftover of macOS"),
    "ldac_test_catalog_corrupt.fits": (UnsupportedError, "holds no image .*'LDAC_OBJECTS'"),
    "symlink-as-text.fits": (NotFitsError, "not FITS but text"),
    "zero-bytes.fits": (NotFitsError, r"empty \(0 bytes\)"),
}


def test_real_broken_files(real_data: Path) -> None:
    for name, (kind, message) in BROKEN.items():
        with pytest.raises(kind, match=message):
            scan(real_data / "broken" / name).image()
    assert "(bytes: 1)" in scan(real_data / "broken" / "trailing-byte.fits").remarks[0]
    layout = scan(real_data / "broken" / "swope_test_frame.fits").image().layout
    assert layout is not None
    assert layout.shape_yx == (10, 10)


@pytest.mark.filterwarnings("ignore::astropy.utils.exceptions.AstropyUserWarning")  # of headers padded with nulls
def test_real_files_are_laid_out_as_astropy_says(real_data: Path) -> None:
    compared = 0
    for path in sorted(real_data.rglob("*")):
        if not path.is_file() or path.parent.name == "broken" or path.suffix == ".md":
            continue
        frame = scan(path)
        with fits.open(path, output_verify="ignore", disable_image_compression=True) as hdus:
            assert len(hdus) == len(frame.hdus), path
            for theirs, ours in zip(hdus, frame.hdus, strict=True):
                assert ours.data_offset == theirs.fileinfo()["datLoc"], path
                assert ours.end_offset - ours.data_offset == theirs.fileinfo()["datSpan"], path
                assert len(ours.stored_cards.text) <= ours.data_offset
                compared += 1
    assert compared > 100
