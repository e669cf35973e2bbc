"""Options of reproducing the paper's figures and tables."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from linearityiqa.config.checks import require_options
from linearityiqa.config.data import DataConfig, TransformConfig
from linearityiqa.config.optimiser import OptimiserConfig
from linearityiqa.config.run import DeviceConfig, RunConfig

PAPER_SIZE = f"{TransformConfig.resize_size_h}x{TransformConfig.resize_size_w}"


@dataclass(frozen=True, kw_only=True)
class ReproduceConfig:
    """Which figures and tables, from which results, at which scale; the defaults are the paper's."""

    items: Annotated[tuple[str, ...], tyro.conf.Positional] = ()
    """Figures and tables, or all."""
    output: Path = Path("reproduced")
    """Folder of the figures, tables, numbers and the report."""
    log_dir: Annotated[Path, tyro.conf.arg(aliases=["-logd"])] = RunConfig.log_dir
    """Folder of the run folders."""
    from_dir: Annotated[Path | None, tyro.conf.arg(name="from")] = None
    """Draw from results in the authors' layout in this folder (csv/, npy/, bhat.log), and train nothing."""
    export: Path | None = None
    """Also write the results into this folder, in the authors' layout."""
    dry_run: bool = False
    """Only show each run's state and the paper's command for it."""
    fresh: bool = False
    """Train the runs again from the start, even those that are done."""
    dataset: Annotated[str, tyro.conf.arg(aliases=["-ds"])] = DataConfig.dataset
    """Database to train on: KonIQ-10k, CLIVE, or the path of a CSV file."""
    image_dir: Path | None = None
    """Folder that its image names are relative to; by default beside the labels."""
    test_dataset: str | None = None
    """Second database to test on; by default CLIVE for KonIQ-10k, and for any other the test set of DATASET again."""
    test_image_dir: Path | None = None
    """Folder that the second database's image names are relative to; by default beside its labels."""
    backbones: tuple[str, ...] = ()
    """Use these backbones only; by default each item's own."""
    splits: int = 10
    """Random splits of ttest."""
    size: Annotated[str, tyro.conf.arg(metavar="HxW")] = PAPER_SIZE
    """Height and width that images are resized to, in pixels."""
    epochs: Annotated[int, tyro.conf.arg(aliases=["-e"])] = OptimiserConfig.epochs
    """Epochs of each run."""
    weights: str = OptimiserConfig.weights
    """Initial weights of the backbones: imagenet, none, or the path of a state dict."""
    seed: int = OptimiserConfig.seed
    """Seed of every run."""
    jobs: int = 1
    """Runs at once, each a process of its own with a GPU of its own where there are some."""
    ray: str | None = None
    """Hand the runs to a Ray cluster: its address, auto (the one this machine belongs to), or local (extra: ray)."""
    pbar: Annotated[bool, tyro.conf.arg(aliases=["-pbar"])] = True
    """Show progress bars on a terminal; else, and where standard error is none, a line says every half minute how far
    it is."""
    json: bool = False
    """Print the outcome as JSON."""
    device: DeviceConfig = field(default_factory=DeviceConfig)

    def __post_init__(self) -> None:
        require_options(
            (bool(re.fullmatch(r"[1-9]\d{0,4}x[1-9]\d{0,4}", self.size)), f"size must be HxW in pixels: {self.size!r}"),
            (self.splits >= 2, f"splits must be >= 2, got {self.splits}"),
            (1 <= self.jobs <= 256, f"jobs must lie in 1..256, got {self.jobs}"),
            (self.jobs == 1 or self.ray is None, "--jobs and --ray exclude each other: the cluster decides how many"),
            (
                self.from_dir is None or not (self.dry_run or self.fresh or self.ray or self.jobs > 1),
                "--from trains nothing: it goes with none of --dry_run, --fresh, --jobs and --ray",
            ),
        )
        _ = self.transform, self.recipe  # refuse sizes, epochs and seeds that training would

    @property
    def transform(self) -> TransformConfig:
        """The transform of every run."""
        height, width = map(int, self.size.split("x"))
        return TransformConfig(resize=True, resize_size_h=height, resize_size_w=width)

    @property
    def recipe(self) -> OptimiserConfig:
        """What the optimisation of every run has in common."""
        return OptimiserConfig(seed=self.seed, weights=self.weights, epochs=self.epochs)
