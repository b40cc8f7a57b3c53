import pytest

from syntrans.descriptors.mentions import mention_pattern, name_pattern, without_names


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("golden retriever", "A golden retriever has a soft mouth.", "it has a soft mouth"),
        ("golden retriever", "golden-retrievers and other retrievers are gold", "it and other it are gold"),
        ("wolf", "wolves hunt in packs", "it hunt in packs"),
        ("bat", "a combat helmet", "combat helmet"),
    ],
)
def test_a_name_its_plural_and_its_last_word_become_it(name: str, text: str, expected: str) -> None:
    assert without_names(text, [name]) == expected


def test_a_name_is_found_as_a_word_and_not_within_one() -> None:
    assert name_pattern(["bat"]).search("two bats hang there")
    assert not name_pattern(["bat"]).search("combat")


def test_another_classs_one_word_name_counts_only_where_it_is_compared_or_alone() -> None:
    pattern = mention_pattern(["orange", "house finch"])
    assert not pattern.search("an orange beak")
    assert pattern.search("round like an orange")
    assert pattern.search("orange")
    assert pattern.search("brown as house finches are")
