"""FLIER: what latents know, and the method with other settings."""
