"""Export of a trained model to an ONNX file, checked against torch."""

import itertools
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from linearityiqa.config import ExportConfig, ModelConfig, TransformConfig
from linearityiqa.console import track
from linearityiqa.errors import ConfigError, DataError, ImageTooSmallError, UnreadableImageError
from linearityiqa.export.checks import (
    INT8_SROCC,
    Agreement,
    Batch,
    Outputs,
    agreement,
    generated_batches,
    require_equal,
    require_near,
)
from linearityiqa.extras import require
from linearityiqa.files import atomic_path
from linearityiqa.hub import HubModel
from linearityiqa.images import DEFAULT_MAX_PIXELS, ImageTransform
from linearityiqa.quality import HEADS
from linearityiqa.scoring.inputs import expand
from linearityiqa.scoring.onnx_file import NOTE_KEY, OnnxNote
from linearityiqa.scoring.onnx_runtime import OnnxRuntime
from linearityiqa.scoring.prepared import PreprocessedImage, prepare, stack
from linearityiqa.sizes import check_image_size

if TYPE_CHECKING:
    from onnx import ModelProto

    from linearityiqa.models import TrainedModel

logger = logging.getLogger(__name__)

FIRST_IN_FLOAT = (0, 6)
"""Numbers of first convolutions to leave in float32, to be tried in turn until 8 bits rank photographs as float32 does.
The fine noise that quality depends on is lost there, where networks of depthwise convolutions have few channels."""
CHECKED_PHOTOGRAPHS = 8
"""Number of photographs on which an export is compared with torch."""

_FUSED = HEADS.index("fused")


@dataclass(frozen=True)
class ExportReport:
    """Figures of an export: the file, its size in bytes, and differences as shares of the scale."""

    output: Path
    size: int
    difference: float
    """Largest difference of the float32 export from torch."""
    float16: float | None = None
    """Largest difference that storing the weights in float16 makes; None if they are not."""
    int8: Agreement | None = None
    """Agreement of the 8-bit scores with the float32 ones; None for a float32 file."""


def export_model(config: ExportConfig) -> ExportReport:
    """Write a trained model as an ONNX file atomically, after a check that it gives the scores of torch."""
    for module in ("onnx", "onnxscript"):
        require(module, "export")
    trained = _open(config)
    output = output_of(config)
    from linearityiqa.export.network import stored_in_float16, to_onnx

    database = config.trained_on or trained.record.database
    note = OnnxNote(replace(trained.record, database=database), trained.network.taps)
    model = to_onnx(trained.network, with_map=config.with_map)
    near: Agreement | None = None
    rounding: float | None = None

    def batches() -> Iterator[Batch]:
        return generated_batches(note) if config.images is None else _on_photographs(config.images, note)

    with atomic_path(output) as temporary:
        float32 = _written(temporary, model, note)
        of_float32 = _outputs(float32, config)
        difference = require_equal(of_float32, _torch_outputs(trained, config), batches(), note.record)
        note = replace(note, check={"difference": difference})
        if config.float16:
            model = stored_in_float16(model)
            of_float16 = _outputs(_written(temporary, model, note), config)
            rounding = require_near(of_float16, of_float32, batches(), note.record)
            note = replace(note, check=note.check | {"float16 difference": rounding})
        if config.calibration is None:
            _written(temporary, model, note)
        else:
            near = _write_int8(temporary, model, float32, note, config, config.calibration)
        size = temporary.stat().st_size
    return ExportReport(output, size, difference, rounding, near)


def _open(config: ExportConfig) -> "TrainedModel":
    if config.trained_model_file is None:
        raise ConfigError("there is nothing to export: name a model file with --model FILE")
    from linearityiqa.models import open_model

    transform = config.transform.effective()
    return open_model(
        config.trained_model_file,
        model=None if config.model == ModelConfig() else config.model,
        transform=None if transform == TransformConfig() else transform,
    )


def output_of(config: ExportConfig) -> Path:
    """Return the file that an export is written to."""
    if config.output is not None:
        return config.output
    path = config.trained_model_file or Path("model")
    on_hub = HubModel.of(path)
    path = path if on_hub is None else Path(on_hub.folder)
    return path.with_name(f"{path.stem}-int8.onnx" if config.int8 else f"{path.stem}.onnx")


def _written(path: Path, model: "ModelProto", note: OnnxNote) -> OnnxRuntime:
    """Write a model with its note to a file, and open it."""
    del model.metadata_props[:]
    model.metadata_props.add(key=NOTE_KEY, value=note.to_json())
    path.write_bytes(model.SerializeToString())
    return OnnxRuntime(path, device="cpu")


