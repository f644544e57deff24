"""Nights that take combined frames which exist already: ours, ccdproc's, IRAF's, those of programs for amateurs."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import warnings
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import CCDData

import zeroframe
from nights import calibrated
from stored_nights import DAYS, Night, copied, night_of, same_science
from workbench import Run, command
from zeroframe.planning.words import explain_frame

ccdproc = pytest.importorskip("ccdproc")


@pytest.fixture(autouse=True)
def _quiet():
    logging.disable(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    logging.disable(logging.NOTSET)


@pytest.fixture(scope="module")
def lfc(tmp_path_factory):
    return night_of("palomar-lfc", tmp_path_factory.mktemp("lfc"))


@pytest.fixture(scope="module")
def cg16m(tmp_path_factory):
    return night_of("apogee-cg16m", tmp_path_factory.mktemp("cg16m"))


@pytest.fixture(params=["lfc", "cg16m"])
def night(request):
    return request.getfixturevalue(request.param)


class TestOurs:
    def test_science_has_the_same_bits_uncertainty_and_mask_included(self, night, tmp_path):
        stored = copied(tmp_path / "masters", *night.out.glob("combined_*.fits"))
        before = {path.name: path.read_bytes() for path in stored.iterdir()}
        made = night.from_stored(tmp_path, stored)
        assert made.result.is_good, made.result.failed
        for name in night.science:
            ours, theirs = (calibrated(night.target(folder, name)) for folder in (night.out, tmp_path / "out"))
            np.testing.assert_array_equal(theirs.data, ours.data)
            np.testing.assert_array_equal(theirs.sigma, ours.sigma)
            np.testing.assert_array_equal(theirs.mask, ours.mask)
            for card in ("ZEROCOR", "DARKCOR", "FLATCOR"):
                own = ours.header.get(card)
                assert theirs.header.get(card) == (None if own is None else f"masters/{own}")
        assert {path.name: path.read_bytes() for path in stored.iterdir()} == before

    def test_age_stands_in_the_reason_and_the_greatest_is_a_rule(self, cg16m, tmp_path):
        stored = copied(tmp_path / "masters", *cg16m.out.glob("combined_*.fits"))
        made = cg16m.from_stored(tmp_path, stored)
        frame = next(each.frame for each in made.result.frames)
        assert f"taken {DAYS} nights away" in explain_frame("x", frame.matches)[0]
        (tmp_path / "old").mkdir()
        old = cg16m.from_stored(tmp_path / "old", stored, f"[calibrations]\ngreatest_age_days = {DAYS - 1}\n")
        frame = next(each.frame for each in old.result.frames)
        assert frame.steps.uses == ()
        assert all(f"{DAYS} nights away, more than {DAYS - 1}" in match.reason for match in frame.matches)

    def test_raw_frames_of_the_night_come_first_unless_the_recipe_says_otherwise(self, cg16m, tmp_path):
        stored = copied(tmp_path / "masters", *cg16m.out.glob("combined_*.fits"))
        for first, expected in (("nearest", ""), ("raw", ""), ("stored", "masters/")):
            recipe = tmp_path / f"{first}.toml"
            recipe.write_text(cg16m.recipe + f'[calibrations]\nfirst = "{first}"\n')
            plan = zeroframe.plan(cg16m.raw, tmp_path / first, recipe=recipe, calibrations=[stored]).plan
            used = {use.name for frame in plan.science for use in frame.steps.uses}
            assert used == {f"{expected}combined_{name}.fits" for name in ("bias", "dark_90s", "flat_r")}

    def test_another_content_is_another_result(self, cg16m, tmp_path):
        stored = copied(tmp_path / "masters", *cg16m.out.glob("combined_*.fits"))
        cg16m.from_stored(tmp_path, stored)
        kept = cg16m.from_stored(tmp_path, stored)
        assert {each.outcome.state for each in kept.result.frames} == {"skipped"}
        with fits.open(stored / "combined_bias.fits", mode="update") as hdus:
            hdus[0].data[10, 10] += 7.0
        with pytest.raises(zeroframe.OutputExistsError):
            cg16m.from_stored(tmp_path, stored)
        again = cg16m.from_stored(tmp_path, stored, overwrite=True)
        assert {each.outcome.state for each in again.result.frames} == {"done"}

    def test_verify_compares_them_where_it_compares_the_raw_frames(self, cg16m, tmp_path):
        stored = copied(tmp_path / "masters", *cg16m.out.glob("combined_*.fits"))
        bad = np.zeros((300, 400), np.uint8)
        bad[3, 3] = 1
        fits.writeto(stored / "bpm.fits", bad, fits.Header({"OBJECT": "bad pixel mask"}))
        cg16m.from_stored(tmp_path, stored)
        words = ("verify", tmp_path / "out", "--raw", tmp_path / "science")
        assert on_a_wide_screen(*words).code == 0
        with fits.open(stored / "combined_bias.fits", mode="update") as hdus:
            hdus[0].data[10, 10] += 7.0
        (stored / "bpm.fits").unlink()
        wrong = on_a_wide_screen(*words)
        assert wrong.code == 1
        assert "combined_bias.fits: is not the stored calibration frame that was used" in wrong.out
        assert "bpm.fits: the stored calibration frame is not there any more" in wrong.out

    def test_the_command_the_dry_run_the_page_and_explain_name_them(self, cg16m, tmp_path):
        stored = copied(tmp_path / "masters", *cg16m.out.glob("combined_*.fits"))
        made = cg16m.from_stored(tmp_path, stored, report=True)
        page = (tmp_path / "out" / "report.html").read_text()
        assert "Stored calibration frames" in page
        assert "masters/combined_dark_90s.fits" in page
        target = cg16m.target(tmp_path / "out", cg16m.science[0])
        told = said_by("explain", target)
        assert "masters/combined_bias.fits existed already" in told
        assert "made by zeroframe of 10 frames" in told
        options = ("--recipe", tmp_path / "night.toml", "--calibrations", stored, "--dry-run")
        dry = said_by("night", tmp_path / "science", "-o", tmp_path / "new", *options)
        assert "stored flat r" in dry
        assert not (tmp_path / "new").exists()
        assert made.result.is_good


def on_a_wide_screen(*words: object) -> Run:
    """Run the command where no line is folded."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "300")
        return command(*words)


