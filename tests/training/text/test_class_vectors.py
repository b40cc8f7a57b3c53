import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syntrans.contract.rows import descriptor_id
from syntrans.descriptors.importers import import_descriptions
from syntrans.errors import InputError
from syntrans.sentences import fill
from syntrans.windows import windows
from syntrans_training.config import TextConfig
from syntrans_training.text.class_vectors import derangement, embed_texts, read_knowledge
from syntrans_training.text.encoders import TextEncoder, open_text_encoder
from syntrans_training.text.text_encoder_choice import WORLD_CLIP


@given(st.integers(2, 60), st.integers(0, 2**31))
def test_a_derangement_moves_every_class(n, seed) -> None:
    order = derangement(n, seed)
    assert sorted(order.tolist()) == list(range(n))
    assert (order != np.arange(n)).all()
    assert np.array_equal(order, derangement(n, seed))


def test_one_class_cannot_be_deranged() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        derangement(1, 0)


def test_classes_are_met_by_name_and_by_slug(write_toy_descriptors, toy_classes) -> None:
    path = write_toy_descriptors()
    spelled = [name.replace(" ", "_").upper() for name in toy_classes]
    knowledge = read_knowledge(path, spelled)
    assert [knowledge.names[c] for c in spelled] == toy_classes
    assert knowledge.variants == ("kept", "raw", "random", "name")


def test_a_file_without_rejected_rows_has_no_raw_variant(write_toy_descriptors, toy_classes) -> None:
    assert read_knowledge(write_toy_descriptors(rejected=False), toy_classes).variants == ("kept", "random", "name")


def test_without_a_file_only_names_are_known(toy_classes) -> None:
    knowledge = read_knowledge(None, toy_classes)
    assert knowledge.variants == ("name",)
    assert knowledge.images_seen == ()


def test_classes_the_file_does_not_know_are_named(write_toy_descriptors) -> None:
    with pytest.raises(InputError, match=r"1 of 1 classes \(zebra"):
        read_knowledge(write_toy_descriptors(), ["zebra"])


def test_statements_say_which_descriptors_a_class_has_and_nothing_of_their_words(
    tmp_path, encoder, descriptor_row
) -> None:
    said = {"fox": ["it is red", "it is small"], "wolf": ["it is grey", "it is small"]}
    path = write_rows(tmp_path, [descriptor_row(name, text) for name, texts in said.items() for text in texts])
    vectors = embed_texts(read_knowledge(path, [*said]), [*said], encoder, "statements").vectors(0.0)
    assert vectors @ vectors.T == pytest.approx(np.array([[1, 0.5], [0.5, 1]]))  # one of two is the same


def write_rows(tmp_path: Path, rows):
    from syntrans.contract.rows import FileMetadata
    from syntrans.contract.writing import write_descriptors

    path = tmp_path / "some.parquet"
    write_descriptors(path, rows, FileMetadata(run_id="t", class_list_sha256="0" * 64, prompt_sha256={}))
    return path


@pytest.fixture
def encoder(tiny_text_encoder: Path):
    return open_text_encoder(str(tiny_text_encoder))


def test_kept_is_the_weighted_mean_of_unit_embeddings(tmp_path, encoder, descriptor_row) -> None:
    rows = [
        descriptor_row("fox", "it is red", weight=3.0),
        descriptor_row("fox", "it is white", weight=1.0),
        descriptor_row("fox", "it is blue", kept=False),
        descriptor_row("fox", "red it is", kept=False, reason="duplicate_of", stage="merge"),
    ]
    knowledge = read_knowledge(write_rows(tmp_path, rows), ["fox"])
    red, white, blue = encoder.encode(["it is red", "it is white", "it is blue"])
    kept, raw = (embed_texts(knowledge, ["fox"], encoder, variant).vectors(0.0)[0] for variant in ("kept", "raw"))
    expected = 0.75 * red + 0.25 * white
    assert np.allclose(kept, expected / np.linalg.norm(expected), atol=1e-6)
    expected = red + white + blue  # unweighted, and without the duplicate
    assert np.allclose(raw, expected / np.linalg.norm(expected), atol=1e-6)


def test_a_name_share_mixes_the_name_in(tmp_path, encoder, descriptor_row) -> None:
    knowledge = read_knowledge(write_rows(tmp_path, [descriptor_row("fox", "it is red")]), ["fox"])
    name, text = encoder.encode(["a photo of a fox", "it is red"])
    vector = embed_texts(knowledge, ["fox"], encoder, "kept").vectors(0.5)[0]
    assert np.allclose(vector, (name + text) / np.linalg.norm(name + text), atol=1e-6)


