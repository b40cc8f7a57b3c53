"""Builds the world's latent diffusion model: autoencoder, text tower, denoiser, in diffusers' format."""
