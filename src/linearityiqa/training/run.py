"""One training run from its configuration to its results, however often it is stopped in between."""

import json
import logging
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import tomli_w

from linearityiqa.config import TrainConfig, run_folder, runfiles, to_dict
from linearityiqa.console import working
from linearityiqa.errors import DataError, DivergedError, TrainingError
from linearityiqa.files import write_text
from linearityiqa.training.distributed import World, open_world
from linearityiqa.training.initial import described_by_initial_model
from linearityiqa.training.outcome import RunResult, finish
from linearityiqa.training.runlog import NoLog, RunLog
from linearityiqa.training.session import Session, open_session
from linearityiqa.training.state import RunState, exclusive
from linearityiqa.training.stopping import StopRequest
from linearityiqa.training.trainer import Trainer

logger = logging.getLogger(__name__)


def train(config: TrainConfig) -> RunResult:
    """Train, or go on training, the run that `config` describes, and test its best epoch.

    The run folder is a function of the options. A run that was stopped there goes on from its saved state and ends
    in the same bits as an undisturbed one; a finished one gives its results again. Under torchrun every process calls
    this function; all get the result, and process 0 alone writes.

    Raises:
        ConfigError: options that cannot be carried out here.
        ModelFileError: the model that the run starts from cannot be used.
        DataError: the database, a label or an image is missing or malformed.
        DivergedError: the loss or a score is not finite.
        TrainingError: the run folder cannot be used.
        Interrupted: SIGINT or SIGTERM; the state is saved.
    """
    config = described_by_initial_model(config)
    with open_world(config.device.device) as world, StopRequest() as stop:
        folder = run_folder(config)
        with exclusive(folder) if world.is_main else nullcontext(), working(f"training in {folder}"):
            return _train(config, world, stop)


def _train(config: TrainConfig, world: World, stop: StopRequest) -> RunResult:
    folder = run_folder(config)
    fresh = config.run.fresh and not world.restarts

    resuming, finished = map(bool, world.from_main(_found(folder, fresh) if world.is_main else b""))
    here = _in_process(config, world, cache=not finished)  # else there is hardly anything left to decode
    with working("opening the database and the network"):
        session = open_session(here, resuming=resuming, world=world, stop=stop)
    state = RunState.load(folder, session.fingerprint, world) if resuming else None
    if state is not None and state.phase == "finished":
        results = world.from_main((folder / runfiles.RESULTS).read_bytes() if world.is_main else b"")
        return RunResult(folder, json.loads(results))
    if world.is_main:
        if fresh:  # not before it is known that the new run can start
            _clear(folder)
        _write_config(folder, config)
        (folder / runfiles.DIVERGED).unlink(missing_ok=True)
    run_state = state or RunState(session.fingerprint)
    log = RunLog(folder, session.database.name, run_state, log_norms=here.run.log_bhat) if world.is_main else NoLog()
    try:
        trainer = Trainer(session, run_state, log, stop)
        logger.info("%s", session.summary())
        if state is not None:
            _announce(state, session)
            trainer.restore()
        trainer.run()
        return finish(trainer)
    except DataError:
        # a signal for the whole process group also ends the processes that decode images: the stop is the cause
        stop.raise_if_requested(f"stopped; the same command goes on from the last state saved in {folder}")
        raise
    except DivergedError as end:
        if world.is_main:
            content = {"epoch": run_state.epoch, "message": str(end)}
            write_text(folder / runfiles.DIVERGED, json.dumps(content, indent=2) + "\n")
        raise
    finally:
        log.close()
        session.step.disconnect()


def _found(folder: Path, fresh: bool) -> bytes:
    """Two bytes: whether there is a state to go on from, and whether it looks like that of a finished run."""
    resuming = not fresh and (folder / runfiles.STATE).exists()
    return bytes([resuming, resuming and (folder / runfiles.RESULTS).exists()])


def _in_process(config: TrainConfig, world: World, *, cache: bool) -> TrainConfig:
    """The configuration as one of several processes carries it out."""
    device = replace(config.device, device=world.device_name(config.device.device))
    return replace(
        config,
        device=device if cache else replace(device, cache="none"),
        run=replace(config.run, pbar=config.run.pbar and world.is_main),
    )


def _announce(state: RunState, session: Session) -> None:
    world = session.world
    logger.info("going on with epoch %d, batch %d", state.epoch, state.step + 1)
    if state.arithmetic not in ("", session.arithmetic):  # "": saved by a version that did not note it
        logger.warning(
            "so far this run was computed in %s, from here on in %s: roundings may differ, so it may end in nearly, "
            "but not exactly, the same numbers",
            state.arithmetic,
            session.arithmetic,
        )
    if state.processes != world.size:
        logger.warning(
            "so far %d processes have computed this run, from here on %d do: sums are rounded in another order, so it "
            "ends in nearly, but not exactly, the same numbers",
            state.processes,
            world.size,
        )


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
