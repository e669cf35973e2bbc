"""Our own run folders as a source of results."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from linearityiqa.config import DataConfig, SplitName, runfiles
from linearityiqa.data.databases.opening import open_database
from linearityiqa.data.databases.table import ImageTable
from linearityiqa.errors import DataError
from linearityiqa.evaluation import Predictions, SavedPredictions, read_predictions_csv
from linearityiqa.mapping import LinearMapping
from linearityiqa.quality import HEADS, QualityScores
from linearityiqa.reproduce.item import BhatNeed, CurveNeed, Need, PredictionsNeed, PredictionsSet
from linearityiqa.reproduce.paper import Run
from linearityiqa.reproduce.setup import Setup
from linearityiqa.run_folders import (
    BhatLog,
    Curve,
    is_tested,
    read_bhat,
    read_curve,
    read_json,
    saved_config,
    training_progress,
)

_OWN_SPLIT: SplitName = "test"


@dataclass
class OwnRuns:
    """The results of our own runs; a run that is not over or of other options, or a damaged folder, is a DataError."""

    setup: Setup
    failures: Mapping[Run, str] = field(default_factory=dict)
    """The sentence of each run that failed just now."""
    _tables: dict[tuple[DataConfig, SplitName, int], ImageTable | None] = field(default_factory=dict, repr=False)

    def curve(self, need: CurveNeed) -> Curve:
        """Return the metric by epoch; of a run that diverged, up to there."""
        folder = self._folder(need)
        curve = read_curve(folder, need.split, need.metric)
        by_epoch = need.split != "val" or need.metric == "RMSE"
        if by_epoch and not saved_config(folder).run.test_during_training:
            raise DataError(
                f"{folder} was trained without --test_during_training, so it has no {need.split} {need.metric} by "
                "epoch. Train it again with --fresh."
            )
        if not len(curve.steps) and not (folder / runfiles.DIVERGED).exists():
            raise DataError(f"{folder} has no {need.split} figures: {need.run.dataset} has no {need.split} split.")
        return curve

    def predictions(self, need: PredictionsNeed) -> PredictionsSet:
        """Return the predictions of a run's best model, of the labels that the database has now."""
        folder = self._folder(need, finished=True)
        config = self.setup.train_config(need.run)
        data, split = config.data, _OWN_SPLIT
        if not self.setup.is_own_test(need):
            test = self.setup.test_config(need.run)
            if test.output is None or not is_tested(test, folder):
                raise DataError(f"the model in {folder} has not been tested on {need.database}{self._why(need.run)}.")
            data, split, folder = test.data, test.split, test.output
        if read_json(folder / runfiles.RESULTS).get("reported_split") != split:
            raise DataError(f"{folder} holds no predictions on the {split} split: {data.dataset} has none.")
        saved = read_predictions_csv(folder / runfiles.PREDICTIONS)
        self._require_labels(saved, data, split, folder, config.optimiser.seed)
        return _with_mapping(saved, folder)

    def bhat(self, need: BhatNeed) -> BhatLog:
        """Return the log of b of a run that is done."""
        folder = self._folder(need, finished=True)
        if not (folder / runfiles.BHAT).exists():
            raise DataError(f"{folder} was trained without --log_bhat. Train it again with --fresh.")
        return read_bhat(folder, self.setup.config.epochs)

    def _folder(self, need: Need, *, finished: bool = False) -> Path:
        """Return the folder of a run that is over; with `finished`, of one that did not diverge either."""
        config = self.setup.train_config(need.run)
        folder = self.setup.folder(need.run)
        progress = training_progress(config)
        if progress.state == "refused":
            raise DataError(progress.words)
        if progress.state == "diverged" and finished:
            raise DataError(f"{need.run} has no result: {progress.words}")
        if not progress.is_over:
            state = "has not begun" if progress.state == "missing" else f"is not done ({progress.words})"
            raise DataError(f"the run in {folder} {state}{self._why(need.run)}.")
        return folder

    def _why(self, run: Run) -> str:
        return f"; it failed: {self.failures[run].rstrip('.')}" if run in self.failures else ""

    def _require_labels(
        self, saved: SavedPredictions, data: DataConfig, split: SplitName, folder: Path, seed: int
    ) -> None:
        """Refuse predictions of other labels than the database has now; where it is not at hand, they are trusted."""
        key = (data, split, seed)
        if key not in self._tables:
            try:
                self._tables[key] = open_database(data, seed).split(split)
            except DataError:
                self._tables[key] = None
        table = self._tables[key]
        if table is not None and (saved.names != table.names or not np.array_equal(saved.mos, table.mos)):
            raise DataError(
                f"the predictions in {folder} are of other images or labels than {data.dataset} has now. Train the run "
                "again with --fresh, or name another folder with --log_dir."
            )


def _with_mapping(saved: SavedPredictions, folder: Path) -> PredictionsSet:
    """Return saved predictions as raw scores, and the lines that map them to MOS, from results.json."""
    path = folder / runfiles.RESULTS
    results = read_json(path)
    mapped = QualityScores(saved.prediction_stage3, saved.prediction_stage4, saved.prediction)
    scores: dict[str, NDArray[np.float64]] = {}
    lines: dict[str, LinearMapping] = {}
    for head in HEADS:
        column = getattr(mapped, head)
        if column is None:
            raise DataError(f"{folder / runfiles.PREDICTIONS} lacks the predictions of {head}. Train the run again.")
        try:
            line = LinearMapping.of(results["mapping"][head])
        except (DataError, KeyError, TypeError) as cause:
            raise DataError(f"{path} holds no mapping of {head}. Train the run again with --fresh.") from cause
        if line.slope == 0:  # of a model that says the same of every image: nothing to undo
            line = LinearMapping()
        scores[head], lines[head] = (column - line.intercept) / line.slope, line
    predictions = Predictions(saved.names, saved.mos, saved.mos_std, QualityScores(**scores))
    return PredictionsSet(predictions, QualityScores(**lines))
