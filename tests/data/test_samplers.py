"""Oracles: numpy's own permutation of [seed, epoch], and that batches partition the images."""

import numpy as np
import pytest

from linearityiqa.data.samplers import EvaluationBatches, SampleKey, TrainingBatches

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
    ("length", "batch_size", "drop_single", "expected"),
    [
        (16, 8, True, [8, 8]),
        (18, 8, True, [8, 8, 2]),
        (17, 8, True, [8, 8]),
        (17, 8, False, [8, 8, 1]),
        (3, 1, True, [1, 1, 1]),
        (3, 8, True, [3]),
        (697, 8, True, [8] * 87),
    ],
)
def test_batches_are_full_but_the_last_which_is_no_single_image(length, batch_size, drop_single, expected):
    """697 images are CLIVE's training set: 697 mod 8 = 1."""
    batches = TrainingBatches(length, batch_size, seed=0, drop_single=drop_single)
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


def test_other_seeds_and_epochs_give_other_orders():
    orders = []
    for seed, epoch in ((0, 0), (0, 1), (1, 0)):
        batches = TrainingBatches(50, 50, seed)
        batches.start_at(epoch)
        orders.append(indices(batches)[0])
    assert len({tuple(order) for order in orders}) == 3


def test_evaluation_batches_hold_one_size_and_every_image_once():
    batches = EvaluationBatches(SIZES, 3, max_pixels_per_batch=10**6)
    assert sorted(np.concatenate(indices(batches)).tolist()) == list(range(len(SIZES)))
    assert all(len({SIZES[index] for index in batch}) == 1 for batch in indices(batches))


def test_evaluation_goes_from_large_to_small_in_the_tables_order():
    assert indices(EvaluationBatches(SIZES, 3, max_pixels_per_batch=10**6)) == [[1, 4], [3], [0, 2, 5], [6]]


def test_pixels_of_an_evaluation_batch_are_bounded_but_one_image_always_goes():
    assert indices(EvaluationBatches(SIZES, 8, max_pixels_per_batch=200)) == [[1], [4], [3], [0, 2], [5, 6]]
    assert indices(EvaluationBatches([(100, 100)], 8, max_pixels_per_batch=200)) == [[0]]


def test_done_evaluation_batches_are_left_out():
    whole = list(EvaluationBatches(SIZES, 2, max_pixels_per_batch=10**6))
    rest = EvaluationBatches(SIZES, 2, max_pixels_per_batch=10**6, skip=2)
    assert list(rest) == whole[2:]
    assert len(rest) == len(whole) - 2


def test_evaluation_keys_carry_epoch_zero():
    assert list(EvaluationBatches([(1, 1)], 1, max_pixels_per_batch=1)) == [[SampleKey(epoch=0, index=0)]]
