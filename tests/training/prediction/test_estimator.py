"""`FewShotClassifier`, with an encoder that sees colours and on features."""

import copy
import io
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from prediction_world import COLOURS, Words, opened, photo

import syntrans
from syntrans.errors import InputError
from syntrans_training.prediction import estimator
from syntrans_training.prediction.encoders.choose import LazyText
from syntrans_training.prediction.space import Space


def pictures(shots, start=0):
    x = [Image.open(io.BytesIO(photo(c, start + i))) for c in COLOURS for i in range(shots)]
    return x, [c for c in COLOURS for _ in range(shots)]


@pytest.fixture
def colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimator, "open_image_encoder", lambda _ref: opened(LazyText("words", Words)))


@pytest.mark.usefixtures("colours")
def test_the_estimator_learns_answers_corrects_and_comes_back_from_its_folder(tmp_path: Path) -> None:
    x, y = pictures(2)
    classifier = syntrans.FewShotClassifier(coverage=0.9).fit(x, y)
    queries, truth = pictures(4, start=10)
    assert classifier.score(queries, truth) == 1.0
    assert classifier.predict_proba(queries).shape == (12, 3)
    assert all(name in members for name, members in zip(truth, classifier.predict_set(queries), strict=True))
    assert len(classifier.explain(queries)[0].nearest) == 3
    again = syntrans.FewShotClassifier.load(classifier.save(tmp_path / "model"))
    assert again.get_params() == classifier.get_params()
    assert np.allclose(again.predict_proba(queries), classifier.predict_proba(queries), atol=1e-6)
    yellow = Image.new("RGB", (9, 9), (220, 210, 30))
    classifier.set_params(text=False).partial_fit([yellow], ["yellow"])
    assert classifier.classes_.tolist() == ["blue", "green", "red", "yellow"]
    assert classifier.predict([yellow]).tolist() == ["yellow"]


@pytest.mark.usefixtures("colours")
def test_what_is_refused_leaves_the_classifier_as_it_was(tmp_path: Path) -> None:
    x, y = pictures(2)
    classifier = syntrans.FewShotClassifier().fit(x, y, {"red": ["it is red"]})
    before = classifier.predict_proba(x)
    with pytest.raises(InputError, match="at least two"):
        classifier.fit(x[:1], y[:1], {})
    with pytest.raises(InputError, match="3 pictures and 2 labels"):
        classifier.partial_fit(x[:3], y[:2])
    for kept in (classifier, syntrans.FewShotClassifier.load(classifier.save(tmp_path / "model"))):
        assert kept.classes_.tolist() == ["blue", "green", "red"]
        assert np.allclose(kept.predict_proba(x), before, atol=1e-6)


@pytest.mark.usefixtures("colours")
def test_a_folder_of_two_saved_classifiers_that_a_stop_has_mixed_is_refused(tmp_path: Path) -> None:
    x, y = pictures(2)
    older, newer = (syntrans.FewShotClassifier().fit(x[i:], y[i:]).save(tmp_path / f"{i}") for i in (0, 1))
    (newer / "supports.safetensors").replace(older / "supports.safetensors")
    with pytest.raises(InputError, match="its supports are those of another one"):
        syntrans.FewShotClassifier.load(older)


def test_a_fitted_classifier_is_copied_and_pickled_without_its_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    def open_one(_ref):
        encoder = replace(opened(None), space=Space())
        encoder.encoder.lock = threading.Lock()  # onnxruntime's sessions cannot be pickled either
        return encoder

    monkeypatch.setattr(estimator, "open_image_encoder", open_one)
    x, y = pictures(2)
    classifier = syntrans.FewShotClassifier().fit(x, y)
    again = copy.deepcopy(classifier)  # by the same state as pickle, which is not imported here
    assert np.array_equal(again.predict_proba(x), classifier.predict_proba(x))


def test_another_encoder_counts_from_the_next_fit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    refs = list[str | None]()

    def open_one(ref):
        refs.append(ref)
        return opened(None)

    monkeypatch.setattr(estimator, "open_image_encoder", open_one)
    x, y = pictures(2)
    classifier = syntrans.FewShotClassifier().fit(x, y).set_params(encoder="photo")
    assert classifier.score(x, y) == 1.0
    assert syntrans.FewShotClassifier.load(classifier.save(tmp_path)).encoder is None
    classifier.fit(x, y)
    assert refs == [None, None, "photo"]


@pytest.mark.usefixtures("colours")
def test_the_estimator_keeps_the_whole_name_of_a_class_that_is_described_alone() -> None:
    x, y = pictures(1)
    classifier = syntrans.FewShotClassifier().fit(x, y, {"green parrot": ["a green bird"]})
    assert classifier.classes_.tolist() == ["blue", "green", "green parrot", "red"]


