"""The packages that this one needs: which an extra brings, and how some are imported in less time."""
