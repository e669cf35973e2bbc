"""Runtime of our model files and the authors' checkpoints by torch; and ONNX files as networks of torch, for tests."""

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from linearityiqa.config import ModelConfig, ScoringDeviceConfig, TestConfig, TransformConfig
from linearityiqa.errors import ConfigError, DataError
from linearityiqa.models import open_model
from linearityiqa.models.device import fuse_batch_norm, parallel_batches, place, prepare_device
from linearityiqa.models.network import scores_and_map
from linearityiqa.quality import QualityScores
from linearityiqa.record import with_transform

if TYPE_CHECKING:
    from linearityiqa.evaluation.testing import ReadyModel
    from linearityiqa.scoring.onnx_runtime import OnnxRuntime

T = TypeVar("T")


class TorchRuntime:
    """The network of a .safetensors or .pth file on one device, in evaluation mode and float32.

    Arguments and errors are those of `open_runtime`. The batch normalisation of the backbone is fused.
    """

    def __init__(
        self,
        path: Path,
        *,
        model: ModelConfig | None = None,
        transform: TransformConfig | None = None,
        device: str = "auto",
        num_threads: int | None = None,
    ) -> None:
        self._device = prepare_device(ScoringDeviceConfig(device=device, num_threads=num_threads))
        trained = open_model(path, model=model, transform=transform)
        self.record = trained.record
        self.on_gpu = self._device.type == "cuda"
        self.network = place(fuse_batch_norm(trained.network.eval()), self._device)
        self._process = os.getpid()
        self._reopen = functools.partial(
            type(self), path.absolute(), model=model, transform=transform, device=device, num_threads=num_threads
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies, and pickles for other processes, open the model file again, on a device that they have."""
        return self._reopen, ()

    def predict(self, batch: NDArray[np.float32]) -> NDArray[np.float64]:
        """Compute the raw outputs of the three heads, as `Runtime` says."""
        return _columns(self._run(self.network, batch))

    def predict_with_maps(self, batch: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """Compute raw outputs and local scores, as `MapRuntime` says."""
        scores, quality_map = self._run(functools.partial(scores_and_map, self.network), batch)
        return _columns(scores), quality_map.float().cpu().numpy()

    def _after_fork(self) -> None:
        """Compute in the one thread that a forked process has: waiting for the others would never end."""
        if self.on_gpu:
            raise ConfigError(
                "a model on a GPU cannot be used in a fork of the process that opened it. Open it in each process, or "
                "start them with multiprocessing.get_context('spawn')."
            )
        torch.set_num_threads(1)
        self._process = os.getpid()

    def _run(self, function: Callable[[Tensor], T], batch: NDArray[np.float32]) -> T:
        """Run `function` on the batch on the device; DataError where memory is too small for it."""
        if self._process != os.getpid():
            self._after_fork()
        try:
            with torch.inference_mode():
                return function(torch.from_numpy(batch).to(self._device, memory_format=torch.channels_last))
        except RuntimeError as cause:
            if not (isinstance(cause, torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(cause)):
                raise
            count, _, height, width = batch.shape
            raise DataError(
                f"{self._device} has too little memory for {count} image(s) of {height} x {width}. "
                "Score smaller images (--resize), fewer at once (--batch_size 1), or on --device cpu."
            ) from cause


def _columns(scores: QualityScores[Tensor]) -> NDArray[np.float64]:
    # float32 before the copy: not every accelerator has float64
    columns: NDArray[np.float32] = torch.stack(tuple(scores), dim=1).float().cpu().numpy()
    return columns.astype(np.float64)


class OnnxNetwork(nn.Module):
    """The network of an ONNX file as one of torch."""

    def __init__(self, runtime: "OnnxRuntime") -> None:
        super().__init__()
        self._runtime = runtime

    def forward(self, images: Tensor) -> QualityScores[Tensor]:
        """Raw outputs of the three heads, shape (N,), of normalised images, shape (N, 3, H, W)."""
        scores = self._runtime.predict(images.cpu().contiguous().numpy())
        return QualityScores(*torch.from_numpy(scores).T)


def open_onnx(config: TestConfig, model_file: Path, device: torch.device) -> "ReadyModel":
    """Open an ONNX file of ours as the options of a test say; ConfigError where onnxruntime is asked to compile."""
    from linearityiqa.evaluation.testing import ReadyModel, asked_transform
    from linearityiqa.scoring.onnx_runtime import OnnxRuntime

    if config.device.compile:
        raise ConfigError("--compile is for networks of torch: leave it out for an ONNX file")
    threads = max(1, torch.get_num_threads() // parallel_batches(device))
    runtime = OnnxRuntime(model_file, model=config.model, device=config.device.device, num_threads=threads)
    record = with_transform(runtime.record, asked_transform(config))
    return ReadyModel(OnnxNetwork(runtime), record, runtime.precision)
