"""How results are written: a table of output formats, by the word that a recipe and ``--compress`` have for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from zeroframe.records import dataclass

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["FORMATS", "Compression", "OutputFormat", "compression_of", "format_words", "lossless"]

Compression = Literal["none", "gzip", "rice", "rice-lossy"]


@dataclass(frozen=True, slots=True)
class OutputFormat:
    """One way to write a file.

    Attributes
    ----------
    suffix : str
        How names of results end.
    words : str
        What it is called in help.
    is_tiled : bool
        Images are tiles in a table behind an empty primary HDU, as fpack writes them; else images as they are.
    is_deflated : bool
        The whole file is put through gzip.
    image_ext : int
        Where the first image stands.
    held_images : int
        How many images more are held in memory while one is written.
    quantises : bool
        Whether images that have a step are written in whole steps, with loss (`zeroframe.frames.quantisation`).
    """

    suffix: str
    words: str
    is_tiled: bool = False
    is_deflated: bool = False
    image_ext: int = 0
    held_images: int = 0
    quantises: bool = False


#: Every format; a new one is an entry here, a word in `Compression`, and what writes it in `zeroframe.fits.write`.
FORMATS: dict[Compression, OutputFormat] = {
    "none": OutputFormat(".fits", "none"),
    "gzip": OutputFormat(".fits.gz", "gzip (.fits.gz)", is_deflated=True),
    "rice": OutputFormat(".fits.fz", "rice (.fits.fz)", is_tiled=True, image_ext=1, held_images=1),
    "rice-lossy": OutputFormat(
        ".fits.fz",
        "rice-lossy (.fits.fz, science frames quantised)",
        is_tiled=True,
        image_ext=1,
        held_images=2,
        quantises=True,
    ),
}
if set(FORMATS) != set(get_args(Compression)):  # pragma: no cover -- seen when the module is written
    raise AssertionError("the table and the words for it differ")


def compression_of(path: Path) -> Compression:
    """Return the compression that the name of a file asks for; none of them loses anything.

    Examples
    --------
    >>> from pathlib import Path
    >>> compression_of(Path("bias.fits.gz")), compression_of(Path("bias.fits.fz")), compression_of(Path("bias.fits"))
    ('gzip', 'rice', 'none')
    """
    name = path.name.lower()
    endings = {each.suffix.removeprefix(".fits"): word for word, each in FORMATS.items() if not each.quantises}
    return next((word for ending, word in endings.items() if ending and name.endswith(ending)), "none")


def lossless(compress: Compression) -> Compression:
    """Return the format of the same names that loses nothing: for what other frames are calibrated with.

    Examples
    --------
    >>> lossless("rice-lossy"), lossless("gzip")
    ('rice', 'gzip')
    """
    suffix = FORMATS[compress].suffix
    return next(word for word, each in FORMATS.items() if each.suffix == suffix and not each.quantises)


def format_words() -> str:
    """Return the formats as help names them.

    Examples
    --------
    >>> format_words()
    'none, gzip (.fits.gz), rice (.fits.fz) or rice-lossy (.fits.fz, science frames quantised).'
    """
    *first, last = (each.words for each in FORMATS.values())
    return f"{', '.join(first)} or {last}."