def said_by(*words: object) -> str:
    """Return all that a command says that goes well."""
    done = on_a_wide_screen(*words)
    assert done.code == 0, done.err
    return done.out + done.err


def prepared(path: Path, name: str) -> CCDData:
    """Overscan and trim by ccdproc."""
    frame = CCDData.read(path, unit="adu")
    frame.data = frame.data.astype(np.float64)
    if name == "palomar-lfc":
        frame = ccdproc.subtract_overscan(frame, fits_section="[608:632,:]", overscan_axis=1, median=True)
        return ccdproc.trim_image(frame, fits_section="[1:600,:]")
    return ccdproc.trim_image(frame, fits_section="[1:400,:]")


def averaged(frames: list[CCDData], header: fits.Header) -> CCDData:
    combined = ccdproc.Combiner(frames).average_combine()
    combined.meta = header.copy()
    combined.meta["COMBINED"] = True
    return combined


class TestCcdproc:
    """Masters that ccdproc has really made, and written as it writes them."""

    def masters(self, night: Night, folder: Path, *, with_planes: bool) -> Path:
        folder.mkdir()
        biases = [prepared(path, night.name) for path in night.files("bias")]
        bias = averaged(biases, biases[0].header)
        made = {"my_bias": bias}
        for group in (each for each in night.result.groups if each.group.kind == "dark"):
            darks = [prepared(frame.source, night.name) for frame in group.group.frames]
            if not group.group.includes_bias:
                darks = [ccdproc.subtract_bias(dark, bias) for dark in darks]
            made[group.group.name.replace("combined", "my")] = averaged(darks, darks[0].header)
        for group in (each for each in night.result.groups if each.group.kind == "flat"):
            flats = []
            for frame in group.group.frames:
                flat = prepared(frame.source, night.name)
                for use in frame.steps.uses:
                    known = bias if use.kind == "bias" else made[use.name.replace("combined", "my")]
                    part = CCDData(known.data * (1.0 if use.scale is None else use.scale), unit="adu")
                    flat = ccdproc.subtract_bias(flat, part)
                flats.append(flat)
            levels = np.array([group.levels[frame.source] for frame in group.group.frames])
            combiner = ccdproc.Combiner(flats)
            combiner.scaling = np.median(levels) / levels
            flat = combiner.average_combine()
            flat.meta = flats[0].header.copy()
            flat.meta["combined"] = True
            made[group.group.name.replace("combined", "my")] = flat
        for name, each in made.items():
            if not with_planes:
                each.uncertainty = each.mask = None
            each.write(folder / f"{name.removesuffix('.fits')}.fits")
        return folder

    @pytest.mark.parametrize("with_planes", [True, False])
    def test_science_is_that_of_raw_calibration_frames(self, night, tmp_path, with_planes):
        stored = self.masters(night, tmp_path / "masters", with_planes=with_planes)
        made = night.from_stored(tmp_path, stored)
        assert made.result.done, made.result.failed
        same_science(night, tmp_path / "out")
        used = {use.name for each in made.result.frames for use in each.frame.steps.uses}
        assert all(name.startswith("masters/my_") for name in used)
        assert len(used) == 3
        states = {group.stored.uncertainty for group in made.plan.stored if group.kind != "flat"}
        assert states == ({"stated"} if with_planes else {"estimated"})


