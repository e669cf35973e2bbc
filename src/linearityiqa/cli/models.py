"""Choose and open the model that the options name; serve and export models."""

import json
import math
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from linearityiqa.config import ExportConfig, ModelConfig, ScoreConfig, ServeConfig, TransformConfig
from linearityiqa.console import say
from linearityiqa.extras import require
from linearityiqa.hub import BUNDLED, HubModel, bundled_model, is_bundled
from linearityiqa.machine import MOST_LANES, default_workers, usable_cores
from linearityiqa.scoring import Scorer

if TYPE_CHECKING:
    from linearityiqa.export.model import ExportReport


class ChosenModel(NamedTuple):
    """A model file, and a name for results where its own folder is no place for them: in the package, or in a cache."""

    file: Path
    name: str


def chosen_model(name: Path | None, *, fast: bool = False) -> ChosenModel:
    """Find the file of a model named by a path, `hf://OWNER/NAME`, or `bundled`, which is the default.

    Of the model in the package, take the file in 8 bits if `fast`.

    Call once per command: the content of the hub may change between two calls.
    """
    if name is None or (str(name) == BUNDLED and not name.exists()):
        return ChosenModel(bundled_model(fast=fast), BUNDLED)
    if (on_hub := HubModel.of(name)) is not None:
        return ChosenModel(on_hub.fetch(), on_hub.folder)
    return ChosenModel(name, "")


def open_scorer(config: ScoreConfig | ServeConfig, model_file: Path) -> Scorer:
    """Open a model file with the options of a command."""
    return Scorer(model_file, **scorer_options(config))


def scorer_options(config: ScoreConfig | ServeConfig) -> dict[str, Any]:
    """Return the arguments of `Scorer` other than the model file."""
    transform = config.transform.effective()
    limits = config.limits if isinstance(config, ServeConfig) else config
    return {
        # options at their default are not requests: the model file has the model's own
        "model": None if config.model == ModelConfig() else config.model,
        "transform": None if transform == TransformConfig() else transform,
        "device": config.device.device,
        "batch_size": config.batch_size,
        "num_workers": config.device.num_workers,
        **_arithmetic(config),
        "max_pixels": limits.max_pixels,
    }


def _arithmetic(config: ScoreConfig | ServeConfig) -> dict[str, int | None]:
    """Return the number of parallel batches, and of threads for each.

    A batch on each core is the fastest way through many images; a single one is there soonest if all cores share it.
    """
    threads = config.device.num_threads
    if isinstance(config, ServeConfig):  # each process that decodes has a thread that computes
        shares = max(1, default_workers(config.device.num_workers))
        return {"num_threads": threads or max(1, usable_cores() // shares), "lanes": 1}
    single = len(config.words) == 1 and Path(config.words[0]).is_file()
    if config.lanes is None and (threads is not None or single):
        return {"num_threads": threads, "lanes": 1}
    cores = usable_cores()
    lanes = config.lanes or min(cores, MOST_LANES)
    return {"num_threads": threads or max(1, cores // lanes), "lanes": lanes}


def headline(scorer: Scorer, path: Path) -> str:
    """Return a line that names the model and the scale of its scores."""
    record = scorer.record
    labels = f" ({record.labels})" if record.labels else ""
    scale = f"{record.scale.low:g}..{record.scale.high:g}, higher is better" if record.scale else "scale not recorded"
    bundled = is_bundled(path)
    packaged = "model in the package" + (", in 8 bits" if bundled and path == bundled_model(fast=True) else "")
    model = f"{packaged if bundled else path}, trained on {record.database}{labels}: {scale}"
    return f"{model} (more: linearityiqa score --model_card)" if bundled else model


def serve(config: ServeConfig) -> int:
    """Load the model, and serve until a signal says to stop."""
    packages = "fastapi uvicorn python_multipart prometheus_client fastapi_offline pebble markdown_it"
    for package in packages.split():
        require(package, "serve")
    from linearityiqa.serving.server import serve

    model_file = chosen_model(config.trained_model_file).file
    scorer = open_scorer(config, model_file)
    say(headline(scorer, model_file), file=sys.stderr)
    return serve(scorer, config)


def export(config: ExportConfig) -> int:
    """Write a trained model as an ONNX file, and print what was measured."""
    for module in ("torch", "onnx", "onnxscript"):
        require(module, "export")
    from linearityiqa.export.model import export_model

    report = export_model(config)
    say(json.dumps(_values(report)) if config.json else _sentence(report))
    return 0


def _values(report: "ExportReport") -> dict[str, object]:
    values = asdict(report) | {"output": str(report.output)}
    if report.int8 is not None:
        values["int8"] = {name: None if math.isnan(value) else value for name, value in report.int8._asdict().items()}
    return values


def _sentence(report: "ExportReport") -> str:
    first = (
        f"{report.output}: {report.size / 1e6:.1f} MB; float32 differs from torch by at most "
        f"{report.difference:.1g} of the scale"
    )
    if report.float16 is not None:
        return f"{first}; weights in float16 change scores by at most {report.float16:.1g} of it"
    if report.int8 is None:
        return first
    ranks = "" if math.isnan(report.int8.srocc) else f", rank correlation {report.int8.srocc:.4f}"
    return (
        f"{first}; 8 bits differ from float32 by {report.int8.mean_difference:.2g} of it on average{ranks} "
        f"({report.int8.images} photographs)"
    )
