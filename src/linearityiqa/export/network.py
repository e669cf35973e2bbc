"""Conversion of a network of torch to an ONNX model for any number of images of any size, and its quantisation."""

import contextlib
import copy
import functools
import io
import logging
import tempfile
import warnings
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxscript import opset18
from torch import Tensor, nn

from linearityiqa.models.backbones import TimmBackbone
from linearityiqa.models.heads import FeatureReduction, ScoreHead, StageHead
from linearityiqa.models.network import LinearityIQA, scores_and_map
from linearityiqa.quality import HEADS
from linearityiqa.scoring.onnx_file import IMAGES, MAP
from linearityiqa.sizes import smallest_pixels

OPSET = 18
"""Version of ONNX's operators: onnxruntime knows it since 1.15."""
IR_VERSION = 9
"""Version of the file's layout, for the sake of onnxruntime 1.18."""
FEWEST_TO_HALVE = 64
"""Smaller tensors, such as sizes and biases, stay as they are."""
EXAMPLE = (2, 3, 160, 224)
"""Shape of the images that the network is traced with; any would do that no network refuses."""
AXES = {0: "batch", 2: "height", 3: "width"}
"""The free axes of the images."""
_TAIL = frozenset(("Add", "Clip", "Concat", "HardSwish", "Mul", "Relu", "Sigmoid"))
"""Operators that may follow a backbone's last convolution before the pooling of its maps."""
_ON_MAPS = (_TAIL - {"Sigmoid"}) | {"AveragePool", "Conv", "MaxPool", "Reshape", "Split", "Transpose"}
"""Operators of a backbone that are quantised."""


def to_onnx(network: LinearityIQA, *, with_map: bool) -> ModelProto:
    """Convert a network in evaluation mode to an ONNX model, without a note.

    The input is called `IMAGES`, the outputs are called after the heads, and the quality map `MAP`. Batch
    normalisation is folded into the layer before it, and consecutive linear layers of a head become one. The network,
    on the CPU, is not changed.
    """
    network = _with_folded_heads(network)
    if isinstance(network.backbone, TimmBackbone):
        _hide_same_padding(network.backbone)
    levels = (network.config.P6, network.config.P7)
    height, width = (smallest_pixels(side, network.taps, levels) for side in EXAMPLE[2:])
    example = torch.zeros(*EXAMPLE[:2], height, width)
    exported = AllOutputs(network, with_map=with_map).eval()
    with _quietly():
        any_size = {IMAGES: dict.fromkeys(AXES, torch.export.Dim.DYNAMIC)}
        program = torch.export.export(exported, (example,), dynamic_shapes=any_size, strict=False)
        converted = torch.onnx.export(
            program,
            (),
            dynamo=True,
            input_names=[IMAGES],
            output_names=[*HEADS, MAP] if with_map else [*HEADS],
            opset_version=OPSET,
            optimize=True,
            verbose=False,
            custom_translation_table={torch.ops.linearityiqa.same_convolution.default: _onnx_same_convolution},
        )
    if converted is None:
        raise RuntimeError("the exporter of torch gave no model")
    return _tidied(converted.model_proto)


class AllOutputs(nn.Module):
    """A network with plain outputs: the scores in the order of `HEADS`, then the map where it is asked for."""

    def __init__(self, network: LinearityIQA, *, with_map: bool) -> None:
        super().__init__()
        self.network = network
        self.with_map = with_map

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:  # noqa: D102
        if not self.with_map:
            return tuple(self.network(images))
        scores, quality_map = scores_and_map(self.network, images)
        return (*scores, quality_map)


def fold(layers: Iterable[nn.Module]) -> nn.Linear:
    """Fold linear layers and batch normalisations in a row, in evaluation mode, into one linear layer.

    The first layer is a linear one. Float64 leaves only the rounding of float32 sums to differ.
    """
    first, *others = (copy.deepcopy(layer).double().eval() for layer in layers)
    if not isinstance(first, nn.Linear):
        raise TypeError(f"a chain of layers must start with a linear one, not with {type(first).__name__}")
    rest = nn.Sequential(*others)
    with torch.no_grad():
        bias = rest(first.bias[None])
        weight = rest(first.weight.T) - rest(torch.zeros_like(first.bias)[None])
        folded = nn.Linear(first.in_features, bias.shape[1])
        folded.weight.copy_(weight.T)
        folded.bias.copy_(bias[0])
    return folded


def _with_folded_heads(network: LinearityIQA) -> LinearityIQA:
    """Copy a network, with one linear layer wherever a head has several, or batch normalisation, in a row."""
    network = copy.deepcopy(network).eval()
    for part in list(network.modules()):
        if isinstance(part, StageHead):
            *linear, activation = part.reduce
            part.reduce = cast(FeatureReduction, nn.Sequential(fold(linear), activation))
        elif isinstance(part, ScoreHead) and part.norm is not None:
            part.linear, part.norm = fold([part.linear, part.norm]), None
    return network


