"""Oracles: numpy's own permutation of [seed, epoch], and that batches partition the images."""

import itertools

import numpy as np
import pytest

from linearityiqa.data.loading.samplers import Shares, TrainingBatches, evaluation_batches, versions_in
from linearityiqa.machine import BatchLimit

SIZES = [(10, 10), (20, 10), (10, 10), (10, 20), (20, 10), (10, 10), (10, 10)]


def indices(batches):
    return [[key.index for key in batch] for batch in batches]


@pytest.mark.parametrize("epoch", [0, 3])
def test_an_epoch_is_the_permutation_of_seed_and_epoch(epoch):
    batches = TrainingBatches(20, 8, seed=5)
    batches.start_at(epoch)
    assert np.concatenate(indices(batches)).tolist() == np.random.default_rng([5, epoch]).permutation(20).tolist()
    assert {key.epoch for batch in batches for key in batch} == {epoch}


@pytest.mark.parametrize(
    ("length", "batch_size", "expected"),
    [
        (16, 8, [8, 8]),
        (18, 8, [8, 8, 2]),
        (17, 8, [8, 8]),
        (3, 1, [1, 1, 1]),
        (3, 8, [3]),
        (697, 8, [8] * 87),
    ],
)
def test_batches_are_full_but_the_last_which_is_no_single_image(length, batch_size, expected):
    """697 images are CLIVE's training set: 697 mod 8 = 1."""
    batches = TrainingBatches(length, batch_size, seed=0)
    assert [len(batch) for batch in batches] == expected
    assert len(batches) == len(expected)


def test_an_epoch_that_goes_on_gives_its_remaining_batches():
    batches = TrainingBatches(30, 4, seed=1)
    batches.start_at(2)
    whole = list(batches)
    batches.start_at(2, step=5)
    assert list(batches) == whole[5:]
    assert len(batches) == len(whole)


def test_an_iteration_under_way_keeps_its_epoch():
    batches = TrainingBatches(8, 4, seed=1)
    under_way = iter(batches)
    batches.start_at(1)
    assert next(under_way)[0].epoch == 0


def test_evaluation_goes_from_large_to_small_in_the_tables_order():
    batches = evaluation_batches(SIZES, BatchLimit(3))
    assert indices(batches) == [[1, 4], [3], [0, 2, 5], [6]]
    assert {(key.epoch, key.level) for batch in batches for key in batch} == {(0, 0)}


def test_pixels_of_an_evaluation_batch_are_bounded_but_one_image_always_goes():
    assert indices(evaluation_batches(SIZES, BatchLimit(8, 200))) == [[1], [4], [3], [0, 2], [5, 6]]
    assert indices(evaluation_batches([(100, 100)], BatchLimit(8, 200))) == [[0]]


def test_batches_of_several_databases_hold_one_database_each_and_every_image_once():
    """Oracle: counting; 23 images leave a last batch of 3, of 9 one image is left out."""
    batches = TrainingBatches((23, 9, 4), 4, seed=3)
    batches.start_at(2)
    found = [[key.index for key in batch] for batch in batches]
    assert len(found) == len(batches) == 6 + 2 + 1
    home = [{0 if i < 23 else 1 if i < 32 else 2 for i in batch} for batch in found]
    assert all(len(databases) == 1 for databases in home)
    indices = [i for batch in found for i in batch]
    assert len(set(indices)) == len(indices) == 23 + 8 + 4
    assert sorted(len(batch) for batch in found) == [3] + 8 * [4]


def test_batches_of_several_databases_are_spread_evenly_over_the_epoch():
    """In any run of consecutive batches each database has its share, give or take one at either end."""
    batches = TrainingBatches((300, 100), 2, seed=5)
    orders = []
    for epoch in (1, 2):
        batches.start_at(epoch)
        second = np.array([batch[0].index >= 300 for batch in batches])
        for start in range(0, 200 - 40, 7):
            assert abs(second[start : start + 40].sum() - 10) <= 2
        orders.append([tuple(batch) for batch in batches])
    assert [key[1] for batch in orders[0] for key in batch] != [key[1] for batch in orders[1] for key in batch]


@pytest.mark.parametrize("ranks", [1, 2, 3, 7])
def test_shares_of_a_batch_make_it_up_in_the_order_of_the_ranks(ranks):
    batches = TrainingBatches(22, 4, seed=1)
    shares = [Shares(batches, rank, ranks) for rank in range(ranks)]
    batches.start_at(3, step=2)
    assert [list(itertools.chain(*parts)) for parts in zip(*shares, strict=True)] == list(batches)
    assert {len(share) for share in shares} == {len(batches)}
    for parts in zip(*shares, strict=True):
        assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_shares_under_way_keep_their_epoch():
    batches = TrainingBatches(8, 4, seed=1)
    under_way = iter(Shares(batches, 1, 2))
    batches.start_at(1)
    assert next(under_way)[0].epoch == 0


@pytest.mark.parametrize(("images", "versions"), [(8, 3), (8, 8), (2, 3), (8, 0)])
def test_versions_follow_the_images_of_their_batch_level_by_level(images, versions):
    batches = TrainingBatches(images, 8, seed=3, versions=versions)
    batches.start_at(2)
    (batch,) = batches
    count = versions_in(len(batch), versions)
    assert count == min(images, versions)
    first = batch[:count]
    assert [key.level for key in batch[:images]] == [0] * images
    assert batch[images:] == [key._replace(level=level) for level in (1, 2) for key in first]
