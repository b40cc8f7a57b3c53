"""Calibrating judges, in a run and alone."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from syntrans.calibration import Calibration, Platt, read_calibration
from syntrans.config import load_config
from syntrans.contract.reading import read_descriptors
from syntrans.errors import InputError
from syntrans_mining.config import MiningConfig
from syntrans_mining.models import resolve_models
from syntrans_mining.requests.prompts import load_prompt
from syntrans_mining.run.output_files import MineResult
from syntrans_mining.steps import calibrate, crosscheck
from syntrans_mining.steps.candidate import Author, Candidate, Vote

Run = Callable[..., MineResult]


def judged(**p_yes: float) -> Candidate:
    author = Author(model="ann", revision="1", prompt="p", sample=0, seed=0, raw="grey")
    votes = [Vote(model=model, revision="1", p_yes=p) for model, p in p_yes.items()]
    return Candidate("heron", "heron", "grey", "colour", [author], votes=votes)


def test_a_judge_that_the_others_contradict_is_believed_less() -> None:
    rng = random.Random(0)
    rows = []
    for _ in range(300):
        true = rng.random() < 0.5
        sound = 0.95 if true else 0.05
        rows.append(judged(bob=sound, cleo=sound, dora=rng.choice([0.95, 0.05])))
    fitted = calibrate.fit_on_agreement(rows)
    assert set(fitted) == {"bob", "cleo", "dora"}
    assert fitted["bob"](0.95) > 0.85
    assert abs(fitted["dora"](0.95) - fitted["dora"](0.05)) < 0.2


def test_few_answers_teach_nothing() -> None:
    assert calibrate.fit_on_agreement([judged(bob=0.9, cleo=0.9), judged(bob=0.1, cleo=0.2)]) == {}


def test_one_judge_alone_has_nobody_to_learn_from() -> None:
    assert calibrate.fit_on_agreement([judged(bob=0.9), judged(bob=0.1)] * 50) == {}


def test_raw_and_calibrated_answers_are_both_kept_and_the_latter_count() -> None:
    row = judged(bob=0.99, cleo=0.01)
    calibrate.calibrate([row], {"bob": Platt(slope=0, intercept=0, n=9, revision="1")})
    assert [(vote.p_yes, vote.p_calibrated) for vote in row.votes] == [
        (pytest.approx(0.99), 0.5),
        (pytest.approx(0.01), None),
    ]
    crosscheck.agree([row], n_models=3)
    assert row.agreement == pytest.approx((1 + 0.5 + 0.01) / 3)


def test_disagreement_is_the_spread_of_the_judges() -> None:
    assert crosscheck.mean_disagreement([judged(bob=1.0, cleo=0.0), judged(bob=0.3, cleo=0.3)]) == pytest.approx(0.25)
    assert crosscheck.mean_disagreement([judged(bob=1.0)]) is None


def test_a_run_can_calibrate_on_agreement(run: Run, configure: Callable) -> None:
    names = [f"bird {number}" for number in range(30)]
    from syntrans.classes.entries import ClassEntry

    config = configure(crosscheck={"threshold": 0.0, "calibration": "agreement"})
    result = run(config, images=None, classes=[ClassEntry(name, name) for name in names])
    fitted = result.run["details"]["crosscheck"]["calibration"]
    assert set(fitted) == {"ann", "bob", "cleo"}
    rows, _ = read_descriptors(result.descriptors)
    votes = [vote for row in rows for vote in row.votes]
    assert votes
    assert all(vote.p_calibrated is not None for vote in votes)
    assert 0 < result.run["details"]["crosscheck"]["disagreement"] < 0.5


def test_a_run_takes_a_calibration_file_and_refuses_one_of_other_models(
    run: Run, configure: Callable, tmp_path: Path
) -> None:
    sha256 = load_prompt("crosscheck.v1", "crosscheck").sha256
    half = Platt(slope=0, intercept=0, n=9, revision="fake")
    models = {"ann": half, "bob": half, "cleo": half}
    path = tmp_path / "c.json"
    config = configure(crosscheck={"threshold": 0.0, "calibration": str(path)})
    path.write_text(Calibration(prompt_sha256=sha256, models=models, made_by="a test").model_dump_json())
    rows, _ = read_descriptors(run(config).descriptors)
    assert {vote.p_calibrated for row in rows for vote in row.votes} == {0.5}
    path.write_text(Calibration(prompt_sha256="other", models=models, made_by="a test").model_dump_json())
    with pytest.raises(InputError, match="another crosscheck prompt"):
        run(config)
    del models["bob"]
    path.write_text(Calibration(prompt_sha256=sha256, models=models, made_by="a test").model_dump_json())
    with pytest.raises(InputError, match="does not know 'bob'"):
        run(config)
    models["bob"] = half.model_copy(update={"revision": "older"})
    path.write_text(Calibration(prompt_sha256=sha256, models=models, made_by="a test").model_dump_json())
    with pytest.raises(InputError, match="revision older, not fake"):
        run(config)


def test_the_shipped_calibration_is_of_the_worlds_models_and_prompt() -> None:
    config = load_config(MiningConfig, "world", kind="mining/configs")
    assert config.crosscheck.calibration
    calibration = read_calibration(config.crosscheck.calibration)
    prompt = load_prompt(config.crosscheck.prompt, "crosscheck")
    calibrate.check_calibration(calibration, resolve_models(config).llms, prompt.sha256)
    assert json.loads(calibration.model_dump_json())["models"].keys() == {"llm-a", "llm-b", "llm-c"}
