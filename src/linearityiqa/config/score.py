"""Options of testing and scoring with a trained model."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, get_args

import tyro

from linearityiqa.config.checks import require_choice, require_options
from linearityiqa.config.data import AugmentationConfig, DataConfig, TransformConfig
from linearityiqa.config.loss import LossConfig
from linearityiqa.config.model import ModelConfig
from linearityiqa.config.optimiser import OptimiserConfig
from linearityiqa.config.run import DeviceConfig

SplitName = Literal["train", "val", "test", "all"]


@dataclass(frozen=True, kw_only=True)
class TestConfig:
    """Which model files are tested on which split of which database (test_dataset.py)."""

    __test__ = False  # not a test case, whatever pytest makes of the name

    trained_model_file: Annotated[tuple[Path, ...], tyro.conf.arg(aliases=["-modelfile", "--model"])] = ()
    """Model files: ours (.safetensors) or the authors' (.pth, described by -arch etc.).
    Without one, the run folder is found from the training options, with --trained_on for its database."""
    trained_on: str = "KonIQ-10k"
    """Database of the run to look for, where no model file is given."""
    split: SplitName = "test"
    """Which part of the database is tested."""
    log_dir: Annotated[Path, tyro.conf.arg(aliases=["-logd"])] = Path("runs")
    """Folder of the run folders."""
    output: Path | None = None
    """Folder for results.json and predictions.csv; by default beside the model file."""
    npy_dir: Path | None = None
    """Also write the results as the authors' .npy into this folder."""
    json: bool = False
    """Print the results as JSON."""
    pbar: Annotated[bool, tyro.conf.arg(aliases=["-pbar"])] = False
    """Show progress bars."""
    data: DataConfig = field(
        default_factory=lambda: DataConfig(dataset="CLIVE", train_ratio=0.0, train_and_val_ratio=0.0)
    )
    model: ModelConfig = field(default_factory=ModelConfig)
    transform: TransformConfig = field(default_factory=TransformConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    device: DeviceConfig = field(default_factory=DeviceConfig)

    def __post_init__(self) -> None:
        require_choice("split", self.split, get_args(SplitName))


@dataclass(frozen=True, kw_only=True)
class ScoreConfig:
    """Which photographs are scored by which model, and how the scores are shown (test_demo.py)."""

    paths: Annotated[tuple[str, ...], tyro.conf.Positional] = ()
    """Image files, folders (searched recursively) and globs; - reads a list of paths from standard input."""
    img_path: Path | None = None
    """One more image file (the option of test_demo.py)."""
    trained_model_file: Annotated[Path | None, tyro.conf.arg(aliases=["-modelfile", "--model"])] = None
    """Model file: ours (.safetensors) or the authors' (.pth, described by -arch etc.)."""
    json: bool = False
    """Print one JSON object a line for each image."""
    csv: bool = False
    """Print the scores as CSV."""
    batch_size: Annotated[int, tyro.conf.arg(aliases=["-bs"])] = 8
    """Images a batch."""
    max_megapixels: float = 100.0
    """Refuse images with more pixels than this, before decoding them."""
    pbar: Annotated[bool, tyro.conf.arg(aliases=["-pbar"])] = False
    """Show a progress bar."""
    model: ModelConfig = field(default_factory=ModelConfig)
    transform: TransformConfig = field(default_factory=TransformConfig)
    device: DeviceConfig = field(default_factory=DeviceConfig)

    def __post_init__(self) -> None:
        require_options(
            (not (self.json and self.csv), "--json and --csv exclude each other"),
            (self.batch_size >= 1, f"batch_size must be >= 1, got {self.batch_size}"),
            (self.max_megapixels > 0, f"max_megapixels must be > 0, got {self.max_megapixels}"),
        )
