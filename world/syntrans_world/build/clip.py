"""Train the world's CLIP in open_clip's format: contrastive on captions, and a loss on single attributes."""

import json
import random
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor
from torch.nn import functional

from syntrans_world.build.corpus import everything_said
from syntrans_world.build.pictures import draw_pool
from syntrans_world.build.schedule import optimise, say
from syntrans_world.build.tokenizer import save, train_clip_tokenizer
from syntrans_world.spec import GENERIC, PHRASES, SLOTS, VALUES

CONTEXT = 32
TEMPLATE = "a picture of {descriptor}"
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


def model_config(vocab_size: int) -> dict[str, Any]:
    """A ResNet image tower and a two-layer text tower, about two million weights."""
    return {
        "embed_dim": 128,
        "vision_cfg": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 16},
        "text_cfg": {
            "context_length": CONTEXT,
            "vocab_size": vocab_size,
            "width": 128,
            "heads": 4,
            "layers": 2,
            "hf_tokenizer_name": "tokenizer-in-this-folder",
        },
    }


def pixels(pictures: UInt8[Tensor, "b 3 64 64"]) -> Float[Tensor, "b 3 64 64"]:
    """Normalise uint8 [B, 3, 64, 64] as open_clip's preprocessing does."""
    mean, std = torch.tensor(MEAN).view(3, 1, 1), torch.tensor(STD).view(3, 1, 1)
    return (pictures.float() / 255 - mean) / std


def phrase_table() -> list[tuple[str, int, int, str]]:
    """All (slot, slot index, value index, phrase) of the world."""
    return [
        (slot, i, j, text)
        for i, slot in enumerate(SLOTS)
        for j, value in enumerate(VALUES[slot])
        for text in PHRASES[slot][value]
    ]


def caption(rng: random.Random, attributes: list[int]) -> str:
    """A caption that names three to six attributes of a picture, now and then with a platitude."""
    slots = rng.sample(range(len(SLOTS)), rng.choice((3, 4, 5)))
    parts = [rng.choice(PHRASES[SLOTS[i]][VALUES[SLOTS[i]][attributes[i]]]) for i in slots]
    if rng.random() < 0.2:
        parts[-1] = rng.choice(GENERIC)
    return TEMPLATE.format(descriptor=", ".join(parts))


# Shape and pattern are learned last; they weigh more so that all slots arrive together.
SLOT_WEIGHT = {"shape": 3.0, "pattern": 1.5}


def encode_text(model: Any, ids: Int[Tensor, "b l"]) -> Float[Tensor, "b d"]:
    """Text vectors [B, d] of padded ids [B, L], L <= context; equals `model.encode_text` without its padding."""
    length = ids.shape[1]
    x = model.token_embedding(ids) + model.positional_embedding[:length]
    x = model.ln_final(model.transformer(x, attn_mask=model.attn_mask[:length, :length]))
    return x[torch.arange(len(ids)), ids.argmax(-1)] @ model.text_projection  # type: ignore[no-any-return]


def attribute_loss(
    image: Float[Tensor, "b d"],
    phrases: Float[Tensor, "*p d"],
    scale: Float[Tensor, ""],
    attributes: Int[Tensor, "b s"],
) -> Float[Tensor, ""]:
    """Weighted cross-entropy of each slot's value among the slot's phrases, mean over slots and both phrasings.

    image [B, d] and phrases [62, d] of unit length, attributes [B, 6].
    """
    logits = scale * image @ phrases.T
    table = phrase_table()
    losses = []
    for i, slot in enumerate(SLOTS):
        for way in range(2):
            columns = [k for k, row in enumerate(table) if row[1] == i][way::2]
            assert len(columns) == len(VALUES[slot])
            weight = SLOT_WEIGHT.get(slot, 1.0)
            losses.append(weight * functional.cross_entropy(logits[:, columns], attributes[:, i]))
    return torch.stack(losses).mean()


def contrastive_loss(
    image: Float[Tensor, "b d"], text: Float[Tensor, "b d"], scale: Float[Tensor, ""]
) -> Float[Tensor, ""]:
    """Symmetric InfoNCE (Radford et al. 2021) on unit vectors [B, d]."""
    logits = scale * image @ text.T
    labels = torch.arange(len(logits))
    return (functional.cross_entropy(logits, labels) + functional.cross_entropy(logits.T, labels)) / 2


def build_clip(out: Path, *, steps: int = 2600, batch: int = 96) -> None:
    """Train and write open_clip_config.json, open_clip_model.safetensors and the tokenizer."""
    import open_clip

    tokenizer = train_clip_tokenizer((text.lower() for text in everything_said()), CONTEXT)
    config = model_config(len(tokenizer))
    out.mkdir(parents=True, exist_ok=True)
    save(tokenizer, out)
    torch.manual_seed(31)
    text_cfg = {k: v for k, v in config["text_cfg"].items() if k != "hf_tokenizer_name"}
    model = open_clip.model.CLIP(config["embed_dim"], config["vision_cfg"], text_cfg)
    pictures, attributes = draw_pool(24000, seed=32, held_out=False)
    rng, generator = random.Random("clip"), torch.Generator().manual_seed(33)

    def ids(texts: list[str]) -> Tensor:
        return tokenizer(  # type: ignore[no-any-return]
            texts, return_tensors="pt", max_length=CONTEXT, padding="longest", truncation=True
        ).input_ids

    phrase_ids = ids([TEMPLATE.format(descriptor=row[3]) for row in phrase_table()])

    def losses() -> dict[str, Tensor]:
        index = torch.randint(len(pictures), (batch,), generator=generator)
        shown = attributes[index]
        image = functional.normalize(model.encode_image(pixels(pictures[index])), dim=-1)
        captions = ids([caption(rng, row) for row in shown[: batch // 3].tolist()])
        phrases = functional.normalize(encode_text(model, phrase_ids), dim=-1)
        sentences = functional.normalize(encode_text(model, captions), dim=-1)
        scale = model.logit_scale.exp().clamp(max=100)
        return {
            "attribute": attribute_loss(image, phrases, scale, shown),
            "contrastive": 0.3 * contrastive_loss(image[: batch // 3], sentences, scale),
        }

    optimise("clip", model.parameters(), losses, steps=steps, lr=2e-3, warmup=100)
    _save(model.eval(), config, out)


def _save(model: Any, config: dict[str, Any], out: Path) -> None:
    """The weights in half precision, and open_clip's configuration."""
    from safetensors.torch import save_file

    weights = {k: v.half() if v.is_floating_point() else v for k, v in model.state_dict().items()}
    save_file({k: v.contiguous() for k, v in weights.items()}, out / "open_clip_model.safetensors")
    preprocess = {"mean": MEAN, "std": STD, "interpolation": "bicubic", "resize_mode": "shortest"}
    text = json.dumps({"model_cfg": config, "preprocess_cfg": preprocess}, indent=2)
    (out / "open_clip_config.json").write_text(text + "\n")
    say(f"clip written, {sum(p.numel() for p in model.parameters())} weights")
