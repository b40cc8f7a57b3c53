"""Parts of a classifier: pure functions and modules that import nothing else of ours."""
