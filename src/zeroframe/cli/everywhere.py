"""Options that every command has: ``-q``, ``-v``, ``--log-file``, and both names of where something is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typer.core import TyperOption

from zeroframe.cli.options import local_path

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["common_options", "with_both_names"]

PANEL = "What is said"


def common_options() -> list[TyperOption]:
    """Return new options, each of which notes what it says in the `Call`.

    They stand behind the command as well as before it.
    """
    return [
        _option("quiet", ["--quiet", "-q"], "Print only what is wrong.", is_flag=True),
        _option("verbose", ["--verbose", "-v"], "Show every event on standard error; log more of them.", is_flag=True),
        _option("log_file", ["--log-file"], "Log what is done, at the end of FILE.", metavar="FILE"),
    ]


def _option(name: str, declared: list[str], told: str, **more: Any) -> TyperOption:  # noqa: ANN401 -- of typer's options
    def note(context: Any, _parameter: Any, value: Any) -> None:  # noqa: ANN401 -- typer calls it with its own classes
        from zeroframe.cli.log_file import Call

        call = context.find_object(Call)
        if call is not None and value:
            setattr(call, name, local_path(value) if name == "log_file" else value)

    return TyperOption(
        param_decls=[f"_{name}", *declared], callback=note, expose_value=False, help=told, rich_help_panel=PANEL, **more
    )


def with_both_names(parameters: Iterable[Any]) -> None:
    """Let ``--out`` and ``--output`` mean the same, whichever a command was given."""
    for each in parameters:
        for name, other in (("--out", "--output"), ("--output", "--out")):
            if name in each.opts and other not in each.opts:
                each.opts.append(other)
                break
