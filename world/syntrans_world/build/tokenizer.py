"""A byte-level BPE tokenizer in the Hugging Face format, with a chat template; one for the LLMs, one for CLIP."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

VOCAB_SIZE = 960
PAD, END, USER, ASSISTANT, SYSTEM = "<|pad|>", "<|end|>", "<|user|>", "<|assistant|>", "<|system|>"
VISION_START, VISION_END, IMAGE_PAD, VIDEO_PAD = (
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
CHAT_TOKENS = [PAD, END, USER, ASSISTANT, SYSTEM, VISION_START, VISION_END, IMAGE_PAD, VIDEO_PAD]
CLIP_START, CLIP_END = "<|startoftext|>", "<|endoftext|>"

CHAT_TEMPLATE = (
    "{%- for message in messages -%}<|{{ message.role }}|>"
    "{%- if message.content is string -%}{{ message.content }}"
    "{%- else -%}{%- for part in message.content -%}"
    "{%- if part.type == 'text' -%}{{ part.text }}"
    "{%- else -%}<|vision_start|><|image_pad|><|vision_end|>{%- endif -%}"
    "{%- endfor -%}{%- endif -%}<|end|>{%- endfor -%}"
    "{%- if add_generation_prompt -%}<|assistant|>{%- endif -%}"
)


def _train_bpe(texts: Iterable[str], vocab_size: int, special: list[str]) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def train_chat_tokenizer(texts: Iterable[str]) -> Any:
    """PreTrainedTokenizerFast for the LLMs and the VLM; `yes` and `no` are single tokens."""
    from transformers import PreTrainedTokenizerFast

    fast = PreTrainedTokenizerFast(
        tokenizer_object=_train_bpe(texts, VOCAB_SIZE, CHAT_TOKENS),
        pad_token=PAD,
        eos_token=END,
        additional_special_tokens=CHAT_TOKENS[2:],
        model_max_length=512,
        clean_up_tokenization_spaces=False,
    )
    fast.chat_template = CHAT_TEMPLATE
    return fast


def train_clip_tokenizer(texts: Iterable[str], context_length: int) -> Any:
    """PreTrainedTokenizerFast for CLIP: start and end are added, and the end token has the highest id of all."""
    from tokenizers import AddedToken
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    inner = _train_bpe(texts, 700, [PAD, CLIP_START])
    inner.add_special_tokens([AddedToken(CLIP_END, special=True)])
    end_id = inner.token_to_id(CLIP_END)
    assert end_id == inner.get_vocab_size() - 1, "open_clip finds the end of a text by the highest token id"
    inner.post_processor = TemplateProcessing(
        single=f"{CLIP_START} $A {CLIP_END}",
        special_tokens=[(CLIP_START, inner.token_to_id(CLIP_START)), (CLIP_END, end_id)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        pad_token=PAD,
        bos_token=CLIP_START,
        eos_token=CLIP_END,
        model_max_length=context_length,
        clean_up_tokenization_spaces=False,
    )


def save(tokenizer: Any, folder: Path) -> None:
    """Write the tokenizer files; the chat template goes into tokenizer_config.json."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(folder)
