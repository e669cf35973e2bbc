"""Oracles: the objects that the tables are made of; numpy's order of residuals; pictures as Pillow reads them back."""

import base64
import csv
import io
import re

import numpy as np
import pytest
from PIL import Image

from linearityiqa.metrics import agreement, agreement_by_group, analyse_pairs, compare
from linearityiqa.reporting import Table
from linearityiqa.reporting.evaluation_report import (
    WORST,
    ReportContent,
    agreement_table,
    better_table,
    differences_table,
    evaluation_report,
    figures_table,
    groups_table,
    mappings_table,
    pairs_table,
    parametric_table,
    thumbnail,
)
from linearityiqa.reporting.scatter import Method


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    mos = rng.uniform(0, 100, 60)
    return {"good": mos + rng.normal(0, 5, 60), "poor": mos + rng.normal(0, 40, 60)}, mos, np.full(60, 15.0)


@pytest.fixture(scope="module")
def comparison(data):
    return compare(*data, resamples=100)


def test_figures_are_shown_with_their_intervals(comparison):
    one, interval = comparison.agreements["good"], comparison.agreements["good"].intervals["PLCC"]
    table = agreement_table(comparison.agreements)
    row = next(row for row in table.rows if row[0] == "PLCC")
    assert row[1] == f"{one.plcc:.4f} [{interval.low:.4f}, {interval.high:.4f}]"
    assert table.columns == ["figure", "good", "poor"]
    assert agreement_table({"plain": agreement([1, 2, 4], [1, 2, 3])}).rows[0][1] == "1.0000"


def test_csv_holds_all_digits(comparison):
    rows = list(csv.DictReader(io.StringIO(figures_table(comparison.agreements).to_csv())))
    found = next(row for row in rows if row["method"] == "poor" and row["figure"] == "RMSE")
    assert float(found["value"]) == comparison.agreements["poor"].rmse
    assert float(found["high"]) == comparison.agreements["poor"].intervals["RMSE"].high
    mapping = next(row for row in csv.DictReader(io.StringIO(mappings_table(comparison.agreements).to_csv())))
    assert float(mapping["b1"]) == comparison.agreements["good"].mapped["linear"].mapping.parameters[0]


def test_differences_tests_and_matrix_are_those_of_the_comparison(comparison):
    rows = differences_table(comparison, ["SROCC"]).rows
    assert len(rows) == 1
    assert rows[0][3] == comparison.pairs[0].differences["SROCC"].value
    assert rows[0][-1] == "good"
    assert [row[3] for row in parametric_table(comparison).rows] == 2 * ["Williams", "Steiger", "Meng-Rosenthal-Rubin"]
    assert [row[1:] for row in better_table(comparison, "RMSE").rows] == [["", "+"], ["-", ""]]


def test_groups_stand_together_and_a_single_image_has_empty_cells(data):
    predictions, mos, _ = data
    labels = ["one"] + ["many"] * 59
    groups = {name: agreement_by_group(own, mos, labels) for name, own in predictions.items()}
    rows = groups_table(groups, "by kind").rows
    assert [(row[0], row[1], row[3]) for row in rows] == [
        ("one", 1, "good"), ("one", 1, "poor"), ("many", 59, "good"), ("many", 59, "poor"),
    ]  # fmt: skip
    assert rows[0][4] is None
    assert rows[0][-1] == groups["good"][0].bias
    assert rows[3][4] == groups["poor"][1].agreement.srocc


def test_pairs_are_those_of_the_analysis(data):
    predictions, mos, std = data
    pairs = {name: analyse_pairs(own, mos, std, 20) for name, own in predictions.items()}
    table = pairs_table(pairs)
    assert table.title.startswith("1770 pairs of images")
    assert table.rows[0][2] == pairs["good"].auc_better_worse
    assert table.columns[-2:] == ["resolving power 95%", "resolving power 75%"]


N = 20


@pytest.fixture
def content():
    rng = np.random.default_rng(1)
    mos = rng.uniform(0, 100, N)
    methods = [Method(name, mos + rng.normal(0, 10, N), mos, lambda x: x) for name in ("ours", "<theirs>")]
    return ReportContent(
        title="Report",
        lead="Two methods.",
        names=[f"photo{row:02d}.png" for row in range(N)],
        methods=methods,
        mapping="linear",
        agreement=[Table("Agreement", ["method", "SROCC"], [["ours", 0.9]])],
        comparison=[Table("Differences", ["pair", "SROCC"], [["ours - theirs", 0.1]])],
        verdicts=["No difference shown."],
    )


def test_the_worst_images_come_first(content):
    page = evaluation_report(content).to_html()
    residuals = np.abs(content.methods[0].residuals)
    expected = [content.names[row] for row in np.argsort(-residuals)[:WORST]]
    assert re.findall(r"<figcaption>(photo\d\d\.png): predicted", page)[:WORST] == expected


def test_names_are_escaped_and_nothing_is_fetched(content):
    page = evaluation_report(content).to_html()
    assert "<theirs>" not in page
    assert "&lt;theirs&gt;" in page
    assert not re.search(r'(src|href)="(?!data:|#)', page)


def test_a_single_method_has_no_comparison(content):
    single = ReportContent(
        title="Report", lead="", names=content.names, methods=content.methods[:1], mapping="linear",
        agreement=content.agreement,
    )  # fmt: skip
    assert "Comparison" not in evaluation_report(single).to_html()


def test_thumbnails_are_of_the_images(content, photo_database):
    page = evaluation_report(content, photo_database.parent / "images").to_html()
    pictures = re.findall(r'<img src="data:image/webp;base64,([^"]+)" alt="Image', page)
    assert len(pictures) == 2 * WORST
    assert Image.open(io.BytesIO(base64.b64decode(pictures[0]))).size == (64, 48)


@pytest.mark.parametrize("name", ["missing.png", "../outside.png", "/etc/hostname", "text.png"])
def test_what_is_no_image_of_the_folder_has_no_thumbnail(tmp_path, name):
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "text.png").write_text("no image")
    Image.new("RGB", (8, 8)).save(tmp_path / "outside.png")
    assert thumbnail(folder, name) is None
