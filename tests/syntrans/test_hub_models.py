"""What is fetched of a model of the Hub: one set of weights, whatever else its repository holds."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from syntrans.errors import ModelLoadError
from syntrans.hub_models import is_whole, wanted
from syntrans.paths import resolve_model


class NoNetwork(Exception):
    """As the library's own, which is no OSError."""


STABLE_DIFFUSION = [
    "README.md", "LICENSE.md", "model_index.json", "v1-inference.yaml",
    "v1-5-pruned.safetensors", "v1-5-pruned-emaonly.safetensors", "v1-5-pruned.ckpt",
    "unet/config.json", "unet/diffusion_pytorch_model.safetensors", "unet/diffusion_pytorch_model.fp16.safetensors",
    "unet/diffusion_pytorch_model.non_ema.safetensors", "unet/diffusion_pytorch_model.bin",
    "vae/config.json", "vae/diffusion_pytorch_model-00001-of-00002.safetensors",
    "vae/diffusion_pytorch_model-00002-of-00002.safetensors", "vae/diffusion_pytorch_model.safetensors.index.json",
    "vae/diffusion_pytorch_model.fp16-00001-of-00001.safetensors",
    "vae/diffusion_pytorch_model.fp16.safetensors.index.json",
    "vae_1_0/diffusion_pytorch_model.safetensors", "safety_checker/model.safetensors",
    "text_encoder/config.json", "text_encoder/model.safetensors", "text_encoder/onnx/model.safetensors",
    "tokenizer/merges.txt", "tokenizer/vocab.json", "scheduler/scheduler_config.json",
]  # fmt: skip
PIPELINE = {
    "_class_name": "StableDiffusionPipeline", "_diffusers_version": "0.6.0", "requires_safety_checker": True,
    "safety_checker": [None, None], "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"], "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"], "scheduler": ["diffusers", "PNDMScheduler"],
}  # fmt: skip
OF_THE_PIPELINE = [
    "README.md", "LICENSE.md", "model_index.json",
    "unet/config.json", "unet/diffusion_pytorch_model.safetensors",
    "vae/config.json", "vae/diffusion_pytorch_model-00001-of-00002.safetensors",
    "vae/diffusion_pytorch_model-00002-of-00002.safetensors", "vae/diffusion_pytorch_model.safetensors.index.json",
    "text_encoder/config.json", "text_encoder/model.safetensors",
    "tokenizer/merges.txt", "tokenizer/vocab.json", "scheduler/scheduler_config.json",
]  # fmt: skip


def test_of_a_pipeline_only_its_parts_are_fetched_and_each_once() -> None:
    assert wanted(STABLE_DIFFUSION, PIPELINE) == OF_THE_PIPELINE


def test_weights_of_a_part_that_are_there_in_one_other_form_alone_are_fetched() -> None:
    assert wanted(["unet/u.fp16.safetensors", "all.safetensors"], PIPELINE) == ["unet/u.fp16.safetensors"]


@pytest.mark.parametrize(
    ("names", "left_out"),
    [
        (["config.json", "model-00001-of-00002.safetensors", "consolidated.safetensors"], ["consolidated.safetensors"]),
        (["config.json", "model.safetensors", "original/model.safetensors"], ["original/model.safetensors"]),
        (["model.safetensors", "pytorch_model.bin", "code.py"], ["pytorch_model.bin", "code.py"]),
        (["open_clip_model.safetensors", "model.safetensors", "open_clip_config.json"], []),
        (["model.safetensors", "modules.json", "2_Dense/model.safetensors"], []),
        (["params.json", "consolidated.safetensors", "tokenizer.model"], []),
    ],
)
def test_of_another_model_weights_are_fetched_once(names: list[str], left_out: list[str]) -> None:
    assert wanted(names) == [name for name in names if name not in left_out]


def _lay(folder: Path, names: list[str]) -> None:
    shards = {"weight_map": {str(i): f"diffusion_pytorch_model-0000{i}-of-00002.safetensors" for i in (1, 2)}}
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        content = PIPELINE if name == "model_index.json" else shards if name.endswith("index.json") else {}
        (folder / name).write_text(json.dumps(content))


@pytest.mark.parametrize(
    "missing", [None, "unet/diffusion_pytorch_model.safetensors", "scheduler/scheduler_config.json",
                "vae/diffusion_pytorch_model-00002-of-00002.safetensors"],
)  # fmt: skip
def test_a_pipeline_is_whole_with_all_its_parts(missing: str | None, tmp_path: Path) -> None:
    _lay(tmp_path, [name for name in OF_THE_PIPELINE if name != missing])
    assert is_whole(tmp_path) == (missing is None)


def test_a_model_without_weights_is_not_whole(tmp_path: Path) -> None:
    _lay(tmp_path, ["config.json"])
    assert not is_whole(tmp_path)
    _lay(tmp_path, ["model.safetensors"])
    assert is_whole(tmp_path)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A Hub of one repository, and a cache that holds of it the names in `kept`; `fetched`: what was fetched."""
    import huggingface_hub
    from huggingface_hub.errors import LocalEntryNotFoundError

    fake = SimpleNamespace(folder=tmp_path / "snapshot", reachable=True, fetched=[])

    def snapshot_download(_repo: str, *, local_files_only: bool = False, **more: Any) -> str:
        if local_files_only and not fake.folder.exists():
            raise LocalEntryNotFoundError("nothing of it")
        if not local_files_only:
            fake.fetched += more["allow_patterns"]
            _lay(fake.folder, more["allow_patterns"])
        return str(fake.folder)

    def model_info(*_: Any, **__: Any) -> SimpleNamespace:
        if not fake.reachable:
            raise NoNetwork("no network")
        return SimpleNamespace(siblings=[SimpleNamespace(rfilename=name) for name in STABLE_DIFFUSION])

    def hf_hub_download(_repo: str, name: str, **_: Any) -> str:
        _lay(tmp_path / "alone", [name])
        return str(tmp_path / "alone" / name)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", hf_hub_download)
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", model_info)
    monkeypatch.setattr("syntrans.paths.hub_is_offline", lambda: False)
    return fake


def test_a_model_of_the_hub_is_fetched_once_and_without_its_root_checkpoints(hub: SimpleNamespace) -> None:
    assert resolve_model("org/sd") == hub.folder
    assert hub.fetched == OF_THE_PIPELINE
    assert resolve_model("org/sd") == hub.folder
    assert hub.fetched == OF_THE_PIPELINE


def test_what_a_stop_left_out_is_fetched_the_next_time(hub: SimpleNamespace) -> None:
    _lay(hub.folder, ["model_index.json"])
    assert resolve_model("org/sd", download=False) == hub.folder
    assert hub.fetched == []
    resolve_model("org/sd")
    assert hub.fetched == OF_THE_PIPELINE


def test_without_a_network_what_is_there_is_taken(hub: SimpleNamespace) -> None:
    hub.reachable = False
    with pytest.raises(ModelLoadError, match="fetching it failed"):
        resolve_model("org/sd")
    _lay(hub.folder, ["model_index.json"])
    assert resolve_model("org/sd") == hub.folder
