"""Run the notebooks of the gallery and store what they show: `python docs/_ext/run_notebooks.py [NAME …]`.

Each runs in a kernel and an empty folder of its own, twice, as *Restart & Run All* would; what it shows the second time
has to be the same. Pictures are stored with 64 colours, which do for plots and grey images, in a third of the size.
"""

from __future__ import annotations

import base64
import io
import re
import sys
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import nbformat
from nbclient import NotebookClient

if TYPE_CHECKING:
    from collections.abc import Iterator

GALLERY = Path(__file__).resolve().parent.parent / "gallery"
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")
_NUMBER = re.compile(r"-?\d+\.?\d*(?:e[-+]?\d+)?")


@contextmanager
def kernel(folder: Path) -> Iterator[Any]:
    """Start a kernel that works in a folder; it is told what a reader's own Jupyter would not say."""
    from jupyter_client.manager import KernelManager

    with TemporaryDirectory(prefix="zf") as sockets:  # whose paths must be short
        manager = KernelManager(kernel_name="python3", transport="ipc", ip=f"{sockets}/kernel")
        manager.start_kernel(cwd=str(folder))
        try:
            yield manager
        finally:
            manager.shutdown_kernel(now=True)


def run(path: Path, manager: Any, folder: Path) -> Any:
    """Run a notebook in a kernel, without what ran there before; return it with what it shows."""
    notebook = nbformat.read(path, as_version=4)
    begin = f"import os\nos.makedirs({str(folder)!r}, exist_ok=True)\nos.chdir({str(folder)!r})\n%reset -f"
    for each in (nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(begin)]), notebook):
        client = NotebookClient(each, km=manager, timeout=300, record_timing=False)
        try:
            client.execute()
        finally:
            if client.kc is not None:
                client.kc.stop_channels()
    for number, cell in enumerate((each for each in notebook.cells if each.cell_type == "code"), start=1):
        cell.execution_count = number
        cell.metadata = {}
        cell.outputs = [_plain(output, number) for output in cell.outputs if not _is_bar(output)]
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return notebook


def _is_bar(output: Any) -> bool:
    """Say whether an output is the bar that a job draws while it runs, which is empty when it has ended."""
    return output.get("data", {}).get("text/plain") == "<IPython.core.display.HTML object>"


def _plain(output: Any, number: int) -> Any:
    """Return an output without what is another each time: addresses in memory, and counters of the kernel."""
    if "execution_count" in output:
        output["execution_count"] = number
    if "text" in output:
        output["text"] = _ADDRESS.sub("", output["text"])
    data = output.get("data", {})
    for kind in ("text/plain", "text/html"):
        if kind in data:
            data[kind] = _ADDRESS.sub("", data[kind])
    if "image/png" in data:
        data["image/png"] = _smaller(data["image/png"])
    return output


def _smaller(picture: str) -> str:
    from PIL import Image

    with Image.open(io.BytesIO(base64.b64decode(picture))) as image:
        small = io.BytesIO()
        image.convert("RGB").quantize(64).save(small, "png", optimize=True)
    return base64.b64encode(small.getvalue()).decode()


def texts(notebook: Any) -> list[str]:
    """Return what a notebook shows in words and figures, cell by cell, without pictures."""
    shown = []
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            if output.output_type == "error" or output.get("name") == "stderr":
                shown.append(f"a cell fails or warns: {output}")
            elif "image/png" not in data:
                shown.append(output.get("text", data.get("text/plain", "")))
    return shown


def same(one: str, other: str, *, relative: float = 2e-3) -> bool:
    """Say whether two texts have the same words, and figures that differ by no more than a fraction.

    The last digits of a sum depend on the processor, and on the version of numpy.
    """
    if _NUMBER.sub("#", one) != _NUMBER.sub("#", other):
        return False
    pairs = zip(_NUMBER.findall(one), _NUMBER.findall(other), strict=True)
    return all(abs(float(a) - float(b)) <= relative * max(abs(float(a)), abs(float(b))) for a, b in pairs)


def main(names: list[str]) -> int:
    """Run and store the notebooks that are named, or all."""
    code = 0
    for path in sorted(GALLERY.glob("*.ipynb")):
        if names and path.stem not in names:
            continue
        with TemporaryDirectory() as temporary, kernel(Path(temporary)) as manager:
            first = run(path, manager, Path(temporary) / "work")
            # once more into what is there by then, as *Restart & Run All* does
            again = run(path, manager, Path(temporary) / "work")
        differing = [(a, b) for a, b in zip(texts(first), texts(again), strict=True) if not same(a, b)]
        wrong = [each for each in texts(again) if each.startswith("a cell fails or warns")]
        for each in (*differing, *wrong):
            code = 1
            sys.stdout.write(f"{path.name}: {each}\n")
        nbformat.write(first, path)
        sys.stdout.write(f"{path.name}: {path.stat().st_size // 1000} kB\n")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
