"""Few-shot training and evaluation: encoder, features, bridge, episodes, methods, controls."""
