"""What wheel, conda recipe and citation say of the package is what pyproject.toml says."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import zeroframe

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
RECIPE = (ROOT / "conda" / "recipe.yaml").read_text(encoding="utf-8")
#: What is called otherwise on conda-forge.
ON_CONDA = {"isal": "python-isal", "matplotlib": "matplotlib-base"}


def wanted(requirement):
    """Return what a requirement asks for, as the recipe writes it."""
    text = requirement.partition(";")[0]
    name = re.match(r"[\w-]+", text)[0]
    bounds = ",".join(re.findall(r"[<>=!]=?[\d.]+", text.partition("#")[0]))
    return f"{ON_CONDA.get(name, name)} {bounds}"


def test_one_version():
    version = zeroframe.__version__
    assert f'version: "{version}"' in RECIPE
    assert f"version: {version}" in (ROOT / "CITATION.cff").read_text(encoding="utf-8").splitlines()
    assert PROJECT["dynamic"] == ["version"]


def test_the_conda_recipe_has_the_dependencies_of_the_package_and_of_its_report():
    section = RECIPE[RECIPE.index("  run:") : RECIPE.index("tests:")]
    told = {line.strip("- ") for line in section.splitlines() if line.strip().startswith("- ")}
    asked = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["report"]]
    # markers say what a platform lacks; a package for all of them leaves those to the user
    everywhere = [each for each in asked if ";" not in each]
    assert told == {*map(wanted, everywhere), f"python {PROJECT['requires-python']}"}


def test_the_entry_point_is_the_same():
    ((name, place),) = PROJECT["scripts"].items()
    assert f"- {name} = {place}" in RECIPE


def test_all_is_every_extra_of_users():
    extras = PROJECT["optional-dependencies"]
    (told,) = extras["all"]
    of_developers = {"all", "coverage", "dev", "docs", "stores", "test"}
    assert set(re.search(r"\[(.*)\]", told)[1].split(",")) == set(extras) - of_developers
