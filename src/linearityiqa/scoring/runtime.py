"""Interface of the runtimes that compute a network, and the choice of one for a model file."""

from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from linearityiqa.config import ModelConfig, TransformConfig
from linearityiqa.errors import ModelFileError
from linearityiqa.extras import require
from linearityiqa.files import file_kind
from linearityiqa.record import ModelRecord

HOW_TO_GET_A_MODEL = (
    "Train one (linearityiqa train, or linearityiqa demo, which takes minutes and no data), download one of the "
    "authors' checkpoints, e.g. p1q2.pth (the README says where they are and which options they need), or name none "
    "and score with the model in the package."
)
"""Remedy where a model file is not named or not there."""


class Runtime(Protocol):
    """A network that is ready to run; the scorer needs no more of it than this."""

    @property
    def record(self) -> ModelRecord:
        """Configuration, mapping and scale of the model."""
        ...

    @property
    def on_gpu(self) -> bool:
        """Whether a GPU computes, which wants larger batches than a CPU."""
        ...

    def predict(self, batch: NDArray[np.float32]) -> NDArray[np.float64]:
        """Compute the raw outputs of the three heads.

        Args:
            batch: normalised images of one size, shape (N, 3, H, W).

        Returns:
            Shape (N, 3), columns in the order of `linearityiqa.quality.HEADS`; a row depends on its image only.

        Raises:
            ImageTooSmallError: the network's pooling windows do not fit on H x W.
            DataError: the batch cannot be run, e.g. for lack of memory.
        """
        ...


@runtime_checkable
class MapRuntime(Runtime, Protocol):
    """A runtime that also gives quality maps."""

    def predict_with_maps(self, batch: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """Compute raw outputs as `predict` does, and raw local scores of the fused head, shape (N, h, w).

        The cells of the map cover the image evenly (`linearityiqa.models.network`). ModelFileError: the model file
        gives no map; says how to make one that does.
        """
        ...


def open_runtime(
    path: Path,
    *,
    model: ModelConfig | None = None,
    transform: TransformConfig | None = None,
    device: str = "auto",
    num_threads: int | None = None,
) -> Runtime:
    """Open a model file with the runtime for it.

    Args:
        path: our .safetensors or .onnx, or a .pth of the authors.
        model: architecture of a .pth; a file of ours knows its own, which this must not contradict.
        transform: transform that a .pth was trained with; a file of ours knows its own.
        device: auto, cpu, cuda, cuda:N or mps.
        num_threads: threads of the arithmetic on a CPU; by default the runtime's choice.

    Raises:
        ModelFileError: the file is missing, damaged, unsafe or of another architecture.
        MissingExtraError: what runs the file is not installed.
        ConfigError: the device does not exist.
    """
    if not path.exists():
        raise ModelFileError(f"there is no model file {path}. {HOW_TO_GET_A_MODEL}")
    if path.suffix.lower() == ".onnx":
        from linearityiqa.scoring.onnx_runtime import OnnxRuntime

        return OnnxRuntime(path, model=model, device=device, num_threads=num_threads)
    file_kind(path)  # refuses other files, also where torch is not installed
    require("torch", "train")
    from linearityiqa.scoring.torch_runtime import TorchRuntime

    return TorchRuntime(path, model=model, transform=transform, device=device, num_threads=num_threads)
