"""What the command line does with the events of the library: a log file, remarks to the person, unexpected errors.

The library speaks to the logger ``zeroframe``, and warns as Python does. Here warnings become remarks on standard
error; with ``--log-file`` they and all events go to a file as well, and with ``--verbose`` events to standard error.
Every command has these options, behind it as well as before it.
"""

from __future__ import annotations

import linecache
import logging
import os
import re
import shlex
import stat
import sys
import time
import warnings
from contextlib import contextmanager
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typer.core import TyperCommand, TyperOption

from zeroframe import __version__
from zeroframe.cli.console import Remarks, said_quietly, say
from zeroframe.cli.options import local_path
from zeroframe.errors import OutputError, RawFolderError, ZeroframeError, ZeroframeWarning
from zeroframe.html import visible
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["Call", "LoggedCommand", "as_remarks", "remarks_shown", "write_details"]

_LOG = logging.getLogger("zeroframe.cli")
LOG_NAME = "zeroframe.log"
_STAMP = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z ")


@dataclass
class Call:
    """One call of the program: what the parser has found, for whoever has to tell how it ended.

    Attributes
    ----------
    arguments : sequence of str
        As they were given.
    log_file : pathlib.Path or None
        What ``--log-file`` names.
    verbose : bool
        Whether events are shown while they happen.
    quiet : bool
        Whether only what is wrong is shown.
    command : str
        The name of the command; empty before one is known.
    parameters : dict
        Its arguments and options.
    """

    arguments: Sequence[str] = ()
    log_file: Path | None = None
    verbose: bool = False
    quiet: bool = False
    command: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)

    @property
    def line(self) -> str:
        """The command line."""
        return shlex.join(["zeroframe", *self.arguments])

    @property
    def raw(self) -> Path | None:
        """The folder of raw frames, where the command has one, or one that is looked at and may be such."""
        return self.parameters.get("raw") or self.parameters.get("folder")

    @property
    def out(self) -> Path | None:
        """The folder of results, where the command has one."""
        return self.parameters.get("out")


class LoggedCommand(TyperCommand):
    """A command whose begin, events and end are logged as the options before it, or behind it, say."""

    #: Commands whose result is what they print: ``--quiet`` does not hide it.
    are_text = frozenset(("doctor", "explain", "inspect", "ls", "recipe", "verify"))

    def __init__(self, name: str | None, *, params: list[Any] | None = None, **more: Any) -> None:  # noqa: ANN401 -- typer's
        _with_both_names(params or ())
        super().__init__(name, params=[*(params or ()), *_common_options()], **more)

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 -- typer's own context, or click's; what the command returns
        """Carry out the command."""
        call = ctx.find_object(Call) or Call()
        call.command, call.parameters = self.name or "", ctx.params
        with _logged(call), said_quietly(call.quiet and call.command not in self.are_text):
            started = time.perf_counter()
            _LOG.info("zeroframe %s: %s", __version__, call.line)
            try:
                code = super().invoke(ctx)
            except BaseException as error:
                text = str(error) or type(error).__name__
                _LOG.error("%s", text, exc_info=None if isinstance(error, ZeroframeError) else error)
                raise
            _LOG.info("exit code %s after %.1f s", code or 0, time.perf_counter() - started)
            return code


class _Lines(logging.Formatter):
    """Time (UTC), level, logger and message; what belongs to a line and is not its first begins with blanks."""

    converter = time.gmtime  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__("%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines of a record; names and header words that stand in it steer no terminal."""
        return "\n  ".join(visible(line) for line in super().format(record).splitlines())


class _LogFile(logging.StreamHandler):  # type: ignore[type-arg]
    """Lines at the end of a file; a disk that is full does not end the work, and is said once."""

    def __init__(self, path: Path) -> None:
        self._path, self._has_failed = path, False
        super().__init__(os.fdopen(_opened(path), "a", encoding="utf-8", errors="backslashreplace"))
        self.setFormatter(_Lines())

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802 -- its name in logging
        """Say that the log ends here."""
        from zeroframe.fits.atomic import output_error

        if not self._has_failed:
            self._has_failed = True
            say(f"note: {output_error(self._path, _current_os_error())}; the work goes on without the log")

    def close(self) -> None:
        """Close the file, too."""
        super().close()
        try:
            self.stream.close()
        except OSError:
            self.handleError(logging.makeLogRecord({}))


def _current_os_error() -> OSError:
    error = sys.exc_info()[1]
    return error if isinstance(error, OSError) else OSError(None, str(error))


def _opened(path: Path) -> int:
    """Open a log to write at its end; raises `OutputError`, also where the file is there and is no log of ours."""
    from zeroframe.fits.atomic import output_error
    from zeroframe.fits.system import BINARY, NO_WAIT, read_at

    flags = os.O_RDWR | os.O_APPEND | BINARY | NO_WAIT
    try:
        try:
            descriptor = os.open(path, flags)
        except FileNotFoundError:
            return os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o666)
    except OSError as error:
        raise output_error(path, error) from error
    regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
    # an empty file may be a raw frame that is about to be written
    if regular and _STAMP.match(read_at(descriptor, 25, 0)):
        return descriptor
    os.close(descriptor)
    raise OutputError(path, "is there already and is no log of zeroframe", "choose another name for the log")


