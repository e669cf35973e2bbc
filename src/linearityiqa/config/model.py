"""Options of the network, of its loss, and of the optimisation."""

from dataclasses import dataclass, replace
from math import log
from typing import Annotated, Literal

from linearityiqa.config.checks import PAPER_SEED, POSITIVE, SEED, Bounds, Checked, at_least, require_options, within
from linearityiqa.config.tree import Spelling

PoolMethod = Literal["avg", "max", "min", "std", "maxmin", "mean-std"]
LossType = Literal["mae", "mse", "norm-in-norm", "min-max-norm", "mean-norm", "scaling", "linearity"]
ScheduleName = Literal["step", "cosine"]
OptimizerName = Literal["adam", "sgd", "adadelta", "adamw"]
OptLevel = Literal["O0", "O1", "O2", "O3"]
AmpDtype = Literal["auto", "bfloat16", "float16"]
Criterion = Literal["SROCC", "PLCC", "RMSE"]
LabelScale = Literal["given", "standard"]
DECAY = Bounds(lambda factor: 0 < factor <= 1, "must lie in (0, 1]")


@dataclass(frozen=True, kw_only=True)
class ModelConfig(Checked):
    """Backbone, pooling and heads of the network."""

    architecture: Annotated[str, Spelling(aliases=("-arch", "--arch"))] = "resnext101_32x8d"
    """Backbone: a torchvision classification network, or timm/NAME (extra: timm)."""
    pool: Annotated[PoolMethod, Spelling(aliases=("-pl",))] = "avg"
    """Pooling method of the spatial pyramid."""
    use_bn_end: Annotated[bool, Spelling(aliases=("-ubne",))] = False
    """Batch normalisation of each head's output."""
    P6: Annotated[int, Spelling(aliases=("-P6",)), within(1, 16)] = 1
    """Levels of the spatial pyramid on stage 3."""
    P7: Annotated[int, Spelling(aliases=("-P7",)), within(1, 16)] = 1
    """Levels of the spatial pyramid on stage 4."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_options((bool(self.architecture), "architecture must name a network"))


@dataclass(frozen=True, kw_only=True)
class LossConfig(Checked):
    """Loss function and its parameters (Li et al., ACM MM 2020, section 3)."""

    loss_type: Annotated[LossType, Spelling(aliases=("-lt",))] = "norm-in-norm"
    """Loss function."""
    p: Annotated[float, Spelling(aliases=("-p",)), POSITIVE] = 1.0
    """Exponent of the error's norm (norm-in-norm), or of the scale (scaling)."""
    q: Annotated[float, Spelling(aliases=("-q",)), POSITIVE] = 2.0
    """Exponent of the normalising norm (norm-in-norm)."""
    alpha: Annotated[tuple[float, float], Spelling(aliases=("-a",))] = (1.0, 0.0)
    """Weights of the loss l and of its variant l' inside a normalised loss."""
    beta: Annotated[tuple[float, float, float], Spelling(aliases=("-b",))] = (0.1, 0.1, 1.0)
    """Weights of the stage-3, stage-4 and fused heads."""
    detach: Annotated[bool, Spelling(aliases=("-detach",))] = False
    """Stop gradients through the batch statistics of the predictions."""
    monotonicity_regularization: Annotated[bool, Spelling(aliases=("-monoreg",))] = False
    """Add the pairwise monotonicity term."""
    gamma: Annotated[float, Spelling(aliases=("-g",)), at_least(0)] = 0.1
    """Weight of the monotonicity term."""
    rank_weight: Annotated[float, at_least(0)] = 0.2
    """Weight of the ranking term between degraded versions of one image, where there are some (versions)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_options(
            (min(self.alpha) >= 0 and sum(self.alpha) > 0, f"alpha must be >= 0 with a positive sum, got {self.alpha}"),
            (min(self.beta) >= 0 and sum(self.beta) > 0, f"beta must be >= 0 with a positive sum, got {self.beta}"),
        )

    @property
    def sees_scale(self) -> bool:
        """Whether the loss compares scores with the labels as they are, so that their scale matters."""
        return self.loss_type in ("mae", "mse")

    @property
    def judged_head(self) -> str:
        """The head whose validation figure chooses the best epoch: the fused one, or the only one that is trained."""
        if self.beta[1] + self.beta[2] == 0:
            return "stage3"
        return "stage4" if self.beta[0] + self.beta[2] == 0 else "fused"

    def effective(self) -> "LossConfig":
        """Return the same loss with every option that it ignores at its default: equal losses compare equal."""
        uses_p = self.loss_type in ("norm-in-norm", "scaling")
        detachable = not self.sees_scale or self.monotonicity_regularization
        return replace(
            self,
            p=self.p if uses_p else LossConfig.p,
            q=self.q if self.loss_type == "norm-in-norm" else LossConfig.q,
            alpha=LossConfig.alpha if self.sees_scale else self.alpha,
            detach=self.detach and detachable,
            gamma=self.gamma if self.monotonicity_regularization else LossConfig.gamma,
        )


@dataclass(frozen=True, kw_only=True)
class OptimiserConfig(Checked):
    """Optimisation of the network; the defaults are the paper's recipe."""

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
    seed: Annotated[int, SEED] = PAPER_SEED
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
            lr_decay=self.lr_decay if decays else OptimiserConfig.lr_decay,
            overall_lr_decay=self.overall_lr_decay if decays else OptimiserConfig.overall_lr_decay,
            amp_dtype="auto" if self.opt_level == "O0" else self.amp_dtype,
            exact_accumulation=self.exact_accumulation and self.accumulation_steps > 1,
            patience=None if self.patience is not None and 1 + self.patience >= self.epochs else self.patience,
        )
