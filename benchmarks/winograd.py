"""How fast wide convolutions are with fewer multiplications, against oneDNN's direct ones (docs/decisions.md).

    python benchmarks/winograd.py                                  # a training batch, all cores
    OMP_NUM_THREADS=1 python benchmarks/winograd.py --images 1     # as evaluation computes on each core

Prints rates in GFLOP/s of the direct sum, so that more means faster; the milliseconds in which kernels are brought to
their points, which training does in every step and evaluation once; and the largest error of a map against float64. The
two take turns; each time is the least of several. Maps are those of resnet18's four stages.
"""

import argparse
import time
from collections.abc import Callable

import torch

from linearityiqa.memory import keep_freed_memory
from linearityiqa.models.winograd import convolve, convolve_adjoint, kernels_at_points, kernels_at_points_adjoint
from linearityiqa.reporting import Table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, nargs=2, default=(498, 664), metavar=("H", "W"))
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--channels", type=int, nargs="+", default=(64, 128, 256, 512))
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    keep_freed_memory()
    torch.manual_seed(0)
    rows = [row_of(channels, options) for channels in options.channels]
    title = f"3 x 3 convolutions, {options.images} image(s), {torch.get_num_threads()} thread(s)"
    columns = [
        "channels",
        "direct",
        "winograd",
        "direct, backward",
        "winograd, backward",
        "kernels, ms",
        "error",
        "error of direct",
    ]
    print(Table(title, columns, rows).to_markdown())


@torch.no_grad()
def row_of(channels: int, options: argparse.Namespace) -> list[str]:
    """Rates of both ways, forwards and backwards, for maps of so many channels."""
    stride = channels // 16
    height, width = (-(-side // stride) for side in options.size)
    maps = torch.randn(options.images, channels, height, width).contiguous(memory_format=torch.channels_last)
    weight = torch.randn(channels, channels, 3, 3) / (9 * channels) ** 0.5
    gradient = torch.randn_like(maps)
    in_blocks, gradient_in_blocks = maps.to_mkldnn(), gradient.to_mkldnn()
    rows, gradient_rows = (tensor.permute(0, 2, 3, 1) for tensor in (maps, gradient))
    last = weight.contiguous(memory_format=torch.channels_last)

    def direct() -> torch.Tensor:
        return torch.conv2d(in_blocks, weight, padding=1)

    def direct_adjoint() -> None:
        sides = [1, 1], [1, 1], [1, 1], False, [0, 0], 1, [True, True, False]
        torch.ops.aten.convolution_backward(gradient_in_blocks, in_blocks, weight, None, *sides)

    def winograd() -> torch.Tensor:
        return convolve(rows, kernels).permute(0, 3, 1, 2)

    def winograd_adjoint() -> None:
        _, to_kernels = convolve_adjoint(gradient_rows, rows, kernels)
        kernels_at_points_adjoint(to_kernels)

    kernels = kernels_at_points(last)
    operations = 2 * 9 * channels * maps.numel()
    calls = [direct, winograd, direct_adjoint, winograd_adjoint, lambda: kernels_at_points(last)]
    *seconds, to_points = least(calls, options.rounds)
    rates = [f"{passes * operations / time / 1e9:.0f}" for passes, time in zip((1, 1, 2, 2), seconds, strict=True)]
    exact = torch.conv2d(maps.double(), weight.double(), padding=1)
    errors = [f"{(found - exact).abs().max() / exact.abs().max():.1e}" for found in (winograd(), direct().to_dense())]
    return [str(channels), *rates, f"{to_points * 1e3:.1f}", *errors]


def least(calls: list[Callable[[], object]], rounds: int) -> list[float]:
    """Shortest seconds of each call, which take turns."""
    best = [float("inf")] * len(calls)
    for _ in range(1 + rounds):
        for index, call in enumerate(calls):
            start = time.perf_counter()
            call()
            best[index] = min(best[index], time.perf_counter() - start)
    return best


if __name__ == "__main__":
    main()
