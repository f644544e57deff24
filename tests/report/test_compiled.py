"""Templates are compiled once, and what is kept of them is run only where nobody else could have written it."""

from __future__ import annotations

import pytest
from jinja2 import DictLoader, Environment

from zeroframe.report.compiled import CompiledTemplates


def made(text):
    """What a template makes of 3, in a process that has not seen it, and how often it had to be compiled."""
    compiled = []

    class Watched(Environment):
        def _generate(self, *arguments, **options):
            compiled.append(arguments)
            return super()._generate(*arguments, **options)

    environment = Watched(loader=DictLoader({"page": text}), bytecode_cache=CompiledTemplates())
    return environment.get_template("page").render(x=3), len(compiled)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    folder = tmp_path / "store"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(folder))
    return folder


def test_a_template_is_compiled_once(folder):
    assert made("{{ x }} frames") == ("3 frames", 1)
    assert len(list(folder.iterdir())) == 1
    assert made("{{ x }} frames") == ("3 frames", 0)


def test_a_template_that_has_changed_is_compiled_again(folder):
    made("{{ x }} frames")
    assert made("{{ x }} darks") == ("3 darks", 1)
    assert made("{{ x }} darks") == ("3 darks", 0)


@pytest.mark.parametrize("harm", ["cut off", "changed", "others may write", "folder of others"])
def test_what_is_damaged_or_of_others_is_not_run(folder, harm):
    made("{{ x }} frames")
    (path,) = folder.iterdir()
    whole = path.read_bytes()
    if harm == "cut off":
        path.write_bytes(whole[:-9])
    elif harm == "changed":
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    elif harm == "others may write":
        path.chmod(0o666)
    else:
        folder.chmod(0o777)
    assert made("{{ x }} frames") == ("3 frames", 1)


def test_without_a_folder_that_can_hold_it_a_template_is_compiled_each_time(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file"))
    assert made("{{ x }} frames") == made("{{ x }} frames") == ("3 frames", 1)
