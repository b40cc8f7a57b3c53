"""Reading configurations: every key known, every mistake named."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field, ValidationError

from syntrans.cli.config_keys import CONFIGS, model_of
from syntrans.config import StrictModel, dump_config, load_config
from syntrans.errors import UsageError
from syntrans.files.semantic_hash import semantic_hash


class Model(StrictModel):
    name: str
    weight: float = 1.0


class Small(StrictModel):
    seed: int = 0
    mode: Literal["fast", "good"] = "fast"
    models: tuple[Model, ...] = ()
    main: Model | None = None
    rate: float = Field(default=0.1, gt=0)


def load(tmp_path: Path, text: str, *overrides: str) -> Small:
    path = tmp_path / "small.yaml"
    path.write_text(text)
    return load_config(Small, path, kind="mining/configs", overrides=overrides)


def test_an_empty_file_is_all_defaults(tmp_path: Path) -> None:
    assert load(tmp_path, "") == Small()


def test_overrides_are_yaml_values_at_dotted_keys(tmp_path: Path) -> None:
    config = load(tmp_path, "models: [{name: a}]", "seed=3", "models.0.weight=1e-3", "main.name=b", "mode=good")
    assert config == Small(seed=3, models=(Model(name="a", weight=0.001),), main=Model(name="b"), mode="good")


@pytest.mark.parametrize("text", ["{name}", "a photo of a {name}", "{name}, {which}"])
def test_a_template_in_braces_is_text_and_no_mapping(tmp_path: Path, text: str) -> None:
    assert load(tmp_path, "main: {name: a}", f"main.name={text}").main == Model(name=text)


def test_a_config_does_not_change_once_made(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        load(tmp_path, "").seed = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "overrides", "words"),
    [
        ("sed: 1", (), r"small.yaml: unknown key 'sed'; did you mean seed"),
        ("models: [{name: a, wait: 2}]", (), r"unknown key 'models.0.wait'; did you mean weight"),
        ("main: {name: a, zzz: 2}", (), r"unknown key 'main.zzz'; known here: name, weight"),
        ("", ("see=1",), r"unknown key 'see'; did you mean seed"),
        ("", ("seed",), r"--set 'seed': write it as key.sub=value"),
        ("", ("seed=[",), r"not a YAML value"),
        ("", ("seed=2020-13-45",), r"not a YAML value"),
        ("seed: 2020-13-45", (), r"is not YAML"),
        ("seed: 1", ("seed.x=1",), r"seed is a value, it has no keys below it"),
        ("models: [{name: a}]", ("models.3.name=b",), r"a list of 1"),
        ("seed: many", (), r"seed: .*integer.*given 'many'"),
        ("mode: best", (), r"mode: .*'fast' or 'good'"),
        ("rate: 0", (), r"rate: .*greater than 0"),
        ("models: [{weight: 1}]", (), r"models.0.name: Field required"),
        ("- a\n- b", (), r"holds a list; a config is a mapping"),
        ("a: b: c", (), r"is not YAML"),
        ("seed: 1\nseed: 2", (), r"key 'seed' given twice"),
    ],
)
def test_a_mistake_is_a_usage_error_that_names_the_key(
    text: str, overrides: tuple[str, ...], words: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        load(tmp_path, text, *overrides)
    assert "\n" not in str(caught.value)


def test_a_config_path_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none.yaml.*is not a file"):
        load_config(Small, tmp_path / "none.yaml", kind="mining/configs")


def test_an_unknown_shipped_config_names_the_alternatives() -> None:
    with pytest.raises(UsageError, match="'wordl' is not among the shipped mining/configs.*world"):
        load_config(Small, "wordl", kind="mining/configs")


def test_a_dumped_config_reads_back_as_itself(tmp_path: Path) -> None:
    config = Small(seed=3, models=(Model(name="ä"),))
    assert load(tmp_path, dump_config(config)) == config


def test_equal_content_has_an_equal_hash_whatever_the_order() -> None:
    assert semantic_hash({"a": 1, "b": [2.5]}) == semantic_hash({"b": [2.5], "a": 1})
    assert semantic_hash(Small()) != semantic_hash(Small(seed=1))


def shipped_configs() -> list[tuple[str, str]]:
    root = Path(__file__).resolve().parents[3]
    return [(kind, path.stem) for kind in ("mining", "training") for path in (root / kind / "configs").glob("*.yaml")]


def test_both_halves_ship_configs() -> None:
    assert {kind for kind, _ in shipped_configs()} == {"mining", "training"}


@pytest.mark.parametrize(("kind", "name"), shipped_configs())
def test_every_shipped_config_is_valid(kind: str, name: str) -> None:
    named = next((command for command in CONFIGS if name.startswith(command)), None)
    model = model_of("mine" if kind == "mining" else named or "train")
    assert load_config(model, name, kind=f"{kind}/configs") is not None
