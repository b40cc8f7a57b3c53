"""Features of unusual size: the right answer, or one line before the long work."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from syntrans.errors import InputError
from syntrans_training.config import EvaluateConfig, TrainConfig
from syntrans_training.evaluation.evaluate import evaluate
from syntrans_training.pipeline.train import train

EPISODES = {"shots": [1], "queries": 2, "episodes": 20}


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., dict[str, str]]:
    """Writes features whose classes lie far apart; returns the data section of a config."""

    def make(*, base=8, numbers=16, few=""):
        rng, folder = np.random.default_rng(0), tmp_path / "features"
        folder.mkdir()
        for part, count in {"base": base, "val": 5, "novel": 5}.items():
            classes = [i for i in range(count) for _ in range(1 if part == few and i == 0 else 4)]
            values = rng.normal(size=(count, numbers))[classes] + 0.1 * rng.normal(size=(len(classes), numbers))
            table = {"class": [f"{part} {i}" for i in classes], "feature": list(values.astype(np.float32))}
            pq.write_table(pa.table(table), folder / f"{part}.features.parquet")
        return {"path": str(folder)}

    return make


def settings(data):
    return {"data": data, "encoder": {"method": "precomputed"}, "baselines": {"names": []}, "episodes": EPISODES}


@pytest.mark.parametrize(
    "size",
    [
        pytest.param({"base": 351}, id="as many base classes as tieredImageNet"),
        pytest.param({"base": 4}, id="four base classes"),
        pytest.param({"numbers": 700}, id="more numbers than the shared space has", marks=pytest.mark.slow),
        pytest.param({"numbers": 4096}, id="4,096 numbers", marks=pytest.mark.slow),
    ],
)
def test_classes_that_lie_far_apart_are_told_apart(
    size, write: Callable[..., dict[str, str]], tiny_config: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    run = train(tiny_config(**settings(write(**size))), out=tmp_path / "run", stage="bridge")
    summary = evaluate(run.folder, EvaluateConfig.model_validate({"episodes": EPISODES}), out=tmp_path / "e")
    assert summary["results"]["1"]["syntrans"]["mean"] > 95


@pytest.mark.parametrize("part", ["base", "val", "novel"])
def test_a_class_with_one_picture_is_named_before_the_long_work(
    part: str, write: Callable[..., dict[str, str]], tiny_config: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    data = write(few=part)
    with pytest.raises(InputError, match=f"class {part} 0 has 1 pictures"):
        train(tiny_config(**settings(data)), out=tmp_path / "run", stage="bridge")
        evaluate(tmp_path / "run", EvaluateConfig.model_validate({"episodes": EPISODES}), out=tmp_path / "e")
