"""Which pictures an evaluation is of: the novel classes of its training, or others that are stored like them."""

from dataclasses import replace

from syntrans_training.data.feature_files import feature_files
from syntrans_training.data.load_splits import Origin, Pictures
from syntrans_training.data.open_splits import AUTO, all_novel


def novel_pictures(trained: Pictures, images: str | None) -> Pictures:
    """The pictures of the training, or others, stored like them: the novel part of those, or all of their classes."""
    if images is None:
        return trained
    origin = elsewhere(trained.origin, images)
    split = None if feature_files(images) else all_novel(images, origin.columns)
    return replace(trained, origin=replace(origin, split_file=split))


def elsewhere(trained: Origin, images: str) -> Origin:
    """Pictures that lie elsewhere than those of the training, divided as they lie there."""
    return replace(trained, path=images, dataset=AUTO, split_file=None)
