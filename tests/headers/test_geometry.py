"""What headers say of amplifiers, by each convention: layouts as the instruments' documents describe them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from zeroframe.errors import CameraError, FrameError, UnsupportedError
from zeroframe.fits import Cards, scan
from zeroframe.headers.amplifier_words import may_say_amplifiers, says_amplifiers
from zeroframe.headers.cameras import load_camera
from zeroframe.headers.geometry import detectors_in, detectors_of_camera

SHARED = Path(__file__).parents[3] / "shared" / "data"


def write(path, images, primary=None):
    """Write a file of images (or of one primary image): (shape_yx, cards)."""
    if isinstance(images, dict):
        fits.PrimaryHDU(np.zeros(images.pop("shape"), np.uint16), fits.Header(list(images.items()))).writeto(path)
        return path
    hdus = [fits.PrimaryHDU(header=fits.Header(primary or {}))]
    hdus += [fits.ImageHDU(np.zeros(shape, np.uint16), fits.Header(cards)) for shape, cards in images]
    fits.HDUList(hdus).writeto(path)
    return path


def shown(path):
    """Return of each detector: its name, extensions, and of each amplifier what is drawn from the header."""
    return [
        (
            found.name,
            found.extensions,
            [(each.name, str(each.trim), str(each.overscan), str(each.place)) for each in found.detector.amplifiers],
        )
        for found in detectors_in(scan(path))
    ]


def test_sinistro(tmp_path):
    """Las Cumbres: quadrants with reversed DETSEC, BIASSEC 'UNKNOWN' in the primary header."""
    sections = ["[1:2048,1:2048]", "[4096:2049,1:2048]", "[4096:2049,4096:2049]", "[1:2048,4096:2049]"]
    images = [
        ((2058, 2080), {"EXTNAME": "SCI", "EXTVER": n, "DETSEC": each, "DATASEC": "[1:2048,1:2048]",
                        "BIASSEC": "[2055:2080,1:2048]", "GAIN": 1.0})
        for n, each in enumerate(sections, start=1)
    ]  # fmt: skip
    path = write(tmp_path / "a.fits", images, {"BIASSEC": "UNKNOWN", "GAIN": 0.0, "CCDSUM": "1 1"})
    ((name, extensions, amplifiers),) = shown(path)
    assert (name, extensions) == ("", (1, 2, 3, 4))
    assert amplifiers[1] == ("SCI (2)", "[1:2048,2059:4106]", "[2055:2080,2059:4106]", "[4096:2049,1:2048]")
    assert amplifiers[2][3] == "[4096:2049,4096:2049]"


def test_gmos_binned_with_chip_names(tmp_path):
    """GMOS: three chips of four amplifiers, binned 2 x 2, CCDSEC and DETSEC in unbinned pixels, bias on either side."""
    images, number = [], 0
    for chip in range(3):
        for amp in range(4):
            number += 1
            left = amp % 2 == 0
            x = 512 * amp
            images.append(((2112, 288), {
                "EXTNAME": "SCI", "EXTVER": number, "CCDNAME": f"BI5-36-4k-2 {chip}", "AMPNAME": f"amp {number}",
                "CCDSUM": "2 2", "CCDSEC": f"[{x + 1}:{x + 512},1:4224]",
                "DETSEC": f"[{2048 * chip + x + 1}:{2048 * chip + x + 512},1:4224]",
                "DATASEC": "[1:256,1:2112]" if left else "[33:288,1:2112]",
                "BIASSEC": "[257:288,1:2112]" if left else "[1:32,1:2112]", "GAIN": 1.6, "RDNOISE": 4.0,
            }))  # fmt: skip
    found = shown(write(tmp_path / "a.fits", images))
    assert [(name, extensions) for name, extensions, _ in found] == [
        ("0", (1, 2, 3, 4)), ("1", (5, 6, 7, 8)), ("2", (9, 10, 11, 12)),
    ]  # fmt: skip
    assert found[1][2][1] == ("6", "[33:288,2113:4224]", "[1:32,2113:4224]", "[257:512,1:2112]")
    assert [each[3] for each in found[2][2]] == [f"[{256 * n + 1}:{256 * n + 256},1:2112]" for n in range(4)]


def test_decam_two_amplifiers_an_extension(tmp_path):
    """DECam: each extension is a chip with two amplifiers, told apart by a letter."""

    def cards(number):
        return {
            "EXTNAME": f"N{number}", "CCDNUM": number, "DETSEC": f"[{2048 * number + 1}:{2048 * number + 2048},1:4096]",
            "DATASECA": "[1081:2104,51:4146]", "DATASECB": "[57:1080,51:4146]",
            "TRIMSECA": "[1081:2104,51:4146]", "TRIMSECB": "[57:1080,51:4146]",
            "BIASSECA": "[2111:2160,51:4146]", "BIASSECB": "[7:56,51:4146]",
            "CCDSECA": "[1025:2048,1:4096]", "CCDSECB": "[1:1024,1:4096]",
            "GAINA": 4.3, "GAINB": 4.1, "RDNOISEA": 6.0, "RDNOISEB": 7.0, "SATURATA": 43000.0,
        }  # fmt: skip

    path = write(tmp_path / "a.fits", [((4146, 2160), cards(n)) for n in (1, 2)])
    found = detectors_in(scan(path))
    assert [(each.name, each.extensions) for each in found] == [("1", (1,)), ("2", (2,))]
    a, b = found[0].detector.amplifiers
    assert (a.name, str(a.trim), str(a.overscan), str(a.place)) == (
        "A", "[1081:2104,51:4146]", "[2111:2160,51:4146]", "[1025:2048,1:4096]",
    )  # fmt: skip
    assert (str(b.place), b.gain_e_per_adu, b.read_noise_e, a.saturation_adu) == ("[1:1024,1:4096]", 4.1, 7.0, 43000.0)


def test_iraf_quad(tmp_path):
    """CTIO's Arcon, read through four amplifiers into one image: ASECnn, BSECnn, DSECnn, TSECnn, CSECnn."""
    cards = {
        "shape": (2048, 2176), "AMPLIST": "11 12 21 22",
        "DSEC11": "[1:1024,1:1024]", "DSEC12": "[1153:2176,1:1024]", "DSEC21": "[1:1024,1025:2048]",
        "DSEC22": "[1153:2176,1025:2048]",
        "TSEC11": "[11:1024,1:1024]", "TSEC12": "[1153:2166,1:1024]", "TSEC21": "[11:1024,1025:2048]",
        "TSEC22": "[1153:2166,1025:2048]",
        "BSEC11": "[1030:1087,1:1024]", "BSEC12": "[1090:1147,1:1024]", "BSEC21": "[1030:1087,1025:2048]",
        "BSEC22": "[1090:1147,1025:2048]",
        "CSEC11": "[11:1024,1:1024]", "CSEC12": "[1025:2038,1:1024]", "CSEC21": "[11:1024,1025:2048]",
        "CSEC22": "[1025:2038,1025:2048]", "GTGAIN11": 2.1, "GTRON11": 4.5,
    }  # fmt: skip
    ((_, extensions, amplifiers),) = shown(write(tmp_path / "a.fits", cards))
    assert extensions == (0,)
    assert amplifiers[0] == ("11", "[11:1024,1:1024]", "[1030:1087,1:1024]", "[1:1014,1:1024]")
    assert amplifiers[3] == ("22", "[1153:2166,1025:2048]", "[1090:1147,1025:2048]", "[1015:2028,1025:2048]")


