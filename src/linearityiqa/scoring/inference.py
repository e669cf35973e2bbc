"""Scores of many images in bounded memory: batches of one size, the network, results in the order of the images."""

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from linearityiqa.errors import ConfigError, DataError, ImageTooSmallError
from linearityiqa.machine import MAX_PIXELS_PER_BATCH, BatchLimit, batches_by_size
from linearityiqa.quality import HEADS, QualityScores
from linearityiqa.record import ModelRecord
from linearityiqa.scoring.pictures import QualityMap
from linearityiqa.scoring.prepared import PreprocessedImage, stack
from linearityiqa.scoring.results import Details, ImageScore
from linearityiqa.scoring.runtime import MapRuntime, Runtime

WINDOW_BATCHES = 4
"""Most images that wait for others of their size, in batches."""
WAITING_PIXELS = WINDOW_BATCHES * MAX_PIXELS_PER_BATCH
"""Most pixels of decoded images that wait."""
CROP = 7 / 8
"""Sides of a crop as a share of the image's."""

Batch = Sequence[tuple[int, PreprocessedImage | ImageScore]]
"""Images of one size, each with its number among all images; or one that could not be decoded, which has its result."""
Results = Sequence[tuple[int, ImageScore]]

_FUSED = HEADS.index("fused")
_NOT_FINITE = "the model's score of this image is not finite. Check the model's weights, or score on --device cpu."


def in_batches(images: Iterable[PreprocessedImage | ImageScore], limit: BatchLimit) -> Iterator[Batch]:
    """Group images of one size into batches; the result of an image that could not be decoded is a batch by itself.

    `images` is read only as far ahead as `WINDOW_BATCHES` and `WAITING_PIXELS` allow.
    """

    def size_of(image: PreprocessedImage | ImageScore) -> tuple[int, int] | None:
        return None if isinstance(image, ImageScore) else image.size

    return batches_by_size(images, size_of, limit, BatchLimit(WINDOW_BATCHES * limit.images, WAITING_PIXELS))


def in_order(batches: Iterable[Results]) -> Iterator[ImageScore]:
    """Yield the results of all batches in the order of the images."""
    results: dict[int, ImageScore] = {}
    due = 0
    for batch in batches:
        results.update(batch)
        while due in results:
            yield results.pop(due)
            due += 1


def views(batch: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """Yield the mirror images of a batch (N, 3, H, W), and its crops at the four corners, unscaled."""
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
    """Return the standard deviation (population) of each image's score over itself, its mirror image and four crops.

    The corner crops have 7/8 of the height and of the width and are not rescaled: resampling would change the quality.
    The spread says how much the score depends on framing; it is no confidence interval of the MOS. `predict` gives the
    scores (N,) of a contiguous batch; the spread (N,) is nan where the crops are too small for the network.
    """
    try:
        others = [predict(np.ascontiguousarray(view)) for view in views(batch)]
    except ImageTooSmallError:
        return np.full(len(batch), np.nan)
    deviations: NDArray[np.float64] = np.std([scores, *others], axis=0)
    return deviations


class Inference:
    """Scores of a runtime on the scale of the model; several threads may call it."""

    def __init__(self, runtime: Runtime, record: ModelRecord) -> None:
        self.runtime = runtime
        self._record = record

    def score(self, image: PreprocessedImage) -> float:
        """Score one image; raises as `Scorer.score`."""
        scores = self._mapped(self.runtime.predict(stack([image], self._record.normalisation)))
        if not np.isfinite(scores).all():
            raise DataError(_NOT_FINITE)
        return float(scores[0, _FUSED])

    def of_batches(self, details: Details) -> Callable[[Batch], Results]:
        """Return a function that scores a batch; an image that cannot be scored gets a result with the reason."""
        if details.maps and not isinstance(self.runtime, MapRuntime):
            raise ConfigError("this runtime gives no quality map: it has no method predict_with_maps")

        def score(batch: Batch) -> Results:
            undecoded = [(number, image) for number, image in batch if isinstance(image, ImageScore)]
            if undecoded:
                return undecoded
            numbers, images = zip(*batch, strict=True)
            try:
                results = self._results(images, details)
            except ImageTooSmallError as cause:
                results = [_failed(image, cause) for image in images]
            except DataError as cause:
                if len(batch) > 1:  # images that do not fit into memory together may fit one by one
                    return [result for item in batch for result in score([item])]
                results = [_failed(images[0], cause)]
            return list(zip(numbers, results, strict=True))

        return score

    def _results(self, images: Sequence[PreprocessedImage], details: Details) -> list[ImageScore]:
        batch = stack(images, self._record.normalisation)
        maps: NDArray[np.float32] | None = None
        if details.maps and isinstance(self.runtime, MapRuntime):
            raw, maps = self.runtime.predict_with_maps(batch)
        else:
            raw = self.runtime.predict(batch)
        scores = self._mapped(raw)
        spreads = np.full(len(images), np.nan)
        if details.uncertainty:
            spreads = spread(batch, scores[:, _FUSED], lambda view: self._mapped(self.runtime.predict(view))[:, _FUSED])
        results = []
        for i, image in enumerate(images):
            local = None if maps is None else self._map(maps[i], image)
            results.append(self._result(image, QualityScores(*scores[i].tolist()), float(spreads[i]), local))
        return results

    def _result(
        self, image: PreprocessedImage, scores: QualityScores[float], uncertainty: float, local: QualityMap | None
    ) -> ImageScore:
        if not np.isfinite(scores).all():
            return _failed(image, _NOT_FINITE)
        scale = self._record.scale
        return ImageScore(
            image.name,
            score=scores.fused,
            stage3=scores.stage3,
            stage4=scores.stage4,
            uncertainty=uncertainty if np.isfinite(uncertainty) else None,
            on_scale=None if scale is None else scale.contains(scores.fused),
            notes=image.notes,
            quality_map=local,
            thumbnail=image.thumbnail,
            look=image.look,
            quality=self._record.grade(scores.fused),
        )

    def _map(self, raw: NDArray[np.float32], image: PreprocessedImage) -> QualityMap:
        values = self._record.mapping.fused(raw).astype(np.float32)
        return QualityMap(values, image.image, self._record.scale, image.native)

    def _mapped(self, raw: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map raw outputs of the heads, shape (N, 3), to MOS."""
        return np.stack([line(outputs) for line, outputs in zip(self._record.mapping, raw.T, strict=True)], axis=1)


def _failed(image: PreprocessedImage, cause: DataError | str) -> ImageScore:
    return ImageScore(image.name, notes=image.notes, error=str(cause), thumbnail=image.thumbnail)
