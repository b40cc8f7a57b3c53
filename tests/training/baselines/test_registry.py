"""The list of baselines, which three places keep: the table, the config, and the labels of the rows."""

from typing import get_args

import pytest

from syntrans.views.labels import GROUPS, LABELS
from syntrans_training.baselines.registry import BASELINES
from syntrans_training.baselines.training import RECIPES
from syntrans_training.config.baselines import BaselineName, BaselinesConfig


def test_the_config_knows_the_baselines_in_the_order_of_the_table() -> None:
    assert get_args(BaselineName) == tuple(BASELINES) == BaselinesConfig().names


@pytest.mark.parametrize("name", BASELINES)
def test_a_baseline_has_a_label_and_one_beside_it_for_a_second_recipe(name: str) -> None:
    assert LABELS[name]
    assert (f"{name}_other" in LABELS) == (len(RECIPES.get(name, ())) > 1)


@pytest.mark.parametrize("name", BASELINES)
def test_a_baseline_stands_in_a_group_of_the_table_and_every_setting_has_a_choice(name: str) -> None:
    assert BASELINES[name].group in GROUPS
    assert all(BASELINES[name].grid.values())


def test_what_is_trained_is_in_the_table() -> None:
    assert RECIPES.keys() <= BASELINES.keys()
