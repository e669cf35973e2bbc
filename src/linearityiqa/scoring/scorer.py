"""A trained model that scores photographs: one, or any number."""

import logging
import os
from collections.abc import Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from linearityiqa.config import AugmentationConfig, ModelConfig, TransformConfig
from linearityiqa.config.checks import require_options
from linearityiqa.data.workers import default_workers
from linearityiqa.errors import DataError, ImageTooSmallError, UnreadableImageError
from linearityiqa.images import DEFAULT_MAX_PIXELS, ImageTransform, decode, to_rgb
from linearityiqa.quality import QualityScores
from linearityiqa.record import ModelRecord
from linearityiqa.scoring.batching import Slot, Window, ahead
from linearityiqa.scoring.results import ImageScore
from linearityiqa.scoring.runtime import Runtime, open_runtime

logger = logging.getLogger(__name__)

ImageLike = Path | str | bytes | Image.Image | NDArray[np.uint8]
"""An image file by its path, an encoded image, a Pillow image, or RGB values of shape (H, W, 3)."""


class Scorer:
    """Scores images with a trained model, on the scale of the database that it was trained on.

    The EXIF orientation is applied, and scores are never clipped to the scale. Several threads may use one scorer.

    Args:
        path: a model file (our .safetensors, or a .pth of the authors), or a `Runtime` that is already open.
        model: architecture of a .pth; a file of ours knows its own, which this must not contradict.
        transform: what is done to an image before the network sees it; by default what the model was trained with.
        device: auto (a GPU where there is one), cpu, cuda, cuda:N or mps.
        batch_size: most images that `score_many` gives the network at once.
        num_workers: threads that decode; by default one a core, at most 8.
        num_threads: threads of the arithmetic on a CPU, for the whole process; by default the runtime's choice.
        max_pixels: larger images are refused before they are decoded.

    Raises:
        ModelFileError: the model file is missing, damaged, unsafe or of another architecture.
        MissingExtraError: what runs the model is not installed.
        ConfigError: an option that cannot mean anything, or a device that does not exist.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | Runtime,
        *,
        model: ModelConfig | None = None,
        transform: TransformConfig | None = None,
        device: str = "auto",
        batch_size: int = 8,
        num_workers: int | None = None,
        num_threads: int | None = None,
        max_pixels: int = DEFAULT_MAX_PIXELS,
    ) -> None:
        require_options(
            (batch_size >= 1, f"batch_size must be >= 1, got {batch_size}"),
            (max_pixels >= 1, f"max_pixels must be >= 1, got {max_pixels}"),
        )
        if isinstance(path, str | os.PathLike):
            runtime = open_runtime(Path(path), model=model, transform=transform, device=device, num_threads=num_threads)
        else:
            runtime = path
        self._runtime = runtime
        self._record = _with_transform(runtime.record, transform)
        self._transform = ImageTransform(size=self._record.config.transform.size)
        self._batch_size = batch_size
        self._threads = max(1, default_workers(num_workers))
        self._max_pixels = max_pixels

    @property
    def record(self) -> ModelRecord:
        """What the model file says of its model, with the transform that this scorer uses."""
        return self._record

    def score(self, image: ImageLike) -> float:
        """The quality of one image on the scale of `record`, higher is better; never clipped.

        Args:
            image: a path, an encoded image, a Pillow image, or uint8 RGB values of shape (H, W, 3).

        Raises:
            UnreadableImageError: the image cannot be decoded, or must not be.
            ImageTooSmallError: the network's pooling windows do not fit on the image.
            DataError: the device has too little memory for the image, or the score is not finite.
        """
        pixels = self._transform(self._open(image))
        scores = self._mapped(pixels[np.newaxis])[0]
        if not np.isfinite(scores).all():
            raise DataError(_NOT_FINITE)
        return float(QualityScores(*scores).fused)

    def score_many(self, paths: Iterable[str | os.PathLike[str]] | str | os.PathLike[str]) -> Generator[ImageScore]:
        """Score any number of image files, in order.

        An image that cannot be scored is a row with the reason. Images are decoded in threads, ahead of the network,
        and scored in batches of one size. `paths` is read only as far ahead as that needs, and memory is bounded by
        the batch size, however many paths there are.

        Args:
            paths: image files; may be endless. A single path is a list of one.
        """
        paths = [paths] if isinstance(paths, str | os.PathLike) else paths
        executor = ThreadPoolExecutor(self._threads, thread_name_prefix="decode")
        try:
            window = Window(self._score_batch, self._batch_size)
            depth = max(2 * self._threads, self._batch_size)
            for slot in ahead(executor, self._prepare, paths, depth):
                yield from window.add(slot)
            yield from window.drain()
        finally:
            executor.shutdown(wait=True, cancel_futures=True)

    def _prepare(self, path: str | os.PathLike[str]) -> Slot:
        name = os.fspath(path)
        try:
            decoded = decode(Path(path), exif_rotation=True, max_pixels=self._max_pixels)
            return Slot(name, decoded.notes, pixels=self._transform(decoded.image))
        except DataError as cause:
            return Slot(name, result=ImageScore(name, error=str(cause)))
        except MemoryError:
            error = (
                f"there is too little memory for {name}. Score fewer images at once (--batch_size 1), or with --resize."
            )
            return Slot(name, result=ImageScore(name, error=error))

    def _score_batch(self, slots: list[Slot]) -> None:
        """Finish the slots of one batch, with scores or with the reason why there are none."""
        try:
            rows = self._mapped(np.stack([slot.pixels for slot in slots if slot.pixels is not None]))
        except ImageTooSmallError as cause:
            for slot in slots:
                slot.finish(ImageScore(slot.path, notes=slot.notes, error=str(cause)))
        except DataError as cause:
            if len(slots) == 1:
                slots[0].finish(ImageScore(slots[0].path, notes=slots[0].notes, error=str(cause)))
            else:  # what does not fit into memory together may fit one by one
                for slot in slots:
                    self._score_batch([slot])
        else:
            for slot, row in zip(slots, rows, strict=True):
                slot.finish(self._result(slot, QualityScores(*row.tolist())))

    def _result(self, slot: Slot, scores: QualityScores[float]) -> ImageScore:
        if not np.isfinite(scores).all():
            return ImageScore(slot.path, notes=slot.notes, error=_NOT_FINITE)
        scale = self._record.scale
        return ImageScore(
            slot.path,
            score=scores.fused,
            stage3=scores.stage3,
            stage4=scores.stage4,
            on_scale=None if scale is None else scale.contains(scores.fused),
            notes=slot.notes,
        )

    def _mapped(self, batch: NDArray[np.float32]) -> NDArray[np.float64]:
        """Scores mapped to MOS, shape (N, 3), of normalised images, shape (N, 3, H, W)."""
        heads = zip(self._record.mapping, self._runtime.predict(batch).T, strict=True)
        return np.stack([line(outputs) for line, outputs in heads], axis=1)

    def _open(self, image: ImageLike) -> Image.Image:
        if isinstance(image, np.ndarray):
            if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
                raise UnreadableImageError(
                    f"an array must hold uint8 RGB values of shape (H, W, 3), "
                    f"got {image.dtype} of shape {image.shape}. Convert it first."
                )
            image = Image.fromarray(image)
        if isinstance(image, Image.Image):
            return to_rgb(image, exif_rotation=True, max_pixels=self._max_pixels).image
        source = image if isinstance(image, bytes) else Path(image)
        return decode(source, exif_rotation=True, max_pixels=self._max_pixels).image


_NOT_FINITE = "the model's score of this image is not finite. Check the model's weights, or score on --device cpu."


def _with_transform(record: ModelRecord, transform: TransformConfig | None) -> ModelRecord:
    """The record with another transform, and a notice where that is not the one the model was trained with."""
    if transform is None or transform.effective() == record.config.transform.effective():
        return record
    logger.warning(
        "the model was trained on images %s, and scores them %s, as asked: its scores may be off",
        describe_transform(record.config.transform),
        describe_transform(transform),
    )
    # a crop that fitted the training size need not fit this one, and means nothing outside training
    config = replace(record.config, transform=transform, augmentation=AugmentationConfig())
    return replace(record, config=config)


def describe_transform(transform: TransformConfig) -> str:
    """What becomes of the size of an image, in words.

    >>> describe_transform(TransformConfig(resize=True))
    'resized to 498 x 664'
    """
    if transform.size is None:
        return "at their own size"
    return "resized to {} x {}".format(*transform.size)
