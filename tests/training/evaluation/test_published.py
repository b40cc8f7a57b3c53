"""Published numbers are data with sources, and stand beside ours on the same data set only."""

import pytest

from syntrans_training.evaluation.published import DATASETS, against, page, published, sources


@pytest.mark.parametrize("dataset", DATASETS)
def test_every_result_has_a_known_source_and_a_plausible_accuracy(dataset) -> None:
    entries = published(dataset)
    assert entries
    for entry in entries:
        assert entry.source in sources()
        for value in entry.accuracy.values():
            assert value is None or 20 < value[0] < 100
            assert value is None or value[1] is None or 0 < value[1] < 1


def test_numbers_are_those_of_their_source() -> None:
    skd = {e.method: e.accuracy for e in published("mini") if e.source == "skd"}
    assert skd["SKD-GEN1"] == {1: (67.04, 0.85), 5: (83.54, 0.54)}
    assert {e.method: e.accuracy[5] for e in published("mini")}["ECER"] is None


def summary(dataset):
    row = {"mean": 61.234, "half_width": 0.5}
    return {
        "episodes": {"ways": 5},
        "data": {"dataset": dataset},
        "encoder": {"backbone": "resnet12", "method": "skd-gen1", "test_size": 84},
        "results": {"1": {"syntrans": row}, "5": {"syntrans": row}},
    }


def test_ours_stand_beside_the_published_ones() -> None:
    text = against(summary("mini"))
    assert "SKD-GEN1" in text
    assert "61.23 ±0.50" in text
    assert any(line.startswith("SynTrans") and "not available" in line for line in text.splitlines())
    assert "SUITED" not in text  # of CUB


def test_a_method_whose_large_model_sees_the_query_stands_below_ours_in_a_block_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "140")
    lines = against(summary("mini")).splitlines()
    ours, head, pmce = (
        next(i for i, line in enumerate(lines) if word in line) for word in ("ours:", "sees the", "PMCE")
    )
    assert ours < head < pmce
    assert "resnet12, 84 px" in lines[ours]
    assert not any(entry.method == "PMCE" for entry in published("mini"))


def test_given_features_are_not_called_by_a_backbone() -> None:
    ours = summary("mini") | {"encoder": {"method": "precomputed", "numbers": 640}}
    assert "features of 640 numbers" in against(ours)


def test_given_features_whose_file_names_their_encoder_are_called_by_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "140")
    ours = {"method": "precomputed", "numbers": 640, "features_of": "resnet12, 84 px"}
    lines = against(summary("mini") | {"encoder": ours}).splitlines()
    assert any(line.startswith("ours:") and "resnet12, 84 px" in line for line in lines)


def test_what_a_large_model_reaches_by_names_alone_is_told() -> None:
    assert "names alone: 94.43 ±0.05 (10-way)" in against(summary("mini"))
    assert "94.43" not in against(summary("fc100"))


def test_other_data_has_nothing_beside_it() -> None:
    assert against(summary("")).startswith("no published numbers for this data; there are some for miniImageNet")


def test_syntrans_has_no_number_on_the_page() -> None:
    assert "SynTrans: not available" in page()
    assert "| SynTrans" not in page()
