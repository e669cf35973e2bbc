"""Options of repeated random splits."""

from dataclasses import dataclass, field
from pathlib import Path

from linearityiqa.config.checks import require_options
from linearityiqa.config.run import TrainConfig


@dataclass(frozen=True, kw_only=True)
class CrossvalConfig:
    """A training run on each of several random splits by reference, and what their results say together."""

    splits: int = 10
    """Random splits; split N is that of --exp_id N. More than last time adds to what is there."""
    against: tuple[Path, ...] = ()
    """Folders (or crossval.json files) of other cross-validations on the same splits, to compare with; also as
    NAME=FOLDER."""
    train: TrainConfig = field(default_factory=TrainConfig)

    def __post_init__(self) -> None:
        require_options(
            (2 <= self.splits <= 1000, f"splits must lie in 2..1000, got {self.splits}"),
            (self.train.data.exp_id == 0, "exp_id goes from 0 to --splits by itself: leave it out"),
            (not self.train.run.evaluate, "crossval trains what is missing and tests it anyway: leave out --evaluate"),
        )
