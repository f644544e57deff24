"""run.json after somebody has edited it: every command says the place in one sentence, or names what was changed."""

from __future__ import annotations

import copy
import json
import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_unattended import SECTIONS

from nights import RECIPES, small_night
from workbench import bytes_in, command, raw_pixels, small_folder, write_raw
from zeroframe.errors import DamagedError
from zeroframe.run.record import _record_of, read_record, write_record
from zeroframe.run.record_form import MisformedError, require_form

RECIPE = RECIPES["palomar-lfc"]
#: Of what a value is made where a test puts something else in its place.
OTHERS = (None, True, -1, 2.5, "x", "", [], [1], {}, {"x": 1})


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    folder = tmp_path_factory.mktemp("biases") / "raw"
    small_folder(folder)
    return folder


@pytest.fixture(scope="module")
def biases(raw):
    out = raw.parent / "out"
    assert command("bias", raw, "-o", out, *SECTIONS).code == 0
    return out


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    """A folder that holds a night, its recipe and its results."""
    folder = tmp_path_factory.mktemp("night")
    small_night(folder / "raw", one_filter=True)
    (folder / "night.toml").write_text(RECIPE)
    assert command("night", folder / "raw", "-o", folder / "out", "--recipe", folder / "night.toml").code == 0
    return folder


def said_in(folder):
    return json.loads((folder / "run.json").read_text())


def places(value, at=()):
    """Every place in a tree of tables and lists; of many alike the last."""
    yield at
    if isinstance(value, dict):
        keys = list(value)
        alike = len(keys) > 2 and all(isinstance(one, dict) for one in value.values()) and at != ("recipe",)
        for key in keys[-1:] if alike and at else keys:
            yield from places(value[key], (*at, key))
    elif value and isinstance(value, list):
        yield from places(value[0], (*at, 0))


def changed(said, at, value):
    """Return the same with another value in one place, of which no more is copied than what holds the place."""
    said = holder = copy.copy(said)
    for key in at[:-1]:
        holder[key] = holder = copy.copy(holder[key])
    if value is KeyError:
        del holder[at[-1]]
    else:
        holder[at[-1]] = value
    return said


def harms(said):
    """Every place, emptied, and with each kind of value in it."""
    for at in places(said):
        if at:
            yield at, KeyError
            for other in OTHERS:
                yield at, other


def sentence_of(folder, said):
    (folder / "run.json").write_text(json.dumps(said))
    try:
        return read_record(folder), ""
    except DamagedError as error:
        return None, str(error)


class TestReading:
    """Whatever stands there: a record whose parts are of the right types, or one sentence with the place."""

    @pytest.mark.long
    @pytest.mark.parametrize("which", ["biases", "night"])
    def test_every_place_and_every_kind_of_value(self, which, biases, night):
        out = biases if which == "biases" else night / "out"
        said, used = said_in(out), 0
        for at, other in harms(said):
            if at[:2] == ("recipe", "night"):  # which is compared, and not read
                continue
            harmed = changed(said, at, other)
            try:
                require_form(harmed)
            except MisformedError as error:
                sentence = str(error)
                assert ", expected is " in sentence
                assert "\n" not in sentence
                named = str(at[-1]) if isinstance(at[-1], str) else f"[{at[-1]}]"
                assert named in sentence or str(at[-2]) in sentence, (at, other, sentence)
                continue
            used += 1
            read = _record_of(harmed)
            assert read.altered or harmed == said, (at, other)  # 1 and True are equal
        assert used > 100  # free texts, and what nobody reads

    @pytest.mark.parametrize(
        ("at", "value", "words"),
        [
            (("inputs", "b1.fits", "sha256"), 5, 'inputs["b1.fits"].sha256 is 5, expected is a SHA-256'),
            (("this_run", "frames", 1, "state"), "good", "this_run.frames[1].state is 'good', expected is 'done' or"),
            (("outputs", "b1.fits", "crc32"), True, 'outputs["b1.fits"].crc32 is True, expected is a whole number'),
            (("this_run", "stamps", "b2.fits"), KeyError, "this_run.stamps is {"),
            (("state",), "done", "state is 'done', expected is 'finished' or 'unfinished'"),
            (("format",), 1, "format is 1, expected is 2"),
            (("recipe",), [], "recipe is [], expected is a table"),
            (("this_run", "digests"), KeyError, "expected is that 'digests' stands in it, too"),
        ],
    )
    def test_the_place_the_value_and_what_is_expected(self, biases, tmp_path, at, value, words):
        assert words in sentence_of(tmp_path, changed(said_in(biases), at, value))[1]

    @pytest.mark.parametrize("name", ["../b1.fits", "/etc/passwd", "", "a/../../b", "a\0b", "."])
    def test_no_name_leads_out_of_the_folder(self, biases, tmp_path, name):
        said = said_in(biases)
        for place in ("outputs", "earlier"):
            odd = changed(said, (place, name), said["outputs"]["b1.fits"])
            assert f"a name in {place} is " in sentence_of(tmp_path, odd)[1]
        odd = changed(said, ("this_run", "report", "name"), name)
        assert "this_run.report.name is " in sentence_of(tmp_path, odd)[1]

    @pytest.mark.long
    @given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner)
                        | st.dictionaries(st.text(), inner), max_leaves=8))  # fmt: skip
    def test_anything_that_json_can_say(self, tmp_path_factory, said):
        folder = tmp_path_factory.getbasetemp() / "anything"  # of its own: explain looks in the folders above, too
        folder.mkdir(exist_ok=True)
        record, sentence = sentence_of(folder, said)
        assert record is None
        assert "cannot be used: " in sentence

    def test_what_is_written_is_read_again(self, biases, night, tmp_path):
        for out in (biases, night / "out"):
            record = read_record(out)
            assert record.altered == ()
            write_record(tmp_path, record)
            assert read_record(tmp_path) == record
            assert (tmp_path / "run.json").read_text() == (out / "run.json").read_text()


