"""The page of `syntrans report`: what finished or working runs left, as one self-contained HTML file."""
