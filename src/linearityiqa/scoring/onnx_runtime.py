"""Runtime of exported models: onnxruntime, without torch."""

import functools
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as native

from linearityiqa.config import ModelConfig, changed_from_defaults
from linearityiqa.errors import ConfigError, DataError, ModelFileError
from linearityiqa.quality import HEADS
from linearityiqa.record import require_model
from linearityiqa.scoring.onnx_file import IMAGES, MAP, read_onnx
from linearityiqa.sizes import check_image_size

_FATAL = 4
"""The severity from which onnxruntime logs; what fails also raises."""
_CUDA = re.compile(r"cuda(?::(\d+))?")
_ABANDONED: list[onnxruntime.InferenceSession] = []
"""Sessions of the process that this one is a fork of: to release one would wait for its threads, which are not here."""
_LOAD_FAILURES = (
    native.Fail,
    native.InvalidArgument,
    native.InvalidGraph,
    native.InvalidProtobuf,
    native.NotImplemented,
    native.RuntimeException,
)


class OnnxRuntime:
    """The network of an ONNX file that ``linearityiqa export`` wrote; arguments and errors as of `open_runtime`.

    The device auto is an NVIDIA GPU where onnxruntime has one. `precision` is ``float32`` or ``int8``.
    """

    def __init__(
        self, path: Path, *, model: ModelConfig | None = None, device: str = "auto", num_threads: int | None = None
    ) -> None:
        file = read_onnx(path)
        self._reopen = functools.partial(
            type(self), path.absolute(), model=model, device=device, num_threads=num_threads
        )
        self._path, self._has_map, self._taps = path, file.has_map, file.note.taps
        self.record, self.precision = file.note.record, file.note.precision
        require_model(self.record, changed_from_defaults(model or ModelConfig()), path)
        self._session = _open_session(path, file.content, _provider(device), num_threads)
        self._process = os.getpid()
        self.on_gpu = self._session.get_providers()[0] != "CPUExecutionProvider"

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies, and pickles for other processes, open the model file again: a session can be neither."""
        return self._reopen, ()

    def predict(self, batch: NDArray[np.float32]) -> NDArray[np.float64]:
        """Compute the raw outputs of the three heads, as `Runtime` says."""
        return np.stack(self._run(HEADS, batch), axis=1).astype(np.float64)

    def predict_with_maps(self, batch: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """Compute raw outputs and local scores, as `MapRuntime` says."""
        if not self._has_map:
            raise ModelFileError(
                f"{self._path} gives no quality map. Export the model again, with linearityiqa export --with_map."
            )
        *scores, maps = self._run((*HEADS, MAP), batch)
        return np.stack(scores, axis=1).astype(np.float64), maps

    def _run(self, outputs: tuple[str, ...], batch: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        count, _, height, width = batch.shape
        check_image_size(height, width, self.record.config.model, self._taps)
        if self._process != os.getpid():  # a fork, into which the session's threads did not come along
            _ABANDONED.append(self._session)
            vars(self).update(vars(self._reopen()))
        options = onnxruntime.RunOptions()
        options.log_severity_level = _FATAL
        options.only_execute_path_to_fetches = True  # a map that is not asked for costs nothing
        try:
            results: list[NDArray[np.float32]] = self._session.run(outputs, {IMAGES: batch}, options)
        except (native.RuntimeException, native.Fail, MemoryError) as cause:
            if "alloc" not in str(cause).lower() and not isinstance(cause, MemoryError):
                raise
            raise DataError(
                f"there is too little memory for {count} image(s) of {height} x {width}. "
                "Score smaller images (--resize), or fewer at once (--batch_size 1)."
            ) from cause
        return results


def _provider(device: str) -> tuple[str, dict[str, Any]]:
    """Return name and options of onnxruntime's provider for a device; ConfigError where it has none here."""
    gpu_here = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    named = _CUDA.fullmatch(device)
    if device == "cpu" or (device == "auto" and not gpu_here):
        return "CPUExecutionProvider", {}
    if gpu_here and (named or device == "auto"):
        return "CUDAExecutionProvider", {"device_id": int(named.group(1) or 0) if named else 0}
    remedy = " (for a GPU: pip install onnxruntime-gpu)" if named else ""
    raise ConfigError(f"an ONNX model cannot be run on device {device!r} here. Take cpu, or auto{remedy}.")


def _open_session(
    path: Path, content: bytes, provider: tuple[str, dict[str, Any]], num_threads: int | None
) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL
    options.intra_op_num_threads = num_threads or 0
    # threads that decode images need the cores while the network waits for them
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.enable_mem_pattern = False  # memory would grow with every size of image
    try:
        session = onnxruntime.InferenceSession(content, options, providers=[provider])
    except _LOAD_FAILURES as cause:
        reason = str(cause).partition("\n")[0].rstrip(".") or type(cause).__name__
        raise ModelFileError(f"{path} cannot be loaded: {reason}. Copy the file again.") from cause
    if session.get_providers()[0] != provider[0]:  # it falls back to the CPU without notice
        raise ConfigError(f"onnxruntime cannot use the GPU here ({provider[0]} does not start). Take --device cpu.")
    images, *others = session.get_inputs()
    if others or images.name != IMAGES or images.type != "tensor(float)" or len(images.shape) != 4:
        raise ModelFileError(f"{path} takes other inputs than images. Export it again with linearityiqa export.")
    return session
