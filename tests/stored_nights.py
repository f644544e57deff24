"""What the tests of stored calibration frames share: a night, and its science frames alone, taken at another time."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
from astropy.io import fits

import zeroframe
from nights import CAMERAS, RECIPES, SEED, calibrated, carried_out
from zeroframe.run.outcomes import NightResult
from zeroframe.simulate import night_specs, simulate_night

#: Nothing is rejected, so that an average is an average whoever makes it.
PLAIN = "".join(f"[{kind}]\nclip = 0\n" for kind in ("bias", "dark", "flat"))
DAYS = 40


@dataclass(frozen=True)
class Night:
    """A night that was reduced from raw frames, and its science frames alone, as if taken forty days later."""

    name: str
    folder: Path
    result: NightResult

    @property
    def raw(self) -> Path:
        return self.folder / "raw"

    @property
    def out(self) -> Path:
        return self.folder / "out"

    @property
    def recipe(self) -> str:
        return RECIPES[self.name] + PLAIN

    @property
    def science(self) -> list[str]:
        return [spec.file_name for spec in night_specs(CAMERAS[self.name]) if spec.kind == "science"]

    def files(self, kind: str, exposure_s: float | None = None, filter_name: str | None = None) -> list[Path]:
        """Raw frames of a kind, of one exposure or filter where they are given."""
        found = [each.frame for each in self.result.frames if each.frame.kind == kind]
        return [
            frame.source
            for frame in found
            if exposure_s in {None, round(frame.traits.exposure_s)} and filter_name in {None, frame.traits.filter_name}
        ]

    def later(self, folder: Path, days: int = DAYS) -> Path:
        """The science frames alone, with the date of another night."""
        folder.mkdir(parents=True)
        for name in self.science:
            with fits.open(self.raw / name, do_not_scale_image_data=True) as hdus:
                header = hdus[0].header
                for card in ("DATE-OBS", "DATE"):
                    if card in header:
                        day = date.fromisoformat(header[card][:10]) + timedelta(days=days)
                        header[card] = f"{day.isoformat()}{header[card][10:]}"
                header.remove("CHECKSUM")
                header.remove("DATASUM")
                hdus.writeto(folder / name)
        return folder

    def from_stored(self, base: Path, stored: Path, more: str = "", **options: object) -> zeroframe.Reduction:
        """The science frames of the other night, reduced with stored frames alone."""
        recipe = base / "night.toml"
        recipe.write_text(self.recipe + more)
        raw = base / "science"
        return zeroframe.night(
            raw if raw.exists() else self.later(raw),
            base / "out",
            recipe=recipe,
            calibrations=stored,
            **{"report": False, **options},
        )

    def target(self, folder: Path, name: str) -> Path:
        return folder / (name.removesuffix(".fits").removesuffix(".fit") + ".fits")


def night_of(name: str, folder: Path) -> Night:
    simulate_night(CAMERAS[name], folder / "raw", seed=SEED)
    return Night(name, folder, carried_out(folder / "raw", folder / "out", RECIPES[name] + PLAIN))


def same_science(night: Night, out: Path, *, level: float = 3000.0) -> None:
    """Compare science frames with those from raw calibration frames: to the rounding of a few float32 operations."""
    for name in night.science:
        ours, theirs = (calibrated(night.target(folder, name)) for folder in (night.out, out))
        rounding = 4 * np.finfo(np.float32).eps * level
        good = ~ours.mask & ~theirs.mask
        assert good.mean() > 0.99
        np.testing.assert_allclose(theirs.data[good], ours.data[good], rtol=1e-6, atol=rounding)


def copied(folder: Path, *sources: Path) -> Path:
    folder.mkdir()
    for source in sources:
        shutil.copy(source, folder / source.name)
    return folder
