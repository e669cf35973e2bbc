"""Oracles: the authors' saved figures, NumPy's own reader of files we wrote, and the round trip."""

import dataclasses

import numpy as np
import pytest

from linearityiqa.errors import DataError
from linearityiqa.evaluation import evaluate, read_authors_npy, write_authors_npy
from linearityiqa.quality import HEADS

FIGURES = ["SROCC", "SROCC1", "SROCC2", "PLCC", "PLCC1", "PLCC2", "RMSE", "RMSE1", "RMSE2"]
SCORES = ["sq", "sq_std", "pq", "pq1", "pq2", "pq_before", "pq1_before", "pq2_before"]
DATABASES = [("KonIQ-10k", 2015), ("CLIVE", 1162)]


@pytest.fixture
def written(tmp_path, some_predictions):
    path = tmp_path / "results.npy"
    write_authors_npy(path, some_predictions, some_predictions.fit_mapping())
    return path


@pytest.mark.parametrize(("database", "n"), DATABASES)
@pytest.mark.parametrize("loss", ["MAE", "MSE", "Norm-in-Norm"])
def test_saved_predictions_of_the_authors_give_their_figures(real_data, database, n, loss):
    saved = read_authors_npy(real_data / f"paper/npy/{database}-{loss}.npy")
    result = evaluate(saved.predictions, saved.mapping)
    assert result.n == n
    assert result.authors_figures() == pytest.approx(saved.figures, abs=1e-6)


@pytest.mark.parametrize(
    ("database", "figures"), [("KonIQ-10k", (0.9371, 0.9465, 5.0416)), ("CLIVE", (0.8342, 0.8492, 14.9416))]
)
def test_figures_of_the_authors_are_those_published(real_data, database, figures):
    saved = read_authors_npy(real_data / f"paper/npy/{database}-Norm-in-Norm.npy")
    fused = evaluate(saved.predictions, saved.mapping).agreement.fused
    assert (fused.srocc, fused.plcc, fused.rmse) == pytest.approx(figures, abs=5e-5)


def test_our_files_have_the_keys_types_and_shapes_of_the_authors(real_data, written):
    # both files were made by trusted hands, so that NumPy's own reader may be the judge
    ours = np.load(written, allow_pickle=True)
    theirs = np.load(real_data / "paper/npy/CLIVE-Norm-in-Norm.npy", allow_pickle=True)
    assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
    assert list(ours.item()) == list(theirs.item())
    for key, expected in theirs.item().items():
        value = ours.item()[key]
        assert type(value) is type(expected), key
        if isinstance(expected, np.ndarray):
            assert (value.dtype, value.shape[1:]) == (expected.dtype, expected.shape[1:]), key


def test_written_keys_and_values(written, some_predictions):
    mapping = some_predictions.fit_mapping()
    content = np.load(written, allow_pickle=True).item()
    assert list(content) == [*FIGURES, *SCORES, "k", "b"]
    assert content["k"] == [mapping.fused.slope, mapping.stage3.slope, mapping.stage4.slope]
    assert content["b"] == [mapping.fused.intercept, mapping.stage3.intercept, mapping.stage4.intercept]
    mapped, raw = some_predictions.mapped(mapping), some_predictions.scores
    np.testing.assert_array_equal(content["pq"], mapped.fused)
    np.testing.assert_array_equal(content["pq1"], mapped.stage3)
    np.testing.assert_array_equal(content["pq2"], mapped.stage4)
    np.testing.assert_array_equal(content["pq_before"][:, 0], raw.fused)
    np.testing.assert_array_equal(content["pq1_before"][:, 0], raw.stage3)
    np.testing.assert_array_equal(content["pq2_before"][:, 0], raw.stage4)
    np.testing.assert_array_equal(content["sq"], some_predictions.mos)
    np.testing.assert_array_equal(content["sq_std"], some_predictions.mos_std)
    figures = evaluate(some_predictions, mapping).agreement
    assert content["SROCC"] == figures.fused.srocc
    assert content["PLCC1"] == figures.stage3.plcc
    assert content["RMSE2"] == figures.stage4.rmse


def test_round_trip(written, some_predictions):
    mapping = some_predictions.fit_mapping()
    saved = read_authors_npy(written)
    assert saved.mapping == mapping
    assert saved.figures == evaluate(some_predictions, mapping).authors_figures()
    np.testing.assert_array_equal(saved.predictions.mos, some_predictions.mos)
    np.testing.assert_array_equal(saved.predictions.mos_std, some_predictions.mos_std)
    for head in HEADS:
        np.testing.assert_array_equal(
            getattr(saved.predictions.scores, head), getattr(some_predictions.scores, head), err_msg=head
        )
    assert saved.predictions.names[:2] == ("1", "2")


def test_unknown_deviations_are_written_as_nan_and_read_as_unknown(tmp_path, some_predictions):
    without = dataclasses.replace(some_predictions, mos_std=None)
    write_authors_npy(tmp_path / "r.npy", without, without.fit_mapping())
    assert np.isnan(np.load(tmp_path / "r.npy", allow_pickle=True).item()["sq_std"]).all()
    assert read_authors_npy(tmp_path / "r.npy").predictions.mos_std is None


def drop_k(content):
    del content["k"]


def shorten(content):
    content["pq1"] = content["pq1"][:-1]


def shorten_std(content):
    content["sq_std"] = content["sq_std"][:-1]


def alter(content):
    content["pq2"] = content["pq2"] + 1


def put_text(content):
    content["SROCC"] = "high"


def put_two_slopes(content):
    content["k"] = content["k"][:2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop_k, "has no 'k'"),
        (shorten, "pq1, pq1_before and sq differ in length"),
        (shorten_std, "sq has 40 values and sq_std 39"),
        (alter, r"pq2 is not k \* pq2_before \+ b"),
        (put_text, "'SROCC' does not hold numbers"),
        (put_two_slopes, "'k' must hold 3 numbers, not 2"),
    ],
)
def test_incomplete_or_contradictory_files_are_refused(written, change, message):
    content = np.load(written, allow_pickle=True).item()
    change(content)
    np.save(written, np.array(content, dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match=message):
        read_authors_npy(written)
