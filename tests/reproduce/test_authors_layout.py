"""Oracles: what was written is read back; files typed by hand; the authors' published files."""

import csv
import logging

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linearityiqa.errors import DataError
from linearityiqa.quality import QualityScores
from linearityiqa.reproduce.authors_layout import (
    AuthorsLayout,
    export,
    read_bhat_log,
    read_curve,
    write_bhat_log,
    write_curve,
)
from linearityiqa.reproduce.item import draw_items, gather
from linearityiqa.reproduce.paper import Scale
from linearityiqa.reproduce.reproduction import numbers_json
from linearityiqa.reproduce.setup import ITEMS
from linearityiqa.run_folders import BhatLog, Curve


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


@given(st.lists(st.tuples(st.integers(0, 10**6), st.floats(allow_infinity=False)), unique_by=lambda pair: pair[0]))
def test_a_curve_reads_back(tmp_path_factory, points):
    points.sort()
    curve = Curve(np.array([s for s, _ in points], dtype=np.int64), np.array([v for _, v in points], dtype=np.float64))
    path = tmp_path_factory.mktemp("curve") / "c.csv"
    write_curve(path, curve)
    read = read_curve(path)
    np.testing.assert_array_equal(read.steps, curve.steps)
    np.testing.assert_array_equal(read.values, curve.values)


def test_columns_are_found_by_name_and_gaps_are_nan(tmp_path):
    path = write(tmp_path / "c.csv", "Value,extra,Step,Wall time\n0.5,x,1,9.0\nNaN,x,2,\n\n,x,3,9\ninf,x,5,9\n")
    curve = read_curve(path)
    np.testing.assert_array_equal(curve.steps, [1, 2, 3, 5])
    np.testing.assert_array_equal(curve.values, [0.5, np.nan, np.nan, np.nan])


