"""The notebooks of the CCD Data Reduction Guide run with only their import changed, and give the right numbers."""

from __future__ import annotations

import shutil
import sys
import warnings

import matplotlib as mpl
import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import FITSFixedWarning
from isal import igzip

from conftest import SEEDS
from notebook_cells import code_cells, printed_tables, run_cells
from zeroframe.fits import ImagePart, write_fits
from zeroframe.simulate import any_camera, night_specs, sensor_truth, simulate_frame
from zeroframe.simulate.headers import frame_header
from zeroframe.verbs.display import style_path
from zeroframe.workers import map_threads

mpl.use("agg")
NEW, OLD = SEEDS / "000_b2bc1839e760e618.txt", SEEDS / "002_591b120dc134270f.txt"
BIASES = [f"ccd.{number:03d}.0.fits" for number in range(1, 7)]

pytestmark = pytest.mark.skipif(not SEEDS.is_dir(), reason="needs ../shared/seeds, which are not part of the project")


def write_frames(folder, name, chosen):
    """Write frames of a night; what is no bias is grey, because the notebooks read only its header."""
    camera = any_camera(name)
    sensor, grey = sensor_truth(camera, 1, filter_names=[]), np.full(camera.shape_yx, 1000, np.uint16)
    for index in chosen:
        spec = night_specs(camera)[index]
        if spec.kind == "bias":
            frame = simulate_frame(camera, spec, 1, index=index, sensor=sensor)
            part = ImagePart(frame.pixels, frame.header)
        else:
            part = ImagePart(grey, frame_header(camera, spec, 1, index))
        write_fits(folder / spec.file_name, [part])


@pytest.fixture(scope="module")
def lfc_night(tmp_path_factory):
    """The whole night of the first example, plain, full size."""
    folder = tmp_path_factory.mktemp("lfc") / "example-cryo-LFC"
    (folder / "darks").mkdir(parents=True)
    write_frames(folder, "palomar-lfc", range(len(night_specs("palomar-lfc"))))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def lfc_night_gz(tmp_path_factory, lfc_night):
    """The same, compressed, with what else the old notebook's listing shows."""
    folder = tmp_path_factory.mktemp("lfc_gz") / "python_imred_data"
    (folder / "darks").mkdir(parents=True)

    def compress(path):
        target = folder / path.relative_to(lfc_night)
        target.with_name(target.name + ".gz").write_bytes(igzip.compress(path.read_bytes(), 1))

    map_threads(compress, lfc_night.rglob("*.fits"))
    (folder / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    (folder / "observing_log.csv").write_text("frame,kind\n1,BIAS\n")
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def cg16m_night(tmp_path_factory):
    """Frames of the second example, full size: three of its biases, and the header of one of each other kind."""
    folder = tmp_path_factory.mktemp("cg16m") / "example-thermo-electric"
    folder.mkdir()
    specs = night_specs("apogee-cg16m")
    chosen = [index for index, spec in enumerate(specs) if spec.kind == "bias"][:3]
    chosen += [next(i for i, spec in enumerate(specs) if spec.kind == kind) for kind in ("dark", "flat", "science")]
    write_frames(folder, "apogee-cg16m", chosen)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """A folder as the notebooks expect it: data beside them, a helper module, a figure style."""
    (tmp_path / "convenience_functions.py").write_text("from zeroframe import show_image\n")
    shutil.copy(style_path(), tmp_path / "guide.mplstyle")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "convenience_functions", raising=False)
    yield tmp_path
    sys.modules.pop("convenience_functions", None)
    mpl.pyplot.close("all")
    mpl.rcdefaults()
    shutil.rmtree(tmp_path)


def run_notebook(path):
    cells = [cell.replace("import ccdproc as ccdp", "import zeroframe as ccdp") for cell in code_cells(path)]
    assert any("import zeroframe as ccdp" in cell for cell in cells)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", FITSFixedWarning)  # CCDData.read of astropy gives it for dates without a time
        return run_cells(cells)


def rows_of(table):
    """Return the rows as Jupyter prints them."""
    return [[str(row[name]) for name in table.colnames] for row in table]


def printed_rows(number, *, plain=False):
    """Return the columns and rows of one of the tables that the old notebook shows."""
    columns, _, *rows = printed_tables(OLD)[number]
    return columns, [[cell.removesuffix(".gz") if plain else cell for cell in row] for row in rows]


def assert_same_table(table, printed):
    columns, rows = printed
    assert table.colnames == columns
    assert rows_of(table) == rows
    for name in set(columns) & {"exptime", "naxis1", "naxis2"}:
        assert table[name].dtype == (np.float64 if name == "exptime" else np.int64)


def stamps(folder):
    return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


def assert_calibrated(raw_folder, out_folder, suffix=""):
    """Compare with the plainest computation there is."""
    assert sorted(path.name for path in out_folder.iterdir()) == BIASES
    for name in BIASES:
        raw = fits.getdata(raw_folder / (name + suffix)).astype(np.float64)
        expected = raw - np.median(raw[:, 2055:], axis=1)[:, np.newaxis]
        with fits.open(out_folder / name) as hdus:
            assert hdus[0].data.shape == (4128, 2048)
            assert hdus[0].header["BITPIX"] == -32
            np.testing.assert_array_equal(hdus[0].data, expected[:, :2048])