def test_eso_outputs_in_one_image(tmp_path):
    """Two outputs at the lower corners of a chip: each has its prescan outside and its overscan in the middle."""
    cards = {"shape": (512, 2148), "HIERARCH ESO DET OUTPUTS": 2}
    for number, x in ((1, 1), (2, 2048)):
        cards |= {
            f"HIERARCH ESO DET OUT{number} {word}": value
            for word, value in (("X", x), ("Y", 1), ("NX", 1024), ("NY", 512), ("PRSCX", 10), ("OVSCX", 40),
                                ("CONAD", 0.5 * number), ("RON", 3.0))
        }  # fmt: skip
    ((_, _, amplifiers),) = shown(write(tmp_path / "a.fits", cards))
    assert amplifiers[0][1:3] == ("[11:1034,1:512]", "[1035:1074,1:512]")
    assert amplifiers[1][1:3] == ("[1115:2138,1:512]", "[1075:1114,1:512]")


def test_eso_outputs_with_rows_of_overscan(tmp_path):
    """Two outputs side by side whose overscan is rows above the image."""
    cards = {"shape": (522, 2048), "HIERARCH ESO DET OUTPUTS": 2}
    for number, x in ((1, 1), (2, 2048)):
        cards |= {
            f"HIERARCH ESO DET OUT{number} {word}": value
            for word, value in (("X", x), ("Y", 1), ("NX", 1024), ("NY", 512), ("PRSCX", 0), ("OVSCX", 0),
                                ("PRSCY", 4), ("OVSCY", 6))
        }  # fmt: skip
    ((_, _, amplifiers),) = shown(write(tmp_path / "a.fits", cards))
    assert amplifiers[0][1:3] == ("[1:1024,5:516]", "[1:1024,517:522]")
    assert amplifiers[1][1:3] == ("[1025:2048,5:516]", "[1025:2048,517:522]")


