"""One model on a Ray cluster: the same prompts and parameters as `vllm.py` builds, answered through `ray.data.llm`.

Ray places ``replicas`` engines on the cluster's machines and divides the requests over them. Without an address a
cluster of this one machine is started, on 127.0.0.1, without dashboard and statistics.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from syntrans.errors import InputError, ModelLoadError
from syntrans.machine import cores
from syntrans.runs.ray_cluster import join_cluster
from syntrans_mining.engines.base import Request, Response
from syntrans_mining.engines.chat import Chat
from syntrans_mining.engines.vllm import compiles_nothing, llm_arguments, p_of_yes, sampling_values, structure
from syntrans_mining.engines.workers.environment import apply_environment, worker_environment

BATCH = 64
_ENDS = "syntrans_mining.engines.ray_worker.EndsWithItsParent"  # imported in vLLM's process there
_IN_CLUSTER = ("VLLM_NO_USAGE_STATS", "DO_NOT_TRACK", "HF_HUB_OFFLINE", "TOKENIZERS_PARALLELISM")


class RayEngine:
    """``path`` must be the same folder on every machine. ``address``: of the cluster, e.g. ``auto``.

    Other ``args`` as of `VllmEngine`. ModelLoadError if the folder has no tokenizer, EnvironmentProblem without Ray.
    """

    def __init__(
        self,
        path: str,
        *,
        address: str | None = None,
        replicas: int = 1,
        device: str = "cpu",
        kv_gib: float = 1.0,
        exact: bool = False,
        **args: Any,
    ) -> None:
        apply_environment()
        self._path, self._device, self._replicas = path, device, replicas
        template_args, max_pixels = args.pop("chat_template_kwargs", None), args.pop("max_pixels", None)
        self._arguments = llm_arguments(device=device, kv_gib=kv_gib, exact=exact, args=args)
        join_cluster(address, cores())
        self._chat = Chat(
            _tokenizer(path),
            max_len=self._arguments["max_model_len"],
            template_args=template_args,
            max_pixels=max_pixels,
        )
        self._ends = _end_tokens(path, self._chat.tokenizer)

    def stream(self, batches: Iterable[Sequence[Request]]) -> Iterator[list[Response]]:
        """All of ``batches`` in one go: every job on the cluster begins with loading the model."""
        for response in self.generate([request for batch in batches for request in batch]):
            yield [response]

    def generate(self, requests: Sequence[Request]) -> Iterator[Response]:
        """Answers as blocks of them come back from the cluster."""
        rows: dict[tuple[bool, bool, bool], list[dict[str, Any]]] = {}
        by_id = {request.id: request for request in requests}
        for request, tokens in zip(requests, self._chat.tokens(requests), strict=True):
            problem = self._chat.problem(request, len(tokens))
            if problem:
                yield problem
                continue
            try:
                row = self._row(request, tokens)
            except InputError as error:  # the picture
                yield Response(request.id, finish_reason="error", error=str(error), reason="refused")
                continue
            # One table for each kind of request: the rows of a table have the same columns.
            rows.setdefault((request.yes_no, request.schema is not None, request.picture is not None), []).append(row)
        for table in rows.values():
            for answer in self._answers(table):
                yield self._response(by_id[answer["id"]], answer)

    def _row(self, request: Request, tokens: list[int]) -> dict[str, Any]:
        sampling = sampling_values(request, self._chat)
        if request.schema:
            sampling["structured_outputs"] = {**structure(request.schema), "json": request.schema}
        row: dict[str, Any] = {"id": request.id, "tokenized_prompt": tokens, "sampling_params": sampling}
        if request.picture:
            row["multimodal_data"] = {"image": self._chat.picture(request.picture)}
            row["multimodal_uuids"] = {"image": request.picture.sha256}
        return row

    def _answers(self, table: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        import ray.data
        from ray.data.llm import build_processor, vLLMEngineProcessorConfig

        bundle = {"CPU": 1} if self._device == "cpu" else {"CPU": 1, "GPU": 1}
        config = vLLMEngineProcessorConfig(
            model_source=self._path,
            engine_kwargs={**self._arguments, "worker_extension_cls": _ENDS},
            runtime_env={"env_vars": self._environment()},
            concurrency=self._replicas,
            batch_size=min(BATCH, math.ceil(len(table) / self._replicas)),
            should_continue_on_error=True,
            log_engine_metrics=False,
            placement_group_config={"bundle_per_worker": bundle},
            chat_template_stage=False,
            tokenize_stage=False,
            detokenize_stage=False,
            prepare_multimodal_stage=False,
        )
        processor: Callable[[Any], Any] = build_processor(config, postprocess=_postprocess)
        for answer in processor(ray.data.from_items(table)).iter_rows():
            yield {**answer, "error": answer.get("__inference_error__") or ""}

    def _environment(self) -> dict[str, str]:
        values = {name: worker_environment()[name] for name in _IN_CLUSTER}
        if compiles_nothing(self._device, self._arguments):
            values["TORCH_COMPILE_DISABLE"] = "1"
        return values

    def _response(self, request: Request, answer: dict[str, Any]) -> Response:
        if answer["error"]:
            return Response(request.id, finish_reason="error", error=answer["error"], reason="refused")
        tokens = [int(token) for token in answer["tokens"]]
        p_yes = None
        if request.yes_no:
            logprobs = dict(zip(map(int, answer["logprob_tokens"]), map(float, answer["logprobs"]), strict=True))
            p_yes = p_of_yes(logprobs, self._chat.yes, self._chat.no)
        # Ray does not pass on why an answer ended.
        cut = len(tokens) >= request.sampling.max_tokens and not (tokens and tokens[-1] in self._ends)
        return Response(
            request.id,
            text=str(answer["text"]),
            finish_reason="length" if cut or request.yes_no else "stop",
            p_yes=p_yes,
            prompt_tokens=int(answer["prompt_tokens"]),
            completion_tokens=len(tokens),
        )


def _postprocess(row: dict[str, Any]) -> dict[str, Any]:
    """The columns of an answer; runs on the cluster."""
    steps = row.get("logprobs")
    first: dict[int, Any] = steps[0] if steps is not None and len(steps) else {}
    return {
        "id": row["id"],
        "text": row["generated_text"],
        "tokens": list(row["generated_tokens"]),
        "prompt_tokens": row["num_input_tokens"],
        "logprob_tokens": [int(token) for token in first],
        "logprobs": [item["logprob"] for item in first.values()],
    }


def _tokenizer(path: str) -> Any:
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(path, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise ModelLoadError(f"the tokenizer of {path} does not load: {type(error).__name__}: {error}") from error


def _end_tokens(path: str, tokenizer: Any) -> set[int]:
    from transformers import AutoConfig

    end_tokens = {tokenizer.eos_token_id}
    with contextlib.suppress(OSError, ValueError):
        named = AutoConfig.from_pretrained(path, trust_remote_code=False).eos_token_id
        end_tokens |= set(named) if isinstance(named, list) else {named}
    return {int(token) for token in end_tokens if token is not None}
