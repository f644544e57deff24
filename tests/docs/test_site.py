"""The documentation site: what is made from the code is complete, and dead links are seen."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import zeroframe

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture(autouse=True)
def _made_by_docs(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS / "_ext"))
    yield
    for name in ("generated_pages", "public_names", "check_links"):
        sys.modules.pop(name, None)


def test_every_public_name_has_its_place():
    from public_names import GROUPS

    listed = [name for _, _, names in GROUPS for name in names]
    assert sorted(listed) == sorted(set(zeroframe.__all__) - {"__version__"})


def test_every_public_name_has_an_example():
    """Errors have one together; of astropy's readers and of what downloads there is nothing to show in a doctest."""
    without = {"__version__", "fetch", "fits_ccddata_reader", "fits_ccddata_writer"}
    for name in sorted(set(zeroframe.__all__) - without):
        value = getattr(zeroframe, name)
        if isinstance(value, type) and issubclass(value, Exception) and name != "ZeroframeError":
            continue
        assert ">>> " in (value.__doc__ or ""), name


def test_every_command_and_each_of_its_options_has_its_place():
    import typer.main
    from generated_pages import pages

    from zeroframe.cli.main import app

    made = dict(pages())
    program = typer.main.get_command(app)
    for name, command in program.commands.items():
        for part, each in getattr(command, "commands", {"": command}).items():
            text = made[f"reference/commands/made/{'-'.join(filter(None, (name, part)))}.md"]
            for parameter in each.params:
                assert all(
                    f"`{option}`" in text for option in (*parameter.opts, *parameter.secondary_opts) if "-" in option
                )


def test_news_stand_in_the_changelog():
    from generated_pages import pages

    text = dict(pages())["made/changelog.md"]
    for path in (DOCS.parent / "newsfragments").glob("*.*.md"):
        assert " ".join(path.read_text(encoding="utf-8").split()) in text


def test_dead_links_are_seen(tmp_path):
    from check_links import dead_links

    (tmp_path / "sub").mkdir()
    (tmp_path / "index.html").write_text(
        '<a href="sub/page.html#here">a</a> <a href="#top">b</a> <a href="https://x">c</a>'
    )
    (tmp_path / "sub" / "page.html").write_text('<p id="here"></p><img src="../picture.png"><a href="..">up</a>')
    assert dead_links(tmp_path) == [
        "index.html: #top leads nowhere",
        "sub/page.html: ../picture.png leads nowhere",
    ]
