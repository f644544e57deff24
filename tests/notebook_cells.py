"""Run the code cells of a notebook, as Jupyter would, without Jupyter."""

from __future__ import annotations

import ast
import json
import re
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

_FENCED = re.compile(r"^\{:\.input_area\}\n```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def code_cells(path: Path) -> list[str]:
    """Return the sources of the code cells: of a notebook, or of a page that was made of one by jupyter-book."""
    text = path.read_text(encoding="utf-8")
    if text.startswith("{"):
        return ["".join(cell["source"]) for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    return _FENCED.findall(text)


@dataclass
class Ran:
    """What is left when all cells have run: the names, and what Jupyter would have shown below each cell."""

    names: dict[str, Any]
    shown: list[tuple[str, Any]]

    def outputs(self, beginning: str) -> list[Any]:
        """Return what was shown below those cells whose last line begins so."""
        return [value for source, value in self.shown if source.strip().splitlines()[-1].startswith(beginning)]


def run_cells(cells: list[str]) -> Ran:
    """Run cells in order, in one namespace; an error names its cell."""
    names: dict[str, Any] = {"__name__": "__main__"}
    shown: list[tuple[str, Any]] = []
    for number, source in enumerate(cells, start=1):
        tree = ast.parse(source, filename=f"cell {number}")
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, f"cell {number}", "exec"), names)
        if last is not None:
            expression = ast.Expression(last.value)
            shown.append((source, eval(compile(expression, f"cell {number}", "eval"), names)))
    return Ran(names, shown)


class _Tables(HTMLParser):
    """The texts of the cells of HTML tables, row by row."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in {"td", "th"}:
            self.tables[-1][-1].append("")
            self._inside = True

    def handle_endtag(self, tag: str) -> None:
        if tag in {"td", "th"}:
            self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.tables[-1][-1][-1] += data


def printed_tables(path: Path) -> list[list[list[str]]]:
    """Return the tables of a page: names of columns, their types, then the rows."""
    parser = _Tables()
    parser.feed(path.read_text(encoding="utf-8"))
    return parser.tables
