"""What people expect of a program today: completion, -q and -v everywhere, one name for one thing, doctor, a recipe."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import typer.main

import zeroframe
from workbench import command
from zeroframe.cli.main import app
from zeroframe.simulate import any_camera, simulate_night

PROGRAM = Path(sys.executable).with_name("zeroframe")


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    folder = tmp_path_factory.mktemp("comfort") / "archive" / "night"
    simulate_night(any_camera("palomar-lfc").resized((64, 64)), folder, seed=1)
    return folder


def every_command():
    for name, each in typer.main.get_command(app).commands.items():
        for part, one in getattr(each, "commands", {"": each}).items():
            yield " ".join(filter(None, (name, part))), one


class TestCompletion:
    def completed(self, home, line):
        """Return what bash offers after a line, with the function that --show-completion gives it."""
        script = f"""
        eval "$({PROGRAM} --show-completion bash)"
        COMP_WORDS=({line}); COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 )); COMP_LINE="{line}"; COMP_POINT=${{#COMP_LINE}}
        $(complete -p zeroframe | sed -E 's/.*-F ([^ ]+) .*/\\1/') zeroframe
        printf '%s\\n' "${{COMPREPLY[@]}}"
        """
        environment = {**os.environ, "HOME": str(home), "PATH": f"{PROGRAM.parent}{os.pathsep}{os.environ['PATH']}",
                       "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}  # fmt: skip
        done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, check=True)
        return done.stdout.split()

    @pytest.mark.long
    def test_bash_completes_commands_and_options(self, tmp_path):
        assert set(self.completed(tmp_path, "zeroframe li")) == {"library"}
        assert {"night", "bias", "doctor"} <= set(self.completed(tmp_path, "zeroframe ''"))
        assert set(self.completed(tmp_path, "zeroframe night --overscan-")) >= {"--overscan-fit", "--overscan-method"}

    @pytest.mark.parametrize(("shell", "file"), [("bash", ".bashrc"), ("zsh", ".zshrc"), ("fish", ".config/fish")])
    def test_it_can_be_installed(self, shell, file, tmp_path):
        environment = {**os.environ, "HOME": str(tmp_path), "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
        done = subprocess.run(
            [PROGRAM, "--install-completion", shell], env=environment, capture_output=True, text=True, check=True
        )
        assert f"{shell} completion installed" in done.stdout
        assert (tmp_path / file).exists()


class TestEverywhere:
    def test_every_command_has_the_common_options(self):
        for name, each in every_command():
            known = {option for parameter in each.params for option in parameter.opts}
            assert {"-q", "--quiet", "-v", "--verbose", "--log-file", "--json"} <= known, name
            assert ("--out" in known) == ("--output" in known), name

    def test_both_names_of_where_something_is_written(self, raw, tmp_path):
        assert command("bias", raw, "--output", tmp_path / "one", "--no-report").code == 0
        assert command("recipe", "--out", tmp_path / "night.toml").code == 0
        frames = sorted((tmp_path / "one").glob("ccd.*.fits"))
        assert command("combine", *frames, "--out", tmp_path / "combined.fits").code == 0
        assert (tmp_path / "combined.fits").exists()

    @pytest.mark.parametrize("before", [True, False])
    def test_the_log_and_events(self, raw, tmp_path, before):
        asked, rest = ["--log-file", tmp_path / "night.log", "-v"], ["bias", raw, "-o", tmp_path / "out", "--no-report"]
        run = command(*asked, *rest) if before else command(*rest, *asked)
        assert run.code == 0
        assert "info: done: " in run.err
        assert "zeroframe.cli: exit code 0" in (tmp_path / "night.log").read_text()

    def test_quiet_is_silent_where_all_is_well(self, raw, tmp_path):
        run = command("bias", raw, "-o", tmp_path / "out", "--no-report", "-q")
        assert (run.code, run.out, run.err) == (0, "", "")
        assert command("-q", "ls", raw).out.startswith("file")

    def test_quiet_says_what_is_wrong(self, raw, tmp_path):
        spoilt = tmp_path / "raw"
        spoilt.mkdir()
        for path in raw.glob("ccd.00*.fits"):
            (spoilt / path.name).write_bytes(path.read_bytes())
        (spoilt / "ccd.003.0.fits").write_bytes((raw / "ccd.003.0.fits").read_bytes()[:4000])
        run = command("bias", spoilt, "-o", tmp_path / "out", "--no-report", "-q")
        assert (run.code, run.out) == (1, "")
        assert re.search(r"ZF101 error: .*ccd\.003\.0\.fits: .*cut off", run.err)


class TestRecipeByRaw:
    RECIPE = "[bias]\nmethod = 'median'\n"

    def method_of(self, out):
        return command("explain", out / "combined_bias.fits").out.split(": the ")[1].split()[0]

    @pytest.mark.parametrize("above", [0, 1, 2])
    def test_it_is_found_and_said(self, raw, tmp_path, above):
        mine = tmp_path / "a" / "b" / "raw"
        mine.mkdir(parents=True)
        for path in raw.glob("ccd.00*.fits"):
            (mine / path.name).write_bytes(path.read_bytes())
        recipe = [mine, *mine.parents][above] / "zeroframe.toml"
        recipe.write_text(self.RECIPE)
        run = command("bias", mine, "-o", tmp_path / "out", "--no-report")
        assert run.code == 0
        assert run.err.startswith(f"note: {recipe} is the recipe, found by RAW; ")
        assert self.method_of(tmp_path / "out") == "median"
        other = command("bias", mine, "-o", tmp_path / "other", "--no-report", "--recipe", "none")
        assert "is the recipe" not in other.err
        assert self.method_of(tmp_path / "other") == "average"

    def test_a_wrong_one_is_named(self, raw, tmp_path):
        (tmp_path / "zeroframe.toml").write_text("[bias]\nmethid = 'median'\n")
        (tmp_path / "raw").mkdir()
        (tmp_path / "raw" / "b.fits").write_bytes((raw / "ccd.001.0.fits").read_bytes())
        run = command("bias", tmp_path / "raw", "-o", tmp_path / "out")
        assert run.code == 2
        assert f"{tmp_path / 'zeroframe.toml'}: the key 'bias.methid' is not known; did you mean 'method'?" in run.err
        assert not (tmp_path / "out").exists()


class TestDoctor:
    @pytest.mark.long
    def test_it_says_what_is_there_and_names_no_folder(self, monkeypatch, tmp_path):
        monkeypatch.setenv("HOME", str(tmp_path))
        run = command("doctor")
        assert run.code == 0, run.out
        assert "self-test: bias, darks, flats and science frames come out as they were put in." in run.out
        assert f"numpy {__import__('numpy').__version__}" in run.out
        assert "extra: report there" in run.out
        assert not re.search(r"(?<![\w.])/\w", run.out)

    @pytest.mark.long
    def test_json(self):
        document = json.loads(command("doctor", "--json").out)
        schema = json.loads((Path(zeroframe.__file__).parent / "review" / "document.schema.json").read_text())
        jsonschema.validate(document, schema)
        assert document["problems"] == []
        assert document["self_test"]["frames"] == 24
        assert document["machine"]["cores"] >= 1

    @pytest.mark.long
    def test_what_is_missing_and_what_is_wrong(self, monkeypatch):
        from zeroframe.cli import doctor, versions

        truth = versions._version_of
        monkeypatch.setattr(versions, "_version_of", lambda name: None if name == "xisf" else truth(name))
        monkeypatch.setattr(doctor, "_NOISE_FRACTION", 0.0)  # no noise is exactly that of the truth
        run = command("doctor")
        assert run.code == 1
        assert "extra: xisf not there: pip install 'zeroframe[xisf]'" in run.out
        assert re.search(r"wrong: the read noise comes out as \d\.\d+ ADU, and 4\.0\d+ were put in", run.out)


@pytest.mark.parametrize("words", [(), ("night",), ("library", "add")])
def test_help_is_a_word_too(words):
    assert command("help", *words) == command(*words, "--help")
    assert command("help", *words).code == 0


@pytest.mark.parametrize(
    "given",
    [("--cluster", "nowhere"), ("--recipe", "nowhere.toml"), ("--camera", "nowhere"), ("--overscan", "[9000:9010,:]")],
)
def test_a_refused_command_leaves_no_empty_folder(raw, tmp_path, given):
    assert command("bias", raw, "-o", tmp_path / "out", *given).code == 2
    assert not (tmp_path / "out").exists()


@pytest.mark.long
@pytest.mark.parametrize("line", ["night {raw} -o {out} --no-report", "ls {raw}", "recipe", "explain ZF202"])
def test_a_pipe_that_closes_ends_quietly(raw, tmp_path, line):
    words = line.format(raw=raw, out=tmp_path / "out")
    script = f"set -o pipefail; {PROGRAM} {words} | head -1"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    if line.startswith("night"):
        assert len(list((tmp_path / "out").rglob("*.fits"))) == 33
