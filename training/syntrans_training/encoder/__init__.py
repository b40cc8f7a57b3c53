"""The encoder's training, its generations, distillation and features."""
