"""Pictures and latents of a latent diffusion model, made from descriptors: `syntrans imagine`."""
