"""Options of the database, of the transform shared by training and scoring, and of augmentation."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from linearityiqa.config.checks import Bounds, Checked, at_least, require_options, within
from linearityiqa.config.tree import Spelling

PROBABILITY = within(0, 1)
ResizeMode = Literal["stretch", "fit", "shrink"]


def ratios_rule(train: float, train_and_val: float) -> tuple[bool, str]:
    """Return the rule that the shares of a random split must satisfy."""
    return (
        0 <= train <= train_and_val <= 1,
        "train_ratio and train_and_val_ratio must satisfy 0 <= train_ratio <= train_and_val_ratio <= 1, "
        f"got {train} and {train_and_val}",
    )


@dataclass(frozen=True, kw_only=True)
class DataConfig(Checked):
    """Images, opinion scores, and their split."""

    dataset: Annotated[str, Spelling(aliases=("-ds",))] = "KonIQ-10k"
    """A known database (linearityiqa datasets list names them), or a CSV file with image_name and mos, and where known
    mos_std, split and reference."""
    image_dir: Path | None = None
    """Folder that the image names are relative to; by default that of the labels. Several databases have one each, in
    their order."""
    scale: tuple[float, float] | None = None
    """Lowest and highest score that people could give in a CSV file; by default the usual scale (0..1, 1..5, 0..5,
    0..10 or 0..100) that its scores fill, else their range."""
    image_column: str | None = None
    """Column of the image names in a CSV file; by default image_name, or the only one with a usual name (image,
    filename, file, name and so on)."""
    mos_column: str | None = None
    """Column of the opinions in a CSV file, a MOS or single ratings; by default mos, or the only one with a usual name
    (score, mean, rating and so on)."""
    more_datasets: tuple[str, ...] = ()
    """More databases, which may as well be named after the first. Training is on the training sets of all, each on its
    own scale, since the loss compares images of one database only; validation, test and mapping are the first one's.
    Testing is on all of them, one by one."""
    more_image_dirs: tuple[Path, ...] = ()
    """Image folders of MORE_DATASETS, which may as well be named after the first; by default those of their labels."""
    exp_id: Annotated[int, Spelling(aliases=("-eid",)), at_least(0)] = 0
    """Number of the random split."""
    train_ratio: Annotated[float, Spelling(aliases=("-tr",))] = 0.6
    """Share of the references in the training set, where the database has no split."""
    train_and_val_ratio: Annotated[float, Spelling(aliases=("-tvr",))] = 0.8
    """Share of the references in the training and validation sets together."""
    resplit: bool = False
    """Split the references at random, even where the database has a split."""
    exif_rotation: bool = False
    """Apply the EXIF orientation of database images (scoring always does; off matches the paper)."""
    colour_profile: bool = False
    """Bring the colours of ICC profiles in database images to sRGB (scoring always does; off matches the paper)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_options(
            (
                self.scale is None or self.scale[0] < self.scale[1],
                f"scale must be LOW HIGH with LOW < HIGH, got {self.scale}",
            ),
            (bool(self.dataset), "dataset must name a database or a CSV file"),
            (
                len({self.dataset, *self.more_datasets}) == 1 + len(self.more_datasets),
                f"dataset and more_datasets must all differ, got {', '.join((self.dataset, *self.more_datasets))}",
            ),
            (
                len(self.more_image_dirs) in (0, len(self.more_datasets)),
                f"{1 + len(self.more_image_dirs)} image folders are named for {1 + len(self.more_datasets)} databases: "
                "name one for each, in their order (with databases before --image_dir)",
            ),
            ratios_rule(self.train_ratio, self.train_and_val_ratio),
        )

    def one_by_one(self) -> Iterator["DataConfig"]:
        """Yield the same options for each of the databases alone, with its image folder."""
        folders = (self.image_dir, *(self.more_image_dirs or [None] * len(self.more_datasets)))
        for name, folder in zip((self.dataset, *self.more_datasets), folders, strict=True):
            yield replace(self, dataset=name, image_dir=folder, more_datasets=(), more_image_dirs=())


@dataclass(frozen=True, kw_only=True)
class TransformConfig(Checked):
    """Resizing of every decoded image before the network sees it, in training and in scoring."""

    resize: Annotated[bool, Spelling(aliases=("-rs",))] = False
    """Resize every image (PIL bilinear); without it images keep their size."""
    resize_size_h: Annotated[int, Spelling(aliases=("-rs_h",)), within(1, 16384)] = 498
    """Height after resizing, in pixels."""
    resize_size_w: Annotated[int, Spelling(aliases=("-rs_w",)), within(1, 16384)] = 664
    """Width after resizing, in pixels."""
    resize_mode: ResizeMode = "stretch"
    """stretch: to exactly that size (the paper). fit: to its area, keeping the aspect ratio. shrink: as fit, but images
    of less area keep their size."""
    decode_reduced: bool = False
    """Decode large photographs at a reduced scale (JPEG: 1/2, 1/4 or 1/8; others are reduced by whole factors) of at
    least twice the size wanted, before they are resized: several times faster. Ignored by stretch."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_options(
            (
                self.resize or self.resize_mode == "stretch",
                f"resize_mode {self.resize_mode} says how images are resized: pass --resize with it",
            ),
        )

    @property
    def size(self) -> tuple[int, int] | None:
        """(height, width) that images are resized to, or whose area they get; None where images keep their own."""
        return (self.resize_size_h, self.resize_size_w) if self.resize else None

    def effective(self) -> "TransformConfig":
        """Return the same transform with every option that it ignores at its default."""
        if not self.resize:
            return TransformConfig()
        return replace(self, decode_reduced=False) if self.resize_mode == "stretch" else self


@dataclass(frozen=True, kw_only=True)
class AugmentationConfig(Checked):
    """Random changes of training images: rotation, horizontal flip, crop."""

    augmentation: Annotated[bool, Spelling(aliases=("-augment",))] = False
    """Augment the training images."""
    angle: Annotated[
        float, Spelling(aliases=("-ag",)), Bounds(lambda angle: 0 <= angle <= 180, "must lie in 0..180 degrees")
    ] = 2.0
    """Rotate by a uniform angle of at most this many degrees."""
    crop_size_h: Annotated[int, Spelling(aliases=("-cs_h",)), at_least(1)] = 498
    """Height of the random crop, in pixels."""
    crop_size_w: Annotated[int, Spelling(aliases=("-cs_w",)), at_least(1)] = 498
    """Width of the random crop, in pixels."""
    hflip_p: Annotated[float, Spelling(aliases=("-hp",)), PROBABILITY] = 0.5
    """Probability of a horizontal flip."""
    turn_p: Annotated[float, PROBABILITY] = 0.0
    """Probability of a quarter turn, to either side."""
    scale_min: Annotated[float, Bounds(lambda factor: 0 < factor <= 1, "must lie in (0, 1]")] = 1.0
    """Shrink each image by a factor drawn between this and 1 before the crop, as far as the crop allows."""
    versions: Annotated[int, within(0, 1024)] = 0
    """Images of each batch that are also seen in two degraded versions, mild and severe, of which training uses only
    the order (rank_weight)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_options(
            (
                self.augmentation or (self.turn_p == 0 and self.scale_min == 1 and self.versions == 0),
                "turn_p, scale_min and versions are augmentation: pass --augmentation with them",
            ),
        )

    def effective(self) -> "AugmentationConfig":
        """Return the same augmentation with every option that it ignores at its default."""
        return self if self.augmentation else AugmentationConfig()
