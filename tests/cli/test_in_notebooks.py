"""What the library shows in a notebook, in a real kernel: bars while a job runs, results, errors of one sentence."""

from __future__ import annotations

import nbformat
import pytest
from nbclient import NotebookClient

from nights import small_night

CELLS = {
    "import": "import zeroframe as zf\nimport zeroframe.cli.bars as bars\nbars._SHORTEST_PAUSE_S = 0",
    "night": "made = zf.night('raw', 'out')\nmade",
    "quiet": "_ = zf.night('raw', 'quiet', progress=False)",
    "again": "zf.night('raw', 'out')",
    "collection": "zf.ImageFileCollection('raw')",
    "combiner": "zf.Combiner([zf.read_ccd('raw/ccd.001.0.fits')] * 3)",
    "section": "zf.Section.parse('[1:600, *]')",
    "recipe": "zf.NightRecipe()",
    "wrong section": "frame = zf.read_ccd('raw/ccd.001.0.fits')\nzf.trim_image(frame, fits_section='[1:9999,:]')",
    "wrong file": "def job():\n    return zf.bias('nowhere', 'out')\njob()",
}


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """The outputs of each cell, run one after the other in one kernel."""
    folder = tmp_path_factory.mktemp("notebook")
    small_night(folder / "raw")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in CELLS.values()])
    seen: dict[int, list[str]] = {}
    client = NotebookClient(notebook, timeout=300, allow_errors=True, resources={"metadata": {"path": str(folder)}})
    process = client.process_message

    def watched(message, cell, cell_index):
        if message["msg_type"] in ("display_data", "update_display_data"):
            seen.setdefault(cell_index, []).append(message["content"]["data"]["text/html"])
        return process(message, cell, cell_index)

    client.process_message = watched  # type: ignore[method-assign]
    client.execute()
    outputs = {name: cell["outputs"] for name, cell in zip(CELLS, notebook["cells"], strict=True)}
    return outputs, {name: seen.get(number, []) for number, name in enumerate(CELLS)}, folder / "raw"


def result(outputs):
    (found,) = (each["data"] for each in outputs if each["output_type"] == "execute_result")
    return found


@pytest.mark.long
def test_bars_move_while_a_job_runs_and_are_gone_when_it_has_ended(shown):
    outputs, seen, _ = shown
    bars = seen["night"]
    assert bars[0] == bars[-1] == ""
    assert any("calibrating <progress" in each and "combining <progress" in each for each in bars)
    assert len({each for each in bars if "calibrating" in each}) > 3
    (left,) = (each for each in outputs["night"] if each["output_type"] == "display_data")
    assert left["data"]["text/html"] == ""
    assert seen["quiet"] == []


@pytest.mark.long
def test_a_job_shows_its_verdict(shown):
    outputs, *_ = shown
    for name in ("night", "again"):
        said = result(outputs[name])
        assert "all is well" in said["text/plain"]
        assert "All is well" in said["text/html"] or "all is well" in said["text/html"]
        assert "combined_bias.fits" in said["text/html"]


@pytest.mark.long
@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("collection", "ImageFileCollection(location='raw')"),
        ("combiner", "<Combiner: 3 frames of 632 x 400 pixels, adu, float32>"),
        ("section", "Section.parse('[1:600,:]')"),
        ("recipe", "<NightRecipe: all at its defaults>"),
    ],
)
def test_things_say_what_they_are(shown, cell, text):
    outputs, *_ = shown
    assert result(outputs[cell])["text/plain"] == text


@pytest.mark.long
def test_a_collection_shows_its_first_files(shown):
    outputs, _, folder = shown
    html = result(outputs["collection"])["text/html"]
    files = sorted(path.name for path in folder.glob("*.fits"))
    assert f"{len(files)} files in raw" in html
    assert [name for name in files if f"<td>{name}</td>" in html] == files[:12]
    assert "BIAS" in html


@pytest.mark.long
@pytest.mark.parametrize(
    ("cell", "line", "sentence"),
    [
        ("wrong section", "line 2: zf.trim_image(frame, fits_section='[1:9999,:]')", "SectionError"),
        ("wrong file", "line 2: return zf.bias('nowhere', 'out')", "nowhere"),
    ],
)
def test_an_error_is_one_sentence_and_the_line_that_led_to_it(shown, cell, line, sentence):
    outputs, *_ = shown
    (error,) = (each for each in outputs[cell] if each["output_type"] == "error")
    said = error["traceback"]
    assert len(said) == 3
    assert said[0] == line
    assert sentence in said[1]
    assert error["evalue"] in said[1]
