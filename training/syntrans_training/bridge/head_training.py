"""Training heads of the bridge from their closed form, side by side, and judging them on val."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice, product
from typing import Any

import torch
from torch import Tensor

from syntrans.progress import Tracker
from syntrans_training.bridge.alpha_curve import alpha_curve
from syntrans_training.bridge.episodic_loss import LossWeights, bridge_loss, scatter, show
from syntrans_training.bridge.initialisation import (
    ClassVectorSource,
    MapInit,
    TransformedFeatures,
    full_class_vectors,
)
from syntrans_training.engine.devices import no_denormals, thread_pool
from syntrans_training.engine.head_trainer import fit_head
from syntrans_training.episodes.base_class_tasks import PseudoNovelSampler
from syntrans_training.episodes.class_index import query_labels
from syntrans_training.episodes.sampler import Episodes
from syntrans_training.modules.shared_space import Metric
from syntrans_training.modules.vsbird import HeldOutClasses, VSBird, Weights

_SLOW = ("transform_change", "reconstructor", "generator")
_SEEDING = threading.Lock()  # torch's own random numbers are of the process, not of a thread
CHECK_EPISODES = 300  # val episodes of a validation check while a head is trained


@dataclass(frozen=True)
class HeadTrainingConfig:
    """How heads are trained, and which of the bridge's parts take part (`parts`: arguments of VSBird)."""

    seeds: int
    steps: int
    val_checks: int
    ways: int
    queries: int
    tasks_per_step: int
    lr: float
    noise_scale: float
    text_swap_prob: float
    descriptor_keep_prob: float
    losses: LossWeights
    parts: Mapping[str, Any]
    seed: int = 0  # of the first head


@dataclass(frozen=True)
class HeadProblem:
    """One variant and number of shots: everything that its heads are trained and judged on."""

    features: TransformedFeatures
    metric: Metric
    start: MapInit
    texts: ClassVectorSource
    variant: str
    shots: int
    val: Episodes
    folds: Sequence[HeldOutClasses]

    @torch.no_grad()
    def curve(self, head: VSBird, alphas: Sequence[float], *, episodes: int | None = None) -> list[float]:
        """Accuracy on val for each alpha."""
        tasks = next(self.val.chunks(episodes)) if episodes else self.val
        text = self.texts.val(self.variant, self.start.name_share)
        return alpha_curve(head, self.features.val, text, tasks, alphas).mean(0).tolist()

    def untrained(self, seed: int, parts: Mapping[str, Any]) -> VSBird:
        """The closed form as a head, whose networks begin by the seed."""
        text = full_class_vectors(self.texts, self.variant, self.start.name_share)
        with _SEEDING, torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            head = VSBird(self.metric, self.features.means, text, lam=self.start.lam, **parts)
            head.reconstructor.draw_from(torch.Generator().set_state(torch.get_rng_state()))
        return head


@dataclass(frozen=True)
class TrainedHead:
    """A head, what is to be known of its training, and its accuracy on val for each alpha that was asked for."""

    head: VSBird
    log: dict[str, Any]
    curve: list[float]


def train_heads(
    tasks: Sequence[HeadProblem],
    seeds: Sequence[int],
    config: HeadTrainingConfig,
    alphas: Sequence[float],
    progress: Tracker,
    *,
    tried: bool = False,
) -> Iterator[list[TrainedHead]]:
    """A head for every seed, task by task; as many at once as torch has threads. `tried`: for its accuracy alone."""
    stopped = threading.Event()

    def train(of: tuple[HeadProblem, int]) -> TrainedHead:
        with no_denormals():
            head, log = train_head(*of, config, stopped.is_set, tried=tried)
            *curve, semantic = of[0].curve(head, [*alphas, 1.0])
            return TrainedHead(head, log | {"semantic_val": round(semantic, 6)}, curve)

    with thread_pool(len(tasks) * len(seeds)) as pool:
        try:
            heads = pool.map(train, product(tasks, seeds))
            for _ in tasks:
                of_task = []
                for head in islice(heads, len(seeds)):
                    of_task.append(head)
                    progress.advance()
                yield of_task
        finally:  # also where the user has stopped it: what is under way ends at its next step
            stopped.set()
            pool.shutdown(cancel_futures=True)


