"""The facts of a published database, and where its files are looked for."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from linearityiqa.data.databases.labels import Labels, OnFault
from linearityiqa.errors import DataError
from linearityiqa.quality import QualityScale

LABEL_FOLDER = Path("data")
"""Folder of label files that are kept apart from the images, relative to the current one."""


@dataclass(frozen=True, kw_only=True)
class KnownDatabase:
    """Facts of a published database: its scale, source and licence, and the layout of its files.

    Attributes:
        name: name of the database, for `--dataset`; also of the folder (or soft link) with its images.
        images: number of images of the published database.
        scale: range and direction of its scores.
        source: the official page, by name.
        licence: the terms, in words.
        inner_folders: where the images may lie below the image folder.
        link_target: the folder of the official release that a soft link should lead to.
        release_files: the label file of the official release by each of its names, the best one first.
        release_folders: where that file may lie, relative to the image folder.
        read_release: reads that file; the second argument says what is done about faults.
        note: what a user of its scores should know, in words.
        opinion_factor: what a published standard deviation is multiplied with to be on the scale of MOS.
        info_ratios: the (train_ratio, train_and_val_ratio) that its info.mat is always cut with, or None.
        common_size: (height, width) that every image is brought to first, or None.
    """

    name: str
    images: int
    scale: QualityScale
    source: str
    licence: str
    inner_folders: tuple[str, ...]
    link_target: str
    release_files: tuple[str, ...]
    release_folders: tuple[str, ...]
    read_release: Callable[[Path, OnFault], Labels]
    note: str = ""
    opinion_factor: float = 1.0
    info_ratios: tuple[float, float] | None = None
    common_size: tuple[int, int] | None = None

    @property
    def info_file(self) -> str:
        """Name of the label file in the layout of the LinearityIQA authors."""
        return f"{self.name}info.mat"

    def image_folders(self, image_dir: Path | None) -> list[Path]:
        """Folders in which the images are looked for, in this order.

        Args:
            image_dir: the folder that the user named; without it, one called like the database in the current folder.
        """
        base = image_dir or Path(self.name)
        return [base / inner for inner in self.inner_folders]

    def label_files(self, image_dir: Path | None) -> list[Path]:
        """Files that the labels are looked for in, in this order: `data/`, then beside the images."""
        apart = [LABEL_FOLDER] if image_dir is None else [LABEL_FOLDER, image_dir / LABEL_FOLDER]
        base = image_dir or Path(self.name)
        return [
            *(folder / name for folder in apart for name in (self.info_file, *self.release_files)),
            base / self.info_file,
            # `..` is left to the operating system, so that it leads to the parent of a soft link's target
            *(base / folder / name for name in self.release_files for folder in self.release_folders),
        ]

    def find_labels(self, image_dir: Path | None) -> Path:
        """Return the label file that is there."""
        candidates = self.label_files(image_dir)
        found = next((path for path in candidates if path.is_file()), None)
        if found is None:
            raise DataError(
                f"the labels of {self.name} are not here; looked for {', '.join(map(str, candidates))} "
                f"(current folder {Path.cwd()}). {self.remedy()}"
            )
        return found

    def remedy(self) -> str:
        """Sentence on how to get the database and where to put it."""
        return (
            f"Get the database from its official page ({self.source}), then: "
            f"ln -s /path/to/{self.link_target} {self.name}, or name its image folder with --image_dir."
        )
