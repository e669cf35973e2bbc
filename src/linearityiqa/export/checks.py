"""Comparison of an exported model with the network that it was made from."""

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from linearityiqa.errors import ModelFileError
from linearityiqa.metrics.correlation import srocc
from linearityiqa.record import ModelRecord
from linearityiqa.scoring.onnx_file import OnnxNote
from linearityiqa.sizes import smallest_pixels

logger = logging.getLogger(__name__)

TOLERANCE = 1e-4
"""Largest difference of a float32 export from torch, as a share of the scale or of the outputs."""
FLOAT16_TOLERANCE = 0.005
"""Largest difference that weights rounded to float16 may make, as a share of the scale."""
INT8_DIFFERENCE = 0.01
"""Largest mean difference of 8 bits from float32, as a share of the scale, that passes without a warning."""
INT8_SROCC = 0.995
"""Smallest rank correlation of 8 bits with float32 that passes without a warning."""
FEWEST_TO_RANK = 10
"""Rank correlations over fewer photographs are noise."""

Batch = NDArray[np.float32]
Outputs = Sequence[NDArray[np.floating]]
"""Raw outputs: three heads, each (N,), and maybe the quality map (N, h, w)."""


def require_equal(
    exported: Callable[[Batch], Outputs],
    torch: Callable[[Batch], Outputs],
    batches: Iterator[Batch],
    record: ModelRecord,
) -> float:
    """Return the largest difference of a float32 export's outputs from torch's, as a share of the scale.

    They may differ by `TOLERANCE` of the scale, or of the outputs themselves, else ModelFileError: where outputs hardly
    vary, as after a short training, the mapping magnifies the rounding of float32. A warning then says so.
    """
    worst = 0.0
    for batch in batches:
        of_scale, of_outputs = _differences(torch(batch), exported(batch), record)
        worst = max(worst, of_scale)
        if not min(of_scale, of_outputs) <= TOLERANCE:
            raise ModelFileError(
                f"the exported model does not give the scores of torch: {_on(batch)} they differ by {of_scale:.2g} of "
                f"the scale, and outputs by {of_outputs:.2g} of the largest, where {TOLERANCE:g} is allowed. Nothing "
                "was written; update torch and onnxscript, or score with the model file itself."
            )
    if worst > TOLERANCE:
        logger.warning(
            "scores differ from torch's by up to %.2g of the scale: the mapping's slope of %.2g magnifies the rounding "
            "of float32, since the network's outputs hardly vary; a longer training gives a smaller slope",
            worst,
            _steepest(record),
        )
    return worst


def require_near(
    float16: Callable[[Batch], Outputs],
    float32: Callable[[Batch], Outputs],
    batches: Iterator[Batch],
    record: ModelRecord,
) -> float:
    """Return the largest difference that weights in float16 make, as a share of the scale; ModelFileError if large."""
    worst = 0.0
    for batch in batches:
        of_scale, _ = _differences(float32(batch), float16(batch), record)
        worst = max(worst, of_scale)
        if not of_scale <= FLOAT16_TOLERANCE:
            raise ModelFileError(
                f"weights in float16 change the scores by {of_scale:.2g} of the scale {_on(batch)}, where "
                f"{FLOAT16_TOLERANCE:g} is allowed (the mapping's slope of {_steepest(record):.2g} magnifies it). "
                "Nothing was written; leave out --float16."
            )
    return worst


def _differences(expected: Outputs, got: Outputs, record: ModelRecord) -> tuple[float, float]:
    """Return the largest difference as a share of the scale, and as a share of the largest output."""
    if [output.shape for output in expected] != [output.shape for output in got]:
        return np.inf, np.inf
    mapped = _mapped(expected, record)
    unit = _unit(record, mapped)
    of_scale = [np.abs(a - b).max() / unit for a, b in zip(mapped, _mapped(got, record), strict=True)]
    of_outputs = [np.abs(a - b).max() / (np.abs(a).max() or 1.0) for a, b in zip(expected, got, strict=True)]
    return float(np.max(of_scale)), float(np.max(of_outputs))


def _steepest(record: ModelRecord) -> float:
    return max(abs(line.slope) for line in record.mapping)


def _on(batch: Batch) -> str:
    count, _, height, width = batch.shape
    return f"on {count} image(s) of {height} x {width}"


class Agreement(NamedTuple):
    """Agreement of the 8-bit with the float32 fused scores of photographs."""

    images: int
    mean_difference: float
    """Mean absolute difference, as a share of the scale."""
    srocc: float
    """Rank correlation; nan over too few photographs."""

    @property
    def is_good(self) -> bool:
        """Whether 8 bits may replace float32."""
        return self.mean_difference <= INT8_DIFFERENCE and not self.srocc < INT8_SROCC


def agreement(int8: ArrayLike, float32: ArrayLike, record: ModelRecord) -> Agreement:
    """Compare the 8-bit and float32 fused scores of photographs, shape (N,), on the model's scale."""
    got, expected = np.asarray(int8, dtype=np.float64), np.asarray(float32, dtype=np.float64)
    ranks = srocc(got, expected) if len(got) >= FEWEST_TO_RANK else float("nan")
    return Agreement(len(got), float(np.abs(got - expected).mean()) / _unit(record, [expected]), ranks)


def generated_batches(note: OnnxNote) -> Iterator[Batch]:
    """Yield generated images of several sizes and numbers: the smallest that the network takes, odd ones, its usual."""
    config = note.record.config
    levels = (config.model.P6, config.model.P7)
    own = config.transform.size or (224, 320)
    rng = np.random.default_rng(0)
    for count, size in ((1, (1, 1)), (3, (97, 131)), (2, (160, 96)), (1, own)):
        height, width = (smallest_pixels(side, note.taps, levels) for side in size)
        yield np.stack([_generated(height, width, rng) for _ in range(count)])


def _generated(height: int, width: int, rng: np.random.Generator) -> Batch:
    """Return a shaded, noisy image as the network sees it, shape (3, height, width)."""
    across, down = np.linspace(-1, 1, width), np.linspace(-1, 1, height)[:, None]
    slopes = rng.uniform(-1.5, 1.5, (3, 2, 1, 1))
    noise = rng.uniform(0, 1) * rng.standard_normal((3, height, width))
    return (slopes[:, 0] * across + slopes[:, 1] * down + noise).astype(np.float32)


def _mapped(outputs: Outputs, record: ModelRecord) -> list[NDArray[np.float64]]:
    """Return outputs on the scale of the model; the map is mapped by the line of the fused head."""
    lines = (*record.mapping, record.mapping.fused)
    return [line(output) for line, output in zip(lines, outputs, strict=False)]


def _unit(record: ModelRecord, scores: Sequence[NDArray[np.float64]]) -> float:
    """Return the unit of differences: the range of the scale or, where that is unknown, the largest score."""
    if record.scale is not None:
        return record.scale.high - record.scale.low
    return max(float(np.abs(score).max()) for score in scores) or 1.0
