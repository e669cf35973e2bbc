"""Oracle: the score of the same picture as a file."""

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from linearityiqa.config import TransformConfig
from linearityiqa.errors import ConfigError, UnreadableImageError
from linearityiqa.scoring import Details, ImageScores, Scorer
from pixel_runtime import PixelRuntime

RGB = np.random.default_rng(5).integers(0, 256, (20, 30, 3), dtype=np.uint8)
GREY, OPACITY = RGB[..., 0], RGB[..., 1]
RGBA = np.dstack([RGB, OPACITY])


def png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def chw(pixels: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(pixels, -1, 0)))


@pytest.mark.parametrize("mode", ["stretch", "fit", "shrink"])
@pytest.mark.parametrize(
    ("size", "noted"), [((3, 2), True), ((111, 111), True), ((112, 112), False), ((400, 500), False)]
)
def test_a_picture_of_too_few_pixels_is_noted(mode: str, size: tuple[int, int], noted: bool) -> None:
    """A quarter of 224 x 224 are 112 x 112."""
    transform = TransformConfig(resize=True, resize_size_h=224, resize_size_w=224, resize_mode=mode)
    prepared = Scorer(PixelRuntime(), transform=transform).prepare(Image.new("RGB", size))
    words = f"only {size[0]} x {size[1]} pixels, less than the network needs"
    assert prepared.notes == ((words,) if noted else ())


@pytest.mark.parametrize(
    ("given", "pixels"),
    [
        (RGB, RGB),
        (RGB / 255, RGB),
        ((RGB / 255).astype(np.float32), RGB),
        ((RGB / 255).astype(np.float16), RGB),
        (RGB / 255 + 5e-4, RGB),  # rounding that a resampling leaves
        (RGB[::-1, ::-1], RGB[::-1, ::-1].copy()),
        (GREY, GREY),
        (GREY[..., None], GREY),
        (GREY / 255, GREY),
        (RGBA, RGBA),
        (RGBA / 255, RGBA),
        (chw(RGB), RGB),
        (chw(RGB) / 255, RGB),
        ((chw(RGB) / 255).double().requires_grad_(), RGB),
        (chw(RGBA), RGBA),
        (torch.from_numpy(GREY), GREY),
        (torch.from_numpy(GREY)[None] / 255, GREY),
        (torch.from_numpy(RGB).permute(2, 0, 1), RGB),  # not contiguous
        (bytearray(png(RGB)), RGB),
        (memoryview(png(RGB)), RGB),
        (io.BytesIO(png(RGB)), RGB),
    ],
)
def test_what_a_program_holds_scores_as_its_file(runtime: PixelRuntime, given: object, pixels: np.ndarray) -> None:
    assert Scorer(runtime).score(given) == Scorer(runtime).score(png(pixels))


def test_bfloat16_is_taken_though_numpy_lacks_it(runtime: PixelRuntime) -> None:
    half = (chw(RGB) / 255).bfloat16()
    assert Scorer(runtime).score(half) == Scorer(runtime).score(half.float())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.zeros((20, 20, 3), np.uint16), "holds uint16: the array of an image holds uint8"),
        (np.zeros((20, 20), bool), "holds bool"),
        (np.zeros((20, 20, 3)) + 3, r"lies in 3..3: floating point must lie in 0..1. Divide by 255"),
        (np.full((20, 20), np.nan), "lies in nan..nan"),
        (np.zeros((20, 20, 2), np.uint8), r"shape \(H, W\) or \(H, W, C\), of 1, 3 or 4 channels; got \(20, 20, 2\)"),
        (np.zeros((0, 20, 3), np.uint8), "wrong shape"),
        (np.zeros((2, 20, 20, 3), np.uint8), "wrong shape"),
        (np.zeros((3, 20, 20), np.uint8), r"channels come last in one: use array.transpose\(1, 2, 0\)"),
        (torch.zeros(20, 20, 3), r"channels come first in one: use tensor.permute\(2, 0, 1\)"),
        (torch.zeros(2, 20, 20), r"tensor of an image has the shape .*; got \(2, 20, 20\)"),
        (torch.zeros(3, 20, 20, dtype=torch.int64), "holds int64"),
        (torch.ones(3, 20, 20) * 255, "lies in 255..255"),
        (io.StringIO("text"), "opened as text"),
        (io.BytesIO(), r"empty \(0 bytes\)"),
        (b"no image", "not an image"),
        (7, "of the type int, not an image: give a path"),
        (None, "of the type NoneType"),
    ],
)
def test_what_is_no_image_is_told_in_one_sentence(runtime: PixelRuntime, given: object, message: str) -> None:
    with pytest.raises(UnreadableImageError, match=message):
        Scorer(runtime).score(given)
    (result,) = Scorer(runtime).score_many([given])
    assert result.score is None
    assert result.error is not None
    assert result.error.count("\n") == 0
    assert "images[0]" in result.error


