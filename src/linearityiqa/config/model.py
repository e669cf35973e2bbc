"""Options of the network and of its loss."""

from dataclasses import dataclass, replace
from typing import Annotated, Literal

from linearityiqa.config.checks import POSITIVE, Checked, at_least, require_options, within
from linearityiqa.config.tree import Spelling

PoolMethod = Literal["avg", "max", "min", "std", "maxmin", "mean-std"]
LossType = Literal["mae", "mse", "norm-in-norm", "min-max-norm", "mean-norm", "scaling", "linearity"]


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
    """Which loss is minimised, and its parameters (Li et al., ACM MM 2020, section 3)."""

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
            p=self.p if uses_p else 1.0,
            q=self.q if self.loss_type == "norm-in-norm" else 2.0,
            alpha=(1.0, 0.0) if self.sees_scale else self.alpha,
            detach=self.detach and detachable,
            gamma=self.gamma if self.monotonicity_regularization else 0.1,
        )
