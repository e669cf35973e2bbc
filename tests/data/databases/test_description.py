"""Oracle: numpy on a table written here."""

import numpy as np
import pytest
from PIL import Image

from linearityiqa.config import DataConfig, StatsConfig
from linearityiqa.data.databases.description import describe_database
from linearityiqa.errors import DataError


@pytest.fixture
def database(tmp_path):
    """12 images, 9 for training and 3 for testing, of two sizes."""
    mos = np.linspace(1, 5, 12)
    lines = ["image_name,mos,mos_std,split,reference"]
    for row in range(12):
        size = (30, 20) if row < 10 else (20, 40)
        Image.new("RGB", size).save(tmp_path / f"{row}.png")
        lines.append(f"{row}.png,{mos[row]},{row / 10},{'train' if row % 4 else 'test'},r{row % 4}{row // 8}")
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    return tmp_path / "labels.csv", mos


def describe(path, **options):
    return describe_database(StatsConfig(data=DataConfig(dataset=str(path)), quiet=True, **options))


def test_figures_and_histograms(database):
    path, mos = database
    found = describe(path, bins=4)
    assert (found.images, found.references, found.splits) == (12, 8, {"train": 9, "val": 0, "test": 3})
    scores, deviations, megapixels = found.distributions
    assert scores.edges == (1, 2, 3, 4, 5)
    assert scores.counts["all"] == tuple(np.histogram(mos, 4)[0])
    assert np.add(scores.counts["train"], scores.counts["test"]).tolist() == list(scores.counts["all"])
    assert scores.counts["val"] == (0, 0, 0, 0)
    assert list(scores.figures) == ["all", "train", "test"]
    assert scores.figures["all"]["std"] == pytest.approx(mos.std(ddof=1))
    assert scores.figures["test"]["median"] == mos[4]
    assert deviations.figures["all"]["highest"] == 1.1
    assert megapixels.figures["all"]["lowest"] == 0.0006
    assert found.sizes == {"30 x 20": 10, "20 x 40": 2}
    assert found.other_sizes == 0


def test_labels_alone_need_no_images(database):
    path, _ = database
    (path.parent / "3.png").unlink()
    found = describe(path, images=False)
    assert [each.quantity for each in found.distributions] == ["MOS", "standard deviation of MOS"]
    assert found.sizes == {}
    with pytest.raises(DataError, match="1 of the 12 images"):
        describe(path)