#: Of each kind of place one.
HARMED = (
    ("inputs",),
    ("outputs", "combined_bias.fits", "sources"),
    ("earlier",),
    ("this_run", "frames", 0, "reason"),
    ("this_run", "frames", 0, "name"),
    ("this_run", "combined"),
    ("this_run", "stamps"),
    ("choices",),
    ("versions",),
    ("recipe",),
)
OF_A_NIGHT = (
    *((*at,) for at in HARMED if at != ("this_run", "frames", 0, "reason")),
    ("this_run", "masks"),
    ("recipe", "frames"),
    ("recipe", "groups"),
    ("recipe", "masks"),
    ("recipe", "command"),
    ("recipe", "frames", "ccd.037.0.fits", "matches", 1, "candidates", 0, "usable"),
    ("recipe", "frames", "ccd.037.0.fits", "steps", "masks"),
    ("recipe", "groups", "combined_bias.fits", "spec", "method"),
)


class TestCommands:
    @pytest.mark.parametrize("at", HARMED, ids=lambda at: ".".join(map(str, at)))
    def test_bias_and_verify(self, raw, biases, tmp_path, at):
        out = tmp_path / "out"
        shutil.copytree(biases, out)
        before = bytes_in(out)
        (out / "run.json").write_text(json.dumps(changed(said_in(out), at, 5)))
        run = command("verify", out)
        self.one_sentence(run, out, 2)
        run = command("bias", raw, "-o", out, *SECTIONS, "--no-report")
        assert run.code == 0, run.out + run.err
        (line,) = run.err.splitlines()
        assert line.startswith(f"note: {out / 'run.json'}: cannot be used: {at[0]}")
        assert line.endswith("; results are judged by their headers alone, and this run writes it anew")
        assert bytes_in(out) == before
        assert command("verify", out).code == 0

    @pytest.mark.parametrize("at", OF_A_NIGHT, ids=lambda at: ".".join(map(str, at)))
    def test_explain_and_verify_of_a_night(self, night, tmp_path, at):
        out = tmp_path / "out"
        shutil.copytree(night / "out", out)
        (out / "run.json").write_text(json.dumps(changed(said_in(out), at, 5)))
        for asked in (["verify", out], ["explain", out / "ccd.037.0.fits"], ["explain", out / "combined_bias.fits"],
                      ["explain", out / "nowhere.fits"]):  # fmt: skip
            self.one_sentence(command(*asked), out, 2)

    def one_sentence(self, run, out, code):
        assert run.code == code, run.out + run.err
        assert run.out == ""
        (line,) = run.err.splitlines()
        assert line.startswith(f"zeroframe: {out / 'run.json'}: cannot be used: ")

    def test_night(self, night, tmp_path):
        out = tmp_path / "out"
        shutil.copytree(night / "out", out)
        (out / "run.json").write_text(json.dumps(changed(said_in(out), ("recipe", "groups"), 5)))
        more = ("--recipe", night / "night.toml", "--no-report")
        run = command("night", night / "raw", "-o", out, *more)
        assert run.code == 0, run.out + run.err
        (line,) = run.err.splitlines()
        assert "run.json: cannot be used: recipe.groups is 5, expected is a table; results are judged" in line
        assert command("verify", out).code == 0
        assert command("night", night / "raw", "-o", out, *more).err == ""


