"""One training run from its configuration to its results, however often it is stopped in between."""

import json
import logging
from dataclasses import replace
from pathlib import Path

import tomli_w

from linearityiqa.config import TrainConfig, run_folder, runfiles, to_dict
from linearityiqa.errors import DataError, DivergedError, TrainingError
from linearityiqa.files import write_text
from linearityiqa.training.outcome import RunResult, finish
from linearityiqa.training.runlog import RunLog
from linearityiqa.training.session import open_session
from linearityiqa.training.state import RunState, exclusive
from linearityiqa.training.stopping import StopRequest
from linearityiqa.training.trainer import Trainer

logger = logging.getLogger(__name__)


def train(config: TrainConfig) -> RunResult:
    """Train, or go on training, the run that `config` describes, and test its best epoch.

    The run folder is a function of the options. A run that was stopped there goes on from its saved state and ends
    in the same bits as an undisturbed one; a finished one gives its results again.

    Raises:
        ConfigError: options that cannot be carried out here.
        DataError: the database, a label or an image is missing or malformed.
        DivergedError: the loss or a score is not finite.
        TrainingError: the run folder cannot be used.
        Interrupted: SIGINT or SIGTERM; the state is saved.
    """
    folder = run_folder(config)
    with exclusive(folder), StopRequest() as stop:
        if config.run.fresh:
            _clear(folder)

        def heed() -> None:
            stop.raise_if_requested("stopped while images are decoded into the cache; the same command goes on with it")

        resuming = (folder / runfiles.STATE).exists()
        if resuming and (folder / runfiles.RESULTS).exists():  # there is hardly anything left to decode
            config = replace(config, device=replace(config.device, cache="none"))
        session = open_session(config, resuming=resuming, heed=heed)
        state = RunState.load(folder, session.fingerprint) if resuming else None
        if state is not None and state.phase == "finished":
            return RunResult(folder, json.loads((folder / runfiles.RESULTS).read_text(encoding="utf-8")))
        _write_config(folder, config)
        (folder / runfiles.DIVERGED).unlink(missing_ok=True)
        log_state = state or RunState(session.fingerprint)
        log = RunLog(folder, session.database.name, log_state, log_norms=config.run.log_bhat)
        try:
            trainer = Trainer(session, log_state, log, stop)
            if state is not None:
                logger.info("going on with epoch %d, batch %d", state.epoch, state.step + 1)
                trainer.restore()
            trainer.run()
            return finish(trainer)
        except DataError:
            # a signal for the whole process group also ends the processes that decode images: the stop is the cause
            stop.raise_if_requested(f"stopped; the same command goes on from the last state saved in {folder}")
            raise
        except DivergedError as end:
            content = {"epoch": log_state.epoch, "message": str(end)}
            write_text(folder / runfiles.DIVERGED, json.dumps(content, indent=2) + "\n")
            raise
        finally:
            log.close()


def _write_config(folder: Path, config: TrainConfig) -> None:
    try:
        write_text(folder / runfiles.CONFIG, tomli_w.dumps(to_dict(config)))
    except OSError as cause:
        raise TrainingError(f"cannot write the run folder {folder}: {cause}. Name another with --output.") from cause


def _clear(folder: Path) -> None:
    """Remove what an earlier run left, and nothing else that the folder may hold."""
    for pattern in runfiles.ALL:
        for path in folder.glob(pattern):
            path.unlink()
