"""A latent diffusion model through diffusers: texts to pictures and final latents, pictures to latents.

Latents are *scaled* throughout, as the UNet sees them: (VAE latent - shift) * scaling factor, docs/method.md (39).
diffusers gives them so with `output_type="latent"`; `encode` does the same to a real picture, with the mean of the
VAE's posterior.
"""

import inspect
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from safetensors import SafetensorError
from torch import Tensor

from syntrans.errors import EnvironmentProblem, ModelLoadError
from syntrans_training.imagination.diffusion_folder import DiffusionFolder
from syntrans_training.imagination.journal import Made
from syntrans_training.imagination.prompts import Job

_ARGUMENTS = {
    "prompt",
    "num_inference_steps",
    "guidance_scale",
    "height",
    "width",
    "latents",
    "generator",
    "output_type",
}
Precision = Literal["auto", "fp32", "fp16", "bf16"]
_TYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class Sampling:
    """Denoising steps, guidance scale, side of the pictures (None: the model's own)."""

    steps: int
    guidance: float
    size: int | None


class LatentDiffusion:
    """A pipeline that is loaded. ModelLoadError where diffusers cannot load it."""

    def __init__(self, folder: DiffusionFolder, device: torch.device, precision: Precision = "auto") -> None:
        from diffusers import DiffusionPipeline
        from diffusers.utils import logging
        from transformers.utils import logging as transformers_logging

        for library in (logging, transformers_logging):  # our own bar is enough
            library.disable_progress_bar()
            library.set_verbosity(library.CRITICAL)  # an error is our own one line
        self.folder, self.device = folder, device
        kind = ("fp16" if device.type == "cuda" else "fp32") if precision == "auto" else precision
        try:
            self.pipeline = DiffusionPipeline.from_pretrained(
                str(folder.path), use_safetensors=True, local_files_only=True, dtype=_TYPES[kind]
            ).to(device)
        except (OSError, ValueError, LookupError, TypeError, RuntimeError, AttributeError, SafetensorError) as error:
            reason = " ".join(str(error).split())[:300]
            raise ModelLoadError(f"{folder.ref}: does not load as a {folder.pipeline}: {reason}") from error
        _check_call(folder, self.pipeline)
        self.pipeline.set_progress_bar_config(disable=True)
        self.vae: Any = self.pipeline.vae
        self.precision = kind

    @property
    def size(self) -> int:
        """Side of the pictures that the model was trained on."""
        return int(self.folder.latent_side * self.pipeline.vae_scale_factor)

    def fits(self, text: str) -> bool:
        """Whether the text encoder reads all of a text."""
        tokenizer = self.pipeline.tokenizer
        return bool(len(tokenizer(text, verbose=False).input_ids) <= tokenizer.model_max_length)

    @torch.no_grad()
    def make(self, jobs: Sequence[Job], sampling: Sampling) -> list[Made]:
        """The pictures of some jobs, each from its own seed, whatever else is in the batch.

        EnvironmentProblem where the device's memory does not hold them at once.
        """
        try:
            return self._made(jobs, sampling)
        except RuntimeError as error:  # torch raises no MemoryError of its own
            if not isinstance(error, torch.OutOfMemoryError) and "allocate memory" not in str(error):
                raise
            lower = "lower batch" if len(jobs) > 1 else "lower size"
            raise EnvironmentProblem(
                f"the memory of {self.device} does not hold {len(jobs)} pictures at once; {lower} (the others are kept)"
            ) from error

    def _made(self, jobs: Sequence[Job], sampling: Sampling) -> list[Made]:
        side = sampling.size or self.size
        generators = [torch.Generator().manual_seed(job.seed) for job in jobs]
        latents = self.pipeline(
            prompt=[job.prompt.text for job in jobs],
            num_inference_steps=sampling.steps,
            guidance_scale=sampling.guidance,
            height=side,
            width=side,
            latents=self.noise(generators, side),
            generator=generators,  # of schedulers that add noise at every step
            output_type="latent",
        ).images
        return [self._finished(latent[None]) for latent in latents]

    def noise(self, generators: Sequence[torch.Generator], side: int) -> Float[Tensor, "n c h w"]:
        """Where the pictures begin: drawn on the CPU in fp32, so that every device and precision has the same.

        PyTorch draws other numbers in half precision on some processors, and on CUDA.
        """
        edge = side // self.pipeline.vae_scale_factor
        shape = (self.pipeline.unet.config.in_channels, edge, edge)
        drawn = [torch.randn(shape, generator=generator) for generator in generators]
        return torch.stack(drawn).to(self.vae.dtype)

    def _finished(self, latent: Float[Tensor, "1 c h w"]) -> Made:
        with np.errstate(over="ignore"):  # what 16 bits cannot hold is no number either
            kept = latent[0].float().cpu().numpy().astype(np.float16)
        picture = self.decode(latent)
        if not np.isfinite(kept).all() or not picture.isfinite().all():
            return Made(None, None, "not_a_number")
        image = self.pipeline.image_processor.postprocess(picture, output_type="pil")[0]
        if getattr(self.pipeline, "safety_checker", None) is not None and self._refused(picture):
            return Made(None, kept, "unsafe")
        written = io.BytesIO()
        image.save(written, "PNG")
        return Made(written.getvalue(), kept)

    def _refused(self, picture: Float[Tensor, "1 3 s s"]) -> bool:
        _, flags = self.pipeline.run_safety_checker(picture, self.device, picture.dtype)
        return bool(flags and flags[0])

    @torch.no_grad()
    def decode(self, latents: Float[Tensor, "n c h w"]) -> Float[Tensor, "n 3 s s"]:
        """Scaled latents to pictures in [-1, 1]."""
        inner = latents / self.vae.config.scaling_factor + (getattr(self.vae.config, "shift_factor", None) or 0)
        decoded: Tensor = self.vae.decode(inner.to(self.vae.dtype)).sample
        return decoded.float()

    @torch.no_grad()
    def encode(self, pictures: UInt8[np.ndarray, "n s s 3"], batch: int = 32) -> Float[Tensor, "n c h w"]:
        """Scaled latents of real pictures, deterministic; other sizes are resized to the model's."""
        parts = []
        for start in range(0, len(pictures), batch):
            part = torch.from_numpy(np.array(pictures[start : start + batch])).permute(0, 3, 1, 2).float() / 127.5 - 1
            if part.shape[-1] != self.size:
                part = F.interpolate(part, (self.size, self.size), mode="bicubic", antialias=True).clamp(-1, 1)
            encoded = self.vae.encode(part.to(self.device, self.vae.dtype))
            # AutoencoderTiny (TAESD) gives latents without a distribution.
            inner = encoded.latent_dist.mean if hasattr(encoded, "latent_dist") else encoded.latents
            shift = getattr(self.vae.config, "shift_factor", None) or 0
            parts.append(((inner - shift) * self.vae.config.scaling_factor).float().cpu())
        return torch.cat(parts)


def _check_call(folder: DiffusionFolder, pipeline: object) -> None:
    """ModelLoadError for a pipeline that does not begin with a text and noise alone, as inpainting does."""
    takes = inspect.signature(type(pipeline).__call__).parameters
    needed = {name for name, one in takes.items() if one.default is one.empty and one.kind is not one.VAR_KEYWORD}
    if "image" in takes or needed - {"self", "prompt"} or not takes.keys() >= _ARGUMENTS:
        raise ModelLoadError(f"{folder.ref}: a {folder.pipeline} does not go from text to pictures; name one that does")