def _outputs(runtime: OnnxRuntime, config: ExportConfig) -> Callable[[Batch], Outputs]:
    """Return a function that gives all outputs of an exported model: the heads, then the map."""

    def run(batch: Batch) -> Outputs:
        if not config.with_map:
            return list(runtime.predict(batch).T)
        scores, maps = runtime.predict_with_maps(batch)
        return [*scores.T, maps]

    return run


def _torch_outputs(trained: "TrainedModel", config: ExportConfig) -> Callable[[Batch], Outputs]:
    """Return a function that gives all outputs of the exported network, in the same order."""
    import torch

    from linearityiqa.export.network import AllOutputs

    network = AllOutputs(trained.network, with_map=config.with_map)

    def run(batch: Batch) -> Outputs:
        with torch.inference_mode():
            return [output.numpy() for output in network(torch.from_numpy(batch))]

    return run


def _write_int8(
    path: Path, model: "ModelProto", float32: OnnxRuntime, note: OnnxNote, config: ExportConfig, folder: Path
) -> Agreement:
    """Quantise on half of the photographs, and compare with float32 on the others."""
    from linearityiqa.export.network import quantised

    paths = _spaced(folder, 2 * config.calibration_images)
    for_ranges, others = paths[::2], paths[1::2] or paths

    def photographs(chosen: Sequence[Path], what: str) -> Iterator[Batch]:
        for image in track(_readable(chosen, note), what, len(chosen), enabled=config.pbar):
            yield stack([image], note.record.normalisation)

    def compared(int8: OnnxRuntime, chosen: Sequence[Path]) -> Agreement:
        rows = [
            [runtime.predict(batch)[0, _FUSED] for runtime in (int8, float32)]
            for batch in photographs(chosen, "comparing")
        ]
        if not rows:
            raise _no_photographs(folder)
        of_int8, of_float32 = note.record.mapping.fused(rows).T
        return agreement(of_int8, of_float32, note.record)

    for convolutions in FIRST_IN_FLOAT:
        ranges = photographs(for_ranges, "calibrating")
        first = next(ranges, None)
        if first is None:
            raise _no_photographs(folder)
        small = quantised(model, itertools.chain([first], ranges), first_in_float=convolutions)
        int8 = _written(path, small, replace(note, precision="int8"))
        # chosen on the photographs that set the ranges: the others are to say how near it came
        if convolutions == FIRST_IN_FLOAT[-1] or not compared(int8, for_ranges).srocc < INT8_SROCC:
            break
    near = compared(int8, others)
    if not near.is_good:
        logger.warning(
            "%s: 8-bit scores differ from float32 ones by %.2g of the scale on average, with a rank correlation of "
            "%.4f over %d photographs; more or better suited --calibration photographs may help",
            config.output or path.name,
            near.mean_difference,
            near.srocc,
            near.images,
        )
    check = note.check | {"int8 mean difference": near.mean_difference, "int8 images": near.images}
    _written(path, small, replace(note, precision="int8", check=check))
    return near


def _on_photographs(folder: Path, note: OnnxNote) -> Iterator[Batch]:
    """Yield photographs one by one, then two together."""
    images = list(_readable(_spaced(folder, CHECKED_PHOTOGRAPHS), note))
    if not images:
        raise _no_photographs(folder)
    yield from (stack([image], note.record.normalisation) for image in images)
    yield stack([images[0], images[0]], note.record.normalisation)


def _readable(paths: Iterable[Path], note: OnnxNote) -> Iterator[PreprocessedImage]:
    """Yield the photographs that the network takes, prepared as for scoring; a warning names each other one."""
    config = note.record.config
    transform = ImageTransform.of(config.transform)
    for path in paths:
        try:
            image = prepare(path, transform, max_pixels=DEFAULT_MAX_PIXELS)
            check_image_size(*image.size, config.model, note.taps)
        except (UnreadableImageError, ImageTooSmallError) as cause:
            logger.warning("left out: %s", cause)
        else:
            yield image


def _spaced(folder: Path, count: int) -> list[Path]:
    """Return at most `count` of the images in a folder, evenly over all of them."""
    paths = list(expand([folder]))
    count = min(count, len(paths))
    return [paths[index * len(paths) // count] for index in range(count)]


def _no_photographs(folder: Path) -> DataError:
    return DataError(f"{folder} holds no photograph that the network takes. Name a folder of photographs.")
