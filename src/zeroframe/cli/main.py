"""The commands: they parse, call, print, and return an exit code.

Exit codes: 0, everything asked for was made; 1, something was not made, or is likely wrong, as a result in which a
frame took part that does not seem to belong; 2, nothing was done, because the command could not be carried out as it
was given; 3, an error of ours, which nobody has foreseen; 130, interrupted (SIGINT); 143, terminated (SIGTERM, SIGHUP).
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
import warnings
from copy import copy
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from zeroframe.cli.combining import combine
from zeroframe.cli.console import Screen, say
from zeroframe.cli.doctor import doctor
from zeroframe.cli.documents import document_of, print_json
from zeroframe.cli.library import library_app
from zeroframe.cli.listing import list_folder
from zeroframe.cli.log_file import Call, LoggedCommand, remarks_shown, write_details
from zeroframe.cli.night import add_night_commands
from zeroframe.cli.options import (
    INCOMPLETE,
    INTERRUPTED,
    OK,
    REFUSED,
    TERMINATED,
    UNFORESEEN,
    WRITE,
    Camera,
    Cards,
    DetectorAsked,
    Ext,
    Json,
    Kinds,
    MemLimit,
    Overwrite,
    Recurse,
    Workers,
    bytes_of,
    local_path,
    path_or_url,
    shape_of,
    taught_words,
)
from zeroframe.cli.show import show
from zeroframe.cli.streams import LastingStream, lasting_streams
from zeroframe.cli.watch import watch
from zeroframe.errors import FolderLostError, RawFolderError, ZeroframeError, ZeroframeWarning

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FrameType

    from typer.models import CommandInfo


__all__ = ["app", "main"]

#: Options of the whole program that may stand before a command and take no value.
_SWITCHES = frozenset(("--quiet", "-q", "--verbose", "-v"))
#: What is shown where nothing is asked for, too.
_HELP = "--help"
#: A shell sets it when it asks how a line goes on, which is not among the arguments: any command may be meant.
_COMPLETES = "_ZEROFRAME_COMPLETE"

app = typer.Typer(
    name="zeroframe",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and leave with its exit code.

    Parameters
    ----------
    arguments : sequence of str, optional
        By default those that the program was called with.

    Raises
    ------
    SystemExit
        Always.
    """
    if hasattr(sys.stdout, "reconfigure"):  # names of files may hold bytes that no encoding knows
        sys.stdout.reconfigure(errors="backslashreplace")
    given = sys.argv[1:] if arguments is None else list(arguments)
    call, stop = Call(given), _Stop()
    with lasting_streams() as (out, _), stop, warnings.catch_warnings():
        warnings.simplefilter("always", ZeroframeWarning)
        with remarks_shown():
            code = _run(call, stop)
        out.flush()
        code = max(code, _code_of_output(out, call))
    sys.exit(code)


def _code_of_output(out: LastingStream, call: Call) -> int:
    """Say what could not be printed; return the exit code for that."""
    if not out.is_lost or out.failure is None:
        return OK
    # where that cannot be written, something was not made
    made_nothing_else = call.command in LoggedCommand.are_text
    if made_nothing_else or not out.was_closed:
        say(f"zeroframe: standard output could not be written ({out.failure.strerror}); results in files are complete")
    return INCOMPLETE if made_nothing_else else OK


