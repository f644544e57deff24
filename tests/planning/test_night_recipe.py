"""night.toml: every key has a default, a comment and a check, and what is written is read back the same."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from zeroframe.errors import SectionError, UsageError
from zeroframe.headers.sections import Section
from zeroframe.planning.recipe import NightRecipe, Tolerances, load_recipe, parse_recipe
from zeroframe.planning.recipe_fields import key_of_field
from zeroframe.planning.recipe_text import recipe_text

DOCS = Path(__file__).resolve().parents[2] / "docs" / "night.md"


def all_keys():
    """Yield the table, the name and the description of every key."""
    for one in fields(NightRecipe):
        key = key_of_field(one)
        if key is not None:
            yield "", one.name, key
        elif one.name not in {"others", "words"}:  # tables of kinds that have no field: tests/run/test_made_up_kind.py
            for inner in fields(one.default_factory):
                yield one.name, inner.name, key_of_field(inner)


KEYS = list(all_keys())
IDS = [f"{table}.{name}" for table, name, _ in KEYS]


def with_value(table, name, value):
    recipe = NightRecipe()
    if not table:
        return replace(recipe, **{name: value})
    return replace(recipe, **{table: replace(getattr(recipe, table), **{name: value})})


def values_of(key):
    """Values that a key can have, as they stand in a recipe."""
    if "true or false" in key.expected:
        return st.booleans()
    if "list of folders" in key.expected:
        return st.lists(st.text(st.characters(codec="utf-8"), min_size=1).filter(str.strip), max_size=3).map(tuple)
    if key.expected.startswith("a list"):
        chosen = st.sets(st.sampled_from(key.words))
        return chosen.map(lambda some: tuple(word for word in key.words if word in some))
    if key.words:
        return st.sampled_from(key.words)
    if "section" in key.expected:
        ends = st.integers(1, 5000)
        ranges = st.builds(lambda *two: "{}:{}".format(*sorted(two)), ends, ends)
        section = st.builds(lambda *two: Section.parse(f"[{two[0]},{two[1]}]"), ranges, ranges)
        return st.one_of(section, st.just("none")) if "'none'" in key.expected else section
    if "whole" in key.expected:
        return st.integers(0, 100)
    if "name" in key.expected:
        return st.text(st.characters(codec="utf-8"), min_size=1).filter(str.strip)
    least = float(key.expected.rsplit(" ", 1)[1])
    return st.floats(least, allow_infinity=False, allow_nan=False, exclude_min="above" in key.expected)


@st.composite
def recipes(draw):
    recipe = NightRecipe()
    for table, name, key in KEYS:
        value = draw(values_of(key))
        inner = getattr(recipe, table) if table else recipe
        try:
            inner = replace(inner, **{name: value})
        except SectionError:  # an overscan within the trim, of which one is drawn after the other
            assume(False)
        recipe = replace(recipe, **{table: inner}) if table else inner
    return recipe


class TestRoundTrip:
    def test_defaults(self):
        assert parse_recipe(recipe_text(NightRecipe())) == NightRecipe() == parse_recipe("")

    @pytest.mark.long
    @given(recipes())
    def test_whatever_it_says(self, recipe):
        assert parse_recipe(recipe_text(recipe)) == recipe

    @pytest.mark.parametrize(("name", "key"), [each[1:] for each in KEYS], ids=IDS)
    def test_each_key_stands_there_with_its_comment(self, name, key):
        lines = recipe_text(NightRecipe()).splitlines()
        assert sum(bool(re.match(rf"(# )?{name} = ", line)) for line in lines) >= 1
        said = " ".join(line.removeprefix("# ") for line in lines)
        assert key.comment in said

    @pytest.mark.parametrize(("table", "name", "key"), KEYS, ids=IDS)
    def test_keys_that_are_commented_out_work_when_the_sign_is_taken_away(self, table, name, key):
        if key.example is not None and key.example != "":
            line = re.search(rf"^# ({name} = .*)$", recipe_text(NightRecipe()), re.MULTILINE)[1]
            read = parse_recipe(f"[{table}]\n{line}")
            assert read != NightRecipe()
            assert recipe_text(read).count(f"\n{line}\n") == 1

    def test_file(self, tmp_path):
        path = tmp_path / "night.toml"
        path.write_text(recipe_text(with_value("dark", "largest_scale", 4.0)))
        assert load_recipe(path).dark.largest_scale == 4.0


class TestValidation:
    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("misssing = 'fail'", r"my.toml: the key 'misssing' is not known; did you mean 'missing'\?"),
            ("[flat]\nmin_valeu = 1", r"my.toml: the key 'flat.min_valeu' is not known; did you mean 'min_value'\?"),
            ("[falt]", r"the key 'falt' is not known; did you mean 'flat'\?"),
            ("[dark]\nzzz = 1", r"the key 'dark.zzz' is not known; known are method, clip, "),
            ("missing = 'perhaps'", r"my.toml: missing = 'perhaps' cannot be used; expected is 'leave' or 'fail'"),
            ("flat = 3", r"flat = 3 cannot be used; expected is a table \[flat\]"),
            ("[bias]\nclip = '5'", r"bias.clip = '5' cannot be used; expected is a number of at least 0"),
            ("[bias]\nclip = true", r"bias.clip = True cannot be used"),
            ("[bias]\nclip = -1", r"bias.clip = -1 cannot be used"),
            ("[bias]\nclip = nan", r"bias.clip = nan cannot be used"),
            ("[bias]\nclip = inf", r"bias.clip = inf cannot be used"),
            ("[bias]\nmethod = 'mean'", r"expected is 'average' or 'median' or 'sum'"),
            ("[masks]\nhot_sigmas = 0.5", r"expected is a number of at least 1"),
            ("[steps]\ndark = 1", r"steps.dark = 1 cannot be used; expected is true or false"),
            ("[steps]\nkinds = 'science'", r"steps.kinds = 'science' cannot be used; expected is a list"),
            ("[steps]\nkinds = ['science', 'moon']", r"expected is a list of some of 'science', 'arc'"),
            ("[frames]\ntrim = '[1:2'", r"frames.trim: .*; expected is a section such as"),
            ("[frames]\ntrim = '[1:2]'", r"frames.trim = '\[1:2\]' cannot be used; expected is a section"),
            ("[frames]\ntrim = 'none'", r"frames.trim"),
            ("[frames]\noverscan = 5", r"frames.overscan = 5 cannot be used; .*, or 'none'"),
            ("[frames]\noverscan_order = 1.5", r"expected is a whole number"),
            ("[frames]\ncamera = ' '", r"expected is a name such as 'palomar-lfc'"),
            ("[frames]\ngain_e_per_adu = 0", r"expected is a number above 0"),
            ("a = ", r"my.toml: this is not a TOML file"),
            ("missing = 'leave'\nmissing = 'fail'", r"this is not a TOML file"),
        ],
    )
    def test_what_is_wrong_is_named(self, text, message):
        with pytest.raises(UsageError, match=message):
            parse_recipe(text, "my.toml")

    def test_files(self, tmp_path):
        with pytest.raises(UsageError, match=r"absent.toml: the recipe cannot be read \(No such file"):
            load_recipe(tmp_path / "absent.toml")
        (tmp_path / "latin.toml").write_bytes("# \xe4".encode("latin-1"))
        with pytest.raises(UsageError, match=r"latin.toml: this is not a TOML file"):
            load_recipe(tmp_path / "latin.toml")

    def test_whole_numbers_are_numbers(self):
        assert parse_recipe("[bias]\nclip = 4").bias.clip == 4.0


class TestTolerances:
    @given(st.floats(0, 1e5), st.floats(0, 1e5), st.floats(0, 10), st.floats(0, 1))
    def test_exposures_are_the_same_either_way_round(self, one_s, other_s, seconds, fraction):
        tolerances = Tolerances(exposure_s=seconds, exposure_fraction=fraction)
        assert tolerances.same_exposure(one_s, other_s) == tolerances.same_exposure(other_s, one_s)
        assert tolerances.same_exposure(one_s, one_s)

    @given(st.floats(0.01, 100), st.floats(0.01, 100), st.floats(0, 1))
    def test_gains_are_the_same_either_way_round(self, one, other, fraction):
        tolerances = Tolerances(gain_fraction=fraction)
        assert tolerances.same_gain(one, other) == tolerances.same_gain(other, one)
        assert tolerances.same_gain(one, one)

    @pytest.mark.parametrize(
        ("one_s", "other_s", "same"),
        [
            (60.001, 60.002, True),
            (300.0, 300.062, True),
            (70.0, 70.011, True),
            (7.0, 70.0, False),
            (0.0, 0.0, True),
            (0.0, 0.12, False),
            (1.0, 1.05, True),
            (1.0, 1.06, False),
            (300.0, 303.0, True),
            (300.0, 303.1, False),
        ],
    )
    def test_exposures(self, one_s, other_s, same):
        assert Tolerances().same_exposure(one_s, other_s) is same


def test_limits_count_as_they_are_written():
    assert abs(-16.6 - -15.6) > 1.0
    tolerances = Tolerances()
    assert tolerances.same_temperature(-16.6, -15.6)
    assert not tolerances.same_temperature(-16.6, -15.5)
    same = tolerances.temperature_check("bias_temperature_c")
    assert (same(0.1, 5.1), same(0.0, 5.1)) == (True, False)


def test_docs_have_the_tolerances_as_they_are():
    # the comments of the recipe, word by word
    table = re.findall(r"^\| `(\w+)` \| ([\d.]+) \| (.*) \|$", DOCS.read_text(encoding="utf-8"), re.MULTILINE)
    known = [(one.name, getattr(Tolerances(), one.name), key_of_field(one).comment) for one in fields(Tolerances)]
    assert [(name, float(value), comment) for name, value, comment in table] == known


def test_docs_show_recipes_that_are_valid():
    blocks = re.findall(r"```toml\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    assert blocks
    for block in blocks:
        assert tomllib.loads(block)
        parse_recipe(block)


@pytest.mark.parametrize(
    ("text", "forwards"),
    [("[112:101,:]", "[101:112,:]"), ("[101:112,80:1]", "[101:112,1:80]"), ("[5:9,-*]", "[5:9,:]")],
)
def test_an_overscan_that_runs_backwards_is_refused_and_a_trim_flips(text, forwards):
    with pytest.raises(SectionError, match=re.escape(f"overscan: {text} runs backwards; write {forwards}")):
        parse_recipe(f'[frames]\noverscan = "{text}"', "night.toml")
    assert parse_recipe(f'[frames]\noverscan = "{forwards}"', "night.toml").frames.overscan == Section.parse(forwards)
    assert parse_recipe(f'[frames]\ntrim = "{text}"', "night.toml").frames.trim == Section.parse(text)
