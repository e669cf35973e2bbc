"""Oracle: a network whose outputs are means of pixels, so that every score can be computed by hand."""

import itertools
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from linearityiqa import extras
from linearityiqa.config import AugmentationConfig, TransformConfig
from linearityiqa.errors import (
    ConfigError,
    DataError,
    ImageTooSmallError,
    MissingExtraError,
    ModelFileError,
    UnreadableImageError,
)
from linearityiqa.images import IMAGENET, ImageTransform
from linearityiqa.scoring import ImageScore, Scorer
from pixel_runtime import SCALE, FunctionRuntime, PixelRuntime, make_record


def expected(path: Path) -> tuple[float, float, float]:
    """Score, stage 3 and stage 4 by hand, with the slopes and intercepts of pixel_runtime."""
    means = (np.asarray(Image.open(path)) / 255).mean(axis=(0, 1))
    red, green, blue = (means - IMAGENET.mean) / IMAGENET.std
    return 10 * (red + green + blue) / 3 + 50, 2 * red + 1, 0.5 - green


def constant(value: float, **record: object) -> FunctionRuntime:
    return FunctionRuntime(lambda batch: np.full((len(batch), 3), value), **record)


def numbers(result: ImageScore) -> tuple[float | None, ...]:
    return result.score, result.stage3, result.stage4


def test_scores_are_mapped_outputs(runtime: PixelRuntime, photos: list[Path]) -> None:
    scorer = Scorer(runtime)
    assert scorer.score(photos[0]) == pytest.approx(expected(photos[0])[0], rel=1e-5)
    for path, result in zip(photos, scorer.score_many(photos), strict=True):
        assert result.path == str(path)
        assert numbers(result) == pytest.approx(expected(path), rel=1e-5)


@pytest.mark.parametrize(("batch_size", "threads", "lanes"), [(1, 1, 1), (3, 4, 2), (64, 0, 3), (1, 2, 4)])
def test_a_score_depends_on_neither_batch_nor_neighbours(
    runtime: PixelRuntime, photos: list[Path], batch_size: int, threads: int, lanes: int
) -> None:
    scorer = Scorer(runtime, batch_size=batch_size, num_workers=threads, lanes=lanes)
    alone = [scorer.score(path) for path in photos]
    together = [result.score for result in scorer.score_many(reversed(photos))]
    assert together[::-1] == pytest.approx(alone, rel=1e-6)
    assert max(shape[0] for shape in runtime.batches) <= batch_size


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    def red_of_top_row(batch: np.ndarray) -> np.ndarray:
        return np.repeat(batch[:, :1, 0].mean(axis=2, dtype=np.float64), 3, axis=1)

    pixels = np.zeros((20, 20, 3), np.uint8)
    pixels[10:] = 255
    upright, turned = tmp_path / "upright.png", tmp_path / "turned.png"
    Image.fromarray(pixels).save(upright)
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.fromarray(pixels[::-1, ::-1]).save(turned, exif=exif)
    scorer = Scorer(FunctionRuntime(red_of_top_row))
    assert scorer.score(turned) == scorer.score(upright) == scorer.score(Image.open(turned))
    one, other = scorer.score_many([turned, upright])
    assert one.score == other.score
    assert one.notes == ("EXIF orientation applied",)
    assert other.notes == ()


def test_failures_are_rows_and_the_others_are_scored(runtime: PixelRuntime, photos: list[Path], tmp_path: Path) -> None:
    broken, small = tmp_path / "broken.jpg", tmp_path / "small.png"
    broken.write_bytes(b"no image")
    Image.new("RGB", (40, 8)).save(small)
    paths = [photos[0], broken, photos[1], small, tmp_path / "gone.png", small, *photos[2:]]
    results = list(Scorer(runtime, batch_size=4).score_many(paths))
    assert [result.path for result in results] == [str(path) for path in paths]
    assert [i for i, result in enumerate(results) if result.failed] == [1, 3, 4, 5]
    assert "broken.jpg is not an image" in str(results[1].error)
    assert "8 x 40 are too small" in str(results[3].error)
    assert "does not exist" in str(results[4].error)
    assert results[1].score is results[3].score is results[3].on_scale is None
    assert numbers(results[-1]) == pytest.approx(expected(photos[-1]), rel=1e-5)


def test_a_batch_that_fails_for_memory_is_scored_one_by_one(runtime: PixelRuntime, photos: list[Path]) -> None:
    whole = list(Scorer(runtime).score_many(photos))
    runtime.capacity = 1
    assert list(Scorer(runtime).score_many(photos)) == whole
    runtime.capacity = 0
    assert [result.error for result in Scorer(runtime).score_many(photos[:2])] == ["too little memory"] * 2


def test_a_score_that_is_not_finite_is_a_failure(photos: list[Path]) -> None:
    scorer = Scorer(constant(np.nan))
    (result,) = scorer.score_many(photos[:1])
    assert result.score is None
    assert "not finite" in str(result.error)
    with pytest.raises(DataError, match="not finite"):
        scorer.score(photos[0])


