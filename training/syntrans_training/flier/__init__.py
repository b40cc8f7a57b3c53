"""FLIER (Zhou, Zhou and Pan, arXiv 2410.07648): latent diffusion representations beside CLIP's pictures."""
