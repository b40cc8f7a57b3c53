"""vLLM, in this process. The only file that touches it, and only ``LLM, SamplingParams, StructuredOutputsParams``.

vLLM's API moves with every minor release; here it is met in `_import`, `_Streaming`, `_prompt` and `_params` alone.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import math
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from syntrans.errors import InputError, ModelLoadError
from syntrans.packages.extras import broken_import
from syntrans_mining.engines.base import Request, Response
from syntrans_mining.engines.chat import Chat
from syntrans_mining.engines.workers.environment import apply_environment

DEFAULT_MAX_LEN = 4096


@dataclass
class _Batch:
    """Requests made ready: vLLM's prompts, and answers to those that this model cannot be asked."""

    prompts: list[tuple[Request, dict[str, Any]]] = field(default_factory=list)
    refused: list[Response] = field(default_factory=list)


class VllmEngine:
    """One model folder behind `vllm.LLM`.

    ``args`` go to ``LLM`` as they are, except ``max_pixels`` (to how many pictures are reduced first) and
    ``chat_template_kwargs`` (to the chat template). ``exact``: answers do not depend on what else is asked.
    """

    def __init__(
        self, path: str, *, device: str = "cpu", kv_gib: float = 1.0, exact: bool = False, **args: Any
    ) -> None:
        apply_environment()
        llm_type, self._sampling_params, self._structured = _import(device)
        self._refusals = _refusals()
        template_args, max_pixels = args.pop("chat_template_kwargs", None), args.pop("max_pixels", None)
        arguments = llm_arguments(device=device, kv_gib=kv_gib, exact=exact, args=args)
        if compiles_nothing(device, arguments):
            compile_nothing()
        # vLLM reports an unusable model by any of these, depending on which layer noticed.
        load_failures: tuple[type[Exception], ...] = (*self._refusals, RuntimeError, OSError, AttributeError)
        try:
            self._llm = llm_type(path, **arguments)
        except load_failures as error:
            raise ModelLoadError(f"{path} does not load in vLLM: {type(error).__name__}: {error}") from error
        self._chat = Chat(
            self._llm.get_tokenizer(),
            max_len=arguments["max_model_len"],
            template_args=template_args,
            max_pixels=max_pixels,
        )
        self._streaming = _Streaming(self._llm) if _Streaming.is_offered_by(self._llm) else None

    def stream(self, batches: Iterable[Sequence[Request]]) -> Iterator[list[Response]]:
        """Answers to what ``batches`` bring, each as soon as it is finished.

        While the model works, the next batches are made ready by another thread. An empty batch says that there is
        none yet.
        """
        coming: deque[Future[_Batch]] = deque()
        source: Iterator[Sequence[Request]] | None = iter(batches)
        with ThreadPoolExecutor(1) as renderer:
            while source or coming or (self._streaming and self._streaming.asked):
                batch = next(source, None) if source else ()
                source = None if batch is None else source
                if batch:
                    coming.append(renderer.submit(self._ready, batch))
                busy = bool(self._streaming and self._streaming.asked)
                if coming and (coming[0].done() or not busy):
                    yield from self._begin(coming.popleft().result())
                if self._streaming and self._streaming.asked:
                    yield [self._response(request, output) for request, output in self._streaming.step()]

    def generate(self, requests: Sequence[Request]) -> Iterator[Response]:
        """Answers to ``requests``; what cannot be answered comes back with its error, the rest goes on."""
        for part in self.stream([requests]):
            yield from part

    def _ready(self, requests: Sequence[Request]) -> _Batch:
        batch = _Batch()
        for request, tokens in zip(requests, self._chat.tokens(requests), strict=True):
            problem = self._chat.problem(request, len(tokens))
            try:
                prompt = None if problem else self._prompt(request, tokens)
            except InputError as error:  # the picture
                problem = _refused(request, str(error))
            if problem:
                batch.refused.append(problem)
            elif prompt:
                batch.prompts.append((request, prompt))
        return batch

    def _begin(self, batch: _Batch) -> Iterator[list[Response]]:
        """Hand a batch to vLLM; what it refuses is answered at once, without `_Streaming` so is the rest."""
        yield batch.refused
        if self._streaming is None:
            yield list(self._answer(batch.prompts))
            return
        for request, prompt in batch.prompts:
            try:
                self._streaming.ask(request, prompt, self._params(request))
            except self._refusals as error:
                yield [_refused(request, f"{type(error).__name__}: {error}")]

    def _answer(self, ready: list[tuple[Request, dict[str, Any]]]) -> Iterator[Response]:
        """One batch; if vLLM refuses it, halves, until the one that it refuses is alone."""
        if not ready:
            return
        try:
            parameters = [self._params(request) for request, _ in ready]
            outputs = self._llm.generate([prompt for _, prompt in ready], parameters, use_tqdm=False)
        except self._refusals as error:
            if len(ready) == 1:
                yield _refused(ready[0][0], f"{type(error).__name__}: {error}")
                return
            middle = len(ready) // 2
            yield from self._answer(ready[:middle])
            yield from self._answer(ready[middle:])
            return
        for (request, _), output in zip(ready, outputs, strict=True):
            yield self._response(request, output)

    def _prompt(self, request: Request, tokens: list[int]) -> dict[str, Any]:
        prompt: dict[str, Any] = {"prompt_token_ids": tokens}
        if request.picture:
            prompt["multi_modal_data"] = {"image": self._chat.picture(request.picture)}
            prompt["multi_modal_uuids"] = {"image": request.picture.sha256}
        return prompt

    def _params(self, request: Request) -> Any:
        values = sampling_values(request, self._chat)
        if request.schema:
            # Fresh parameters for every request: a used object remembers the backend chosen earlier.
            values["structured_outputs"] = self._structured(**structure(request.schema))
        return self._sampling_params(**values)

    def _response(self, request: Request, output: Any) -> Response:
        answer = output.outputs[0]
        p_yes = None
        if request.yes_no:
            logprobs = {token: item.logprob for token, item in answer.logprobs[0].items()}
            p_yes = p_of_yes(logprobs, self._chat.yes, self._chat.no)
        return Response(
            request.id,
            text=answer.text or "",
            finish_reason=answer.finish_reason or "",
            p_yes=p_yes,
            prompt_tokens=len(output.prompt_token_ids or ()),
            completion_tokens=len(answer.token_ids),
        )


