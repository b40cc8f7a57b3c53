"""What trained baselines are trained on and how: by our recipe, the same for all, and by their authors' own.

Ours: Adam with a cosine schedule, few checks at val. Published, as the authors' code has it, on the same frozen
features:
  attention  Gidaris and Komodakis: SGD with Nesterov momentum 0.9, weight decay 5e-4, learning rate 0.1, and 0.006,
             0.0012, 0.00024 after 20, 40, 50 of 60 epochs of 1,000 steps; 8 tasks a step, 15 queries of each kind
  gate       Xing et al. (AM3-ProtoNet): SGD with momentum 0.9, learning rate 0.1, a tenth of it after 15,000, 17,500
             and 20,000 of 30,000 steps; every gradient of norm 1 at most, weight decay 1e-3, dropout 0.7 in
             both; 5 tasks of 24 queries a step at 1-shot, 2 of 32 otherwise; theirs trains the encoder too
  alignment  SemFew: 4,096 hidden units, Adam at 1e-4, a tenth of it after 30 of 50 epochs, 128 pictures a step
Val keeps the better recipe (selection.py). A published recipe that is longer than `published_steps` is run in so many
steps, its schedule shortened with it; that is the only departure.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from syntrans_training.baselines.losses import alignment_loss, attention_loss, gate_loss
from syntrans_training.baselines.registry import Tensors
from syntrans_training.engine.head_trainer import fit, fit_head
from syntrans_training.episodes.base_class_tasks import PseudoNovelSampler
from syntrans_training.modules.am3_gate import AM3Gate
from syntrans_training.modules.attention import AttentionGenerator
from syntrans_training.modules.semalign import SemAlign
from syntrans_training.modules.whiten import class_means

OURS, PUBLISHED = "ours", "published"
VAL_CHECKS = 5  # at val while a head is trained by our recipe
PICTURES = 128  # of a step of the alignment, by both recipes
_EPOCHS = {"attention": 60, "alignment": 50}
_GATE_STEPS = 30_000


@dataclass(frozen=True)
class BaseClasses:
    """The base classes for heads: raw and standardised features [n, d], labels [n], class vectors [C, s]."""

    raw: Float[Tensor, "n d"]
    standard: Float[Tensor, "n d"]
    labels: Int[Tensor, " n"]
    text: Float[Tensor, "c s"]


@dataclass(frozen=True)
class HeadTraining:
    """How heads are trained: `steps` of `batch` tasks (or of 128 pictures), learning rate, hidden units, seed.

    `published_steps`: the most of a published recipe.
    """

    ways: int
    shots: int
    queries: int
    steps: int
    batch: int
    lr: float
    hidden: int
    seed: int
    published_steps: int


# (base, training, accuracy on val of the method that the tensors so far make) -> tensors
Train = Callable[[BaseClasses, HeadTraining, Callable[[Tensors], float]], dict[str, Tensor]]


def base_mean(base: BaseClasses, _training: HeadTraining, _validate: Callable[[Tensors], float]) -> dict[str, Tensor]:
    """SimpleShot's: nothing is trained."""
    return {"mean": base.raw.mean(0)}


def train_attention(
    base: BaseClasses, training: HeadTraining, validate: Callable[[Tensors], float]
) -> dict[str, Tensor]:
    """Weights of the attention generator, trained by our recipe."""
    net, loss = _attention(base, training)
    return _ours(net, loss, training, validate)


