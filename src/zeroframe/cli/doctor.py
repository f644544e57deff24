"""``zeroframe doctor``: what this installation is, whether it works, and what to put into a report of a fault."""

from __future__ import annotations

import os
import platform
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from zeroframe import __version__
from zeroframe.cli.console import Screen
from zeroframe.cli.documents import document_of, print_json
from zeroframe.cli.options import INCOMPLETE, OK, Json

if TYPE_CHECKING:
    from zeroframe.run.reduced import Reduction

__all__ = ["doctor"]

#: The simulated night: a camera with these pixels (y, x), and the seed.
_SHAPE_YX, _SEED = (512, 480), 1
#: By how much its figures may differ from the truth: five times what their scatter is among seeds.
_NOISE_FRACTION, _LEVEL_ADU = 0.03, 0.5
_MB = 1e6


def doctor(json: Json = False) -> int:
    """Say what this installation is, and whether it works: versions, extras, caches, speed, and a night to test it.

    Nothing that is printed names a folder or a file of yours, so that it can be put into a report of a fault as it is.
    """
    from zeroframe.cli.versions import extras, package_versions  # importlib.metadata takes 6 ms of each start

    screen = Screen.beside(json=json)
    screen.line(f"{__version__}, Python {platform.python_version()}, {platform.platform()}", "zeroframe", "cyan")
    packages = package_versions()
    screen.line(", ".join(f"{name} {number}" for name, number in packages.items()), "packages", "cyan")
    missing = extras()
    for name, lacking in missing.items():
        told = "there" if not lacking else f"not there: pip install 'zeroframe[{name}]'"
        screen.line(f"{name} {told}", "extra", "yellow" if lacking else "cyan")
    machine, caches = _machine(), _caches()
    screen.line(_sentence(machine), "machine", "cyan")
    screen.line(_sentence(caches) or "none yet", "caches", "cyan")
    with screen.progress() as progress:
        progress("testing", 0.0)
        wrong, took = _self_test()
        progress("testing", 1.0)
    screen.line(_sentence(took), "simulated night", "cyan")
    for sentence in wrong:
        screen.line(sentence, "wrong", "bold red")
    if not wrong:
        screen.line("bias, darks, flats and science frames come out as they were put in.", "self-test", "green")
    code = INCOMPLETE if wrong else OK
    if json:
        headline = wrong[0] if wrong else ""
        lacks = {name: list(lacking) for name, lacking in missing.items()}
        print_json(
            document_of(
                "doctor", code, headline, python=platform.python_version(), platform=platform.platform(),
                packages=packages, missing_of_extras=lacks, machine=machine, caches=caches, self_test=took,
                problems=wrong,
            )
        )  # fmt: skip
    return code


def _sentence(figures: dict[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in figures.items())


def _machine() -> dict[str, Any]:
    """Return cores, memory, and how fast a file is written and read here."""
    from zeroframe.workers import default_limit_bytes, usable_cores

    with TemporaryDirectory(prefix="zeroframe-doctor-") as folder:
        path, content = Path(folder) / "speed", os.urandom(int(32 * _MB))
        started = time.perf_counter()
        with path.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        written = time.perf_counter()
        path.read_bytes()
        read = time.perf_counter()
    return {
        "cores": usable_cores(),
        "memory_for_a_run_MB": round(default_limit_bytes() / _MB),
        "writes_MB_per_s": round(len(content) / _MB / (written - started)),
        "reads_MB_per_s": round(len(content) / _MB / (read - written)),
    }


def _caches() -> dict[str, Any]:
    """Return the sizes of what is remembered between runs, without saying where it is."""
    from zeroframe.headers.index import cache_folder

    folder = cache_folder()
    if folder is None or not folder.is_dir():
        return {}
    sizes: dict[str, int] = {}
    for path in folder.rglob("*"):
        if path.is_file():
            name = path.relative_to(folder).parts[0].partition(".")[0]
            sizes[f"{name}_kB"] = sizes.get(f"{name}_kB", 0) + path.stat().st_size
    return {name: round(size / 1000) for name, size in sorted(sizes.items())}


def _self_test() -> tuple[list[str], dict[str, Any]]:
    """Reduce a small simulated night twice; return what is wrong with it, and how long it took."""
    import zeroframe
    from zeroframe.run.verify import verify_folder
    from zeroframe.simulate import any_camera

    camera = any_camera("palomar-lfc").resized(_SHAPE_YX)
    with TemporaryDirectory(prefix="zeroframe-doctor-") as folder:
        raw, out = Path(folder, "raw"), Path(folder, "out")
        frames = zeroframe.simulate_night(camera, raw, seed=_SEED)
        seconds = []
        for _ in range(2):
            started = time.perf_counter()
            made = zeroframe.night(raw, out, report=False)
            seconds.append(round(time.perf_counter() - started, 2))
        verified = verify_folder(out, raw)
        wrong = [f"{len(verified.problems)} results are not as they were written"] if verified.problems else []
        wrong += _wrong_figures(made)
        wrong += [problem.replace(folder, "") for problem in made.problems]
    size = f"{_SHAPE_YX[1]} x {_SHAPE_YX[0]}"
    return wrong, {"frames": len(frames), "pixels": size, "first_run_s": seconds[0], "kept_s": seconds[1]}


def _wrong_figures(made: Reduction) -> list[str]:
    """Return a sentence for each figure that is not what was put into the frames."""
    from zeroframe.simulate import SIMULATED_CAMERAS

    truth = SIMULATED_CAMERAS["palomar-lfc"]
    figures = made.figures
    wrong = []
    noise = figures.get("combined_bias.fits", {}).get("read_noise_adu", float("nan"))
    true_noise = (truth.read_noise_adu**2 + 1 / 12) ** 0.5
    if not abs(noise / true_noise - 1) < _NOISE_FRACTION:
        wrong.append(f"the read noise comes out as {noise:.3f} ADU, and {true_noise:.3f} were put in")
    level = figures.get("combined_bias.fits", {}).get("level_adu", float("nan"))
    if not abs(level) < _LEVEL_ADU:
        wrong.append(f"the level of the combined bias comes out as {level:.2f} ADU, and none is left where all is well")
    science = [each for each in made.frames if each.kind == "science"]
    if len(science) != 2 or not all(each.is_there for each in science):
        wrong.append("the two science frames were not made")
    return wrong
