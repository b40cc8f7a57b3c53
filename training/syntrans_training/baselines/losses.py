"""What the trained baselines minimise on tasks of base classes that play novel ones."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from syntrans_training.episodes.base_class_tasks import PseudoNovelTasks
from syntrans_training.episodes.class_index import query_labels
from syntrans_training.modules.am3_gate import AM3Gate
from syntrans_training.modules.attention import AttentionGenerator
from syntrans_training.modules.semalign import SemAlign


def attention_loss(generator: AttentionGenerator, batch: PseudoNovelTasks) -> Tensor:
    """Cross-entropy over the classes that play novel ones and the base classes left in memory, queries of both."""
    e, n = batch.classes.shape
    held_out_mask = torch.zeros(e, len(generator.base), dtype=torch.bool).scatter(1, batch.classes, value=True)
    novel = generator(batch.support, held_out_mask)
    query = torch.cat([batch.query, batch.others], 1)
    remembered = generator.logits(query, generator.base.expand(e, -1, -1))
    logits = torch.cat(
        [generator.logits(query, novel), remembered.masked_fill(held_out_mask[:, None], float("-inf"))], -1
    )
    own = query_labels(n, batch.query.shape[1] // n).expand(e, -1)
    return F.cross_entropy(logits.flatten(0, 1), torch.cat([own, batch.other_classes + n], 1).flatten())


def gate_loss(gate: AM3Gate, batch: PseudoNovelTasks, text: Float[Tensor, "c s"]) -> Tensor:
    """Cross-entropy over the task's classes, of squared distances to the mixed prototypes."""
    unit = F.normalize(F.normalize(batch.support, dim=-1).mean(2), dim=-1)
    mixed = gate(unit, text[batch.classes])
    logits = -gate.scale * torch.cdist(batch.query, mixed).square()
    n = mixed.shape[1]
    own = query_labels(n, batch.query.shape[1] // n).repeat(len(mixed))
    return F.cross_entropy(logits.flatten(0, 1), own)


def alignment_loss(
    network: SemAlign,
    features: Float[Tensor, "b d"],
    labels: Int[Tensor, " b"],
    text: Float[Tensor, "c s"],
    centres: Float[Tensor, "c d"],
) -> Tensor:
    """L1 between the reconstructed and the true centre of each feature's class."""
    return F.l1_loss(network(text[labels], features), centres[labels])