def test_eso_one_output_an_extension(tmp_path):
    """WFI and OmegaCAM: each extension a chip with one output."""

    def cards(number):
        return {
            "EXTNAME": f"CCD{number}", "HIERARCH ESO DET CHIP1 ID": f"ESO_CCD_{number}",
            "HIERARCH ESO DET OUT1 NX": 2142 - 98, "HIERARCH ESO DET OUT1 NY": 100, "HIERARCH ESO DET OUT1 PRSCX": 48,
            "HIERARCH ESO DET OUT1 OVSCX": 50, "HIERARCH ESO DET OUT1 CONAD": 2.0, "HIERARCH ESO DET OUT1 RON": 5.0,
        }  # fmt: skip

    found = shown(write(tmp_path / "a.fits", [((100, 2142), cards(n)) for n in (50, 51)]))
    assert [(name, extensions) for name, extensions, _ in found] == [("ESO_CCD_50", (1,)), ("ESO_CCD_51", (2,))]
    assert found[0][2][0][1:3] == ("[49:2092,1:100]", "[2093:2142,1:100]")


def test_megacam_two_amplifiers_an_extension(tmp_path):
    """CFHT's MegaCam: BSECA, DSECA, TSECA and CSECA of each extension, which is a chip."""

    def cards(number):
        return {
            "EXTNAME": f"ccd{number:02d}", "CCDNAME": f"834175p{number:02d}", "DETSEC": "[1:2048,1:4612]",
            "BSECA": "[1:32,1:4644]", "BSECB": "[2081:2112,1:4644]",
            "DSECA": "[33:1056,1:4612]", "DSECB": "[1057:2080,1:4612]",
            "TSECA": "[33:1056,1:4612]", "TSECB": "[1057:2080,1:4612]",
            "CSECA": "[1:1024,1:4612]", "CSECB": "[1025:2048,1:4612]", "GAINA": 1.5, "GAINB": 1.6,
        }  # fmt: skip

    path = write(tmp_path / "a.fits", [((4644, 2112), cards(n)) for n in (0, 1)])
    (first, second) = shown(path)
    assert (first[0], second[0], first[1]) == ("834175p00", "834175p01", (1,))
    assert first[2] == [
        ("A", "[33:1056,1:4612]", "[1:32,1:4644]", "[1:1024,1:4612]"),
        ("B", "[1057:2080,1:4612]", "[2081:2112,1:4644]", "[1025:2048,1:4612]"),
    ]


