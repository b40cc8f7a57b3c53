"""Model folders: what is refused, why, and what a revision is."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from syntrans.config import load_config
from syntrans.errors import EnvironmentProblem, ModelLoadError
from syntrans_mining.config import MiningConfig
from syntrans_mining.models import RESOURCE_ARGS, check_chat_template, check_model_dir, resolve_models, revision_of


def weights(size: int) -> bytes:
    header = json.dumps({"w": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    return len(header).to_bytes(8, "little") + header + bytes(size)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "model"
    path.mkdir()
    (path / "config.json").write_text('{"model_type": "llama"}')
    (path / "model.safetensors").write_bytes(weights(16))
    (path / "tokenizer_config.json").write_text('{"chat_template": "{{ messages }}"}')
    return path


def test_a_complete_folder_passes(folder: Path) -> None:
    check_model_dir(folder)
    check_chat_template(folder)


def test_a_folder_without_config_is_named(folder: Path) -> None:
    (folder / "config.json").unlink()
    with pytest.raises(ModelLoadError, match=r"has no config\.json"):
        check_model_dir(folder)


def test_pickled_weights_are_refused_and_named(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelLoadError, match=r"only pytorch_model\.bin, and pickles can run code"):
        check_model_dir(folder)


@pytest.mark.parametrize("data", [b"", b"\0" * 64, b"\xff" * 64, weights(16)[:-1], b"\x02" + bytes(7) + b"[]"])
def test_weights_that_are_cut_off_are_named(folder: Path, data: bytes) -> None:
    (folder / "model.safetensors").write_bytes(data)
    with pytest.raises(ModelLoadError, match=r"model\.safetensors is damaged or incomplete; download"):
        check_model_dir(folder)


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json"])
def test_a_repository_with_its_own_code_is_refused(folder: Path, name: str) -> None:
    (folder / name).write_text(json.dumps({"auto_map": {"AutoModel": "code.Model"}}))
    with pytest.raises(ModelLoadError, match=rf"{name} asks to run the repository's own code"):
        check_model_dir(folder)


def test_a_model_without_chat_template_is_refused(folder: Path) -> None:
    (folder / "tokenizer_config.json").write_text("{}")
    with pytest.raises(ModelLoadError, match="instruction-tuned"):
        check_chat_template(folder)
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    check_chat_template(folder)


def test_broken_json_is_named(folder: Path) -> None:
    (folder / "config.json").write_text("{")
    with pytest.raises(ModelLoadError, match=r"config\.json is not JSON"):
        check_model_dir(folder)


def test_a_revision_follows_the_content_and_not_the_place(folder: Path, tmp_path: Path) -> None:
    before = revision_of(folder)
    moved = folder.rename(tmp_path / "elsewhere")
    assert revision_of(moved) == before
    (moved / "model.safetensors").write_bytes(b"\1" * 64)
    assert revision_of(moved) != before


def test_the_revision_of_a_hub_snapshot_is_its_commit(tmp_path: Path) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    assert revision_of(tmp_path / commit) == commit


def test_a_change_at_the_end_of_a_large_file_is_seen(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(b"\0" * (3 << 20))
    before = revision_of(folder)
    weights.write_bytes(b"\0" * ((3 << 20) - 1) + b"\1")
    assert revision_of(folder) != before


def test_missing_models_end_with_5_and_say_how_many_and_what_works_without() -> None:
    overrides = [f"llms.{i}.path=/nowhere/{i}" for i in range(3)] + ["vlm.path=/nowhere/v", "clip.path=/nowhere/c"]
    config = load_config(MiningConfig, "world", kind="mining/configs", overrides=overrides)
    with pytest.raises(
        ModelLoadError, match=r"/nowhere/0.*--config world.*and 4 more.*/nowhere/1, .*/nowhere/c"
    ) as caught:
        resolve_models(config)
    assert caught.value.exit_code == 5


def test_what_a_server_is_asked_beside_the_messages_is_part_of_the_key_and_its_place_is_not() -> None:
    def identity(*overrides: str) -> str:
        server = ["engine.kind=openai", "engine.base_url=http://127.0.0.1:1/v1", *overrides]
        return (
            resolve_models(load_config(MiningConfig, "world", kind="mining/configs", overrides=server)).llms[0].identity
        )

    assert identity() == identity("engine.base_url=http://127.0.0.1:2/v1", "engine.args.timeout=5")
    assert identity() != identity("llms.0.args.extra_body={top_k: 1}")


def test_cuda_where_there_is_none_ends_with_4(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "exists", lambda _path: False)
    config = load_config(MiningConfig, "world", kind="mining/configs", overrides=["engine.device=cuda"])
    with pytest.raises(EnvironmentProblem, match=r"engine\.device=cpu"):
        resolve_models(config)


@pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed")
def test_every_argument_of_an_engine_that_is_named_here_is_one_that_vllm_takes() -> None:
    """An argument that vLLM has dropped ends a run as its engine starts."""
    declared = Path(*find_spec("vllm").submodule_search_locations, "engine", "arg_utils.py").read_text()
    configs = [load_config(MiningConfig, name, kind="mining/configs") for name in ("cpu", "gpu24", "gpu80", "world")]
    models = [model for config in configs for model in (*config.llms, config.vlm)]
    given = [*(config.engine.args for config in configs), *(model.args for model in models)]
    named = {name for args in given for name in args}
    ours = {"concurrency", "timeout", "retries", "deadline"}  # of a server
    assert [name for name in sorted(named | RESOURCE_ARGS - ours) if f"\n    {name}: " not in declared] == []


@pytest.mark.parametrize("name", ["concurrency", "timeout", "retries", "deadline"])
def test_how_long_a_server_is_waited_for_changes_no_kept_answer(name: str) -> None:
    def identities(*settings: str) -> list[str]:
        config = load_config(MiningConfig, "server", kind="mining/configs", overrides=settings)
        return [model.identity for model in resolve_models(config).llms]

    assert identities(f"engine.args.{name}=7") == identities()
