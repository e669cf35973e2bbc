"""Options of one training run that change neither its result nor its name, and the whole tree of a run."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from linearityiqa.config.checks import require_options
from linearityiqa.config.data import AugmentationConfig, DataConfig, TransformConfig
from linearityiqa.config.loss import LossConfig
from linearityiqa.config.model import ModelConfig
from linearityiqa.config.optimiser import OptimiserConfig


@dataclass(frozen=True, kw_only=True)
class ScoringDeviceConfig:
    """Where the arithmetic happens."""

    device: str = "auto"
    """auto (a GPU where there is one), cpu, cuda, cuda:N or mps."""
    num_workers: int | None = None
    """Processes that decode images; by default one a core, at most 8. 0 decodes in the main process."""
    num_threads: int | None = None
    """Threads of the arithmetic on a CPU; by default torch's choice. Small images are fastest with 1."""

    def __post_init__(self) -> None:
        workers_ok = self.num_workers is None or 0 <= self.num_workers <= 256
        threads_ok = self.num_threads is None or 1 <= self.num_threads <= 1024
        require_options(
            (workers_ok, f"num_workers must lie in 0..256, got {self.num_workers}"),
            (threads_ok, f"num_threads must lie in 1..1024, got {self.num_threads}"),
        )


@dataclass(frozen=True, kw_only=True)
class DeviceConfig(ScoringDeviceConfig):
    """Where the arithmetic happens, and how the images of databases reach it."""

    cache: str = "none"
    """Where decoded images are kept for later runs, 1 MB each at 498 x 664: none, auto (the user's cache folder,
    ~/.cache/linearityiqa) or a folder."""
    eval_batch_size: int | None = None
    """Most images a batch in evaluation; by default 8 on a CPU and 64 on a GPU."""
    compile: bool = False
    """Compile the backbone: minutes at the start, faster steps afterwards."""

    def __post_init__(self) -> None:
        super().__post_init__()
        batch = self.eval_batch_size
        require_options(
            (bool(self.cache), "cache must be none, auto or a folder"),
            (batch is None or batch >= 1, f"eval_batch_size must be >= 1, got {batch}"),
        )


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Where a run is written, what it logs, and how it goes on after a stop."""

    log_dir: Annotated[Path, tyro.conf.arg(aliases=["-logd"])] = Path("runs")
    """Folder of the run folders."""
    output: Path | None = None
    """Run folder, instead of LOG_DIR/<name made from the options>."""
    test_during_training: Annotated[bool, tyro.conf.arg(aliases=["-tdt"])] = False
    """Also test on the training and test sets after every epoch."""
    evaluate: Annotated[bool, tyro.conf.arg(aliases=["-eval"])] = False
    """Only test the best model of a run that is already trained."""
    debug: Annotated[bool, tyro.conf.arg(aliases=["-debug"])] = False
    """Use the first 5 training batches, 5 validation and 5 test images; the run goes to LOG_DIR/debug/<name>."""
    pbar: Annotated[bool, tyro.conf.arg(aliases=["-pbar"])] = True
    """Show progress bars on a terminal; else, and where standard error is none, a line says every half minute how far
    it is."""
    json: bool = False
    """Print the results as JSON."""
    log_bhat: bool = False
    """Log the norm of each head's centred predictions, per iteration, to bhat.csv."""
    npy_dir: Path | None = None
    """Also write the test results as the authors' .npy into this folder."""
    save_minutes: float = 5.0
    """Save the state at least every so many minutes."""
    fresh: bool = False
    """Start over, even where the run folder holds a state to go on from."""

    def __post_init__(self) -> None:
        require_options((self.save_minutes >= 0, f"save_minutes must be >= 0, got {self.save_minutes}"))


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Everything that defines a training run: the command line of `train`, config.toml and the model file's record."""

    loss: LossConfig = field(default_factory=LossConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    transform: TransformConfig = field(default_factory=TransformConfig)
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    device: DeviceConfig = field(default_factory=DeviceConfig)
    run: RunConfig = field(default_factory=RunConfig)

    def __post_init__(self) -> None:
        require_options(
            (
                self.optimiser.images_a_loss > 1,
                "the heads, and most losses, normalise inside the batch: batch_size must be > 1 (with "
                "exact_accumulation, batch_size times accumulation_steps)",
            ),
            (
                not (self.data.more_datasets and self.optimiser.exact_accumulation),
                "exact_accumulation would join batches of different databases into one loss: with more_datasets, raise "
                "batch_size instead",
            ),
            (
                not self.data.more_datasets
                or self.loss.loss_type not in ("mae", "mse")
                or self.optimiser.label_scale == "standard",
                f"loss {self.loss.loss_type} compares scores as they are, and the scales of several databases differ: "
                "with more_datasets it needs label_scale standard",
            ),
            (
                not self.augmentation.augmentation
                or not self.transform.resize
                or self.transform.resize_mode != "stretch"
                or (
                    self.augmentation.crop_size_h <= self.transform.resize_size_h
                    and self.augmentation.crop_size_w <= self.transform.resize_size_w
                ),
                f"the crop ({self.augmentation.crop_size_h} x {self.augmentation.crop_size_w}) must fit into the "
                f"resized image ({self.transform.resize_size_h} x {self.transform.resize_size_w})",
            ),
        )


@dataclass(frozen=True, kw_only=True)
class RunsConfig:
    """Which run folders are listed, and how."""

    folders: Annotated[tuple[Path, ...], tyro.conf.Positional] = ()
    """Folders of run folders, or run folders; by default runs."""
    json: bool = False
    """Print the list as JSON."""
