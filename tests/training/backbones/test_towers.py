import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from syntrans.errors import ModelLoadError, UsageError
from syntrans.paths import resolve_model
from syntrans_training import backbones
from syntrans_training.backbones import towers
from syntrans_training.backbones.towers import revision
from syntrans_training.config import EncoderConfig
from syntrans_training.encoder.build_encoder import build_encoder
from syntrans_training.pipeline.generations import plan

CLIP = "package:syntrans_world/weights/clip"
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def saved_timm(tmp_path_factory: pytest.TempPathFactory):
    """A folder as timm saves it, with a classifier, and the model."""
    import timm  # seconds, which no other file's tests need

    folder = tmp_path_factory.mktemp("timm") / "tiny"
    torch.manual_seed(0)
    model = timm.create_model("test_resnet", num_classes=7).eval()
    timm.models.save_for_hf(model, str(folder), safe_serialization=True)
    return folder, model


@pytest.fixture
def folder(saved_timm, tmp_path: Path) -> Path:
    return shutil.copytree(saved_timm[0], tmp_path / "tiny")


def edit(path, change) -> None:
    config = json.loads(path.read_text())
    change(config)
    path.write_text(json.dumps(config))


def test_a_timm_folder_gives_the_features_of_its_model(saved_timm) -> None:
    folder, model = saved_timm
    encoder = backbones.build(f"timm:{folder}").eval()
    mean, std = (torch.tensor(model.pretrained_cfg[key]).view(1, 3, 1, 1) for key in ("mean", "std"))
    x = torch.rand(2, 3, 64, 64)
    expected = model.forward_head(model.forward_features((x - mean) / std), pre_logits=True)
    assert torch.allclose(encoder(x), expected, atol=1e-4)
    assert encoder(x).shape == (2, encoder.feature_dim)


@pytest.mark.slow
def test_an_open_clip_folder_gives_its_image_features() -> None:
    import open_clip

    folder = resolve_model(CLIP)
    preprocessing = json.loads((folder / "open_clip_config.json").read_text())["preprocess_cfg"]
    mean, std = (torch.tensor(preprocessing[key]).view(1, 3, 1, 1) for key in ("mean", "std"))
    encoder = backbones.build(f"open_clip:{CLIP}").eval()
    x = torch.rand(2, 3, 64, 64)
    model = open_clip.create_model(f"local-dir:{folder}").eval()
    assert torch.allclose(encoder(x), model.encode_image((x - mean) / std), atol=1e-4)


def test_a_timm_name_has_its_trained_weights_where_they_are_wanted(saved_timm, monkeypatch) -> None:
    folder, model = saved_timm
    repositories = []
    monkeypatch.setattr(towers, "resolve_model", lambda ref: repositories.append(ref) or folder)
    trained = backbones.build_trained("timm:test_resnet")
    assert repositories == ["timm/test_resnet.r160_in1k"]
    assert torch.equal(trained.tower.state_dict()["conv1.0.weight"], model.state_dict()["conv1.0.weight"])


def test_a_timm_name_gives_fresh_weights() -> None:
    encoder = backbones.build("timm:test_resnet").eval()
    assert encoder(torch.rand(1, 3, 32, 32)).shape == (1, encoder.feature_dim)


@pytest.mark.parametrize("key", ["mean", "std"])
def test_a_folder_that_does_not_say_how_pictures_are_normalised_is_refused(folder: Path, key: str) -> None:
    edit(folder / "config.json", lambda config: config["pretrained_cfg"].pop(key))
    with pytest.raises(ModelLoadError, match=f"does not say {key}"):
        backbones.build(f"timm:{folder}")


def test_a_folder_without_safetensors_is_refused(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelLoadError, match="no \\*.safetensors"):
        backbones.build(f"timm:{folder}")


def test_missing_weights_are_named(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    lost = min(weights)
    del weights[lost]
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(ModelLoadError, match=lost):
        backbones.build(f"timm:{folder}")


def test_an_unknown_timm_name_lists_some_that_exist() -> None:
    with pytest.raises(ModelLoadError, match=r"no model 'resnet_7'; it has: .*resnet"):
        backbones.build("timm:resnet_7")


def test_pictures_of_another_size_than_the_towers_are_refused_in_one_line() -> None:
    config = EncoderConfig(method="frozen", backbone=f"open_clip:{CLIP}", test_size=80)
    with pytest.raises(UsageError, match="takes pictures of 64 px"):
        build_encoder(config)
    assert build_encoder(config.model_copy(update={"test_size": 64})).size == 64


def test_an_identity_knows_a_folder_by_what_is_in_it(folder: Path, tmp_path: Path) -> None:
    def identity(path):
        return plan(EncoderConfig(method="frozen", backbone=f"timm:{path}"), base_key="k", device=CPU, seed=0).identity

    moved = shutil.copytree(folder, tmp_path / "moved")
    assert identity(folder) == identity(moved)
    edit(moved / "config.json", lambda config: config["pretrained_cfg"].update(mean=[0.1, 0.2, 0.3]))
    assert identity(folder) != identity(moved)
    assert revision("resnet12") is revision("timm:test_resnet") is None


def test_an_unknown_backbone_is_refused_by_the_configuration() -> None:
    with pytest.raises(ValueError, match="known are resnet12, "):
        EncoderConfig(backbone="resnet50")
