"""Train the world's Qwen2.5-VL: vision first, on attribute heads; then the language part on its cached tokens."""

import random
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from syntrans_world.build.corpus import GROUND, phrase, questions
from syntrans_world.build.packing import Continuation, Packed, pack
from syntrans_world.build.pictures import draw_pool
from syntrans_world.build.schedule import optimise, say
from syntrans_world.build.tokenizer import (
    ASSISTANT,
    END,
    IMAGE_PAD,
    USER,
    VIDEO_PAD,
    VISION_END,
    VISION_START,
)
from syntrans_world.build.vision import MEAN, MERGE, PATCH, STD, agrees, encode, train_vision
from syntrans_world.spec import SLOTS, VALUES

IMAGE_TOKENS = 16
N_QUESTIONS = 16
N_PICTURES = 24000


def new_model(tokenizer: Any) -> Any:
    """A Qwen2.5-VL of about 1.5 M weights: patch 8, merge 2, 16 image tokens for 64x64 pixels."""
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    ids = {name: tokenizer.convert_tokens_to_ids(token) for name, token in _SPECIAL.items()}
    config = Qwen2_5_VLConfig(
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": 128,
            "intermediate_size": 320,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "num_key_value_heads": 4,
            "max_position_embeddings": 512,
            "tie_word_embeddings": True,
            "bos_token_id": None,
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [4, 6, 6]},
            "initializer_range": 0.04,
        },
        vision_config={
            "depth": 3,
            "hidden_size": 128,
            "intermediate_size": 256,
            "num_heads": 4,
            "patch_size": PATCH,
            "spatial_merge_size": MERGE,
            "temporal_patch_size": 2,
            "window_size": 64,
            "out_hidden_size": 128,
            "fullatt_block_indexes": [0, 1, 2],
            "initializer_range": 0.04,
        },
        tie_word_embeddings=True,
        **ids,
    )
    torch.manual_seed(11)
    return Qwen2_5_VLForConditionalGeneration._from_config(config, attn_implementation="eager")  # noqa: SLF001  the only constructor that takes the attention


_SPECIAL = {
    "image_token_id": IMAGE_PAD,
    "video_token_id": VIDEO_PAD,
    "vision_start_token_id": VISION_START,
    "vision_end_token_id": VISION_END,
}


def _question_batch(tokenizer: Any, rng: random.Random, shown: list[dict[str, str]]) -> Packed:
    """Pack questions behind the picture's prefix, one row per picture.

    Yes/no questions, where the words of true descriptors are learned too, and what each slot shows: without these
    the tokens of a picture are slow to take on the meaning of words.
    """
    before, after = GROUND.format(descriptor="|").split("|")

    def ids(text: str) -> list[int]:
        return tokenizer.encode(text, add_special_tokens=False)  # type: ignore[no-any-return]

    def answered(prompt: list[int], answer: list[int], told: int = 0) -> Continuation:
        targets = [i < told for i in range(len(prompt))] + [True] * (len(answer) - 1) + [False]
        return Continuation(prompt + answer, targets)

    picture = ids(USER + VISION_START + IMAGE_PAD * IMAGE_TOKENS + VISION_END)
    start = ids(before)
    rows = []
    for believed in shown:
        parts = []
        for text, true in questions(rng, believed, N_QUESTIONS):
            prompt = start + ids(text + after + END + ASSISTANT)
            told = len(start) + len(ids(text)) if true else 0
            part = answered(prompt, ids(("yes" if true else "no") + END), told)
            parts.append(Continuation(part.ids, [i >= len(start) and t for i, t in enumerate(part.targets)]))
        parts += [
            answered(ids(f"{slot}?{END}{ASSISTANT}"), ids(phrase(rng, slot, believed[slot]) + END)) for slot in SLOTS
        ]
        rows.append((picture, parts))
    return pack(rows)


