"""Options of the built-in synthetic database, and of graded ones made from photographs of one's own."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from linearityiqa.config.checks import require_options

PHOTOGRAPHS = {
    "astronaut": ("astronaut.png", "train"),
    "coffee": ("coffee.png", "train"),
    "motorcycle": ("motorcycle_left.png", "train"),
    "rocket": ("rocket.jpg", "val"),
    "chelsea": ("chelsea.png", "test"),
}
"""The natural colour photographs in scikit-image's wheel: file and split. Of the stereo pair the left one counts."""

SMALLEST_SIDE = 96
"""Four scales of SSIM need so many pixels."""

LARGEST_SIZE = (300, 448)
"""Height and width up to which a part of every photograph can be cut without enlarging it."""


LARGEST_SIDE = 4096
"""Height and width of images cut from photographs of one's own, at most."""

DistortionName = Literal[
    "gaussian_blur", "motion_blur", "gaussian_noise", "jpeg", "resample", "darkening", "low_contrast",
    "exposure", "shot_noise", "impulse_noise", "jpeg2000",
]  # fmt: skip

GRADED_DISTORTIONS: tuple[DistortionName, ...] = (
    "gaussian_blur", "motion_blur", "gaussian_noise", "jpeg", "resample", "darkening", "low_contrast",
)  # fmt: skip
"""What photographs undergo by default."""


@dataclass(frozen=True, kw_only=True)
class GradedConfig:
    """Photographs of one's own as references: each in graded versions of which the order is known."""

    references: Path | None = None
    """Folder of good photographs (and folders in it) that are distorted instead of the built-in references; --images
    and --dead_leaves then mean nothing."""
    distortions: tuple[DistortionName, ...] = GRADED_DISTORTIONS
    """What photographs undergo, one at a time."""
    distortions_each: int | None = None
    """Distortions drawn for each photograph; by default all of them."""
    levels: int = 5
    """Versions of a photograph under each of its distortions, from mild to severe."""
    train_ratio: float = 0.8
    """Share of the photographs in the training set; photographs of one scene stay together."""
    train_and_val_ratio: float = 0.9
    """Share of the photographs in the training and validation sets together."""
    jpeg: bool = False
    """Write JPEG files of quality 97, a quarter of the size, instead of PNG."""

    def __post_init__(self) -> None:
        count = len(self.distortions)
        require_options(
            (count > 0 and len(set(self.distortions)) == count, "distortions must be one or more different ones"),
            (
                self.distortions_each is None or 1 <= self.distortions_each <= count,
                f"distortions_each must lie in 1..{count}, the number of distortions, got {self.distortions_each}",
            ),
            (1 <= self.levels <= 20, f"levels must lie in 1..20, got {self.levels}"),
            (
                0 <= self.train_ratio <= self.train_and_val_ratio <= 1,
                "train_ratio and train_and_val_ratio must satisfy 0 <= train_ratio <= train_and_val_ratio <= 1, "
                f"got {self.train_ratio} and {self.train_and_val_ratio}",
            ),
        )

    @property
    def versions(self) -> int:
        """Images made from each photograph, itself included."""
        return 1 + (self.distortions_each or len(self.distortions)) * self.levels


@dataclass(frozen=True, kw_only=True)
class SyntheticConfig:
    """The built-in database: pristine photographs and scenes, distorted, with pseudo-labels (no opinions)."""

    output: Path = Path("data/synthetic")
    """Folder of the database."""
    images: int = 2000
    """Number of images."""
    height: int = 240
    """Height of the images, in pixels."""
    width: int = 320
    """Width of the images, in pixels."""
    dead_leaves: int = 60
    """Number of procedural scenes among the references; the photographs of scikit-image come on top."""
    seed: int = 19920517
    """Seed of everything random; the same seed gives the same bytes."""
    num_workers: int | None = None
    """Processes that make images; by default one a core, at most 8. 0 makes them in the main process."""
    quiet: bool = False
    """Show no progress bar."""
    json: bool = False
    """Print the summary as JSON."""
    graded: GradedConfig = field(default_factory=GradedConfig)

    def __post_init__(self) -> None:
        highest, widest = LARGEST_SIZE if self.graded.references is None else (LARGEST_SIDE, LARGEST_SIDE)
        references = self.dead_leaves + len(PHOTOGRAPHS)
        workers_ok = self.num_workers is None or 0 <= self.num_workers <= 256
        require_options(
            (5 <= self.dead_leaves <= 999, f"dead_leaves must lie in 5..999, got {self.dead_leaves}"),
            (
                references <= self.images <= 100_000,
                f"images must lie in {references} (one of each reference)..100000, got {self.images}",
            ),
            (
                SMALLEST_SIDE <= self.height <= highest,
                f"height must lie in {SMALLEST_SIDE}..{highest}, got {self.height}",
            ),
            (
                SMALLEST_SIDE <= self.width <= widest,
                f"width must lie in {SMALLEST_SIDE}..{widest}, got {self.width}",
            ),
            (0 <= self.seed < 2**63, f"seed must lie in 0..2**63-1, got {self.seed}"),
            (workers_ok, f"num_workers must lie in 0..256, got {self.num_workers}"),
        )
