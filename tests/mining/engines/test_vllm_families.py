"""Every family that a shipped config names: from its folder to JSON, P(yes) and a look at a picture, through vLLM.

The models are toys: the family's classes, special tokens and turns, random weights. What is proved is the way: loading,
chat template, the tokens of yes and no, how a picture is prepared. They know nothing.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from syntrans_mining.engines.base import EngineSpec, Message, Picture, Request, Response, Sampling
from syntrans_mining.engines.workers.pool import Pool, WorkerPlan
from syntrans_mining.models import check_chat_template, check_model_dir

pytestmark = [pytest.mark.vllm, pytest.mark.slow]
LINES = [
    "yes no Yes No YES NO yes, no. Is it true? Answer yes or no.",
    'Describe the goldfinch: {"descriptors": [{"facet": "colour", "text": "a red face and a yellow bar on the wing"}]}',
    "You are a careful observer. Does this picture show a long tail, a short beak, two legs, a striped back?",
]
PART = "{%- if part.type == 'text' -%}{{ part.text }}{%- else -%}%s{%- endif -%}"
IMAGE = "{%- for part in m.content -%}" + PART + "{%- endfor -%}"
CONTENT = "{%- if m.content is string -%}{{ m.content }}{%- else -%}" + IMAGE + "{%- endif -%}"
SEEN = "<|vision_start|><|image_pad|><|vision_end|>"
CHATML = (
    "{%- for m in messages -%}<|im_start|>{{ m.role }}\n" + CONTENT.replace("%s", SEEN) + "<|im_end|>\n{%- endfor -%}"
    "{%- if add_generation_prompt -%}<|im_start|>assistant\n{%- endif -%}"
)
# A model that thinks, unless it is told not to.
THINKING = CHATML[: -len("{%- endif -%}")] + (
    "{%- if enable_thinking is defined and not enable_thinking -%}<think>\n\n</think>\n\n{%- endif -%}{%- endif -%}"
)
OLMO = (
    "<|endoftext|>{%- for m in messages -%}<|{{ m.role }}|>\n{{ m.content }}\n{%- endfor -%}"
    "{%- if add_generation_prompt -%}<|assistant|>\n{%- endif -%}"
)
GRANITE = (
    "{%- for m in messages -%}<|start_of_role|>{{ m.role }}<|end_of_role|>{{ m.content }}<|end_of_text|>\n"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}<|start_of_role|>assistant<|end_of_role|>{%- endif -%}"
)
PHI = (
    "{%- for m in messages -%}<|{{ m.role }}|>{{ m.content }}<|end|>{%- endfor -%}"
    "{%- if add_generation_prompt -%}<|assistant|>{%- endif -%}"
)
VISION = ["<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]
MLP = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2}
MLP |= {"num_key_value_heads": 2, "max_position_embeddings": 1024}


@dataclass(frozen=True)
class Family:
    """One architecture: its special tokens (the first one ends an answer), its template, how a model is made."""

    name: str
    specials: tuple[str, ...]
    template: str
    make: Callable[[Any], Any]
    vision: bool = False


def _text(config_name: str, **values: Any) -> Callable[[Any], Any]:
    def make(tokenizer: Any) -> Any:
        import transformers

        ids = {"vocab_size": len(tokenizer), "eos_token_id": tokenizer.eos_token_id}
        ids |= {"pad_token_id": tokenizer.eos_token_id, "bos_token_id": None}
        config = getattr(transformers, config_name)(**MLP, **ids, **values)
        return transformers.AutoModelForCausalLM.from_config(config)

    return make


def _vision_ids(tokenizer: Any) -> dict[str, int]:
    names = ("vision_start_token_id", "vision_end_token_id", "image_token_id", "video_token_id")
    return {name: tokenizer.convert_tokens_to_ids(token) for name, token in zip(names, VISION, strict=True)}


def _qwen25_vl(tokenizer: Any) -> Any:
    import transformers

    rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [4, 6, 6]}
    text = {**MLP, "vocab_size": len(tokenizer), "eos_token_id": tokenizer.eos_token_id, "rope_parameters": rope}
    vision: dict[str, Any] = {"depth": 2, "hidden_size": 64, "intermediate_size": 128, "num_heads": 2, "patch_size": 14}
    vision |= {"window_size": 112, "out_hidden_size": 64, "fullatt_block_indexes": [1]}
    config = transformers.Qwen2_5_VLConfig(text_config=text, vision_config=vision, **_vision_ids(tokenizer))
    return transformers.Qwen2_5_VLForConditionalGeneration(config)


def _qwen3_vl(tokenizer: Any) -> Any:
    import transformers

    rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [4, 6, 6], "mrope_interleaved": True}
    text = {**MLP, "vocab_size": len(tokenizer), "eos_token_id": tokenizer.eos_token_id, "rope_parameters": rope}
    text |= {"head_dim": 32}
    vision: dict[str, Any] = {"depth": 2, "hidden_size": 64, "intermediate_size": 128, "num_heads": 2, "patch_size": 16}
    vision |= {"out_hidden_size": 64, "num_position_embeddings": 64, "deepstack_visual_indexes": [0]}
    config = transformers.Qwen3VLConfig(text_config=text, vision_config=vision, **_vision_ids(tokenizer))
    return transformers.Qwen3VLForConditionalGeneration(config)


QWEN = ("<|im_end|>", "<|im_start|>", "<|endoftext|>")
FAMILIES = [
    Family("qwen2.5", QWEN, CHATML, _text("Qwen2Config")),
    Family("qwen3", (*QWEN, "<think>", "</think>"), THINKING, _text("Qwen3Config", head_dim=32)),
    Family("olmo2", ("<|endoftext|>", "<|user|>", "<|assistant|>"), OLMO, _text("Olmo2Config")),
    Family("granite", ("<|end_of_text|>", "<|start_of_role|>", "<|end_of_role|>"), GRANITE, _text("GraniteConfig")),
    Family("phi", ("<|end|>", "<|user|>", "<|assistant|>", "<|system|>"), PHI, _text("Phi3Config")),
    Family("qwen2.5-vl", (*QWEN, *VISION), CHATML, _qwen25_vl, vision=True),
    Family("qwen3-vl", (*QWEN, *VISION), CHATML, _qwen3_vl, vision=True),
]


def write_model(family: Family, folder: Path) -> Path:
    """The files of a toy model of ``family``, as the Hub stores them: config, safetensors, tokenizer, processor."""
    import torch

    torch.manual_seed(0)
    tokenizer = _tokenizer(family)
    model = family.make(tokenizer)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    if family.vision:
        _processor(family, tokenizer).save_pretrained(folder)
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": tokenizer.eos_token_id}))
    return folder


def _tokenizer(family: Family) -> Any:
    """A byte-level BPE, as all these families have, trained on a few lines."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=500,
        special_tokens=list(family.specials),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    inner.train_from_iterator(LINES * 4, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner, eos_token=family.specials[0], pad_token=family.specials[0]
    )
    tokenizer.chat_template = family.template
    return tokenizer