def test_kcwi_digits_in_one_image(tmp_path):
    """Two amplifiers of KCWI: sections of the second fall in the image and on the chip, so that nothing is turned."""
    cards = {
        "shape": (512, 340), "NVIDINP": 2, "DSEC1": "[7:126,1:512]", "BSEC1": "[127:170,1:512]",
        "CSEC1": "[1:120,1:512]",
        "DSEC2": "[334:215,1:512]", "BSEC2": "[214:171,1:512]", "CSEC2": "[240:121,1:512]",
        "GAIN1": 0.15, "GTRON2": 2.5,
    }  # fmt: skip
    ((_, _, amplifiers),) = shown(write(tmp_path / "a.fits", cards))
    assert amplifiers == [
        ("1", "[7:126,1:512]", "[127:170,1:512]", "[1:120,1:512]"),
        ("2", "[215:334,1:512]", "[171:214,1:512]", "[121:240,1:512]"),
    ]


def test_digits_that_fall_on_the_chip_alone_turn_the_image(tmp_path):
    cards = {"shape": (512, 340), "DSEC1": "[7:126,1:512]", "CSEC1": "[1:120,1:512]",
             "DSEC2": "[215:334,1:512]", "CSEC2": "[240:121,1:512]"}  # fmt: skip
    ((_, _, amplifiers),) = shown(write(tmp_path / "a.fits", cards))
    assert amplifiers[1][3] == "[240:121,1:512]"


def test_digits_of_one_amplifier_are_no_several(tmp_path):
    cards = {"shape": (512, 340), "DSEC1": "[7:126,1:512]", "TSEC1": "[7:126,1:512]", "BSEC1": "[127:170,1:512]",
             "CSEC1": "[1:120,1:512]"}  # fmt: skip
    assert shown(write(tmp_path / "a.fits", cards)) == []


@pytest.mark.parametrize("letter", ["S", "T"])
def test_subaru_four_channels_in_one_image(tmp_path, letter):
    """Suprime-Cam and HSC: four channels side by side, their ends in cards of their own, one chip a file."""
    cards, at = {"shape": (4225, 2280), "DET-ID": 3}, 0
    expected = []
    for channel in (1, 2, 3, 4):
        strip_first = channel in (1, 3)
        strip, image = (at + 9, at + 57) if strip_first else (at + 521, at + 9)
        ends = {
            "EFMN": (image, 1), "EFMX": (image + 511, 4176), "OSMN": (strip, 4177), "OSMX": (strip + 47, 4225),
        }  # fmt: skip
        for word, (x, y) in ends.items():
            cards |= {f"{letter}_{word}{channel}1": x, f"{letter}_{word}{channel}2": y}
        cards[f"{letter}_GAIN{channel}"] = 3.0 + 0.1 * channel
        expected.append((str(channel), f"[{image}:{image + 511},1:4176]", f"[{strip}:{strip + 47},1:4176]"))
        at += 570
    path = write(tmp_path / "a.fits", cards)
    ((_, extensions, amplifiers),) = shown(path)
    assert extensions == (0,)
    assert [each[:3] for each in amplifiers] == expected
    (found,) = detectors_in(scan(path))
    placed = found.detector.placed((4225, 2280))
    assert [str(each.place) for each in placed.amplifiers] == [
        f"[{n * 512 + 1}:{n * 512 + 512},1:4176]" for n in range(4)
    ]
    assert [each.gain_e_per_adu for each in placed.amplifiers] == pytest.approx([3.1, 3.2, 3.3, 3.4])


def test_lick_overscans_behind_all_images(tmp_path):
    """Kast: two halves side by side, then the 32 columns of overscan of each: nothing but DATASEC and COVER says so."""
    cards = {"shape": (300, 2112), "DATASEC": "[1:2048,1:300]", "COVER": 32}
    ((_, _, amplifiers),) = shown(write(tmp_path / "a.fits", cards))
    assert [each[:3] for each in amplifiers] == [
        ("A", "[1:1024,1:300]", "[2049:2080,1:300]"),
        ("B", "[1025:2048,1:300]", "[2081:2112,1:300]"),
    ]
    for number, other in enumerate(({"COVER": 64}, {"COVER": 30}, {"COVER": 0}, {"DATASEC": "[3:2050,1:300]"})):
        alone = write(tmp_path / f"{number}.fits", {"shape": (300, 2112), **cards, **other})
        assert shown(alone) == []  # one amplifier, or what cannot be said


