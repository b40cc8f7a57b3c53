"""The benchmarks of the fusion: its levels, its prior, what any rule must lose, and what a run has learned."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from syntrans_training.bridge.trained_bridges import TrainedBridges
from syntrans_training.text.task_alpha import HOME


@pytest.mark.slow
def test_the_levels_of_the_texts_weight_are_compared_at_home_and_away(
    benchmark: Callable[[str], Any],
    trained_on_features: Path,
    features: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    away = ["--away", str(features), str(tmp_path / "descriptors.parquet")]
    given = [str(trained_on_features), *away, "--quick", "--plot", str(tmp_path / "fusion.png")]
    monkeypatch.setattr(sys, "argv", ["fusion.py", *given])
    assert benchmark("training.fusion").main() == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("1-shot")]
    assert [line[7:28].strip() for line in lines] == [
        f"{place}{kind}" for place in ("home", "away") for kind in ("", ", noisier", ", half shuffled", ", shuffled")
    ]
    assert (tmp_path / "fusion.png").is_file()


@pytest.mark.slow
def test_the_prior_of_the_fusion_is_learned_over_kinds_of_domain_and_loses_no_more_than_before(
    benchmark: Callable[[str], Any],
    trained_on_features: Path,
    features: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    away = ["--away", str(trained_on_features), str(features), str(tmp_path / "descriptors.parquet")]
    monkeypatch.setattr(sys, "argv", ["fusion_prior.py", "--home", str(trained_on_features), *away, "--quick"])
    assert benchmark("training.fusion_prior").main() == 0
    printed = capsys.readouterr()
    kinds = [line for line in printed.out.splitlines() if "-shot" in line]
    assert len(kinds) == len(set(kinds)) >= 8
    losses = [float(line.split()[0]) for line in printed.err.splitlines() if "DomainPrior" in line]
    assert losses == sorted(losses, reverse=True)


@pytest.mark.slow
def test_a_rule_that_is_told_which_texts_are_wrong_loses_no_more_where_more_is_allowed(
    benchmark: Callable[[str], Any],
    trained_on_features: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["fusion_bound.py", str(trained_on_features), "--quick"])
    assert benchmark("training.fusion_bound").main() == 0
    rows = {line[6:22].strip(): line[22:].split() for line in capsys.readouterr().out.splitlines()}
    assert list(rows) == ["told", "slope", "all statistics"]
    for points in rows.values():
        reached = [float(point) for point in points if point != "+nan"]
        assert reached == sorted(reached)


@pytest.mark.slow
def test_what_a_run_has_learned_of_its_texts_is_compared_with_the_prior_of_all_runs(
    benchmark: Callable[[str], Any],
    trained_on_features: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["fusion_home.py", str(trained_on_features), "--quick"])
    assert benchmark("training.fusion_home").main() == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    shots = [line[0] for line in lines]
    assert shots == sorted(shots)
    assert [" ".join(line[1:-8]) for line in lines] == ["one prior", "learned"] * len(set(shots))
    monkeypatch.setattr(TrainedBridges, "own_pictures", lambda *_: HOME)
    assert benchmark("training.fusion_home").main() == 0
    without = [line.split()[-8:] for line in capsys.readouterr().out.splitlines()]
    assert without[::2] == without[1::2] == [line[-8:] for line in lines[::2]]
