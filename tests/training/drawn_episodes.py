"""Episodes of drawn features for the tests of methods, and modules with fixed weights."""

import torch
import torch.nn.functional as F

from syntrans_training.modules.attention import AttentionGenerator

E, N, K, Q, D, C, S = 6, 5, 3, 4, 16, 9, 7


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


CENTRES = torch.randn(C, D, generator=seeded(5))
TEXT = F.normalize(torch.randn(C, S, generator=seeded(6)), dim=-1)


def draw(noise, episodes=E):
    generator = seeded()
    classes = torch.stack([torch.randperm(C, generator=generator)[:N] for _ in range(episodes)])
    centres = CENTRES[classes].unsqueeze(2)
    support = centres + noise * torch.randn(episodes, N, K, D, generator=generator)
    query = (centres + noise * torch.randn(episodes, N, Q, D, generator=generator)).flatten(1, 2)
    return support, query, classes


def generator(base=12):
    torch.manual_seed(0)
    return AttentionGenerator(torch.randn(base, D, generator=seeded(3)))


def module(kind, *arguments, **keywords):
    torch.manual_seed(0)
    return kind(*arguments, **keywords)
