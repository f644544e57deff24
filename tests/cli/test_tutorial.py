"""The tutorial runs from start to end, and what it says of its numbers is true."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from astropy.io import fits

from notebook_cells import code_cells, run_cells

mpl.use("agg")
NOTEBOOK = Path(__file__).resolve().parents[2] / "docs" / "gallery" / "bias-frames.ipynb"


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tutorial")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        ran = run_cells(code_cells(NOTEBOOK))
    ran.names["workplace"] = folder
    yield ran
    mpl.pyplot.close("all")
    mpl.rcdefaults()


def test_the_header_is_wrong_about_the_overscan(ran):
    names = ran.names
    (row,) = ran.outputs('files.summary["file", "biassec"')
    assert row["biassec"] == "[481:512,1:511]"
    assert names["leak_adu"] > 100
    assert np.ptp(names["levels"][17:]) < 2.0


def test_frames_are_calibrated_as_in_the_plainest_computation(ran):
    names = ran.names
    assert ran.outputs("bool((same.data")[0] is True
    assert len(names["raw_biases"]) == len(names["biases"]) == 6
    for path, ccd in zip(names["raw_biases"], names["biases"], strict=True):
        raw = fits.getdata(names["workplace"] / path).astype(np.float64)
        expected = raw - np.median(raw[:, 487:], axis=1)[:, np.newaxis]
        np.testing.assert_array_equal(ccd.data, expected[:, :480])
    (table,) = ran.outputs("calibrated.summary")
    assert [(row["naxis1"], row["naxis2"]) for row in table] == [(480, 512)] * 6
    assert set(table["overscan"]) == {"[488:512,1:512] median"}


def test_noise_is_what_was_put_in_and_falls_as_it_should(ran):
    names = ran.names
    # The scatter of a standard deviation from n values is 1 / sqrt(2 n): 0.14 % here.
    assert names["noise_adu"] == pytest.approx(names["true_noise_adu"], rel=0.006)
    np.testing.assert_allclose(names["measured_adu"] / names["expected_adu"], 1.0, atol=0.01)
    assert 0 < names["rejected"] < 0.0005 * names["combined"].data.size * 6


def test_the_combined_bias_is_the_fixed_pattern(ran):
    from zeroframe.simulate import sensor_truth

    names = ran.names
    truth = sensor_truth(names["camera"], 7, filter_names=[]).fixed_pattern_adu
    residual = names["combined"].data - truth
    residual -= np.median(residual, axis=1, keepdims=True)
    assert np.percentile(np.abs(residual), 68.3) == pytest.approx(names["true_noise_adu"] / np.sqrt(6), rel=0.02)
    with fits.open(names["workplace"] / "combined-bias.fits") as hdus:
        np.testing.assert_array_equal(hdus[0].data, names["combined"].data)
        assert hdus[0].header["NCOMBINE"] == 6