def test_the_name_stands_in_for_a_class_without_kept_rows(tmp_path, encoder, descriptor_row, capsys) -> None:
    rows = [descriptor_row("fox", "it is red", kept=False), descriptor_row("owl", "it is white")]
    knowledge = read_knowledge(write_rows(tmp_path, rows), ["fox", "owl"])
    vectors = embed_texts(knowledge, ["fox", "owl"], encoder, "kept").vectors(0.0)
    assert np.allclose(vectors[0], encoder.encode(["a photo of a fox"])[0], atol=1e-6)
    assert "fox (1 classes)" in capsys.readouterr().err


def test_a_class_imported_without_a_description_has_the_vector_of_its_name(tmp_path, encoder) -> None:
    source = tmp_path / "dclip.json"
    source.write_text(json.dumps({"fox": [], "owl": ["it is white"]}))
    knowledge = read_knowledge(import_descriptions([source], tmp_path / "out").descriptors, ["fox", "owl"])
    vectors = embed_texts(knowledge, ["fox", "owl"], encoder, "kept").vectors(0.0)
    assert np.allclose(vectors, encoder.encode(["a photo of a fox", "it is white"]), atol=1e-6)
    assert knowledge.variants == ("kept", "random", "name")


def test_a_sentence_that_the_source_has_five_times_weighs_five_times_as_much(tmp_path, encoder) -> None:
    source = tmp_path / "cupl.json"
    source.write_text(json.dumps({"fox": ["it is red", *["it is white"] * 5]}))
    knowledge = read_knowledge(import_descriptions([source], tmp_path / "out").descriptors, ["fox"])
    red, white = encoder.encode(["it is red", "it is white"])
    expected = red + 5 * white
    vector = embed_texts(knowledge, ["fox"], encoder, "kept").vectors(0.0)[0]
    assert np.allclose(vector, expected / np.linalg.norm(expected), atol=1e-6)


def test_descriptors_without_names_leave_a_class_without_descriptors_its_name(
    tmp_path, encoder, descriptor_row
) -> None:
    rows = [descriptor_row("fox", "a fox is red"), descriptor_row("owl", "it is white", kept=False)]
    knowledge = read_knowledge(write_rows(tmp_path, rows), ["fox", "owl"])
    embedded = embed_texts(knowledge, ["fox", "owl"], encoder, "unnamed")
    assert embedded.sentences[0] == ("it is red",)
    assert np.allclose(embedded.vectors(0.0)[1], encoder.encode(["a photo of a owl"])[0], atol=1e-6)
    assert np.allclose(embedded.vectors(1.0)[0], encoder.encode(["a photo of a fox"])[0], atol=1e-6)


def test_classname_free_texts_say_no_name_and_a_file_that_never_says_one_has_no_such_variant(
    tmp_path, encoder, descriptor_row
) -> None:
    rows = [descriptor_row("red fox", "A red fox has a bushy tail."), descriptor_row("owl", "owls hoot")]
    knowledge = read_knowledge(write_rows(tmp_path, rows), ["red fox", "owl"])
    assert knowledge.variants == ("kept", "classname_free", "random", "name")
    embedded = embed_texts(knowledge, ["red fox", "owl"], encoder, "classname_free")
    assert embedded.sentences == (("it has a bushy tail",), ("it hoot",))
    assert np.array_equal(embedded.names[0], embedded.names[1])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a long beak", "fox, which is a long beak"),
        ("has a tail", "fox, which has a tail"),
        ("often red", "fox, which often red"),
        ("used by hunters", "fox, which is used by hunters"),
        ("four legs", "fox, which has four legs"),
    ],
)
def test_the_sentences_of_dclip_are_a_template(text, expected) -> None:
    assert (
        fill(TextConfig(descriptor_template="{name}, {which}").descriptor_template, text=text, name="fox") == expected
    )


def test_two_classes_of_one_name_in_the_file_are_an_error_unless_the_data_says_the_id(tmp_path, descriptor_row) -> None:
    ids = ("n02012849", "n03126707")
    rows = [descriptor_row("crane", f"of {i}", class_id=i) for i in ids]
    path = write_rows(tmp_path, rows)
    with pytest.raises(InputError, match="'crane' could be 'n02012849' or 'n03126707'"):
        read_knowledge(path, ["crane"])
    knowledge = read_knowledge(path, [*ids])
    assert {c: [row.text for row in group] for c, group in knowledge.rows.items()} == {i: [f"of {i}"] for i in ids}


