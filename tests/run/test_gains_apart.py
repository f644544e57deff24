"""Frames whose headers state another gain than the flats are not given the gain that those flats have."""

from __future__ import annotations

import pytest
from astropy.io import fits

import zeroframe
from wrong_nights import Camera, Shot, write_night


def write(folder, gain, shots):
    cards = {"EGAIN": gain}
    write_night(folder, [Shot(name, kind, seconds, light, cards=cards) for name, kind, seconds, light in shots],
                Camera(gain=gain, read_noise=6.0 / gain, dark_rate=0.0))  # fmt: skip


def biases(letter):
    return [(f"{letter}{i}.fits", "bias", 0, 0.0) for i in range(4)]


@pytest.mark.parametrize("own_biases", [True, False])
def test_noise_is_that_of_the_stated_gain(tmp_path, own_biases):
    flats = [(f"f{i}.fits", "flat", 5, 20000.0) for i in range(4)]
    write(tmp_path / "raw" / "low", 1.5, [*biases("b"), *flats])
    lights = [(f"s{i}.fits", "object", 60, 1000.0) for i in range(2)]
    write(tmp_path / "raw" / "high", 0.5, [*(biases("c") if own_biases else []), *lights])
    made = zeroframe.night(tmp_path / "raw", tmp_path / "out", report=False)
    header = fits.getheader(next((tmp_path / "out").rglob("s0.fits")))
    assert "GAINSAID" not in header
    assert not [each for each in made.findings if "flats of this night have" in each.sentence]
    if own_biases:
        assert header["GAINUSED"] == 0.5
        assert header["NOISERAT"] == pytest.approx(1.0, abs=0.03)
    else:  # the read noise of another gain is none of theirs
        assert "NOISERAT" not in header
