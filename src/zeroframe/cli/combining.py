"""The command ``combine``, and what it can do as IRAF's imcombine and Siril do: scales, offsets, weights, rejections.

With one of the options for that, frames are combined by `zeroframe.combine`, as in a notebook: they are not judged, and
a frame that does not fit the others ends it.
"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path  # noqa: TC003 -- typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Literal, get_args

import typer

from zeroframe.cli.combine_levels import LEVEL_WORDS, FrameNumbers, add_shared_errors, numbers_of
from zeroframe.cli.console import Screen
from zeroframe.cli.documents import print_json
from zeroframe.cli.log_file import as_remarks
from zeroframe.cli.options import (
    OK,
    REFUSED,
    WRITE,
    Clip,
    Ext,
    IgnoreChecksums,
    Json,
    MemLimit,
    Method,
    Overwrite,
    RejectOutliers,
    Spread,
    Strict,
    Workers,
    bytes_of,
    expanded,
    path_or_url,
)
from zeroframe.errors import UsageError
from zeroframe.records import dataclass
from zeroframe.verbs.rejections import NamedRejection

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zeroframe.fits import Cards
    from zeroframe.review import Review
    from zeroframe.run.combined_outcome import CombinedOutcome

__all__ = ["combine"]

_PANEL = "Combining as other programs do"
#: How figures are called where a person reads them.
_SAID = {"not_finite_pixels": "pixels without a value"}

Scale = Annotated[
    str | None,
    typer.Option(
        metavar="HOW",
        help="mean or median: to the first frame's level; or factors 1,0.98,…",
        rich_help_panel=_PANEL,
    ),
]
Zero = Annotated[
    str | None,
    typer.Option(metavar="HOW", help="The same by offsets: mean, median, or numbers.", rich_help_panel=_PANEL),
]
Weights = Annotated[
    str | None,
    typer.Option(metavar="W,W,…", help="A weight for each frame, for averages and sums.", rich_help_panel=_PANEL),
]
MinMax = Annotated[
    str | None,
    typer.Option(metavar="LOW,HIGH", help="Reject values outside; either may be empty.", rich_help_panel=_PANEL),
]
Dropped = Annotated[
    int,
    typer.Option(min=0, metavar="N", help="Drop the N lowest (nlow), highest (nhigh) values.", rich_help_panel=_PANEL),
]
Reject = Annotated[
    NamedRejection | None,
    typer.Option(metavar="HOW", help=f"{', '.join(get_args(NamedRejection))}.", rich_help_panel=_PANEL),
]
Sigmas = Annotated[
    float,
    typer.Option(min=0.0, metavar="K", help="Widths below, above the center, for --reject.", rich_help_panel=_PANEL),
]
ReadNoise = Annotated[
    float | None,
    typer.Option(min=0.0, metavar="E", help="In electrons, of ccdclip and crreject.", rich_help_panel=_PANEL),
]
Gain = Annotated[
    float | None,
    typer.Option(min=0.0, metavar="G", help="In e-/ADU, of ccdclip and crreject.", rich_help_panel=_PANEL),
]
PercentileClip = Annotated[
    float, typer.Option(metavar="P", help="Which value tells the width, of pclip.", rich_help_panel=_PANEL)
]
EsdOutliers = Annotated[
    float, typer.Option(metavar="F", help="At most this fraction is rejected, of gesd.", rich_help_panel=_PANEL)
]
EsdSignificance = Annotated[
    float, typer.Option(metavar="P", help="How often where all are good, of gesd.", rich_help_panel=_PANEL)
]
Grow = Annotated[
    float,
    typer.Option(min=0.0, metavar="R", help="Reject R pixels around what is rejected, too.", rich_help_panel=_PANEL),
]


@dataclass(frozen=True, slots=True)
class CombineOptions:
    """What was asked for by these options, named and defaulted as they are."""

    scale: str | None = None
    zero: str | None = None
    weights: str | None = None
    minmax: str | None = None
    nlow: int = 0
    nhigh: int = 0
    reject: NamedRejection | None = None
    lsigma: float = 3.0
    hsigma: float = 3.0
    readnoise: float | None = None
    gain: float | None = None
    pclip: float = -0.5
    outliers: float = 0.3
    significance: float = 0.05
    grow: float = 0.0

    @property
    def anything(self) -> bool:
        """Whether any of the options was given."""
        return any(getattr(self, each.name) != each.default for each in fields(self))

    @property
    def rejects(self) -> bool:
        """Whether they say what is rejected, so that nothing else is."""
        return self.reject is not None or self.minmax is not None or bool(self.nlow or self.nhigh)

    def combine(
        self,
        frames: list[Path],
        output: Path,
        *,
        method: Literal["average", "median", "sum"],
        clip: float,
        clip_spread: str,
        overwrite: bool,
        mem_limit_bytes: int | None,
        workers: int | None,
        reject_outliers: bool,
    ) -> dict[str, object]:
        """Combine, write, and return what is to be said of it.

        Raises
        ------
        UsageError
            When an option is not understood, or one that has nothing to do with the others is missing.
        """
        import numpy as np

        from zeroframe.fits import scan
        from zeroframe.fits.formats import compression_of
        from zeroframe.run.combine_target import replaced_target
        from zeroframe.run.keys import sign_combined
        from zeroframe.verbs.combine import combine
        from zeroframe.verbs.saving import write_ccd

        self._check(reject_outliers=reject_outliers)
        replaces = replaced_target(output, frames, overwrite=overwrite)
        numbers = FrameNumbers.read(self.scale, self.zero, self.weights)
        low, high = _limits(self.minmax)
        clips = not self.rejects and clip > 0
        with as_remarks():
            made = combine(
                list(frames),
                None,
                method,
                weights=numbers.weights,
                scale=numbers.scale,
                zero=numbers.zero,
                mem_limit=mem_limit_bytes,
                clip_extrema=bool(self.nlow or self.nhigh),
                nlow=self.nlow,
                nhigh=self.nhigh,
                minmax_clip=self.minmax is not None,
                minmax_clip_min=low,
                minmax_clip_max=high,
                sigma_clip=clips,
                sigma_clip_low_thresh=clip if clips else self.lsigma,
                sigma_clip_high_thresh=clip if clips else self.hsigma,
                sigma_clip_func="median",
                sigma_clip_dev_func="std" if clip_spread == "std" else "mad_std",
                reject=self.reject,
                readnoise=self.readnoise,
                gain=self.gain,
                pclip=self.pclip,
                outliers=self.outliers,
                significance=self.significance,
                grow=self.grow,
                combine_uncertainty_function="pooled",
                workers=workers,
            )
        without = int(np.count_nonzero(~np.isfinite(made.data)))
        if without == made.data.size:
            raise UsageError(
                f"no pixel keeps a value: {made.meta['COMBREJ']} rejects all that the frames hold; set other limits"
            )
        headers = {path: scan(path).cards for path in frames}
        add_shared_errors(made, headers, method, numbers, mem_limit_bytes)
        made.meta.update(self._exposure([headers[path] for path in frames], method, numbers))
        sign_combined(made.meta, f"{method} of {len(frames)} frames, rejection {made.meta['COMBREJ']}", (), None)
        write_ccd(made, output, compress=compression_of(output), overwrite=replaces)
        values = made.data.size * len(frames)
        return {
            "frames": len(frames),
            "rejection": made.meta["COMBREJ"],
            "rejected": round(1.0 - float(made.flags.sum(dtype=int)) / values, 6),
            "not_finite_pixels": without,
        }

    def _check(self, *, reject_outliers: bool) -> None:
        """Raise `UsageError` where an option stands without the one that it belongs to, or with one that it cannot."""
        alone = {"lsigma", "hsigma", "readnoise", "gain", "pclip", "outliers", "significance"}
        given = {each.name for each in fields(self) if getattr(self, each.name) != each.default}
        if given <= alone:
            raise UsageError(f"--{min(given)} belongs to --reject; say which rejection")
        if reject_outliers:
            raise UsageError(f"--reject-outliers and --{min(given)} do not go together: leave out the frames yourself")

    def _exposure(self, headers: list[Cards], method: str, numbers: FrameNumbers) -> dict[str, tuple[float, str]]:
        """Return what the header of the combined frame says of its exposure, and of temperature and airmass."""
        import numpy as np

        from zeroframe.headers.combined_exposure import combined_conditions, combined_exposure

        share = None if numbers.weights is None else np.array(numbers.weights)
        conditions = combined_conditions(headers, weights=share)
        kept = 1.0 - (self.nlow + self.nhigh) / len(headers)
        factors = None
        if self.scale in LEVEL_WORDS:  # all have the level of the first, as if they had its exposure
            headers = headers[:1] * len(headers)
        elif numbers.factors is not None:
            factors = np.array(numbers.factors)
        return conditions | combined_exposure(headers, method, factors=factors, weights=share, kept=kept)


def combine(
    frames: Annotated[
        list[Path],
        typer.Argument(
            metavar="FRAMES...", parser=path_or_url, help="Calibrated frames of one size and unit, or their URLs."
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="FILE", parser=path_or_url, help="What is written.", rich_help_panel=WRITE
        ),
    ],
    method: Method = "average",
    clip: Clip = 5.0,
    clip_spread: Spread = "noise",
    reject_outliers: RejectOutliers = False,
    ext: Ext = None,
    scale: Scale = None,
    zero: Zero = None,
    weights: Weights = None,
    minmax: MinMax = None,
    nlow: Dropped = 0,
    nhigh: Dropped = 0,
    reject: Reject = None,
    lsigma: Sigmas = 3.0,
    hsigma: Sigmas = 3.0,
    readnoise: ReadNoise = None,
    gain: Gain = None,
    pclip: PercentileClip = -0.5,
    outliers: EsdOutliers = 0.3,
    significance: EsdSignificance = 0.05,
    grow: Grow = 0.0,
    overwrite: Overwrite = False,
    ignore_checksums: IgnoreChecksums = False,
    mem_limit: MemLimit = None,
    workers: Workers = None,
    strict: Strict = False,
    json: Json = False,
) -> int:
    """Combine frames into one file, with its uncertainty and how many frames each pixel used."""
    from zeroframe.fits.store.names import REMOTE_THREADS, any_remote
    from zeroframe.headers.extensions import as_extension
    from zeroframe.run.combine_files import run_combine
    from zeroframe.run.combined_review import review_of_combined
    from zeroframe.stacks.clipping import clip_spec, clip_spread_of

    screen = Screen.beside(json=json)
    spread, limit = clip_spread_of(clip_spread), bytes_of(mem_limit)
    spec = clip_spec(method, clip, spread)
    frames = expanded(frames)
    if any_remote(*frames):
        workers = workers or REMOTE_THREADS
    asked = CombineOptions(
        scale, zero, weights, minmax, nlow, nhigh, reject, lsigma, hsigma, readnoise, gain, pclip, outliers,
        significance, grow,
    )  # fmt: skip
    if asked.anything:
        made = asked.combine(
            frames, output, method=method, clip=clip, clip_spread=clip_spread, overwrite=overwrite,
            mem_limit_bytes=limit, workers=workers, reject_outliers=reject_outliers,
        )  # fmt: skip
        return _told_figures(screen, made, output, json=json)
    with screen.progress() as progress:
        outcome = run_combine(
            *(frames, output, spec),
            clip_spread=spread,
            reject_outliers=reject_outliers,
            overwrite=overwrite,
            mem_limit_bytes=limit,
            workers=workers,
            progress=progress,
            check_sums=not ignore_checksums,
            ext=as_extension(ext),
        )
    return _told_review(screen, outcome, review_of_combined(outcome, method), output, strict=strict, json=json)


def _told_figures(screen: Screen, made: Mapping[str, object], output: Path, *, json: bool) -> int:
    """Say what frames that were not judged came to."""
    screen.rows(f"Result in {output}", {_SAID.get(name, name): figure for name, figure in made.items()})
    if json:
        print_json({**made, "out": str(output), "exit_code": OK})
    return OK


def _told_review(
    screen: Screen, outcome: CombinedOutcome, review: Review, output: Path, *, strict: bool, json: bool
) -> int:
    """Say what a combination came to, and what was found; return the exit code."""
    screen.combine_result(outcome, review)
    code = REFUSED if outcome.state != "done" else review.exit_code(strict=strict)
    if json:
        from zeroframe.run.document import review_document

        print_json({**review_document("combine", review, code), "out": str(output)})
    return code


def _limits(text: str | None) -> tuple[float | None, float | None]:
    if text is None:
        return None, None
    low, comma, high = text.partition(",")
    if not comma or not (low.strip() or high.strip()):
        raise UsageError(f"--minmax is {text!r}; write LOW,HIGH, such as 0,60000 or ,60000")
    found = [numbers_of(each, "--minmax")[0] if each.strip() else None for each in (low, high)]
    least, most = found
    if least is not None and most is not None and least > most:
        raise UsageError(f"--minmax is {text!r}, the higher limit first; write {high.strip()},{low.strip()}")
    return least, most