def train_attention_published(
    base: BaseClasses, training: HeadTraining, validate: Callable[[Tensors], float]
) -> dict[str, Tensor]:
    """By Gidaris and Komodakis' recipe."""
    net, loss = _attention(base, replace(training, batch=8, queries=max(1, 15 // training.ways)))
    epochs = _EPOCHS["attention"]
    steps = min(1000 * epochs, training.published_steps)

    def rate(step: int) -> float:
        epoch = epochs * step / steps
        return 1.0 if epoch < 20 else 0.06 if epoch < 40 else 0.012 if epoch < 50 else 0.0024

    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    fit(net, loss, optimizer, schedule, steps=steps, val_checks=epochs, validate=lambda: validate(net.state_dict()))
    return dict(net.state_dict())


def train_gate(base: BaseClasses, training: HeadTraining, validate: Callable[[Tensors], float]) -> dict[str, Tensor]:
    """Weights of AM3's gate, trained by our recipe."""
    net, loss = _gate(base, training)
    return _ours(net, loss, training, validate)


def train_gate_published(
    base: BaseClasses, training: HeadTraining, validate: Callable[[Tensors], float]
) -> dict[str, Tensor]:
    """By Xing et al.'s recipe, but for the encoder, which is frozen here."""
    tasks, queries = (5, 24) if training.shots == 1 else (2, 32)
    of_class = max(1, round(queries / training.ways))
    net, loss = _gate(base, replace(training, batch=tasks, queries=of_class), dropout=0.7, share_dropout=0.7)
    steps = min(_GATE_STEPS, training.published_steps)

    def rate(step: int) -> float:
        place = _GATE_STEPS * step / steps
        return 1.0 if place < 15_000 else 0.1 if place < 17_500 else 0.01 if place < 20_000 else 0.001

    def clip(*_: object) -> None:
        for parameter in net.parameters():  # each by itself, as theirs
            assert parameter.grad is not None
            parameter.grad /= parameter.grad.norm().clamp(min=1)

    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-3)
    optimizer.register_step_pre_hook(clip)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    fit(net, loss, optimizer, schedule, steps=steps, val_checks=60, validate=lambda: validate(net.state_dict()))
    return dict(net.state_dict())


def train_alignment(
    base: BaseClasses, training: HeadTraining, validate: Callable[[Tensors], float]
) -> dict[str, Tensor]:
    """Weights of SemAlign, trained by our recipe."""
    torch.manual_seed(training.seed)
    net = SemAlign(base.text.shape[1], base.standard.shape[1], hidden=training.hidden)
    return _ours(net, _alignment(net, base, training.seed), training, validate)


def train_alignment_published(
    base: BaseClasses, training: HeadTraining, validate: Callable[[Tensors], float]
) -> dict[str, Tensor]:
    """Weights of SemAlign, trained by SemFew's recipe."""
    torch.manual_seed(training.seed)
    net, epochs = SemAlign(base.text.shape[1], base.standard.shape[1], hidden=4096), _EPOCHS["alignment"]
    steps = min(epochs * max(1, -(-len(base.labels) // PICTURES)), training.published_steps)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-4)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, max(1, steps * 30 // epochs), gamma=0.1)
    loss = _alignment(net, base, training.seed)
    fit(net, loss, optimizer, schedule, steps=steps, val_checks=epochs, validate=lambda: validate(net.state_dict()))
    return dict(net.state_dict())


def _ours(
    module: nn.Module, loss: Callable[[int], Tensor], training: HeadTraining, validate: Callable[[Tensors], float]
) -> dict[str, Tensor]:
    steps, lr = training.steps, training.lr
    fit_head(module, loss, steps=steps, lr=lr, val_checks=VAL_CHECKS, validate=lambda: validate(module.state_dict()))
    return dict(module.state_dict())


def _attention(base: BaseClasses, training: HeadTraining) -> tuple[AttentionGenerator, Callable[[int], Tensor]]:
    torch.manual_seed(training.seed)
    net, tasks = AttentionGenerator(class_means(base.standard, base.labels)), _tasks(base, training)
    return net, lambda step: attention_loss(net, tasks.draw(step))


def _gate(base: BaseClasses, training: HeadTraining, **dropout: Any) -> tuple[AM3Gate, Callable[[int], Tensor]]:
    torch.manual_seed(training.seed)
    net, tasks = AM3Gate(base.text.shape[1], base.standard.shape[1], **dropout), _tasks(base, training)
    return net, lambda step: gate_loss(net, tasks.draw(step), base.text)


def _alignment(net: SemAlign, base: BaseClasses, seed: int) -> Callable[[int], Tensor]:
    centres = class_means(base.standard, base.labels)

    def loss(step: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
        items = torch.randint(len(base.labels), (PICTURES,), generator=generator)
        return alignment_loss(net, base.standard[items], base.labels[items], base.text, centres)

    return loss


def _tasks(base: BaseClasses, training: HeadTraining) -> PseudoNovelSampler:
    return PseudoNovelSampler(
        base.standard,
        base.labels,
        ways=training.ways,
        shots=training.shots,
        queries=training.queries,
        batch=training.batch,
        seed=training.seed,
    )


RECIPES: dict[str, dict[str, Train]] = {
    "simpleshot": {OURS: base_mean},
    "gidaris": {OURS: train_attention, PUBLISHED: train_attention_published},
    "am3": {OURS: train_gate, PUBLISHED: train_gate_published},
    "semalign": {OURS: train_alignment, PUBLISHED: train_alignment_published},
}
"""The ways each baseline of the registry is trained, of which val keeps the better; the others have nothing to train.

Published: its authors' recipe, where that can be run on frozen features."""
