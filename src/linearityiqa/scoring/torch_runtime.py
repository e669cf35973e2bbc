"""Scoring with torch: our model files and the authors' checkpoints."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from linearityiqa.config import ModelConfig, ScoringDeviceConfig, TransformConfig
from linearityiqa.errors import DataError
from linearityiqa.evaluation.device import place, prepare_device
from linearityiqa.models import LinearityIQA, open_model
from linearityiqa.models.layout import fuse_batch_norm
from linearityiqa.models.quality_map import scores_and_map
from linearityiqa.models.tensors import file_kind
from linearityiqa.quality import QualityScores
from linearityiqa.record import ModelRecord

T = TypeVar("T")


class TorchRuntime:
    """A network of a model file on one device, in evaluation mode and float32.

    Args:
        path: our .safetensors, or a .pth of the authors.
        model: architecture of a .pth; a file of ours knows its own, which this must not contradict.
        transform: transform that a .pth was trained with; a file of ours knows its own.
        device: auto (a GPU where there is one), cpu, cuda, cuda:N or mps.
        num_threads: threads of the arithmetic on a CPU, for the whole process; by default torch's choice.

    Raises:
        ModelFileError: the file is missing, damaged, unsafe or of another architecture.
        ConfigError: the device does not exist.
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
        # a transform asked for in place of our file's own is the scorer's affair, whatever the runtime
        trained = open_model(path, model=model, transform=transform if file_kind(path) == "torch" else None)
        self._record = trained.record
        self._network = place(fuse_batch_norm(trained.network.eval()), self._device)

    @property
    def record(self) -> ModelRecord:
        """Configuration, mapping and scale of the model."""
        return self._record

    @property
    def on_gpu(self) -> bool:
        """Whether the network is on a GPU."""
        return self._device.type == "cuda"

    @property
    def network(self) -> LinearityIQA:
        """The network itself, on its device, without batch normalisation in its backbone."""
        return self._network

    def predict(self, batch: NDArray[np.float32]) -> NDArray[np.float64]:
        """Raw outputs of the three heads, shape (N, 3), of normalised images, shape (N, 3, H, W).

        Raises:
            ImageTooSmallError: the network's pooling windows do not fit on H x W.
            DataError: the device has too little memory for the batch.
        """
        return _columns(self._run(self._network, batch))

    def predict_with_maps(self, batch: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """Raw outputs as of `predict`, and raw local scores of the fused head, shape (N, h, w).

        Raises:
            ImageTooSmallError: as `predict`.
            DataError: as `predict`.
        """
        scores, quality_map = self._run(functools.partial(scores_and_map, self._network), batch)
        return _columns(scores), quality_map.float().cpu().numpy()

    def _images(self, batch: NDArray[np.float32]) -> Tensor:
        return torch.from_numpy(batch).to(self._device, memory_format=torch.channels_last)

    def _run(self, function: Callable[[Tensor], T], batch: NDArray[np.float32]) -> T:
        """`function` of the batch on the device, and the reason in words where memory is too small for it."""
        try:
            with torch.inference_mode():
                return function(self._images(batch))
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
