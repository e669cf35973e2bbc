"""Scoring with torch: our model files and the authors' checkpoints."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from linearityiqa.config import DeviceConfig, ModelConfig, TransformConfig
from linearityiqa.errors import DataError
from linearityiqa.evaluation.device import prepare_device
from linearityiqa.models import open_model
from linearityiqa.models.tensors import file_kind
from linearityiqa.quality import QualityScores
from linearityiqa.record import ModelRecord


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
        self._device = prepare_device(DeviceConfig(device=device, num_threads=num_threads))
        # a transform asked for in place of our file's own is the scorer's affair, whatever the runtime
        trained = open_model(path, model=model, transform=transform if file_kind(path) == "torch" else None)
        self._record = trained.record
        self._network = trained.network.to(self._device).eval()

    @property
    def record(self) -> ModelRecord:
        """Configuration, mapping and scale of the model."""
        return self._record

    def predict(self, batch: NDArray[np.float32]) -> NDArray[np.float64]:
        """Raw outputs of the three heads, shape (N, 3), of normalised images, shape (N, 3, H, W).

        Raises:
            ImageTooSmallError: the network's pooling windows do not fit on H x W.
            DataError: the device has too little memory for the batch.
        """
        try:
            with torch.inference_mode():
                outputs: QualityScores[torch.Tensor] = self._network(torch.from_numpy(batch).to(self._device))
                # float32 before the copy: not every accelerator has float64
                columns: NDArray[np.float32] = torch.stack(tuple(outputs), dim=1).float().cpu().numpy()
        except RuntimeError as cause:
            if not (isinstance(cause, torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(cause)):
                raise
            count, _, height, width = batch.shape
            raise DataError(
                f"{self._device} has too little memory for {count} image(s) of {height} x {width}. "
                "Score smaller images (--resize), fewer at once (--batch_size 1), or on --device cpu."
            ) from cause
        return columns.astype(np.float64)
