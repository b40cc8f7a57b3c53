"""The world's CLIP text tower as transformers' CLIPTextModel, so that a stock pipeline loads it."""

from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor

from syntrans_world.build.clip import CONTEXT

WIDTH, HEADS, LAYERS = 128, 4, 2


def tokenizer_of(clip_folder: Path) -> Any:
    """The CLIP's own tokenizer."""
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast.from_pretrained(clip_folder)


def text_tower(clip_folder: Path) -> Any:
    """A CLIPTextModel with the weights of open_clip's text tower; its last hidden state is what `ln_final` gives."""
    from transformers import CLIPTextConfig, CLIPTextModel

    tokenizer = tokenizer_of(clip_folder)
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=4 * WIDTH,
        projection_dim=WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        max_position_embeddings=CONTEXT,
        hidden_act="gelu",
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = CLIPTextModel(config)
    model.load_state_dict(_renamed(load_file(clip_folder / "open_clip_model.safetensors")))
    return model.eval().requires_grad_(requires_grad=False)


def _renamed(theirs: dict[str, Tensor]) -> dict[str, Tensor]:
    """open_clip's names -> transformers' names; the joint projection of attention becomes three."""
    ours = {
        "embeddings.token_embedding.weight": theirs["token_embedding.weight"],
        "embeddings.position_embedding.weight": theirs["positional_embedding"],
        "final_layer_norm.weight": theirs["ln_final.weight"],
        "final_layer_norm.bias": theirs["ln_final.bias"],
    }
    pairs = {
        "self_attn.out_proj": "attn.out_proj",
        "layer_norm1": "ln_1",
        "layer_norm2": "ln_2",
        "mlp.fc1": "mlp.c_fc",
        "mlp.fc2": "mlp.c_proj",
    }
    for layer in range(LAYERS):
        old, new = f"transformer.resblocks.{layer}", f"encoder.layers.{layer}"
        for kind in ("weight", "bias"):
            for name, part in zip("qkv", theirs[f"{old}.attn.in_proj_{kind}"].chunk(3), strict=True):
                ours[f"{new}.self_attn.{name}_proj.{kind}"] = part
            ours |= {f"{new}.{mine}.{kind}": theirs[f"{old}.{yours}.{kind}"] for mine, yours in pairs.items()}
    return {key: value.float() for key, value in ours.items()}
