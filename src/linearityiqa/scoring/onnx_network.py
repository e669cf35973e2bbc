"""An ONNX model as a network of torch, so that it is tested as any other."""

from pathlib import Path

import torch
from torch import Tensor, nn

from linearityiqa.config import TestConfig
from linearityiqa.errors import ConfigError
from linearityiqa.evaluation.device import lanes_of
from linearityiqa.evaluation.testing import ReadyModel, asked_transform
from linearityiqa.models.files import with_transform
from linearityiqa.quality import QualityScores
from linearityiqa.scoring.onnx_runtime import OnnxRuntime


class OnnxNetwork(nn.Module):
    """A network that onnxruntime computes."""

    def __init__(self, runtime: OnnxRuntime) -> None:
        super().__init__()
        self._runtime = runtime

    def forward(self, images: Tensor) -> QualityScores[Tensor]:
        """Raw outputs of the three heads, shape (N,), of normalised images, shape (N, 3, H, W)."""
        scores = self._runtime.predict(images.cpu().contiguous().numpy())
        return QualityScores(*torch.from_numpy(scores).T)


def open_onnx(config: TestConfig, model_file: Path, device: torch.device) -> ReadyModel:
    """Open an ONNX file of ours as the options of a test say.

    Raises:
        ModelFileError: the file cannot be used.
        ConfigError: onnxruntime lacks the device, or is to compile.
    """
    if config.device.compile:
        raise ConfigError("--compile is for networks of torch: leave it out for an ONNX file")
    runtime = OnnxRuntime(
        model_file,
        model=config.model,
        device=config.device.device,
        num_threads=max(1, torch.get_num_threads() // lanes_of(device)),
    )
    record = with_transform(runtime.record, asked_transform(config), model_file)
    return ReadyModel(OnnxNetwork(runtime), record, runtime.precision)
