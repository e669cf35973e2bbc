"""Options of the demo."""

from dataclasses import dataclass
from pathlib import Path

from linearityiqa.config.checks import require_options
from linearityiqa.config.synthetic import SyntheticConfig


@dataclass(frozen=True, kw_only=True)
class DemoConfig:
    """The whole story on the built-in database: train with four losses, test, plot, fine-tune, score photographs."""

    output: Path = Path("demo")
    """Folder of the database, the runs, the pictures and the report. The same command goes on where it stopped."""
    images: int = 360
    """Images of the synthetic database."""
    height: int = 96
    """Height of the images, in pixels."""
    width: int = 128
    """Width of the images, in pixels."""
    architecture: str = "shufflenet_v2_x1_0"
    """Backbone, trained from random weights: the demo needs no network."""
    epochs: int = 5
    """Epochs of each of the four runs."""
    tuning_epochs: int = 3
    """Epochs of the run that starts from the model in the package."""
    learning_rate: float = 1e-3
    """Learning rate of each of the four runs."""
    seed: int = 19920517
    """Seed of the database and of the runs."""
    num_workers: int | None = None
    """Processes that make the images; by default one a core, at most 8."""
    quiet: bool = False
    """Show no progress bars."""
    json: bool = False
    """Print the summary as JSON."""

    def __post_init__(self) -> None:
        require_options(
            (self.epochs >= 1, f"epochs must be >= 1, got {self.epochs}"),
            (self.tuning_epochs >= 1, f"tuning_epochs must be >= 1, got {self.tuning_epochs}"),
            (self.learning_rate > 0, f"learning_rate must be > 0, got {self.learning_rate}"),
        )
        _ = self.database  # refuses sizes and counts that the database cannot have

    @property
    def database(self) -> SyntheticConfig:
        """The database that the demo makes."""
        return SyntheticConfig(
            output=self.output / "database",
            images=self.images,
            height=self.height,
            width=self.width,
            seed=self.seed,
            num_workers=self.num_workers,
        )
