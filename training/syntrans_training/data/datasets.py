"""The few-shot data sets that are known by name: what a copy looks like, and where to get one."""

from dataclasses import dataclass

from syntrans_training.data.class_split import ClassSplit, published

_IMAGENET = (
    "ImageNet (ILSVRC 2012) is free for non-commercial research: register at image-net.org and accept its terms, which "
    "forbid passing the pictures on"
)
_CIFAR = (
    "The page 'The CIFAR-10 and CIFAR-100 datasets' (www.cs.toronto.edu/~kriz/cifar.html) has the archive 'CIFAR-100 "
    "python version' (cifar-100-python.tar.gz, 161 MB), without registration. It need not be unpacked"
)
_CIFAR_LAYOUT = "cifar-100-python.tar.gz, or its folder; or Parquet files with the columns img and fine_label"
_CUB = (
    "The page 'Caltech-UCSD Birds-200-2011' (www.vision.caltech.edu/datasets/cub_200_2011) has CUB_200_2011.tgz "
    "(1.1 GB), for non-commercial research and teaching. Unpack it"
)
_CUB_LAYOUT = "CUB_200_2011/images/<class>/*.jpg"


@dataclass(frozen=True)
class Dataset:
    """A published data set; `split` says which class is base, val or novel."""

    name: str
    title: str
    layout: str  # what the path must hold
    where: str  # where to get it, and on which terms
    pictures: int  # of all three parts, as published

    @property
    def split(self) -> ClassSplit:
        """Its class split, from package data."""
        return published(self.name)


DATASETS = {
    dataset.name: dataset
    for dataset in (
        Dataset(
            "mini",
            "miniImageNet",
            "train.csv, val.csv, test.csv (filename,label) and images/*.jpg, 84x84; or ImageNet's class folders "
            "<wnid>/ (also below train/), of which every picture is then taken, not the published 600 a class",
            f"{_IMAGENET}. The three lists are in many public repositories; the pictures are cut from ImageNet's",
            60000,
        ),
        Dataset("tiered", "tieredImageNet", "ImageNet's class folders <wnid>/ (also below train/)", _IMAGENET, 779165),
        Dataset("cifar-fs", "CIFAR-FS", _CIFAR_LAYOUT, _CIFAR, 60000),
        Dataset("fc100", "FC100", _CIFAR_LAYOUT, _CIFAR, 60000),
        Dataset("cub", "CUB-200-2011, split of CloserLookFewShot (100/50/50)", _CUB_LAYOUT, _CUB, 11788),
        Dataset("cub-feat", "CUB-200-2011, split of FEAT (100/50/50)", _CUB_LAYOUT, _CUB, 11788),
        Dataset("cub-easyfsl", "CUB-200-2011, split of easyfsl (140/30/30)", _CUB_LAYOUT, _CUB, 11788),
    )
}
