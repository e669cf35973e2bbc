"""Options of the built-in synthetic database."""

from dataclasses import dataclass
from pathlib import Path

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

    def __post_init__(self) -> None:
        references = self.dead_leaves + len(PHOTOGRAPHS)
        workers_ok = self.num_workers is None or 0 <= self.num_workers <= 256
        require_options(
            (5 <= self.dead_leaves <= 999, f"dead_leaves must lie in 5..999, got {self.dead_leaves}"),
            (
                references <= self.images <= 100_000,
                f"images must lie in {references} (one of each reference)..100000, got {self.images}",
            ),
            (
                SMALLEST_SIDE <= self.height <= LARGEST_SIZE[0],
                f"height must lie in {SMALLEST_SIDE}..{LARGEST_SIZE[0]}, got {self.height}",
            ),
            (
                SMALLEST_SIDE <= self.width <= LARGEST_SIZE[1],
                f"width must lie in {SMALLEST_SIDE}..{LARGEST_SIZE[1]}, got {self.width}",
            ),
            (0 <= self.seed < 2**63, f"seed must lie in 0..2**63-1, got {self.seed}"),
            (workers_ok, f"num_workers must lie in 0..256, got {self.num_workers}"),
        )
