"""Options of the commands about databases: list, check, stats, split, convert."""

from dataclasses import dataclass, field
from pathlib import Path

from linearityiqa.config.checks import require_options
from linearityiqa.config.data import DataConfig


@dataclass(frozen=True, kw_only=True)
class ListConfig:
    """How the known databases are listed."""

    json: bool = False
    """Print the list as JSON."""


@dataclass(frozen=True, kw_only=True)
class CheckConfig:
    """Which database is checked, and how the findings are shown."""

    near_duplicates: bool = True
    """Look for images that show the same picture (--no_near_duplicates leaves it out)."""
    listed: int = 10
    """Findings of each kind that are printed; 0 prints all."""
    num_workers: int | None = None
    """Processes that decode images; by default one a core, at most 8. 0 decodes in the main process."""
    quiet: bool = False
    """Show no progress bar."""
    json: bool = False
    """Print the report, with all findings, as JSON."""
    data: DataConfig = field(default_factory=DataConfig)

    def __post_init__(self) -> None:
        require_options(
            (self.listed >= 0, f"listed must be >= 0, got {self.listed}"),
            _workers_rule(self.num_workers),
            _one_database(self.data),
        )


@dataclass(frozen=True, kw_only=True)
class StatsConfig:
    """Which database is described, and how."""

    bins: int = 10
    """Bars of a histogram."""
    images: bool = True
    """Read the sizes of the images, too (--no_images needs the labels only)."""
    output: Path | None = None
    """Also draw the histogram of MOS into this PNG file."""
    quiet: bool = False
    """Show no progress bar."""
    json: bool = False
    """Print the figures as JSON."""
    data: DataConfig = field(default_factory=DataConfig)

    def __post_init__(self) -> None:
        require_options(
            (1 <= self.bins <= 1000, f"bins must lie in 1..1000, got {self.bins}"),
            (
                self.output is None or self.output.suffix.lower() == ".png",
                f"output must be a .png file, got {self.output}",
            ),
            _one_database(self.data),
        )


@dataclass(frozen=True, kw_only=True)
class SplitConfig:
    """Which database is split, how, and where the result goes."""

    output: Path = Path("split.csv")
    """CSV file with a split column to be written; with --folds its name gets _fold1, _fold2 and so on."""
    folds: int | None = None
    """Make K splits, each fold the test set of one and the validation set of another, instead of one by ratios."""
    val: float | None = None
    """Keep the test set of the database, and cut only a validation set of this share from its other images."""
    by_scene: bool = False
    """Look for images that show the same scene (near-duplicates); they become one reference, so that no split parts
    them. With --val, training images of a scene that is in the test set are not used for validation."""
    seed: int = 19920517
    """Seed of the random split, together with --exp_id."""
    strata: int = 10
    """References next to each other in MOS that are shared out among the splits at a time, at least."""
    num_workers: int | None = None
    """Processes that decode images for --by_scene; by default one a core, at most 8. 0 decodes in the main process."""
    quiet: bool = False
    """Show no progress bar."""
    force: bool = False
    """Overwrite the output."""
    json: bool = False
    """Print the summary as JSON."""
    data: DataConfig = field(default_factory=DataConfig)

    def __post_init__(self) -> None:
        require_options(
            (self.folds is None or 3 <= self.folds <= 1000, f"folds must lie in 3..1000, got {self.folds}"),
            (self.val is None or 0 < self.val < 1, f"val must lie between 0 and 1, got {self.val}"),
            (
                self.val is None or self.folds is None,
                "val keeps the test set, and folds makes others: give one of them",
            ),
            _workers_rule(self.num_workers),
            _one_database(self.data),
            (0 <= self.seed < 2**63, f"seed must lie in 0..2**63-1, got {self.seed}"),
            (2 <= self.strata <= 1000, f"strata must lie in 2..1000, got {self.strata}"),
            (self.output.suffix.lower() == ".csv", f"output must be a .csv file, got {self.output}"),
        )


@dataclass(frozen=True, kw_only=True)
class ConvertConfig:
    """Which labels are written in which form."""

    output: Path = Path("labels.csv")
    """CSV file, or info.mat of the LinearityIQA authors, to be written."""
    splits: int = 10
    """Splits in an info.mat: that of the database, where it has one, then random ones."""
    seed: int = 19920517
    """Seed of the random splits in an info.mat."""
    force: bool = False
    """Overwrite the output."""
    json: bool = False
    """Print the summary as JSON."""
    data: DataConfig = field(default_factory=DataConfig)

    def __post_init__(self) -> None:
        require_options(
            (self.output.suffix.lower() in (".csv", ".mat"), f"output must be a .csv or .mat file, got {self.output}"),
            _one_database(self.data),
            (1 <= self.splits <= 10_000, f"splits must lie in 1..10000, got {self.splits}"),
            (0 <= self.seed < 2**63, f"seed must lie in 0..2**63-1, got {self.seed}"),
        )


def _workers_rule(workers: int | None) -> tuple[bool, str]:
    return workers is None or 0 <= workers <= 256, f"num_workers must lie in 0..256, got {workers}"


def _one_database(data: DataConfig) -> tuple[bool, str]:
    names = (data.dataset, *data.more_datasets)
    return len(names) == 1, f"this takes one database at a time, got {', '.join(names)}"
