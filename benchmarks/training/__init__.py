"""Training and evaluation: speed, and what each part of the method is worth."""
