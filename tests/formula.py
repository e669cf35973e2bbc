"""Networks with weights that are the same on any machine: the reference implementation's formula."""

import copy
import functools
import zlib

import numpy as np
import torch
from torch import Tensor

from linearityiqa.config import ModelConfig
from linearityiqa.models import LinearityIQA
from linearityiqa.models.authors import from_authors, to_authors


def formula_values(name: str, shape: torch.Size) -> np.ndarray:
    """The values of the reference networks: a function of a tensor's name and shape, in the authors' names."""
    phase = zlib.crc32(name.encode()) % 1000 * 0.61803
    uniform = np.sin(np.arange(shape.numel(), dtype=np.float64) * 12.9898 + phase) * 43758.5453 % 1.0
    if name.endswith("num_batches_tracked"):
        values = np.full(1, 7.0)
    elif name.endswith("running_var"):
        values = 0.5 + uniform
    elif len(shape) >= 2:
        values = (2 * uniform - 1) * 1.2 * np.sqrt(3 / np.prod(shape[1:]))
    elif name.endswith("weight"):
        values = 0.7 + 0.6 * uniform
    else:  # biases and running means
        values = 0.2 * (uniform - 0.5)
    return values.reshape(shape)


def formula_state(network: LinearityIQA) -> dict[str, Tensor]:
    """A state dict under the authors' names, filled by the formula."""
    theirs = to_authors(network.state_dict(), network)
    return {
        name: torch.from_numpy(np.asarray(formula_values(name, value.shape))).to(value.dtype)
        for name, value in theirs.items()
    }


def formula_network(**options: object) -> LinearityIQA:
    """A network of the given options, with the formula's weights, in evaluation mode."""
    return copy.deepcopy(_formula_network(tuple(({"architecture": "alexnet"} | options).items())))


@functools.cache
def _formula_network(options: tuple[tuple[str, object], ...]) -> LinearityIQA:
    with torch.device("meta"):  # drawing weights that are then replaced takes seconds
        network = LinearityIQA(ModelConfig(**dict(options)))
    state = from_authors(formula_state(network), network)
    network.to_empty(device="cpu").load_state_dict(state)
    return network.eval()
