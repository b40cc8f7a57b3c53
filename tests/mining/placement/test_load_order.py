"""Where models take turns in memory: in which order they are asked, and how often each is loaded for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import permutations, product
from pathlib import Path
from typing import Any

import pytest

from syntrans.classes.entries import ClassEntry
from syntrans.config import load_config
from syntrans.contract.reading import read_descriptors, read_semantics
from syntrans.progress import Silent
from syntrans_mining.config import MiningConfig
from syntrans_mining.models import Models, resolve_models
from syntrans_mining.placement import hosting
from syntrans_mining.placement.load_order import ModelUses, count_loads, grouped, model_uses_of
from syntrans_mining.placement.memory_plan import MemoryNeed, MemoryPlan, plan_memory
from syntrans_mining.run.output_files import MineResult

Run = Callable[..., MineResult]
Configure = Callable[..., MiningConfig]
GIB = 2**30
LLMS = ("ann", "bob", "cleo")


def planned(uses: ModelUses, free: float, **sizes: float) -> MemoryPlan:
    names = [*uses.llms, *([uses.vlm] if uses.vlm else [])]
    return plan_memory([MemoryNeed(n, int(sizes.get(n, 4) * GIB), 0, 0) for n in names], [int(free * GIB)], uses=uses)


def most(uses: ModelUses, free: float = 5, **sizes: float) -> int:
    return max(planned(uses, free, **sizes).loads().values())


@pytest.mark.parametrize("vlm", [None, "eye"])
@pytest.mark.parametrize("decider", [None, "ann", "bob"])
def test_without_summaries_two_loads_are_enough(vlm: str | None, decider: str | None) -> None:
    assert most(ModelUses(LLMS, vlm, decider=decider)) == 2


@pytest.mark.parametrize("decider", [None, "bob"])
def test_a_summary_and_its_reader_cost_no_third_load_without_pictures(decider: str | None) -> None:
    assert most(ModelUses(LLMS, None, decider=decider, writer="bob", readers=("ann",))) == 2


@pytest.mark.parametrize(
    ("free", "sizes"),
    [
        (9, {"eye": 9}),  # writer and reader fit together
        (9, {"ann": 8, "cleo": 8}),  # writer and VLM do
    ],
)
def test_with_pictures_two_are_enough_where_the_writer_fits_beside_one_other(free: float, sizes: dict) -> None:
    assert most(ModelUses(LLMS, "eye", writer="bob", readers=("ann",)), free * 1.1, **sizes) == 2


def test_writer_or_reader_is_loaded_three_times_where_each_model_stands_alone_and_the_plan_says_so() -> None:
    """The VLM stands between votes and summary: only one of the two can stay from the proposals to the votes."""
    plan = planned(ModelUses(LLMS, "eye", writer="bob", readers=("ann",)), 5)
    assert sorted(plan.loads().values()) == [1, 2, 2, 3]
    assert plan.lines()[-1].endswith("loads: ann 3x, cleo 2x, bob 2x, eye 1x")


def test_the_vlm_reads_summaries_at_no_third_load_of_any_model() -> None:
    assert most(ModelUses(LLMS, "eye", writer="bob", readers=("eye",))) == 2


def test_the_larger_of_writer_and_reader_is_the_one_that_stays() -> None:
    uses = ModelUses(LLMS, "eye", writer="bob", readers=("ann",))
    assert planned(uses, 7, bob=6).loads()["bob"] == 2
    assert planned(uses, 7, ann=6).loads()["ann"] == 2


def test_two_models_whose_senses_decide_need_two_loads_and_of_three_one_needs_three() -> None:
    assert most(ModelUses(("ann", "bob"), senses=True)) == 2
    assert most(ModelUses(LLMS, senses=True)) == 3


def every_order(uses: ModelUses) -> Iterator[tuple[str, ...]]:
    """All orders within all steps."""
    senses = permutations(uses.llms) if uses.senses else [(uses.decider,) if uses.decider else ()]
    after = [(name,) for name in (uses.vlm, uses.writer) if name]
    steps = [senses, permutations(uses.llms), permutations(uses.llms), *([step] for step in after)]
    for chosen in product(*steps, permutations(uses.readers)):
        yield tuple(name for step in chosen for name in step)


def every_division(sizes: dict[str, int], room: int) -> Iterator[list[list[str]]]:
    """All ways to divide models into groups that fit."""
    if not sizes:
        yield []
        return
    (name, size), *rest = sizes.items()
    for groups in every_division(dict(rest), room):
        yield [[name], *groups]
        for at, group in enumerate(groups):
            if sum(sizes[other] for other in group) + size <= room:
                yield [*groups[:at], [name, *group], *groups[at + 1 :]]


def sizes_of(config: MiningConfig) -> dict[str, int]:
    """Bytes of each model by what its config says; what it needs to work is about that of models of this size."""
    work = GIB if config.engine.device == "cpu" else 2 * GIB

    def size(model: Any, pictures: int) -> int:
        width = 0.5 if "quantization" in model.args else 1.0
        return int(model.size_gb * 1e9 * width + config.engine.kv_gib * GIB) + work + pictures

    return {**{llm.name: size(llm, 0) for llm in config.llms}, config.vlm.name: size(config.vlm, GIB)}


@pytest.mark.parametrize("share", [0.8, 0.9, 1.0])
@pytest.mark.parametrize("pictures", [True, False])
@pytest.mark.parametrize(("name", "gib"), [("cpu", 32), ("gpu24", 24), ("gpu80", 80)])
def test_on_the_hardware_of_a_shipped_config_no_order_and_no_division_loads_less(
    name: str, gib: int, pictures: bool, share: float
) -> None:
    """``share`` of the memory is free. CLIP takes its part of it."""
    config = load_config(MiningConfig, name, kind="mining/configs")
    sizes = sizes_of(config)
    if not pictures:
        del sizes[config.vlm.name]
    room = int((gib * share * 0.95 - 2.6) * GIB)
    if sum(sizes.values()) <= room:
        return  # all together, each loaded once
    ambiguous = [ClassEntry("crane", "crane")]
    uses = model_uses_of(config, ambiguous, pictures=pictures)
    for case in (uses, replace(uses, senses=False), replace(uses, senses=False, decider=config.compose.llm)):
        groups, order = grouped(sizes, room, case)
        cost = loads_and_bytes(groups, order.sequence(case), sizes)
        assert cost == min(
            loads_and_bytes(sorted(division, key=lambda names: sequence[0] not in names), sequence, sizes)
            for division in every_division(sizes, room)
            for sequence in every_order(case)
        )


def loads_and_bytes(groups: list[list[str]], sequence: tuple[str, ...], sizes: dict[str, int]) -> tuple[int, int]:
    """The most loads of one model, and the bytes of all loads."""
    loads = count_loads(groups, sequence)
    return max(loads.values()), sum(sizes[name] * times for name, times in loads.items())


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory for one of the models, and for CLIP."""

    def plan(_config: MiningConfig, models: Models, uses: ModelUses | None = None) -> MemoryPlan:
        needs = [MemoryNeed(model.name, 4 * GIB, 0, 0) for model in models.all if model.name != "clip"]
        return plan_memory(needs, [6 * GIB], resident=[MemoryNeed("clip", GIB, 0, 0)], uses=uses)

    monkeypatch.setattr(hosting, "memory_plan_of", plan)