def test_a_header_alone_is_a_run_that_diverged_at_once(tmp_path):
    assert read_curve(write(tmp_path / "c.csv", "Wall time,Step,Value\n")).last == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no column Wall time"),
        ("Wall time,step,Value\n1,1,1\n", "no column Step"),
        ("Wall time,Step,Value\n1,1,good\n", "line 2: Value is 'good', not a number"),
        ("Wall time,Step,Value\n1,1.5,0\n", "line 2: Step is '1.5', no whole number"),
        ("Wall time,Step,Value\n1,nan,0\n", "line 2: Step is 'nan', no whole number"),
        ("Wall time,Step,Value\n1,2,0\n1,2,0\n", "line 3: step 2 does not follow 2"),
        ("Wall time,Step,Value\n1,2\n", "line 2 has too few or too many values"),
        ('Wall time,Step,Value\n1,2,"' + "9" * 200_000 + '"\n', "field larger than field limit"),
    ],
)
def test_a_bad_curve_is_one_sentence_with_file_and_line(tmp_path, text, message):
    path = write(tmp_path / "c.csv", text)
    with pytest.raises(DataError, match=message) as caught:
        read_curve(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_binary_or_oversized_file_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "c.csv"
    path.write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(DataError, match="cannot read"):
        read_curve(path)
    monkeypatch.setattr("linearityiqa.reproduce.authors_layout.MAX_CURVE_BYTES", 2)
    with pytest.raises(DataError, match="more than 2 bytes"):
        read_curve(path)


def test_a_log_reads_back_with_its_own_epoch(tmp_path):
    heads = QualityScores(*np.random.default_rng(0).uniform(0, 9, (3, 8)))
    write_bhat_log(tmp_path / "bhat.log", BhatLog(heads, 4))
    read = read_bhat_log(tmp_path / "bhat.log")
    assert read.iterations_per_epoch == 4
    for head, expected in zip(read.values, heads, strict=True):
        np.testing.assert_array_equal(head, expected)


def test_other_lines_of_a_log_are_ignored_and_an_unfinished_iteration_dropped(tmp_path, caplog):
    text = "Namespace(lr=1)\n  bhat = 8\nbhat = 1\nbhat = 2\nloss bhat = 4\nbhat = 3\r\nbhat = 5"
    with caplog.at_level(logging.WARNING):
        log = read_bhat_log(write(tmp_path / "bhat.log", text))
    assert (log.values.fused, log.values.stage3, log.values.stage4) == (1, 2, 3)
    assert log.iterations_per_epoch == 883
    assert "ends inside an iteration" in caplog.text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bhat = 1\nbhat = two\n", "line 2: bhat is 'two'"),
        ("nothing\n", "no iteration"),
        ("iterations per epoch = 0\nbhat = 1\nbhat = 1\nbhat = 1\n", "0 iterations per epoch"),
        ("iterations per epoch = inf\n", "line 1: iterations per epoch is 'inf'"),
    ],
)
def test_a_bad_log_is_one_sentence(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        read_bhat_log(write(tmp_path / "bhat.log", text))


def test_exported_results_draw_the_same_items(tmp_path, source):
    items = [ITEMS[name] for name in ("fig1", "fig4", "fig5", "fig7", "figA1", "figA2")]
    needs = dict.fromkeys(need for item in items for need in item.needs(Scale()))
    written = export(gather(needs, source), tmp_path)
    assert len(written) == len(set(written)) == 27 + 6 + 30 + 6 + 1
    ours, _ = draw_items(items, source, Scale())
    theirs, failures = draw_items(items, AuthorsLayout(tmp_path), Scale())
    assert not failures
    for item in items:
        assert numbers_json(item.name, ours[item]) == numbers_json(item.name, theirs[item])


def test_a_missing_and_a_misnamed_file_are_named_and_the_other_items_go_on(tmp_path, source):
    items = [ITEMS[name] for name in ("fig4", "figA1", "figA2", "tabA2")]
    needs = dict.fromkeys(need for item in items for need in item.needs(Scale()))
    export(gather(needs, source), tmp_path)
    (tmp_path / "csv/MSE_PLCC.csv").rename(tmp_path / "csv/mse-plcc.csv")
    drawn, failures = draw_items(items, AuthorsLayout(tmp_path), Scale())
    assert {item.name for item in drawn} == {"figA1", "figA2"}
    sentences = {item.name: sentence for item, sentence in failures.items()}
    assert "csv/MSE_PLCC.csv is missing; mse-plcc.csv may be misnamed" in sentences["fig4"]
    assert "has no file" in sentences["tabA2"]
    _, failures = draw_items(items, AuthorsLayout(tmp_path / "nowhere"), Scale())
    assert len(failures) == 4


def test_the_published_files_read_as_they_stand(real_data):
    folder = real_data / "paper"
    layout = AuthorsLayout(folder)
    published = {need for item in ITEMS.values() for need in item.needs(Scale()) if need.published}
    names = {need.published for need in published}
    assert {f"csv/{path.name}" for path in (folder / "csv").iterdir()} <= names
    assert {f"npy/{path.name}" for path in (folder / "npy").iterdir()} <= names
    assert not gather(published, layout).problems
    for need in published:
        if need.published.startswith("csv/"):
            with (folder / need.published).open(newline="") as stream:
                rows = list(csv.DictReader(stream))
            curve = layout.curve(need)
            assert curve.steps.tolist() == [int(row["Step"]) for row in rows]
            assert curve.values.tolist() == [float(row["Value"]) for row in rows]
            assert curve.wall_times.tolist() == [float(row["Wall time"]) for row in rows]


def test_the_published_log_has_thirty_epochs_of_883_iterations(real_data):
    path = real_data / "paper/bhat.log"
    values = [float(line[7:]) for line in path.read_text().splitlines() if line.startswith("bhat = ")]
    log = read_bhat_log(path)
    assert len(log) == 30 * 883
    assert log.values.fused.tolist() == values[0::3]
    assert log.values.stage3.tolist() == values[1::3]
    assert log.values.stage4.tolist() == values[2::3]
    np.testing.assert_allclose(log.epoch_means().fused, np.reshape(values[0::3], (30, 883)).mean(axis=1))
