"""Oracles: the runs of `train` on the same splits; digests of the images; a second call."""

import dataclasses
import json

import pytest

from linearityiqa.config import CrossvalConfig
from linearityiqa.errors import ConfigError, DataError
from linearityiqa.training import crossval, train
from linearityiqa.training.crossval import (
    FILE,
    Crossvalidation,
    SplitResult,
    crossvalidate,
    paired_values,
    read_crossvalidation,
)
from small_runs import changed, killed_at, small_run


@pytest.fixture(scope="module")
def base(photo_database, tmp_path_factory):
    return changed(small_run(photo_database, tmp_path_factory.mktemp("crossval")), epochs=1)


@pytest.fixture(scope="module")
def done(base):
    return crossvalidate(CrossvalConfig(splits=2, train=base))


def result(split, images="same", **figures):
    return SplitResult(split, images, 6, 4, {"PLCC": 0.5} | figures, f"split-{split}")


def test_splits_are_those_of_train(base, done):
    """Oracle: `train --resplit --exp_id 1`, whose database has a split column."""
    config = dataclasses.replace(
        base,
        data=dataclasses.replace(base.data, exp_id=1, resplit=True),
        run=dataclasses.replace(base.run, output=base.run.output / "split-1"),
    )
    alone = train(config)  # finished by the cross-validation: it gives its results again
    assert done.splits[1].figures["SROCC"] == alone.figure("test", "SROCC")
    assert done.splits[0].images != done.splits[1].images


def test_a_second_call_trains_nothing_and_gives_the_same(base, done):
    state = base.run.output / "split-0" / "last.pt"
    before = state.stat().st_mtime_ns
    assert crossvalidate(CrossvalConfig(splits=2, train=base)) == done
    assert state.stat().st_mtime_ns == before


@pytest.mark.parametrize("end", ["fewer splits", "a stop"])
def test_a_second_call_keeps_the_splits_that_it_does_not_come_to(base, done, end):
    """Oracle: the results of the first call."""
    third = result(2, SROCC=0.1)
    content = json.loads((base.run.output / FILE).read_text())
    content["splits"] = [vars(one) for one in (*done.splits, third)]
    (base.run.output / FILE).write_text(json.dumps(content))
    if end == "fewer splits":
        assert crossvalidate(CrossvalConfig(splits=2, train=base)) == done
    else:
        with killed_at(crossval, "train", 3):
            crossvalidate(CrossvalConfig(splits=3, train=base))
    assert read_crossvalidation(base.run.output).splits == (*done.splits, third)
    content["name"] = "another configuration"
    (base.run.output / FILE).write_text(json.dumps(content))
    assert crossvalidate(CrossvalConfig(splits=2, train=base)) == read_crossvalidation(base.run.output) == done


def test_what_is_written_is_what_is_read(base, done):
    assert read_crossvalidation(base.run.output) == done
    assert read_crossvalidation(base.run.output / FILE) == done


def test_values_leave_out_what_is_not_defined():
    both = Crossvalidation("a", "d", (result(0), result(1, PLCC=None)), None)
    assert both.values("PLCC") == {0: 0.5}
    assert both.test_over_train == pytest.approx(4 / 6)


def test_pairs_are_of_the_same_split():
    ours = Crossvalidation("a", "d", (result(0, PLCC=0.6), result(1, PLCC=0.7), result(2)), None)
    other = Crossvalidation("b", "d", (result(1, PLCC=0.4), result(2, PLCC=None)), None)
    assert list(paired_values(ours, other, "PLCC")) == [(1, 0.7, 0.4)]


def test_other_images_are_not_paired(tmp_path):
    ours = Crossvalidation("a", "d", (result(0),), tmp_path)
    other = Crossvalidation("b", "d", (result(0, images="other"),), tmp_path)
    with pytest.raises(DataError, match=r"split 0 .* has other test images"):
        list(paired_values(ours, other, "PLCC"))


@pytest.mark.parametrize(
    "content",
    [
        None, "", "[]", "{}", '{"format": 0, "name": "a", "database": "d", "splits": []}',
        json.dumps({"format": 1, "name": "a", "database": "d", "splits": [vars(result(0)) | {"split": "x"}]}),
        json.dumps({"format": 1, "name": "a", "database": "d", "splits": [vars(result(0, PLCC="1"))]}),
    ],
)  # fmt: skip
def test_what_is_no_cross_validation_is_refused(tmp_path, content):
    if content is not None:
        (tmp_path / FILE).write_text(content)
    with pytest.raises(DataError, match="cannot read the cross-validation"):
        read_crossvalidation(tmp_path)


def test_a_chosen_split_is_refused(base):
    with pytest.raises(ConfigError, match="exp_id"):
        CrossvalConfig(train=dataclasses.replace(base, data=dataclasses.replace(base.data, exp_id=3)))
