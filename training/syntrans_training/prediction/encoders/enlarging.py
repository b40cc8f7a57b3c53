"""Pillow's bilinear enlarging, the same to the last pixel, with the normalisation: quicker for small encoders.

Beside a small encoder most time goes into pictures that are smaller than it wants. Pillow goes from pixel to pixel;
here whole rows are added, and what can be done to the small picture is done there.
"""

from functools import lru_cache

import numpy as np

from syntrans_training.prediction.shapes import Float, Int, UInt8

WIDEST = 384  # side up to which it is quicker; to 1024 no pixel but a tie is as near to a half as _LEAN makes it
_DIGITS = 22  # binary digits of Pillow's weights: their rounding decides ties
_LEAN = 2.0**-21  # more than float32 rounds off
_KEPT = 32  # tables of weights; one has 200 KB for a side of 224


class Enlarger:
    """Puts pictures into a batch, normalised: colours · `scale` + `shift`, each [3, 1, 1]. One for each thread.

    Its memory is used again: fresh memory for every picture takes as long as filling it.
    """

    def __init__(self, side: int, scale: Float[np.ndarray, "3 1 1"], shift: Float[np.ndarray, "3 1 1"]) -> None:
        self._side, self._scale, self._shift = side, scale, shift
        self._memory = [np.empty(3 * side * side, np.float32) for _ in range(4)]

    def put(self, pixels: UInt8[np.ndarray, "h w 3"], out: Float[np.ndarray, "3 s s"]) -> None:
        """A picture that is no larger than the square, in the whole of it."""
        height, width = pixels.shape[:2]
        if height == width == self._side:
            np.multiply(pixels.transpose(2, 0, 1), self._scale, out=out)
            out += self._shift
            return
        columns = self._planes(0, width, height)
        columns[:] = pixels.transpose(2, 1, 0)
        first, rises = self._rises(columns)
        wide = columns.take(first, 1, self._planes(1, self._side, height), "clip")
        wide += rises
        rows = self._planes(0, height, self._side)
        rows[:] = wide.transpose(0, 2, 1)
        first, rises = self._rises(rows)
        rises *= self._scale
        rows *= self._scale
        rows += self._shift
        rows.take(first, 1, out, "clip")
        out += rises

    def _rises(self, lines: Float[np.ndarray, "3 n m"]) -> tuple[Int[np.ndarray, " s"], Float[np.ndarray, "3 s m"]]:
        """The line before every new one, and by what whole numbers the new one is more than that."""
        _, n, m = lines.shape
        first = _weights(n, self._side)[0]
        steps = self._planes(2, n, m)
        np.subtract(lines[:, 1:], lines[:, :-1], out=steps[:, :-1])
        steps[:, -1] = 0
        rises = steps.take(first, 1, self._planes(3, self._side, m), "clip")
        rises *= _table(n, m, self._side)
        rises += np.float32(0.5)
        return first, np.floor(rises, out=rises)

    def _planes(self, which: int, n: int, m: int) -> Float[np.ndarray, "3 n m"]:
        """Memory for three planes, as the last user left it."""
        return self._memory[which][: 3 * n * m].reshape(3, n, m)


@lru_cache(_KEPT)
def _table(n: int, m: int, side: int) -> Float[np.ndarray, "s m"]:
    """The shares of `_weights` for every pixel of lines of m: numpy repeats a number slowly."""
    table = np.empty((side, m), np.float32)
    table[:] = _weights(n, side)[1][:, None]
    return table


@lru_cache(1024)
def _weights(n: int, side: int) -> tuple[Int[np.ndarray, " s"], Float[np.ndarray, " s"]]:
    """The line of n before each of `side` new ones, and the share of the line behind that.

    A pixel that lies half between two numbers goes where Pillow's rounded weights push it.
    """
    before, rest = np.divmod((2 * np.arange(side) + 1) * n - side, 2 * side)
    rest[before < 0] = 0
    rounded = ((rest << _DIGITS) + side) // (2 * side)
    share = rest / (2 * side) + _LEAN * np.sign(rounded * 2 * side - (rest << _DIGITS))
    return before.clip(0), share.astype(np.float32)