def test_classes_that_differ_by_a_mark_never_share_descriptors(tmp_path, descriptor_row) -> None:
    rows = [descriptor_row(name, f"of {name}") for name in ("Bär", "Bar")]
    knowledge = read_knowledge(write_rows(tmp_path, rows), ["Bar", "Bär"])
    assert {c: group[0].text for c, group in knowledge.rows.items()} == {"Bar": "of Bar", "Bär": "of Bär"}
    with pytest.raises(InputError, match="Bår"):
        read_knowledge(tmp_path / "some.parquet", ["Bår"])


def test_rows_of_a_class_beside_are_nobody_elses(tmp_path, descriptor_row) -> None:
    path = write_rows(tmp_path, [descriptor_row("polar bear", "white fur")])
    assert read_knowledge(path, ["Polar_Bear"]).names == {"Polar_Bear": "polar bear"}
    with pytest.raises(InputError, match=r"Polar_Bear \(nearest: polar bear\)"):
        read_knowledge(path, ["Polar_Bear"], beside=["polar bear"])
    with pytest.raises(InputError, match="'polar-bear' could belong to the classes 'polar bear' and 'Polar_Bear'"):
        read_knowledge(path, ["polar bear"], beside=["Polar_Bear"])
    assert read_knowledge(path, ["polar bear"], beside=["brown bear"]).names == {"polar bear": "polar bear"}


def test_classes_beside_that_cannot_be_told_apart_are_no_hindrance(tmp_path, descriptor_row) -> None:
    cranes = [descriptor_row("crane", "tall", class_id=i) for i in ("n02012849", "n03126707")]
    path = write_rows(tmp_path, [descriptor_row("wolf", "grey fur"), *cranes])
    assert read_knowledge(path, ["wolf"], beside=["crane"]).names == {"wolf": "wolf"}


def test_a_file_in_which_an_earlier_version_mixed_two_classes_is_refused(tmp_path, descriptor_row) -> None:
    path = write_rows(tmp_path, [descriptor_row("bar", "a counter"), descriptor_row("bear", "brown fur")])
    table = pq.read_table(path)
    ids = table.schema.get_field_index("class_id")
    table = table.set_column(ids, "class_id", pa.array(["bar", "bar"]))
    of_text = pa.array([descriptor_id("bar", text) for text in table["text"].to_pylist()])
    pq.write_table(table.set_column(table.schema.get_field_index("descriptor_id"), "descriptor_id", of_text), path)
    with pytest.raises(InputError, match="rows of 'bar' and 'bear' are mixed under the id 'bar'"):
        read_knowledge(path, ["bar"])


def test_batches_and_padding_do_not_change_an_embedding(encoder) -> None:
    texts = ["red", "a photo of a white thing it is it is", "blue bar"]
    alone = np.stack([encoder.model().encode_batch([t])[0] for t in texts])
    together = encoder.encode(texts)
    assert np.allclose(together, alone / np.linalg.norm(alone, axis=1, keepdims=True), atol=1e-5)


def test_a_text_is_embedded_once_and_no_model_is_loaded_for_known_ones(encoder) -> None:
    first = encoder.encode(["it is red", "it is blue"])
    deaf = TextEncoder(encoder.name, encoder.revision, lambda: pytest.fail("the model was loaded"))
    assert np.array_equal(deaf.encode(["it is blue", "it is red"]), first[::-1])


def test_sentences_that_differ_only_beyond_what_the_encoder_reads_get_vectors_of_their_own(encoder, capsys) -> None:
    same = "it is a thing of a thing " * 80  # 560 words; the encoder reads 256 tokens
    red, blue = f"{same} red", f"{same} blue"
    vectors = encoder.encode([red, blue, "it is red"])
    assert not np.allclose(vectors[0], vectors[1], atol=1e-4)
    parts = windows(red, encoder.model().count, encoder.model().limit)
    assert " ".join(parts).split() == red.split()
    mean = encoder.encode(parts).mean(0)
    assert np.allclose(vectors[0], mean / np.linalg.norm(mean), atol=1e-6)
    encoder.encode([f"{same} white"])
    said = [line for line in capsys.readouterr().err.splitlines() if "windows" in line]
    assert len(said) == 1
    assert said[0].startswith("2 of 3 texts are longer than the 256 tokens that tiny reads; such texts are read in win")
    assert len(encoder.windowed) == 3


def test_the_worlds_clip_reads_a_long_text_to_its_end() -> None:
    clip = open_text_encoder(WORLD_CLIP)
    same = "a picture of a red thing seen on green moss " * 8
    vectors = clip.encode([f"{same} with a star shape", f"{same} with a round shape"])
    assert clip.model().limit == 32
    assert not np.allclose(vectors[0], vectors[1], atol=1e-3)
