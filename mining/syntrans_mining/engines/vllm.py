"""vLLM, in this process. The only file that touches it, and only ``LLM, SamplingParams, StructuredOutputsParams``.

vLLM's API moves with every minor release; here it is met in `_import`, `_prompt` and `_params` alone.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from syntrans.errors import EnvironmentProblem, InputError, ModelLoadError
from syntrans.images import decode
from syntrans_mining.engines.base import Picture, Request, Response

YES, NO = ("yes", "Yes", "YES", " yes", " Yes", " YES"), ("no", "No", "NO", " no", " No", " NO")
DEFAULT_MAX_LEN = 4096


def quiet_environment() -> None:
    """Set what vLLM reads at import: one process, no usage statistics, no network, local addresses only."""
    for name in [name for name in os.environ if name.startswith("VLLM_DP_")]:
        del os.environ[name]  # left over from a launcher, they make an engine wait for ranks that never come
    os.environ |= {
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # we are the worker process; 3 s to load instead of 31
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        "VLLM_HOST_IP": "127.0.0.1",
        "HF_HUB_OFFLINE": "1",  # models are local folders by now
        "TOKENIZERS_PARALLELISM": "false",
    }
    os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", "nobind")
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "WARNING")


class VllmEngine:
    """One model folder behind `vllm.LLM`.

    ``args`` go to ``LLM`` as they are, except ``chat_template_kwargs`` (to the chat template, for instance
    ``{enable_thinking: false}``) and ``pixels`` (the longest side to which pictures are reduced first).
    """

    def __init__(self, path: str, *, device: str = "cpu", kv_gib: float = 1.0, **args: Any) -> None:
        quiet_environment()
        llm_type, self._sampling_params, self._structured = _import()
        self._refusals = _refusals()
        self._template_args: Mapping[str, Any] = args.pop("chat_template_kwargs", {})
        self._longest_side: int | None = args.pop("pixels", None)
        self.max_len: int = args.get("max_model_len", DEFAULT_MAX_LEN)
        if device == "cpu":
            args = {"enforce_eager": True, "kv_cache_memory_bytes": int(kv_gib * 2**30), **args}
        # vLLM reports an unusable model by any of these, depending on which layer noticed.
        load_failures: tuple[type[Exception], ...] = (*self._refusals, RuntimeError, OSError, AttributeError)
        try:
            self._llm = llm_type(path, **{**_DEFAULTS, "max_model_len": self.max_len, **args}, trust_remote_code=False)
        except load_failures as error:
            raise ModelLoadError(f"{path} does not load in vLLM: {type(error).__name__}: {error}") from error
        self._tokenizer = self._llm.get_tokenizer()
        self._yes, self._no = _single_tokens(self._tokenizer, YES), _single_tokens(self._tokenizer, NO)
        self._pictures: dict[str, Any] = {}

    def generate(self, requests: Sequence[Request]) -> Iterator[Response]:
        """Answers to ``requests``; what cannot be answered comes back with its error, the rest goes on."""
        texts = [self._render(request) for request in requests]
        ids = self._tokenizer(texts, add_special_tokens=False)["input_ids"] if texts else []
        ready: list[tuple[Request, list[int]]] = []
        for request, tokens in zip(requests, ids, strict=True):
            problem = self._problem(request, len(tokens))
            if problem:
                yield problem
            else:
                ready.append((request, tokens))
        yield from self._answer(ready)
        self._pictures.clear()

    def _problem(self, request: Request, n_tokens: int) -> Response | None:
        """The answer to what need not be asked."""
        room = self.max_len - request.sampling.max_tokens
        refusal = partial(Response, request.id, finish_reason="error", prompt_tokens=n_tokens)
        if n_tokens > room:
            return refusal(error=f"the prompt has {n_tokens} tokens, {room} fit beside the answer", reason="too_long")
        if request.yes_no and not (self._yes and self._no):
            return refusal(error="neither 'yes' nor 'no' is one token of this model's vocabulary")
        return None

    def _answer(self, ready: list[tuple[Request, list[int]]]) -> Iterator[Response]:
        """One batch; if vLLM refuses it, halves, until the one that it refuses is alone."""
        if not ready:
            return
        try:
            prompts = [self._prompt(request, tokens) for request, tokens in ready]
            outputs = self._llm.generate(prompts, [self._params(r) for r, _ in ready], use_tqdm=False)
        except self._refusals as error:
            if len(ready) == 1:
                yield Response(ready[0][0].id, finish_reason="error", error=f"{type(error).__name__}: {error}")
                return
            middle = len(ready) // 2
            yield from self._answer(ready[:middle])
            yield from self._answer(ready[middle:])
            return
        for (request, _), output in zip(ready, outputs, strict=True):
            yield self._response(request, output)

    def _render(self, request: Request) -> str:
        messages = [{"role": message.role, "content": _content(message)} for message in request.messages]
        return str(
            self._tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=True, **self._template_args
            )
        )

    def _prompt(self, request: Request, tokens: list[int]) -> dict[str, Any]:
        prompt: dict[str, Any] = {"prompt_token_ids": tokens}
        if request.picture:
            prompt["multi_modal_data"] = {"image": self._picture(request.picture)}
            prompt["multi_modal_uuids"] = {"image": request.picture.sha256}
        return prompt

    def _picture(self, picture: Picture) -> Any:
        """The decoded picture, unpacked once a batch however many questions it gets."""
        if picture.sha256 not in self._pictures:
            image = decode(picture.data, f"picture {picture.sha256[:12]}")
            if self._longest_side:
                image.thumbnail((self._longest_side, self._longest_side))
            self._pictures[picture.sha256] = image
        return self._pictures[picture.sha256]

    def _params(self, request: Request) -> Any:
        sampling = request.sampling
        if request.yes_no:
            # Greedy, one token; log-probabilities are raw, whatever the sampling would have done to them.
            return self._sampling_params(
                max_tokens=1,
                temperature=0.0,
                logprob_token_ids=[*self._yes, *self._no],
                detokenize=False,
            )
        structured = None
        if request.schema:
            # Fresh parameters for every request: a used object remembers the backend chosen earlier.
            structured = self._structured(json=json.loads(request.schema), disable_any_whitespace=True)
        return self._sampling_params(
            max_tokens=sampling.max_tokens,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            seed=sampling.seed,
            structured_outputs=structured,
        )

    def _response(self, request: Request, output: Any) -> Response:
        answer = output.outputs[0]
        p_yes = None
        if request.yes_no:
            logprobs = {token: item.logprob for token, item in answer.logprobs[0].items()}
            p_yes = p_of_yes(logprobs, self._yes, self._no)
        return Response(
            request.id,
            text=answer.text or "",
            finish_reason=answer.finish_reason or "",
            p_yes=p_yes,
            prompt_tokens=len(output.prompt_token_ids or ()),
            completion_tokens=len(answer.token_ids),
        )


def p_of_yes(logprobs: Mapping[int, float], yes: Sequence[int], no: Sequence[int]) -> float:
    """P(yes) / (P(yes) + P(no)), each summed over its spellings; 0.5 when neither has any probability."""
    of_yes = sum(math.exp(logprobs[token]) for token in yes if token in logprobs)
    of_no = sum(math.exp(logprobs[token]) for token in no if token in logprobs)
    return of_yes / (of_yes + of_no) if of_yes + of_no > 0 else 0.5


_DEFAULTS: Mapping[str, Any] = {
    "generation_config": "vllm",  # neutral sampling, not what the model's authors prefer
    "load_format": "safetensors",  # "auto" would fall back to pickles
    "enable_prefix_caching": True,
    "structured_outputs_config": {"backend": "xgrammar", "disable_any_whitespace": True},
    "disable_log_stats": True,
    "seed": 0,
}


def _import() -> tuple[Any, Any, Any]:
    try:
        from vllm import LLM, SamplingParams
        from vllm.sampling_params import StructuredOutputsParams
    except ImportError as error:
        raise EnvironmentProblem(
            f"vLLM does not import ({error}); install syntrans[cpu] or syntrans[cuda], or use a server: "
            f"--set engine.kind=openai"
        ) from error
    return LLM, SamplingParams, StructuredOutputsParams


def _refusals() -> tuple[type[Exception], ...]:
    """What vLLM raises for a request that it does not take: ValueError in earlier versions, its own family since."""
    refusals: tuple[type[Exception], ...] = (ValueError, TypeError, KeyError, InputError)
    with contextlib.suppress(ImportError, AttributeError):
        refusals += (importlib.import_module("vllm.exceptions").VLLMClientError,)
    return refusals


def _content(message: Any) -> Any:
    if not message.picture:
        return message.text
    return [{"type": "image"}, {"type": "text", "text": message.text}]


def _single_tokens(tokenizer: Any, spellings: Sequence[str]) -> list[int]:
    encoded = [tokenizer.encode(spelling, add_special_tokens=False) for spelling in spellings]
    return list(dict.fromkeys(ids[0] for ids in encoded if len(ids) == 1))
