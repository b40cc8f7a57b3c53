from pathlib import Path

import pytest
import torch

from syntrans.config import from_values, load_config
from syntrans.errors import UsageError
from syntrans_training.config import DistillConfig, EvaluateConfig, TrainConfig
from syntrans_training.config.flier import FlierConfig
from syntrans_training.config.imagination import ImagineConfig
from syntrans_training.encoder.training import plan
from syntrans_training.engine.trainer import learning_rate
from syntrans_training.text.encoders import text_encoder_ref

IMAGINE = ("imagine", "imagine-world")
CONFIGS = sorted((Path(__file__).parents[2] / "training" / "configs").rglob("*.yaml"))


def test_configs_are_found():
    assert {"world", "caltech101", "smoke", "evaluate"} <= {path.stem for path in CONFIGS}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_shipped_config_is_valid_and_states_its_claim(path):
    models = {
        "evaluate": EvaluateConfig,
        "flier": FlierConfig,
        "imagine": ImagineConfig,
        "imagine-world": ImagineConfig,
    }
    load_config(models.get(path.stem, TrainConfig), path, kind="training/configs")
    header = path.read_text().split("\n\n")[0]
    for word in ("# Claim:", "# Command:", "# Cost:"):
        assert word in header


def test_the_defaults_of_evaluate_are_the_shipped_protocol():
    path = next(path for path in CONFIGS if path.stem == "evaluate")
    assert load_config(EvaluateConfig, path, kind="training/configs") == EvaluateConfig()


def test_an_unknown_key_is_an_error():
    with pytest.raises(UsageError, match="epoch"):
        load_config(TrainConfig, "smoke", kind="training/configs", overrides=["encoder.epoch=3"])


@pytest.mark.parametrize("name", ["miniimagenet", "tieredimagenet", "cifar-fs", "fc100"])
def test_a_published_recipe_keeps_its_numbers(name):
    encoder = load_config(TrainConfig, name, kind="training/configs").encoder
    assert (encoder.method, encoder.backbone, encoder.batch_size) == ("skd-gen1", "resnet12", 64)
    assert (encoder.lr, encoder.weight_decay, encoder.rotation_gamma, encoder.generation1.temperature) == (
        0.05,
        5e-4,
        2,
        2,
    )
    small = name in ("cifar-fs", "fc100")
    shape = (encoder.train_size, encoder.augment.crop_pad, encoder.drop_block)
    assert shape == ((32, 4, 2) if small else (84, 8, 5))
    recipe = plan(encoder, base_key="", device=torch.device("cpu"), seed=0)
    assert learning_rate(recipe.teacher.recipe, 0, 1) == 0.05
    assert learning_rate(recipe.teacher.recipe, encoder.epochs - 1, 1) == pytest.approx(
        5e-5 if name == "tieredimagenet" else 5e-3
    )
    assert learning_rate(recipe.recipe, encoder.generation1.epochs - 1, 1) == pytest.approx(1e-4)


def test_the_members_of_the_ladder_differ_in_the_method_alone():
    ladder = load_config(TrainConfig, "caltech101-skd", kind="training/configs").encoder
    one, zero = (
        plan(ladder.model_copy(update={"method": m}), base_key="", device=torch.device("cpu"), seed=0)
        for m in ("skd-gen1", "skd-gen0")
    )
    assert one.teacher.identity == zero.identity


def test_the_old_name_of_generation_1_is_refused_with_the_new_one():
    with pytest.raises(UsageError, match="encoder: the key distill was renamed to generation1"):
        from_values(TrainConfig, {"encoder": {"distill": {"epochs": 3}}})


def test_a_split_to_evaluate_is_refused_for_there_is_one_alone():
    with pytest.raises(UsageError, match="the key split is gone: an evaluation is always of the novel classes"):
        from_values(EvaluateConfig, {"split": "novel"})


def test_the_world_with_a_teacher_is_the_world_but_for_that():
    world, full = (load_config(TrainConfig, name, kind="training/configs") for name in ("world", "world-full"))
    assert (world.distill.teacher, full.distill.teacher) == (None, text_encoder_ref(world))
    assert full.model_copy(update={"distill": DistillConfig()}) == world
