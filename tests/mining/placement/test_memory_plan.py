"""Which models are in memory together, on which device, and that the memory of ended ones is back."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syntrans.config import load_config
from syntrans.errors import EnvironmentProblem
from syntrans_mining.config import MiningConfig
from syntrans_mining.engines.base import EngineSpec, Message, Request, Sampling
from syntrans_mining.engines.workers.pool import Pool, WorkerPlan
from syntrans_mining.models import resolve_models
from syntrans_mining.placement.device_memory import free_memory, wait_until_back
from syntrans_mining.placement.hosting import memory_plan_of, worker_plans
from syntrans_mining.placement.memory_plan import MemoryNeed, MemoryPlan, plan_memory, spread
from syntrans_mining.placement.model_sizes import memory_need_of

GIB = 2**30


def need(name: str, gib: float, heads: int = 8) -> MemoryNeed:
    return MemoryNeed(name, int(gib * GIB), 0, 0, heads)


def names(plan: MemoryPlan) -> list[list[tuple[str, ...]]]:
    return [[slot.models for slot in slots] for slots in plan.load_groups]


def test_models_that_fit_are_in_one_load_group_on_the_emptiest_workers() -> None:
    plan = plan_memory([need(n, 1) for n in "abcv"], [10 * GIB], workers=2, replicas={"v": 2})
    assert names(plan) == [[("a", "c", "v"), ("b", "v")]]
    assert plan.loads() == {"a": 1, "b": 1, "c": 1, "v": 1}
    assert plan.lines()[-1] == "all models fit together; each is loaded once"


def test_models_that_do_not_fit_come_in_load_groups_and_are_loaded_at_most_twice() -> None:
    plan = plan_memory([need(n, 4) for n in "abc"], [10 * GIB], resident=[need("clip", 3)])
    assert names(plan) == [[("a",)], [("b",)], [("c",)]]
    assert plan.loads() == {"a": 2, "b": 2, "c": 1}
    assert plan.lines()[-1].endswith("take turns; loads: a 2x, b 2x, c 1x")
    assert "order of asking: a, b, c; votes: c, b, a" in plan.lines()
    assert "load group 2: b" in plan.lines()


def test_a_model_larger_than_the_memory_is_named_with_what_it_needs() -> None:
    with pytest.raises(EnvironmentProblem, match=r"'b' needs 20\.0 GiB .* 9\.5 GiB can be used"):
        plan_memory([need("a", 1), need("b", 20)], [10 * GIB])


def test_every_gpu_gets_every_model_where_they_fit() -> None:
    plan = plan_memory([need("a", 10), need("b", 20)], [40 * GIB] * 3, device="cuda")
    assert [(slot.models, slot.gpus) for slot in plan.load_groups[0]] == [(("a", "b"), (n,)) for n in range(3)]


def test_models_are_divided_over_the_gpus_where_one_does_not_hold_all() -> None:
    plan = plan_memory([need("a", 30), need("b", 30), need("c", 5)], [40 * GIB] * 2, device="cuda")
    assert len(plan.load_groups) == 1
    assert sorted(name for slot in plan.load_groups[0] for name in slot.models) == ["a", "b", "c"]
    assert {len(slot.gpus) for slot in plan.load_groups[0]} == {1}


def test_only_a_model_that_fits_no_gpu_is_spread_over_several() -> None:
    plan = plan_memory([need("small", 10), need("large", 60, heads=8)], [40 * GIB] * 4, device="cuda")
    assert [slot.gpus for slot in plan.load_groups[0]] == [(0,), (1,), (2,), (3,)]
    assert [(slot.models, slot.gpus) for slot in plan.load_groups[1]] == [(("large",), (0, 1)), (("large",), (2, 3))]


def test_tensor_parallelism_must_divide_the_heads() -> None:
    with pytest.raises(EnvironmentProblem, match="'odd' needs"):
        plan_memory([need("odd", 60, heads=7)], [40 * GIB] * 4, device="cuda")


@given(
    sizes=st.lists(st.floats(0.1, 30), min_size=1, max_size=6),
    free=st.lists(st.floats(32, 200), min_size=1, max_size=4),
    device=st.sampled_from(["cpu", "cuda"]),
)
def test_no_plan_holds_more_than_there_is_and_none_forgets_a_model(
    sizes: list[float], free: list[float], device: Any
) -> None:
    needs = [need(str(number), size) for number, size in enumerate(sizes)]
    plan = plan_memory(needs, [int(gib * GIB) for gib in free], device=device, workers=2)
    assert {model for slots in plan.load_groups for slot in slots for model in slot.models} == {n.name for n in needs}
    for number, slots in enumerate(plan.load_groups):
        assert plan.group_need(number) <= max(plan.free)
        for gpu in {gpu for slot in slots for gpu in slot.gpus}:
            held = [model for slot in slots if gpu in slot.gpus for model in slot.models]
            assert sum(sizes[int(model)] for model in held) * GIB <= plan.free[gpu]


def test_workers_get_no_more_models_than_they_host() -> None:
    assert [slot.models for slot in spread("a", {}, 4)] == [("a",)]


def test_a_need_is_read_from_the_folder(tmp_path: Path) -> None:
    world = load_config(MiningConfig, "world", kind="mining/configs")
    models = resolve_models(world)
    llm, clip = memory_need_of(models.llms[0].spec), memory_need_of(models.clip.spec)
    weights = Path(models.llms[0].spec.path, "model.safetensors").stat().st_size
    assert weights * 1.9 < llm.weights < weights * 2.1  # stored in 16 bits, loaded as float32
    assert llm.kv == GIB // 4
    assert llm.heads == 6
    assert clip.weights > 3e6
    assert memory_need_of(models.vlm.spec).activations > llm.activations if models.vlm else False


def test_the_world_fits_together_and_a_small_allowance_makes_load_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    del monkeypatch
    world = load_config(MiningConfig, "world", kind="mining/configs", overrides=["engine.memory_gib=16"])
    models = resolve_models(world)
    assert len(memory_plan_of(world, models).load_groups) == 1
    small = load_config(MiningConfig, "world", kind="mining/configs", overrides=["engine.memory_gib=2.8"])
    apart = memory_plan_of(small, models)
    assert len(apart.load_groups) > 1
    assert apart.loads()["vlm"] == 1  # it neither proposes nor votes, also where no class list says who is asked


def test_gpu_workers_see_their_gpus_and_are_told_what_was_planned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5")
    plan = plan_memory([need("a", 10), need("b", 60)], [40 * GIB] * 2, device="cuda", resident=[need("clip", 1)])
    specs = [EngineSpec(name, "vllm", name, device="cuda", args={"dtype": "bfloat16"}) for name in "ab"]
    load_groups, resident = worker_plans(plan, [*specs, EngineSpec("clip", "clip", "c", device="cuda")])
    assert [worker.gpus for worker in load_groups[0]] == [(4,), (5,)]
    (both,) = load_groups[1]
    assert both.gpus == (4, 5)
    assert both.specs[0].args["tensor_parallel_size"] == 2
    assert load_groups[0][0].specs[0].args["kv_cache_memory_bytes"] == 0
    assert load_groups[0][0].specs[0].args["dtype"] == "bfloat16"
    assert resident[0].gpus == (4,)


def test_the_memory_of_ended_models_is_waited_for() -> None:
    readings = iter([[1 * GIB], [5 * GIB], [10 * GIB]])
    assert wait_until_back(lambda: next(readings), [10 * GIB], 8 * GIB, poll=0.0) is None


def test_memory_that_stays_away_is_an_error_only_where_it_is_needed() -> None:
    line = wait_until_back(lambda: [6 * GIB], [10 * GIB], 5 * GIB, timeout=0.0)
    assert line is not None
    assert "4.0 GiB" in line
    with pytest.raises(EnvironmentProblem, match=r"need 8\.0 GiB where 6\.0 are free"):
        wait_until_back(lambda: [6 * GIB], [10 * GIB], 8 * GIB, timeout=0.0)


def test_the_free_memory_of_this_machine_is_a_number() -> None:
    (free,) = free_memory("cpu")
    assert 0 < free < 2**50


def test_models_in_load_groups_answer_two_steps_with_one_reload_less_than_twice(tmp_path: Path) -> None:
    """Three models, one at a time; each stage asks all of them, in real processes."""
    ended: list[int] = []
    load_groups = [[WorkerPlan((EngineSpec(name, "fake", name),))] for name in ("ann", "bob", "cleo")]
    clip = [WorkerPlan((EngineSpec("clip", "fake-clip", "clip"),))]

    def requests_of(stage: str) -> list[Request]:
        return [
            Request(f"{stage} {name} {n}", name, (Message("user", f"{stage} {n}"),), Sampling(1), yes_no=True)
            for name in ("ann", "bob", "cleo")
            for n in range(5)
        ]

    pool = Pool(load_groups, tmp_path, resident=clip, between=ended.append)
    try:
        for stage in ("propose", "crosscheck"):
            assert {response.id for response in pool.generate(requests_of(stage))} == {r.id for r in requests_of(stage)}
            assert pool.embed("clip", "embed_texts", [stage]).result().vectors.shape == (1, 32)
        assert sum(pool.loads[name] for name in ("ann", "bob", "cleo")) == 5
        assert pool.loads["clip"] == 1
        assert len(ended) == 4
    finally:
        pool.close()


def test_a_load_group_that_must_not_start_ends_the_run_with_its_reason(tmp_path: Path) -> None:
    def refuse(_number: int) -> None:
        raise EnvironmentProblem("the memory did not come back")

    load_groups = [[WorkerPlan((EngineSpec(name, "fake", name),))] for name in ("ann", "bob")]
    pool = Pool(load_groups, tmp_path, between=refuse)
    try:
        with pytest.raises(EnvironmentProblem, match="did not come back"):
            list(pool.generate([Request("x", "bob", (Message("user", "x"),), Sampling(1), yes_no=True)]))
    finally:
        pool.close()


def test_closing_leaves_no_process(tmp_path: Path) -> None:
    pool = Pool([[WorkerPlan((EngineSpec("ann", "fake", "ann"),))]], tmp_path)
    list(pool.generate([Request("x", "ann", (Message("user", "x"),), Sampling(1), yes_no=True)]))
    before = _children()
    pool.close()
    assert before - _children()


def _children() -> set[str]:
    return {path.name for path in Path("/proc").iterdir() if path.name.isdigit() and _parent(path) == os.getpid()}


def _parent(path: Path) -> int:
    try:
        return int((path / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return -1
