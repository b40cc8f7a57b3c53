"""CLIP's verdict on imagined pictures: as mining's filter judges descriptors by real pictures, the other way round.

docs/method.md (45).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from syntrans.contract.imagined import ImaginedRow
from syntrans.errors import InputError
from syntrans.images.decode import decode
from syntrans_training.imagination.clip_space import ClipSpace


@dataclass(frozen=True)
class Judge:
    """`text` [c, d]: unit vectors of `class_ids`; a kept picture leads by more than `min_margin`."""

    clip: ClipSpace
    text: Float[Tensor, "c d"]
    class_ids: tuple[str, ...]
    min_margin: float

    def judged(self, rows: Sequence[ImaginedRow]) -> list[ImaginedRow]:
        """The rows with similarity, margin and neighbour; those that do not lead get the reason `other_class`."""
        shown = [i for i, row in enumerate(rows) if row.image is not None]
        if not shown:
            return list(rows)
        judged = list(rows)
        vectors = self.clip.project(self.clip.before_projection(pixels([rows[i].image or b"" for i in shown])))
        for i, scores in zip(shown, vectors @ self.text.T, strict=True):
            own = self.class_ids.index(rows[i].class_id)
            others = scores.clone()
            others[own] = -torch.inf
            nearest = int(others.argmax())
            lonely = len(self.class_ids) == 1
            margin = None if lonely else float(scores[own] - others[nearest])
            bad = margin is not None and not margin > self.min_margin  # NaN leads nowhere
            judged[i] = replace(
                rows[i],
                similarity=float(scores[own]),
                margin=margin,
                neighbour=None if lonely else self.class_ids[nearest],
                reason=rows[i].reason or ("other_class" if bad else None),
            )
        return judged


def pixels(images: Sequence[bytes]) -> UInt8[np.ndarray, "n s s 3"]:
    """PNGs as an array; InputError where they are of several sizes."""
    shown = [np.asarray(decode(image, "an imagined picture")) for image in images]
    sizes = sorted({f"{one.shape[1]}x{one.shape[0]}" for one in shown})
    if len(sizes) > 1:
        raise InputError(f"imagined pictures of one size are needed, there are {', '.join(sizes)}; imagine them again")
    return np.stack(shown)