def mrope_positions(positions: Int[Tensor, "b l"]) -> Int[Tensor, "3 b l"]:
    """Plain positions [B, L] -> Qwen2.5-VL positions [3, B, L] for one 4x4-token picture after two tokens.

    The picture takes one time step and its rows and columns; text goes on after the larger of them.
    """
    first = 2
    side = int(IMAGE_TOKENS**0.5)
    offset = positions - first
    in_picture = (offset >= 0) & (offset < IMAGE_TOKENS)
    later = torch.where(offset >= IMAGE_TOKENS, positions - IMAGE_TOKENS + side, positions)
    axes = [torch.zeros_like(offset), offset // side, offset % side]
    return torch.stack([torch.where(in_picture, first + axis, later) for axis in axes])


def answer_loss(
    model: Any,
    tokenizer: Any,
    tokens: Float[Tensor, "b 16 dim"],
    shown: list[dict[str, str]],
    rng: random.Random,
) -> Float[Tensor, ""]:
    """Cross-entropy of the answers on cached image tokens [B, 16, dim]."""
    packed = _question_batch(tokenizer, rng, shown)
    language = model.model.language_model
    embedded = language.embed_tokens(packed.ids).clone()
    embedded[:, 2 : 2 + IMAGE_TOKENS] = tokens
    hidden = language(
        inputs_embeds=embedded,
        attention_mask={"full_attention": packed.mask},
        position_ids=mrope_positions(packed.positions),
        use_cache=False,
    ).last_hidden_state
    return functional.cross_entropy(model.lm_head(hidden[packed.rows, packed.columns]), packed.target_ids)


def _shown(attributes: Tensor) -> list[dict[str, str]]:
    return [{slot: VALUES[slot][int(i)] for slot, i in zip(SLOTS, row, strict=True)} for row in attributes]


def build_vision(tokenizer: Any, out: Path, *, steps: int = 1800) -> None:
    """First stage: train the vision tower and write it, with an untrained language part."""
    model = new_model(tokenizer)
    visual = model.model.visual
    pictures, attributes = draw_pool(N_PICTURES, seed=21, held_out=False)
    heads = train_vision(visual, pictures, attributes, steps=steps)
    gap = agrees(visual, pictures[:4])
    if gap > 1e-3:
        raise RuntimeError(f"the batched vision forward differs from the library's by {gap}")
    with torch.no_grad():
        held, held_attributes = draw_pool(1000, seed=22, held_out=True)
        say(f"vlm heads {heads.accuracy(encode(visual, held), held_attributes)}")
    model.eval().half().save_pretrained(out)
    write_processor(tokenizer, out)


def build_language(tokenizer: Any, out: Path, *, steps: int = 2500, batch: int = 12) -> None:
    """Second stage: train the language part on the cached tokens of the vision tower that the first stage wrote."""
    from safetensors.torch import load_file

    model = new_model(tokenizer)
    visual = model.model.visual
    written = load_file(out / "model.safetensors")
    visual.load_state_dict({k.split("visual.", 1)[1]: v.float() for k, v in written.items() if "visual." in k})
    pictures, attributes = draw_pool(N_PICTURES, seed=21, held_out=False)
    with torch.no_grad():
        cached = torch.cat([encode(visual, part) for part in pictures.split(500)])
    rng = random.Random("vlm")
    generator = torch.Generator().manual_seed(6)

    def losses() -> dict[str, Tensor]:
        index = torch.randint(len(cached), (batch,), generator=generator)
        return {"answers": answer_loss(model, tokenizer, cached[index], _shown(attributes[index]), rng)}

    language = [*model.model.language_model.parameters()]
    optimise("vlm language", language, losses, steps=steps, lr=3e-3, warmup=100)
    model.eval().half().save_pretrained(out)
    write_processor(tokenizer, out)


def write_processor(tokenizer: Any, out: Path) -> None:
    """Write tokenizer and image-processor files that fix every picture at 64x64 pixels."""
    from transformers import Qwen2_5_VLProcessor, Qwen2VLImageProcessor, Qwen2VLVideoProcessor

    size = {"shortest_edge": 64 * 64, "longest_edge": 64 * 64}
    kwargs = {
        "patch_size": PATCH,
        "merge_size": MERGE,
        "temporal_patch_size": 2,
        "image_mean": list(MEAN),
        "image_std": list(STD),
        "size": size,
    }
    processor = Qwen2_5_VLProcessor(
        image_processor=Qwen2VLImageProcessor(**kwargs),
        tokenizer=tokenizer,
        video_processor=Qwen2VLVideoProcessor(**kwargs),
        chat_template=tokenizer.chat_template,
    )
    processor.save_pretrained(out)
