from collections.abc import Callable
from typing import Any

import pytest

from syntrans.contract.rows import DescriptorRow
from syntrans.errors import InputError
from syntrans_training.imagination.prompts import check_described, class_prompts, jobs

TEXTS = ("a red body", "a star shape", "a large size", "seen at night")


def prompts(rows, **changed):
    told: dict[str, Any] = {
        "templates": ("a picture of {descriptors}",),
        "count": 4,
        "fits": lambda _: True,
        "seed": 0,
    } | changed
    return class_prompts(rows, **told)


def test_a_class_gets_as_many_different_prompts_as_are_asked_for(descriptor: Callable[..., DescriptorRow]) -> None:
    texts = prompts([descriptor("a", text) for text in TEXTS])
    assert len({prompt.text for prompt in texts}) == len(texts) == 4
    assert all(set(TEXTS) == set(prompt.text.removeprefix("a picture of ").split(", ")) for prompt in texts)


def test_dropped_descriptors_are_never_told(descriptor: Callable[..., DescriptorRow]) -> None:
    rows = [descriptor("a", "a red body"), descriptor("a", "a blue body", kept=False)]
    assert not [prompt for prompt in prompts(rows) if "blue" in prompt.text]


def test_what_would_be_cut_off_is_left_out_and_not_named_as_told(descriptor: Callable[..., DescriptorRow]) -> None:
    rows = [descriptor("a", text) for text in TEXTS]
    for prompt in prompts(rows, fits=lambda text: len(text) <= 40):
        assert len(prompt.text) <= 40
        assert len(prompt.descriptor_ids) == prompt.text.count(",") + 1


def test_a_summary_that_fits_is_one_of_the_prompts(descriptor: Callable[..., DescriptorRow]) -> None:
    rows = [descriptor("a", text) for text in TEXTS]
    assert "all of it" in {prompt.text for prompt in prompts(rows, summary="all of it")}
    assert "all of it" not in {
        p.text for p in prompts(rows, summary="all of it", fits=lambda text: text != "all of it")
    }


def test_templates_make_prompts_differ_where_descriptors_are_few(descriptor: Callable[..., DescriptorRow]) -> None:
    rows = [descriptor("a", "a red body")]
    texts = prompts(rows, templates=("a {name}, {descriptors}", "one {name}, {descriptors}"))
    assert sorted(prompt.text for prompt in texts) == ["a class a, a red body", "one class a, a red body"]


def test_a_class_that_keeps_nothing_is_named_with_what_to_do(descriptor: Callable[..., DescriptorRow]) -> None:
    rows = {"a": [descriptor("a", "a red body")], "b": [descriptor("b", "x", kept=False)]}
    with pytest.raises(InputError, match=r"1 of 2 classes keep no descriptor \(class b\).*undescribed=name"):
        check_described(rows)
    assert [prompt.text for prompt in prompts(rows["b"], templates=("a {name}, {descriptors}",))] == ["a class b"]


def test_every_picture_has_a_seed_and_a_key_of_its_own_which_do_not_depend_on_other_classes(
    descriptor: Callable[..., DescriptorRow],
) -> None:
    a, b = (prompts([descriptor(c, text) for text in TEXTS]) for c in "ab")
    both = jobs([*a, *b], per_class=10, seed=0, identity="model")
    alone = jobs(b, per_class=10, seed=0, identity="model")
    assert [job.key for job in both[10:]] == [job.key for job in alone]
    assert len({job.key for job in both}) == len({job.seed for job in both}) == 20
    assert not {job.key for job in jobs(b, per_class=10, seed=0, identity="other")} & {job.key for job in alone}
