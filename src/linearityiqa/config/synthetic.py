"""Options of the synthetic database and of the demo."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from linearityiqa.config.checks import POSITIVE, SEED, WORKERS, Checked, at_least, require_options, within

PHOTOGRAPHS = {
    "astronaut": ("astronaut.png", "train"),
    "coffee": ("coffee.png", "train"),
    "motorcycle": ("motorcycle_left.png", "train"),
    "rocket": ("rocket.jpg", "val"),
    "chelsea": ("chelsea.png", "test"),
}
"""The natural colour photographs in scikit-image's wheel: file and split. Of the stereo pair the left one counts."""

SMALLEST_SIDE = 96
"""Pixels that four scales of SSIM need."""

LARGEST_SIZE = (300, 448)
"""Height and width up to which a part of every photograph can be cut without enlarging it."""


@dataclass(frozen=True, kw_only=True)
class GradedConfig:
    """Options of graded versions of photographs, which are no longer made; the next version will not take them."""

    references: Path | None = None
    """No longer used: train --versions makes degraded versions of the training images."""
    distortions: tuple[str, ...] | None = None
    """No longer used."""
    distortions_each: int | None = None
    """No longer used."""
    levels: int | None = None
    """No longer used."""
    train_ratio: float | None = None
    """No longer used."""
    train_and_val_ratio: float | None = None
    """No longer used."""
    jpeg: bool = False
    """No longer used."""


@dataclass(frozen=True, kw_only=True)
class SyntheticConfig(Checked):
    """The built-in database: pristine photographs and scenes, distorted, with pseudo-labels (no opinions)."""

    output: Path = Path("data/synthetic")
    """Folder of the database."""
    images: int = 2000
    """Number of images."""
    height: int = 240
    """Height of the images, in pixels."""
    width: int = 320
    """Width of the images, in pixels."""
    dead_leaves: Annotated[int, within(5, 999)] = 60
    """Number of procedural scenes among the references; the photographs of scikit-image come on top."""
    seed: Annotated[int, SEED] = 19920517
    """Seed of everything random; the same seed gives the same bytes."""
    num_workers: Annotated[int | None, WORKERS] = None
    """Processes that make images; by default one a core, at most 8. 0 makes them in the main process."""
    quiet: bool = False
    """Show no progress bar."""
    json: bool = False
    """Print the summary as JSON."""
    graded: GradedConfig = field(default_factory=GradedConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        highest, widest = LARGEST_SIZE
        references = self.dead_leaves + len(PHOTOGRAPHS)
        require_options(
            (
                references <= self.images <= 100_000,
                f"images must lie in {references} (one of each reference)..100000, got {self.images}",
            ),
            *(
                (SMALLEST_SIDE <= side <= most, f"{name} must lie in {SMALLEST_SIDE}..{most}, got {side}")
                for name, side, most in (("height", self.height, highest), ("width", self.width, widest))
            ),
        )


@dataclass(frozen=True, kw_only=True)
class DemoConfig(Checked):
    """The whole story on the built-in database: train with four losses, test, plot, fine-tune, score photographs."""

    output: Path = Path("demo")
    """Folder of the database, the runs, the pictures and the report. The same command resumes where it stopped."""
    images: int = 360
    """Images of the synthetic database."""
    height: int = 96
    """Height of the images, in pixels."""
    width: int = 128
    """Width of the images, in pixels."""
    architecture: str = "shufflenet_v2_x1_0"
    """Backbone, trained from random weights: the demo needs no network."""
    epochs: Annotated[int, at_least(1)] = 5
    """Epochs of each of the four runs."""
    tuning_epochs: Annotated[int, at_least(1)] = 3
    """Epochs of the run that starts from the model in the package."""
    learning_rate: Annotated[float, POSITIVE] = 1e-3
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
        super().__post_init__()
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
