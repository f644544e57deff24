"""A frame that is called a bias and is none is named, and the others decide on the overscan.

The truth is the strip that is drawn here, on which no light falls.
"""

import numpy as np
import pytest

from zeroframe.inspection import inspect_overscan

NY, NX, STRIP = 240, 200, 20
KINDS = {"a flat": 12000.0, "a dark": 60.0, "a faint dark": 8.0, "a full frame": 1e6, "no picture": None}


def frame(chance, light_adu, gain=1.4, noise=4.0):
    """Levels that drift from frame to frame and along the rows, which the strip shows, too."""
    if light_adu is None:
        return np.zeros((NY, NX + STRIP), np.uint16)
    image = np.zeros((NY, NX + STRIP))
    image[:, :NX] = chance.poisson(light_adu * gain, (NY, NX)) / gain
    image += 1000 + chance.normal(0, 3) + np.cumsum(chance.normal(0, 0.05, NY))[:, None]
    return np.clip(np.rint(image + chance.normal(0, noise, image.shape)), 0, 65535).astype(np.uint16)


def inspected(seed, odd, good_biases=3):
    chance = np.random.default_rng(seed)
    biases = [frame(chance, 0.0) for _ in range(good_biases)]
    flats = [frame(chance, 20000.0) for _ in range(2)]
    science = [frame(chance, 150.0) for _ in range(2)]
    return inspect_overscan({"bias": [*odd(chance), *biases], "flat": flats, "science": science})


@pytest.mark.parametrize("what", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_it_is_named_and_the_others_decide(what, seed):
    result = inspected(seed, lambda chance: [frame(chance, KINDS[what])])
    assert str(result.recommended.section) == f"[{NX + 1}:{NX + STRIP},1:{NY}]"
    assert [said.split(": ")[1] for said in result.sentences if said.startswith("left out")] == ["bias 1"]
    assert result.read_noise_adu.value == pytest.approx(4.0, rel=0.03)
    assert result.used["bias"] == ("bias 2", "bias 3", "bias 4")


def test_two_of_four_are_named():
    result = inspected(7, lambda chance: [frame(chance, 12000.0), frame(chance, 90.0)], good_biases=2)
    assert result.decision == "use"
    assert result.used["bias"] == ("bias 3", "bias 4")


@pytest.mark.parametrize("seed", range(10))
def test_biases_are_left_in(seed):
    chance = np.random.default_rng(seed + 100)
    step, noise, drift = chance.choice([1, 4, 16]), chance.uniform(0.3, 12), chance.uniform(0, 30)
    biases = [np.rint((frame(chance, 0.0, noise=noise) + chance.normal(0, drift)) / step) * step for _ in range(4)]
    flats = [frame(chance, 20000.0, noise=noise) for _ in range(2)]
    result = inspect_overscan({"bias": biases, "flat": flats})
    assert len(result.used["bias"]) == 4
    assert not [said for said in result.sentences if said.startswith("left out")]
