"""Which memory layout of images and kernels a CPU computes faster in: the ratios of docs/decisions.md.

    OMP_NUM_THREADS=1 python benchmarks/layouts.py --size 498 664 resnet18 resnet50 mobilenet_v2 vgg16

Prints the processor time of a training step's two passes and of an evaluation in the usual layout, over that in
another: above 1, the other is faster. Where the processor computes bfloat16 natively, channels-last in bfloat16 is
among them, with depthwise convolutions in float32 as in training, and without that. They take turns; each time is the
least of several.
"""

import argparse
import contextlib
import itertools
import time
from typing import NamedTuple

import torch

from linearityiqa.config import LossConfig, ModelConfig
from linearityiqa.losses import QualityLoss
from linearityiqa.models import LinearityIQA
from linearityiqa.models.device import Layout, arrange, can_be_blocked
from linearityiqa.reporting import Table
from linearityiqa.training.precision import cpu_computes_bfloat16, keep_depthwise_in_float32

PASSES = ("forward", "backward", "step", "evaluation")


class Side(NamedTuple):
    """A way to compute: its name, layout and precision."""

    name: str
    layout: Layout
    half: bool = False
    depthwise_in_float32: bool = False


def sides() -> list[Side]:
    """The usual layout first."""
    found = [Side(layout.value, layout) for layout in Layout]
    if cpu_computes_bfloat16():
        found.append(Side("channels last, bfloat16 throughout", Layout.CHANNELS_LAST, half=True))
        found.append(Side("channels last, bfloat16", Layout.CHANNELS_LAST, half=True, depthwise_in_float32=True))
    return found


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
    """For each side but the usual layout, the ratio of forward pass, backward pass, both, and evaluation."""
    made = {}
    for side in sides():
        torch.manual_seed(0)
        network = LinearityIQA(ModelConfig(architecture=architecture))
        if side.layout is Layout.BLOCKED and not can_be_blocked(network.backbone):
            continue
        if side.depthwise_in_float32:
            keep_depthwise_in_float32(network)
        arrange(network, side.layout)
        images = torch.randn(options.images, 3, *options.size).to(memory_format=side.layout.outside)
        measure(network, images, side)  # the first use of a shape is slower
        made[side] = network, images
    rounds = [{side: measure(*parts, side) for side, parts in made.items()} for _ in range(options.rounds)]
    least = {side: [min(times) for times in zip(*(one[side] for one in rounds), strict=True)] for side in made}
    usual = least.pop(next(iter(least)))
    return [
        [architecture, side.name, *(f"{a / b:.2f}" for a, b in zip(usual, times, strict=True))]
        for side, times in least.items()
    ]


def measure(network: LinearityIQA, images: torch.Tensor, side: Side) -> tuple[float, float, float, float]:
    """Processor seconds of each pass; evaluation is float32, as it is in a run."""
    autocast = torch.autocast("cpu", dtype=torch.bfloat16) if side.half else contextlib.nullcontext()
    marks = [time.process_time()]
    with autocast:
        scores = network.train()(images)
    loss = QualityLoss(LossConfig())(scores, torch.arange(len(images)).float())
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
