"""A model file tested on a split of a database."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from linearityiqa.config import TestConfig, runfiles
from linearityiqa.data.database_images import open_images
from linearityiqa.data.databases import open_database
from linearityiqa.data.workers import batch_limit, default_workers
from linearityiqa.evaluation.authors_npy import write_authors_npy
from linearityiqa.evaluation.device import place, prepare_device
from linearityiqa.evaluation.inference import predict
from linearityiqa.evaluation.predictions_file import write_predictions_csv
from linearityiqa.evaluation.report import evaluate
from linearityiqa.evaluation.results import results_of
from linearityiqa.files import sha256_of, write_text
from linearityiqa.models import open_model
from linearityiqa.models.layout import Layout, can_be_blocked


@dataclass(frozen=True)
class TestOutcome:
    """What a test has given: what results.json says, and the folder it was written to."""

    __test__ = False  # not a test case, whatever pytest makes of the name

    results: dict[str, Any]
    folder: Path


def evaluate_model_file(config: TestConfig, model_file: Path) -> TestOutcome:
    """Test one model file as the options say; write results.json, predictions.csv and, on request, the authors' .npy.

    Raises:
        DataError: the database, a label or an image is missing or malformed, or the split has fewer than 2 images.
        ModelFileError: the model file cannot be used.
    """
    # without --resize the model file says what the model needs
    transform = config.transform if config.transform.resize else None
    model = open_model(model_file, model=config.model, transform=transform)
    database = open_database(config.data, config.optimiser.seed)
    table = database.split(config.split)
    device = prepare_device(config.device)
    workers = default_workers(config.device.num_workers)
    images = open_images(
        database.table,
        model.record.config.transform,
        exif_rotation=config.data.exif_rotation,
        cache=config.device.cache,
        workers=workers,
        progress=config.pbar,
    )
    blocked = device.type == "cpu" and not config.device.compile and can_be_blocked(model.network.backbone)
    layout = Layout.BLOCKED if blocked else Layout.CHANNELS_LAST
    predictions = predict(
        place(model.network, device, layout, compiled=config.device.compile),
        images.dataset(table),
        limit=batch_limit(config.device.eval_batch_size, gpu=device.type == "cuda"),
        device=device,
        normalisation=model.record.normalisation,
        num_workers=workers,
        progress=f"{database.name} {config.split}" if config.pbar else None,
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
    )
    folder = config.output or model_file.parent / f"test-{database.name}-{config.split}"
    write_predictions_csv(folder / runfiles.PREDICTIONS, predictions, mapping)
    if config.npy_dir is not None:
        # every run's model file has the same name; its folder tells the run
        name = model_file.parent.name if model_file.stem == "model" else model_file.stem
        write_authors_npy(config.npy_dir / f"{database.name}-{name}.npy", predictions, mapping)
    write_text(folder / runfiles.RESULTS, json.dumps(results, indent=2) + "\n")
    return TestOutcome(results, folder)
