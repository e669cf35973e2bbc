"""Options of devices, of a training run and its folder, and of commands on several runs."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from linearityiqa.config.checks import WORKERS, Checked, at_least, require_options, within
from linearityiqa.config.data import AugmentationConfig, DataConfig, TransformConfig
from linearityiqa.config.model import LossConfig, ModelConfig, OptimiserConfig
from linearityiqa.config.tree import Spelling

MODEL_FILE = Spelling(aliases=("-modelfile", "--model"))
PAPER_SIZE = f"{TransformConfig.resize_size_h}x{TransformConfig.resize_size_w}"


@dataclass(frozen=True, kw_only=True)
class ScoringDeviceConfig(Checked):
    """Device of the arithmetic."""

    device: str = "auto"
    """auto (a GPU where there is one), cpu, cuda, cuda:N or mps."""
    num_workers: Annotated[int | None, WORKERS] = None
    """Processes that decode images; by default one a core, at most 8. 0 decodes in the main process."""
    num_threads: Annotated[int | None, within(1, 1024)] = None
    """Threads of the arithmetic on a CPU; by default torch's choice. Small images are fastest with 1."""


@dataclass(frozen=True, kw_only=True)
class ScorerConfig(Checked):
    """Model and device that score photographs."""

    trained_model_file: Annotated[Path | None, MODEL_FILE] = None
    """Model file: ours (.safetensors or .onnx, or hf://OWNER/NAME[@REVISION] on the Hugging Face Hub) or the authors'
    (.pth, described by -arch etc.); by default the small model in the package."""
    batch_size: Annotated[int | None, Spelling(aliases=("-bs",)), at_least(1)] = None
    """Most photographs that the network scores at once; by default what suits the device."""
    model: ModelConfig = field(default_factory=ModelConfig)
    transform: TransformConfig = field(default_factory=TransformConfig)
    device: ScoringDeviceConfig = field(default_factory=ScoringDeviceConfig)


@dataclass(frozen=True, kw_only=True)
class DeviceConfig(ScoringDeviceConfig):
    """Device of the arithmetic, and loading of the images of databases."""

    cache: str = "none"
    """Where decoded images are kept for later runs, 1 MB each at 498 x 664: none, auto (the user's cache folder,
    ~/.cache/linearityiqa) or a folder."""
    eval_batch_size: Annotated[int | None, at_least(1)] = None
    """Most images a batch in evaluation; by default 8 on a CPU and 64 on a GPU."""
    compile: bool = False
    """Compile the backbone: minutes at the start, faster steps afterwards."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_options((bool(self.cache), "cache must be none, auto or a folder"))


@dataclass(frozen=True, kw_only=True)
class ProgressConfig(Checked):
    """Folder of the runs, and output of a command."""

    log_dir: Annotated[Path, Spelling(aliases=("-logd",))] = Path("runs")
    """Folder of the run folders."""
    pbar: Annotated[bool, Spelling(aliases=("-pbar",))] = True
    """Show progress bars on a terminal; else, and where standard error is none, a line says every half minute how far
    it is."""
    json: bool = False
    """Print the results as JSON."""


@dataclass(frozen=True, kw_only=True)
class RunConfig(ProgressConfig):
    """Folder, log and resumption of a run."""

    output: Path | None = None
    """Run folder, instead of LOG_DIR/<name made from the options>."""
    test_during_training: Annotated[bool, Spelling(aliases=("-tdt",))] = False
    """Also test on the training and test sets after every epoch."""
    evaluate: Annotated[bool, Spelling(aliases=("-eval",))] = False
    """Only test the best model of a run that is already trained."""
    debug: Annotated[bool, Spelling(aliases=("-debug",))] = False
    """Use the first 5 training batches, 5 validation and 5 test images; the run goes to LOG_DIR/debug/<name>."""
    log_bhat: bool = False
    """Log the norm of each head's centred predictions, per iteration, to bhat.csv."""
    npy_dir: Path | None = None
    """Also write the test results as the authors' .npy into this folder."""
    save_minutes: Annotated[float, at_least(0)] = 5.0
    """Save the state at least this often, in minutes."""
    fresh: bool = False
    """Start over, even where the run folder holds a state to resume from."""


def versions_rule(loss: LossConfig, augmentation: AugmentationConfig) -> tuple[bool, str]:
    """Return the rule that the weight of a ranking term goes with degraded versions."""
    return (
        augmentation.versions > 0 or loss.rank_weight == LossConfig.rank_weight,
        f"rank_weight {loss.rank_weight:g} weighs the order of degraded versions, and none are made: pass "
        "--augmentation --versions N with it, or leave it out",
    )


