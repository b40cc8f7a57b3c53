"""Which pictures an evaluation is of: the novel classes of its training, or others that are stored like them."""

from dataclasses import dataclass

from syntrans_training.config import DataConfig
from syntrans_training.data import Split
from syntrans_training.data.class_split import ClassSplit
from syntrans_training.data.feature_files import feature_files
from syntrans_training.data.load_splits import open_data
from syntrans_training.data.open_splits import all_novel


@dataclass(frozen=True)
class NovelPictures:
    """Which pictures an evaluation takes: where they are, and the split that makes them novel where they need one."""

    data: DataConfig
    split: ClassSplit | None = None

    def open(self, name: str) -> Split:
        """The part of that name, decoded."""
        return open_data(self.data, (name,), self.split)[name]


def novel_pictures(trained: DataConfig, images: str | None) -> NovelPictures:
    """The data of the training, or other pictures, stored like them."""
    if images is None:
        return NovelPictures(trained)
    of_images = {"path": images, "dataset": "auto", "split_file": None}
    data = trained.model_copy(update=of_images)
    return NovelPictures(data, None if feature_files(data.path) else all_novel(data.path, data.columns))
