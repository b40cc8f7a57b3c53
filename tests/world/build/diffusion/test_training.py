"""The builder's loop: a training that was stopped gives the weights of one that was not."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from syntrans_world.build.diffusion.captions import caption, phrase_lengths
from syntrans_world.build.diffusion.training import Schedule, train

SCHEDULE = Schedule(steps=30, lr=1e-2, seed=3, warmup=5, save_every=10)


class Stopped(Exception):
    """In place of a kill."""


def model() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(4, 2)


def trained(state, schedule=SCHEDULE, stop: int | None = None) -> dict[str, torch.Tensor]:
    net = model()

    def loss(step: int, generator: torch.Generator) -> dict[str, torch.Tensor]:
        if step == stop:
            raise Stopped
        return {"squares": net(torch.randn(8, 4, generator=generator)).square().mean()}

    train("toy", net, loss, schedule, state)
    return {key: value.detach().clone() for key, value in net.state_dict().items()}


def test_a_stopped_training_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    whole = trained(tmp_path / "whole.safetensors")
    with pytest.raises(Stopped):
        trained(tmp_path / "part.safetensors", stop=17)
    again = trained(tmp_path / "part.safetensors", stop=5)  # goes on at step 10
    assert all(torch.equal(whole[key], again[key]) for key in whole)


def test_the_state_of_another_recipe_is_not_taken_up(tmp_path: Path) -> None:
    state = tmp_path / "state.safetensors"
    trained(state)
    with pytest.raises(Stopped):
        trained(state, replace(SCHEDULE, lr=2e-2), stop=0)


def test_a_loss_that_is_not_finite_ends_the_training(tmp_path: Path) -> None:
    net = model()
    with pytest.raises(FloatingPointError, match="toy: the loss is nan at step 0"):
        train("toy", net, lambda step, _: {"squares": net.weight.sum() * torch.nan}, SCHEDULE, tmp_path / "s")


def test_no_caption_is_longer_than_the_text_tower_reads() -> None:
    import random

    from syntrans_world.build.__main__ import WEIGHTS
    from syntrans_world.build.diffusion.text_tower import tokenizer_of

    tokenizer, rng = tokenizer_of(WEIGHTS / "clip"), random.Random(0)
    count = phrase_lengths(tokenizer)
    texts = [caption(rng, [7, 3, 2, 3, 1, 0], count) for _ in range(300)]
    assert max(len(tokenizer(text).input_ids) for text in texts) <= 32
    assert 10 < sum(not text for text in texts) < 60
