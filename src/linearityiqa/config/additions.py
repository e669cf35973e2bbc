"""Options that the paper's recipe does not have; each is off by default."""

from dataclasses import dataclass
from typing import Literal, get_args

from linearityiqa.config.checks import require_choice, require_options

ScheduleName = Literal["step", "cosine"]


@dataclass(frozen=True, kw_only=True)
class Additions:
    """What can be added to the paper's optimisation."""

    init: str | None = None
    """Start from a trained quality model, heads included: its file, hf://OWNER/NAME[@REVISION] (on the Hugging Face
    Hub), or bundled (the one in the package). It also says what network and transform are, where no option does."""
    exact_accumulation: bool = False
    """One loss over all images of the accumulated batches, which pass the backbone twice, a batch at a time."""
    schedule: ScheduleName = "step"
    """Learning rate: in steps (lr_decay, overall_lr_decay), or along a cosine to 0."""
    warmup_epochs: float = 0.0
    """Epochs in which the learning rate first rises linearly from 0."""
    clip_grad_norm: float | None = None
    """Scale gradients down to this norm, over all parameters together, where it is larger."""
    ema_decay: float = 0.0
    """Decay per step of the moving average of the weights that is evaluated and saved; 0 takes the weights."""
    patience: int | None = None
    """End training after so many epochs without a better val_criterion."""

    def __post_init__(self) -> None:
        require_choice("schedule", self.schedule, get_args(ScheduleName))
        clip, patience = self.clip_grad_norm, self.patience
        require_options(
            (self.init != "", "init must be bundled or a model file"),
            (0 <= self.warmup_epochs < float("inf"), f"warmup_epochs must be >= 0, got {self.warmup_epochs}"),
            (clip is None or 0 < clip < float("inf"), f"clip_grad_norm must be > 0, got {clip}"),
            (0 <= self.ema_decay < 1, f"ema_decay must lie in [0, 1), got {self.ema_decay}"),
            (patience is None or patience >= 1, f"patience must be >= 1, got {patience}"),
        )
