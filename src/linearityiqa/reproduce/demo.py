"""The demo: the paper's story on the built-in database, in minutes, on a CPU, offline."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from linearityiqa.config import (
    DataConfig,
    DemoConfig,
    DeviceConfig,
    LossConfig,
    ModelConfig,
    OptimiserConfig,
    RunConfig,
    TrainConfig,
    changed_from_defaults,
    runfiles,
    with_recipe,
)
from linearityiqa.data.synthetic.make import CLEAN, make_database, write_showcase
from linearityiqa.evaluation import read_predictions_csv
from linearityiqa.hub import BUNDLED
from linearityiqa.metrics import agreement
from linearityiqa.quality import FIGURES
from linearityiqa.reporting import (
    Cloud,
    HtmlReport,
    Table,
    Thumbnail,
    convergence,
    figure_bytes,
    save_figure,
    scatter_grid,
)
from linearityiqa.reproduce.arms import PROPOSED, STANDARDISED, Arm
from linearityiqa.run_folders import read_curves
from linearityiqa.scoring import ImageScore, Scorer
from linearityiqa.training import RunResult, train

logger = logging.getLogger(__name__)


ARMS: Mapping[str, Arm] = {
    PROPOSED: Arm("norm-in-norm", "given"),
    "MSE": Arm("mse", "given"),
    "MAE": Arm("mae", "given"),
    STANDARDISED["MSE"]: Arm("mse", "standard"),
}
PSEUDO = (
    "The labels of this database are computed from full-reference metrics; no person has judged these images. The "
    "figures show how the losses compare on such labels at this small budget, not how well photographs are judged."
)


@dataclass(frozen=True)
class DemoResult:
    """Results of the demo."""

    runs: Mapping[str, RunResult]
    """The finished run of each arm."""
    tuned: RunResult
    """The run that starts from the model in the package."""
    photographs: Mapping[str, ImageScore]
    """Scores of a clean photograph and of its degraded copies, by the model of that run."""

    @property
    def in_order(self) -> int:
        """Number of degraded copies that score below the clean photograph."""
        clean = self.photographs[CLEAN].score
        return sum(
            clean is not None and each.score is not None and each.score < clean
            for name, each in self.photographs.items()
            if name != CLEAN
        )


def run_demo(config: DemoConfig) -> DemoResult:
    """Train and test every arm, fine-tune the model in the package, and score versions of a photograph.

    Resumes where an earlier call stopped.
    """
    database = make_database(config.database, progress=not config.quiet)
    runs: dict[str, RunResult] = {}
    for name, arm in ARMS.items():
        logger.info("training with %s", name)
        runs[name] = train(run_config(config, database, arm))
    logger.info("fine-tuning the model in the package")
    tuned = train(tuning_config(config, database))
    shown = write_showcase(config.output / "photographs", config.database)
    scores = Scorer(tuned.model_file, num_threads=1).score_many(shown.values())
    return DemoResult(runs, tuned, dict(zip(shown, scores, strict=True)))


def run_config(config: DemoConfig, database: Path, arm: Arm) -> TrainConfig:
    """Return the training run of one arm: the same budget for all, from random weights."""
    return TrainConfig(
        loss=LossConfig(loss_type=arm.loss_type),
        model=ModelConfig(architecture=config.architecture),
        data=DataConfig(dataset=str(database)),
        optimiser=OptimiserConfig(
            seed=config.seed,
            weights="none",
            learning_rate=config.learning_rate,
            ft_lr_ratio=1.0,
            epochs=config.epochs,
            lr_decay=1.0,  # so few epochs are no reason to slow down
            label_scale=arm.label_scale,
        ),
        # with images as small as these, starting processes and waiting for threads cost more than they save
        device=DeviceConfig(num_workers=0, num_threads=1),
        run=RunConfig(log_dir=config.output / "runs", test_during_training=True, pbar=not config.quiet),
    )


def tuning_config(config: DemoConfig, database: Path) -> TrainConfig:
    """Return the run that starts from the model in the package, which has learned from opinions of photographs."""
    return TrainConfig(
        data=DataConfig(dataset=str(database)),
        transform=with_recipe("modern").transform,  # without that model's crops, to which images so small are enlarged
        optimiser=OptimiserConfig(
            seed=config.seed,
            init=BUNDLED,
            learning_rate=3e-4,
            ft_lr_ratio=0.3,
            epochs=config.tuning_epochs,
            schedule="cosine",
        ),
        device=DeviceConfig(num_workers=0, num_threads=1),
        run=RunConfig(log_dir=config.output / "runs", pbar=not config.quiet),
    )


@dataclass(frozen=True)
class DemoReport:
    """Report of the demo: test figures of every arm, the best arm in words, and the files."""

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
    page.gallery(
        [
            Thumbnail(
                Path(image.path).read_bytes(),
                f"the {what} photograph",
                f"{what}: {image.error if image.score is None else f'{image.score:.2f}'}",
            )
            for what, image in result.photographs.items()
        ]
    )
    page.section("Run it again")
    changed = changed_from_defaults(config)
    page.code(" ".join(["linearityiqa demo", *(f"--{name} {value}" for name, value in changed.items())]))
    path = config.output / "report.html"
    page.write(path)
    return DemoReport(table, words, pictures, path)


def summary_table(result: DemoResult) -> Table:
    """Return test figures of every arm, its best epoch, and its SROCC on the test set after one epoch."""
    rows = [
        [
            name,
            run.results["epoch"],
            read_curves(run.folder)["test"]["SROCC"][0],
            *(run.figure("test", figure) for figure in FIGURES),
        ]
        for name, run in result.runs.items()
    ]
    columns = ("training", "best epoch", "SROCC, epoch 1", *FIGURES)
    return Table("Test set, pseudo-labels", columns, rows)


def verdict(result: DemoResult) -> str:
    """Say which arm has the highest test SROCC, and what Norm-in-Norm has where it is another."""
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
