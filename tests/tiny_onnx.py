"""A quality model of a few ONNX nodes, whose outputs `pixel_runtime.PixelRuntime` knows too."""

from pathlib import Path

import numpy as np
from onnx import GraphProto, ModelProto, TensorProto, helper, numpy_helper

from linearityiqa.config import ModelConfig, TransformConfig
from linearityiqa.quality import HEADS
from linearityiqa.scoring.onnx_file import IMAGES, MAP, NOTE_KEY, OnnxNote
from linearityiqa.sizes import TapGeometry
from pixel_runtime import make_record

TAPS = (TapGeometry(16, 0), TapGeometry(16, 0))
"""Images below 16 pixels do not fit."""


def tiny_note(**changes: object) -> OnnxNote:
    """What the tiny model says about itself."""
    record = make_record(model=ModelConfig(architecture="pixels"), transform=TransformConfig())
    return OnnxNote(**{"record": record, "taps": TAPS, **changes})


def tiny_graph(*, with_map: bool = False) -> GraphProto:
    """Stage 3 is the mean of red, stage 4 that of green, fused that of all; the map is the mean of the channels."""

    def mean_of(channel: int) -> list:
        return [
            helper.make_node("Gather", ["means", f"index{channel}"], [HEADS[channel]], axis=1),
        ]

    nodes = [
        helper.make_node("ReduceMean", [IMAGES, "pixels"], ["means"], keepdims=0),
        *mean_of(0),
        *mean_of(1),
        helper.make_node("ReduceMean", ["means", "channels"], ["fused"], keepdims=0),
    ]
    outputs = [helper.make_tensor_value_info(head, TensorProto.FLOAT, ["batch"]) for head in HEADS]
    if with_map:
        nodes.append(helper.make_node("ReduceMean", [IMAGES, "channels"], [MAP], keepdims=0))
        outputs.append(helper.make_tensor_value_info(MAP, TensorProto.FLOAT, ["batch", "height", "width"]))
    constants = {"pixels": [2, 3], "channels": [1], "index0": 0, "index1": 1}
    return helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(IMAGES, TensorProto.FLOAT, ["batch", 3, "height", "width"])],
        outputs,
        [numpy_helper.from_array(np.array(value, dtype=np.int64), name) for name, value in constants.items()],
    )


def tiny_model(*, with_map: bool = False, note: str | None = None) -> ModelProto:
    """The tiny model with a note, by default its own."""
    model = helper.make_model(tiny_graph(with_map=with_map), opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    model.metadata_props.add(key=NOTE_KEY, value=tiny_note().to_json() if note is None else note)
    return model


def write(path: Path, model: ModelProto) -> Path:
    """The file of a model."""
    path.write_bytes(model.SerializeToString())
    return path
