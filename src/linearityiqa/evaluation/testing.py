"""A model file tested on a split of a database."""

import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from linearityiqa.config import DataConfig, TestConfig, TransformConfig, runfiles
from linearityiqa.data.databases.opening import open_database
from linearityiqa.data.databases.table import Database, ImageTable
from linearityiqa.data.loading.dataset import open_images
from linearityiqa.data.loading.pixelcache import Decoding
from linearityiqa.evaluation.authors_npy import write_authors_npy
from linearityiqa.evaluation.inference import predict
from linearityiqa.evaluation.predictions import evaluate, results_of, write_predictions_csv
from linearityiqa.files import sha256_of, write_text
from linearityiqa.machine import batch_limit, default_workers
from linearityiqa.models import open_model
from linearityiqa.models.device import Layout, can_be_blocked, place, prepare_device
from linearityiqa.record import ImageDigests, ModelRecord

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TestOutcome:
    """Results of a test, as results.json has them, and their folder."""

    __test__ = False  # not a test case, whatever pytest makes of the name

    results: dict[str, Any]
    folder: Path


class ReadyModel(NamedTuple):
    """A network on its device, what its file says of it, and what it computes in."""

    network: nn.Module
    record: ModelRecord
    precision: str = "float32"


def open_with_torch(config: TestConfig, model_file: Path, device: torch.device) -> ReadyModel:
    """Open a file of ours or of the authors as the options say."""
    model = open_model(model_file, model=config.model, transform=asked_transform(config))
    blocked = device.type == "cpu" and not config.device.compile and can_be_blocked(model.network.backbone)
    layout = Layout.BLOCKED if blocked else Layout.CHANNELS_LAST
    return ReadyModel(place(model.network, device, layout, compiled=config.device.compile), model.record)


def asked_transform(config: TestConfig) -> TransformConfig | None:
    """Return the transform that the options ask for; None where the model file says what the model needs."""
    return config.transform if config.transform.resize else None


def evaluate_model_file(
    config: TestConfig,
    model_file: Path,
    open_ready: Callable[[TestConfig, Path, torch.device], ReadyModel] = open_with_torch,
) -> TestOutcome:
    """Test one model file as the options say; write results.json, predictions.csv and, on request, the authors' .npy.

    `open_ready` opens the file on a device.
    """
    device = prepare_device(config.device)
    return _evaluate(config, model_file, open_ready(config, model_file, device), device)


def _evaluate(config: TestConfig, model_file: Path, model: ReadyModel, device: torch.device) -> TestOutcome:
    database, own = _open(config, model.record)
    table = database.split(config.split)
    seen = _seen_images(database, own, table, model.record)
    _tell(config, model.record, database, own, len(table), seen)
    logger.info(
        "testing %s on %s: %d images of the %s split, device %s, %s",
        model_file,
        database.name,
        len(table),
        config.split,
        device,
        model.precision,
    )
    workers = default_workers(config.device.num_workers)
    images = open_images(
        database.table,
        model.record.config.transform,
        decoding=Decoding.of(config.data),
        cache=config.device.cache,
        workers=workers,
        progress=config.pbar,
    )
    predictions = predict(
        model.network,
        images(table),
        limit=batch_limit(config.device.eval_batch_size, gpu=device.type == "cuda"),
        device=device,
        normalisation=model.record.normalisation,
        num_workers=workers,
        progress=f"{database.name}, {config.split} split",
        bar=config.pbar,
    )
    mapping = model.record.mapping
    evaluations = {str(config.split): evaluate(predictions, mapping)}
    results = results_of(
        model.record,
        database.name,
        evaluations,
        config.split,
        model=str(model_file),
        model_sha256=sha256_of(model_file),
        split_of_training=own,
        images_of_database=len(database.table),
        notes=list(_scale_notes(model.record, database)),
        images_trained_on=None if seen is None else seen.train,
        images_validated_on=None if seen is None else seen.val,
    )
    folder = config.output or model_file.parent / f"test-{database.name}-{config.split}"
    write_predictions_csv(folder / runfiles.PREDICTIONS, predictions, mapping)
    if config.npy_dir is not None:
        # every run's model file has the same name; its folder tells the run
        name = model_file.parent.name if model_file.stem == "model" else model_file.stem
        write_authors_npy(config.npy_dir / f"{database.name}-{name}.npy", predictions, mapping)
    write_text(folder / runfiles.RESULTS, json.dumps(results, indent=2) + "\n")
    return TestOutcome(results, folder)


