"""Many short continuations behind one shared prefix in one row, as attention and positions would see them apart."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Continuation:
    """Token ids after the prefix; `targets[i]` says that ids[i] is to be predicted."""

    ids: list[int]
    targets: list[bool]


@dataclass(frozen=True)
class Packed:
    """A batch of packed rows.

    ids [B, L]; positions [B, L]; mask [B, 1, L, L] additive; target rows and columns (of the token that predicts),
    target ids [T].
    """

    ids: Tensor
    positions: Tensor
    mask: Tensor
    rows: Tensor
    columns: Tensor
    target_ids: Tensor


def pack(rows: list[tuple[list[int], list[Continuation]]], pad_id: int = 0) -> Packed:
    """Pack (prefix, continuations) rows. A token sees the prefix and what precedes it in its own continuation."""
    length = max(len(prefix) + sum(len(c.ids) for c in continuations) for prefix, continuations in rows)
    ids = torch.full((len(rows), length), pad_id, dtype=torch.long)
    positions = torch.zeros_like(ids)
    segments = torch.full_like(ids, -1)
    where: list[tuple[int, int, int]] = []
    for row, (prefix, continuations) in enumerate(rows):
        ids[row, : len(prefix)] = torch.tensor(prefix)
        positions[row, : len(prefix)] = torch.arange(len(prefix))
        segments[row, : len(prefix)] = 0
        start = len(prefix)
        for number, part in enumerate(continuations, 1):
            end = start + len(part.ids)
            ids[row, start:end] = torch.tensor(part.ids)
            positions[row, start:end] = torch.arange(len(prefix), len(prefix) + len(part.ids))
            segments[row, start:end] = number
            for offset, wanted in enumerate(part.targets):
                if wanted:
                    before = start + offset - 1 if offset else len(prefix) - 1
                    where.append((row, before, part.ids[offset]))
            start = end
    same = segments[:, :, None] == segments[:, None, :]
    sees_prefix = (segments[:, None, :] == 0) & (segments[:, :, None] >= 0)
    causal = torch.ones(length, length, dtype=torch.bool).tril()
    allowed = (same | sees_prefix) & causal
    mask = torch.zeros(len(rows), 1, length, length).masked_fill(~allowed[:, None], -1e9)
    index = torch.tensor(where, dtype=torch.long)
    return Packed(ids, positions, mask, index[:, 0], index[:, 1], index[:, 2])
