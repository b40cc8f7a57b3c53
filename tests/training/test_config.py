import json
from pathlib import Path

import pytest
import torch

from syntrans.cli.config_keys import CONFIGS as CONFIGS_OF
from syntrans.cli.config_keys import model_of
from syntrans.config import dotted, from_values, load_config, read_saved
from syntrans.errors import UsageError
from syntrans_training.config import DistillConfig, EncoderConfig, EvaluateConfig, TrainConfig
from syntrans_training.engine.trainer import learning_rate
from syntrans_training.pipeline.generations import plan
from syntrans_training.text.text_encoder_choice import text_encoder_ref

CONFIGS = sorted((Path(__file__).parents[2] / "training" / "configs").rglob("*.yaml"))


def test_configs_are_found() -> None:
    assert {"world", "caltech101", "smoke", "evaluate"} <= {path.stem for path in CONFIGS}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_shipped_config_is_valid_and_states_its_claim(path) -> None:
    command = next((name for name in CONFIGS_OF if path.stem.startswith(name)), "train")
    load_config(model_of(command), path, kind="training/configs")
    header = path.read_text().split("\n\n")[0]
    for word in ("# Claim:", "# Command:", "# Cost:"):
        assert word in header


def test_the_defaults_of_evaluate_are_the_shipped_protocol() -> None:
    path = next(path for path in CONFIGS if path.stem == "evaluate")
    assert load_config(EvaluateConfig, path, kind="training/configs") == EvaluateConfig()


def test_an_unknown_key_is_an_error() -> None:
    with pytest.raises(UsageError, match="epoch"):
        load_config(TrainConfig, "smoke", kind="training/configs", overrides=["encoder.epoch=3"])


@pytest.mark.parametrize("name", ["miniimagenet", "tieredimagenet", "cifar-fs", "fc100"])
def test_a_published_recipe_keeps_its_numbers(name: str) -> None:
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


def test_the_members_of_the_ladder_differ_in_the_method_alone() -> None:
    ladder = load_config(TrainConfig, "caltech101-skd", kind="training/configs").encoder
    one, zero = (
        plan(ladder.model_copy(update={"method": m}), base_key="", device=torch.device("cpu"), seed=0)
        for m in ("skd-gen1", "skd-gen0")
    )
    assert one.teacher.identity == zero.identity


@pytest.mark.parametrize(
    ("given", "became"),
    [
        ("encoder.distill.epochs=3", "encoder.distill was renamed to generation1"),
        ("encoder.method=given", "encoder.method: given was renamed to precomputed"),
        ("encoder.cmkd.eyes=own", "encoder.cmkd.eyes was renamed to teacher_backbone"),
        ("distill.terms.text=0", "distill.terms was renamed to loss_weights"),
        ("text.weighting=ledger", "text.weighting: ledger was renamed to mining"),
        ("vsbird.keep=0.5", "vsbird.keep was renamed to descriptor_keep_prob"),
        ("bridge.lambdas=[1.0]", "bridge was renamed to ridge"),
        ("methods.names=[]", "methods was renamed to baselines"),
        ("baselines.batch=4", "baselines.batch was renamed to tasks_per_step"),
    ],
)
def test_an_old_name_is_refused_with_the_new_one(given: str, became: str) -> None:
    with pytest.raises(UsageError) as refused:
        from_values(TrainConfig, {}, [given])
    assert str(refused.value) == f"--set: {became}"


def test_old_names_of_an_evaluation_are_refused_with_the_new_ones() -> None:
    with pytest.raises(UsageError, match=r"--set: leak was renamed to seen_queries, .* exclude, error, drop_episode$"):
        from_values(EvaluateConfig, {"leak": "drop"})
    with pytest.raises(UsageError, match=r"--set: split is gone: an evaluation is always of the novel classes$"):
        from_values(EvaluateConfig, {"split": "novel"})


NEW_NAMES = {
    "vsbird.looks": "vsbird.val_checks", "vsbird.scatter": "vsbird.noise_scale", "vsbird.gate": "vsbird.text_gate",
    "vsbird.wrong_texts": "vsbird.text_swap_prob", "vsbird.keep": "vsbird.descriptor_keep_prob",
    "vsbird.noises": "vsbird.spread_factors", "vsbird.powers": "vsbird.feature_powers",
    "vsbird.batch": "vsbird.tasks_per_step", "methods.batch": "baselines.tasks_per_step",
    "encoder.cmkd.srl": "encoder.cmkd.relation_weight", "encoder.cmkd.eyes": "encoder.cmkd.teacher_backbone",
    "encoder.cmkd.mirror": "encoder.cmkd.mirror_weight", "encoder.cmkd.tasks": "encoder.cmkd.tasks_per_step",
    "encoder.cmkd.steps": "encoder.cmkd.steps_per_epoch",
}  # fmt: skip
NEW_PARTS = (("vsbird.powers.", "vsbird.feature_powers."), ("vsbird.noises.", "vsbird.spread_factors."),
             ("vsbird.loss.", "vsbird.loss_weights."), ("distill.terms.", "distill.loss_weights."))  # fmt: skip
NEW_SECTIONS = {"bridge": "ridge", "methods": "baselines"}
NEW_VALUES = {"ledger": "mining", "given": "precomputed"}


def renamed(key):
    for old, new in NEW_PARTS:
        key = key.replace(old, new)
    section, dot, rest = NEW_NAMES.get(key, key).partition(".")
    return NEW_SECTIONS.get(section, section) + dot + rest


@pytest.mark.parametrize("name", ["world-full", "cmkd-world", "features"])
def test_what_a_run_saved_under_old_names_is_read_with_every_value(name: str) -> None:
    saved = json.loads((Path(__file__).parent / "assets" / "saved_configs.json").read_text())["training"][name]
    old, read = dotted(saved), dotted(read_saved(TrainConfig, saved).model_dump(mode="json"))
    assert {"vsbird.looks", "distill.terms.text", "encoder.cmkd.eyes", "bridge.seed", "methods.seed"} <= old.keys()
    expected = {
        renamed(key): NEW_VALUES.get(value, value) if isinstance(value, str) else value for key, value in old.items()
    }
    assert {key: read[key] for key in expected} == expected


def test_an_encoder_that_was_trained_under_old_names_is_still_the_one_that_the_config_asks_for() -> None:
    cmkd = {"ways": 3, "steps_per_epoch": 4, "tasks_per_step": 2, "mirror_weight": 0.5, "relation_weight": 3.0}
    config = EncoderConfig.model_validate(
        {"method": "cmkd", "backbone": "conv4", "precision": "fp32", "compile": "never", "cmkd": cmkd}
    )
    student = plan(config, base_key="b", device=torch.device("cpu"), seed=0, knowledge_key="k")
    assert (student.identity, student.teacher.identity) == ("dafedae667dc5019", "8c8b652c205941a7")


def test_the_world_with_a_teacher_is_the_world_but_for_that() -> None:
    world, full = (load_config(TrainConfig, name, kind="training/configs") for name in ("world", "world-full"))
    assert (world.distill.teacher, full.distill.teacher) == (None, text_encoder_ref(**world.text_choice))
    assert full.model_copy(update={"distill": DistillConfig()}) == world


def test_a_distillation_without_any_term_is_refused() -> None:
    with pytest.raises(ValueError, match="every weight is 0"):
        DistillConfig(loss_weights={"text": 0, "relation": 0, "feature": 0})
