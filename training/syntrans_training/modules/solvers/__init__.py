"""Solvers: many small problems at once, in closed form or by gradient steps; tensors in, tensors out."""
