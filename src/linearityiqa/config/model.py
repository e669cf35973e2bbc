"""Options of the network."""

from dataclasses import dataclass
from typing import Annotated, Literal, get_args

import tyro

from linearityiqa.config.checks import require_choice, require_options

PoolMethod = Literal["avg", "max", "min", "std", "maxmin", "mean-std"]


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Backbone, pooling and heads of the network."""

    architecture: Annotated[str, tyro.conf.arg(aliases=["-arch", "--arch"])] = "resnext101_32x8d"
    """Backbone: a torchvision classification network, or timm/NAME (extra: timm)."""
    pool: Annotated[PoolMethod, tyro.conf.arg(aliases=["-pl"])] = "avg"
    """Pooling method of the spatial pyramid."""
    use_bn_end: Annotated[bool, tyro.conf.arg(aliases=["-ubne"])] = False
    """Batch normalisation of each head's output."""
    P6: Annotated[int, tyro.conf.arg(aliases=["-P6"])] = 1
    """Levels of the spatial pyramid on stage 3."""
    P7: Annotated[int, tyro.conf.arg(aliases=["-P7"])] = 1
    """Levels of the spatial pyramid on stage 4."""

    def __post_init__(self) -> None:
        require_choice("pool", self.pool, get_args(PoolMethod))
        require_options(
            (bool(self.architecture), "architecture must name a network"),
            (1 <= self.P6 <= 16, f"P6 must lie in 1..16, got {self.P6}"),
            (1 <= self.P7 <= 16, f"P7 must lie in 1..16, got {self.P7}"),
        )