@pytest.mark.usefixtures("colours")
def test_the_estimator_takes_arrays_and_paths_and_refuses_a_broken_picture(tmp_path: Path) -> None:
    x, y = pictures(1)
    for picture, name in zip(x, y, strict=True):
        picture.save(tmp_path / f"{name}.png")
    paths = [tmp_path / f"{name}.png" for name in y]
    classifier = syntrans.FewShotClassifier(text=False).fit(paths, y)
    assert classifier.predict([np.asarray(picture) for picture in x]).tolist() == y
    (tmp_path / "torn.png").write_bytes(b"\x89PNG")
    with pytest.raises(InputError, match=r"torn\.png is not a readable picture"):
        classifier.predict([tmp_path / "torn.png"])
    with pytest.raises(InputError, match="holds no saved FewShotClassifier"):
        syntrans.FewShotClassifier.load(tmp_path)


@pytest.mark.usefixtures("colours")
def test_an_opened_picture_is_seen_as_its_file_is(tmp_path: Path) -> None:
    x, y = pictures(2)
    classifier = syntrans.FewShotClassifier().fit(x, y)
    file, clear = tmp_path / "clear.png", Image.new("RGBA", (12, 12), (0, 0, 0, 0))  # white, by its transparency
    clear.paste((200, 40, 40, 255), (0, 0, 12, 4))
    exif = Image.Exif()
    exif[0x0112] = 6
    clear.save(file, exif=exif)
    with Image.open(file) as picture:
        assert np.array_equal(classifier.predict_proba([file]), classifier.predict_proba([picture]))
    (tmp_path / "torn.png").write_bytes(photo("red", 1)[:90])
    with Image.open(tmp_path / "torn.png") as torn, pytest.raises(InputError, match="picture 0 is not a readable"):
        classifier.predict([torn])


@pytest.mark.usefixtures("colours")
def test_a_single_path_is_told_to_stand_in_a_list(tmp_path: Path) -> None:
    x, y = pictures(2)
    classifier = syntrans.FewShotClassifier().fit(x, y)
    for one in ("a.png", tmp_path / "a.png", x[0]):
        with pytest.raises(InputError, match=r"give a list of pictures; one alone as \[picture\]"):
            classifier.predict(one)


@pytest.mark.slow
def test_the_estimator_passes_the_checks_of_scikit_learn_on_features() -> None:
    """In a process of its own: the type checker of these tests refuses what its types do not allow, a part of them."""
    pytest.importorskip("sklearn")
    program = (
        "import warnings; warnings.simplefilter('ignore')\n"
        "from sklearn.utils.estimator_checks import check_estimator\n"
        "from syntrans import FewShotClassifier\n"
        "done = check_estimator(FewShotClassifier('features', inductive=True), on_skip=None, on_fail=None)\n"
        "assert len(done) > 50\n"
        "print(*(one['check_name'] for one in done if one['status'] not in ('passed', 'skipped')))"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    by_name = ["check_fit_score_takes_y", "check_n_features_in_after_fitting"]  # y=...; it is called labels here
    assert done.stdout.split() == by_name


def test_the_estimator_is_one_of_scikit_learn_in_a_pipeline() -> None:
    pytest.importorskip("sklearn")
    from sklearn.base import clone
    from sklearn.exceptions import NotFittedError

    classifier = syntrans.FewShotClassifier(encoder="features", inductive=True)
    assert clone(classifier).get_params() == classifier.get_params()
    with pytest.raises(NotFittedError):
        classifier.predict(np.ones((1, 4)))
    with pytest.raises(ValueError, match="no parameter 'k'"):
        classifier.set_params(k=1)
    from sklearn.pipeline import make_pipeline

    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(30, 4)) + 4 * np.eye(4)[np.repeat(np.arange(3), 10)], np.repeat([3, 5, 9], 10)
    assert make_pipeline(classifier).fit(x, y).score(x, y) > 0.9
    whole, parts = classifier.predict_proba(x), [classifier.predict_proba(x[i : i + 1])[0] for i in range(30)]
    assert np.allclose(whole, parts, atol=1e-5)


def test_import_syntrans_stays_light_and_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="NoSuch"):
        _ = syntrans.NoSuch


def test_the_command_and_the_estimator_import_neither_torch_nor_transformers_nor_vllm() -> None:
    program = (
        "import sys, syntrans.cli.app, syntrans_training.prediction.command, syntrans_training.prediction.estimator\n"
        "print([m for m in ('torch', 'transformers', 'vllm', 'open_clip', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
