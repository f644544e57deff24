"""What a recipe says of combined frames and masks that exist already."""

from __future__ import annotations

from dataclasses import field
from typing import Literal, get_args

from zeroframe.planning import recipe_fields as key
from zeroframe.records import dataclass

__all__ = ["CalibrationsFirst", "CalibrationsRecipe"]

CalibrationsFirst = Literal["nearest", "raw", "stored"]


@dataclass(frozen=True, slots=True)
class CalibrationsRecipe:
    """Combined biases, darks, flats and masks that exist already; see docs/calibrations.md."""

    folders: tuple[str, ...] = field(
        default=(),
        metadata=key.names(
            "folders of combined frames and masks that exist already, made by whatever program; they are read only",
            "a list of folders",
        ),
    )
    library: str | None = field(
        default=None,
        metadata=key.name(
            "a library of such frames, or its URL, as zeroframe library add makes it", "the name of a folder", "library"
        ),
    )
    greatest_age_days: float = field(
        default=365.0, metadata=key.number("days that may lie between such a frame and one that it calibrates")
    )
    first: CalibrationsFirst = field(
        default="nearest",
        metadata=key.choice(
            "which come first: those of the 'nearest' night, and of one night those made of raw frames; those made of "
            "'raw' frames wherever some fit; or those that are 'stored' already",
            get_args(CalibrationsFirst),
        ),
    )