def test_chips_without_names_are_apart_where_their_sections_do_not_touch(tmp_path):
    images = []
    for number, (x, y) in enumerate(((1, 1), (101, 1), (301, 1), (401, 1)), start=1):
        images.append(((50, 120), {"EXTNAME": f"im{number}", "DATASEC": "[1:100,1:50]", "BIASSEC": "[101:120,1:50]",
                                   "DETSEC": f"[{x}:{x + 99},{y}:{y + 49}]"}))  # fmt: skip
    found = shown(write(tmp_path / "a.fits", images))
    assert [(name, extensions) for name, extensions, _ in found] == [("chip1", (1, 2)), ("chip2", (3, 4))]
    assert found[1][2][1][3] == "[101:200,1:50]"


def test_orientation_by_the_matrix_where_sections_rise(tmp_path):
    """KPNO's Mosaic writes rising sections of images that LTM says are turned."""
    images = [
        ((50, 120), {"EXTNAME": "im1", "DATASEC": "[21:120,1:50]", "DETSEC": "[1:100,1:50]", "LTM1_1": 1.0}),
        ((50, 120), {"EXTNAME": "im2", "DATASEC": "[21:120,1:50]", "DETSEC": "[101:200,1:50]", "LTM1_1": -1.0,
                     "LTM2_2": 1.0}),
    ]  # fmt: skip
    ((_, _, amplifiers),) = shown(write(tmp_path / "a.fits", images))
    assert [each[3] for each in amplifiers] == ["[1:100,1:50]", "[200:101,1:50]"]
    assert amplifiers[0][2] == "[1:20,1:50]"  # what is left beside the data


def test_sizes_that_contradict_each_other(tmp_path):
    images = [((50, 120), {"EXTNAME": f"im{n}", "DATASEC": "[1:100,1:50]", "DETSEC": f"[{x}:{x + 149},1:50]"})
              for n, x in ((1, 1), (2, 151))]  # fmt: skip
    with pytest.raises(UnsupportedError, match=r"amplifier im1 \(extension 1\): its data \[1:100,1:50\] have 100"):
        detectors_in(scan(write(tmp_path / "a.fits", images)))


@pytest.mark.parametrize(
    ("shapes", "said"),
    [
        ([(50, 50)] * 102, "holds 102 images .* of 50 x 50 pixels, as stamps of a guider or single exposures are"),
        ([(600, 800), (60, 80)], r"image of 800 x 600 pixels \(extension 1\) and 1 smaller beside it, as previews"),
        ([(600, 800), (600, 800)], "holds 2 images .* and its headers do not say where they belong"),
        ([(3, 60, 80), (60, 80)], "of which at least one is a cube: 80 x 60 x 3 pixels"),
    ],
)  # fmt: skip
def test_images_that_are_no_amplifiers(tmp_path, shapes, said):
    path = write(tmp_path / "a.fits", [(shape, {"EXTNAME": "X"}) for shape in shapes])
    with pytest.raises(UnsupportedError, match=said) as problem:
        detectors_in(scan(path))
    assert "--ext" in str(problem.value)


def test_one_image_without_a_word_of_amplifiers(tmp_path):
    cards = {"shape": (20, 40), "BIASSEC": "[31:40,1:20]", "TRIMSEC": "[1:30,1:20]", "BSEC1": "[31:40,1:20]"}
    assert detectors_in(scan(write(tmp_path / "a.fits", cards))) == ()
    with_one = {"shape": (20, 40), "TRIMSECA": "[1:30,1:20]", "BIASSECA": "[31:40,1:20]"}
    assert detectors_in(scan(write(tmp_path / "b.fits", with_one))) == ()


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the real frames")
def test_no_real_frame_of_one_amplifier_is_taken_for_several():
    several = set()
    for path in sorted(SHARED.rglob("*")):
        if path.is_file() and path.stat().st_size < 40_000_000:
            try:
                if detectors_in(scan(path)):
                    several.add(path.name)
            except FrameError:
                continue
    assert several == {"itl_spot.fits.gz", "201607220607067-R071-S00-det071.fits"}  # sixteen amplifiers each


