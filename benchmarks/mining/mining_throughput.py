"""How much of bare vLLM's speed is left in a mining run, on exactly the same requests; loading is left out.

Usage: python benchmarks/mining/mining_throughput.py [--passes 5] [--only NAME] [--out FILE] [--quick]
(default: benchmarks/results/mining_throughput.json)

Bare: `vllm.LLM.chat` in one process, all requests in one call. Ours: prompts rendered from their files, worker process,
journal on disk, answers parsed. Both are loaded with the same arguments and as many threads, and take turns, so that
what else the machine does hits both. Every pass asks new questions, or the prefix cache would know them all.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache, partial
from pathlib import Path
from typing import Any

from benchmarks.quick import add_quick, target
from syntrans.config import load_config
from syntrans.files.scratch import scratch_folder
from syntrans.images.image_set import decode, open_images
from syntrans.machine import cores, facts
from syntrans.paths import artifacts_root, atomic_write_text, make_dir
from syntrans.progress import Silent
from syntrans_mining.config import MiningConfig
from syntrans_mining.engines.base import EngineSpec, Picture, Request, Sampling
from syntrans_mining.engines.workers.environment import apply_environment, worker_environment
from syntrans_mining.engines.workers.handle import can_fork, fork_server
from syntrans_mining.engines.workers.pool import Pool, PoolSettings, WorkerPlan
from syntrans_mining.models import resolve_models
from syntrans_mining.requests.dispatcher import Dispatcher
from syntrans_mining.requests.prompts import Prompt, load_prompt
from syntrans_mining.requests.response_cache import ResponseCache, request_key
from syntrans_mining.steps.propose import parse_answer

WORDS = ("red", "blue", "green", "yellow", "round", "long", "dark", "bright", "smooth", "striped")
PARTS = ("head", "tail", "body", "wing", "leg", "back", "belly", "eye", "neck", "crest", "star", "ring")
LLAMA = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12}
LLAMA |= {"num_key_value_heads": 12, "head_dim": 64}


Side = Callable[[int], tuple[float, int]]


@dataclass(frozen=True)
class Case:
    """One model and one kind of request, so many of them in each pass."""

    name: str
    spec: EngineSpec
    prompt: Prompt
    n: int
    sampling: Sampling
    pictures: tuple[Picture, ...] = ()

    def requests(self, turn: int) -> Iterator[Request]:
        """The requests of pass ``turn``; neighbours share their beginning."""
        for number in range(self.n):
            name = f"{WORDS[turn % 10]} {PARTS[number // 8 % 12]} {number // 96}"
            text = f"a {WORDS[number % 8]} {PARTS[(number + turn) % 12]} {turn}"
            messages = self.prompt.render({"name": name, "definition": None, "descriptor": text, "n": 8})
            sampling = replace(self.sampling, seed=turn * 10**6 + number)
            picture = self.pictures[number * len(self.pictures) // self.n] if self.pictures else None
            schema = self.prompt.answer_schema
            key = request_key(
                identity=self.name,
                prompt_sha256=f"{turn} {number}",
                messages=messages,
                sampling=sampling,
                schema=schema,
                picture=picture.sha256 if picture else None,
                yes_no=schema is None,
            )
            yield Request(key, self.spec.name, messages, sampling, picture, schema, yes_no=schema is None)


def bare(connection: Any, spec: EngineSpec) -> None:
    """A process with `vllm.LLM`: for each list of requests it sends back seconds and generated tokens."""
    apply_environment(worker_environment(threads=cores()))
    from vllm import LLM, SamplingParams
    from vllm.sampling_params import StructuredOutputsParams

    from syntrans_mining.engines.chat import NO, YES, single_tokens
    from syntrans_mining.engines.vllm import compile_nothing, llm_arguments

    args = dict(spec.args)
    args.pop("pixels", None)
    compile_nothing()
    llm = LLM(spec.path, **llm_arguments(device="cpu", kv_gib=spec.kv_gib, exact=False, args=args))
    tokens = single_tokens(llm.get_tokenizer(), (*YES, *NO))

    def params(request: Request) -> Any:
        if request.yes_no:
            return SamplingParams(max_tokens=1, temperature=0.0, logprob_token_ids=tokens, detokenize=False)
        drawn = request.sampling
        structured = StructuredOutputsParams(json=json.loads(request.schema or ""), disable_any_whitespace=True)
        return SamplingParams(
            max_tokens=drawn.max_tokens,
            temperature=drawn.temperature,
            top_p=drawn.top_p,
            seed=drawn.seed,
            structured_outputs=structured,
        )

    @cache
    def decoded(picture: Picture) -> Any:
        return decode(picture.data, picture.sha256)

    def chat(request: Request) -> list[dict[str, Any]]:
        (message,) = request.messages
        if request.picture is None:
            return [{"role": message.role, "content": message.text}]
        image = {"type": "image_pil", "image_pil": decoded(request.picture), "uuid": request.picture.sha256}
        return [{"role": message.role, "content": [image, {"type": "text", "text": message.text}]}]

    connection.send(None)
    while (requests := connection.recv()) is not None:
        start = time.perf_counter()
        outputs = llm.chat([chat(request) for request in requests], [params(r) for r in requests], use_tqdm=False)
        seconds = time.perf_counter() - start
        connection.send((seconds, sum(len(output.outputs[0].token_ids) for output in outputs)))


def ours(dispatcher: Dispatcher, case: Case, turn: int) -> tuple[float, int]:
    """Seconds and generated tokens of one pass through prompts, queue, worker, journal and parsing."""
    before = dispatcher.counts[case.name, case.spec.name].completion_tokens
    start = time.perf_counter()
    for request, response in dispatcher.stream(case.name, ((request, request) for request in case.requests(turn))):
        if response.error:
            sys.exit(f"{case.name}: {response.error}")
        if not request.yes_no:
            parse_answer(response)
    seconds = time.perf_counter() - start
    return seconds, dispatcher.counts[case.name, case.spec.name].completion_tokens - before


def measure(case: Case, passes: int, chunk: int) -> dict[str, Any]:
    """One pass to warm up and ``passes`` to count, bare and ours in turn."""
    context: Any = multiprocessing.get_context("forkserver" if can_fork() else "spawn")
    mine, theirs = context.Pipe()
    process = context.Process(target=bare, args=(theirs, case.spec), daemon=True)
    process.start()
    mine.recv()
    times: dict[str, list[float]] = {"bare": [], "ours": []}
    tokens: dict[str, int] = {"bare": 0, "ours": 0}

    def ask_bare(turn: int) -> tuple[float, int]:
        mine.send(list(case.requests(turn)))
        answer: tuple[float, int] = mine.recv()
        return answer

    with tempfile.TemporaryDirectory() as folder:
        pool = Pool([[WorkerPlan((case.spec,))]], Path(folder) / "logs", settings=PoolSettings(chunk=chunk))
        with closing(pool), closing(ResponseCache(Path(folder) / "journal.sqlite")) as journal:
            dispatcher = Dispatcher(pool, journal, Silent())
            sides: dict[str, Callable[[int], tuple[float, int]]] = {
                "bare": ask_bare,
                "ours": partial(ours, dispatcher, case),
            }
            for turn in range(passes + 1):
                for side in sorted(sides, reverse=bool(turn % 2)):
                    seconds, n_tokens = sides[side](turn)
                    if turn:
                        times[side].append(round(seconds, 3))
                        tokens[side] += n_tokens
    mine.send(None)
    process.join()
    speed = {side: case.n * passes / sum(seconds) for side, seconds in times.items()}
    per_pass = [b / o for b, o in zip(times["bare"], times["ours"], strict=True)]
    return {
        "requests_per_pass": case.n,
        "seconds": times,
        "completion_tokens": tokens,
        "requests_per_s": {side: round(value, 1) for side, value in speed.items()},
        "ratio": round(speed["ours"] / speed["bare"], 3),
        "ratio_median_of_passes": round(statistics.median(per_pass), 3),
    }


def cases(folder: Path) -> list[Case]:
    """The world's language and vision-language models, and a Llama of 113 million random weights."""
    from syntrans_world.export import export

    config = load_config(MiningConfig, "world", kind="mining/configs")
    models = resolve_models(config)
    assert models.vlm is not None
    llm, vlm = models.llms[0].spec, models.vlm.spec
    propose, crosscheck = load_prompt("world_propose.v1", "propose"), load_prompt("world_crosscheck.v1", "crosscheck")
    ground = load_prompt("world_ground.v1", "ground")
    shown = [ref for refs in open_images(export(folder / "pictures", per_class=1)).values() for ref in refs][:32]
    pictures = tuple(Picture(ref.sha256, ref.load()) for ref in shown)
    source = Path(llm.path)
    large = make_dir(folder / "llama-113m")
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "generation_config.json"):
        (large / name).write_bytes((source / name).read_bytes())
    values = json.loads((source / "config.json").read_text())
    (large / "config.json").write_text(json.dumps(values | LLAMA))
    dummy = EngineSpec("llama-113m", "vllm", str(large), kv_gib=0.5, args={**llm.args, "load_format": "dummy"})
    drawn = Sampling(max_tokens=200, temperature=1.0)
    return [
        Case("world propose", llm, propose, 512, drawn),
        Case("world crosscheck", llm, crosscheck, 2048, Sampling(1)),
        Case("world ground", vlm, ground, 512, Sampling(1), pictures),
        Case("llama-113m propose", dummy, propose, 64, replace(drawn, max_tokens=48)),
        Case("llama-113m crosscheck", dummy, crosscheck, 512, Sampling(1)),
    ]


