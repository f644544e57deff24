"""A browser without a window, driven by Chromium's own protocol over a pipe: what the tests of the page need of it."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import signal
import time
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage", "--hide-scrollbars"),
    "--remote-debugging-pipe",
)
_PATIENCE_S = 300.0
_KEYS = {" ": ("Space", 32), "Enter": ("Enter", 13), "ArrowRight": ("ArrowRight", 39), "ArrowLeft": ("ArrowLeft", 37)}
_KEYS |= {"ArrowUp": ("ArrowUp", 38), "ArrowDown": ("ArrowDown", 40), "Tab": ("Tab", 9), "Escape": ("Escape", 27)}
_KEYS |= {letter: (f"Key{letter.upper()}", ord(letter.upper())) for letter in "abcdefghijklmnopqrstuvwxyz"}
_KEYS |= {digit: (f"Digit{digit}", ord(digit)) for digit in "0123456789"} | {"+": ("Equal", 187), "-": ("Minus", 189)}
_SHIFT = 8


def find_browser() -> str | None:
    """The program, where there is one."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class NavigatedError(AssertionError):
    """The page was left while it was asked."""


class Browser:
    """One page in one browser; every request, message and error of the page is kept."""

    def __init__(self, program: str, profile: Path) -> None:
        to_browser, self._write = os.pipe()
        self._read, from_browser = os.pipe()
        actions = [
            (os.POSIX_SPAWN_DUP2, to_browser, 3),  # the protocol's numbers
            (os.POSIX_SPAWN_DUP2, from_browser, 4),
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
        ]
        arguments = [program, *_OPTIONS, f"--user-data-dir={profile}", "about:blank"]
        self._process = os.posix_spawn(program, arguments, os.environ, file_actions=actions, setsid=True)
        os.close(to_browser)
        os.close(from_browser)
        self._left = b""
        self._number = 0
        self._session = ""
        self.events: list[dict[str, Any]] = []
        # the first page may not be there yet
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for part in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{part}.enable")

    def close(self) -> None:
        """End the browser and all that it started."""
        os.killpg(self._process, signal.SIGKILL)
        os.waitpid(self._process, 0)
        os.close(self._write)
        os.close(self._read)

    def call(self, method: str, **params: object) -> dict[str, Any]:
        """Call a method of the protocol and return its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                if "navigated" in str(answer.get("error", "")):
                    raise NavigatedError(f"{method}: {answer['error']}")
                if "error" in answer:
                    raise AssertionError(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def _receive(self) -> dict[str, Any]:
        until = time.monotonic() + _PATIENCE_S
        while b"\0" not in self._left:
            ready, _, _ = select.select([self._read], [], [], max(until - time.monotonic(), 0.0))
            chunk = os.read(self._read, 1 << 20) if ready else b""
            if not chunk:
                raise AssertionError("the browser does not answer")
            self._left += chunk
        message, _, self._left = self._left.partition(b"\0")
        return json.loads(message)

    def open(
        self,
        path: Path | str,
        width: int = 1280,
        height: int = 900,
        *,
        dark: bool = False,
        scale: int = 1,
        wait: bool = True,
    ) -> None:
        """Open a file, or an address, in a window of some size and wait until all of it is there."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=scale, mobile=width < 600,
        )  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media="", features=[scheme])
        self.events.clear()
        self.call("Page.navigate", url=path if isinstance(path, str) else path.resolve().as_uri())
        while wait and not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self._receive())

    def value(self, expression: str) -> Any:
        """Return what an expression of JavaScript gives."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def click(self, selector: str) -> None:
        """Click at the middle of an element with the mouse."""
        self.value(f"document.querySelector({selector!r}).scrollIntoView({{block: 'center', behavior: 'instant'}})")
        middle = "(r => [r.x + r.width / 2, r.y + r.height / 2])"
        x, y = self.value(f"{middle}(document.querySelector({selector!r}).getBoundingClientRect())")
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def drag(self, start: tuple[float, float], end: tuple[float, float], *, shift: bool = False) -> None:
        """Drag with the mouse from one place of the window to another."""
        held = _SHIFT if shift else 0
        for kind, (x, y), buttons in (
            ("mouseMoved", start, 0), ("mousePressed", start, 1), ("mouseMoved", end, 1), ("mouseReleased", end, 0),
        ):  # fmt: skip
            button = "none" if kind == "mouseMoved" else "left"
            count = 0 if kind == "mouseMoved" else 1
            self.call(
                "Input.dispatchMouseEvent",
                type=kind, x=x, y=y, button=button, buttons=buttons, clickCount=count, modifiers=held,
            )  # fmt: skip

    def until(self, expression: str) -> float:
        """Wait until an expression of JavaScript is true; return how many seconds that took."""
        begun = time.monotonic()
        while not self._is_true(expression):
            if time.monotonic() - begun > _PATIENCE_S:
                raise AssertionError(f"never true: {expression}")
            time.sleep(0.01)
        return time.monotonic() - begun

    def _is_true(self, expression: str) -> bool:
        """Ask once; a page that another one takes the place of meanwhile says nothing yet."""
        try:
            return bool(self.value(expression))
        except NavigatedError:
            return False

    def press(self, key: str, *, shift: bool = False) -> None:
        """Press and release a key."""
        code, number = _KEYS[key]
        text = {" ": " ", "Enter": "\r"}.get(key, key if len(key) == 1 else None)
        known: dict[str, object] = {"key": key, "code": code, "windowsVirtualKeyCode": number}
        known |= {"modifiers": _SHIFT} if shift else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", **known, **({"text": text} if text else {}))
        self.call("Input.dispatchKeyEvent", type="keyUp", **known)

    def screenshot(self, path: Path, *, whole: bool = True) -> None:
        """Save what is seen, or the whole page, as PNG."""
        shown = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shown["data"]))

    def pdf(self) -> bytes:
        """Print the page."""
        return base64.b64decode(self.call("Page.printToPDF", printBackground=True)["data"])

    @property
    def requests(self) -> list[str]:
        """Addresses of everything that the page asked for."""
        return [e["params"]["request"]["url"] for e in self.events if e.get("method") == "Network.requestWillBeSent"]

    @property
    def complaints(self) -> list[object]:
        """Errors, and whatever the page or the browser wrote to the console."""
        told = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")
        return [event["params"] for event in self.events if event.get("method") in told]
