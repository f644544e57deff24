"""Memory that is used again through a night: lent arrays, planes on the cache, images stored in their own memory."""

from __future__ import annotations

import gc
from threading import Thread

import numpy as np
import pytest
from astropy.io import fits

from nights import RECIPES, carried_out, planned, small_night
from zeroframe.fits import ImagePart, write_fits
from zeroframe.frames.steps import CalibrationFrame
from zeroframe.run import threads as backend
from zeroframe.run.buffers import BufferPool
from zeroframe.run.cache import CalibrationCache
from zeroframe.verbs.saving import stored_in_place

MEGABYTE = 1 << 20
NAME = "palomar-lfc"


def place(array):
    return array.__array_interface__["data"][0]


class TestSpareMemory:
    def test_memory_comes_back_when_the_last_view_is_gone(self):
        memory = BufferPool(100 * MEGABYTE)
        first = memory.empty((1024, 1024), np.float32)
        view, known = first[10:20].T, place(first)
        del first
        assert place(memory.empty(4 * MEGABYTE, np.uint8)) != known
        del view
        assert known in {place(one) for one in [memory.empty((512, 1024), np.float64) for _ in range(2)]}

    def test_arrays_that_live_never_share_memory(self):
        memory = BufferPool(100 * MEGABYTE)
        arrays = [memory.empty((512, 1024), np.float32) for _ in range(5)]
        for number, array in enumerate(arrays):
            array[:] = number
        assert [array.min() for array in arrays] == [array.max() for array in arrays] == [0, 1, 2, 3, 4]

    @pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint16, np.bool_])
    def test_arrays_are_what_numpy_gives(self, dtype):
        found = BufferPool(100 * MEGABYTE).empty((700, 900), dtype)
        assert (found.shape, found.dtype) == ((700, 900), np.dtype(dtype))
        assert found.flags.c_contiguous
        assert found.flags.writeable
        assert found.flags.aligned

    def test_spare_memory_makes_way_where_the_limit_is_reached(self):
        memory = BufferPool(10 * MEGABYTE)
        memory.empty(4 * MEGABYTE, np.uint8)
        assert memory.held_bytes == 4 * MEGABYTE
        kept = memory.empty(8 * MEGABYTE, np.uint8)  # far more than the spare piece has
        assert memory.held_bytes == kept.nbytes

    def test_a_large_piece_is_not_given_away_for_a_small_array(self):
        memory = BufferPool(100 * MEGABYTE)
        known = place(memory.empty(32 * MEGABYTE, np.uint8))
        small = memory.empty(2 * MEGABYTE, np.uint8)
        assert place(memory.empty(32 * MEGABYTE, np.uint8)) == known
        assert memory.held_bytes == 32 * MEGABYTE + small.nbytes

    def test_threads_that_come_and_go_mix_nothing_up(self):
        memory, wrong = BufferPool(1000 * MEGABYTE), []

        def work(number):
            for _ in range(200):
                array = memory.empty(MEGABYTE // 2, np.uint8)
                array[::4096] = number
                if not (array[::4096] == number).all():
                    wrong.append(number)

        threads = [Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []
        assert memory.held_bytes <= 9 * MEGABYTE


def plane(value, **cards):
    data = np.full((4, 5), value, np.float32)
    data[0, 0] = 0.0
    return CalibrationFrame(data, np.ones_like(data), None, cards)


class TestShelf:
    def test_planes_leave_when_nobody_will_ask_for_them_again(self, tmp_path):
        cache = CalibrationCache(tmp_path, 10**9, {"dark": 2})
        cache.put("dark", plane(2.0))
        cache.used(["dark"])
        assert cache.get("dark").data[1, 1] == 2.0
        cache.used(["dark"])
        with pytest.raises(Exception, match="dark"):  # it would have to be read, and there is no file
            cache.get("dark")

    def test_of_planes_that_nobody_asks_for_the_header_is_known(self, tmp_path):
        cache = CalibrationCache(tmp_path, 10**9, {})
        cache.put("bias", plane(2.0, NOISEADU=4.5))
        assert cache.number("bias", "NOISEADU") == 4.5
        assert cache.number("bias", "GAINMEAS") is None
        with pytest.raises(Exception, match="bias"):
            cache.get("bias")

    def test_numbers_are_read_from_the_header_of_the_file(self, tmp_path):
        header = fits.Header({"NOISEADU": 3.25})
        write_fits(tmp_path / "bias.fits", [ImagePart(np.ones((4, 5), np.float32), header)])
        assert CalibrationCache(tmp_path, 10**9).number("bias.fits", "NOISEADU") == 3.25

    @pytest.mark.parametrize("others", [0, 1])
    def test_a_flat_is_made_fit_in_its_place_only_where_nobody_wants_it_as_it_is(self, tmp_path, others):
        cache = CalibrationCache(tmp_path, 10**9, {"flat": others}, {"flat": 2})
        original = plane(0.5)
        cache.put("flat", original)
        divisor = cache.flat("flat", None)
        assert divisor.data[0, :2].tolist() == [1.0, 0.5]
        assert divisor.sigma[0, :2].tolist() == [0.0, 1.0]
        assert np.argwhere(divisor.mask).tolist() == [[0, 0]]
        assert np.shares_memory(divisor.data, original.data) is (others == 0)
        if others:
            assert cache.get("flat").data[0, 0] == 0.0
        cache.used(["flat"], "flat")
        assert cache.flat("flat", None) is divisor

    def test_flats_dimmer_than_asked_for_are_not_believed(self, tmp_path):
        """What lies below is masked, and divided by what the flat says."""
        low = plane(0.5)
        low.data[2, 2] = 0.05
        for uses in ({"flat": 1}, {}):
            cache = CalibrationCache(tmp_path, 10**9, uses, {"flat": 1})
            cache.put("flat", CalibrationFrame(low.data.copy(), low.sigma.copy(), None, {}))
            divisor = cache.flat("flat", 0.1)
            assert divisor.data[2, 2] == np.float32(0.05)
            # nothing, not above zero: its light stays as it is
            assert divisor.data[0, 0] == 1.0
            assert np.argwhere(divisor.mask).tolist() == [[0, 0], [2, 2]]


class TestStoredInPlace:
    def test_images_are_as_they_were_afterwards_whatever_happens(self, tmp_path):
        image = np.arange(12, dtype=np.float32).reshape(3, 4)
        others = [image.astype(np.float64), image.copy()[:, ::2], np.ones((3, 4), np.uint8)]
        parts = [ImagePart(image), *(ImagePart(other, None, "MORE") for other in others)]
        with stored_in_place(parts) as stored:
            write_fits(tmp_path / "a.fits", stored)
        write_fits(tmp_path / "b.fits", parts)
        assert (tmp_path / "a.fits").read_bytes() == (tmp_path / "b.fits").read_bytes()
        with pytest.raises(OSError, match="full"), stored_in_place(parts):
            raise OSError("full")
        np.testing.assert_array_equal(image, np.arange(12).reshape(3, 4))


@pytest.mark.long
def test_a_night_uses_memory_again_and_gives_it_back(tmp_path, monkeypatch):
    lent, asked = [], []

    class Watched(BufferPool):
        def __init__(self, limit_bytes):
            super().__init__(limit_bytes)
            lent.append(self)

        def empty(self, shape, dtype=np.float64):
            array = super().empty(shape, dtype)
            asked.append(array.nbytes)
            return array

    monkeypatch.setattr(backend, "BufferPool", Watched)
    raw = small_night(tmp_path / "raw")
    plan = planned(raw, tmp_path / "out", RECIPES[NAME])
    result = carried_out(raw, tmp_path / "out", RECIPES[NAME], workers=1)
    assert result.is_good
    gc.collect()
    spare = sum(map(len, [*lent[0]._spare, *lent[0]._returned]))
    assert spare == lent[0].held_bytes > 0
    assert spare < sum(asked) / 5
    for group in plan.groups:
        counts = fits.getdata(group.target, "COUNTS")
        assert counts.dtype == np.uint8  # one byte a pixel is enough for so few frames
        assert counts.max() == len(group.frames)
