"""A network that needs no torch: its outputs are known functions of the pixels."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from linearityiqa.config import TrainConfig
from linearityiqa.errors import DataError, ImageTooSmallError
from linearityiqa.mapping import LinearMapping
from linearityiqa.quality import QualityScale, QualityScores
from linearityiqa.record import ModelRecord

MAPPING = QualityScores(LinearMapping(2.0, 1.0), LinearMapping(-1.0, 0.5), LinearMapping(10.0, 50.0))
SCALE = QualityScale(low=1, high=100)


def make_record(scale: QualityScale | None = SCALE, **config: object) -> ModelRecord:
    """A record with known mappings; `config` are groups of options."""
    return ModelRecord(
        config=TrainConfig(**config),
        mapping=MAPPING,
        scale=scale,
        database="photos",
        epoch=1,
        opinions=True,
        software="test 1",
    )


class FunctionRuntime:
    """A network of one function from a batch to the outputs of the heads."""

    on_gpu = False

    def __init__(self, predict: Callable[[NDArray[np.float32]], NDArray[np.float64]], **record: object) -> None:
        self.predict, self.record = predict, make_record(**record)


class PixelRuntime:
    """Stage 3 is the mean of red, stage 4 that of green, fused that of all; images below 16 pixels do not fit."""

    on_gpu = False

    def __init__(self, record: ModelRecord | None = None, capacity: int = 10**9) -> None:
        self.record = record or make_record()
        self.capacity = capacity
        self.batches: list[tuple[int, ...]] = []

    def predict(self, batch: NDArray[np.float32]) -> NDArray[np.float64]:
        if min(batch.shape[2:]) < 16:
            raise ImageTooSmallError(f"images of {batch.shape[2]} x {batch.shape[3]} are too small for the network")
        if len(batch) > self.capacity:
            raise DataError("too little memory")
        self.batches.append(batch.shape)
        means = batch.astype(np.float64).mean(axis=(2, 3))
        return np.stack([means[:, 0], means[:, 1], means.mean(axis=1)], axis=1)

    def predict_with_maps(self, batch: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """The map holds the mean of each quarter of the image."""
        height, width = batch.shape[2] // 2 * 2, batch.shape[3] // 2 * 2
        quarters = batch[..., :height, :width].reshape(len(batch), 3, 2, height // 2, 2, width // 2)
        return self.predict(batch), quarters.mean(axis=(1, 3, 5), dtype=np.float32)
