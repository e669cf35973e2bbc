"""Options of the optimisation: everything of the recipe that is neither loss, network nor data."""

from dataclasses import dataclass, replace
from math import log
from typing import Annotated, Literal

from linearityiqa.config.checks import POSITIVE, SEED, Bounds, Checked, at_least, require_options
from linearityiqa.config.tree import Spelling

ScheduleName = Literal["step", "cosine"]
OptimizerName = Literal["adam", "sgd", "adadelta", "adamw"]
OptLevel = Literal["O0", "O1", "O2", "O3"]
AmpDtype = Literal["auto", "bfloat16", "float16"]
Criterion = Literal["SROCC", "PLCC", "RMSE"]
LabelScale = Literal["given", "standard"]
DECAY = Bounds(lambda factor: 0 < factor <= 1, "must lie in (0, 1]")


@dataclass(frozen=True, kw_only=True)
class OptimiserConfig(Checked):
    """How the network is optimised; the defaults are the paper's recipe."""

    init: str | None = None
    """Start from a trained quality model, heads included: its file, hf://OWNER/NAME[@REVISION] (on the Hugging Face
    Hub), or bundled (the one in the package). It also says what network and transform are, where no option does."""
    exact_accumulation: bool = False
    """One loss over all images of the accumulated batches, which pass the backbone twice, a batch at a time."""
    schedule: ScheduleName = "step"
    """Learning rate: in steps (lr_decay, overall_lr_decay), or along a cosine to 0."""
    warmup_epochs: Annotated[float, at_least(0)] = 0.0
    """Epochs in which the learning rate first rises linearly from 0."""
    clip_grad_norm: Annotated[float | None, POSITIVE] = None
    """Scale gradients down to this norm, over all parameters together, where it is larger."""
    ema_decay: Annotated[float, Bounds(lambda decay: 0 <= decay < 1, "must lie in [0, 1)")] = 0.0
    """Decay per step of the moving average of the weights that is evaluated and saved; 0 takes the weights."""
    patience: Annotated[int | None, at_least(1)] = None
    """End training after this many epochs without a better val_criterion."""
    seed: Annotated[int, SEED] = 19920517
    """Seed of the split, the initial weights, the order of the images and their augmentation."""
    weights: str = "imagenet"
    """Initial weights of the backbone: imagenet, none, or the path of a state dict."""
    optimizer: OptimizerName = "adam"
    """Optimiser."""
    learning_rate: Annotated[float, Spelling(aliases=("-lr",)), POSITIVE] = 1e-4
    """Learning rate of the heads."""
    ft_lr_ratio: Annotated[float, Spelling(aliases=("-flr",)), at_least(0)] = 0.1
    """Learning rate of the backbone over that of the heads; 0 freezes the backbone's parameters."""
    batch_size: Annotated[int, Spelling(aliases=("-bs",)), at_least(1)] = 8
    """Images a batch."""
    accumulation_steps: Annotated[int, Spelling(aliases=("-accum",)), at_least(1)] = 1
    """Batches whose gradients are averaged before each step; each has its own loss."""
    epochs: Annotated[int, Spelling(aliases=("-e",)), at_least(1)] = 30
    """Passes over the training set."""
    weight_decay: Annotated[float, Spelling(aliases=("-wd",)), at_least(0)] = 0.0
    """Weight decay: added to the gradient (L2); with adamw decoupled from it, and not for biases and normalisation."""
    lr_decay: Annotated[float, Spelling(aliases=("-lrd",)), DECAY] = 0.1
    """Factor of each decay of the learning rate; 1 never decays."""
    overall_lr_decay: Annotated[float, Spelling(aliases=("-olrd",)), DECAY] = 0.01
    """Product of all decays over the run."""
    opt_level: Annotated[OptLevel, Spelling(aliases=("-optl",))] = "O1"
    """O0 is float32; the others are mixed precision where the device has it: GPUs, and CPUs with native bfloat16."""
    amp_dtype: AmpDtype = "auto"
    """Type of mixed precision; naming one forces it on a device that only emulates it."""
    freeze_bn: bool = False
    """Keep the batch-norm statistics of the backbone as they are."""
    label_scale: LabelScale = "given"
    """Scale of the MOS that the loss sees: as given (the paper), or standardised on the training set."""
    val_criterion: Annotated[Criterion, Spelling(aliases=("-valc",))] = "SROCC"
    """What chooses the best epoch on the validation set."""
    randomness: Annotated[bool, Spelling(aliases=("-rn",))] = False
    """Allow nondeterministic algorithms, and TF32 on a GPU."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_options(
            (self.init != "", "init must be bundled or a model file"),
            (bool(self.weights), "weights must be imagenet, none or a file"),
            (
                self.warmup_epochs <= self.epochs,
                f"warmup_epochs must be at most epochs ({self.epochs}), got {self.warmup_epochs}",
            ),
        )

    @property
    def images_a_loss(self) -> int:
        """Most images that one value of the loss is computed of."""
        return self.batch_size * (self.accumulation_steps if self.exact_accumulation else 1)

    @property
    def lr_decay_epochs(self) -> int | None:
        """Epochs between two decays of the learning rate, or None where it never decays.

        >>> OptimiserConfig().lr_decay_epochs, OptimiserConfig(epochs=2).lr_decay_epochs
        (10, None)
        """
        if self.schedule != "step" or self.lr_decay == 1 or self.epochs < 3:
            return None
        return max(1, int(self.epochs / (1 + log(self.overall_lr_decay) / log(self.lr_decay))))

    def effective(self) -> "OptimiserConfig":
        """Return the same recipe with every option that it ignores at its default."""
        decays = self.lr_decay_epochs is not None
        return replace(
            self,
            lr_decay=self.lr_decay if decays else 0.1,
            overall_lr_decay=self.overall_lr_decay if decays else 0.01,
            amp_dtype="auto" if self.opt_level == "O0" else self.amp_dtype,
            exact_accumulation=self.exact_accumulation and self.accumulation_steps > 1,
            patience=None if self.patience is not None and 1 + self.patience >= self.epochs else self.patience,
        )
