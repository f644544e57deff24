"""Whatever stands where, and whatever is asked for: no byte of an input changes, nor of anything that is not ours."""

from __future__ import annotations

import gzip
import random
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from reliability import ALL_CASES
from sealed import broken, seal
from trees import Tree
from workbench import SMALL_LFC, command
from zeroframe import ImageFileCollection
from zeroframe import combine as combine_ccds
from zeroframe.errors import ZeroframeError
from zeroframe.simulate import simulate_biases

TREES = 2000 if ALL_CASES else 50
STEPS = 4
RECIPE = 'missing = "leave"\n[frames]\noverscan = "none"\ntrim = "[1:10,:]"\n'
PLAIN = ("--overscan", "[11:14,:]", "--trim", "[1:10,:]", "--workers", 1)


def files_below(folder: Path, known: set[tuple[int, int]] | None = None, *, deep: bool = True) -> set[Path]:
    """Return the files of a folder and of those within, links followed: what a command may read of it."""
    known = set() if known is None else known
    if not folder.is_dir():
        return {folder} if folder.is_file() else set()
    status = folder.stat()
    if (status.st_dev, status.st_ino) in known:
        return set()
    known.add((status.st_dev, status.st_ino))
    found = set()
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            found |= files_below(path, known) if deep else set()
        elif path.is_file():
            found.add(path.resolve())
    return found


class Commands:
    """Commands with folders and files chosen by chance; each returns what it reads, and runs when it is called."""

    def __init__(self, tree: Tree, outside: Path) -> None:
        self.tree, self.dice, self.outside = tree, tree.dice, outside
        self.recipe = outside / "recipe.toml"
        self.recipe.write_text(RECIPE)

    def more(self) -> tuple[str, ...]:
        return ("--overwrite",) if self.dice.random() < 0.7 else ()

    def out(self, raw: Path) -> Path:
        """Return a folder for results, which does not lie in the raw folder by its mere name, most of the time."""
        folders = [folder for folder in self.tree.folders if raw not in (folder, *folder.parents)]
        chosen = self.dice.choice(folders) if folders and self.dice.random() < 0.9 else self.tree.folder()
        return chosen / self.dice.choice(("", "", "", "out", "2026-11-19"))

    def bias(self):
        raw, clip = self.tree.folder(), self.dice.choice((3, 5))
        compress = self.dice.choice(("none", "none", "gzip", "rice"))
        report = () if self.dice.random() < 0.1 else ("--no-report",)
        arguments = ("bias", raw, "-o", self.out(raw), *PLAIN, "--clip", clip, "--compress", compress, *report)
        return files_below(raw, deep=False), lambda: command(*arguments, *self.more())

    def night(self):
        raw = self.tree.folder()
        many = ("--by-night",) if self.dice.random() < 0.4 else ()
        arguments = ("night", raw, "-o", self.out(raw), "--recipe", self.recipe, "--no-report", "--workers", 1, *many)
        return files_below(raw), lambda: command(*arguments, *self.more())

    def listed(self):
        files = self.tree.files()
        chosen = self.dice.sample(files, min(len(files), self.dice.randint(1, 8)))
        frames = self.outside / "frames.txt"
        frames.write_text("".join(f"{path}\n" for path in chosen))
        arguments = ("night", frames, "-o", self.out(frames), "--recipe", self.recipe, "--no-report", "--by-night")
        return {path.resolve() for path in chosen if path.is_file()}, lambda: command(*arguments, *self.more())

    def target(self) -> Path:
        files = self.tree.files()
        return self.dice.choice(files) if self.dice.random() < 0.6 else self.tree.folder() / self.tree.name()

    def _frames(self) -> list[Path]:
        files = self.tree.files()
        return self.dice.sample(files, min(len(files), self.dice.randint(1, 5)))

    def combine(self):
        frames, target = self._frames(), self.target()
        read = {path.resolve() for path in frames if path.is_file()}
        return read, lambda: command("combine", *frames, "-o", target, "--workers", 1, *self.more())

    def combine_in_python(self):
        frames = [path for path in self._frames() if path.is_file()]
        places = [path for path in self.tree.files() if path.resolve() in {each.resolve() for each in frames}]
        if not frames:
            return set(), lambda: None
        target = self.dice.choice(places)
        return {path.resolve() for path in frames}, lambda: combine_ccds(
            [str(path) for path in frames], output_file=target, overwrite_output=True, unit="adu"
        )

    def loop(self):
        folder, location = self.tree.folder(), self.tree.folder()
        read = files_below(folder, deep=False)
        ours = {path.name for path in folder.iterdir()}
        # what a loop of the library replaces that is no input of it is for the caller to say
        if any(path.name in ours and path.resolve() not in read for path in location.iterdir()):
            return read, lambda: None
        word = self.dice.choice(("headers", "data", "hdus", "ccds"))
        return read, lambda: list(getattr(ImageFileCollection(folder), word)(save_location=location, overwrite=True))

    def inspect(self):
        raw = self.tree.folder()
        target = self.tree.folder() / self.dice.choice(("mine.toml", "other.toml"))
        return files_below(raw, deep=False), lambda: command("inspect", raw, "--write", target, *self.more())

    def write_recipe(self):
        target = self.target()
        return set(), lambda: command("recipe", "-o", target, *self.more())

    def simulate(self):
        folder, overwrite = self.tree.folder(), bool(self.more())
        return set(), lambda: simulate_biases(SMALL_LFC, folder, frames=1, overwrite=overwrite)

    def look(self):
        folder = self.tree.folder()
        return files_below(folder), lambda: (command("ls", folder), command("verify", folder, "--raw", folder))

    def any(self):
        """Choose one."""
        usual = (self.bias, self.night, self.listed, self.combine)
        rare = (self.combine_in_python, self.loop, self.inspect, self.write_recipe, self.look)
        if self.dice.random() < 0.01:
            return self.simulate()
        return self.dice.choice(usual if self.dice.random() < 0.75 else rare)()