def test_a_closed_file_is_a_failure(runtime: PixelRuntime, photos: list[Path]) -> None:
    with photos[0].open("rb") as stream:
        pass
    (result,) = Scorer(runtime)(stream)
    assert result.path == str(photos[0])
    assert "closed file" in str(result.error)


def test_many_of_all_kinds(runtime: PixelRuntime, photos: list[Path]) -> None:
    image = Image.open(photos[1])
    with photos[2].open("rb") as stream:
        given = [photos[0], image, stream, RGB, chw(RGB), png(RGB), str(photos[3])]
        results = Scorer(runtime, batch_size=2)(given)
    by_path = {result.path: result.score for result in Scorer(runtime).score_many(photos[:4])}
    names = [str(photos[0]), str(photos[1]), str(photos[2]), "images[3]", "images[4]", "images[5]", str(photos[3])]
    assert [result.path for result in results] == names
    of_array = Scorer(runtime).score(RGB)
    assert [result.score for result in results] == pytest.approx([by_path.get(name, of_array) for name in names])


@pytest.mark.parametrize(
    "single", [RGB, GREY, chw(RGB), png(RGB), Image.fromarray(RGB)], ids=lambda x: type(x).__name__
)
def test_a_single_image_is_a_list_of_one(runtime: PixelRuntime, single: object) -> None:
    (result,) = Scorer(runtime)(single)
    assert result.score == pytest.approx(Scorer(runtime).score(single))


@pytest.mark.parametrize("batch", [np.stack([RGB, 255 - RGB]), torch.stack([chw(RGB), chw(255 - RGB)]) / 255])
def test_four_dimensions_are_a_list_of_images(runtime: PixelRuntime, batch: object) -> None:
    scorer = Scorer(runtime)
    expected = [scorer.score(RGB), scorer.score(255 - RGB)]
    assert [result.score for result in scorer(batch)] == pytest.approx(expected)


def test_an_array_of_paths_is_a_list_of_paths(runtime: PixelRuntime, photos: list[Path]) -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    for column in (np.array(list(map(str, photos))), pandas.Series(photos)):
        assert [result.path for result in Scorer(runtime)(column)] == list(map(str, photos))


def test_a_pillow_image_that_is_named_often_is_decoded_once(runtime: PixelRuntime, tmp_path: Path) -> None:
    """Without care several threads read its file at once; it must be large for that to show."""
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (1000, 1500, 3), np.uint8)).save(tmp_path / "large.jpg")
    expected = Scorer(runtime).score(tmp_path / "large.jpg")
    image = Image.open(tmp_path / "large.jpg")
    assert [result.score for result in Scorer(runtime, num_workers=4)([image] * 8)] == pytest.approx([expected] * 8)


def test_content_from_elsewhere_is_asked_for_paths_alone(runtime: PixelRuntime) -> None:
    read: Callable[[str], bytes] = {"far.png": png(255 - RGB)}.__getitem__
    one, other = Scorer(runtime).score_many(["far.png", RGB], read=read)
    assert [one.score, other.score] == pytest.approx([Scorer(runtime).score(255 - RGB), Scorer(runtime).score(RGB)])


def test_a_call_gives_all_results_with_thumbnails(runtime: PixelRuntime, photos: list[Path]) -> None:
    scorer = Scorer(runtime)
    results = scorer(photos, Details(uncertainty=True))
    assert isinstance(results, ImageScores)
    assert list(results) == list(scorer.score_many(photos, Details(uncertainty=True)))
    for path, result in zip(photos, results, strict=True):
        assert result.thumbnail is not None
        small = Image.open(io.BytesIO(result.thumbnail.content))
        assert small.size == result.thumbnail.size == Image.open(path).size  # fewer pixels than a thumbnail has
    assert next(scorer.score_many(photos)).thumbnail is None


def test_a_scorer_says_what_it_is(runtime: PixelRuntime) -> None:
    assert repr(Scorer(runtime)) == (
        "<Scorer: resnext101_32x8d trained on photos (people's opinions); scores on 1..100, higher is better; images "
        "at their own size>"
    )


def test_a_closed_scorer_scores_no_more(runtime: PixelRuntime, photos: list[Path]) -> None:
    with Scorer(runtime) as scorer:
        expected = scorer.score(photos[0])
    assert isinstance(expected, float)
    for use in (lambda: scorer.score(photos[0]), lambda: scorer(photos), scorer.as_module):
        with pytest.raises(ConfigError, match="this scorer is closed"):
            use()
    assert "trained on photos" in repr(scorer)


def test_arrays_need_no_torch() -> None:
    code = (
        "import sys, numpy; from linearityiqa import Scorer; "
        "print(Scorer()(numpy.zeros((300, 300)))[0].failed, 'torch' in sys.modules, 'pandas' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False", "False"]
