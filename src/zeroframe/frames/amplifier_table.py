"""The table that stands beside an assembled image: what is known of each of its amplifiers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zeroframe.fits.tables import Column, TablePart, read_table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from zeroframe.frames.regions import Region

__all__ = ["AMPLIFIERS", "amplifier_table", "mean_levels"]

#: EXTNAME of the table.
AMPLIFIERS = "AMPLIFIERS"


def amplifier_table(regions: Sequence[Region], levels_adu: Sequence[float]) -> TablePart:
    """Return what is known of the amplifiers of a frame as a table.

    Parameters
    ----------
    regions : sequence of Region
        One for each amplifier.
    levels_adu : sequence of float
        Mean level of the overscan of each, as it was subtracted; of a combined frame the mean over its frames.

    Returns
    -------
    TablePart
        Columns: name; sections of data and overscan in the raw image, of which the extensions of a file stand one above
        the other; section in the result, reversed where it was turned; level, gain, read noise and saturation, NaN
        where they are not known.

    Examples
    --------
    >>> from zeroframe.frames.regions import Region
    >>> from zeroframe.headers.sections import Section
    >>> part = amplifier_table([Region(trim=Section.parse("[1:8,1:5]"), name="A", gain_e_per_adu=1.5)], [1000.0])
    >>> [(column.name, column.values.tolist()) for column in part.columns][:2]
    [('NAME', ['A']), ('RAWSEC', ['[1:8,1:5]'])]
    """

    def numbers(values: Sequence[float | None]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return np.array([np.nan if value is None else value for value in values], np.float64)

    return TablePart(
        AMPLIFIERS,
        (
            Column("NAME", np.array([region.name for region in regions])),
            Column("RAWSEC", np.array([str(region.trim or "") for region in regions])),
            Column("BIASSEC", np.array([str(each.overscan.section) if each.overscan else "" for each in regions])),
            Column("SECTION", np.array([str(region.place or "") for region in regions])),
            Column("LEVEL", numbers(levels_adu), "adu"),
            Column("GAIN", numbers([region.gain_e_per_adu for region in regions]), "electron/adu"),
            Column("RDNOISE", numbers([region.read_noise_e for region in regions]), "electron"),
            Column("SATURATE", numbers([region.saturation_adu for region in regions]), "adu"),
        ),
    )


def mean_levels(paths: Sequence[Path], amplifiers: int) -> tuple[float, ...]:
    """Return the mean level of each amplifier over frames, by their tables; NaN where a frame has no such table.

    Parameters
    ----------
    paths : sequence of pathlib.Path
        Calibrated frames.
    amplifiers : int
        How many there are.

    Raises
    ------
    FrameError
        When a file cannot be read.
    """
    unknown = np.full(amplifiers, np.nan)
    levels = [read_table(path, AMPLIFIERS).get("LEVEL", unknown) for path in paths]
    return tuple(np.mean([each if each.size == amplifiers else unknown for each in levels], axis=0).tolist())