def _processor(family: Family, tokenizer: Any) -> Any:
    import transformers

    patch = 14 if family.name == "qwen2.5-vl" else 16
    size = {"shortest_edge": 56 * 56, "longest_edge": 112 * 112}
    image = transformers.Qwen2VLImageProcessor(patch_size=patch, size=size)
    if family.name == "qwen2.5-vl":
        video: Any = transformers.Qwen2VLVideoProcessor(patch_size=patch, size=size)
        return transformers.Qwen2_5_VLProcessor(
            image_processor=image, tokenizer=tokenizer, video_processor=video, chat_template=family.template
        )
    video = transformers.Qwen3VLVideoProcessor(patch_size=patch, size=size)
    return transformers.Qwen3VLProcessor(
        image_processor=image, tokenizer=tokenizer, video_processor=video, chat_template=family.template
    )


SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {"text": {"type": "string", "maxLength": 8}},
        "required": ["text"],
        "additionalProperties": False,
    }
)
ARGS = {"dtype": "float32", "max_model_len": 512, "max_num_seqs": 16, "max_num_batched_tokens": 512}


def picture() -> Picture:
    buffer = io.BytesIO()
    Image.new("RGB", (90, 60), (200, 30, 30)).save(buffer, format="PNG")
    return Picture("ab" * 32, buffer.getvalue())


@pytest.fixture(scope="module")
def answers(vllm_imported: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Response]:
    """All families side by side in one worker process; ids are ``<family> <question>``."""
    root = tmp_path_factory.mktemp("families")
    specs, requests = [], []
    for family in FAMILIES:
        path = write_model(family, root / family.name)
        check_model_dir(path)
        check_chat_template(path)
        args = {
            **ARGS,
            **({"limit_mm_per_prompt": {"image": 1, "video": 0}, "max_pixels": 64 * 64} if family.vision else {}),
        }
        if family.name == "qwen3":
            args["chat_template_kwargs"] = {"enable_thinking": False}
        specs.append(EngineSpec(family.name, "vllm", str(path), kv_gib=0.05, args=args))
        describe = (Message("user", "Describe the goldfinch."),)
        is_it = (Message("user", "Does this picture show a long tail?", picture=family.vision),)
        requests += [
            Request(f"{family.name} json", family.name, describe, Sampling(60, 1.0, seed=7), schema=SCHEMA),
            Request(
                f"{family.name} yes",
                family.name,
                is_it,
                Sampling(1),
                picture=picture() if family.vision else None,
                yes_no=True,
            ),
        ]
    pool = Pool([[WorkerPlan(tuple(specs))]], root / "logs")
    try:
        return {response.id: response for response in pool.generate(requests)}
    finally:
        pool.close()


@pytest.mark.parametrize("family", [family.name for family in FAMILIES])
def test_it_loads_and_answers_in_json(answers: dict[str, Response], family: str) -> None:
    answer = answers[f"{family} json"]
    assert answer.error is None
    assert answer.prompt_tokens > 5
    if answer.finish_reason == "stop":  # random weights may ramble
        assert set(json.loads(answer.text, strict=False)) == {"text"}
    else:
        assert answer.text.startswith("{")


@pytest.mark.parametrize("family", [family.name for family in FAMILIES])
def test_it_says_how_probable_yes_is(answers: dict[str, Response], family: str) -> None:
    answer = answers[f"{family} yes"]
    assert answer.error is None
    assert answer.p_yes is not None
    assert 0 < answer.p_yes < 1


def test_a_model_that_thinks_is_told_not_to(tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    from syntrans_mining.engines.chat import Chat

    family = next(family for family in FAMILIES if family.name == "qwen3")
    tokenizer = AutoTokenizer.from_pretrained(write_model(family, tmp_path))
    request = Request("a", "m", (Message("user", "Describe it."),), Sampling(1))
    (quiet,) = Chat(tokenizer, max_len=99, template_args={"enable_thinking": False}).tokens([request])
    (free,) = Chat(tokenizer, max_len=99).tokens([request])
    assert tokenizer.decode(quiet).endswith("<think>\n\n</think>")
    assert "<think>" not in tokenizer.decode(free)


def test_a_picture_costs_tokens(answers: dict[str, Response]) -> None:
    assert answers["qwen2.5-vl yes"].prompt_tokens > answers["qwen2.5 yes"].prompt_tokens
    assert answers["qwen3-vl yes"].prompt_tokens > answers["qwen3 yes"].prompt_tokens
