"""Oracle: pictures made here, of which it is known which are copies of which."""

import numpy as np
import pytest

from linearityiqa.data.checks import neardup
from linearityiqa.data.checks.neardup import find_near_duplicates, signatures, thumbnail
from linearityiqa.data.checks.registration import similarity
from pictures import CHANGES, make_picture

COUNT = 60


@pytest.fixture(scope="module")
def originals():
    return np.stack([thumbnail(make_picture(seed)) for seed in range(COUNT)])


@pytest.mark.parametrize("change", CHANGES)
def test_every_changed_copy_is_found_and_nothing_else(originals, change):
    copies = np.stack([thumbnail(CHANGES[change](make_picture(seed))) for seed in range(8)])
    found = find_near_duplicates(np.concatenate([originals, copies]), np.arange(COUNT + 8))
    assert not found.cut
    assert {(link.first, link.second) for link in found.links} == {(i, COUNT + i) for i in range(8)}
    assert all(link.mirrored == (change == "mirrored") for link in found.links)
    assert all(neardup.SAME <= link.similarity <= 1 + 1e-6 for link in found.links)


def test_different_pictures_are_far_from_the_threshold(originals):
    first, second = np.triu_indices(COUNT, 1)
    assert similarity(originals[first[:150]], originals[second[:150]]).max() < 0.6


def test_pictures_that_are_further_apart_in_time_are_not_compared(originals):
    twice = np.concatenate([originals[:3], originals[:3]])
    times = np.array([0, 100, 200, neardup.MOMENT, 100 + neardup.MOMENT + 1, 200])
    links = find_near_duplicates(twice, np.arange(6), times=times).links
    assert {(link.first, link.second) for link in links} == {(0, 3), (2, 5)}


def test_similarity_finds_a_known_shift_and_stretch():
    """Oracle: two parts of one large picture, one 6 % smaller and off centre."""
    large = make_picture(3, (640, 640)).convert("L")
    whole = thumbnail(large.crop((40, 40, 600, 600)))[None]
    part = thumbnail(large.crop((50, 60, 577, 587)))[None]
    assert similarity(whole, part)[0] > 0.95
    assert similarity(part, whole)[0] > 0.95


def test_similarity_ignores_brightness_and_contrast(originals):
    """Oracle: an identity, up to rounding to whole grey levels."""
    some = originals[:12]
    changed = np.round(some * 0.7 + 30).astype(np.uint8)
    assert similarity(some, changed).min() > 0.97
    assert np.allclose(similarity(some, some), 1, atol=1e-4)


def test_flat_pictures_are_like_nothing():
    rng = np.random.default_rng(0)
    flat = np.full((4, 64, 64), 7, np.uint8) + rng.integers(0, 2, (4, 64, 64), dtype=np.uint8)
    assert not signatures(flat).any()
    assert not find_near_duplicates(np.concatenate([flat, flat]), np.arange(8)).links


def test_related_pictures_are_not_compared(originals):
    twice = np.concatenate([originals[:3], originals[:3]])
    assert len(find_near_duplicates(twice, np.arange(6)).links) == 3
    assert not find_near_duplicates(twice, np.array([0, 1, 2, 0, 1, 2])).links


def test_a_group_costs_as_many_links_as_a_tree_has(originals):
    many = np.repeat(originals[:2], 15, axis=0)
    links = find_near_duplicates(many, np.arange(30)).links
    assert len(links) == 28
    assert {(link.first < 15) == (link.second < 15) for link in links} == {True}


def test_only_the_numbers_asked_for_are_looked_at(originals):
    twice = np.concatenate([originals[:3], originals[:3]])
    links = find_near_duplicates(twice, np.arange(6), np.array([0, 2, 4, 5])).links
    assert [(link.first, link.second) for link in links] == [(2, 5)]


def test_blocks_do_not_matter(originals, monkeypatch):
    pictures = np.concatenate([originals, originals[::-1][:20]])
    whole = find_near_duplicates(pictures, np.arange(len(pictures)))
    monkeypatch.setattr(neardup, "BLOCK", 7)
    parts = find_near_duplicates(pictures, np.arange(len(pictures)))
    assert sorted(link[:2] for link in parts.links) == sorted(link[:2] for link in whole.links)


def test_too_many_candidates_are_cut_and_said_to_be(originals, monkeypatch):
    monkeypatch.setattr(neardup, "MOST_CANDIDATES", 30)
    pictures = np.concatenate([np.repeat(originals[:1], 20, axis=0), originals[1:3], originals[1:3]])
    assert find_near_duplicates(pictures, np.arange(24)).cut
