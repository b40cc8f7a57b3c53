"""Scoring a run against the truth, and choosing thresholds from it."""

import pytest

from syntrans.contract.rows import Author, Clip, DescriptorRow, Grounding, descriptor_id
from syntrans_world.score import step_scores
from syntrans_world.spec import CLASSES, PHRASES
from syntrans_world.thresholds import EVIDENCE, choose, evidence

VAL = [c for c in CLASSES if c.split == "val"]


def row(class_id: str, text: str, *, stage: str | None = None, reason: str | None = None, score: float = 0.9):
    """A row that was kept unless a stage is named, all of whose scores are `score`."""
    return DescriptorRow(
        class_id=class_id,
        class_name=class_id,
        descriptor_id=descriptor_id(class_id, text),
        text=text,
        facet="other",
        authors=[Author(model="m", revision="r", prompt="p", sample=0, seed=0, raw=text)],
        votes=[],
        agreement=score,
        grounding=Grounding(model="v", revision="r", p_yes=score, p_yes_contrast=0.1),
        clip=Clip(model="c", similarity=score, margin=score, neighbour="x", tokens=4, truncated=False),
        kept=stage is None,
        stage=stage,
        reason=reason,
    )


def true_text(entry) -> str:
    """A true statement about a class."""
    return PHRASES["fill"][entry.truth()["fill"]][0]


def test_a_row_counts_until_the_step_that_dropped_it() -> None:
    entry = VAL[0]
    rows = [
        row(entry.id, true_text(entry)),
        row(entry.id, "many variations", stage="ground", reason="not_seen"),
        row(entry.id, "visible details", stage="merge", reason="duplicate_of"),
    ]
    assert [(line.stage, line.rows) for line in step_scores(rows, "val")] == [
        ("propose", 3),
        ("merge", 2),
        ("crosscheck", 2),
        ("ground", 1),
        ("filter", 1),
    ]
    assert step_scores(rows, "val")[-1].precision == 1.0


def test_thresholds_that_are_chosen_separate_true_from_false() -> None:
    rows = [row(c.id, true_text(c), score=0.8) for c in VAL] + [row(c.id, "many variations", score=0.3) for c in VAL]
    chosen = choose(rows)
    assert chosen.precision == 1.0
    assert chosen.rows == len(VAL)
    assert max(chosen.thresholds.values()) > 0.1


def test_an_earlier_threshold_costs_little_recall_even_where_it_would_raise_precision() -> None:
    """One true statement of ten has no agreement at all: the floor of 95 percent forbids dropping it at once."""
    rows = [row(c.id, true_text(c), score=0.8) for c in VAL] + [row(c.id, "many variations", score=0.3) for c in VAL]
    rows[0] = rows[0].model_copy(update={"agreement": 0.1})
    assert choose(rows).thresholds["crosscheck.threshold"] <= 0.1
    assert choose(rows, floors={"crosscheck.threshold": 0.9}).thresholds["crosscheck.threshold"] > 0.1


def test_the_filter_keeps_what_is_doubtful_as_long_as_enough_of_all_that_is_kept_is_true() -> None:
    """Sure truths, doubtful ones, and one falsehood among the doubtful: a stricter demand costs the doubtful."""
    base = [c for c in CLASSES if c.split == "base"]
    rows = [row(c.id, true_text(c), score=0.9) for c in base] + [row(c.id, true_text(c), score=0.7) for c in VAL[1:]]
    rows += [row(VAL[0].id, "many variations", score=0.75), *(row(c.id, "visible details", score=0.3) for c in VAL)]
    loose, strict = choose(rows, precision=0.98), choose(rows, precision=1.0)
    assert (loose.rows, strict.rows) == (len(base) + len(VAL), len(base))
    assert loose.thresholds["filter.threshold"] < strict.thresholds["filter.threshold"]
    assert strict.precision == 1.0


def test_the_evidence_is_that_of_the_filter() -> None:
    from syntrans_mining.steps import filter as filtering
    from syntrans_mining.steps.candidate import from_row

    seen = Grounding(model="v", revision="r", p_yes=0.9, p_yes_contrast=0.8, images=["a", "b", "c", "d"])
    one = row(VAL[0].id, "visible details").model_copy(update={"grounding": seen})
    measured = filtering.evidence(from_row(one))
    assert dict(zip(EVIDENCE, evidence([one])[0], strict=True)) == pytest.approx(measured)
    assert measured["everywhere"] == pytest.approx(0.72**2)


def test_thresholds_of_a_step_that_did_not_run_are_not_chosen() -> None:
    rows = [row(c.id, true_text(c), score=0.8) for c in VAL] + [row(c.id, "many variations", score=0.3) for c in VAL]
    chosen = choose([r.model_copy(update={"grounding": None}) for r in rows])
    assert set(chosen.thresholds) == {"crosscheck.threshold", "filter.threshold"}
    assert chosen.fuse["p_yes"] == chosen.fuse["gap"] == 0


def test_thresholds_do_not_depend_on_novel_classes() -> None:
    rows = [row(c.id, true_text(c), score=0.8) for c in VAL] + [row(c.id, "many variations", score=0.3) for c in VAL]
    misleading = [row(c.id, "many variations", score=0.9) for c in CLASSES if c.split == "novel"]
    assert choose(rows) == choose(rows + misleading)


def test_choosing_from_a_file_without_val_rows_is_an_error() -> None:
    with pytest.raises(ValueError, match="val"):
        choose([])