@torch.library.custom_op(
    "linearityiqa::same_convolution",
    mutates_args=(),
    # spelled out: torch 2.6 cannot infer it from list[int]
    schema="(Tensor images, Tensor weight, Tensor? bias, int[] stride, int[] dilation, int groups) -> Tensor",
)
def _same_convolution(
    images: Tensor, weight: Tensor, bias: Tensor | None, stride: list[int], dilation: list[int], groups: int
) -> Tensor:
    """A convolution padded as TensorFlow's SAME: the output has 1/stride of the input's size, rounded up."""
    from timm.layers.conv2d_same import conv2d_same

    (down, right), (rows, columns) = stride, dilation
    same: Tensor = conv2d_same(images, weight, bias, (down, right), (0, 0), (rows, columns), groups)
    return same


@_same_convolution.register_fake
def _(
    images: Tensor, weight: Tensor, bias: Tensor | None, stride: list[int], dilation: list[int], groups: int
) -> Tensor:
    height, width = ((side + step - 1) // step for side, step in zip(images.shape[2:], stride, strict=True))
    return images.new_empty(images.shape[0], weight.shape[0], height, width)


def _onnx_same_convolution(
    images: Any, weight: Any, bias: Any, stride: list[int], dilation: list[int], groups: int
) -> Any:
    """Convert SAME padding to the attribute of ONNX's convolution."""
    return opset18.Conv(images, weight, bias, auto_pad="SAME_UPPER", strides=stride, dilations=dilation, group=groups)


def _hide_same_padding(backbone: TimmBackbone) -> None:
    """Have TensorFlow's SAME padding exported as one operator.

    timm computes how much to pad from the size of its input; where that is free, the exporter nests the sizes of all
    layers before into one expression, whose simplification takes it hours.
    """
    from timm.layers.conv2d_same import Conv2dSame

    def forward(layer: nn.Conv2d, images: Tensor) -> Tensor:
        padded: Tensor = _same_convolution(
            images, layer.weight, layer.bias, list(layer.stride), list(layer.dilation), layer.groups
        )
        return padded

    for layer in backbone.modules():
        if isinstance(layer, Conv2dSame):
            setattr(layer, "forward", functools.partial(forward, layer))  # noqa: B010  (to mypy a method is no attribute)


def stored_in_float16(model: ModelProto) -> ModelProto:
    """Copy a model with its weights stored in float16, each made float32 again when the file is loaded."""
    half = ModelProto()
    half.CopyFrom(model)
    casts = []
    for tensor in half.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < FEWEST_TO_HALVE:
            continue
        if np.abs(values).max() > np.finfo(np.float16).max:
            continue  # no network of ours has such weights
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name} in float16"))
        casts.append(helper.make_node("Cast", [tensor.name], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *half.graph.node]
    half.graph.ClearField("node")
    half.graph.node.extend(nodes)
    return half


def _tidied(model: ModelProto) -> ModelProto:
    """Remove what the exporter notes of this machine's source files, and name the free axes."""
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.initializer, *graph.value_info, *graph.input, *graph.output):
        part.ClearField("doc_string")
        if "metadata_props" in part.DESCRIPTOR.fields_by_name:
            part.ClearField("metadata_props")
    for axis, name in AXES.items():
        graph.input[0].type.tensor_type.shape.dim[axis].dim_param = name
    for output in graph.output:
        shape = output.type.tensor_type.shape
        names = ("batch", "map_height", "map_width")
        for dimension, name in zip(shape.dim, names, strict=False):
            dimension.dim_param = name
    graph.ClearField("value_info")
    graph.name = model.producer_name = "linearityiqa"
    model.producer_version = version("linearityiqa")
    model.ir_version = IR_VERSION
    return model


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Silence the progress, notices and warnings of the exporter, which say nothing to a user."""
    loggers = [logging.getLogger(name) for name in ("torch", "torch.onnx", "torch.export", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    sink = io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(sink), contextlib.redirect_stderr(sink):
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


def quantised(model: ModelProto, batches: Iterable[NDArray[np.float32]], *, first_in_float: int = 0) -> ModelProto:
    """Quantise the backbone of a model to 8-bit integers (quantise-dequantise pairs around the operators of ONNX).

    Activations have 8 bits and a zero point; weights have 7 bits and a scale a channel. With 7 bits the sums of two
    products fit into the 16 bits that processors without VNNI add them in: with 8, they saturate. Pooling and heads
    stay in float32: they are a thousandth of the arithmetic, and their outputs would come in steps of a 256th. The
    ranges are those of `batches`: normalised photographs, shape (1, 3, H, W). The first convolutions stay in float32
    where `first_in_float` says so.
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
            nodes_to_exclude=[node.name for node in (*_first(model, first_in_float), *_behind_the_maps(model))],
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


def _first(model: ModelProto, convolutions: int) -> Iterator[NodeProto]:
    """Yield the nodes before the convolution that follows so many others."""
    seen = 0
    for node in model.graph.node:
        seen += node.op_type == "Conv"
        if seen > convolutions:
            return
        yield node


def _behind_the_maps(model: ModelProto) -> Iterator[NodeProto]:
    """Yield the nodes that work on pooled features, and those that only serve them."""
    nodes = list(model.graph.node)
    needed: set[str] = set()  # values that a convolution depends on
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
    root, silence, no_output = logging.getLogger(), (lambda record: False), logging.NullHandler()
    root.addHandler(no_output)
    root.addFilter(silence)  # records of other loggers pass
    try:
        yield
    finally:
        root.removeFilter(silence)
        root.removeHandler(no_output)