@contextmanager
def _logged(call: Call) -> Iterator[None]:
    """Have events go where the options say, for the time of a block."""
    handlers: list[logging.Handler] = []
    if call.log_file is not None:
        _refuse_raw_folder(call.log_file, call.raw)
        handlers.append(_LogFile(call.log_file))
    if call.verbose:
        handlers.append(_Shown())
    library = logging.getLogger("zeroframe")
    level = library.level
    if handlers:
        library.setLevel(logging.DEBUG if call.verbose else logging.INFO)
    for handler in handlers:
        library.addHandler(handler)
    warned = logging.getLogger("py.warnings")
    files = [handler for handler in handlers if isinstance(handler, _LogFile)]  # warnings are shown as remarks
    for handler in files:
        warned.addHandler(handler)
    try:
        yield
    finally:
        library.setLevel(level)
        for handler in handlers:
            library.removeHandler(handler)
            warned.removeHandler(handler)
            handler.close()


def _refuse_raw_folder(log_file: Path, raw: Path | None) -> None:
    if raw is None or not raw.is_dir():
        return
    from zeroframe.planning.targets import check_output_folder

    try:
        check_output_folder(raw, log_file.absolute().parent)
    except RawFolderError as error:
        reason = f"would be written into the raw folder {raw}, and raw data are never written to"
        raise RawFolderError(log_file, reason, "choose another folder for the log") from error


class _Shown(logging.Handler):
    """Events on standard error, a line each."""

    def emit(self, record: logging.LogRecord) -> None:
        """Show one."""
        say(f"{record.levelname.lower()}: {record.getMessage()}")


class _Remarked(logging.Handler):
    """Warnings that `logging.captureWarnings` has caught, as remarks to the person.

    Those of arithmetic, which numpy gives, name no file and tell nobody what to do: they stand in the log, and findings
    say what is wrong with frames.
    """

    def __init__(self, remarks: Remarks) -> None:
        super().__init__()
        self._remarks = remarks

    def emit(self, record: logging.LogRecord) -> None:
        """Show one."""
        found = _FORMATTED.fullmatch(record.getMessage())
        if found is None or found["category"] != RuntimeWarning.__name__:
            self._remarks.show(_message_of(record.getMessage()))


_FORMATTED = re.compile(r"(?P<file>.*?):(?P<line>\d+): (?P<category>\w+): (?P<message>.*)\n", re.DOTALL)


def _message_of(text: str) -> str:
    """Take the message out of what `warnings.formatwarning` has made of it, and of where it was given."""
    found = _FORMATTED.fullmatch(text)
    if found is None:
        return text.rstrip("\n")
    source = linecache.getline(found["file"], int(found["line"])).strip()
    return found["message"].removesuffix(f"\n  {source}") if source else found["message"]


@contextmanager
def remarks_shown() -> Iterator[None]:
    """Show warnings as remarks for the time of a block, and close with how often each came again."""
    remarks = Remarks()
    handler, warned = _Remarked(remarks), logging.getLogger("py.warnings")
    warned.addHandler(handler)
    logging.captureWarnings(capture=True)
    try:
        yield
    finally:
        logging.captureWarnings(capture=False)
        warned.removeHandler(handler)
        remarks.close()


@contextmanager
def as_remarks() -> Iterator[None]:
    """Let warnings for those who write Python, which astropy prints in its own way, be remarks of the command."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            yield
        finally:
            said = [str(each.message) for each in caught]
    for text in said:
        warnings.warn(text, ZeroframeWarning, stacklevel=3)


def write_details(error: BaseException, call: Call) -> Path | None:
    """Write down where and how an error came about that nobody has foreseen.

    Parameters
    ----------
    error : BaseException
        The error.
    call : Call
        What was asked for.

    Returns
    -------
    pathlib.Path or None
        The log with the details: that of ``--log-file``, else ``zeroframe.log`` in the folder of results, else a file
        of the system's folder for temporary ones. None where none of them can be written.
    """
    if call.log_file is not None and call.command:
        return call.log_file  # it stands there already
    record = logging.LogRecord("zeroframe.cli", logging.CRITICAL, "", 0, "%s: %s", None, None)
    record.args = (f"zeroframe {__version__}", call.line)
    record.exc_info = (type(error), error, error.__traceback__)
    for path in _places_for_details(call):
        try:
            handler = _LogFile(path)
            handler.stream.write(handler.format(record) + "\n")
            handler.stream.close()
        except (OutputError, OSError):
            continue  # the next one
        return path
    return None


def _places_for_details(call: Call) -> Iterator[Path]:
    if call.out is not None and call.raw is not None and _takes_a_log(call.out, call.raw):
        yield call.out / LOG_NAME
    import tempfile

    try:
        folder = Path(tempfile.mkdtemp(prefix="zeroframe-"))  # which nobody else may enter
    except OSError:
        return
    yield folder / LOG_NAME


def _takes_a_log(out: Path, raw: Path) -> bool:
    """Say whether there is a folder for results on a disk that is not that of the raw frames."""
    from zeroframe.fits.store.names import UrlPath
    from zeroframe.planning.targets import check_output_folder

    try:
        if isinstance(out, UrlPath) or not out.is_dir() or (out / LOG_NAME).is_symlink():
            return False
        check_output_folder(raw, out)
    except (ZeroframeError, OSError):  # a name that is too long, or a folder that may not be looked into
        return False
    return True


_PANEL = "What is said"


def _common_options() -> list[TyperOption]:
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
        call = context.find_object(Call)
        if call is not None and value:
            setattr(call, name, local_path(value) if name == "log_file" else value)

    return TyperOption(
        param_decls=[f"_{name}", *declared],
        callback=note,
        expose_value=False,
        help=told,
        rich_help_panel=_PANEL,
        **more,
    )


def _with_both_names(parameters: Iterable[Any]) -> None:
    """Let ``--out`` and ``--output`` mean the same, whichever a command was given."""
    for each in parameters:
        for name, other in (("--out", "--output"), ("--output", "--out")):
            if name in each.opts and other not in each.opts:
                each.opts.append(other)
                break
