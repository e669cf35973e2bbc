"""Options of the commands about databases: list, check, stats, split, convert."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from linearityiqa.config.checks import SEED, WORKERS, Bounds, Checked, at_least, require_options, within
from linearityiqa.config.data import DataConfig


@dataclass(frozen=True, kw_only=True)
class ListConfig:
    """How the known databases are listed."""

    json: bool = False
    """Print the list as JSON."""


@dataclass(frozen=True, kw_only=True)
class _OneDatabase(Checked):
    """A command on one database at a time."""

    json: bool = False
    """Print the outcome as JSON."""
    data: DataConfig = field(default_factory=DataConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        names = (self.data.dataset, *self.data.more_datasets)
        require_options((len(names) == 1, f"this takes one database at a time, got {', '.join(names)}"))


@dataclass(frozen=True, kw_only=True)
class CheckConfig(_OneDatabase):
    """Which database is checked, and how the findings are shown."""

    near_duplicates: bool = True
    """Look for images that show the same picture (--no_near_duplicates leaves it out)."""
    listed: Annotated[int, at_least(0)] = 10
    """Findings of each kind that are printed; 0 prints all."""
    num_workers: Annotated[int | None, WORKERS] = None
    """Processes that decode images; by default one a core, at most 8. 0 decodes in the main process."""
    quiet: bool = False
    """Show no progress bar."""


@dataclass(frozen=True, kw_only=True)
class StatsConfig(_OneDatabase):
    """Which database is described, and how."""

    bins: Annotated[int, within(1, 1000)] = 10
    """Bars of a histogram."""
    images: bool = True
    """Read the sizes of the images, too (--no_images needs the labels only)."""
    output: Path | None = None
    """Also draw the histogram of MOS into this PNG file."""
    quiet: bool = False
    """Show no progress bar."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_options(
            (
                self.output is None or self.output.suffix.lower() == ".png",
                f"output must be a .png file, got {self.output}",
            ),
        )


@dataclass(frozen=True, kw_only=True)
class SplitConfig(_OneDatabase):
    """Which database is split, how, and where the result goes."""

    output: Path = Path("split.csv")
    """CSV file with a split column to be written; with --folds its name gets _fold1, _fold2 and so on."""
    folds: Annotated[int | None, within(3, 1000)] = None
    """Make K splits, each fold the test set of one and the validation set of another, instead of one by ratios."""
    val: Annotated[float | None, Bounds(lambda share: 0 < share < 1, "must lie between 0 and 1")] = None
    """Keep the test set of the database, and cut only a validation set of this share from its other images."""
    by_scene: bool = False
    """Look for images that show the same scene (near-duplicates); they become one reference, so that no split parts
    them. With --val, training images of a scene that is in the test set are not used for validation."""
    seed: Annotated[int, SEED] = 19920517
    """Seed of the random split, together with --exp_id."""
    strata: Annotated[int, within(2, 1000)] = 10
    """References next to each other in MOS that are shared out among the splits at a time, at least."""
    num_workers: Annotated[int | None, WORKERS] = None
    """Processes that decode images for --by_scene; by default one a core, at most 8. 0 decodes in the main process."""
    quiet: bool = False
    """Show no progress bar."""
    force: bool = False
    """Overwrite the output."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_options(
            (
                self.val is None or self.folds is None,
                "val keeps the test set, and folds makes others: give one of them",
            ),
            (self.output.suffix.lower() == ".csv", f"output must be a .csv file, got {self.output}"),
        )


@dataclass(frozen=True, kw_only=True)
class ConvertConfig(_OneDatabase):
    """Which labels are written in which form."""

    output: Path = Path("labels.csv")
    """CSV file, or info.mat of the LinearityIQA authors, to be written."""
    splits: Annotated[int, within(1, 10_000)] = 10
    """Splits in an info.mat: that of the database, where it has one, then random ones."""
    seed: Annotated[int, SEED] = 19920517
    """Seed of the random splits in an info.mat."""
    force: bool = False
    """Overwrite the output."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_options(
            (self.output.suffix.lower() in (".csv", ".mat"), f"output must be a .csv or .mat file, got {self.output}"),
        )