@dataclass(frozen=True, kw_only=True)
class TrainConfig(Checked):
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
        super().__post_init__()
        require_options(
            (
                self.optimiser.images_a_loss > 1,
                "the heads, and most losses, normalise inside the batch: batch_size must be > 1 (with "
                "exact_accumulation, batch_size times accumulation_steps)",
            ),
            (
                not (self.augmentation.versions and self.optimiser.exact_accumulation),
                "versions follow the images of their batch, which exact_accumulation would join with others: take one "
                "of the two",
            ),
            # with `init` the model's own augmentation may be taken, which `resolve_init` finds out
            *([versions_rule(self.loss, self.augmentation)] if self.optimiser.init is None else []),
            (
                not (self.data.more_datasets and self.optimiser.exact_accumulation),
                "exact_accumulation would join batches of different databases into one loss: with more_datasets, raise "
                "batch_size instead",
            ),
            (
                not self.data.more_datasets or not self.loss.sees_scale or self.optimiser.label_scale == "standard",
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
class CrossvalConfig(Checked):
    """A training run on each of several random splits by reference, and what their results say together."""

    splits: Annotated[int, within(2, 1000)] = 10
    """Random splits; split N is that of --exp_id N. More than last time are added to those that are done."""
    against: tuple[Path, ...] = ()
    """Folders (or crossval.json files) of other cross-validations on the same splits, to compare with; also as
    NAME=FOLDER."""
    train: TrainConfig = field(default_factory=TrainConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        require_options(
            (self.train.data.exp_id == 0, "exp_id goes from 0 to --splits by itself: leave it out"),
            (not self.train.run.evaluate, "crossval trains missing splits and tests all of them: leave out --evaluate"),
        )


@dataclass(frozen=True, kw_only=True)
class RunsConfig(Checked):
    """Options of `runs`."""

    folders: Annotated[tuple[Path, ...], Spelling(positional=True)] = ()
    """Folders of run folders, or run folders; by default runs."""
    json: bool = False
    """Print the list as JSON."""


@dataclass(frozen=True, kw_only=True)
class ReproduceConfig(ProgressConfig):
    """Options of `reproduce`; the defaults are the paper's."""

    items: Annotated[tuple[str, ...], Spelling(positional=True)] = ()
    """Figures and tables, or all of the paper's."""
    output: Path = Path("reproduced")
    """Folder of the figures, tables, numbers and the report."""
    from_dir: Annotated[Path | None, Spelling(name="from")] = None
    """Draw from results in the authors' layout in this folder (csv/, npy/, bhat.log), and train nothing."""
    export: Path | None = None
    """Also write the results into this folder, in the authors' layout."""
    dry_run: bool = False
    """Only show each run's state and the paper's command for it."""
    fresh: bool = False
    """Train the runs again from the start, even those that are done."""
    dataset: Annotated[str, Spelling(aliases=("-ds",))] = DataConfig.dataset
    """Database to train on: KonIQ-10k, CLIVE, or the path of a CSV file."""
    image_dir: Path | None = None
    """Folder that its image names are relative to; by default that of the labels."""
    test_dataset: str | None = None
    """Second database to test on; by default CLIVE for KonIQ-10k, and for any other the test set of DATASET again."""
    test_image_dir: Path | None = None
    """Folder that the second database's image names are relative to; by default that of its labels."""
    backbones: tuple[str, ...] = ()
    """Use these backbones only; by default each item's own."""
    splits: Annotated[int, at_least(2)] = 10
    """Random splits of ttest."""
    seeds: Annotated[int, within(1, 1000)] = 3
    """Runs of each loss in losses and settings, with the seeds SEED, SEED + 1 and so on."""
    size: Annotated[str, Spelling(metavar="HxW")] = PAPER_SIZE
    """Height and width that images are resized to, in pixels."""
    epochs: Annotated[int, Spelling(aliases=("-e",))] = OptimiserConfig.epochs
    """Epochs of each run."""
    weights: str = OptimiserConfig.weights
    """Initial weights of the backbones: imagenet, none, or the path of a state dict."""
    seed: int = OptimiserConfig.seed
    """Seed of every run; of losses and settings, of the first run of each loss."""
    jobs: Annotated[int, within(1, 256)] = 1
    """Runs at once, each in its own process, with its own GPU where there are some."""
    ray: str | None = None
    """Hand the runs to a Ray cluster: its address, auto (the one this machine belongs to), or local (extra: ray)."""
    device: DeviceConfig = field(default_factory=DeviceConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        require_options(
            (bool(re.fullmatch(r"[1-9]\d{0,4}x[1-9]\d{0,4}", self.size)), f"size must be HxW in pixels: {self.size!r}"),
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
        """Optimisation options that all runs share."""
        return OptimiserConfig(seed=self.seed, weights=self.weights, epochs=self.epochs)