def test_scores_off_the_scale_are_marked_not_clipped(photos: list[Path]) -> None:
    for value, scale, expected in (
        (5.0, SCALE, (100.0, True)),
        (6.0, SCALE, (110.0, False)),
        (6.0, None, (110.0, None)),
    ):
        result = next(Scorer(constant(value, scale=scale)).score_many(photos[:1]))
        assert (result.score, result.on_scale) == expected


def test_paths_are_read_lazily_and_without_end(runtime: PixelRuntime, photos: list[Path]) -> None:
    taken = 0

    def endless() -> Iterator[Path]:
        nonlocal taken
        for path in itertools.cycle(photos):
            taken += 1
            yield path

    results = Scorer(runtime, batch_size=2, num_workers=2).score_many(endless())
    for i, result in enumerate(itertools.islice(results, 100)):
        assert result.path == str(photos[i % len(photos)])
        assert taken <= i + 1 + 4 * 2 + 2 * 2 + 2 * 2  # waiting, decoded ahead, in the network
    results.close()


def test_nothing_runs_on_after_an_interrupt(runtime: PixelRuntime, photos: list[Path]) -> None:
    def interrupted() -> Iterator[Path]:
        yield from photos
        raise KeyboardInterrupt

    results = Scorer(runtime, batch_size=2).score_many(interrupted())
    with pytest.raises(KeyboardInterrupt):
        list(results)
    for thread in threading.enumerate():
        if thread.name.startswith(("decode", "score")):  # what it has begun ends, and nothing new begins
            thread.join(60)
            assert not thread.is_alive()


def test_lack_of_memory_for_the_pixels_is_a_failure(
    runtime: PixelRuntime, photos: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(ImageTransform, "pixels", exhausted)
    (result,) = Scorer(runtime).score_many(photos[0])
    assert result.error is not None
    assert f"too little memory for {photos[0]}" in result.error


def test_bad_images_raise(runtime: PixelRuntime, photos: list[Path], tmp_path: Path) -> None:
    scorer = Scorer(runtime, max_pixels=1000)
    with pytest.raises(UnreadableImageError, match="does not exist"):
        scorer.score(tmp_path / "gone.jpg")
    for large in (np.zeros((40, 40, 3), np.uint8), Image.new("RGB", (40, 40))):
        with pytest.raises(UnreadableImageError, match="megapixels"):
            scorer.score(large)
    with pytest.raises(ImageTooSmallError):
        scorer.score(Image.new("RGB", (8, 8)))


def test_the_transform_is_the_models_unless_another_is_asked_for(
    runtime: PixelRuntime, photos: list[Path], caplog: pytest.LogCaptureFixture
) -> None:
    runtime.record = make_record(
        transform=TransformConfig(resize=True, resize_size_h=32, resize_size_w=48),
        augmentation=AugmentationConfig(augmentation=True, crop_size_h=30, crop_size_w=30),  # larger than 16 x 20 below
    )
    Scorer(runtime).score(photos[0])
    Scorer(runtime, transform=runtime.record.config.transform).score(photos[0])
    assert not caplog.messages
    scorer = Scorer(runtime, transform=TransformConfig(resize=True, resize_size_h=16, resize_size_w=20))
    list(scorer.score_many(photos[:1]))
    assert [shape[2:] for shape in runtime.batches] == [(32, 48), (32, 48), (16, 20)]
    assert "trained on images resized to 32 x 48, and scores them resized to 16 x 20" in caplog.text
    assert scorer.record.config.transform.size == (16, 20)


def test_options_are_checked(runtime: PixelRuntime) -> None:
    with pytest.raises(ConfigError, match="batch_size"):
        Scorer(runtime, batch_size=0)


def test_model_files_that_cannot_be_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelFileError, match=r"no model file .*linearityiqa train"):
        Scorer(tmp_path / "gone.safetensors")
    with pytest.raises(ModelFileError, match="no model file"):
        Scorer(tmp_path / "model.onnx")

    def missing(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    Image.new("RGB", (8, 8)).save(tmp_path / "photo.jpg")
    with pytest.raises(ModelFileError, match=r"photo.jpg is not a model file: .*not named \.onnx"):
        Scorer(tmp_path / "photo.jpg")
    (tmp_path / "model.safetensors").write_bytes(bytes([2]) + bytes(7) + b"{}")
    monkeypatch.setattr(extras.importlib, "import_module", missing)
    with pytest.raises(MissingExtraError, match=r"linearityiqa\[train"):
        Scorer(tmp_path / "model.safetensors")


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV", "I;16"]
)
def test_pillow_images_of_the_modes_in_the_docs_are_scored(runtime: PixelRuntime, mode: str) -> None:
    assert np.isfinite(Scorer(runtime).score(Image.new(mode, (32, 24))))


@pytest.mark.parametrize("mode", ["La", "LAB", "I", "F"])
def test_pillow_images_of_the_modes_that_the_docs_leave_out_are_refused(runtime: PixelRuntime, mode: str) -> None:
    with pytest.raises(UnreadableImageError, match="the image"):
        Scorer(runtime).score(Image.new(mode, (32, 24)))
