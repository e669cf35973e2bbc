"""The exponential moving average of a network's weights."""

import copy
from typing import Any

import torch
from torch import Tensor, nn

from linearityiqa.models import LinearityIQA


class WeightAverage:
    """A copy of a network whose weights follow those under training: average = decay * average + (1 - decay) * weights.

    The running statistics of batch normalisation are averaged alike, so that they belong to the averaged weights;
    counters are copied. In the first steps the decay is n / (n + 9) after n updates, where that is less: the average
    soon forgets the random values that the heads start from.

    Args:
        network: the network under training, on its device.
        decay: decay per update, in [0, 1).
    """

    def __init__(self, network: LinearityIQA, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.network = copy.deepcopy(network).requires_grad_(False).eval()

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Follow the network by one step."""
        self.updates += 1
        decay = min(self.decay, self.updates / (self.updates + 9))
        mine, theirs = self.network.state_dict(), network.state_dict()
        averaged = [name for name, value in mine.items() if value.is_floating_point()]
        torch._foreach_lerp_(_values(mine, averaged), _values(theirs, averaged), 1 - decay)
        for name in mine.keys() - averaged:
            mine[name].copy_(theirs[name])

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs."""
        return {"updates": self.updates, "network": self.network.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        self.updates = state["updates"]
        self.network.load_state_dict(state["network"])


def _values(state: dict[str, Tensor], names: list[str]) -> list[Tensor]:
    return [state[name] for name in names]
