"""A trained model that scores photographs: one, or any number."""

import logging
import os
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from linearityiqa.config import AugmentationConfig, ModelConfig, TransformConfig
from linearityiqa.config.checks import require_options
from linearityiqa.data.processes import ahead
from linearityiqa.data.workers import BatchLimit, batch_limit, default_workers
from linearityiqa.errors import ConfigError, DataError
from linearityiqa.images import DEFAULT_MAX_PIXELS, ImageTransform
from linearityiqa.packaged import bundled_model
from linearityiqa.record import ModelRecord
from linearityiqa.scoring.batching import Slot, in_batches, in_lanes, in_order
from linearityiqa.scoring.inference import Inference
from linearityiqa.scoring.prepared import ImageLike, Prepared, prepare
from linearityiqa.scoring.results import PLAIN, Details, ImageScore
from linearityiqa.scoring.runtime import Runtime, open_runtime

if TYPE_CHECKING:
    from linearityiqa.scoring.differentiable import DifferentiableQuality, ImageQualityLoss, Reduction

logger = logging.getLogger(__name__)


class Scorer:
    """Scores images with a trained model, on the scale of the database that it was trained on.

    The EXIF orientation is applied, and scores are never clipped to the scale. Several threads may use one scorer.

    Args:
        path: a model file (our .safetensors or .onnx, or a .pth of the authors), or a `Runtime` that is already open;
            by default the model in the package.
        model: architecture of a .pth; a file of ours knows its own, which this must not contradict.
        transform: what is done to an image before the network sees it; by default what the model was trained with.
        device: auto (a GPU where there is one), cpu, cuda, cuda:N or mps.
        batch_size: most images that `score_many` gives the network at once; by default what suits the device.
        num_workers: threads that decode; by default one a core, at most 8.
        num_threads: threads of the arithmetic on a CPU, for the whole process; by default the runtime's choice.
        lanes: batches that `score_many` computes at once on a CPU; more than one pays where `num_threads` leaves cores
            free. A GPU computes one at a time.
        max_pixels: larger images are refused before they are decoded.

    Raises:
        ModelFileError: the model file is missing, damaged, unsafe or of another architecture.
        MissingExtraError: what runs the model is not installed.
        ConfigError: an option that cannot mean anything, or a device that does not exist.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | Runtime | None = None,
        *,
        model: ModelConfig | None = None,
        transform: TransformConfig | None = None,
        device: str = "auto",
        batch_size: int | None = None,
        num_workers: int | None = None,
        num_threads: int | None = None,
        lanes: int = 1,
        max_pixels: int = DEFAULT_MAX_PIXELS,
    ) -> None:
        require_options(
            (batch_size is None or batch_size >= 1, f"batch_size must be >= 1, got {batch_size}"),
            (lanes >= 1, f"lanes must be >= 1, got {lanes}"),
            (max_pixels >= 1, f"max_pixels must be >= 1, got {max_pixels}"),
        )
        path = bundled_model() if path is None else path
        if isinstance(path, str | os.PathLike):
            runtime = open_runtime(Path(path), model=model, transform=transform, device=device, num_threads=num_threads)
        else:
            runtime = path
        self._record = _with_transform(runtime.record, transform)
        self._runtime = runtime
        self._inference = Inference(runtime, self._record)
        self._transform = ImageTransform.of(self._record.config.transform)
        self._limit = batch_limit(batch_size, gpu=runtime.on_gpu)
        self._threads = max(1, default_workers(num_workers))
        self._lanes = 1 if runtime.on_gpu else lanes
        self._max_pixels = max_pixels

    @property
    def record(self) -> ModelRecord:
        """What the model file says of its model, with the transform that this scorer uses."""
        return self._record

    @property
    def limit(self) -> BatchLimit:
        """The most that `score_many` gives the network at once."""
        return self._limit

    def score(self, image: ImageLike) -> float:
        """The quality of one image on the scale of `record`, higher is better; never clipped.

        Args:
            image: a path, an encoded image, a Pillow image, or uint8 RGB values of shape (H, W, 3).

        Raises:
            UnreadableImageError: the image cannot be decoded, or must not be.
            ImageTooSmallError: the network's pooling windows do not fit on the image.
            DataError: the device has too little memory for the image, or the score is not finite.
        """
        return self._inference.score(self.prepare(image))

    def prepare(self, image: ImageLike, name: str | None = None, *, with_thumbnail: bool = False) -> Prepared:
        """Decode and resize one image, ready for `score_batch`.

        Args:
            image: a path, an encoded image, a Pillow image, or uint8 RGB values of shape (H, W, 3).
            name: how messages and results call the image; by default its path.
            with_thumbnail: make a small picture of it too.

        Raises:
            UnreadableImageError: the image cannot be decoded, must not be, or needs too much memory.
        """
        return prepare(image, self._transform, name=name, max_pixels=self._max_pixels, with_thumbnail=with_thumbnail)

    def score_batch(self, images: Sequence[Prepared], details: Details = PLAIN) -> list[ImageScore]:
        """Score images that are already decoded, of any sizes; those of one size share batches.

        An image that cannot be scored is a row with the reason.

        Args:
            images: what `prepare` gave.
            details: what is asked for beside the scores.

        Returns:
            A result for each image, in their order.

        Raises:
            ConfigError: a quality map is asked of a runtime that gives none.
            ModelFileError: the same, of a model file.
        """
        score = self._inference.of_slots(details)
        slots = (Slot(image.name, image) for image in images)
        return list(in_order(map(score, in_batches(slots, self._limit))))

    def score_many(
        self,
        paths: Iterable[str | os.PathLike[str]] | str | os.PathLike[str],
        details: Details = PLAIN,
        *,
        read: Callable[[str], bytes] | None = None,
    ) -> Generator[ImageScore]:
        """Score any number of image files, in order.

        An image that cannot be scored is a row with the reason. Images are decoded in threads, ahead of the network,
        and scored in batches of one size. `paths` is read only as far ahead as that needs, and memory is bounded by
        the batch size, however many paths there are.

        Args:
            paths: image files; may be endless. A single path is a list of one.
            details: what is asked for beside the scores.
            read: gives the content of a path, from several threads at once; by default paths are local files. What it
                cannot read it refuses with a `DataError` or an `OSError`.

        Raises:
            ConfigError: a quality map is asked of a runtime that gives none.
            ModelFileError: the same, of a model file.
        """
        paths = [paths] if isinstance(paths, str | os.PathLike) else paths
        score = self._inference.of_slots(details)
        decoders = ThreadPoolExecutor(self._threads, thread_name_prefix="decode")
        runners = ThreadPoolExecutor(self._lanes, thread_name_prefix="score")
        try:
            depth = max(2 * self._threads, self._limit.images)
            slots = ahead(decoders, lambda path: self._slot(path, read, details), paths, depth)
            batches = in_batches(slots, self._limit)
            yield from in_order(in_lanes(runners, score, batches, self._lanes))
        finally:
            decoders.shutdown(wait=True, cancel_futures=True)
            runners.shutdown(wait=True, cancel_futures=True)

    def as_module(self) -> "DifferentiableQuality":
        """The scores as a torch module that is differentiable in the images: (N, 3, H, W) in 0..1 to (N,).

        Raises:
            ConfigError: the model is not run by torch.
        """
        network = getattr(self._runtime, "network", None)
        if network is None:
            raise ConfigError("gradients need a model that torch runs. Open the .safetensors or .pth model instead.")
        from linearityiqa.scoring.differentiable import DifferentiableQuality

        return DifferentiableQuality(network, self._record)

    def as_loss(self, reduction: "Reduction" = "mean") -> "ImageQualityLoss":
        """A loss for image restoration that falls as the score rises: (N, 3, H, W) in 0..1 to a scalar.

        It is 0 for the best quality of the model's scale and 1 for the lowest.

        Args:
            reduction: mean or sum over the images, or none.

        Raises:
            ConfigError: the model is not run by torch.
        """
        module = self.as_module()
        from linearityiqa.scoring.differentiable import ImageQualityLoss

        return ImageQualityLoss(module, reduction)

    def _slot(self, path: str | os.PathLike[str], read: Callable[[str], bytes] | None, details: Details) -> Slot:
        name = os.fspath(path)
        try:
            source = Path(path) if read is None else read(name)
            return Slot(name, self.prepare(source, name, with_thumbnail=details.thumbnails))
        except DataError as cause:
            return Slot(name, result=ImageScore(name, error=str(cause)))
        except OSError as cause:
            error = f"cannot read {name}: {cause}. Check the path and its permissions."
            return Slot(name, result=ImageScore(name, error=error))


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
    words = {"stretch": "resized to", "fit": "resized to the area of", "shrink": "reduced to the area of"}
    return "{} {} x {}".format(words[transform.resize_mode], *transform.size)
