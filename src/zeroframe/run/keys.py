"""From what, how and by what a result was made: its key, its words in the header, and the versions that matter.

The key of a result is a hash of everything that its bytes depend on: the content of what goes in, what is done to it,
and the versions of what does it. Two jobs with one key give the same bytes, so a file that carries the key of a job,
and has not been changed, need not be made again.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from importlib.util import find_spec
from math import isfinite
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from zeroframe import __version__
from zeroframe.fits.fingerprint import code_mark
from zeroframe.headers.kinds import kind_row
from zeroframe.headers.sections import Section
from zeroframe.headers.survey import KEY_CARD

if TYPE_CHECKING:
    from collections.abc import Sequence

    from astropy.io.fits import Header

    from zeroframe.fits.fingerprint import FileMark
    from zeroframe.frames.regions import Subtracted
    from zeroframe.frames.steps import FrameRecipe
    from zeroframe.frames.stored import StoredFile
    from zeroframe.planning.plan import Group, MaskJob, NightFrame, NightPlan

__all__ = [
    "KEY_CARD",
    "LEVEL_CARD",
    "as_data",
    "frame_key",
    "group_key",
    "key_of",
    "mask_key",
    "sign",
    "sign_combined",
    "sign_frame",
    "stored_keys",
    "versions",
]

#: The mean level that was subtracted: with it the level of the raw frame is known from the calibrated one.
LEVEL_CARD = "OVSCMEAN"
#: The noise of that level, and over how many rows (columns) it was averaged where it was.
LEVEL_ERROR_CARD, LEVEL_LINES_CARD = "OVSCERR", "OVSCLINE"
#: What computes, compresses and writes: another version may give other bytes.
_LIBRARIES = ("astropy", "isal", "numba", "numpy", "scipy")
#: Source files, within the package, whose code can change the bytes of a result: what reads and decodes, calibrates,
#: judges, combines and writes. What decides beforehand (recipe, camera, selection, matching) is not among them, because
#: all that it decides stands in the key itself; nor is what only shows results.
_MAKERS = (
    "kernels/*.py",
    "fits/*.py",
    "fits/store/*.py",
    "frames/*.py",
    "stacks/bands.py",
    "stacks/clipping.py",
    "stacks/combine.py",
    "stacks/empty_frames.py",
    "stacks/functions.py",
    "stacks/grids.py",
    "stacks/laws.py",
    "stacks/levelling.py",
    "stacks/measured.py",
    "stacks/noise.py",
    "stacks/pooled.py",
    "stacks/pooled_noise.py",
    "stacks/rejecting.py",
    "stacks/rejections.py",
    "stacks/spool.py",
    "stacks/stack.py",
    "stacks/tallied.py",
    "stacks/weighing.py",
    "headers/card_numbers.py",
    "headers/card_reader.py",
    "headers/colours.py",
    "headers/colours.toml",
    "headers/combined_exposure.py",
    "headers/dialects.py",
    "headers/dialects.toml",
    "headers/kind_words.py",
    "headers/moments.py",
    "headers/result_cards.py",
    "headers/sections.py",
    "headers/set_up.py",
    "headers/tables.py",
    "headers/words.py",
    "inspection/bends.py",
    "inspection/gain.py",
    "inspection/structured_flats.py",
    "planning/uses.py",
    "run/cache.py",
    "run/calibrations.py",
    "run/combine_files.py",
    "run/combined.py",
    "run/flat_levels.py",
    "run/frame.py",
    "run/keys.py",
    "run/mask.py",
    "run/shared_errors.py",
    "verbs/saving.py",
)
_KEY_LETTERS = 32
_LONGEST_LINE = 72
#: Lines of our own, which hold for one file only.
_OWN_LINES = re.compile(r"zeroframe |sha256 [0-9a-f]{64}$|IMCMB\d+ ")


def as_data(value: object) -> Any:  # noqa: ANN401 -- what JSON can say
    """Return a value as plain data: what JSON can say.

    Parameters
    ----------
    value : object
        Of dataclasses, mappings, sequences, sections, paths (of which the name stays), numbers and texts.

    Returns
    -------
    object
        A function of the caller's own is never the same as another, because it cannot be told what it does.

    Examples
    --------
    >>> as_data({"trim": Section.parse("[1:5,*]"), "to": Path("out/a.fits"), "k": (1, 2.5, None)})
    {'trim': '[1:5,:]', 'to': 'a.fits', 'k': [1, 2.5, None]}
    """
    if isinstance(value, Section):
        return str(value)
    if isinstance(value, Enum):
        return as_data(value.value)
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else repr(value)
    if isinstance(value, Path):
        return value.name
    if is_dataclass(value):
        return {each.name: as_data(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): as_data(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [as_data(each) for each in value]
    if callable(value):
        return f"{getattr(value, '__qualname__', value)} {secrets.token_hex(8)}"
    raise TypeError(f"{value!r} cannot be written as plain data")


def key_of(data: object) -> str:
    """Return a hash of plain data, 32 hexadecimal digits.

    Examples
    --------
    >>> key_of({"a": 1, "b": 2}) == key_of({"b": 2, "a": 1})
    True
    """
    text = json.dumps(data, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:_KEY_LETTERS]


@cache
def versions() -> Mapping[str, str]:
    """Return the versions of what the bytes of results depend on: zeroframe, the source that makes them, the libraries.

    Examples
    --------
    >>> sorted(versions())
    ['astropy', 'code', 'isal', 'numba', 'numpy', 'scipy', 'zeroframe']
    """
    return {"zeroframe": __version__, "code": code_mark(*_MAKERS), **{name: _version_of(name) for name in _LIBRARIES}}


def _version_of(package: str) -> str:
    """Return the version of an installed package: from the name of the folder beside it that tells about it.

    importlib.metadata, which knows more ways to install a package, is asked only where that is not so: importing it
    takes 0.03 s.
    """
    spec = find_spec(package)
    beside = Path(spec.origin).parents[1] if spec is not None and spec.origin is not None else Path()
    found = [path.name for path in beside.glob(f"{package}-*.dist-info")]
    if len(found) == 1:
        return found[0].removeprefix(f"{package}-").removesuffix(".dist-info")
    from importlib.metadata import version

    return version(package)


def sign_frame(header: Header, source: Path, recipe: FrameRecipe, mark: FileMark, key: str, levels: Subtracted) -> None:
    """Say in the header of a calibrated frame by what program, how and from what it was made; it is changed in place.

    Parameters
    ----------
    header : astropy.io.fits.Header
        Without a date: the same job gives the same bytes on any day.
    source : pathlib.Path
        The raw file.
    recipe : FrameRecipe
        What was done first: overscan and trim.
    mark : FileMark
        Of the raw file.
    key : str
        Of the job, from `zeroframe.planning.uses.frame_key`.
    levels : Subtracted
        What of the overscan was subtracted, in units of the data.
    """
    if recipe.subtracts_overscan:
        header[LEVEL_CARD] = (levels.mean_adu, "mean level of the overscan")
        if isfinite(levels.error_adu):
            header[LEVEL_ERROR_CARD] = (levels.error_adu, "its noise, which all pixels of a line share")
        if levels.smoothed_lines > 1:
            header[LEVEL_LINES_CARD] = (levels.smoothed_lines, "lines over which that level is averaged")
    done = recipe.words() or ("nothing subtracted, nothing trimmed",)
    if recipe.assembles:  # the header says it of each amplifier already
        done = (f"{len(recipe.regions)} amplifiers assembled",)
    prefix = f"zeroframe {__version__}: "
    odd = [part for remark in levels.remarks for part in wrap(remark, _LONGEST_LINE - len(prefix))]
    lines = [prefix + each for each in (*done, *odd)]
    lines += [f"zeroframe made this of {_ascii(source.name)}", f"sha256 {mark.sha256}"]
    sign(header, key, lines)


def sign_combined(header: Header, how: str, sources: Sequence[str], key: str | None) -> None:
    """Say in the header of a combined frame by what program, how and from what it was made; it is changed in place.

    Parameters
    ----------
    header : astropy.io.fits.Header
        Begun as that of the first frame.
    how : str
        In words.
    sources : sequence of str
        What is known of each frame, in the order of its IMCMB cards.
    key : str or None
        Of the job, from `zeroframe.planning.uses.group_key`.
    """
    for card in (LEVEL_CARD, LEVEL_ERROR_CARD, LEVEL_LINES_CARD):
        if card in header:
            del header[card]
    lines = [f"zeroframe {__version__}: {how}"]
    lines += [f"IMCMB{number:03d} {said}" for number, said in enumerate(sources, start=1)]
    sign(header, key, lines)


def sign(header: Header, key: str | None, lines: Sequence[str]) -> None:
    """Put a key and lines of history in place of those that a header has; it is changed in place."""
    others = [line for line in header.get("HISTORY", ()) if not _OWN_LINES.match(line)]
    header.remove("HISTORY", ignore_missing=True, remove_all=True)
    if KEY_CARD in header:
        del header[KEY_CARD]
    if key is not None:
        header[KEY_CARD] = (key, "key of the job in run.json")
    for line in [*others, *lines]:
        header.add_history(line if len(line) <= _LONGEST_LINE else line[: _LONGEST_LINE - 3] + "...")


def _ascii(name: str) -> str:
    return name.encode("unicode_escape", "backslashreplace").decode("ascii")


#: Of a frame: what is done to it, and nothing that only says why.
_DOINGS = ("recipe", "steps", "layout", "kind", "saturation", "compress")


_GROUP_DOINGS = ("kind", "spec", "clip_spread", "scaled_by_level", "reject_outliers", "includes_bias", "compress")


def frame_key(frame: NightFrame, source_sha256: str, used: Mapping[str, str]) -> str:
    """Return the key of a calibrated frame.

    Parameters
    ----------
    frame : NightFrame
        What is done.
    source_sha256 : str
        Hash of the raw file.
    used : mapping of str to str
        Names and keys of the combined frames and masks that it is made with.
    """
    done = {name: as_data(getattr(frame, name)) for name in _DOINGS}
    done["target"] = frame.target.name
    kinds = _doings_of([frame.kind, *(use.kind for use in frame.steps.uses)])
    return _key("frame", done, used, source=source_sha256, kinds=kinds)


def group_key(
    group: Group, frame_keys: Mapping[str, str], used: Mapping[str, str], left_out: Sequence[str] = ()
) -> str:
    """Return the key of a combined frame.

    Parameters
    ----------
    group : Group
        How frames are combined.
    frame_keys : mapping of str to str
        Names and keys of the calibrated frames, in order.
    used : mapping of str to str
        Names and keys of the combined frames that it is made with.
    left_out : sequence of str
        Names of frames that turned out to be unreadable.
    """
    done = {name: as_data(getattr(group, name)) for name in _GROUP_DOINGS}
    done["gain"] = group.frames[0].steps.gain_e_per_adu
    done["colours"] = [as_data(group.colours), group.keeps_lamp_colour]
    # of frames that failed, too: by all of them it is told which errors a frame shares with what calibrates it
    done["uses"] = [as_data(uses) for uses in dict.fromkeys(frame.steps.uses for frame in group.frames)]
    frames = [[name, key] for name, key in frame_keys.items()]
    return _key("combined", done, used, frames=frames, left_out=list(left_out), kinds=_doings_of([group.kind]))


def mask_key(job: MaskJob, source_key: str) -> str:
    """Return the key of a mask; ``source_key`` is that of the combined frame."""
    done = {"what": job.what, "sigmas": job.sigmas, "fraction": job.fraction, "colours": as_data(job.colours)}
    done["amplifiers"] = [list(window) for window in job.amplifiers]
    return _key("mask", done, {job.source: source_key})


def stored_keys(plan: NightPlan) -> dict[str, str]:
    """Return the keys of combined frames and masks that exist already, by name: their bytes, and what is done to them.

    Parameters
    ----------
    plan : NightPlan
        Which uses them.
    """
    keys = {group.name: _stored_key(group.stored.file, group) for group in plan.stored if group.stored is not None}
    return keys | {mask.name: _stored_key(mask.file) for mask in plan.stored_masks}


def _stored_key(file: StoredFile, group: Group | None = None) -> str:
    about = {} if group is None else {"kind": as_data(group.kind), "includes_bias": group.includes_bias}
    uses = [] if group is None else as_data(group.uses)
    return key_of({"stored": as_data(file), "uses": uses, **about})


def _doings_of(kinds: Sequence[str]) -> dict[str, Any]:
    """Return what the table of kinds says of these, as far as bytes depend on it."""
    rows = [kind_row(kind) for kind in kinds]
    return {row.kind.value: row.doings for row in rows if row is not None}


def _key(what: str, done: Mapping[str, Any], used: Mapping[str, str], **more: object) -> str:
    return key_of({what: dict(done), "used": dict(used), "versions": dict(versions()), **more})
