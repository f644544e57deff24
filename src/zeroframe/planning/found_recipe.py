"""A recipe that lies beside the raw frames: ``zeroframe.toml``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["RECIPE_NAME", "found_recipe"]

RECIPE_NAME = "zeroframe.toml"


def found_recipe(raw: Path) -> Path | None:
    """Return ``zeroframe.toml`` of the raw folder, else of the nearest folder above it; None where there is none.

    Parameters
    ----------
    raw : path
        The folder of raw frames, or a list of them. Nothing is looked for beside the URL of a store.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "zeroframe.toml").write_text("")
    ...     found_recipe(Path(folder) / "archive" / "2026-11-20").name
    'zeroframe.toml'
    """
    from zeroframe.fits.store.names import UrlPath

    if isinstance(raw, UrlPath):
        return None
    here = raw.absolute()
    return next((each / RECIPE_NAME for each in (here, *here.parents) if (each / RECIPE_NAME).is_file()), None)