IRAF = shutil.which("irafcl")


@pytest.mark.skipif(IRAF is None, reason="IRAF is not installed")
class TestIraf:
    """Masters that IRAF's ccdred has really made."""

    def masters(self, night: Night, folder: Path) -> Path:
        folder.mkdir()
        work = folder.parent / "iraf"
        work.mkdir()
        for kind in ("bias", "dark", "flat"):
            for number, path in enumerate(night.files(kind)):
                with fits.open(path) as hdus:
                    header, data = hdus[0].header, hdus[0].data[:, :400].astype(np.float32)
                    for card in ("BZERO", "BSCALE", "CHECKSUM", "DATASUM", "BIASSEC", "TRIMSEC"):
                        header.remove(card, ignore_missing=True)
                    if kind == "flat":
                        group = next(each for each in night.result.groups if each.group.kind == "flat")
                        header["FLVL"] = 30000.0 / group.levels[path]  # what IRAF multiplies by
                    fits.writeto(work / f"{kind}{number:02d}.fits", data, header)
        self.run(work)
        for name in ("Zero", "Dark", "Flat"):
            shutil.copy(work / f"{name}.fits", folder)
        return folder

    def run(self, work: Path) -> None:
        no = ", ".join(
            f"{each}=no"
            for each in ("fixpix", "overscan", "trim", "flatcor", "illumcor", "fringecor", "readcor", "scancor")
        )
        plain = 'combine="average", reject="none", ccdtype="", process=no, delete=no'
        script = f"""
set imtype = "fits"
noao
imred
ccdred
ccdred.instrument = ""
ccdred.verbose = no
ccdred.pixeltype = "real real"
zerocombine ("bias*.fits", output="Zero", {plain}, scale="none")
ccdproc ("dark*.fits", output="", ccdtype="", zerocor=yes, zero="Zero", darkcor=no, {no})
darkcombine ("dark*.fits", output="Dark", {plain}, scale="none")
ccdproc ("flat*.fits", output="", ccdtype="", zerocor=yes, zero="Zero", darkcor=yes, dark="Dark", {no})
images
immatch
imcombine ("flat*.fits", output="Flat", combine="average", reject="none", scale="!FLVL")
logout
"""
        environment = os.environ | {"HOME": str(work), "USER": "nobody", "TERM": "dumb"}
        done = subprocess.run(
            [IRAF], input=script, cwd=work, env=environment, capture_output=True, text=True, timeout=30, check=False
        )
        assert (work / "Flat.fits").exists(), done.stdout + done.stderr

    def test_science_is_that_of_raw_calibration_frames(self, cg16m, tmp_path):
        stored = self.masters(cg16m, tmp_path / "masters")
        made = cg16m.from_stored(tmp_path, stored)
        same_science(cg16m, tmp_path / "out")
        found = {group.kind: group for group in made.plan.stored}
        assert {each.stored.made_by for each in found.values()} == {"IRAF"}
        assert {each.stored.frames for each in found.values()} == {10}
        assert not found["dark"].includes_bias
