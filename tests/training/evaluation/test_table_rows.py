import pytest

from syntrans_training.evaluation.table_rows import ELSEWHERE, calibrated_as


@pytest.mark.parametrize("row", ["syntrans", "syntrans_prior", "shuffled", "half_shuffled", "no_text"])
def test_what_the_prior_of_other_domains_moves_is_calibrated_together_where_pictures_are_of_one(row: str) -> None:
    assert calibrated_as(row, "inductive") == ELSEWHERE
    assert calibrated_as(row, "val") == row


@pytest.mark.parametrize("row", ["fsktn", "visual_only", "fused", "syntrans_transductive"])
def test_what_it_does_not_move_keeps_the_temperature_that_val_chose_for_it(row: str) -> None:
    assert calibrated_as(row, "inductive") == calibrated_as(row, "val") == row


def test_alpha_of_val_keeps_its_temperature_also_where_it_is_no_headline() -> None:
    assert calibrated_as("syntrans_val", "inductive") == "syntrans"
