"""What a finished run leaves behind: the model file, its results and its predictions."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from linearityiqa.config import DeviceConfig, RunConfig, run_name, runfiles
from linearityiqa.data.databases.table import Database
from linearityiqa.evaluation import Evaluation, evaluate, results_of, write_authors_npy, write_predictions_csv
from linearityiqa.files import write_text
from linearityiqa.mapping import LinearMapping
from linearityiqa.models import save_model
from linearityiqa.quality import QualityScores
from linearityiqa.record import MAX_DIGESTS, ImageDigests, ModelRecord, SeenImages
from linearityiqa.training.trainer import Trainer

RECORDED_FIGURES = ("SROCC", "PLCC", "RMSE")


@dataclass(frozen=True)
class RunResult:
    """A finished run: its folder, and what results.json says."""

    folder: Path
    results: dict[str, Any]

    @property
    def model_file(self) -> Path:
        """The model of the best epoch."""
        return self.folder / runfiles.MODEL

    def figure(self, split: str, name: str) -> float:
        """A figure of the fused head, e.g. SROCC on the test split; nan where it is not defined or not known."""
        value = self.results["splits"].get(split, {}).get("fused", {}).get(name)
        return float("nan") if value is None else float(value)


def finish(trainer: Trainer) -> RunResult:
    """Fit the best epoch's mapping, test its weights, and write the model file and the results.

    Raises:
        LinearityIQAError: an image or the run folder fails; the state in the folder goes on from here.
    """
    session, state = trainer.session, trainer.state
    if state.best["mapping"] is None:
        mapping = trainer.predict("train").fit_mapping()
    else:
        mapping = QualityScores(*(LinearMapping(*line) for line in state.best["mapping"]))
    predictions = {"val": trainer.predict("val")}
    if "test" in session.datasets:
        predictions["test"] = trainer.predict("test")
    evaluations = {part: evaluate(found, mapping) for part, found in predictions.items()}
    record = ModelRecord(
        # where and how a run was executed is nobody's business but its owner's: the file may be published
        config=replace(session.config, run=RunConfig(), device=DeviceConfig()),
        mapping=mapping,
        scale=session.database.scale,
        database=" + ".join(database.name for database in session.images.databases),
        epoch=int(state.best["epoch"]),
        normalisation=session.network.normalisation,
        figures=_figures(evaluations),
        opinions=session.database.opinions,
        seen=_seen(session.images.databases),
    )
    reported = "test" if "test" in predictions else "val"
    results = results_of(
        record,
        session.database.name,
        evaluations,
        reported,
        run=run_name(session.config),
        precision=session.precision.name,
        epochs_trained=state.epoch,
    )
    state.phase, state.best, state.scores = "finished", {}, {}
    if session.world.is_main:
        save_model(session.folder / runfiles.MODEL, session.evaluated, record)
        write_predictions_csv(session.folder / runfiles.PREDICTIONS, predictions[reported], mapping)
        if session.config.run.npy_dir is not None:
            path = session.config.run.npy_dir / f"{run_name(session.config)}.npy"
            write_authors_npy(path, predictions[reported], mapping)
        write_text(session.folder / runfiles.RESULTS, json.dumps(results, indent=2) + "\n")
        state.save(session.folder)
    return RunResult(session.folder, results)


def _seen(databases: Sequence[Database]) -> SeenImages:
    training = [path for database in databases for path in database.split("train").paths()]
    return SeenImages(
        databases=tuple(database.digest for database in databases),
        train=ImageDigests.of(training, MAX_DIGESTS),
        val=ImageDigests.of(databases[0].split("val").paths(), MAX_DIGESTS),
    )


def _figures(evaluations: dict[str, Evaluation]) -> dict[str, float]:
    return {
        f"{part} {figure}": value
        for part, evaluation in evaluations.items()
        for figure, value in evaluation.agreement.fused.as_dict().items()
        if figure in RECORDED_FIGURES and value is not None
    }
