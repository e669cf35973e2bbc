"""A trained model that scores photographs: one, or any number."""

import functools
import os
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Self

from linearityiqa.config import ModelConfig, TransformConfig
from linearityiqa.config.checks import require_options
from linearityiqa.errors import ConfigError, DataError
from linearityiqa.hub import HubModel, bundled_model, bundled_weights, is_bundled, local_model
from linearityiqa.images import DEFAULT_MAX_PIXELS, ImageTransform
from linearityiqa.machine import batch_limit, default_workers, prefetch
from linearityiqa.record import describe_transform, model_card, with_transform
from linearityiqa.scoring.inference import Inference, in_batches, in_order
from linearityiqa.scoring.prepared import ImageLike, PreprocessedImage, each_image, name_of, prepare
from linearityiqa.scoring.results import PLAIN, Details, ImageScore, ImageScores
from linearityiqa.scoring.runtime import Runtime, open_runtime

if TYPE_CHECKING:
    from linearityiqa.scoring.differentiable import DifferentiableQuality, ImageQualityLoss, Reduction


class Scorer:
    """Scores images with a trained model, on the scale of the database that it was trained on.

    The EXIF orientation is applied, and scores are never clipped to the scale. Several threads may use one scorer. As a
    context manager it lets go of the network at the end of the block.

    Args:
        path: a model file (our .safetensors or .onnx, or a .pth of the authors), an address on the Hugging Face Hub
            (``hf://OWNER/NAME[@REVISION][/FILE]``), or a `Runtime` that is already open; by default, and as
            ``bundled``, the model in the package.
        model: architecture of a .pth; a file of ours knows its own, which this must not contradict.
        transform: transform of every image before the network; by default that of the training.
        device: auto (a GPU where there is one), cpu, cuda, cuda:N or mps.
        batch_size: most images that `score_many` gives the network at once; by default what suits the device.
        num_workers: threads that decode; by default one a core, at most 8.
        num_threads: threads of the arithmetic on a CPU, for the whole process; by default the runtime's choice.
        lanes: parallel batches of `score_many` on a CPU; more than one pays where `num_threads` leaves cores free. A
            GPU computes one at a time.
        max_pixels: larger images are refused before they are decoded.

    Attributes:
        record: what the model file says of its model, with the transform that this scorer uses.
        limit: the most that `score_many` gives the network at once.
        on_gpu: whether a GPU computes.

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
        runtime = bundled_model() if path is None else path
        self._packaged = False
        if isinstance(runtime, str | os.PathLike):
            file = local_model(runtime)
            self._packaged = is_bundled(file)
            runtime = open_runtime(file, model=model, transform=transform, device=device, num_threads=num_threads)
        self.record = with_transform(runtime.record, transform)
        self._inference: Inference | None = Inference(runtime, self.record)
        self._transform = ImageTransform.of(self.record.config.transform)
        self.on_gpu = runtime.on_gpu
        self.limit = batch_limit(batch_size, gpu=runtime.on_gpu)
        self._threads = max(1, default_workers(num_workers))
        self._lanes = 1 if self.on_gpu else lanes
        self._max_pixels = max_pixels

    @classmethod
    def from_pretrained(
        cls, repo: str, *, revision: str | None = None, file: str | None = None, **options: Any
    ) -> Self:
        """Open a model of the Hugging Face Hub (extra hub).

        Args:
            repo: ``OWNER/NAME``.
            revision: a branch, a tag or a commit; only a commit is always the same model.
            file: path in the repository; by default model.safetensors where torch is installed, else model.onnx.
            options: as of `Scorer`.

        Raises:
            ModelFileError: the file is not there, not open to this user, too large, or none of ours; or the hub cannot
                be reached, and the file is not in its cache.
            MissingExtraError: huggingface_hub, or what runs the model, is not installed.
        """
        return cls(HubModel(repo, revision, file).fetch(), **options)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the network and its memory; scoring afterwards raises `ConfigError`."""
        self._inference = None

    @property
    def _network(self) -> Inference:
        if self._inference is None:
            raise ConfigError("this scorer is closed. Open the model again.")
        return self._inference

    def __repr__(self) -> str:
        record = self.record
        labels = f" ({record.labels})" if record.labels else ""
        model = f"{record.config.model.architecture} trained on {record.database}{labels}"
        scale = f"scores on {record.scale}" if record.scale else "the scale of its scores is not recorded"
        return f"<{type(self).__name__}: {model}; {scale}; images {describe_transform(record.config.transform)}>"

    def card(self, repo: str) -> str:
        """Return the README.md of the model's page ``OWNER/NAME`` on the hub; its owner adds limits and a licence."""
        return model_card(self.record, repo)

    def score(self, image: ImageLike) -> float:
        """Score one image on the scale of `record`: higher is better, never clipped.

        Args:
            image: as of `ImageLike`: a path, an encoded image, an open file, a Pillow image, an array or a tensor.

        Raises:
            UnreadableImageError: the image cannot be decoded, or must not be.
            ImageTooSmallError: the network's pooling windows do not fit on the image.
            DataError: the device has too little memory for the image, or the score is not finite.
        """
        return self._network.score(self.prepare(image))

    def prepare(
        self, image: ImageLike, name: str | None = None, *, with_thumbnail: bool = False, with_look: bool = False
    ) -> PreprocessedImage:
        """Decode and resize one image, ready for `score_batch`.

        Args:
            image: as of `score`.
            name: how messages and results call the image; by default its path.
            with_thumbnail: make a small picture of it too.
            with_look: note what bursts are found by too.

        Raises:
            UnreadableImageError: the image cannot be decoded, must not be, or needs too much memory.
        """
        return prepare(
            image,
            self._transform,
            name=name,
            max_pixels=self._max_pixels,
            with_thumbnail=with_thumbnail,
            with_look=with_look,
        )

    def score_batch(self, images: Sequence[PreprocessedImage], details: Details = PLAIN) -> list[ImageScore]:
        """Score images that `prepare` decoded, of any sizes; those of one size share batches.

        There is a result for each image, in their order; of one that cannot be scored, with the reason. Errors are
        those of `score_many`.
        """
        score = self._network.of_batches(details)
        return list(in_order(map(score, in_batches(images, self.limit))))

    def __call__(self, images: Iterable[ImageLike] | ImageLike, details: Details = PLAIN) -> ImageScores:
        """Score one image or several, as `score_many` does, and keep all results: a list, which notebooks show.

        Args and exceptions are those of `score_many`.
        """
        return ImageScores(self.score_many(images, details._replace(thumbnails=True)))

    def score_many(
        self,
        images: Iterable[ImageLike] | ImageLike,
        details: Details = PLAIN,
        *,
        read: Callable[[str], bytes] | None = None,
    ) -> Generator[ImageScore]:
        """Score any number of images, in order.

        An image that cannot be scored is a row with the reason. Images are decoded in threads, ahead of the network,
        and scored in batches of one size. `images` is read only as far ahead as that needs, and memory is bounded by
        the batch size, however many images there are.

        Args:
            images: any of `ImageLike`, as many as there are; may be endless. A single one is a list of one, and an
                array or a tensor of four dimensions is a list of its images. Images without a path are called by
                its place, as in ``images[3]``.
            details: further results that are asked for.
            read: gives the content of a path, from several threads at once; by default paths are local files. What it
                cannot read it refuses with a `DataError` or an `OSError`.

        Raises:
            ConfigError, ModelFileError: a quality map is asked of a runtime, or of a model file, that gives none.
        """
        score = self._network.of_batches(details)
        decode = functools.partial(self._decode, read, details)
        decoders = ThreadPoolExecutor(self._threads, thread_name_prefix="decode")
        runners = ThreadPoolExecutor(self._lanes, thread_name_prefix="score")
        try:
            ahead = max(2 * self._threads, self.limit.images)
            decoded = prefetch(decoders, decode, enumerate(each_image(images)), ahead)
            batches = in_batches(decoded, self.limit)
            yield from in_order(prefetch(runners, score, batches, self._lanes + 1))  # so that no runner waits for work
        finally:
            # running tasks finish unattended: a stop must not wait for a large picture
            decoders.shutdown(wait=False, cancel_futures=True)
            runners.shutdown(wait=False, cancel_futures=True)

    def as_module(self) -> "DifferentiableQuality":
        """Return the scores as a torch module that is differentiable in the images: (N, 3, H, W) in 0..1 to (N,).

        The model in the package is opened anew for torch, on the CPU.

        Raises:
            ConfigError: the model is not run by torch.
            MissingExtraError: torch, or timm for the model in the package, is not installed.
        """
        network = getattr(self._network.runtime, "network", None)
        if network is None and self._packaged:
            from linearityiqa.models import open_model

            network = open_model(bundled_weights()).network
        if network is None:
            raise ConfigError("gradients need a model that torch runs. Open the .safetensors or .pth model instead.")
        from linearityiqa.scoring.differentiable import DifferentiableQuality

        return DifferentiableQuality(network, self.record)

    def as_loss(self, reduction: "Reduction" = "mean") -> "ImageQualityLoss":
        """Return a loss for image restoration that falls as the score rises: (N, 3, H, W) in 0..1 to a scalar.

        It is 0 for the best quality of the model's scale and 1 for the lowest, and raises as `as_module`. The reduction
        is mean or sum over the images, or none.
        """
        module = self.as_module()
        from linearityiqa.scoring.differentiable import ImageQualityLoss

        return ImageQualityLoss(module, reduction)

    def _decode(
        self, read: Callable[[str], bytes] | None, details: Details, item: tuple[int, ImageLike]
    ) -> PreprocessedImage | ImageScore:
        """Prepare an image for the network; one that cannot be decoded gives its result."""
        place, image = item
        name = name_of(image) or f"images[{place}]"
        try:
            source = read(name) if read is not None and isinstance(image, str | os.PathLike) else image
            return self.prepare(source, name, with_thumbnail=details.thumbnails, with_look=details.bursts)
        except DataError as cause:
            return ImageScore(name, error=str(cause))
        except OSError as cause:
            return ImageScore(name, error=f"cannot read {name}: {cause}. Check the path and its permissions.")
