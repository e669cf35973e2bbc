"""Which memory layout of images and kernels a CPU computes faster in: the ratios of docs/decisions.md.

    OMP_NUM_THREADS=1 python benchmarks/layouts.py --size 498 664 resnet18 resnet50 mobilenet_v2 vgg16

Prints the processor time of a training step's two passes and of an evaluation in the usual layout, over that with
channels last: above 1, channels last is faster. Both layouts take turns; each time is the least of several.
"""

import argparse
import itertools
import time

import torch

from linearityiqa.config import LossConfig, ModelConfig
from linearityiqa.losses import QualityLoss
from linearityiqa.models import LinearityIQA
from linearityiqa.reporting import Table

LAYOUTS = (torch.contiguous_format, torch.channels_last)
PASSES = ("forward", "backward", "step", "evaluation")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("architectures", nargs="+")
    parser.add_argument("--size", type=int, nargs=2, default=(249, 332), metavar=("H", "W"))
    parser.add_argument("--images", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=4)
    options = parser.parse_args()
    rows = [[name, *(f"{ratio:.2f}" for ratio in ratios(name, options))] for name in options.architectures]
    height, width = options.size
    title = f"Usual layout over channels last, {options.images} images of {height} x {width}, processor time"
    print(Table(title, ["backbone", *PASSES], rows).to_markdown())


def ratios(architecture: str, options: argparse.Namespace) -> list[float]:
    """Of forward pass, backward pass, both, and evaluation."""
    torch.manual_seed(0)
    sides = []
    for layout in LAYOUTS:
        network = LinearityIQA(ModelConfig(architecture=architecture)).to(memory_format=layout)
        images = torch.randn(options.images, 3, *options.size).to(memory_format=layout)
        measure(network, images)  # the first use of a shape is slower
        sides.append((network, images))
    rounds = [[measure(*side) for side in sides] for _ in range(options.rounds)]
    usual, last = ([min(times) for times in zip(*side, strict=True)] for side in zip(*rounds, strict=True))
    return [a / b for a, b in zip(usual, last, strict=True)]


def measure(network: LinearityIQA, images: torch.Tensor) -> tuple[float, float, float, float]:
    """Processor seconds of each pass."""
    marks = [time.process_time()]
    loss = QualityLoss(LossConfig())(network.train()(images), torch.arange(len(images)).float())
    marks.append(time.process_time())
    loss.backward()
    marks.append(time.process_time())
    network.zero_grad()
    network.eval()
    marks.append(time.process_time())
    with torch.inference_mode():
        network(images)
    marks.append(time.process_time())
    forward, backward, _, evaluation = (b - a for a, b in itertools.pairwise(marks))
    return forward, backward, forward + backward, evaluation


if __name__ == "__main__":
    main()
