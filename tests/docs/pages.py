"""The command lines of README and docs: read from the pages, run, and held to what the pages print.

A page shows commands in blocks ```` ```console ````: lines with ``$`` before them are typed, the lines below are what
comes out, and ``…`` stands for anything. Lines may be folded by hand. What a page needs before stands in comments that
readers do not see: ``<!-- run: COMMAND -->``; ``<!-- file: NAME -->`` puts the block that follows into a file;
``<!-- exit: 1 -->`` says how the commands of the next block end. Each page runs from top to bottom in one empty folder.

``python tests/docs/pages.py PAGE …`` writes what comes out where a page shows something else without a ``…``; a line
``?`` below a command will do.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["ROOT", "Step", "pages", "run_page", "steps_of", "unmarked_commands"]

ROOT = Path(__file__).resolve().parents[2]
#: What is shown and not run, with the reason.
NOT_RUN = {
    "pip": "the tests run what is installed",
    "conda": "the tests run what is installed",
    "git": "there is a copy already",
    "cd": "a page has one folder",
    "make test": "it would run itself",
    "source": "for the shell of a person",
}
#: Within so many steps of their beginning pages may have done the same; a night costs as much as all else on a page.
_BEGINNING = 5
#: What leaves the folder of a page as it is.
_ONLY_SHOWN = re.compile("|".join((*NOT_RUN, "zeroframe (ls|explain) ", ".* --dry-run")))
_FENCE = re.compile(
    r"^(?P<indent> *)(?P<fence>```+)(?P<language>[^`\n]*)\n(?P<body>.*?)^(?P=indent)(?P=fence) *$",
    re.MULTILINE | re.DOTALL,
)
_PART = re.compile(r"<!-- (?P<what>run|file|exit): (?P<value>.*?) -->|" + _FENCE.pattern, re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Step:
    """One thing to do: a command, and what the page says comes out; or a file to be written.

    Attributes
    ----------
    command : str
        As it is typed; empty where a file is written.
    shown : str or None
        What stands below it; None where nothing is said of what comes out.
    exit_code : int
        With which it is to end.
    file, content : str
        A file, and what is put into it.
    line : int
        Where it stands in the page.
    """

    command: str = ""
    shown: str | None = None
    exit_code: int = 0
    file: str = ""
    content: str = ""
    line: int = 0


#: What serves ends within a second of Ctrl-C; only a fault of it reaches this.
_PATIENCE_S = 60.0


def pages() -> list[Path]:
    """Return README and every page of docs/ that a person has written."""
    written = [path for path in sorted((ROOT / "docs").rglob("*.md")) if not {"made", "_build"} & set(path.parts)]
    return [ROOT / "README.md", *written]


def steps_of(text: str) -> list[Step]:
    """Return what a page does, from top to bottom."""
    steps: list[Step] = []
    file, code = "", 0
    for part in _PART.finditer(text):
        line = text.count("\n", 0, part.start()) + 1
        if part["what"] == "run":
            steps.append(Step(part["value"], line=line))
        elif part["what"] == "file":
            file = part["value"]
        elif part["what"] == "exit":
            code = int(part["value"])
        elif file:
            steps.append(Step(file=file, content=part["body"], line=line))
            file = ""
        elif part["language"].strip() == "console":
            steps += _typed(part["body"], code, line)
            code = 0
    return steps


def _typed(body: str, code: int, line: int) -> Iterator[Step]:
    command, shown, at = "", [], line
    for number, each in enumerate(body.splitlines(), start=line + 1):
        if each.startswith("$ "):
            if command:
                yield Step(command, "\n".join(shown), code, line=at)
            command, shown, at = each[2:], [], number
        elif command.endswith("\\") and each.startswith("> "):
            command = command[:-1] + each[2:]
        else:
            shown.append(each)
    if command:
        yield Step(command, "\n".join(shown), code, line=at)


def unmarked_commands(text: str) -> list[str]:
    """Return commands of ours that stand in a block which nobody runs."""
    return [
        line
        for block in _FENCE.finditer(text)
        if block["language"].strip() != "console"
        for line in block["body"].splitlines()
        if re.match(r" *(\$ |zeroframe |make |python -m zeroframe)", line)
    ]


def run_page(steps: list[Step], folder: Path, *, frames: Path, words: Mapping[str, str] | None = None) -> list[str]:
    """Do what a page does, in a folder; return a sentence for each thing that is not as it says.

    Parameters
    ----------
    steps : list of Step
    folder : pathlib.Path
        It is emptied first.
    frames : pathlib.Path
        Where simulated frames are kept for the next page that makes the same ones.
    words : mapping of str to str, optional
        What stands in the page for something that has another name here, as the address of a scheduler.
    """
    wrong = []
    shutil.rmtree(folder, ignore_errors=True)
    with _in(folder):
        for number, step in enumerate(steps):
            if step.file:
                Path(step.file).parent.mkdir(parents=True, exist_ok=True)
                Path(step.file).write_text(step.content, encoding="utf-8")
                continue
            if number < _BEGINNING and step.command.startswith("zeroframe night ") and not words:
                code, out = _begun_alike(steps[:number], step, frames)
            else:
                code, out = run_command(step.command, frames, words)
            if code != step.exit_code:
                wrong.append(f"line {step.line}: {step.command}: ends with {code}, not {step.exit_code}:\n{out}")
            elif step.shown is not None and code is not None and not fits(step.shown, out):
                wrong.append(f"line {step.line}: {step.command} prints\n{out}\nand not\n{step.shown}")
    return wrong


def run_command(command: str, frames: Path, words: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Run one line; return its exit code, and what it printed to standard output and standard error."""
    for here, there in (words or {}).items():
        command = command.replace(here, there)
    typed = shlex.split(command, comments=True)
    if any(" ".join(typed).startswith(each) for each in NOT_RUN):
        return 0, "…"
    if typed[:2] == ["make", "demo"]:
        return _demo(frames)
    if typed[0] != "zeroframe" or set("|><;&$") & set(re.sub(r"'[^']*'|#.*", "", command)):
        return _in_a_shell(command)
    if "--serve" in typed:
        return _until_ctrl_c(command)
    given = [each for word in typed[1:] for each in _expanded(word)]
    if given[0] == "simulate":
        return _simulated(given, frames)
    return _here(given)


