"""One's own classes are divided by chance: the same way whatever their order, and into parts that can be trained on."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syntrans.errors import InputError, UsageError
from syntrans_training.data.auto_split import LEAST, by_chance, divide_classes

SIZES = st.integers(sum(LEAST.values()), 300)


def names(n: int) -> list[str]:
    return [f"class {i}" for i in range(n)]


@settings(max_examples=15)
@given(SIZES, st.integers(0, 99))
def test_every_class_is_in_one_part_and_each_part_can_be_used(n: int, seed: int) -> None:
    parts = divide_classes(names(n), "auto", seed=seed).parts
    assert sorted(key for part in parts.values() for key in part) == sorted(names(n))
    assert all(len(parts[part]) >= least for part, least in LEAST.items())
    assert len(parts["val"]) == len(parts["novel"])


@settings(max_examples=15)
@given(st.randoms(use_true_random=False), SIZES)
def test_the_order_of_the_classes_does_not_count(random, n: int) -> None:
    shuffled = names(n)
    random.shuffle(shuffled)
    assert divide_classes(shuffled, "auto", seed=1).parts == divide_classes(names(n), "auto", seed=1).parts


@settings(max_examples=15)
@given(SIZES, st.integers(1, 20), st.integers(1, 20), st.integers(1, 20))
def test_shares_are_kept_to_less_than_a_class(n: int, a: int, b: int, c: int) -> None:
    total = a + b + c
    word = "/".join(repr(share / total) for share in (a, b, c))
    parts = divide_classes(names(n), word, seed=0).parts
    for part, share in zip(("base", "val", "novel"), (a, b, c), strict=True):
        assert abs(len(parts[part]) - n * share / total) < 1


@pytest.mark.parametrize(("n", "sizes"), [(8, (4, 2, 2)), (20, (10, 5, 5)), (25, (15, 5, 5)), (100, (60, 20, 20))])
def test_val_and_novel_have_a_fifth_or_five(n: int, sizes: tuple[int, ...]) -> None:
    assert tuple(map(len, divide_classes(names(n), "auto", seed=0).parts.values())) == sizes


def test_another_seed_divides_otherwise() -> None:
    assert divide_classes(names(40), "auto", seed=0).parts != divide_classes(names(40), "auto", seed=1).parts


def test_too_few_classes_are_told_how_many_are_needed() -> None:
    with pytest.raises(InputError, match=r"7 classes are too few .* \(8 in all\)"):
        divide_classes(names(7), "auto", seed=0)


@pytest.mark.parametrize("word", ["0.5/0.5", "0.5/0.3/0.1", "1/0/0", "0.5/0.25/0.25/0", "1..0/2/3"])
def test_shares_that_make_no_whole_are_refused(word: str) -> None:
    with pytest.raises(UsageError, match="three shares of base, val and novel that make 1"):
        divide_classes(names(20), word, seed=0)


@pytest.mark.parametrize(
    ("word", "answer"),
    [("auto", True), ("0.6/0.2/0.2", True), (None, False), ("mini", False), ("splits/a.json", False), ("0.6", False)],
)
def test_a_file_is_no_share(word: str | None, answer: bool) -> None:
    assert by_chance(word) is answer
