"""Pictures that are in two parts, exactly or nearly: the same photograph again, recompressed, resized or brightened.

Nearly means that the perceptual hashes (DCT, 64 bits, equal to `imagehash.phash`) differ in at most 6 bits and that the
pictures, as 16 x 16 greys, correlate with at least 0.95. On Caltech-101 the first rule alone finds no pair among 16
million of different photographs, and 99 % of pictures after JPEG at quality 30 or half the size; the second is needed
for drawings and plain backgrounds, whose hashes are alike by chance.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from syntrans.progress import track
from syntrans_training.data.store import Split

MAX_BITS = 6
MIN_CORRELATION = 0.95
ROWS, COLUMNS = 128, 8192  # of a block: 8 MiB of xor-ed hashes
_SIDE = 32
# The 8 lowest frequencies of the discrete cosine transform (type 2) of 32 values, [8, 32].
_DCT = 2 * np.cos(np.pi * np.arange(8)[:, None] * (2 * np.arange(_SIDE) + 1) / (2 * _SIDE))


@dataclass(frozen=True)
class Pair:
    """Picture `first` of part `one` and `second` of part `other` (positions in their splits); 0 bits may be equal."""

    one: str
    first: int
    other: str
    second: int
    bits: int
    exact: bool


def find_duplicates(splits: dict[str, Split], most: int = 10_000) -> list[Pair]:
    """Pairs across parts, at most `most` of each two parts; exact ones have the same content hash.

    Time grows with the product of the parts' sizes (half a billion pairs a second and core), memory does not.
    """
    hashes = {name: perceptual_hashes(split) for name, split in splits.items()}
    pairs = []
    for one, other in combinations(splits, 2):
        a, b = splits[one], splits[other]
        taken = 0
        for i, j, bits in close(hashes[one], hashes[other]):
            exact = a.sha256[i] == b.sha256[j]
            if exact or correlation(a.pixels[i], b.pixels[j]) >= MIN_CORRELATION:
                pairs.append(Pair(one, i, other, j, bits, exact))
                taken += 1
            if taken == most:
                break
    return pairs


def perceptual_hashes(split: Split) -> NDArray[np.uint64]:
    """The 64-bit hash of every picture, [n]."""
    hashes = np.empty(len(split), np.uint64)
    with track(f"compare {split.name}", len(split), "images") as progress:
        for i, pixels in enumerate(split.pixels):
            hashes[i] = np.packbits(perceptual_bits(pixels)).view(">u8")[0]
            progress.advance(1)
    return hashes


def perceptual_bits(pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Whether each of the 8 x 8 lowest frequencies of the picture [S, S, 3] exceeds their median, [8, 8].

    After http://www.hackerfactor.com/blog/index.php?/archives/432-Looks-Like-It.html, as `imagehash.phash` has it.
    """
    small = Image.fromarray(pixels).convert("L").resize((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    low = _DCT @ np.asarray(small, dtype=np.float64) @ _DCT.T
    bits: NDArray[np.bool_] = low > np.median(low)
    return bits


def close(a: NDArray[np.uint64], b: NDArray[np.uint64], bits: int = MAX_BITS) -> Iterator[tuple[int, int, int]]:
    """(i, j, distance) of every pair of hashes [n] and [m] with at most `bits` different bits, in the order of i.

    Blocks are compared in threads, which numpy lets run side by side.
    """

    def rows(top: int) -> list[tuple[int, int, int]]:
        block = []
        for left in range(0, len(b), COLUMNS):
            different = np.bitwise_count(a[top : top + ROWS, None] ^ b[None, left : left + COLUMNS])
            for i, j in np.argwhere(different <= bits):
                block.append((top + int(i), left + int(j), int(different[i, j])))
        return sorted(block)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for block in pool.map(rows, range(0, len(a), ROWS)):
            yield from block


def correlation(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Of two pictures [S, S, 3] as 16 x 16 greys; 1 for two that are both of one single grey."""
    a, b = (_grey(pixels) for pixels in (one, other))
    scale = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float((a * b).sum()) / scale if scale > 0 else float(not (a.any() or b.any()))


def _grey(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    small = Image.fromarray(pixels).convert("L").resize((16, 16), Image.Resampling.BOX)
    grey: NDArray[np.float64] = np.asarray(small, dtype=np.float64)
    return grey - float(grey.mean())