class TestVerify:
    @pytest.fixture
    def out(self, biases, tmp_path):
        shutil.copytree(biases, tmp_path / "out")
        return tmp_path / "out"

    def problems(self, out, *more):
        run = command("verify", out, *more)
        said = [line.removeprefix("problem: ") for line in run.out.splitlines() if line.startswith("problem: ")]
        assert run.code == (1 if said else 0), run.out + run.err
        return said

    @pytest.mark.parametrize(
        ("at", "value", "words"),
        [
            (("recipe", "night", "bias", "clip_spread"), "mad", "recipe has been changed since it was written"),
            (("recipe", "night", "frames", "trim"), "[1:15,1:12]", "recipe has been changed since it was written"),
            (("inputs", "b1.fits", "sha256"), "0" * 64, "inputs has been changed since it was written"),
            (("outputs", "b1.fits", "source_sha256"), "0" * 64, "outputs has been changed since it was written"),
            (("versions", "numpy"), "0", "versions has been changed since it was written"),
            (("this_run", "digests", "recipe"), "0" * 64, "recipe has been changed since it was written"),
            (("this_run", "all_is_well"), False, "this_run has been changed since it was written"),
            (("more",), 1, "more has been changed since it was written"),
        ],
    )
    def test_what_was_changed_in_run_json(self, out, at, value, words):
        (out / "run.json").write_text(json.dumps(changed(said_in(out), at, value)))
        said = self.problems(out)
        assert said[0] == f"{out / 'run.json'}: {words}; run again"

    def test_a_hash_that_was_changed_and_summed_again(self, out):
        from zeroframe.run.record import _digests

        said = changed(said_in(out), ("inputs", "b1.fits", "sha256"), "0" * 64)
        said = changed(said, ("outputs", "b2.fits", "key"), "0" * 32)
        said["this_run"]["digests"] = _digests(said)
        (out / "run.json").write_text(json.dumps(said))
        first, second = self.problems(out)
        assert first == (
            f"{out / 'run.json'}: inputs and outputs give two hashes of b1.fits, of which b1.fits was made; run again"
        )
        assert second.startswith(f"{out / 'b2.fits'}: carries the key ")
        assert second.endswith(f", and run.json says {'0' * 32}; run again")

    def test_blanks_and_order_are_no_change(self, out):
        said = said_in(out)
        (out / "run.json").write_text(json.dumps(dict(reversed(said.items())), indent=7, sort_keys=True))
        assert self.problems(out) == []

    def test_strange_files_wherever_they_are(self, out, tmp_path):
        write_raw(out / "deep" / "er" / "stranger.fits", raw_pixels(1))
        write_raw(out / "deep" / "more.fits.bak", raw_pixels(2))
        write_raw(out / ".hidden" / "b.fits", raw_pixels(3))
        (out / "deep" / ".b9.fits.4711-0123abcd.part").write_bytes(b"")
        (out / "deep" / "notes.txt").write_text("clouds")
        write_raw(tmp_path / "elsewhere" / "b.fits", raw_pixels(4))
        (out / "link").symlink_to(tmp_path / "elsewhere")
        (out / "round").symlink_to(out)
        found = {line.partition(": ")[0].removeprefix(f"{out}/") for line in self.problems(out)}
        assert found == {
            "deep/er/stranger.fits",
            "deep/more.fits.bak",
            ".hidden/b.fits",
            "deep/.b9.fits.4711-0123abcd.part",
        }

    def test_results_of_another_run_within_are_its_own_business(self, out, raw):
        assert command("bias", raw, "-o", out / "second", *SECTIONS, "--no-report").code == 0
        assert self.problems(out) == []
        write_raw(out / "second" / "stranger.fits", raw_pixels(1))
        assert self.problems(out) == []
        assert len(self.problems(out / "second")) == 1

    def test_raw_frames_within_are_no_strangers(self, tmp_path):
        small_folder(tmp_path / "raw", 2)
        assert command("bias", tmp_path / "raw", "-o", tmp_path, *SECTIONS, "--no-report").code == 0
        assert self.problems(tmp_path) == []
        assert self.problems(tmp_path, "--raw", tmp_path / "raw") == []

    def test_a_combination_that_failed(self, raw, out):
        (out / "combined_bias.fits").unlink()
        (out / "combined_bias.fits").mkdir()
        assert command("bias", raw, "-o", out, *SECTIONS, "--no-report", "--overwrite").code == 1
        assert any(line.startswith("failed: ") and "combined_bias.fits" in line for line in self.problems(out))


def test_explain_says_that_run_json_was_changed(night, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(night / "out", out)
    at = ("recipe", "frames", "ccd.037.0.fits", "matches", 0, "reason")
    (out / "run.json").write_text(json.dumps(changed(said_in(out), at, "because")))
    run = command("explain", out / "ccd.037.0.fits")
    assert run.code == 0
    assert "Careful: recipe in run.json has been changed since it was written." in run.out
