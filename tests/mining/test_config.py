"""Every shipped mining config is valid, and says in its header what it needs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from syntrans.config import dotted, load_config, read_saved
from syntrans.errors import UsageError
from syntrans.paths import shipped_dir
from syntrans_mining.config import MiningConfig
from syntrans_mining.dry_run.plan import configured_models
from syntrans_mining.models_config import ClipConfig
from syntrans_mining.packages import needed_packages
from syntrans_mining.requests.prompts import load_prompt

CONFIGS = sorted(shipped_dir("mining/configs").rglob("*.yaml"))


def test_the_promised_configs_are_there() -> None:
    assert {"world", "cpu", "gpu24", "gpu80", "server"} <= {path.stem for path in CONFIGS}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_shipped_config_is_valid_and_its_prompts_are_there(path: Path) -> None:
    config = load_config(MiningConfig, path.stem, kind="mining/configs")
    for source in config.propose.prompts:
        load_prompt(source, "propose")
    load_prompt(config.crosscheck.prompt, "crosscheck")
    load_prompt(config.ground.prompt, "ground")
    assert len({model.path for model in config.llms}) == 3
    assert (config.vlm is None) == (path.stem == "server")


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_shipped_config_has_a_header(path: Path) -> None:
    header = [line for line in path.read_text().splitlines() if line.startswith("#")]
    for field in ("licence", "size", "hardware", "command"):
        assert any(line.startswith(f"# {field}") for line in header), field


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_model_of_a_shipped_config_has_a_licence_and_if_it_must_be_fetched_a_size(path: Path) -> None:
    config = load_config(MiningConfig, path.stem, kind="mining/configs")
    for model, _ in configured_models(config):
        assert model.licence in {"apache-2.0", "mit"}
        assert model.size_gb or model.path.startswith("package:")


@pytest.mark.parametrize("name", ["cpu", "gpu24", "gpu80"])
def test_the_size_in_a_header_is_the_sum_of_its_models(name: str) -> None:
    config = load_config(MiningConfig, name, kind="mining/configs")
    total = sum(model.size_gb or 0 for model, _ in configured_models(config))
    header = (shipped_dir("mining/configs") / f"{name}.yaml").read_text()
    assert f"# size      {total:.0f} GB of weights" in header


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_no_shipped_config_trusts_remote_code(path: Path) -> None:
    assert "trust_remote_code" not in path.read_text()


@pytest.mark.parametrize("name", ["gpu24", "gpu80"])
def test_the_size_of_caches_is_planned_and_no_deprecated_quantization_is_asked_for(name: str) -> None:
    config = load_config(MiningConfig, name, kind="mining/configs")
    assert config.vlm is not None
    for model in (*config.llms, config.vlm):
        assert "gpu_memory_utilization" not in model.args
        assert model.args.get("quantization") in {None, "fp8_per_tensor"}
    if config.vlm.args.get("quantization"):
        assert config.vlm.args["quantization_config"] == {"ignore": ["re:.*visual.*"]}


def test_mining_on_a_server_needs_no_torch() -> None:
    config = load_config(MiningConfig, "server", kind="mining/configs")
    assert [needed.packages for needed in needed_packages(config)] == [("openai",)]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("crosscheck.treshold=1", "did you mean threshold"),
        ("ground.threshold=2", "less than or equal to 1"),
        ("engine.kind=openai", "needs engine.base_url"),
        ("engine.workers=0", "needs at least one worker"),
        ("llms.1.name=llm-a", "names must differ"),
        ("vlm.name=clip", "'clip' is taken"),
        ("compose.summary='{nmae}'", "may use {name} and {descriptors} only"),
        ("compose.summary='{name'", "may use {name} and {descriptors} only"),
        ("clip.template=x {class}", "may use {name} and {descriptor} only"),
    ],
)
def test_a_wrong_value_is_refused_with_the_reason(override: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_config(MiningConfig, "world", kind="mining/configs", overrides=[override])
    assert message in str(caught.value)


def test_a_summary_needs_an_encoder_in_whose_file_it_stands() -> None:
    with pytest.raises(UsageError, match="set compose.llm to null"):
        load_config(MiningConfig, "cpu", kind="mining/configs", overrides=["clip=null"])


def test_a_clip_template_without_descriptor_is_refused() -> None:
    with pytest.raises(ValidationError, match="must hold"):
        ClipConfig(path="x", template="a photo of a {name}")


@pytest.mark.parametrize("name", ["world", "gpu24"])
def test_what_a_run_saved_under_old_names_is_read_with_every_value(name: str) -> None:
    saved = json.loads((Path(__file__).parent / "assets" / "saved_configs.json").read_text())[name]
    old, read = dotted(saved), dotted(read_saved(MiningConfig, saved).model_dump(mode="json"))
    assert {"propose.n", "contrast.n", "clip.batch"} <= old.keys()
    new = {"propose.n": "propose.statements", "contrast.n": "contrast.statements", "clip.batch": "clip.batch_size"}
    expected = {new.get(key, key): value for key, value in old.items()}
    assert {key: read[key] for key in expected} == expected


def test_an_old_name_is_refused_with_the_new_one() -> None:
    with pytest.raises(UsageError, match=r"world\.yaml: propose\.n was renamed to statements$"):
        load_config(MiningConfig, "world", kind="mining/configs", overrides=["propose.n=4"])
