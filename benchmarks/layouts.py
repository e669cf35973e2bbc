"""Which memory layout of images and kernels a CPU computes faster in: the ratios of docs/decisions.md.

    OMP_NUM_THREADS=1 python benchmarks/layouts.py --size 498 664 resnet18 resnet50 mobilenet_v2 vgg16

Prints the processor time of a training step's two passes and of an evaluation in the usual layout, over that in
another: above 1, the other is faster. The layouts take turns; each time is the least of several.
"""

import argparse
import itertools
import time

import torch

from linearityiqa.config import LossConfig, ModelConfig
from linearityiqa.losses import QualityLoss
from linearityiqa.models import LinearityIQA
from linearityiqa.models.layout import Layout, arrange, can_be_blocked
from linearityiqa.reporting import Table

PASSES = ("forward", "backward", "step", "evaluation")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("architectures", nargs="+")
    parser.add_argument("--size", type=int, nargs=2, default=(249, 332), metavar=("H", "W"))
    parser.add_argument("--images", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=4)
    options = parser.parse_args()
    rows = [row for name in options.architectures for row in rows_of(name, options)]
    height, width = options.size
    title = f"Usual layout over another, {options.images} images of {height} x {width}, processor time"
    print(Table(title, ["backbone", "layout", *PASSES], rows).to_markdown())


def rows_of(architecture: str, options: argparse.Namespace) -> list[list[str]]:
    """For each layout but the usual one, the ratio of forward pass, backward pass, both, and evaluation."""
    sides = {}
    for layout in Layout:
        torch.manual_seed(0)
        network = LinearityIQA(ModelConfig(architecture=architecture))
        if layout is Layout.BLOCKED and not can_be_blocked(network.backbone):
            continue
        arrange(network, layout)
        images = torch.randn(options.images, 3, *options.size).to(memory_format=layout.outside)
        measure(network, images)  # the first use of a shape is slower
        sides[layout] = network, images
    rounds = [{layout: measure(*side) for layout, side in sides.items()} for _ in range(options.rounds)]
    least = {layout: [min(times) for times in zip(*(one[layout] for one in rounds), strict=True)] for layout in sides}
    usual = least.pop(Layout.USUAL)
    return [
        [architecture, layout.value, *(f"{a / b:.2f}" for a, b in zip(usual, times, strict=True))]
        for layout, times in least.items()
    ]


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
