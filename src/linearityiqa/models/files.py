"""Model files: ours (safetensors with a record), and the authors' .pth checkpoints."""

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from linearityiqa.config import ModelConfig, TrainConfig, TransformConfig, changed_from_defaults
from linearityiqa.errors import ConfigError, ModelFileError
from linearityiqa.files import atomic_path, file_kind
from linearityiqa.hub import local_model
from linearityiqa.mapping import LinearMapping
from linearityiqa.models.authors import check_fit, from_authors, mapping_in
from linearityiqa.models.backbones import TimmBackbone
from linearityiqa.models.network import LinearityIQA
from linearityiqa.models.tensors import (
    difference,
    is_batch_counter,
    read_safetensors,
    read_torch,
    state_dict_in,
)
from linearityiqa.quality import QualityScale, QualityScores
from linearityiqa.record import ModelRecord, require_model, with_transform

RECORD_KEY = "linearityiqa"
"""Key of the record in the metadata of a model file."""
DIGEST = "sha256"
"""Entry of the record with a digest of the rest of the file."""
MAX_RECORD_CHARACTERS = 2**20
"""Bound on the record; a real one has some thousand characters."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainedModel:
    """A network with its weights, in evaluation mode on the CPU, and the record in its file."""

    network: LinearityIQA
    record: ModelRecord


def save_model(path: Path, network: LinearityIQA, record: ModelRecord) -> None:
    """Write a model file atomically; the same model gives the same bytes.

    Args:
        path: the file, usually ``model.safetensors``.
        network: its weights are written, from whatever device they are on.
        record: content of the metadata.

    Raises:
        OSError: the folder cannot be written, or the disk is full; an older file stays as it was.
    """
    tensors = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    with atomic_path(path) as temporary:
        try:
            safetensors.torch.save_file(tensors, temporary, metadata={RECORD_KEY: _with_digest(record, tensors)})
        except safetensors.SafetensorError as cause:
            raise OSError(f"cannot write {path}: {cause}") from cause


def open_model(
    path: Path, *, model: ModelConfig | None = None, transform: TransformConfig | None = None
) -> TrainedModel:
    """Open a model file.

    Args:
        path: a file of `save_model`, or a checkpoint of the authors (.pth); may be an address on the Hugging Face Hub
            (``hf://OWNER/NAME[@REVISION][/FILE]``), or ``bundled``, the model in the package (extra timm).
        model: describes the network of an authors' checkpoint, by default `ModelConfig()`. Ours describe themselves;
            options other than the defaults must agree with them.
        transform: of an authors' checkpoint, by default none (with a warning, since they were trained on resized
            images); for ours, in place of the one in the file (with a warning where that differs).

    Raises:
        ModelFileError: missing, damaged, unsafe, of another kind, or of another architecture than described.
        ConfigError: `model` names no known architecture.
    """
    path = local_model(path, for_torch=True)
    if file_kind(path) == "safetensors":
        trained = _open_ours(path, transform)
        require_model(trained.record, changed_from_defaults(model or ModelConfig()), path)
        return trained
    trained = _open_authors(path, model or ModelConfig(), transform or TransformConfig())
    if transform is None or not transform.resize:
        logger.warning(
            "%s: the authors' models were trained on images resized to 498 x 664, and here images keep their own "
            "size; pass --resize for the scores of the paper",
            path,
        )
    return trained


def load_model(path: Path | str, **overrides: Any) -> LinearityIQA:
    """Load the network of a model file, in evaluation mode on the CPU.

    Args:
        path: as of `open_model`.
        overrides: fields of `ModelConfig` that describe an authors' checkpoint, e.g. ``architecture="resnet18"``; our
            files describe themselves, and the two must agree.

    Raises:
        ModelFileError: as `open_model`; or our file is of another model than described.
        ConfigError: an override that is no field of `ModelConfig`.
    """
    try:
        model = ModelConfig(**overrides)
    except TypeError as cause:
        raise ConfigError(f"cannot describe a model by {', '.join(overrides)}: {cause}") from cause
    trained = open_model(Path(path), model=model)
    require_model(trained.record, overrides, Path(path))  # also overrides that equal the defaults
    return trained.network


def _open_ours(path: Path, transform: TransformConfig | None) -> TrainedModel:
    tensors, metadata = read_safetensors(path)
    record = _read_record(path, metadata)
    _require_whole(path, metadata[RECORD_KEY], tensors)
    try:
        network = _blank_network(record.config.model)
    except ConfigError as cause:
        raise ModelFileError(f"{path}: {cause}. Update linearityiqa, or copy the file again.") from cause
    problem = difference(network.state_dict(), tensors)
    if problem:
        raise ModelFileError(f"{path} does not hold the model that its record describes: {problem}. Copy it again.")
    network.normalisation = record.normalisation
    return TrainedModel(_filled(network, tensors), with_transform(record, transform))


def _read_record(path: Path, metadata: dict[str, str]) -> ModelRecord:
    text = metadata.get(RECORD_KEY)
    if text is None:
        raise ModelFileError(
            f"{path} holds tensors but no record of a trained model. Weights of a backbone go to --weights; "
            "a trained model is model.safetensors of a run folder."
        )
    if len(text) > MAX_RECORD_CHARACTERS:
        raise ModelFileError(f"{path} is refused: its record has {len(text)} characters. Copy the file again.")
    return ModelRecord.from_json(text, str(path))


def _with_digest(record: ModelRecord, tensors: Mapping[str, Tensor]) -> str:
    """Return the record as JSON, with a digest of its other entries and of the tensors."""
    values = json.loads(record.to_json())
    return json.dumps(values | {DIGEST: _digest(values, tensors)})


def _require_whole(path: Path, record: str, tensors: Mapping[str, Tensor]) -> None:
    """Raise ModelFileError if a file is not as it was written; those of 1.0.0 have no digest."""
    values = json.loads(record)
    if values.pop(DIGEST, None) not in (None, _digest(values, tensors)):
        raise ModelFileError(
            f"{path} is damaged: it is not what was written (its {DIGEST} is another). Copy the file again; if you "
            f"have changed it, leave {DIGEST} out of its record."
        )


def _digest(values: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    found = hashlib.sha256(json.dumps(values).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        found.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()


def _open_authors(path: Path, model: ModelConfig, transform: TransformConfig) -> TrainedModel:
    network = _blank_network(model)
    content = read_torch(path)
    state = state_dict_in(content, path)
    if not any(name.startswith("regression.") for name in state):
        raise ModelFileError(
            f"{path} holds no quality model (its first tensor is {next(iter(state))}). Weights of a backbone go to "
            "--weights."
        )
    check_fit(state, network, path)
    mapping = mapping_in(content, path)
    if mapping is None:
        logger.warning(
            "%s holds no mapping to MOS (k and b): its scores are the network's own, on no known scale", path
        )
    line = LinearMapping()
    record = ModelRecord(
        config=TrainConfig(model=model, transform=transform),
        mapping=mapping or QualityScores(line, line, line),
        scale=QualityScale(low=1, high=100) if mapping else None,
        database="KonIQ-10k",
        epoch=0,
        opinions=True,
        normalisation=network.normalisation,
    )
    return TrainedModel(_filled(network, from_authors(state, network)), record)


def _blank_network(model: ModelConfig) -> LinearityIQA:
    """Return a network without numbers, so that a file's shapes are checked before memory is taken for them."""
    try:
        with torch.device("meta"):
            return LinearityIQA(model)
    except RuntimeError:  # older versions of timm ask tensors for numbers while they build some networks
        return LinearityIQA(model)


def _filled(network: LinearityIQA, state: dict[str, Tensor]) -> LinearityIQA:
    """Return the blank network with the weights of `state`, in evaluation mode on the CPU."""
    counters = {key: torch.tensor(0) for key in network.state_dict() if is_batch_counter(key)}
    if isinstance(network.backbone, TimmBackbone):  # timm keeps constants outside the state dict
        normalisation, network = network.normalisation, LinearityIQA(network.config)
        network.normalisation = normalisation
    else:
        network.to_empty(device="cpu")
    network.load_state_dict(counters | state)
    return network.eval()
