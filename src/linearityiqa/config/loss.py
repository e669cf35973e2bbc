"""Options of the loss."""

from dataclasses import dataclass, replace
from typing import Annotated, Literal, get_args

import tyro

from linearityiqa.config.checks import require_choice, require_options

LossType = Literal["mae", "mse", "norm-in-norm", "min-max-norm", "mean-norm", "scaling", "linearity"]


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """Which loss is minimised, and its parameters (Li et al., ACM MM 2020, section 3)."""

    loss_type: Annotated[LossType, tyro.conf.arg(aliases=["-lt"])] = "norm-in-norm"
    """Loss function."""
    p: Annotated[float, tyro.conf.arg(aliases=["-p"])] = 1.0
    """Exponent of the error's norm (norm-in-norm), or of the scale (scaling)."""
    q: Annotated[float, tyro.conf.arg(aliases=["-q"])] = 2.0
    """Exponent of the normalising norm (norm-in-norm)."""
    alpha: Annotated[tuple[float, float], tyro.conf.arg(aliases=["-a"])] = (1.0, 0.0)
    """Weights of the loss l and of its variant l' inside a normalised loss."""
    beta: Annotated[tuple[float, float, float], tyro.conf.arg(aliases=["-b"])] = (0.1, 0.1, 1.0)
    """Weights of the stage-3, stage-4 and fused heads."""
    detach: Annotated[bool, tyro.conf.arg(aliases=["-detach"])] = False
    """Stop gradients through the batch statistics of the predictions."""
    monotonicity_regularization: Annotated[bool, tyro.conf.arg(aliases=["-monoreg"])] = False
    """Add the pairwise monotonicity term."""
    gamma: Annotated[float, tyro.conf.arg(aliases=["-g"])] = 0.1
    """Weight of the monotonicity term."""

    def __post_init__(self) -> None:
        require_choice("loss_type", self.loss_type, get_args(LossType))
        require_options(
            (self.p > 0, f"p must be > 0, got {self.p}"),
            (self.q > 0, f"q must be > 0, got {self.q}"),
            (min(self.alpha) >= 0 and sum(self.alpha) > 0, f"alpha must be >= 0 with a positive sum, got {self.alpha}"),
            (min(self.beta) >= 0 and sum(self.beta) > 0, f"beta must be >= 0 with a positive sum, got {self.beta}"),
            (self.gamma >= 0, f"gamma must be >= 0, got {self.gamma}"),
        )

    def effective(self) -> "LossConfig":
        """The same loss with every option that it ignores at its default: equal losses compare equal."""
        uses_p = self.loss_type in ("norm-in-norm", "scaling")
        normalised = self.loss_type not in ("mae", "mse")
        detachable = normalised or self.monotonicity_regularization
        return replace(
            self,
            p=self.p if uses_p else 1.0,
            q=self.q if self.loss_type == "norm-in-norm" else 2.0,
            alpha=self.alpha if normalised else (1.0, 0.0),
            detach=self.detach and detachable,
            gamma=self.gamma if self.monotonicity_regularization else 0.1,
        )
