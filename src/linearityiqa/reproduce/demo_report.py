"""The demo's pictures, table, verdict and report."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from linearityiqa.config import DemoConfig, changed_from_defaults, runfiles
from linearityiqa.evaluation import read_predictions_csv
from linearityiqa.metrics import agreement
from linearityiqa.reporting import Cloud, HtmlReport, Table, convergence, figure_bytes, save_figure, scatter_grid
from linearityiqa.reproduce.demo import ARMS, PROPOSED, DemoResult
from linearityiqa.reproduce.folders import read_curves
from linearityiqa.scoring import ImageScore

PSEUDO = (
    "The labels of this database are computed from full-reference metrics; no person has judged these images. The "
    "figures show how the losses compare on such labels at this small budget, not how well photographs are judged."
)


@dataclass(frozen=True)
class DemoReport:
    """What the demo shows.

    Attributes:
        table: test figures of every arm.
        verdict: in words, which arm is best and by how much, whoever it is.
        pictures: files of the convergence curves (validation, test) and of the scatter plots.
        page: the HTML report.
    """

    table: Table
    verdict: str
    pictures: tuple[Path, ...]
    page: Path


def write_demo_report(config: DemoConfig, result: DemoResult) -> DemoReport:
    """Draw the pictures and write the report into the demo's folder."""
    curves = {name: read_curves(run.folder) for name, run in result.runs.items()}
    figures = {
        "convergence-val": convergence({name: c["val"] for name, c in curves.items()}, title="validation set"),
        "convergence-test": convergence({name: c["test"] for name, c in curves.items()}, title="test set"),
        "scatter": scatter_grid([_clouds(result)]),
    }
    pictures = tuple(config.output / f"{name}.png" for name in figures)
    for picture, figure in zip(pictures, figures.values(), strict=True):
        save_figure(figure, picture.parent, picture.stem)
    table, words = summary_table(result), verdict(result)
    page = HtmlReport("LinearityIQA demo", lead=words)
    page.notice(PSEUDO)
    page.section("Test set")
    page.table(table)
    page.section("Convergence")
    page.figure(figure_bytes(figures["convergence-val"]), alt="Validation figures by epoch for four ways of training")
    page.figure(figure_bytes(figures["convergence-test"]), alt="Test figures by epoch for four ways of training")
    page.section("Predicted quality against pseudo-MOS")
    page.figure(figure_bytes(figures["scatter"]), alt="Scatter plots of predicted quality against pseudo-MOS")
    page.section("One photograph, and degraded copies of it")
    page.paragraph(
        f"Scored by the model in the package after {config.tuning_epochs} more epochs on this database "
        f"(linearityiqa train --init bundled): {result.in_order} of {len(result.photographs) - 1} copies score below "
        "the clean photograph."
    )
    for what, image in result.photographs.items():
        page.figure(
            Path(image.path).read_bytes(), alt=f"the {what} photograph", caption=caption(what, image), width=300
        )
    page.section("Run it again")
    changed = changed_from_defaults(config)
    page.code(" ".join(["linearityiqa demo", *(f"--{name} {value}" for name, value in changed.items())]))
    path = config.output / "report.html"
    page.write(path)
    return DemoReport(table, words, pictures, path)


def caption(what: str, image: ImageScore) -> str:
    """A version of the photograph and its score in words."""
    return f"{what}: {image.error if image.score is None else f'{image.score:.2f}'}"


def summary_table(result: DemoResult) -> Table:
    """Test figures of every arm, its best epoch, and its SROCC on the test set after one epoch."""
    rows = [
        [
            name,
            run.results["epoch"],
            read_curves(run.folder)["test"]["SROCC"][0],
            *(run.figure("test", figure) for figure in ("SROCC", "PLCC", "KROCC", "RMSE")),
        ]
        for name, run in result.runs.items()
    ]
    columns = ("training", "best epoch", "SROCC, epoch 1", "SROCC", "PLCC", "KROCC", "RMSE")
    return Table("Test set, pseudo-labels", columns, rows)


def verdict(result: DemoResult) -> str:
    """Which arm has the highest test SROCC, and how Norm-in-Norm compares where it is another."""
    srocc = {name: run.figure("test", "SROCC") for name, run in result.runs.items()}
    winner = max(srocc, key=lambda name: srocc[name])
    if winner == PROPOSED:
        second = max((name for name in ARMS if name != PROPOSED), key=lambda name: srocc[name])
        return (
            f"{PROPOSED} has the highest test SROCC, {srocc[PROPOSED]:.3f}, before {second} with {srocc[second]:.3f}."
        )
    return (
        f"Here {PROPOSED} does not win: {winner} has the highest test SROCC, {srocc[winner]:.3f}, against "
        f"{srocc[PROPOSED]:.3f} of {PROPOSED}."
    )


def _clouds(result: DemoResult) -> list[Cloud]:
    clouds = []
    for style, (name, run) in enumerate(result.runs.items()):
        saved = read_predictions_csv(run.folder / runfiles.PREDICTIONS)
        found = agreement(saved.prediction, np.asarray(saved.mos))
        clouds.append(Cloud(name, saved.prediction, saved.mos, {"SROCC": found.srocc, "PLCC": found.plcc}, style))
    return clouds
