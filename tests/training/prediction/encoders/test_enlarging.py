"""Pictures that an encoder's numpy enlarges are Pillow's, pixel by pixel."""

import threading

import numpy as np
import pytest
from PIL import Image

from syntrans_training.prediction.encoders.enlarging import WIDEST, Enlarger

SCALE = np.array([0.5, 2, 3], np.float32).reshape(3, 1, 1)
SHIFT = np.array([-1, 0, 7], np.float32).reshape(3, 1, 1)


def pillows(pixels, side):
    square = Image.fromarray(pixels).resize((side, side), Image.Resampling.BILINEAR)
    return np.asarray(square).transpose(2, 0, 1)


def enlarged(enlarger, pixels, side):
    out = np.empty((3, side, side), np.float32)
    enlarger.put(pixels, out)
    return out


@pytest.mark.parametrize("side", [5, 16, 224, 299, WIDEST, 1024])
def test_every_pixel_is_pillows_whatever_the_picture_that_came_before(side: int) -> None:
    rng = np.random.default_rng(side)
    plain = Enlarger(side, np.ones_like(SCALE), np.zeros_like(SHIFT))
    sizes = [(1, 1), (side, side), (1, side), (side, 1), *rng.integers(1, side + 1, (20 if side < 1000 else 2, 2))]
    for height, width in sizes:
        pixels = rng.integers(0, 256, (height, width, 3), np.uint8)
        assert np.array_equal(enlarged(plain, pixels, side), pillows(pixels, side)), (height, width)


def test_pixels_half_between_two_numbers_go_where_pillow_puts_them() -> None:
    # 96 lines become 224: the shares are fourteenths, and of steps of 7 every second one ends at a half.
    plain = Enlarger(224, np.ones_like(SCALE), np.zeros_like(SHIFT))
    lines = np.cumsum(np.random.default_rng(0).choice([-7, 7], (96, 3)), 0) + 128
    lines = lines.clip(0, 255).astype(np.uint8)
    for pixels in (np.repeat(lines[:, None], 96, 1), np.repeat(lines[None], 96, 0)):
        assert np.array_equal(enlarged(plain, pixels, 224), pillows(pixels, 224))


def test_colours_are_normalised_each_by_its_own_numbers() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (9, 30, 3), np.uint8)
    expected = pillows(pixels, 32) * SCALE + SHIFT
    assert np.allclose(enlarged(Enlarger(32, SCALE, SHIFT), pixels, 32), expected, atol=1e-4)
    whole = np.random.default_rng(2).integers(0, 256, (32, 32, 3), np.uint8)
    assert np.allclose(enlarged(Enlarger(32, SCALE, SHIFT), whole, 32), pillows(whole, 32) * SCALE + SHIFT)


def test_threads_with_an_enlarger_each_share_the_tables() -> None:
    pixels = [np.random.default_rng(i).integers(0, 256, (4 + i, 60 - i, 3), np.uint8) for i in range(50)]
    wrong = list[bool]()

    def work() -> None:
        own = Enlarger(64, np.ones_like(SCALE), np.zeros_like(SHIFT))
        wrong.extend(not np.array_equal(enlarged(own, one, 64), pillows(one, 64)) for one in pixels)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(wrong) == 150
    assert not any(wrong)
