"""Mining: speed, memory, what each step and each correction is worth."""