class _Stop:
    """While it is entered, SIGTERM ends a command as Ctrl-C does: what is half-written is removed.

    So does SIGHUP, of a terminal that is closed, but for a command that was started with nohup.
    """

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[int, signal.Handlers | Callable[[int, FrameType | None], object] | int | None] = {}

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread():
            hangup = getattr(signal, "SIGHUP", signal.SIGTERM)  # Windows has none
            for number in {signal.SIGTERM, hangup}:
                if signal.getsignal(number) != signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._ask)

    def __exit__(self, *_: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        self.asked = True
        raise KeyboardInterrupt


def _run(call: Call, stop: _Stop) -> int:
    """Run a command; say what stands in its way in one sentence."""
    interrupted = False
    try:
        given = list(call.arguments)
        if given[:1] == ["help"]:  # what many type first
            given = [*given[1:], "--help"]
        asked = "" if _COMPLETES in os.environ else next((word for word in given if word not in _SWITCHES), _HELP)
        chosen = _app_for(asked)
        code = chosen(args=given, prog_name="zeroframe", standalone_mode=False, obj=call)
    except FolderLostError as error:  # some results were made before
        return _refused(call, str(error), INCOMPLETE)
    except ZeroframeError as error:
        return _refused(call, str(error), REFUSED)
    except (KeyboardInterrupt, typer.Abort):
        interrupted = True
    except Exception as error:  # noqa: BLE001 -- the last resort, which keeps the details
        if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:  # any argument that is a path may be
            return _refused(call, f"{_name_in(error)}cannot be used ({error.strerror}); choose a shorter name", REFUSED)
        # an option or a value that the parser does not take; typer has brought its own classes since 0.20
        if not hasattr(error, "format_message"):
            return _unforeseen(error, call)
        error.show()  # type: ignore[attr-defined]
        if "--json" in call.arguments:
            told = str(error.format_message())
            print_json(document_of(_command_of(call), REFUSED, told, error=told))
        return REFUSED
    if interrupted or code == INTERRUPTED:
        what = "terminated" if stop.asked else "interrupted"
        say(f"zeroframe: {what}; results that are there are whole, and none is half-written")
        return TERMINATED if stop.asked else INTERRUPTED
    return code or OK


def _name_in(error: OSError) -> str:
    name = error.filename
    return "" if name is None else f"{os.fsdecode(name) if isinstance(name, str | bytes) else name}: "


def _refused(call: Call, what: str, code: int, **more: str) -> int:
    """Say why a command could not be carried out: to the person, and to the program that asked for JSON."""
    say(f"zeroframe: {what}")
    if "--json" in call.arguments:
        print_json(document_of(_command_of(call), code, what.partition("\n")[0], error=what, **more))
    return code


def _command_of(call: Call) -> str:
    """Return the name of the command, known before its options are read."""
    names = {each.name or getattr(each.callback, "__name__", "") for each in app.registered_commands}
    name = call.command or next((word for word in call.arguments if word in names), "zeroframe")
    return f"library {name}" if call.arguments[:1] == ["library"] else name


def _unforeseen(error: Exception, call: Call) -> int:
    """Say in one sentence that the fault is ours, and where it can be read how it came about."""
    details = write_details(error, call)
    first = str(error).partition("\n")[0]
    what = f"{type(error).__name__}: {first}" if first else type(error).__name__
    where = "no file could be written that says more" if details is None else f"the details are in {details}"
    told = f"an unexpected error ended the command ({what}); this is a fault of zeroframe, and {where}"
    return _refused(call, told, UNFORESEEN, **({} if details is None else {"details": str(details)}))


@cache
def _app_for(name: str) -> typer.Typer:
    """Return the program with the one command that is called: to build the options of all takes 30 ms at each start.

    Help for the whole program shows what each command does, and none of their options.
    """
    if name in (_HELP, "-h"):
        whole = copy(app)
        whole.registered_commands = [_without_options(each) for each in app.registered_commands]
        return whole
    chosen = [each for each in app.registered_commands if name == _name_of(each)]
    if not chosen:
        return app
    one = copy(app)
    one._add_completion = False  # noqa: SLF001 -- typer's own name; options for the whole program are not built for one command
    one.registered_commands = chosen
    return one


def _name_of(command: CommandInfo) -> str:
    return str(command.name or getattr(command.callback, "__name__", ""))


def _without_options(command: CommandInfo) -> CommandInfo:
    """Return a command that can be listed by its name and its first sentence, and not be called."""
    listed = copy(command)
    listed.name = _name_of(command)
    listed.help = command.help or getattr(command.callback, "__doc__", "")
    listed.callback = _listed
    return listed


def _listed() -> None:
    """Stand for a command that is listed."""


def _version(value: bool) -> None:  # noqa: FBT001 -- typer calls it
    if value:
        from zeroframe.cli.versions import version_lines

        sys.stdout.write("\n".join(version_lines()) + "\n")
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    _version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    log_file: Annotated[
        Path | None,
        typer.Option("--log-file", metavar="FILE", parser=local_path, help="Log what is done, at the end of FILE."),
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show every event on standard error; log more of them.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print only what is wrong.")] = False,
) -> None:
    """From a folder of raw CCD frames to calibrated frames and combined ones that can be trusted."""
    call = context.find_object(Call)
    if call is not None:
        call.log_file, call.verbose, call.quiet = log_file, verbose, quiet


add_night_commands(app)
app.command(epilog="For example: zeroframe doctor")(doctor)
app.command(epilog="For example: zeroframe watch RAW -o OUT --serve")(watch)
app.command(epilog="For example: zeroframe show RAW/ccd.037.0.fits OUT/ccd.037.0.fits")(show)
app.add_typer(library_app)


app.command(epilog="For example: zeroframe combine OUT/*.fits -o combined.fits --method average --clip 5")(combine)


@app.command(epilog="For example: zeroframe inspect RAW --write my-camera.toml --plot overscan.png")
def inspect(
    raw: Annotated[
        Path,
        typer.Argument(
            metavar="RAW",
            parser=path_or_url,
            help="Folder with biases, and flats or science frames beside them, or its URL.",
        ),
    ],
    camera: Camera = None,
    ext: Ext = None,
    detector: DetectorAsked = None,
    write: Annotated[
        Path | None,
        typer.Option(
            "--write", metavar="FILE", parser=local_path, help="A profile for --camera: my.toml.", rich_help_panel=WRITE
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            "--plot",
            metavar="FILE",
            parser=local_path,
            help="Save the plots behind the verdict, as overscan.png.",
            rich_help_panel=WRITE,
        ),
    ] = None,
    kind: Kinds = None,
    card: Cards = None,
    recurse: Recurse = True,
    overwrite: Overwrite = False,
    mem_limit: MemLimit = None,
    workers: Workers = None,
    json: Json = False,
) -> int:
    """Look at the pixels of a few frames: where the overscan is, and whether it is good for anything."""
    from zeroframe.cli.inspecting import Output, inspect_frames
    from zeroframe.fits.inputs import Inputs
    from zeroframe.headers.extensions import as_extension
    from zeroframe.headers.survey import of_detector, survey_tree

    frames = _raw_beside(raw, [target for target in (write, plot) if target is not None], recurse=recurse)
    inputs = Inputs.of([*frames, *([] if camera is None else [Path(camera)])])
    output = Output(Screen.beside(json=json), write, plot, overwrite, inputs, json)
    limit, words = bytes_of(mem_limit), taught_words(camera, kind, card)
    looked = survey_tree(raw, recurse=recurse, workers=workers, ext=as_extension(ext), words=words)
    inspect_frames(output, of_detector(looked, detector), camera, words, limit, workers)
    return OK


def _raw_beside(raw: Path, targets: Sequence[Path], *, recurse: bool) -> list[Path]:
    """Return the raw frames; raises `RawFolderError` where a file is to be written among them."""
    from zeroframe.fits.inputs import Inputs
    from zeroframe.headers.trees import tree_files
    from zeroframe.planning.targets import check_output_folder, refuse_among

    frames = list(tree_files(raw, recurse=recurse)) if targets else []
    try:
        for target in targets:
            check_output_folder(raw, target.parent)
        refuse_among(Inputs.of(frames), {target.parent for target in targets})
    except RawFolderError as error:
        raise RawFolderError(error.path, error.reason, "choose another folder for the file") from error
    return frames


@app.command(epilog="For example: zeroframe verify OUT --raw RAW")
def verify(
    out: Annotated[
        Path, typer.Argument(metavar="OUT", parser=path_or_url, help="Folder with the results of a run, or its URL.")
    ],
    raw: Annotated[
        Path | None,
        typer.Option(metavar="RAW", parser=path_or_url, help="Folder with the raw frames, to be compared, too."),
    ] = None,
    workers: Workers = None,
    json: Json = False,
) -> int:
    """Say what in a folder of results has been altered, is missing, or was not made by the run."""
    from zeroframe.run.verify import verify_folder

    screen = Screen.beside(json=json)
    verified = verify_folder(out, raw, workers=workers)
    screen.verified(verified)
    code = INCOMPLETE if verified.problems else OK
    if json:
        problems = list(verified.problems)
        print_json(document_of("verify", code, "", **verified.counts, problems=problems))
    return code


app.command("ls", epilog="For example: zeroframe ls raw --where 'imagetyp=bias exptime>0'")(list_folder)


@app.command(epilog="For example: zeroframe simulate palomar-lfc raw --gzip")
def simulate(
    camera: Annotated[
        str,
        typer.Argument(
            metavar="CAMERA",
            help="palomar-lfc, apogee-cg16m, or osc-cmos, a colour camera; of several amplifiers "
            "two-amp-spectrograph, quad-mef, sixteen-mef or four-chip-mosaic.",
        ),
    ],
    directory: Annotated[Path, typer.Argument(metavar="DIR", parser=local_path, help="Folder for the raw frames.")],
    frames: Annotated[int, typer.Option(min=1, metavar="N", help="How many biases.")] = 6,
    night: Annotated[
        bool, typer.Option("--night", help="A whole night: biases, darks, flats and science frames.")
    ] = False,
    gzip: Annotated[bool, typer.Option("--gzip", help="Write .fits.gz.")] = False,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="The same seed gives the same frames.")] = 1,
    size: Annotated[
        str | None, typer.Option(metavar="NXxNY", help="A smaller sensor, as 480x512; by default that of the camera.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace frames that are there already.")] = False,
    json: Json = False,
) -> int:
    """Make raw frames whose truth is known, to try things on."""
    from zeroframe.simulate import any_camera, night_specs, simulate_biases, simulate_night

    simulated = any_camera(camera) if size is None else any_camera(camera).resized(shape_of(size))
    screen = Screen.beside(json=json)
    total = len(night_specs(simulated)) if night else frames
    written: list[Path] = []
    with screen.progress() as progress:

        def report(path: Path) -> None:
            written.append(path)
            progress("simulating", len(written) / total)

        if night:
            paths = simulate_night(simulated, directory, gzip=gzip, seed=seed, overwrite=overwrite, progress=report)
        else:
            paths = simulate_biases(
                simulated, directory, frames=frames, gzip=gzip, seed=seed, overwrite=overwrite, progress=report
            )
    what = "raw frames of a night" if night else "raw biases"
    screen.line(f"{len(paths)} {what} of {camera} in {directory}: {paths[0].name} to {paths[-1].name}")
    if json:
        print_json(document_of("simulate", OK, files=[str(path) for path in paths]))
    return OK


@app.command(epilog="For example: zeroframe fetch palomar-lfc .")
def fetch(
    name: Annotated[str, typer.Argument(metavar="EXAMPLE", help="palomar-lfc or apogee-cg16m.")],
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", parser=local_path, help="Where the folder of the example is put.")
    ],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the folder if it is there already.")] = False,
    json: Json = False,
) -> int:
    r"""Download the frames of the CCD Data Reduction Guide, by pooch: pip install 'zeroframe\[examples]'."""
    from zeroframe.cli.examples import fetch as fetch_example

    screen = Screen.beside(json=json)
    with screen.progress() as progress:
        folder = fetch_example(
            name, directory, overwrite=overwrite, progress=lambda done, total: progress("downloading", done / total)
        )
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    screen.line(f"{len(files)} files of {name} in {folder}")
    if json:
        print_json(document_of("fetch", OK, files=[str(path) for path in files]))
    return OK


for _command in (*app.registered_commands, *library_app.registered_commands):
    _command.cls = LoggedCommand
