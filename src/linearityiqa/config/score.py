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
from linearityiqa.config.run import DeviceConfig, ScoringDeviceConfig

SplitName = Literal["train", "val", "test", "all"]
RowOrder = Literal["input", "score", "name"]


@dataclass(frozen=True, kw_only=True)
class TestConfig:
    """Which model files are tested on which split of which database (test_dataset.py)."""

    __test__ = False  # not a test case, whatever pytest makes of the name

    trained_model_file: Annotated[tuple[Path, ...], tyro.conf.arg(aliases=["-modelfile", "--model"])] = ()
    """Model files, as FILE or NAME=FILE: ours (.safetensors or .onnx), the authors' (.pth, described by -arch etc.),
    hf://OWNER/NAME[@REVISION] (on the Hugging Face Hub), or bundled (the model in the package). Without one, the run
    folder is found from the training options, with --trained_on for its database."""
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
    pbar: Annotated[bool, tyro.conf.arg(aliases=["-pbar"])] = True
    """Show progress bars on a terminal; else, and where standard error is none, a line says every half minute how far
    it is."""
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


OUTPUT_SUFFIXES = {".csv": "CSV", ".jsonl": "JSON lines", ".parquet": "Parquet", "": "Parquet"}
"""How scores are written, by the ending of the output; Parquet is a folder."""


def _output_rule(output: Path | None) -> str:
    return f"--output must end in .csv, .jsonl or .parquet, or be a folder's name without a dot; got {output}"


@dataclass(frozen=True, kw_only=True)
class ScoreConfig:
    """Which photographs are scored by which model, and how the scores are shown (test_demo.py)."""

    paths: Annotated[tuple[str, ...], tyro.conf.Positional] = ()
    """Image files, folders (searched recursively) and globs; - reads a list of paths from standard input."""
    img_path: Path | None = None
    """One more image file (the option of test_demo.py)."""
    trained_model_file: Annotated[Path | None, tyro.conf.arg(aliases=["-modelfile", "--model"])] = None
    """Model file: ours (.safetensors or .onnx, or hf://OWNER/NAME[@REVISION] on the Hugging Face Hub) or the authors'
    (.pth, described by -arch etc.); by default the small model in the package."""
    model_card: bool = False
    """Print what the model in the package was trained on, its figures and what it is not for, and score nothing."""
    json: bool = False
    """Print one JSON object a line for each image."""
    csv: bool = False
    """Print the scores as CSV."""
    sort: RowOrder = "input"
    """Order of what is printed: as found, by score (worst first; best first with --best), or by name."""
    worst: int | None = None
    """Print only this many images, those with the lowest scores."""
    best: int | None = None
    """Print only this many images, those with the highest scores."""
    below: float | None = None
    """Print only images with a lower score than this."""
    above: float | None = None
    """Print only images with a higher score than this."""
    stages: bool = False
    """Also show the scores of the two stages of the network in the table."""
    report: Path | None = None
    """Also write a page to look at (.html): all images with their scores, to be sorted and searched in a browser."""
    output: Path | None = None
    """Append the scores to this file (.csv, .jsonl) or folder (of Parquet files; extra parquet) instead of printing
    them. The same command after a stop goes on where it stopped; images that have a row are not scored again."""
    fresh: bool = False
    """Start OUTPUT over, even where it holds scores."""
    uncertainty: bool = False
    """Also give the spread of the score over views of the image (mirror image, crops); five times the work."""
    map: Path | None = None
    """Write a picture of where quality is lost for each image into this folder."""
    batch_size: Annotated[int | None, tyro.conf.arg(aliases=["-bs"])] = None
    """Most images a batch; by default what suits the device."""
    lanes: int | None = None
    """Batches computed at once on a CPU, which share its threads; by default one for each core, at most 8, or one alone
    where a single image or --num_threads is named."""
    max_megapixels: float = 100.0
    """Refuse images with more pixels than this, before decoding them."""
    ray: str | None = None
    """Score on a Ray cluster: its address, auto (the one this machine belongs to), or local (extra: ray). Needs OUTPUT,
    a folder that all machines see; images may also be addresses that fsspec opens, e.g. s3://bucket/photos."""
    pbar: Annotated[bool, tyro.conf.arg(aliases=["-pbar"])] = False
    """Show a progress bar."""
    model: ModelConfig = field(default_factory=ModelConfig)
    transform: TransformConfig = field(default_factory=TransformConfig)
    device: ScoringDeviceConfig = field(default_factory=ScoringDeviceConfig)

    def __post_init__(self) -> None:
        require_choice("sort", self.sort, get_args(RowOrder))
        require_options(
            (not (self.json and self.csv), "--json and --csv exclude each other"),
            (
                self.output is None or not (self.json or self.csv),
                "--json and --csv are for what is printed; the ending of --output says how it is written",
            ),
            (self.output is None or self.output.suffix.lower() in OUTPUT_SUFFIXES, _output_rule(self.output)),
            (
                self.ray is None or (self.output is not None and self.output.suffix.lower() in ("", ".parquet")),
                "--ray writes a folder of Parquet files: name it with --output FOLDER",
            ),
            (self.ray is None or self.map is None, "--ray writes no pictures: leave out --map"),
            (not self.fresh or self.output is not None, "--fresh starts --output over, and there is none"),
            (self.batch_size is None or self.batch_size >= 1, f"batch_size must be >= 1, got {self.batch_size}"),
            (
                self.report is None or self.report.suffix.lower() in (".html", ".htm"),
                f"--report is a page: its name must end in .html, got {self.report}",
            ),
            (self.worst is None or self.best is None, "--worst and --best exclude each other"),
            (all(n is None or n >= 1 for n in (self.worst, self.best)), "--worst and --best must be >= 1"),
            (self.lanes is None or 1 <= self.lanes <= 256, f"lanes must lie in 1..256, got {self.lanes}"),
            (self.max_megapixels > 0, f"max_megapixels must be > 0, got {self.max_megapixels}"),
        )

    @property
    def words(self) -> list[str]:
        """What names the images."""
        return [*self.paths, *([str(self.img_path)] if self.img_path is not None else [])]

    @property
    def selects(self) -> bool:
        """Whether some images only, or all in another order, are printed."""
        return self.sort != "input" or any(x is not None for x in (self.worst, self.best, self.below, self.above))

    @property
    def max_pixels(self) -> int:
        """Most pixels of an image."""
        return round(self.max_megapixels * 1e6)
