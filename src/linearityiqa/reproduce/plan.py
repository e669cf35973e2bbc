"""The paper's training runs as data: what differs between them, and the scale they are run at."""

from dataclasses import dataclass, fields
from typing import Any

from linearityiqa.config import LossType, OptimizerName

LOSSES: tuple[LossType, ...] = ("mae", "mse", "norm-in-norm")
"""The losses that the paper compares, in its order."""
LOSS_NAMES: dict[LossType, str] = {"mae": "MAE", "mse": "MSE", "norm-in-norm": "Norm-in-Norm"}
"""How the paper writes them."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One training run: the options in which the paper's runs differ, named as on the command line.

    All else is the base run's: `--resize` and the defaults. Options of logging are not part of a run: they change no
    result, and a run that several items share is trained once.
    """

    dataset: str = "KonIQ-10k"
    architecture: str = "resnext101_32x8d"
    loss_type: LossType = "norm-in-norm"
    p: float = 1.0
    q: float = 2.0
    alpha: tuple[float, float] = (1.0, 0.0)
    use_bn_end: bool = False
    optimizer: OptimizerName = "adam"
    learning_rate: float = 1e-4
    batch_size: int = 8
    ft_lr_ratio: float = 0.1
    exp_id: int = 0

    def options(self) -> dict[str, Any]:
        """The options that differ from the base run's.

        >>> Run(architecture="resnet50", batch_size=4).options()
        {'architecture': 'resnet50', 'batch_size': 4}
        """
        return {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}

    def __str__(self) -> str:
        return ", ".join(f"{name} {value}" for name, value in self.options().items()) or "the base run"


@dataclass(frozen=True, kw_only=True)
class Scale:
    """What the items are run on; the defaults are the paper's.

    Attributes:
        training_set: name of the database that all runs but those of `ttest` train and test on.
        other_set: name of the database that the models are also tested on.
        other_part: which part of it, in words.
        repeated_set: name of the database that `ttest` trains and tests on, in repeated random splits.
        base: backbone of the base run.
        sweep: backbone of the sweeps over learning rate, batch size and backbone learning rate (fig5, tabA1).
        backbones: backbones that are compared (fig6, tab1).
        plain: backbones without skip connections (tabA2), or what was asked for in their place.
        repeated: backbone of the repeated splits (ttest).
        splits: number of those splits.
        recipe: whether image size, epochs, seed and initial weights are the paper's.
    """

    training_set: str = "KonIQ-10k"
    other_set: str = "CLIVE"
    other_part: str = "all"
    repeated_set: str = "CLIVE"
    base: str = "resnext101_32x8d"
    sweep: str = "resnet50"
    backbones: tuple[str, ...] = ("resnet18", "resnet34", "resnet50", "resnext101_32x8d")
    plain: tuple[str, ...] = ("alexnet", "vgg16")
    repeated: str = "resnet18"
    splits: int = 10
    recipe: bool = True

    @property
    def is_paper(self) -> bool:
        """Whether results may be compared with the published ones of the same run."""
        paper = Scale()
        databases = (self.training_set, self.other_set, self.other_part)
        return self.recipe and databases == (paper.training_set, paper.other_set, paper.other_part)

    @property
    def tested_on(self) -> tuple[str, str]:
        """The two sets of images that models are tested on, in words."""
        return f"the test set of {self.training_set}", f"{self.other_part} of {self.other_set}"

    def base_run(self, **options: Any) -> Run:
        """The base run with some options changed."""
        return Run(**({"dataset": self.training_set, "architecture": self.base} | options))
