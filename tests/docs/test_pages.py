"""Every command line of README and docs runs, in order, in one empty folder, and prints what the page says."""

from __future__ import annotations

import pytest
from pages import NOT_RUN, ROOT, Step, fits, pages, run_page, steps_of, unmarked_commands

from stores import BUCKET, send, store
from zeroframe.fits.store.objects import ObjectStore
from zeroframe.simulate import any_camera, simulate_biases

PAGES = {path.relative_to(ROOT).as_posix(): path for path in pages()}
WITH_COMMANDS = [name for name, path in PAGES.items() if steps_of(path.read_text(encoding="utf-8"))]


@pytest.fixture(scope="session")
def frames(tmp_path_factory):
    return tmp_path_factory.mktemp("frames")


@pytest.mark.long
@pytest.mark.parametrize("name", [name for name in WITH_COMMANDS if name != "docs/scale.md"])
def test_commands_print_what_the_page_says(name, frames):
    steps = steps_of(PAGES[name].read_text(encoding="utf-8"))
    wrong = run_page(steps, frames.parent / "page", frames=frames)
    assert not wrong, "\n\n".join(wrong)


@pytest.mark.long
def test_commands_of_clusters_and_stores_print_what_the_page_says(two_workers, tmp_path, frames):
    """The page needs a scheduler, and a store that holds biases."""
    work = tmp_path / "work"
    with store():
        simulate_biases(any_camera("palomar-lfc").resized((64, 64)), tmp_path / "biases", frames=4)
        send(tmp_path / "biases", ObjectStore(f"s3://{BUCKET}/raw"))
        steps = steps_of(PAGES["docs/scale.md"].read_text(encoding="utf-8"))
        wrong = run_page(steps, work, frames=frames, words={"tcp://scheduler:8786": two_workers.address})
    assert not wrong, "\n\n".join(wrong)


@pytest.mark.parametrize("name", PAGES)
def test_no_command_stands_where_nobody_runs_it(name):
    assert unmarked_commands(PAGES[name].read_text(encoding="utf-8")) == []


def test_what_is_not_run_is_nothing_of_ours():
    assert not any(each.startswith("zeroframe") for each in NOT_RUN)


class TestReadingPages:
    PAGE = """
<!-- run: zeroframe simulate palomar-lfc raw -->
<!-- file: night.toml -->
```toml
missing = "fail"
```
<!-- exit: 2 -->
```console
$ zeroframe night raw -o out \\
>    --recipe night.toml
zeroframe: a long line that
  is folded … and its end
$ zeroframe ls raw
```
"""

    def test_steps(self):
        assert [
            (each.command, each.shown, each.exit_code, each.file, each.content) for each in steps_of(self.PAGE)
        ] == [
            ("zeroframe simulate palomar-lfc raw", None, 0, "", ""),
            ("", None, 0, "night.toml", 'missing = "fail"\n'),
            (
                "zeroframe night raw -o out    --recipe night.toml",
                "zeroframe: a long line that\n  is folded … and its end",
                2,
                "",
                "",
            ),
            ("zeroframe ls raw", "", 2, "", ""),
        ]

    @pytest.mark.parametrize(
        ("shown", "out", "good"),
        [
            ("level 4.010", "level 4.010\n", True),
            ("level 4.010", "level 4.011\n", False),
            ("a b\n  c", "a b c", True),
            ("…\nlast", "first\nsecond\nlast\n", True),
            ("…\nlast", "first\nlast but one\n", False),
            ("first … last", "first last", True),
            ("", "whatever", True),
            ("[1:2] (x)", "[1:2] (y)", False),
        ],
    )
    def test_what_fits(self, shown, out, good):
        assert fits(shown, out) is good

    def test_a_wrong_figure_and_a_wrong_end_are_told(self, tmp_path, frames):
        steps = [Step("zeroframe explain zf402", "ZF402: … (note)", line=1), Step("zeroframe ls nowhere", "", line=2)]
        first, second = run_page(steps, tmp_path / "work", frames=frames)
        assert first.startswith("line 1: zeroframe explain zf402 prints\nZF402")
        assert second.startswith("line 2: zeroframe ls nowhere: ends with 2, not 0:\nzeroframe: nowhere")

    def test_unmarked(self):
        assert unmarked_commands("```\nzeroframe ls raw\n```\n```console\n$ zeroframe ls raw\n```\n") == [
            "zeroframe ls raw"
        ]
