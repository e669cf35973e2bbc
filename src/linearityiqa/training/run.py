"""One training run from its configuration to its results, however often it is stopped in between."""

import json
import logging
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tomli_w

from linearityiqa.config import DeviceConfig, RunConfig, TrainConfig, run_folder, run_name, runfiles, to_dict
from linearityiqa.data.databases.table import Database
from linearityiqa.errors import DataError, DivergedError, TrainingError
from linearityiqa.evaluation import Evaluation, evaluate, results_of, write_authors_npy, write_predictions_csv
from linearityiqa.files import write_text
from linearityiqa.mapping import LinearMapping
from linearityiqa.models import save_model
from linearityiqa.quality import PAPER_FIGURES, QualityScores
from linearityiqa.record import MAX_DIGESTS, ImageDigests, ModelRecord, SeenImages
from linearityiqa.training.distributed import World, open_world
from linearityiqa.training.precision import restored_settings
from linearityiqa.training.session import Session, open_session, resolve_init
from linearityiqa.training.state import RunLog, RunState, exclusive
from linearityiqa.training.stopping import StopRequest
from linearityiqa.training.trainer import Trainer

logger = logging.getLogger(__name__)


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
        """Return a figure of the fused head, e.g. SROCC on the test split; nan where it is not defined or not known."""
        value = self.results["splits"].get(split, {}).get("fused", {}).get(name)
        return float("nan") if value is None else float(value)


def train(config: TrainConfig) -> RunResult:
    """Train, or resume training, the run that `config` describes, and test its best epoch.

    The run folder is a function of the options. A run that was stopped there resumes from its saved state and ends
    in the same bits as an undisturbed one; a finished one gives its results again. Under torchrun every process calls
    this function; all get the result, and process 0 alone writes. What a run sets for the whole process is restored.

    Raises:
        ConfigError: options that cannot be carried out here.
        ModelFileError: the model that the run starts from cannot be used.
        DataError: the database, a label or an image is missing or malformed.
        DivergedError: the loss or a score is not finite.
        TrainingError: the run folder cannot be used.
        Interrupted: SIGINT or SIGTERM; the state is saved.
    """
    config = resolve_init(config)
    with restored_settings(), open_world(config.device.device) as world, StopRequest() as stop:
        folder = run_folder(config)
        with exclusive(folder) if world.is_main else nullcontext():
            return _train(config, world, stop)


def _train(config: TrainConfig, world: World, stop: StopRequest) -> RunResult:
    folder = run_folder(config)
    fresh = config.run.fresh and not world.restarts
    # only process 0 needs to have the folder: is there a state to resume, and are there results of a finished run?
    found = [not fresh and (folder / runfiles.STATE).exists(), (folder / runfiles.RESULTS).exists()]
    resuming, finished = map(bool, world.from_main(bytes([found[0], all(found)])))
    # this process's own device; a finished run decodes hardly an image, and makes no cache
    device = replace(config.device, device=world.device_name(config.device.device))
    here = replace(
        config,
        device=replace(device, cache="none") if finished else device,
        run=replace(config.run, pbar=config.run.pbar and world.is_main),
    )
    session = open_session(here, resuming=resuming, finished=finished, world=world, stop=stop)
    state = RunState.load(session) if resuming else RunState(session.fingerprint)
    if state.phase == "finished":
        results = world.from_main((folder / runfiles.RESULTS).read_bytes() if world.is_main else b"")
        return RunResult(folder, json.loads(results))
    log = None
    if world.is_main:
        _prepare_folder(folder, config, fresh=fresh)
        log = RunLog(folder, session.images.database.name, state, log_norms=config.run.log_bhat)
    try:
        trainer = Trainer(session, state, log, stop)
        for line in session.summary():
            logger.info("%s", line)
        if resuming:
            _announce(state, session)
            state.restore(session)
        trainer.run()
        return _finish(trainer)
    except DataError as cause:
        resumes = f"the same command resumes from the last state saved in {folder}"
        # a signal for the whole process group also ends the processes that decode images: the stop is the cause
        stop.raise_if_requested(f"stopped; {resumes}")
        if (folder / runfiles.STATE).exists():
            raise DataError(f"{cause} Then {resumes}.") from cause
        raise
    except DivergedError as end:
        if world.is_main:
            content = {"epoch": state.epoch, "message": str(end)}
            write_text(folder / runfiles.DIVERGED, json.dumps(content, indent=2) + "\n")
        raise
    finally:
        if log is not None:
            log.close()
        session.step.disconnect()