def assert_figure(ran, raw_bias, trimmed_bias):
    """Both images are there, averaged over squares, at their own coordinates."""
    axes = [ran.names["ax1"], ran.names["ax2"]]
    assert [ax.get_title() for ax in axes] == ["Raw bias", "Bias, overscan subtracted and trimmed"]
    assert [ax.get_xlim() for ax in axes] == [(-0.5, 2079.5), (-0.5, 2047.5)]
    assert all(ax.get_ylim() == (-0.5, 4127.5) for ax in axes)
    for ax, path in zip(axes, (raw_bias, trimmed_bias), strict=True):
        (image,) = ax.get_images()
        shown = np.asarray(image.get_array())
        assert 400 < shown.shape[0] < 2000
        assert shown.mean() == pytest.approx(fits.getdata(path).mean(dtype=float), abs=0.02)
    ran.names["fig"].canvas.draw()


def test_code_cells_of_both_forms_are_found():
    new, old = code_cells(NEW), code_cells(OLD)
    assert len(new) == 23
    assert len(old) == 15
    for cells in (new, old):
        assert cells[0].startswith("from pathlib import Path\nimport os\n")
        assert sum("subtract_overscan" in cell for cell in cells) == 2


@pytest.mark.long
def test_the_notebook_runs(workplace, lfc_night, cg16m_night):
    for folder in (lfc_night, cg16m_night):
        (workplace / folder.name).symlink_to(folder)
    before = {**stamps(lfc_night), **stamps(cg16m_night)}
    ran = run_notebook(NEW)
    assert {**stamps(lfc_night), **stamps(cg16m_night)} == before

    lfc_table, cg16m_table = ran.outputs("files.summary['file', 'imagetyp', 'filter'")
    assert_same_table(lfc_table, printed_rows(0, plain=True))
    assert_same_table(*ran.outputs("darks_only.summary"), printed_rows(1, plain=True))
    lfc_row, cg16m_row = ran.outputs("files.summary['file', 'imagetyp', 'biassec'")
    assert_same_table(lfc_row.table[:1], printed_rows(2, plain=True))
    assert_calibrated(lfc_night, workplace / "example1-reduced")
    assert_same_table(*ran.outputs("reduced_images.summary"), printed_rows(3))
    assert_figure(ran, lfc_night / BIASES[0], workplace / "example1-reduced" / BIASES[0])

    names = sorted(path.name for path in cg16m_night.iterdir())
    biases = [name for name in names if name.startswith("Bias")]
    kinds = {"Bias": "BIAS", "Dark": "DARK", "Auto": "FLAT", "kelt": "LIGHT"}
    filters = {"Bias": "--", "Dark": "--", "Auto": "r", "kelt": "r"}
    exposures_s = {"Bias": "0.0", "Dark": "90.0", "Auto": "1.0", "kelt": "90.0"}
    assert rows_of(cg16m_table) == [
        [name, kinds[name[:4]], filters[name[:4]], exposures_s[name[:4]], "4109", "4096"] for name in names
    ]
    assert [str(value) for value in cg16m_row] == [names[0], "FLAT", "[4097:4109,1:4096]", "[1:4096,1:4096]"]
    assert_trimmed(ran, cg16m_night, workplace / "example2-reduced", biases)
    copies = sorted((workplace / "example3-reduced").iterdir())
    assert [path.name for path in copies] == biases
    assert all(path.read_bytes() == (cg16m_night / path.name).read_bytes() for path in copies)


def assert_trimmed(ran, raw_folder, out_folder, names):
    assert ran.names["trimmed_bias_fits"].shape == ran.names["trimmed_bias_python"].shape == (4096, 4096)
    assert sorted(path.name for path in out_folder.iterdir()) == names
    for name in names:
        with fits.open(out_folder / name) as hdus:
            np.testing.assert_array_equal(hdus[0].data, fits.getdata(raw_folder / name)[:, :4096])
            assert hdus[0].header["BUNIT"] == "adu"


@pytest.mark.long
def test_the_older_notebook_runs(workplace, lfc_night_gz):
    (workplace / "python_imred_data").symlink_to(lfc_night_gz)
    before = stamps(lfc_night_gz)
    ran = run_notebook(OLD)
    assert stamps(lfc_night_gz) == before

    assert_same_table(*ran.outputs("files.summary['file', 'imagetyp', 'filter'"), printed_rows(0))
    (listing,) = ran.outputs("os.listdir")
    assert set(listing) >= {".DS_Store", "observing_log.csv", "darks", "ccd.043.0.fits.gz"}
    assert_same_table(*ran.outputs("darks_only.summary"), printed_rows(1))
    (row,) = ran.outputs("files.summary['file', 'imagetyp', 'biassec'")
    assert_same_table(row.table[:1], printed_rows(2))
    assert_calibrated(lfc_night_gz, workplace / "reduced", ".gz")
    assert_same_table(*ran.outputs("reduced_images.summary"), printed_rows(3))
    assert_figure(ran, lfc_night_gz / f"{BIASES[0]}.gz", workplace / "reduced" / BIASES[0])
