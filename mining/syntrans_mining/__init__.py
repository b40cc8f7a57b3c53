"""Mining: local language and vision models write, question and check descriptors of classes."""
