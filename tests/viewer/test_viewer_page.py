"""The page of `zeroframe show` in Chromium: pixels, values, sections, masks, by mouse and keys, offline and served."""

from __future__ import annotations

import http.client

import numpy as np
import pytest
from astropy.io import fits

from zeroframe.viewer.page import write_page
from zeroframe.viewer.planes import open_pictures
from zeroframe.viewer.server import loopback_server
from zeroframe.viewer.serving import ServedPictures

RANDOM = np.random.default_rng(5)
STILL = "document.getElementById('stage').dataset.state === 'whole'"
SHADE = """(() => {{ const s = document.getElementById('stage');
    return [...s.getContext('2d').getImageData({x}, {y}, 1, 1).data].slice(0, 3); }})()"""
FACTS = "Object.fromEntries([...document.querySelectorAll('{} dt')].map(t => [t.innerText, t.nextSibling.innerText]))"
CURSOR = FACTS.format("#cursor")
COPIED = "document.getElementById('said').textContent"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A raw frame of 1,400 x 1,100 pixels, and what was cut out of it, with a mask."""
    folder = tmp_path_factory.mktemp("frames")
    raw = RANDOM.normal(1000.0, 5.0, (1100, 1400)).round().astype(np.uint16)
    raw[600, 500] = 40000
    fits.writeto(folder / "raw.fits", raw, fits.Header({"BUNIT": "adu", "TRIMSEC": "[21:1400,1:1100]"}))
    calibrated = raw[:, 20:].astype(np.float32) - np.float32(990.125)
    mask = np.zeros(calibrated.shape, np.uint8)
    mask[600, 480], mask[10, 10] = 4, 2
    header = fits.Header({"BUNIT": "adu", "LTV1": -20.0})
    names = fits.Header({"MBIT1": "HOT", "MBIT2": "SATURATED"})
    hdus = [fits.PrimaryHDU(calibrated, header), fits.ImageHDU(mask, names, name="MASK")]
    fits.HDUList(hdus).writeto(folder / "calibrated.fits")
    pictures = [each for name in ("raw", "calibrated") for each in open_pictures(folder / f"{name}.fits")]
    write_page(folder / "page.html", pictures)
    return folder / "page.html", raw, calibrated, pictures


@pytest.fixture
def opened(browser, made):
    browser.open(made[0])
    browser.until(STILL)
    return browser


def go_to(browser, x, y):
    browser.value(f"document.getElementById('go-to').value = '{x}, {y}'; document.querySelector('#go button').click()")
    browser.until(STILL)


@pytest.mark.long
def test_values_are_those_of_the_file(opened, made):
    _, raw, calibrated, _ = made
    for x, y in ((1, 1), (501, 601), (1400, 1100), (777, 513)):
        go_to(opened, x, y)
        opened.until(f"({CURSOR})['value'] !== '… adu'")
        found = opened.value(CURSOR)
        assert found["value"] == f"{raw[y - 1, x - 1]} adu"
        assert found["numpy"] == f"[{y - 1}, {x - 1}]"
    opened.press("2")
    go_to(opened, 481, 601)
    opened.until(f"({CURSOR})['value'] !== '… adu' && ({CURSOR})['mask'] !== '…'")
    found = opened.value(CURSOR)
    assert np.float32(found["value"].split()[0]) == calibrated[600, 480]
    assert found["mask"] == "SATURATED"
    assert found["raw x, y"] == "501, 601"
    assert opened.complaints == []
    assert opened.requests == [opened.value("location.href")]


@pytest.mark.long
def test_shades_are_those_of_the_stretch(opened, made):
    _, raw, _, _ = made
    opened.value("""document.getElementById('low').value = '980'; const h = document.getElementById('high');
        h.value = '1020'; h.dispatchEvent(new Event('change'))""")
    go_to(opened, 700, 550)
    opened.value("document.querySelector('[data-do=drop]').click()")
    opened.until(STILL)
    width, height = opened.value("[document.getElementById('stage').width, document.getElementById('stage').height]")
    # eight pixels of the screen for one of the file, about pixel 700, 550 in the middle
    for dx, dy in ((5, 3), (-7, 11), (20, -15)):
        shade = opened.value(SHADE.format(x=width // 2 + 8 * dx, y=height // 2 - 8 * dy))
        value = float(raw[549 + dy, 699 + dx])
        assert shade[0] == pytest.approx(255 * (value - 980) / 40, abs=1.1), (dx, dy)


@pytest.mark.long
def test_a_section_is_dragged_and_copied(opened, made):
    _, raw, _, _ = made
    opened.value("document.querySelector('[data-do=one]').click()")
    opened.until(STILL)
    opened.drag((300, 300), (420, 360), shift=True)
    opened.until("document.getElementById('statistics').textContent.includes('mean')")
    section = opened.value("document.getElementById('fits').textContent")
    (x1, x2), (y1, y2) = (tuple(map(int, part.split(":"))) for part in section.strip("[]").split(","))
    assert (x2 - x1, y2 - y1) == (120, 60)
    assert opened.value("document.getElementById('numpy').textContent") == f"[{y1 - 1}:{y2}, {x1 - 1}:{x2}]"
    part = raw[y1 - 1 : y2, x1 - 1 : x2].astype(float)
    told = opened.value(FACTS.format("#statistics"))
    assert float(told["mean"]) == pytest.approx(part.mean(), rel=2e-6)
    assert float(told["median"]) == np.median(part)
    assert float(told["scatter"]) == pytest.approx(part.std(ddof=1), rel=2e-6)
    opened.click("[data-copy=fits]")
    opened.until(f"{COPIED} === '{section} copied'")
    opened.click("#go-to")
    opened.call("Input.dispatchKeyEvent", type="keyDown", key="v", code="KeyV", modifiers=2, commands=["paste"])
    assert opened.value("document.getElementById('go-to').value") == section


@pytest.mark.long
def test_keys_alone_do_it(opened, made):
    for _ in range(30):
        opened.press("Tab")
        if opened.value("document.activeElement.id") == "stage":
            break
    else:
        raise AssertionError("the image cannot be reached by keys")
    opened.press("g")
    assert opened.value("document.activeElement.id") == "go-to"
    for key in "500,600":
        opened.call("Input.insertText", text=key)
    opened.press("Enter")
    assert opened.value("document.activeElement.id") == "stage"
    opened.press("ArrowRight")
    opened.press("ArrowUp")
    opened.until(f"({CURSOR})['value'] === '40000 adu'")
    opened.press("s")
    opened.press("ArrowRight", shift=True)
    opened.press("ArrowDown")
    opened.press("s")
    assert opened.value("document.getElementById('fits').textContent") == "[501:511,600:601]"
    opened.press("n")
    opened.until(f"{COPIED} === '[599:601, 500:511] copied'")
    opened.press("Escape")
    assert opened.value("document.getElementById('section').hidden")
    before = opened.value("document.getElementById('zoom').textContent")
    opened.press("+")
    opened.until(f"document.getElementById('zoom').textContent !== '{before}'")
    opened.press("2")
    assert opened.value("document.querySelector('[role=tab][aria-selected=true]').textContent") == "calibrated.fits"
    opened.press("b")
    opened.until("document.querySelector('[role=tab][aria-selected=true]').textContent === 'raw.fits'")
    opened.press("Escape")
    opened.press("p")
    opened.until("document.getElementById('profile-words').textContent.startsWith('row 600: ')")
    assert opened.complaints == []


def test_bits_of_a_mask_are_switched(opened):
    opened.press("2")
    go_to(opened, 481, 601)
    opened.value("document.querySelector('[data-do=marks]').click()")
    width, height = opened.value("[document.getElementById('stage').width, document.getElementById('stage').height]")
    # beside the frame of the cursor, which is as large as the pixel
    opened.value("document.getElementById('stage').focus()")
    opened.press("ArrowRight")
    opened.press("ArrowRight")
    place = {"x": width // 2, "y": height // 2}
    opened.until(STILL)
    coloured = opened.value(SHADE.format(**place))
    assert max(coloured) - min(coloured) > 40
    opened.value("document.querySelector('[data-bit=SATURATED]').click()")
    opened.until(STILL)
    opened.value("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    grey = opened.value(SHADE.format(**place))
    assert max(grey) == min(grey)


@pytest.mark.long
@pytest.mark.parametrize("width", [390, 768, 1280])
def test_nothing_sticks_out(browser, made, width):
    browser.open(made[0], width, 844)
    browser.until(STILL)
    assert browser.value("document.documentElement.scrollWidth") <= width
    outside = f"""[...document.querySelectorAll('main *, #tools *')].filter(e => e.offsetWidth > 1
        && e.getBoundingClientRect().right > {width + 1}).map(e => e.tagName + '.' + e.className)"""
    assert browser.value(outside) == []
    if width < 600:
        assert browser.value(
            "[...document.querySelectorAll('button')].filter(b => b.offsetWidth).every(b => b.offsetHeight >= 44)"
        )


class TestServed:
    @pytest.mark.long
    def test_shows_the_same(self, browser, made):
        _, raw, _, pictures = made
        served = ServedPictures(pictures)
        with loopback_server(lambda path: served.answer(path.removeprefix("/"))) as server:
            browser.open(server.url)
            browser.until(STILL)
            go_to(browser, 501, 601)
            browser.until(f"({CURSOR})['value'] !== '… adu'")
            assert browser.value(CURSOR)["value"] == f"{raw[600, 500]} adu"
            assert browser.complaints == []
            assert all(url.startswith((server.url, "data:")) for url in browser.requests)

    @pytest.mark.long
    def test_answers_this_machine_only_and_nothing_else(self, made):
        served = ServedPictures(made[3])
        with loopback_server(lambda path: served.answer(path.removeprefix("/"))) as server:
            host, port = server.url.removeprefix("http://").strip("/").split(":")
            assert host == "127.0.0.1"

            def status(path, name):
                asked = http.client.HTTPConnection(host, int(port), timeout=300)
                asked.request("GET", path, headers={"Host": name})
                found = asked.getresponse()
                found.read()
                asked.close()
                return found.status

            assert status("/", f"localhost:{port}") == 200
            assert status("/", f"somewhere.example:{port}") == 403
            paths = [
                "/../etc/passwd",
                "/tiles/t9-0-0-0",
                "/tiles/t0-9-0-0",
                "/tiles/t0-0-99-0",
                "/tiles/m0-0-0-0",
                "/x",
            ]
            assert [status(path, f"127.0.0.1:{port}") for path in paths] == [404] * 6