def _prepare_folder(folder: Path, config: TrainConfig, *, fresh: bool) -> None:
    """Write config.toml; if `fresh`, first remove the files of an earlier run, now that the new one can start."""
    if fresh:
        for pattern in runfiles.ALL:
            for path in folder.glob(pattern):
                path.unlink()
    try:
        write_text(folder / runfiles.CONFIG, tomli_w.dumps(to_dict(config)))
    except OSError as cause:
        raise TrainingError(f"cannot write the run folder {folder}: {cause}. Name another with --output.") from cause
    (folder / runfiles.DIVERGED).unlink(missing_ok=True)


def _announce(state: RunState, session: Session) -> None:
    processes = session.step.world.size
    logger.info("resuming with epoch %d, batch %d", state.epoch, state.step + 1)
    if state.arithmetic not in ("", session.arithmetic):  # "": saved by a version that did not note it
        logger.warning(
            "so far this run was computed in %s, from here on in %s: roundings may differ, so it may end in nearly, "
            "but not exactly, the same numbers",
            state.arithmetic,
            session.arithmetic,
        )
    if state.processes != processes:
        logger.warning(
            "so far %d processes have computed this run, from here on %d do: sums are rounded in another order, so it "
            "ends in nearly, but not exactly, the same numbers",
            state.processes,
            processes,
        )


def _finish(trainer: Trainer) -> RunResult:
    """Fit the best epoch's mapping, test its weights, and write the model file and the results."""
    session, state = trainer.session, trainer.state
    config, images = session.config, session.images
    if state.best["mapping"] is None:
        mapping = trainer.predict("train").fit_mapping()
    else:
        mapping = QualityScores(*(LinearMapping(*line) for line in state.best["mapping"]))
    predictions = {"val": trainer.predict("val")}
    evaluations = {"val": evaluate(predictions["val"], mapping)}
    record = ModelRecord(
        # without paths and device of the run: the file may be published
        config=replace(config, run=RunConfig(), device=DeviceConfig()),
        mapping=mapping,
        scale=images.database.scale,
        database=" + ".join(database.name for database in images.databases),
        epoch=int(state.best["epoch"]),
        normalisation=session.step.network.normalisation,
        figures=_recorded_figures(evaluations),
        opinions=images.database.opinions,
        seen=_seen_images(images.databases),
    )
    if "test" in images.datasets:
        if session.step.world.is_main:  # before the test, in which an image may prove damaged
            save_model(session.folder / runfiles.MODEL, session.evaluated, record)
        predictions["test"] = trainer.predict("test")
        evaluations["test"] = evaluate(predictions["test"], mapping)
        record = replace(record, figures=_recorded_figures(evaluations))
    reported = "test" if "test" in predictions else "val"
    results = results_of(
        record,
        images.database.name,
        evaluations,
        reported,
        run=run_name(config),
        precision=session.step.precision.name,
        epochs_trained=state.epoch,
    )
    state.phase, state.best, state.scores = "finished", {}, {}
    if session.step.world.is_main:
        save_model(session.folder / runfiles.MODEL, session.evaluated, record)
        write_predictions_csv(session.folder / runfiles.PREDICTIONS, predictions[reported], mapping)
        if config.run.npy_dir is not None:
            write_authors_npy(config.run.npy_dir / f"{run_name(config)}.npy", predictions[reported], mapping)
        write_text(session.folder / runfiles.RESULTS, json.dumps(results, indent=2) + "\n")
        state.save(session.folder)
    return RunResult(session.folder, results)


def _seen_images(databases: Sequence[Database]) -> SeenImages:
    training = [path for database in databases for path in database.split("train").paths()]
    return SeenImages(
        databases=tuple(database.digest for database in databases),
        train=ImageDigests.of(training, MAX_DIGESTS),
        val=ImageDigests.of(databases[0].split("val").paths(), MAX_DIGESTS),
    )


def _recorded_figures(evaluations: dict[str, Evaluation]) -> dict[str, float]:
    return {
        f"{part} {figure}": value
        for part, evaluation in evaluations.items()
        for figure, value in evaluation.agreement.fused.as_dict().items()
        if figure in PAPER_FIGURES and value is not None
    }
