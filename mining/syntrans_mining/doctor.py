"""Whether a configuration will run here: models, chat templates, yes/no tokens, memory; and a real try of each."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

from syntrans.classes.entries import ClassEntry
from syntrans.errors import SyntransError
from syntrans.files.scratch import scratch_folder
from syntrans.machine import Check
from syntrans.packages.extras import is_here
from syntrans.paths import is_hub_id, resolve_model
from syntrans.tables import size_of
from syntrans_mining.dry_run.plan import configured_models, model_line
from syntrans_mining.dry_run.request_counter import count_requests
from syntrans_mining.engines.base import Message, Picture, Request, Sampling
from syntrans_mining.engines.chat import Chat
from syntrans_mining.engines.server.proxy import proxy_notice
from syntrans_mining.models import CLIP, resolve_models
from syntrans_mining.placement.hosting import make_host, memory_plan_of

if TYPE_CHECKING:
    from pathlib import Path

    from syntrans_mining.config import MiningConfig
    from syntrans_mining.engines.workers.host import Host
    from syntrans_mining.models_config import ModelConfig

_ERROR = re.compile(r"\b(\w+Error|\w*Exception|Killed|Aborted|Segmentation fault)\b")
_LONGEST = 300  # characters of a log's line
_EXAMPLE = (ClassEntry("goldfinch", "goldfinch"), ClassEntry("wren", "wren"))
_SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {"colour": {"enum": ["red", "yellow"]}},
        "required": ["colour"],
        "additionalProperties": False,
    }
)


def check_config(config: MiningConfig, *, probed: bool = False) -> list[Check]:
    """Every check that needs no engine. What depends on a model or on a package that is not here is left out.

    ``probed``: `probe_models` follows, so that a server need not be said to be unasked.
    """
    lines = [model_line(config, model, role) for model, role in configured_models(config)]
    checks = [_model(line) for line in lines]
    if config.engine.kind in {"vllm", "ray"} and is_here("transformers"):
        prompts = {
            step: messages for step, (_, messages) in count_requests(config, _EXAMPLE, pictures=True).first.items()
        }
        here = {line["name"] for line in lines if line["state"] == "here"}
        for model in config.llms:
            if model.name in here:
                shown = {step: messages for step, messages in prompts.items() if not _shows(messages)}
                checks += _chat(config, model, shown)
        if config.vlm and config.vlm.name in here:
            shown = {step: messages for step, messages in prompts.items() if _shows(messages)}
            checks += _chat(config, config.vlm, shown)
    if config.engine.kind == "openai" and config.engine.base_url:
        checks.append(_server(config.engine.base_url, probed=probed))
    return [*checks, _memory(config, lines)]


def probe_models(config: MiningConfig) -> list[Check]:
    """Start every model and ask it something: an answer bound by a schema, a yes/no, a vector."""
    with scratch_folder() as logs:
        try:
            models = resolve_models(config)
            with closing(make_host(config, models, logs)) as host:
                seeing = [config.vlm.name] if config.vlm else []
                return [
                    *(check for llm in config.llms for check in _try_llm(host, llm.name)),
                    *(_try_vlm(host, name) for name in seeing),
                    *([_try_clip(host)] if config.clip else []),
                ]
        except SyntransError as error:
            cause = log_cause(logs)
            cause_text = f"{error}; the worker's log: {cause}" if cause else str(error)
            return [Check("engines start", "fail", cause_text, "read the message; the plan (--dry-run) shows sizes")]


def log_cause(logs: Path) -> str:
    """The last error in the workers' logs, else their last line; the newest log counts. Empty without any."""
    for log in sorted(logs.glob("worker-*.log"), key=lambda path: path.stat().st_mtime_ns, reverse=True):
        lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines()]
        said = [line for line in lines if line]
        if said:
            return next((line for line in reversed(said) if _ERROR.search(line)), said[-1])[:_LONGEST]
    return ""


def _model(line: dict[str, Any]) -> Check:
    name = f"{line['name']} ({line['role']})"
    size = "size unknown" if line["bytes"] is None else size_of(line["bytes"])
    about = f"{line['path']}, {line['licence'] or 'licence not stated'}, {size}"
    if line["state"] == "missing" and is_hub_id(line["path"]):
        repo = line["path"].partition("@")[0]
        rule = f"`hf download {repo}` where there is a network, and copy the cache; or name a folder"
        return Check(name, "fail", f"{about}: not here", rule)
    if line["state"] in {"missing", "unusable"}:
        return Check(name, "fail", f"{about}: {line['state']}", line["problem"])
    if line["state"] == "to download":
        return Check(name, "warn", f"{about}: not here yet", "the first run fetches it, or `hf download` does now")
    return Check(name, "warn" if line["problem"] else "ok", f"{about}: {line['state']}", line["problem"] or "")


def _server(base_url: str, *, probed: bool) -> Check:
    """Which way requests go, and whether any went."""
    proxy = proxy_notice(base_url)
    way = f"{base_url}, {'through a proxy' if proxy else 'no proxy'}{'' if probed else '; not asked'}"
    todo = "; ".join(filter(None, [proxy, "" if probed else "--probe asks it"]))
    return Check("server", "warn" if todo else "ok", way, todo)


