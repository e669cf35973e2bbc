"""Oracle: maps written down by hand, and the pixels of the pictures that show them."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from linearityiqa.errors import ConfigError, OutputError
from linearityiqa.quality import QualityScale
from linearityiqa.scoring import Details, ImageScore, QualityMap, Scorer
from linearityiqa.scoring.pictures import STRONGEST, TINT, key_height
from linearityiqa.scoring.results import map_name, write_map
from pixel_runtime import MAPPING, PixelRuntime, make_record

SCALE = QualityScale(low=0, high=100)


def quality_map(values: list[list[float]], size: tuple[int, int] = (240, 160)) -> QualityMap:
    return QualityMap(np.array(values, np.float32), Image.new("RGB", size, (200, 200, 200)), SCALE)


def test_loss_is_counted_on_the_scale_of_the_model() -> None:
    np.testing.assert_allclose(quality_map([[90, 50], [10, 90]]).loss, [[0.1, 0.5], [0.9, 0.1]])
    np.testing.assert_allclose(quality_map([[104, -3]]).loss, [[0, 1]])  # beyond the ends


def test_a_good_photograph_looks_calm_and_a_bad_one_does_not() -> None:
    good, bad = (np.asarray(quality_map([[value] * 2]).picture()).astype(int)[80] for value in (83, 12))
    assert (good[:, 0] - good[:, 2]).max() < 0.2 * (TINT[0] - TINT[2])
    assert (bad[:, 0] - bad[:, 2]).min() > 0.6 * (TINT[0] - TINT[2])


def test_without_a_scale_loss_is_counted_between_the_ends_of_the_map() -> None:
    image = Image.new("RGB", (8, 8))
    np.testing.assert_allclose(QualityMap(np.array([[9, 5, 1]], np.float32), image).loss, [[0, 0.5, 1]])
    assert not QualityMap(np.array([[2, 2]], np.float32), image).loss.any()


def test_the_picture_is_clear_where_quality_is_best_and_tinted_where_it_is_lost() -> None:
    picture = np.asarray(quality_map([[100, 100, 0], [100, 100, 0]]).picture()).astype(int)
    assert picture.shape[1] == 240
    assert picture.shape[0] > 160  # the key stands below
    clear, lost = picture[80, 20], picture[80, 220]
    np.testing.assert_allclose(clear, 200, atol=8)
    np.testing.assert_allclose(lost, (1 - STRONGEST) * 200 + STRONGEST * np.array(TINT), atol=8)
    key = picture[160:]
    assert (key[0] == 255).all()
    tinted = np.flatnonzero((key[:, :, 0] - key[:, :, 2]).max(axis=0) > 60)
    assert len(tinted)
    assert (key.min(axis=(0, 2)) < 100).any()  # text


@pytest.mark.parametrize("size", [(16, 16), (5, 300), (3000, 20)])
def test_pictures_of_any_size(size: tuple[int, int]) -> None:
    content = quality_map([[90, 10]], size).png()
    assert Image.open(io.BytesIO(content)).width == size[0]


def test_results_hold_maps_on_request_on_the_scale_of_the_model(runtime: PixelRuntime, photos: list[Path]) -> None:
    scorer = Scorer(runtime, batch_size=3)
    assert all(result.quality_map is None for result in scorer.score_many(photos))
    for path, result in zip(photos, scorer.score_many(photos, Details(maps=True)), strict=True):
        assert result.quality_map is not None
        assert result.quality_map.image.size == Image.open(path).size
        # the map of PixelRuntime holds means of quarters, and all sides are even
        assert result.quality_map.values.mean() == pytest.approx(result.score, rel=1e-4)
        assert result.quality_map.scale == runtime.record.scale
    assert MAPPING.fused.slope == 10


def test_a_runtime_without_maps_says_so(photos: list[Path]) -> None:
    class Plain:
        on_gpu = False
        record = make_record()

        def predict(self, batch: np.ndarray) -> np.ndarray:
            return np.zeros((len(batch), 3))

    with pytest.raises(ConfigError, match="no quality map"):
        list(Scorer(Plain()).score_many(photos, Details(maps=True)))


def test_map_files_have_names_of_their_own(tmp_path: Path) -> None:
    paths = [
        "a/photo.jpg",
        "b/photo.jpg",
        "b/photo.png",
        "../../etc/passwd",
        "caf\udce9.jpg",
        "x" * 300 + ".jpg",
        "é" * 99,
    ]
    names = [map_name(path) for path in paths]
    assert len(set(names)) == len(paths)
    for name in names:
        assert (tmp_path / name).parent == tmp_path
        (tmp_path / name).write_bytes(b"")
    assert names[0].startswith("photo-")
    assert map_name(paths[0]) == names[0]


def test_written_maps_stand_in_the_result(tmp_path: Path) -> None:
    result = ImageScore("a.jpg", score=1.0, quality_map=quality_map([[90, 10]]))
    written = write_map(tmp_path / "maps", result)
    assert written.map_file is not None
    assert written.quality_map is None
    assert written.score == 1.0
    assert Path(written.map_file).parent == tmp_path / "maps"
    assert Image.open(written.map_file).width == 240
    failed = ImageScore("b.jpg", error="broken")
    assert write_map(tmp_path / "maps", failed) is failed
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write the quality map"):
        write_map(tmp_path / "file", result)


@pytest.mark.parametrize("native", [(512, 512), (300, 900), (900, 300)])
def test_the_picture_has_the_shape_of_the_photograph_whatever_the_network_saw(native):
    squeezed = Image.new("RGB", (128, 96))
    seen = QualityMap(np.zeros((3, 4), dtype=np.float32), squeezed, native=native).picture()
    key = key_height(seen.width)
    assert (seen.height - key) / seen.width == pytest.approx(native[0] / native[1], rel=0.02)
    assert max(seen.width, seen.height - key) == 128
