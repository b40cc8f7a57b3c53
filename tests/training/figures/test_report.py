"""`syntrans report --figure`: the figures of a finished training on toy data."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from syntrans.cli import app as cli
from syntrans.contract.rows import DescriptorRow
from syntrans_training.config import EvaluateConfig, TrainConfig
from syntrans_training.evaluation.evaluated_split import open_episodes, open_evaluated_split
from syntrans_training.evaluation.trained_run import read_run
from syntrans_training.figures.class_weights import DRAWS, draw, draw_supports, separation
from syntrans_training.figures.report import report
from syntrans_training.methods import SynTrans
from syntrans_training.pipeline.train import train
from syntrans_training.scoring.scored_classifier import ScoredClassifier
from syntrans_training.scoring.scorer import score_episodes

pytestmark = pytest.mark.slow  # a training, for all of them
EVALUATE = EvaluateConfig.model_validate({"device": "cpu", "episodes": {"queries": 5, "episodes": 30}})
SHOTS = (1, 3)


@pytest.fixture(scope="module")
def reported(
    tiny_config: Callable[..., TrainConfig],
    toy_classes: list[str],
    descriptor_row: Callable[..., DescriptorRow],
    tmp_path_factory: pytest.TempPathFactory,
):
    """A training, its folder of figures, and what the report says; made once."""
    from syntrans.contract.rows import FileMetadata
    from syntrans.contract.writing import write_descriptors

    root = tmp_path_factory.mktemp("figures")
    rows = [descriptor_row(name, f"it is {word}") for name in toy_classes for word in name.split()]
    meta = FileMetadata(run_id="toy", class_list_sha256="0" * 64, prompt_sha256={}, images_seen=[])
    config = tiny_config(
        ridge={"episodes": 40, "alpha_step": 0.25},
        vsbird={"seeds": 2, "steps": 4, "controls": False},
        baselines={"names": []},
        episodes={"shots": list(SHOTS)},
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SYNTRANS_ARTIFACTS", str(root))
        file = write_descriptors(root / "descriptors.parquet", rows, meta)
        folder = train(config, out=root / "train", descriptors=file).folder
        figures = report(folder, EVALUATE, out=root / "report")
        touches = (root / "test_touches.jsonl").read_text().splitlines()
    return folder, root / "report", figures, touches


def test_every_figure_leaves_a_picture_points_and_numbers(reported) -> None:
    _, out, figures, touches = reported
    for name in ("alpha", "weights"):
        assert (out / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert json.loads((out / f"{name}.json").read_text()) == figures[name]
        assert pq.read_table(out / f"{name}.parquet").num_rows
    assert [json.loads(line)["figure"] for line in touches] == ["alpha", "weights"]


def test_the_curve_ends_where_the_method_is_visual_only_and_semantic_only(
    reported, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, out, _, _ = reported
    monkeypatch.setenv("SYNTRANS_ARTIFACTS", str(out.parent))
    run = read_run(folder)
    novel = open_evaluated_split(run, device="cpu")
    curves = pq.read_table(out / "alpha.parquet").to_pandas()
    for shots in SHOTS:
        tasks = open_episodes(novel, shots, **EVALUATE.tasks).episodes
        text = novel.features.vectors("kept", run.bridges.choices["kept", shots]["name_share"], 0)
        heads = run.bridges.heads["kept", shots]
        of_shots = curves[(curves.split == "novel") & (curves.shots == shots)].set_index("alpha")
        for alpha in (0.0, 0.5, 1.0):
            row = ScoredClassifier(tuple(SynTrans(head, text, alpha=alpha) for head in heads), novel.features.shared)
            expected = score_episodes({"it": row}, tasks, n_classes=5, chunk=10)["it"].accuracy.mean()
            assert of_shots.accuracy[alpha] == pytest.approx(expected, abs=0.003)  # a tie may fall otherwise
        assert (of_shots.episodes == 30).all()


def test_the_marked_alpha_and_the_val_curve_are_those_of_the_training(reported) -> None:
    folder, _, figures, _ = reported
    choices = read_run(folder).bridges.choices
    for curve in figures["alpha"]["curves"]:
        choice = choices["kept", curve["shots"]]
        assert curve["chosen"]["alpha"] == choice["alpha"]
        if curve["split"] == "val":
            assert curve["chosen"]["mean"] == pytest.approx(100 * choice["val"], abs=1e-2)


def test_there_is_a_point_for_every_class_draw_and_kind_of_weights(reported) -> None:
    _, out, figures, _ = reported
    points = pq.read_table(out / "weights.parquet").to_pandas()
    assert (points.groupby(["shots", "weights", "class"]).size() == DRAWS).all()
    assert points["class"].nunique() == 5
    assert [(line["shots"], line["weights"]) for line in figures["weights"]["numbers"]] == [
        (shots, kind) for shots in SHOTS for kind in ("visual", "multimodal")
    ]


def test_supports_are_different_pictures_of_their_class(reported, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, out, _, _ = reported
    monkeypatch.setenv("SYNTRANS_ARTIFACTS", str(out.parent))
    novel = open_evaluated_split(read_run(folder), device="cpu").split
    drawn = draw_supports(novel, 3, seed=0)
    assert (novel.labels[drawn] == np.arange(5)[:, None]).all()
    assert all(len(set(support)) == 3 for support in drawn.reshape(-1, 3).tolist())


def test_separation_is_one_for_classes_that_point_in_directions_of_their_own() -> None:
    weights = torch.eye(4).expand(6, 4, 4).contiguous()
    assert separation(weights) == {"silhouette": pytest.approx(1), "intra": pytest.approx(1), "inter": 0}
    mixed = torch.nn.functional.normalize(torch.randn(6, 4, 4, generator=torch.Generator().manual_seed(0)), dim=-1)
    assert separation(mixed)["silhouette"] < 0.2


def test_figures_of_a_folder_that_holds_no_training_end_with_3(
    tmp_path: Path, artifacts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["report", str(tmp_path), "--figure", "all"]) == 3
    assert "train.json" in capsys.readouterr().err
    assert not (artifacts / "report").exists()


def test_figures_are_on_the_page_of_their_folder(reported, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["report", str(reported[0]), str(reported[1]), "--out", str(tmp_path), "--json"]) == 0
    page = json.loads(capsys.readouterr().out)
    assert [part["kind"] for part in page["parts"]] == ["training", "figures"]
    assert '"alpha":[{' in (tmp_path / "report.html").read_text()


def test_a_figure_that_is_not_known_ends_with_2(reported, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["report", str(reported[0]), "--figure", "gamma"]) == 2
    assert "alpha, weights" in capsys.readouterr().err


def test_a_class_name_with_dollar_signs_is_no_formula(tmp_path: Path) -> None:
    numbers = [{"shots": 1, "weights": kind, "alpha": 0.0, "silhouette": 0.5} for kind in ("visual", "multimodal")]
    points = {(1, kind): np.zeros((2, 2, 2), np.float32) for kind in ("visual", "multimodal")}
    draw(points, numbers, ("$x^{ $", "wren"), tmp_path / "weights.png")
    assert (tmp_path / "weights.png").stat().st_size > 0