def _begun_alike(done: list[Step], step: Step, frames: Path) -> tuple[int, str]:
    """Run a night, or take what another page got that had done all the same before it, in a folder of the same path."""
    changed = [each for each in done if not (each.command and _ONLY_SHOWN.match(each.command))]
    history = repr([(each.command, each.file, each.content) for each in (*changed, step)])
    kept = frames / f"night-{hashlib.sha256(history.encode()).hexdigest()[:16]}"
    if not kept.exists():
        code, out = run_command(step.command, frames)
        shutil.copytree(Path(), kept)  # copies: some commands write into files that are there
        kept.with_suffix(".json").write_text(json.dumps([code, out]), encoding="utf-8")
        return code, out
    shutil.copytree(kept, Path(), dirs_exist_ok=True)
    code, out = json.loads(kept.with_suffix(".json").read_text(encoding="utf-8"))
    return code, out


def _demo(frames: Path) -> tuple[int, str]:
    """Do what ``make demo`` does, once for a page."""
    said = Path("demo-said.txt")
    if not said.exists():
        done = [run_command(line, frames) for line in _demo_lines()]
        if any(code for code, _ in done):
            return max(code for code, _ in done), "".join(out for _, out in done)
        said.write_text("".join(out for _, out in done), encoding="utf-8")
    return 0, said.read_text(encoding="utf-8")


def _demo_lines() -> list[str]:
    """Return the commands of ``make demo``, from the Makefile."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    recipe = re.search(r"^demo:.*\n((?:\t.*\n)+)", text, re.MULTILINE)
    assert recipe is not None
    lines = [line.strip().replace("$(DEMO)", "demo") for line in recipe[1].splitlines()]
    return [line.removeprefix("$(BIN)/") for line in lines if line.startswith("$(BIN)/zeroframe")]


def _expanded(word: str) -> list[str]:
    return sorted(map(str, Path().glob(word))) or [word] if re.search(r"[*?]", word) and "=" not in word else [word]


def _here(given: list[str]) -> tuple[int, str]:
    from zeroframe.cli.main import main

    out = io.StringIO()
    with redirect_stdout(out), redirect_stderr(out):
        try:
            main(given)
        except SystemExit as leaving:
            return int(leaving.code or 0), out.getvalue()
    raise AssertionError("a command leaves with its exit code")


def _simulated(given: list[str], frames: Path) -> tuple[int, str]:
    """Take frames that another page has made already; they are the same bytes."""
    folder = Path(given[2])
    name = re.sub(r"\W+", "-", " ".join((given[1], *given[3:])))
    kept, said = frames / name, frames / f"{name}.txt"
    if not kept.exists():
        code, out = _here(given)
        if code:
            return code, out
        shutil.copytree(folder, kept, copy_function=os.link)
        said.write_text(out.replace(str(folder), "FOLDER"), encoding="utf-8")
        return code, out
    shutil.copytree(kept, folder, dirs_exist_ok=True)
    return 0, said.read_text(encoding="utf-8").replace("FOLDER", str(folder))


def _until_ctrl_c(command: str) -> tuple[int, str]:
    """Run what serves until a person ends it, and end it so as soon as it has said that it does."""
    asked = ["bash", "-c", f"exec {command}"]
    with subprocess.Popen(
        asked, env=_environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        out = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        try:
            out += process.communicate(timeout=_PATIENCE_S)[0]
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    return (0 if process.returncode in {0, 130} else process.returncode), out


def _in_a_shell(command: str) -> tuple[int, str]:
    done = subprocess.run(
        ["bash", "-c", command], env=_environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout


def _environment() -> dict[str, str]:
    """Return that of this process, in which the programs of this Python are found first."""
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def fits(shown: str, out: str) -> bool:
    """Say whether a page shows what came out, however lines are folded; ``…`` is anything, and so is nothing shown."""
    if not shown.strip():
        return True
    parts = [re.escape(" ".join(part.split())).replace(r"\ ", r"\s*") for part in shown.split("…")]
    return re.fullmatch(r"\s*.*?\s*".join(parts), " ".join(out.split()), re.DOTALL) is not None


@contextmanager
def _in(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def write_what_comes_out(path: Path, folder: Path, frames: Path) -> None:
    """Put what commands print into a page, where it shows something else."""
    text = path.read_text(encoding="utf-8")
    with _in(folder):
        for step in steps_of(text):
            if step.file:
                Path(step.file).parent.mkdir(parents=True, exist_ok=True)
                Path(step.file).write_text(step.content, encoding="utf-8")
                continue
            code, out = run_command(step.command, frames)
            if code != step.exit_code:
                sys.stderr.write(f"{path}: line {step.line}: {step.command} ends with {code}:\n{out}\n")
            if step.shown is not None and "…" not in step.shown and not fits(step.shown, out):
                text = text.replace(f"$ {step.command}\n{step.shown}\n", f"$ {step.command}\n{out}", 1)
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as temporary:
        for number, name in enumerate(sys.argv[1:]):
            write_what_comes_out(Path(name).resolve(), Path(temporary) / str(number), Path(temporary) / "frames")