CROSSCHECK = {"threshold": 0.3, "calibration": "agreement"}
FIRST = {"ask_senses": True, "ambiguous": "first"}
EVERYTHING: dict[str, Any] = {
    "contrast": {"prompt": "contrast.v1"},
    "crosscheck": CROSSCHECK,
    "lint": FIRST,
    "compose": {"llm": "bob"},
}
CUT_OFF = {"truncate": ["heron"], "truncate_times": 2}  # such answers are drawn again


@pytest.mark.slow
@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize(
    ("sections", "pictures", "expected"),
    [
        ({"contrast": {"prompt": "contrast.v1"}, "crosscheck": CROSSCHECK}, True, [1, 1, 2, 2]),
        ({"lint": FIRST, "crosscheck": CROSSCHECK}, True, [1, 1, 2, 2]),
        (EVERYTHING, False, [2, 2, 2]),
        (EVERYTHING, True, [1, 2, 2, 3]),
    ],
    ids=["contrast", "senses", "summaries, no pictures", "everything"],
)
def test_a_run_loads_as_often_as_planned_second_draws_included(
    sections: dict[str, Any],
    pictures: bool,
    expected: list[int],
    run: Run,
    configure: Configure,
    entries: list[ClassEntry],
) -> None:
    config = configure(CUT_OFF, workers=1, **sections)
    result = run(config) if pictures else run(config, images=None)
    loads = dict(result.run["loads"])
    assert loads.pop("clip") == 1
    assert sorted(loads.values()) == expected
    assert result.run["stages"]["propose"]["models"]["ann"]["asked"] > 4 * 2  # some were drawn again
    models = hosting.memory_plan_of(config, _models(config, loads), model_uses_of(config, entries, pictures=pictures))
    assert models.loads() == loads


def _models(config: MiningConfig, names: dict[str, int]) -> Models:
    models = resolve_models(config)
    return models if "eye" in names else replace(models, vlm=None)


@pytest.mark.slow
@pytest.mark.usefixtures("alone")
def test_the_order_of_asking_changes_nothing_in_the_files(run: Run, configure: Configure, tmp_path: Path) -> None:
    sections = EVERYTHING | {"compose": {"llm": "cleo"}}
    in_turns = run(configure(workers=1, **sections), tmp_path / "turns")
    together = run(configure(workers=0, **sections), tmp_path / "together")
    assert read_descriptors(in_turns.descriptors)[0] == read_descriptors(together.descriptors)[0]
    assert read_semantics(in_turns.semantics)[0] == read_semantics(together.semantics)[0]


@pytest.mark.usefixtures("alone")
def test_a_run_that_goes_on_loads_only_what_is_still_asked(run: Run, configure: Configure) -> None:
    before = run(configure(workers=1, crosscheck=CROSSCHECK)).run["loads"]
    again = run(configure(workers=1, crosscheck=CROSSCHECK, ground={"threshold": 0.2, "images": 5}))
    more = {name: n - before[name] for name, n in again.run["loads"].items() if name != "clip"}  # CLIP loads beside it
    assert {name: n for name, n in more.items() if n} == {"eye": 1}


@pytest.mark.parametrize("workers", [0, 1])
def test_without_pictures_the_vlm_is_not_loaded(workers: int, run: Run, configure: Configure) -> None:
    result = run(configure(workers=workers), images=None, progress=Silent())
    assert "eye" not in result.run["load_seconds"]
    assert "no images" in result.run["skipped"]["ground"]
