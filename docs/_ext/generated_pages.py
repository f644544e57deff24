"""Pages that are made from the code each time that the site is built, so that they say what the code says.

They are written into folders called ``made``, which are not part of the repository.
"""

from __future__ import annotations

import base64
import html
import json
import re
import textwrap
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from public_names import GROUPS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sphinx.application import Sphinx

HERE = Path(__file__).resolve().parent.parent
ROOT = HERE.parent


def setup(_app: Sphinx) -> dict[str, bool]:
    """Write the pages before Sphinx looks for pages."""
    for name, text in pages():
        _write(HERE / name, text.encode())
    for name, picture in _thumbnails():
        _write(HERE / name, picture)
    return {"parallel_read_safe": True}


def pages() -> Iterator[tuple[str, str]]:
    """Yield each page that is made: its name below docs/, and its text."""
    yield from _command_pages()
    yield "reference/made/api.md", _api_page()
    yield "reference/made/cameras.md", _cameras_page()
    yield "reference/made/header-words.md", _words_page()
    yield "made/changelog.md", _changelog()
    yield "gallery/made/index.md", _gallery()


def _write(path: Path, content: bytes) -> None:
    """Write a file whose content has changed; Sphinx reads anew only what is newer than what it has made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_bytes() != content:
        path.write_bytes(content)


# ---- commands ----


def _command_pages() -> Iterator[tuple[str, str]]:
    import typer.main

    from zeroframe.cli.main import app

    program = typer.main.get_command(app)
    commands = dict(_commands(program, ()))
    listed = [f"| [zeroframe {name}]({_page(name)}.md) | {_first_sentence(each)} |" for name, each in commands.items()]
    head = [
        "# Commands",
        "",
        "This part is made from the commands themselves, and says what `zeroframe COMMAND --help` prints.",
        "",
        "| command | what it does |",
        "|---|---|",
        *listed,
        "",
        "## Options before the command",
        "",
        *_options_table(program),
        "",
        "```{toctree}",
        ":hidden:",
        "",
        *(_page(name) for name in commands),
        "```",
        "",
    ]
    yield "reference/commands/made/index.md", "\n".join(head)
    for name, each in commands.items():
        yield f"reference/commands/made/{_page(name)}.md", _command_page(name, each)


def _commands(group: object, before: tuple[str, ...]) -> Iterator[tuple[str, object]]:
    for name, each in sorted(group.commands.items()):
        if hasattr(each, "commands"):
            yield from _commands(each, (*before, name))
        elif not each.hidden:
            yield " ".join((*before, name)), each


def _page(name: str) -> str:
    return name.replace(" ", "-")


def _first_sentence(command: object) -> str:
    return _plain(command.help or "").partition("\n")[0]


def _plain(text: str) -> str:
    """Return a help text without the backslashes that keep rich from reading brackets as colours."""
    return text.replace("\\[", "[").strip()


def _command_page(name: str, command: object) -> str:
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    usage = " ".join(["zeroframe", name, *(each.metavar or each.name.upper() for each in arguments), "[OPTIONS]"])
    rows = [f"# zeroframe {name}", "", _escaped(_plain(command.help or "")), "", "```text", usage, "```", ""]
    rows += ["| argument | meaning |", "|---|---|"]
    rows += [f"| `{each.metavar or each.name.upper()}` | {_escaped(_plain(each.help or ''))} |" for each in arguments]
    panels: dict[str, list[object]] = {}
    for each in command.params:
        if each.param_type_name == "option" and not each.hidden:
            panels.setdefault(each.rich_help_panel or "Options", []).append(each)
    for title, options in panels.items():
        rows += ["", f"## {title}", "", *_table(options)]
    if command.epilog:
        example = _plain(command.epilog).removeprefix("For example: ")
        rows += ["", "## For example", "", "```text", example, "```"]
    return "\n".join(rows) + "\n"


def _options_table(command: object) -> list[str]:
    return _table([each for each in command.params if each.param_type_name == "option" and not each.hidden])


def _table(options: list[object]) -> list[str]:
    rows = ["| option | meaning |", "|---|---|"]
    for each in options:
        names = ", ".join(f"`{name}`" for name in (*each.opts, *each.secondary_opts))
        value = "" if each.is_flag else f" *{_escaped(each.metavar or each.type.name.upper())}*"
        default = each.default
        shown = "" if each.is_flag or default in (None, (), "") or callable(default) else f" By default {default}."
        needed = " **Needed.**" if each.required else ""
        rows.append(f"| {names}{value} | {_escaped(_plain(each.help or ''))}{shown}{needed} |")
    return rows


def _escaped(text: str) -> str:
    """Return a text for a cell of a table in Markdown."""
    return text.replace("|", "\\|").replace("*", "\\*").replace("<", "\\<").replace("_", "\\_")


# ---- names of the package ----


def _api_page() -> str:
    rows = [
        "# Python: every public name",
        "",
        "All of them are there after `import zeroframe`. Nothing is imported before it is used.",
        "",
    ]
    for title, what, names in GROUPS:
        rows += [f"## {title}", "", what, ""]
        if "ZeroframeError" in names:
            rows += ["```text", *_tree_of_errors(), "```", ""]
        rows += ["```{eval-rst}", ".. currentmodule:: zeroframe", ""]
        rows += [".. autosummary::", "   :toctree: api", "", *(f"   {name}" for name in names), "```", ""]
        if "night" in names:
            rows += ["Their options:", "", "```{eval-rst}", ".. currentmodule:: zeroframe.cli.jobs", ""]
            rows += [".. autosummary::", "   :toctree: api", "", "   PlanOptions", "   Options", "```", ""]
    return "\n".join(rows)


def _tree_of_errors() -> list[str]:
    """Return the tree that the docstring of zeroframe.errors draws."""
    from zeroframe import errors

    indented = (errors.__doc__ or "").partition("::\n")[2].partition("Every `FrameError`")[0]
    return textwrap.dedent(indented).strip().splitlines()


# ---- cameras and words ----


def _cameras_page() -> str:
    from zeroframe.headers.cameras import camera_names, load_camera
    from zeroframe.simulate import SIMULATED_CAMERAS, SIMULATED_MOSAICS

    rows = [
        "# Cameras",
        "",
        "Of these cameras zeroframe knows by itself what to do. Of any other the pixels of a few frames decide, and",
        "what they say can be written into a file for `--camera`: [a camera of your own](../../cameras.md).",
        "",
        "| name | camera | size x, y | overscan | kept |",
        "|---|---|---|---|---|",
    ]
    for name in camera_names():
        camera = load_camera(name)
        size = " x ".join(map(str, reversed(camera.shape_yx or ())))
        for part in camera.amplifiers:
            overscan, trim = part.overscan or "none", part.trim or "all"
            rows.append(f"| `{name}` | {camera.title} | {size} | `{overscan}` | `{trim}` |")
    rows += ["", "## Cameras that can be simulated", "", "| name | pixels x, y |", "|---|---|"]
    for name, camera in SIMULATED_CAMERAS.items():
        ny, nx = camera.image_shape_yx
        rows.append(f"| `{name}` | {nx} x {ny} see light |")
    rows += [f"| `{name}` | several amplifiers or chips |" for name in SIMULATED_MOSAICS]
    return "\n".join(rows) + "\n"


def _words_page() -> str:
    import zeroframe.headers as home

    table = tomllib.loads((Path(home.__file__).parent / "dialects.toml").read_text(encoding="utf-8"))
    rows = [
        "# Words of headers that are known",
        "",
        "Made from the table `headers/dialects.toml`. Of several cards the first that says something usable counts.",
        "What is not known can be taught: [words of headers](../../words.md).",
        "",
        "## Cards",
        "",
        "| meaning | cards that are asked |",
        "|---|---|",
    ]
    for meaning, entry in table.items():
        if isinstance(entry, dict) and isinstance(entry.get("cards"), list):
            cards = [each for each in entry["cards"] if isinstance(each, str)]
            rows.append(f"| {meaning.replace('_', ' ')} | {', '.join(f'`{each}`' for each in cards)} |")
    rows += ["", "## Words for kinds of frames", "", "| kind | words |", "|---|---|"]
    rows += [f"| {kind} | {', '.join(words)} |" for kind, words in table["kind"]["phrases"].items()]
    return "\n".join(rows) + "\n"


# ---- what has changed ----


def _changelog() -> str:
    """Return CHANGELOG.md below what is not released yet, by the types of pyproject.toml."""
    told = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    start = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["towncrier"]
    before, mark, released = told.partition(start["start_string"])
    rows = [before + mark, "## Not released yet", ""]
    for kind in start["type"]:
        found = sorted((ROOT / start["directory"]).glob(f"*.{kind['directory']}.md"))
        if found:
            rows += [f"### {kind['name']}", ""]
            rows += ["- " + " ".join(path.read_text(encoding="utf-8").split()) for path in found]
            rows += [""]
    return "\n".join(rows) + released


# ---- the gallery ----


def _notebooks() -> list[Path]:
    return sorted((HERE / "gallery").glob("*.ipynb"))


def _cells(path: Path) -> list[dict]:
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def _thumbnails() -> Iterator[tuple[str, bytes]]:
    """Yield the last picture of each notebook."""
    for path in _notebooks():
        shown = [
            output["data"]["image/png"]
            for cell in _cells(path)
            for output in cell.get("outputs", ())
            if "image/png" in output.get("data", {})
        ]
        if shown:
            yield f"_static/gallery/{path.stem}.png", base64.b64decode("".join(shown[-1]))


def _gallery() -> str:
    rows = [
        "# Gallery",
        "",
        "Notebooks that are stored with what they show. Each makes its own frames, whose truth is known, and can be",
        "run again: download it, and choose *Restart & Run All*.",
        "",
        "```{raw} html",
        '<div class="zf-gallery">',
    ]
    pictured = {Path(name).stem for name, _ in _thumbnails()}
    for path in _notebooks():
        title, what = _title(path)
        picture = f'<img src="../../_static/gallery/{path.stem}.png" alt="" loading="lazy">'
        rows += [
            f'<a class="zf-card" href="../{path.stem}.html">{picture if path.stem in pictured else ""}',
            f"<strong>{html.escape(title)}</strong><span>{html.escape(what)}</span></a>",
        ]
    downloads = ", ".join(f"{{download}}`{path.name} <../{path.name}>`" for path in _notebooks())
    rows += ["</div>", "```", "", f"To download: {downloads}.", "", "```{toctree}", ":hidden:", ""]
    rows += [f"../{path.stem}" for path in _notebooks()]
    return "\n".join([*rows, "```", ""])


def _title(path: Path) -> tuple[str, str]:
    """Return the heading of a notebook, and the first sentence below it."""
    text = "".join(_cells(path)[0]["source"])
    head, _, rest = text.partition("\n")
    plain = re.sub(r"[*`]|\]\([^)]*\)|\[", "", " ".join(rest.split()))
    return head.lstrip("# "), re.split(r"(?<=[.!?]) ", plain)[0]