class Seen(NamedTuple):
    """Numbers of tested images that a model was trained on, and that its best epoch was chosen on."""

    train: int
    val: int
    same_name: int = 0
    """Images that only have the name of a training image."""


def _open(config: TestConfig, record: ModelRecord) -> tuple[Database, bool]:
    """Open the database, split as in the training of the model where it was trained on it, and say whether so."""
    if record.seen is not None:
        data = replace(config.data, **_split_options(record.config.data))
        database = open_database(data, record.config.optimiser.seed)
        if database.digest in record.seen.databases:
            return database, True
    return open_database(config.data, config.optimiser.seed), False


def _scale_notes(record: ModelRecord, database: Database) -> Iterator[str]:
    """Yield a sentence where the model's scores and the opinions are hardly on one scale."""
    scores, mos = record.scale, database.scale
    if scores is None:
        return
    shared = min(scores.high, mos.high) - max(scores.low, mos.low)
    if shared < 0.5 * (max(scores.high, mos.high) - min(scores.low, mos.low)):
        yield (
            f"the model scores on {scores.low:g}..{scores.high:g}, and the opinions of {database.name} are on "
            f"{mos.low:g}..{mos.high:g}: where these are two scales, RMSE and outlier ratio mean nothing, unlike the "
            "correlations."
        )


def _split_options(data: DataConfig) -> dict[str, Any]:
    return {name: getattr(data, name) for name in ("exp_id", "train_ratio", "train_and_val_ratio", "resplit")}


def _seen_images(database: Database, own: bool, table: ImageTable, record: ModelRecord) -> Seen | None:
    """Return the numbers of tested images that the model has seen; None where its file does not say."""
    if record.seen is None:
        return None
    if own and record.seen.databases.index(database.digest) == 0:
        tested = set(table.names)
        train, val = (
            sum(database.table.names[row] in tested for row in database.splits[part]) for part in ("train", "val")
        )
        return Seen(train, val)
    tested_files = ImageDigests.of(table.paths())
    (train, same_name), (val, _) = (part.among(tested_files) for part in (record.seen.train, record.seen.val))
    return Seen(train, val, same_name)


def _tell(
    config: TestConfig, record: ModelRecord, database: Database, own: bool, images: int, seen: Seen | None
) -> None:
    """Say whose split it is, and warn where images were seen in training."""
    if own:
        asked = _split_options(config.data) != _split_options(TestConfig().data)
        logger.info(
            "%s is a database that the model was trained on: the %s split is that of its training%s",
            database.name,
            config.split,
            ", whatever --exp_id, ratios and --resplit of this test say" if asked else "",
        )
    if seen is None:
        if record.epoch and record.database == database.name:
            logger.warning(
                "the model file does not say which images it was trained on, and its database has the name of this "
                "one: mind that none of them is tested"
            )
    elif (seen.train or seen.val) and not (own and config.split in ("train", "val")):
        logger.warning(
            "%d of the %d tested images were trained on, and %d more served to choose the best epoch (same file names "
            "and sizes): the figures do not say how good the model is on new images. Test it on others.",
            seen.train,
            images,
            seen.val,
        )
    elif seen.same_name > images / 2:
        logger.info(
            "%d of the %d tested images have names of images that the model was trained on, but are other files; check "
            "that they are no copies",
            seen.same_name,
            images,
        )