def train_head(
    task: HeadProblem,
    seed: int,
    config: HeadTrainingConfig,
    stopped: Callable[[], bool] = lambda: False,
    *,
    tried: bool = False,
) -> tuple[VSBird, dict[str, Any]]:
    """One head and what is to be known of its training, of one that is only `tried` less."""
    head, loss = task.untrained(seed, config.parts), _loss(task, config, seed)

    def validate() -> float:
        return task.curve(head, [0.5], episodes=CHECK_EPISODES)[0]

    def next_loss(step: int) -> Tensor:
        if stopped():
            raise KeyboardInterrupt
        return loss(head, step)

    begun, on_base = validate(), {} if tried else {"semantic_base_before": semantic_on_base(head, task, config, seed)}
    if config.steps:
        step, best = fit_head(
            head,
            next_loss,
            steps=config.steps,
            lr=config.lr,
            val_checks=config.val_checks,
            validate=validate,
            slow=_SLOW,
        )
    else:
        step, best = 0, begun
    head.eval()
    log = {"seed": seed, "step": step, "val_before": begun, "val": best, **on_base}
    if on_base:  # what val leaves as it began is as it was
        before = on_base["semantic_base_before"]
        log["semantic_base"] = semantic_on_base(head, task, config, seed) if step else before
    return head, {name: round(value, 6) for name, value in log.items()}


def _loss(task: HeadProblem, config: HeadTrainingConfig, seed: int) -> Callable[[VSBird, int], Tensor]:
    """The loss of a head at a step, on tasks that the seed draws."""
    features = task.features
    tasks = PseudoNovelSampler(
        features.base, features.labels, ways=config.ways, shots=task.shots,
        queries=config.queries, batch=config.tasks_per_step, seed=seed, others=False,
    )  # fmt: skip
    generator = torch.Generator().manual_seed(seed)

    def loss(head: VSBird, step: int) -> Tensor:
        without = task.folds[int(torch.randint(len(task.folds), (), generator=generator))]
        batch = tasks.draw(step, without.held_out_mask)
        moved = [
            scatter(x, features.residuals, amount=config.noise_scale, generator=generator)
            for x in (batch.support, batch.query)
        ]
        batch = replace(batch, support=moved[0], query=moved[1])
        drawn = task.texts.base(task.variant, task.start.name_share, config.descriptor_keep_prob, generator)
        shown = show(batch.classes, drawn, wrong=config.text_swap_prob, generator=generator)
        alpha = 0.2 + 0.6 * torch.rand(len(batch.classes), 1, 1, generator=generator)  # docs/method.md (26)
        terms = bridge_loss(head, batch, shown, without, alpha=alpha, weights=config.losses)
        return torch.stack(list(terms.values())).sum()

    return loss


@torch.no_grad()
def semantic_on_base(head: VSBird, task: HeadProblem, config: HeadTrainingConfig, seed: int) -> float:
    """Accuracy at alpha 1 on tasks of base classes that play novel ones; beside val's it tells over-fit."""
    right, all_queries = 0, 0
    ways = min(task.val.support.shape[1], int(task.folds[0].held_out_mask.sum()))
    tasks = PseudoNovelSampler(
        task.features.base, task.features.labels,
        ways=ways, shots=task.shots, queries=config.queries, batch=config.tasks_per_step, seed=seed, others=False,
    )  # fmt: skip
    for number, without in enumerate(task.folds):
        batch = tasks.draw(2**31 + number, without.held_out_mask)  # a step that training does not reach
        memory = head.build_memory(without)
        semantic = head.semantic_weights(head.base_text[batch.classes], memory)
        weights = Weights(semantic, semantic, memory)  # pictures have no part
        weight, bias = head.classify(weights, shots=task.shots, alpha=1.0)
        answers = (batch.query @ (weight @ memory.metric.transform).mT + bias.unsqueeze(1)).argmax(-1)
        n = batch.classes.shape[1]
        right += int((answers == query_labels(n, answers.shape[1] // n)).sum())
        all_queries += answers.numel()
    return right / all_queries