def test_a_camera_file_says_it(tmp_path):
    profile = tmp_path / "cam.toml"
    profile.write_text(
        'name = "cam"\n'
        '[[amplifier]]\nname = "A"\next = "im1"\ntrim = "[1:20,:]"\noverscan = "[21:28,:]"\nplace = "[1:20,1:10]"\n'
        '[[amplifier]]\nname = "B"\next = "2"\ntrim = "[1:20,:]"\noverscan = "[21:28,:]"\nplace = "[40:21,1:10]"\n'
    )
    camera = load_camera(profile)
    path = write(tmp_path / "a.fits", [((10, 28), {"EXTNAME": "im1"}), ((10, 28), {"EXTNAME": "im2"})])
    (found,) = detectors_of_camera(scan(path), camera)
    assert found.extensions == (1, 2)
    assert [str(each.trim) for each in found.detector.amplifiers] == ["[1:20,1:10]", "[1:20,11:20]"]
    assert [str(each.place) for each in found.detector.amplifiers] == ["[1:20,1:10]", "[40:21,1:10]"]
    other = write(tmp_path / "b.fits", [((10, 28), {"EXTNAME": "im1"})])
    with pytest.raises(FrameError, match="has no extension 2"):
        detectors_of_camera(scan(other), camera)
    small = write(tmp_path / "c.fits", [((10, 24), {"EXTNAME": "im1"}), ((10, 28), {"EXTNAME": "im2"})])
    with pytest.raises(CameraError, match="amplifier A: overscan"):
        detectors_of_camera(scan(small), camera)


@pytest.mark.parametrize(
    "words",
    [
        ("TRIMSECA", "TRIMSECB"), ("DATASEC1", "DATASEC2"), ("TSECA", "TSECB"), ("DSEC11", "DSEC12", "DSEC21"),
        ("HIERARCH ESO DET OUT1 NX", "HIERARCH ESO DET OUT2 NX"), ("S_EFMN11", "S_EFMN21"), ("COVER",),
        ("TRIMSECD", "TRIMSECC"), ("hierarch ESO  DET OUT4 NX",),
    ],
)  # fmt: skip
def test_what_may_say_amplifiers_is_looked_at(words):
    text = b"".join(f"{word:8}= 32".encode().ljust(80) for word in words)
    assert may_say_amplifiers(Cards(text + b"END".ljust(80)))


@pytest.mark.parametrize(
    "cards",
    [
        ("TRIMSEC = '[1:8,1:9]'", "DATASEC = '[1:8,1:9]'"), ("COVER   = 0",), ("COVER   = 'shut'",),
        ("COMMENT TRIMSECB = '[1:8,1:9]'",), ("OBJECT  = 'COVER   = 4'",), ("TRIMSECA= '[1:8,1:9]'",),
    ],
)  # fmt: skip
def test_what_says_none_is_not(cards):
    header = Cards(b"".join(card.encode().ljust(80) for card in cards) + b"END".ljust(80))
    assert not may_say_amplifiers(header)
    assert not says_amplifiers({word: value for word, value in header.items() if word != "COVER"})


@pytest.mark.parametrize("word", ["DETSEC", "CCDSEC"])
def test_images_that_say_where_they_belong_and_not_what_of_them_does(tmp_path, word):
    """It was said that there is no DETSEC and no CCDSEC."""
    images = [((300, 202), {"EXTNAME": f"im{n}", word: f"[{170 * n - 169}:{170 * n},1:300]"}) for n in (1, 2)]
    said = re.escape(f"({word} = '[1:170,1:300]'), but not which of their pixels those are and which the overscan is")
    with pytest.raises(UnsupportedError, match=said) as refused:
        detectors_in(scan(write(tmp_path / "a.fits", images)))
    assert "no DATASEC, no BIASSEC" in str(refused.value)
    assert "no DETSEC" not in str(refused.value)
