"""Options of scoring, exporting and testing with a trained model, and of judging predictions of any method."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from linearityiqa.config.checks import POSITIVE, Bounds, Checked, at_least, require_options, within
from linearityiqa.config.data import AugmentationConfig, DataConfig, TransformConfig
from linearityiqa.config.model import LossConfig, ModelConfig, OptimiserConfig
from linearityiqa.config.run import MODEL_FILE, DeviceConfig, ProgressConfig, ScorerConfig
from linearityiqa.config.tree import Spelling

RowOrder = Literal["input", "score", "name"]
SplitName = Literal["train", "val", "test", "all"]
MappingName = Literal["linear", "logistic4", "logistic5"]
"""Mappings from predictions to MOS."""
FigureName = Literal[
    "SROCC", "PLCC", "KROCC", "RMSE", "MAE", "outlier_ratio",
    "PLCC_linear", "RMSE_linear", "PLCC_logistic4", "RMSE_logistic4", "PLCC_logistic5", "RMSE_logistic5",
]  # fmt: skip
"""Figures of agreement."""
RESAMPLES = Bounds(lambda n: n == 0 or 100 <= n <= 1_000_000, "must be 0 or lie in 100..1000000")


@dataclass(frozen=True, kw_only=True)
class ScoreConfig(ScorerConfig):
    """Options of `score` (test_demo.py)."""

    paths: Annotated[tuple[str, ...], Spelling(positional=True)] = ()
    """Image files, folders (searched recursively) and globs; - reads a list of paths from standard input."""
    null: Annotated[bool, Spelling(aliases=("-0",))] = False
    """The paths on standard input end in NUL instead of a line break, as find -print0 writes them."""
    exclude: Annotated[tuple[str, ...], Spelling(metavar="PATTERN", repeated=True)] = ()
    """Leave out files and folders of this name, or of this whole path, e.g. '*_small.jpg'; may be given repeatedly."""
    img_path: Path | None = None
    """One more image file (the option of test_demo.py)."""
    fast: bool = False
    """Use the model in the package in 8 bits: a third less processor time, slightly different scores."""
    model_card: bool = False
    """Print what the model in the package was trained on, its figures and what it is not for, and score nothing."""
    json: bool = False
    """Print one JSON object a line for each image."""
    csv: bool = False
    """Print the scores as CSV."""
    sort: RowOrder = "input"
    """Order of the rows: as found, by score (worst first; best first with --best), or by name."""
    worst: int | None = None
    """Print only this many images, those with the lowest scores."""
    best: int | None = None
    """Print only this many images, those with the highest scores."""
    below: float | None = None
    """Print only images with a lower score than this."""
    above: float | None = None
    """Print only images with a higher score than this."""
    bursts: bool = False
    """Group photographs of one moment: alike, and taken within seconds where they have an EXIF time. Rows say the group
    and whether a photograph is the best of it, and come once all are scored (extra: metrics)."""
    best_of_bursts: bool = False
    """Print only the best photograph of each group of --bursts."""
    stages: bool = False
    """Also show the scores of the two stages of the network in the table."""
    report: Path | None = None
    """Also write a page to look at (.html): all images with their scores, to be sorted and searched in a browser."""
    output: Path | None = None
    """Append the scores to this file (.csv, .jsonl) or folder (of Parquet files; extra parquet) instead of printing
    them. The same command after a stop resumes where it stopped; images that have a row are not scored again."""
    fresh: bool = False
    """Start OUTPUT over, even where it holds scores."""
    uncertainty: bool = False
    """Also give the spread of the score over views of the image (mirror image, crops); five times the work."""
    map: Path | None = None
    """Write a picture of where quality is lost for each image into this folder."""
    xmp: bool = False
    """Write a rating of 1 to 5 stars for each photograph into a sidecar, photo.jpg.xmp, as photo managers read it; by
    default its quality word. All else in a sidecar is kept, and so is a rating that is there."""
    xmp_stem: bool = False
    """Name the sidecars photo.xmp instead."""
    xmp_thresholds: tuple[float, float, float, float] | None = None
    """Lowest scores of 2, 3, 4 and 5 stars."""
    overwrite_ratings: bool = False
    """Replace ratings that are in sidecars already."""
    lanes: Annotated[int | None, within(1, 256)] = None
    """Batches computed at once on a CPU, which share its threads; by default one for each core, at most 8, or one alone
    where a single image or --num_threads is named."""
    max_megapixels: Annotated[float, POSITIVE] = 100.0
    """Refuse images of which more pixels than this would be decoded, by their header. A model trained with
    --decode_reduced decodes of large JPEG photographs a part."""
    ray: str | None = None
    """Score on a Ray cluster: its address, auto (the one this machine belongs to), or local (extra: ray). Needs OUTPUT,
    a folder that all machines see; images may also be addresses that fsspec opens, e.g. s3://bucket/photos."""
    pbar: Annotated[bool | None, Spelling(aliases=("-pbar",))] = None
    """Show progress on standard error; by default where that is a terminal."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_options(
            (
                not self.fast or self.trained_model_file is None,
                "--fast is a form of the model in the package: leave out --model, or make one of yours with "
                "linearityiqa export --int8",
            ),
            (not (self.json and self.csv), "--json and --csv exclude each other"),
            (
                self.output is None or self.groups or not (self.json or self.csv),
                "--json and --csv are for what is printed; the ending of --output says how it is written",
            ),
            (
                self.output is None or self.output.suffix.lower() in (".csv", ".jsonl", ".parquet", ""),
                "--output must end in .csv, .jsonl or .parquet, or be a folder's name without a dot; got "
                f"{self.output}",
            ),
            (
                self.ray is None or (self.output is not None and self.output.suffix.lower() in ("", ".parquet")),
                "--ray writes a folder of Parquet files: name it with --output FOLDER",
            ),
            (self.ray is None or self.map is None, "--ray writes no pictures: leave out --map"),
            (
                self.ray is None or not self.groups,
                "--ray groups no photographs: leave out --bursts and --best_of_bursts",
            ),
            (self.ray is None or not self.xmp, "--ray writes no sidecars: leave out --xmp"),
            (
                self.xmp or not (self.xmp_stem or self.xmp_thresholds or self.overwrite_ratings),
                "--xmp_stem, --xmp_thresholds and --overwrite_ratings are about the sidecars that --xmp writes",
            ),
            (
                self.xmp_thresholds is None or list(self.xmp_thresholds) == sorted(self.xmp_thresholds),
                "--xmp_thresholds must rise",
            ),
            (not self.fresh or self.output is not None, "--fresh starts --output over, and there is none"),
            (
                self.report is None or self.report.suffix.lower() in (".html", ".htm"),
                f"--report is a page: its name must end in .html, got {self.report}",
            ),
            (self.worst is None or self.best is None, "--worst and --best exclude each other"),
            (all(n is None or n >= 1 for n in (self.worst, self.best)), "--worst and --best must be >= 1"),
        )

    @property
    def words(self) -> list[str]:
        """Words that name the images."""
        return [*self.paths, *([str(self.img_path)] if self.img_path is not None else [])]

    @property
    def groups(self) -> bool:
        """Whether photographs of one moment are grouped."""
        return self.bursts or self.best_of_bursts

    @property
    def selects(self) -> bool:
        """Whether some images only, or all in another order or in groups, are printed."""
        return (
            self.groups
            or self.sort != "input"
            or any(x is not None for x in (self.worst, self.best, self.below, self.above))
        )

    @property
    def max_pixels(self) -> int:
        """Most pixels of an image."""
        return round(self.max_megapixels * 1e6)


@dataclass(frozen=True, kw_only=True)
class ExportConfig(Checked):
    """Options of `export`."""

    trained_model_file: Annotated[Path | None, MODEL_FILE] = None
    """Model file: ours (.safetensors, or hf://OWNER/NAME[@REVISION]), the authors' (.pth, described by -arch and so
    on), or bundled (the model in the package; extra timm)."""
    output: Path | None = None
    """ONNX file to write; by default the model file's name, ending in .onnx or -int8.onnx."""
    with_map: bool = False
    """Also give the quality map, for linearityiqa score --map."""
    float16: bool = False
    """Store the weights in float16, half the size; they are used in float32."""
    int8: bool = False
    """Compute the backbone in 8 bits: several times as fast on a CPU, with scores that differ a little."""
    calibration: Path | None = None
    """Folder of photographs of the kind that will be scored; --int8 takes the ranges of its numbers from them."""
    calibration_images: Annotated[int, within(1, 10_000)] = 100
    """Photographs of CALIBRATION that are used for the ranges; up to as many others compare 8 bits with float32."""
    images: Path | None = None
    """Folder of photographs on which the export is compared with torch; by default generated images."""
    trained_on: str | None = None
    """What the ONNX file calls the training database; by default what the model file calls it."""
    json: bool = False
    """Print what was measured as JSON."""
    pbar: Annotated[bool, Spelling(aliases=("-pbar",))] = False
    """Show progress bars."""
    model: ModelConfig = field(default_factory=ModelConfig)
    transform: TransformConfig = field(default_factory=TransformConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        require_options(
            (
                self.int8 == (self.calibration is not None),
                "--int8 and --calibration FOLDER go together: 8 bits need the ranges of the network's numbers, which "
                "come from photographs of the kind that will be scored",
            ),
            (not (self.int8 and self.float16), "--int8 and --float16 are two ways to a smaller file: choose one"),
            (
                self.output is None or self.output.suffix.lower() == ".onnx",
                f"--output must end in .onnx, got {self.output}",
            ),
        )


@dataclass(frozen=True, kw_only=True)
class TestConfig(ProgressConfig):
    """Options of `test` (test_dataset.py)."""

    __test__ = False  # not a test case, whatever pytest makes of the name

    trained_model_file: Annotated[tuple[Path, ...], MODEL_FILE] = ()
    """Model files, as FILE or NAME=FILE: ours (.safetensors or .onnx), the authors' (.pth, described by -arch etc.),
    hf://OWNER/NAME[@REVISION] (on the Hugging Face Hub), or bundled (the model in the package). Without one, the run
    folder is found from the training options, with --trained_on for its database."""
    trained_on: str = DataConfig.dataset
    """Database of the run to look for, where no model file is given."""
    split: SplitName = "test"
    """Which part of the database is tested."""
    output: Path | None = None
    """Folder for results.json and predictions.csv; by default in the folder of the model file."""
    npy_dir: Path | None = None
    """Also write the results as the authors' .npy into this folder."""
    data: DataConfig = field(
        default_factory=lambda: DataConfig(dataset="CLIVE", train_ratio=0.0, train_and_val_ratio=0.0)
    )
    model: ModelConfig = field(default_factory=ModelConfig)
    transform: TransformConfig = field(default_factory=TransformConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    device: DeviceConfig = field(default_factory=DeviceConfig)


@dataclass(frozen=True, kw_only=True)
class MetricsConfig(Checked):
    """Options of `metrics`."""

    files: Annotated[tuple[Path, ...], Spelling(positional=True)] = ()
    """Predictions of one method each, as FILE or NAME=FILE: CSV files with image_name, prediction and mos, optionally
    mos_std, ratings (the number of ratings behind each MOS) and any other column; the authors' .npy files; or, with
    LABELS, what linearityiqa score has written. Several are compared."""
    labels: Annotated[str | None, Spelling(metavar="FILE")] = None
    """Take the opinions from this label file or known database. The files then need an image (path or image_name) and
    a score (score or prediction): CSV, .jsonl or Parquet. A path is the image whose name it ends in."""
    by: str | None = None
    """Also judge each group of images that share a value of this column."""
    label_ranges: Annotated[int | None, within(2, 100)] = None
    """Also judge this many ranges of MOS, of equally many images each."""
    figure: FigureName = "SROCC"
    """Figure that the verdicts are about."""
    mapping: MappingName = "logistic4"
    """Mapping, fitted to all images, after which errors within groups and pairs of images are looked at."""
    ratings: Annotated[float | None, at_least(1)] = None
    """Number of ratings behind every MOS, where the files have no column of that name. With it and mos_std, pairs of
    images are judged: which differ, which image is better, how fine a difference is resolved."""
    mos_std_scale: Annotated[float, POSITIVE] = 1.0
    """Multiply mos_std by this to bring it to the scale of the MOS (27.82 for the authors' KonIQ-10k files)."""
    resamples: Annotated[int, RESAMPLES] = 2000
    """Bootstrap resamples of the intervals; 0 for no intervals (and then no comparison)."""
    confidence: Annotated[float, Bounds(lambda share: 0 < share < 1, "must be between 0 and 1")] = 0.95
    """Coverage of the intervals."""
    seed: Annotated[int, at_least(0)] = 0
    """Seed of the resamples."""
    output: Path | None = None
    """Folder for metrics.json, the tables as CSV, and report.html: figures, tables and the worst images on one page."""
    image_dir: Path | None = None
    """Folder of the images, for the pictures of the worst ones in report.html."""
    json: bool = False
    """Print everything as JSON."""
