"""Static 8-bit quantisation of an exported model: its backbone in integers, its heads in float32."""

import contextlib
import logging
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static

from linearityiqa.scoring.onnx_file import IMAGES

_TAIL = frozenset(("Add", "Clip", "Concat", "HardSwish", "Mul", "Relu", "Sigmoid"))
"""Operators that may stand between a backbone's last convolution and the pooling of its maps."""
_ON_MAPS = (_TAIL - {"Sigmoid"}) | {"AveragePool", "Conv", "MaxPool", "Reshape", "Split", "Transpose"}
"""Operators of a backbone that are quantised."""


def quantised(model: ModelProto, batches: Iterable[NDArray[np.float32]]) -> ModelProto:
    """Quantise the backbone of a model to 8-bit integers (quantise-dequantise pairs around the operators of ONNX).

    Activations have 8 bits and a zero point; weights have 7 bits and a scale a channel. With 7 bits the sums of two
    products fit into the 16 bits that processors without VNNI add them in: with 8, they saturate. Pooling and heads
    stay in float32: they are a thousandth of the arithmetic, and their outputs would come in steps of a 256th.

    Args:
        model: of `linearityiqa.export.network`; stays as it is.
        batches: normalised photographs, shape (1, 3, H, W), which set the ranges.
    """
    with tempfile.TemporaryDirectory() as folder, _without_advice():
        before, after = Path(folder, "float32.onnx"), Path(folder, "int8.onnx")
        onnx.save(model, before)
        quantize_static(
            before,
            after,
            _Reader(batches),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=sorted(_ON_MAPS),
            nodes_to_exclude=[node.name for node in _behind_the_maps(model)],
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
        )
        return onnx.load(after)


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    """Hands the calibration one photograph at a time."""

    def __init__(self, batches: Iterable[NDArray[np.float32]]) -> None:
        self._batches = iter(batches)

    def get_next(self) -> dict[str, Any] | None:
        batch = next(self._batches, None)
        return None if batch is None else {IMAGES: batch}


def _behind_the_maps(model: ModelProto) -> Iterator[NodeProto]:
    """The nodes that work on pooled features, and those that only serve them."""
    nodes = list(model.graph.node)
    needed: set[str] = set()
    """Values that a convolution depends on."""
    for node in reversed(nodes):
        if node.op_type == "Conv" or needed & set(node.output):
            needed |= set(node.input)
    constants = {tensor.name for tensor in model.graph.initializer}
    maps = needed | {IMAGES} | constants
    for node in nodes:
        of_backbone = node.op_type == "Conv" or needed & set(node.output)
        if of_backbone or (node.op_type in _TAIL and maps >= set(node.input)):
            maps |= set(node.output)
        else:
            yield node


@contextlib.contextmanager
def _without_advice() -> Iterator[None]:
    """Silence the quantiser's advice, which is followed already; it writes to the root logger and would set it up."""
    root, silence, nobody = logging.getLogger(), (lambda record: False), logging.NullHandler()
    root.addHandler(nobody)
    root.addFilter(silence)  # what other loggers hand up passes
    try:
        yield
    finally:
        root.removeFilter(silence)
        root.removeHandler(nobody)
