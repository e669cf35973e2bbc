"""Oracle: the files in scikit-image's wheel, and the promised shares."""

import collections

import numpy as np
import pytest

from linearityiqa.config import PHOTOGRAPHS, SyntheticConfig
from linearityiqa.config.datasets import LARGEST_SIZE
from linearityiqa.data.synthetic import references
from linearityiqa.data.synthetic.references import cut, list_references, load_reference, turns
from linearityiqa.errors import ConfigError, DataError


def test_photographs_are_in_the_wheel_in_colour_and_large_enough():
    photographs = [load_reference(each, SyntheticConfig()) for each in list_references(60)[: len(PHOTOGRAPHS)]]
    assert len(photographs) == 5
    for pixels in photographs:
        assert pixels.shape[2] == 3
        assert np.ptp(pixels.astype(int), axis=2).mean() > 5
        assert pixels.shape[0] >= LARGEST_SIZE[0]
        assert pixels.shape[1] >= LARGEST_SIZE[1]


def test_a_missing_photograph_is_named_with_the_remedy(monkeypatch, tmp_path):
    monkeypatch.setattr(references, "photographs_folder", lambda: tmp_path)
    with pytest.raises(DataError, match=r"photograph astronaut\.png.*pip install"):
        load_reference(list_references(60)[0], SyntheticConfig())


def test_references_split_60_20_20():
    counts = collections.Counter(each.split for each in list_references(60))
    assert counts == {"train": 39, "val": 13, "test": 13}
    photographs = collections.Counter(split for _, split in PHOTOGRAPHS.values())
    assert photographs == {"train": 3, "val": 1, "test": 1}
    assert [each.number for each in list_references(60)] == list(range(65))


@pytest.mark.parametrize("scenes", [5, 6, 7, 60, 999])
def test_every_split_has_scenes(scenes):
    splits = collections.Counter(each.split for each in list_references(scenes)[5:])
    assert set(splits) == {"train", "val", "test"}
    assert sum(splits.values()) == scenes


def test_all_references_come_before_a_photograph_comes_again():
    order = turns(60, seed=1)
    assert sorted(order[:65]) == list(range(65))
    assert collections.Counter(order[65:]) == dict.fromkeys(range(5), 3)
    assert order == turns(60, seed=1) != turns(60, seed=2)


def test_a_cut_is_a_part_that_is_never_enlarged():
    """A ramp of one grey level a pixel: its slope in the cut is the zoom, its least value the left border."""
    ramp = np.broadcast_to(np.arange(256, dtype=np.uint8)[None, :, None], (200, 256, 3)).copy()
    zooms, mirrored = [], set()
    for seed in range(40):
        part = cut(ramp, 100, 100, np.random.default_rng(seed)).astype(float)
        assert part.shape == (100, 100, 3)
        slope = np.polyfit(np.arange(100), part[50, :, 0], 1)[0]
        zooms.append(abs(slope))
        mirrored.add(slope < 0)
    assert min(zooms) > 0.99
    assert max(zooms) < 2.01
    assert max(zooms) - min(zooms) > 0.5
    assert mirrored == {True, False}


def test_pristine_scenes_differ_between_references_and_seeds():
    config = SyntheticConfig(height=96, width=96)
    first, second = (load_reference(each, config) for each in list_references(60)[5:7])
    other = load_reference(list_references(60)[5], SyntheticConfig(height=96, width=96, seed=1))
    assert first.shape == (144, 144, 3)
    assert (first != second).mean() > 0.5
    assert (first != other).mean() > 0.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dead_leaves": 4}, r"dead_leaves must lie in 5\.\.999, got 4"),
        ({"images": 64}, r"images must lie in 65 .*got 64"),
        ({"height": 301}, r"height must lie in 96\.\.300, got 301"),
        ({"width": 90}, r"width must lie in 96\.\.448, got 90"),
        ({"seed": -1}, "seed must lie"),
        ({"num_workers": -1}, "num_workers must lie"),
    ],
)
def test_options_that_cannot_mean_anything_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        SyntheticConfig(**options)
