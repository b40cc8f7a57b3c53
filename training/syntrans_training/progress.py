"""Progress of training's long stages, see `syntrans.progress`."""

from syntrans.progress import PLAIN_INTERVAL_S, Progress, say, track

__all__ = ["PLAIN_INTERVAL_S", "Progress", "say", "track"]
