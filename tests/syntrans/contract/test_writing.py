"""Whatever the writers write, the readers read back."""

from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syntrans.contract.reading import read_descriptors, read_semantics
from syntrans.contract.rows import (
    FACETS,
    REASONS,
    STAGES,
    Author,
    Clip,
    DescriptorRow,
    FileMetadata,
    Grounding,
    SemanticsRow,
    Vote,
    descriptor_id,
)
from syntrans.contract.writing import write_descriptors, write_semantics
from syntrans.text_safety import plain_text

META = FileMetadata(run_id="r", class_list_sha256="0" * 64)

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
name = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
share = st.floats(0, 1, width=32)
cosine = st.floats(-1, 1, width=32)
count = st.integers(0, 2**31 - 1)
int64 = st.integers(-(2**63), 2**63 - 1)
authors = st.builds(Author, model=text, revision=text, prompt=text, sample=count, seed=int64, raw=text)
votes = st.builds(Vote, model=text, revision=text, p_yes=share, p_calibrated=st.none() | share)
groundings = st.builds(
    Grounding,
    model=text,
    revision=text,
    p_yes=share,
    p_yes_contrast=st.none() | share,
    contrast_class=st.none() | text,
    images=st.lists(text, max_size=2),
)
clips = st.builds(
    Clip,
    model=text,
    similarity=cosine,
    margin=st.none() | cosine,
    neighbour=st.none() | text,
    tokens=count,
    truncated=st.booleans(),
)


@st.composite
def descriptor_rows(draw: st.DrawFn) -> DescriptorRow:
    kept, class_id, said = draw(st.booleans()), draw(name), plain_text(draw(text))
    return DescriptorRow(
        class_id=class_id,
        class_name=f"{class_id} {class_id.encode().hex()}",  # a name of its own, whatever the id is made of
        descriptor_id=descriptor_id(class_id, said),
        text=said,
        facet=draw(st.sampled_from(FACETS)),
        contrast_with=draw(st.none() | name),
        authors=draw(st.lists(authors, max_size=2)),
        votes=draw(st.lists(votes, max_size=2)),
        agreement=draw(st.none() | share),
        grounding=draw(st.none() | groundings),
        clip=draw(st.none() | clips),
        kept=kept,
        stage=None if kept else draw(st.sampled_from(STAGES)),
        reason=None if kept else draw(st.sampled_from(REASONS)),
        duplicate_of=draw(st.none() | st.text("0123456789abcdef", min_size=16, max_size=16)),
        rank=draw(st.none() | st.integers(1, 2**31 - 1)),
        weight=draw(st.none() | st.floats(0, 100, width=32)),
    )


quick = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@quick
@given(rows=st.lists(descriptor_rows(), max_size=6))
def test_whatever_is_written_is_read_back(rows: list[DescriptorRow], tmp_path: Path) -> None:
    path = write_descriptors(tmp_path / "descriptors.parquet", rows, META)
    assert read_descriptors(path) == (sorted(rows, key=lambda row: row.class_id), META)


@quick
@given(
    embeddings=st.integers(1, 4).flatmap(
        lambda dim: st.lists(st.lists(cosine, min_size=dim, max_size=dim), min_size=1, max_size=4)
    )
)
def test_embeddings_of_any_dimension_are_read_back(embeddings: list[list[float]], tmp_path: Path) -> None:
    rows = [
        SemanticsRow(
            class_id=f"{i}", class_name=f"c{i}", summary="", n_kept=0, encoder="e", encoder_revision="", embedding=e
        )
        for i, e in enumerate(embeddings)
    ]
    path = write_semantics(tmp_path / "semantics.parquet", rows, META)
    assert read_semantics(path) == (rows, META)