def main() -> None:
    """Measure every case, print a table and write the result; quick: the first case that fits, 8 requests, one pass."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--passes", type=int, default=5)
    parser.add_argument("--chunk", type=int, default=512, help="engine.chunk, as in the world's config")
    parser.add_argument("--only", default="", help="cases whose name holds this")
    parser.add_argument("--out", type=Path)
    add_quick(parser)
    given = parser.parse_args()
    figures: dict[str, Any] = {}
    environment = worker_environment(threads=cores())
    with (
        tempfile.TemporaryDirectory() as folder,
        scratch_folder() as scratch,
        fork_server(environment, Path(folder) / "imports.log", scratch),  # vLLM is imported once for all
    ):
        chosen = [case for case in cases(Path(folder)) if given.only in case.name]
        if given.quick:
            chosen, given.passes = [replace(chosen[0], n=8)], 1
        for case in chosen:
            figures[case.name] = result = measure(case, given.passes, given.chunk)
            speed = result["requests_per_s"]
            print(f"{case.name:<24} bare {speed['bare']:8.1f}/s  ours {speed['ours']:8.1f}/s  ratio {result['ratio']}")
    totals = {side: sum(sum(case["seconds"][side]) for case in figures.values()) for side in ("bare", "ours")}
    found_ratio = round(totals["bare"] / totals["ours"], 3)
    print(f"all                      ratio {found_ratio}")
    report = {
        "schema_version": 1,
        "command": "python benchmarks/mining/mining_throughput.py " + " ".join(sys.argv[1:]),
        "date": f"{datetime.now():%Y-%m-%d}",
        "machine": facts(artifacts_root()),
        "cases": figures,
        "ratio": found_ratio,
    }
    usual = Path(__file__).parents[1] / "results" / "mining_throughput.json"
    atomic_write_text(target(given.out, usual, quick=given.quick), json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