def _shows(messages: Sequence[Message]) -> bool:
    return any(message.picture for message in messages)


def _chat(config: MiningConfig, model: ModelConfig, prompts: dict[str, tuple[Message, ...]]) -> Iterator[Check]:
    """The tokenizer, its chat template on the run's own prompts, and its yes/no tokens."""
    args = {**config.engine.args, **model.args}
    try:
        template_args = {**(args.get("chat_template_kwargs") or {}), **model.chat_template_kwargs}
        given = args.get("max_model_len")
        room = given if isinstance(given, int) else 4096  # vLLM also takes "auto" and "4k"
        from transformers import AutoTokenizer

        folder = resolve_model(model.path, download=False)
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        chat = Chat(tokenizer, max_len=room, template_args=template_args)
        requests = [Request(step, model.name, messages, Sampling(1)) for step, messages in prompts.items()]
        tokens = chat.tokens(requests)
    except Exception as error:  # noqa: BLE001 - a template is a program of the model's authors: it can raise anything
        what = f"{type(error).__name__}: {error}"
        yield Check(f"{model.name}: chat template", "fail", what, "take another model or revision, or other prompts")
        return
    lost = [r.id for r, ids in zip(requests, tokens, strict=True) if not _says(tokenizer.decode(ids), r.messages)]
    longest = max(map(len, tokens), default=0)
    if lost:
        rule = "it leaves out a message (often the system one): take prompts without it"
        yield Check(f"{model.name}: chat template", "fail", f"words of the prompt are lost: {', '.join(lost)}", rule)
    elif longest >= room:
        rule = "raise max_model_len"
        yield Check(f"{model.name}: chat template", "fail", f"a prompt has {longest} tokens, {room} fit", rule)
    else:
        yield Check(f"{model.name}: chat template", "ok", f"renders {', '.join(prompts)}; at most {longest} tokens")
    words = {name: [tokenizer.decode([t]) for t in ids] for name, ids in (("yes", chat.yes), ("no", chat.no))}
    if all(words.values()):
        yield Check(f"{model.name}: yes/no tokens", "ok", f"{len(words['yes'])} of yes, {len(words['no'])} of no")
    else:
        missing = " and ".join(name for name, ids in words.items() if not ids)
        yield Check(f"{model.name}: yes/no tokens", "fail", f"no single token says {missing}", "take another model")


def _says(rendered: str, messages: Sequence[Message]) -> bool:
    plain = "".join(rendered.split())
    return all("".join(message.text.split()) in plain for message in messages)


def _memory(config: MiningConfig, lines: Sequence[dict[str, Any]]) -> Check:
    if config.engine.kind != "vllm":
        return Check("memory", "ok", "the language models run elsewhere")
    absent = [line["name"] for line in lines if line["state"] != "here"]
    if absent:
        total = sum(line["bytes"] or 0 for line in lines)
        return Check(
            "memory", "warn", f"not planned: {', '.join(absent)} not here; weights {total / 1e9:.1f} GB in all"
        )
    try:
        plan = memory_plan_of(config, resolve_models(config)).lines()
    except SyntransError as error:
        return Check("memory", "fail", str(error), "a smaller config, or fewer models")
    return Check("memory", "ok", f"{plan[0]}; {plan[-1]}")


def _ask(host: Host, request: Request) -> Any:
    (answer,) = host.generate([request])
    return answer


def _try_llm(host: Host, name: str) -> Iterator[Check]:
    words = (Message("user", "What colour is a ripe lemon? Answer in JSON."),)
    answer = _ask(host, Request(f"{name}-json", name, words, Sampling(64), schema=_SCHEMA))
    try:
        good = answer.error is None and json.loads(answer.text)["colour"] in {"red", "yellow"}
    except (ValueError, TypeError, KeyError, RecursionError):
        good = False
    what = answer.error or answer.text
    rule = "" if good else "the engine does not keep to a JSON schema: another version, or another model"
    yield Check(f"{name}: answers in JSON", "ok" if good else "fail", what, rule)
    yield _yes_no(
        _ask(host, Request(f"{name}-yes", name, (Message("user", "Is grass green?"),), Sampling(1), yes_no=True)), name
    )


def _try_vlm(host: Host, name: str) -> Check:
    words = (Message("user", "Does this picture show a plain colour?", picture=True),)
    return _yes_no(_ask(host, Request(f"{name}-see", name, words, Sampling(1), picture=_picture(), yes_no=True)), name)


def _yes_no(answer: Any, name: str) -> Check:
    if answer.p_yes is None:
        return Check(f"{name}: yes or no", "fail", answer.error or "no probability", "take another model")
    return Check(f"{name}: yes or no", "ok", f"P(yes) = {answer.p_yes:.2f}")


def _try_clip(host: Host) -> Check:
    texts = host.embed(CLIP, "embed_texts", ["a photo of a wren"]).result()
    pictures = host.embed(CLIP, "embed_images", [_picture()]).result()
    return Check("clip: vectors", "ok", f"texts {texts.vectors.shape[1]}-d, pictures {pictures.shape[1]}-d")


def _picture() -> Picture:
    from PIL import Image

    sink = io.BytesIO()
    Image.new("RGB", (64, 64), (200, 30, 30)).save(sink, format="PNG")
    return Picture("0" * 64, sink.getvalue())