class _Streaming:
    """`LLM.enqueue` and the engine's steps: answers one by one instead of all of a call at its end."""

    def __init__(self, llm: Any) -> None:
        self._llm = llm
        self.asked: dict[str, Request] = {}

    @staticmethod
    def is_offered_by(llm: Any) -> bool:
        return hasattr(llm, "enqueue") and hasattr(getattr(llm, "llm_engine", None), "step")

    def ask(self, request: Request, prompt: Mapping[str, Any], parameters: Any) -> None:
        (number,) = self._llm.enqueue([prompt], [parameters], use_tqdm=False)
        self.asked[number.partition("-")[0]] = request  # behind the dash stand random letters

    def step(self) -> list[tuple[Request, Any]]:
        outputs = self._llm.llm_engine.step()
        finished = [output for output in outputs if output.finished]
        return [(self.asked.pop(output.request_id.partition("-")[0]), output) for output in finished]


def llm_arguments(*, device: str, kv_gib: float, exact: bool, args: Mapping[str, Any]) -> dict[str, Any]:
    """The keyword arguments of `vllm.LLM`: ours, below what the configuration says; remote code stays off."""
    values: dict[str, Any] = {
        "max_model_len": DEFAULT_MAX_LEN,
        "generation_config": "vllm",  # neutral sampling, not what the model's authors prefer
        "load_format": "safetensors",  # "auto" would fall back to pickles
        "enable_prefix_caching": True,
        "structured_outputs_config": {"backend": "xgrammar", "disable_any_whitespace": True},
        "disable_log_stats": True,
        "seed": 0,
    }
    if device == "cpu":
        values["enforce_eager"] = True
    if "gpu_memory_utilization" not in args:
        values["kv_cache_memory_bytes"] = int(kv_gib * 2**30)
    values |= args
    if exact and device == "cpu":
        # One request at a time, read whole: what else is asked cannot change the order of any sum.
        values |= {"max_num_seqs": 1, "enable_prefix_caching": False, "enable_chunked_prefill": False}
        values |= {"max_num_batched_tokens": values["max_model_len"]}
    return values | {"trust_remote_code": False}


def compiles_nothing(device: str, arguments: Mapping[str, Any]) -> bool:
    """Whether an engine with these arguments needs no compiler; see `compile_nothing`."""
    return device == "cpu" and bool(arguments["enforce_eager"])


def compile_nothing() -> None:
    """Keep vLLM in this process from compiling its few helpers, which it does in spite of `enforce_eager`.

    The one that ranks log-probabilities takes ten seconds, and a C++ compiler, to count a few numbers.
    """
    dynamo: Any = importlib.import_module("torch._dynamo.config")
    dynamo.disable = True


def sampling_values(request: Request, chat: Chat) -> dict[str, Any]:
    """The keyword arguments of `vllm.SamplingParams`, without structured outputs."""
    if request.yes_no:
        # Greedy, one token; log-probabilities are raw, whatever the sampling would have done to them.
        tokens = [*chat.yes, *chat.no]
        return {"max_tokens": 1, "temperature": 0.0, "logprob_token_ids": tokens, "detokenize": False}
    sampling = request.sampling
    return {
        "max_tokens": sampling.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "seed": sampling.seed,
    }


def structure(schema: str) -> dict[str, Any]:
    """The keyword arguments of `StructuredOutputsParams`. Compact, or models may write spaces until they must stop."""
    return {"json": json.loads(schema), "disable_any_whitespace": True}


def p_of_yes(logprobs: Mapping[int, float], yes: Sequence[int], no: Sequence[int]) -> float:
    """P(yes) / (P(yes) + P(no)), each summed over its spellings; 0.5 when neither has any probability."""
    of_yes = sum(math.exp(logprobs[token]) for token in yes if token in logprobs)
    of_no = sum(math.exp(logprobs[token]) for token in no if token in logprobs)
    return of_yes / (of_yes + of_no) if of_yes + of_no > 0 else 0.5


def _refused(request: Request, error: str) -> Response:
    return Response(request.id, finish_reason="error", error=error, reason="refused")


def _import(device: str) -> tuple[Any, Any, Any]:
    try:
        from vllm import LLM, SamplingParams
        from vllm.sampling_params import StructuredOutputsParams
    except ImportError as error:
        hint = "use a server: --config server"
        raise broken_import(error, "vLLM", "cuda" if device == "cuda" else "cpu", otherwise=hint) from error
    return LLM, SamplingParams, StructuredOutputsParams


def _refusals() -> tuple[type[Exception], ...]:
    """What vLLM raises for a request that it does not take: ValueError in earlier versions, its own family since."""
    refusals: tuple[type[Exception], ...] = (ValueError, TypeError, KeyError, InputError)
    with contextlib.suppress(ImportError, AttributeError):
        refusals += (importlib.import_module("vllm.exceptions").VLLMClientError,)
    return refusals
