"""From images of one size to results: the network, the mapping to MOS, and what was asked for beside."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from linearityiqa.errors import ConfigError, DataError, ImageTooSmallError
from linearityiqa.quality import HEADS, QualityScores
from linearityiqa.record import ModelRecord
from linearityiqa.scoring.batching import Slot
from linearityiqa.scoring.prepared import PreprocessedImage, stack
from linearityiqa.scoring.quality_map import QualityMap
from linearityiqa.scoring.results import Details, ImageScore
from linearityiqa.scoring.runtime import MapRuntime, Runtime

CROP = 7 / 8
"""Sides of a crop, as a share of the image's."""


def views(batch: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """The mirror images of a batch (N, 3, H, W), and its crops at the four corners, unscaled."""
    yield batch[..., ::-1]
    height, width = (max(1, int(CROP * side)) for side in batch.shape[2:])
    for rows in (slice(None, height), slice(-height, None)):
        for columns in (slice(None, width), slice(-width, None)):
            yield batch[..., rows, columns]


def spread(
    batch: NDArray[np.float32],
    scores: NDArray[np.float64],
    predict: Callable[[NDArray[np.float32]], NDArray[np.float64]],
) -> NDArray[np.float64]:
    """Standard deviation (population) of each image's score over six views: itself, its mirror image, four crops.

    The crops have 7/8 of the height and of the width, lie in the corners and are not rescaled: resampling would
    change the quality. The spread says how much the score hangs on framing; it is no confidence interval of the MOS.

    Args:
        batch: normalised images, shape (N, 3, H, W).
        scores: their own scores, shape (N,).
        predict: scores (N,) of a contiguous batch of any size.

    Returns:
        Shape (N,), on the scale of the scores; not a number where the crops are too small for the network.
    """
    try:
        others = [predict(np.ascontiguousarray(view)) for view in views(batch)]
    except ImageTooSmallError:
        return np.full(len(batch), np.nan)
    deviations: NDArray[np.float64] = np.std([scores, *others], axis=0)
    return deviations


_FUSED = HEADS.index("fused")
_NOT_FINITE = "the model's score of this image is not finite. Check the model's weights, or score on --device cpu."


class Inference:
    """What a runtime says of images, on the scale of the model.

    Args:
        runtime: runs the network; several threads may call it.
        record: holds the mapping and the scale.
    """

    def __init__(self, runtime: Runtime, record: ModelRecord) -> None:
        self._runtime = runtime
        self._record = record

    def score(self, image: PreprocessedImage) -> float:
        """The quality of one image.

        Raises:
            ImageTooSmallError: the network's pooling windows do not fit on the image.
            DataError: the device has too little memory for the image, or the score is not finite.
        """
        scores = self._mapped(self._runtime.predict(stack([image], self._record.normalisation)))
        if not np.isfinite(scores).all():
            raise DataError(_NOT_FINITE)
        return float(scores[0, _FUSED])

    def of_slots(self, details: Details) -> Callable[[list[Slot]], list[Slot]]:
        """What finishes the slots of one batch, with scores or with the reason why there are none, and gives them.

        Raises:
            ConfigError: quality maps are asked of a runtime that gives none.
        """
        if details.maps and not isinstance(self._runtime, MapRuntime):
            raise ConfigError("this runtime gives no quality map: it has no method predict_with_maps")

        def finish(slots: list[Slot]) -> list[Slot]:
            images = [slot.image for slot in slots if slot.image is not None]
            if not images:  # it could not be decoded
                return slots
            try:
                results = self._results(images, details)
            except ImageTooSmallError as cause:
                results = [_failed(image, cause) for image in images]
            except DataError as cause:
                if len(slots) > 1:  # what does not fit into memory together may fit one by one
                    for slot in slots:
                        finish([slot])
                    return slots
                results = [_failed(images[0], cause)]
            for slot, result in zip(slots, results, strict=True):
                slot.finish(result)
            return slots

        return finish

    def _results(self, images: Sequence[PreprocessedImage], details: Details) -> list[ImageScore]:
        batch = stack(images, self._record.normalisation)
        maps: NDArray[np.float32] | None = None
        if details.maps and isinstance(self._runtime, MapRuntime):
            raw, maps = self._runtime.predict_with_maps(batch)
        else:
            raw = self._runtime.predict(batch)
        scores = self._mapped(raw)
        spreads = spread(batch, scores[:, _FUSED], self._fused) if details.uncertainty else None
        return [
            self._result(
                image,
                QualityScores(*scores[i].tolist()),
                None if spreads is None else float(spreads[i]),
                None if maps is None else self._map(maps[i], image),
            )
            for i, image in enumerate(images)
        ]

    def _result(
        self,
        image: PreprocessedImage,
        scores: QualityScores[float],
        uncertainty: float | None,
        quality_map: QualityMap | None,
    ) -> ImageScore:
        if not np.isfinite(scores).all():
            return _failed(image, _NOT_FINITE)
        scale = self._record.scale
        return ImageScore(
            image.name,
            score=scores.fused,
            stage3=scores.stage3,
            stage4=scores.stage4,
            uncertainty=uncertainty if uncertainty is not None and np.isfinite(uncertainty) else None,
            on_scale=None if scale is None else scale.contains(scores.fused),
            notes=image.notes,
            quality_map=quality_map,
            thumbnail=image.thumbnail,
        )

    def _map(self, raw: NDArray[np.float32], image: PreprocessedImage) -> QualityMap:
        return QualityMap(
            self._record.mapping.fused(raw).astype(np.float32), image.image, self._record.scale, image.native
        )

    def _mapped(self, raw: NDArray[np.float64]) -> NDArray[np.float64]:
        """Raw outputs of the heads, shape (N, 3), mapped to MOS."""
        return np.stack([line(outputs) for line, outputs in zip(self._record.mapping, raw.T, strict=True)], axis=1)

    def _fused(self, batch: NDArray[np.float32]) -> NDArray[np.float64]:
        return self._mapped(self._runtime.predict(batch))[:, _FUSED]


def _failed(image: PreprocessedImage, cause: DataError | str) -> ImageScore:
    return ImageScore(image.name, notes=image.notes, error=str(cause), thumbnail=image.thumbnail)