def files_in(folder: Path) -> set[Path]:
    return {path for path in folder.iterdir() if not path.is_dir()}


def is_frame(path: Path) -> bool:
    content = path.read_bytes()
    with suppress(OSError, EOFError):
        content = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    return content.startswith(b"SIMPLE  =")


def lying_among(read: set[Path]) -> dict[Path, set[Path]]:
    """Return what stands in the folders where frames really lie."""
    return {folder: files_in(folder) for folder in {path.parent for path in read if is_frame(path)}}


def is_kept(path: Path) -> bool:
    """Whether a file of somebody else is to be kept: a run.json or a lock in which nothing stands is anybody's."""
    nothing = not path.is_symlink() and not path.read_bytes().strip(b"\0")
    return not (nothing and path.name in {"run.json", ".zeroframe.lock"})


def live_in(tree: Tree, outside: Path) -> list[str]:
    """Carry out some commands, and say what has been changed that may not."""
    commands, faults = Commands(tree, outside), []
    theirs = {path: seal(path) for path in tree.files() if is_kept(path)}
    for _ in range(STEPS):
        read, act = commands.any()
        before = {path: seal(path) for path in read}
        among = lying_among(read)
        writes = "bias", "night", "listed"
        with suppress(ZeroframeError, OSError):  # of the functions of the library: a command says what it refuses
            act()
        faults += broken(before) + broken(theirs)
        word = act.__qualname__.split(".")[1]
        if word in writes:
            faults += [f"{word} wrote among {at}" for at, names in among.items() if files_in(at) - names]
        if faults:
            return faults
        results = [path for path in tree.files() if path not in theirs]
        if results and tree.dice.random() < 0.2:  # one of ours is somebody's from now on
            tree.copied(tree.dice.choice(results))
    return faults


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("block", range(10))
def test_no_byte_of_an_input_changes(tmp_path, block):
    for seed in range(block * TREES // 10, (block + 1) * TREES // 10):
        with ExitStack() as stack:
            tree = Tree.grown(tmp_path / f"tree{seed}", seed, stack)
            outside = tmp_path / f"beside{seed}"
            outside.mkdir()
            assert live_in(tree, outside) == [], f"tree {seed}"


def test_trees_have_everything_in_them(tmp_path):
    """What the property is about does occur: links, hard links, names that differ by case."""
    seen = set()
    for seed in range(50):
        with ExitStack() as stack:
            files = Tree.grown(tmp_path / str(seed), seed, stack).files()
            seen |= {"link" for path in files if path.is_symlink()}
            seen |= {"hard link" for path in files if not path.is_symlink() and path.stat().st_nlink > 1}
            folded = [str(path.parent / path.name.casefold()) for path in files]
            seen |= {"case"} if len(set(folded)) < len(folded) else set()
    assert seen == {"link", "hard link", "case"}
    assert random.Random(1).random() == pytest.approx(0.13436424411240122)  # trees are the same everywhere
