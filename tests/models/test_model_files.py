"""Our model files: what is written is read, twice the same bytes, and nothing else is believed."""

import json

import pytest
import safetensors
import torch
from safetensors.torch import save_file

import linearityiqa.models.files as files
from linearityiqa.config import AugmentationConfig, ModelConfig, TransformConfig
from linearityiqa.errors import ModelFileError
from linearityiqa.models import LinearityIQA, load_model, open_model, save_model
from linearityiqa.quality import HEADS


@pytest.fixture
def model_file(tmp_path, formula_network, record):
    path = tmp_path / "run" / "model.safetensors"
    save_model(path, formula_network(pool="std"), record(pool="std"))
    return path


def test_what_is_saved_is_opened(model_file, formula_network, record):
    opened = open_model(model_file)
    assert opened.record == record(pool="std")
    assert opened.network.config == ModelConfig(architecture="alexnet", pool="std")
    expected = formula_network(pool="std").state_dict()
    assert all(torch.equal(value, expected[key]) for key, value in opened.network.state_dict().items())
    assert not opened.network.training


def test_same_model_same_bytes(model_file, tmp_path, formula_network, record):
    save_model(tmp_path / "again.safetensors", formula_network(pool="std"), record(pool="std"))
    assert (tmp_path / "again.safetensors").read_bytes() == model_file.read_bytes()
    assert [path.name for path in model_file.parent.iterdir()] == ["model.safetensors"]


def test_other_transform_is_recorded_even_where_the_training_crop_would_not_fit(tmp_path, formula_network, record):
    trained = record()
    config = type(trained.config)(model=trained.config.model, augmentation=AugmentationConfig(augmentation=True))
    path = tmp_path / "m.safetensors"
    save_model(path, formula_network(), type(trained)(**(vars(trained) | {"config": config})))
    small = TransformConfig(resize=True, resize_size_h=64, resize_size_w=80)
    assert open_model(path, transform=small).record.config.transform == small


def test_load_model_checks_what_it_is_told(model_file):
    assert load_model(model_file, architecture="alexnet", pool="std").config.pool == "std"
    assert load_model(str(model_file)).config.pool == "std"
    with pytest.raises(ModelFileError, match="holds a model with pool std, not avg"):
        load_model(model_file, pool="avg")


def test_a_failed_write_leaves_the_old_file(model_file, formula_network, record, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise safetensors.SafetensorError("No space left on device")

    before = model_file.read_bytes()
    monkeypatch.setattr(files.safetensors.torch, "save_file", fail)
    with pytest.raises(OSError, match="No space left"):
        save_model(model_file, formula_network(), record())
    assert model_file.read_bytes() == before
    assert [path.name for path in model_file.parent.iterdir()] == ["model.safetensors"]


def rewritten(path, text: str | None):
    """The model file with another record."""
    with safetensors.safe_open(path, framework="pt") as archive:
        # copies, as the file that they are mapped from is written over
        tensors = {name: archive.get_tensor(name).clone() for name in archive.keys()}  # noqa: SIM118
    save_file(tensors, path, metadata=None if text is None else {files.RECORD_KEY: text})
    return path


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (None, "no record of a trained model"),
        ("{}", "is damaged"),
        ("not json", "is damaged"),
        ("[" * 200_000, "is damaged"),
        ('"' + "x" * 2**20 + '"', "record has 1048578 characters"),
    ],
)
def test_records_that_are_none_are_refused(model_file, text, what):
    with pytest.raises(ModelFileError, match=what):
        open_model(rewritten(model_file, text))


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"architecture": "resnet18"}, "does not hold the model that its record describes: .*missing"),
        ({"architecture": "resnet1800"}, "unknown architecture"),
        ({"architecture": "regnet_x_400mf", "P6": 16, "P7": 16, "pool": "maxmin"}, "does not hold the model"),
        ({"pool": "maxmin"}, r"stage3\.reduce\.0\.weight: 1024 x 256 in the file, 1024 x 512"),
        ({"architecture": 5}, "is damaged"),
    ],
)
def test_records_of_another_model_are_refused(model_file, record, change, what):
    values = json.loads(record(pool="std").to_json())
    values["config"]["model"].update(change)
    with pytest.raises(ModelFileError, match=what):
        open_model(rewritten(model_file, json.dumps(values)))


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        ("mapping", {"fused": {"slope": "steep", "intercept": 0}}),
        ("mapping", {head: {"slope": float("nan"), "intercept": 0} for head in HEADS}),
        ("mapping", [1, 2, 3]),
        ("scale", {"low": 5, "high": 1}),
        ("scale", "1..5"),
        ("epoch", float("inf")),
        ("figures", {"SROCC": None}),
        ("config", None),
        ("format", "one"),
    ],
)
def test_damaged_entries_of_the_record_are_refused(model_file, record, entry, value):
    values = json.loads(record(pool="std").to_json()) | {entry: value}
    with pytest.raises(ModelFileError, match=r"is damaged|newer"):
        open_model(rewritten(model_file, json.dumps(values)))


def test_half_precision_files_become_float32(model_file):
    with safetensors.safe_open(model_file, framework="pt") as archive:
        # copies, as the file that they are mapped from is written over
        tensors = {name: archive.get_tensor(name).clone() for name in archive.keys()}  # noqa: SIM118
        metadata = archive.metadata()
    values = json.loads(metadata[files.RECORD_KEY])
    del values["sha256"]  # as the message on a changed file says
    metadata[files.RECORD_KEY] = json.dumps(values)
    halved = {name: value.half() if value.is_floating_point() else value for name, value in tensors.items()}
    save_file(halved, model_file, metadata=metadata)
    network = open_model(model_file).network
    assert all(value.dtype != torch.float16 for value in network.state_dict().values())
    torch.testing.assert_close(network.fused.linear.weight, tensors["fused.linear.weight"], rtol=1e-3, atol=1e-4)


def test_sizes_are_compared_before_a_network_of_timm_takes_memory(model_file, monkeypatch, tmp_path, record):
    pytest.importorskip("timm", reason="the extra timm is not installed")
    built = []

    class Spy(LinearityIQA):
        def __init__(self, config):
            built.append(torch.get_default_device().type)
            super().__init__(config)

    monkeypatch.setattr("linearityiqa.models.files.LinearityIQA", Spy)
    with safetensors.safe_open(model_file, "pt") as archive:
        tensors = {name: archive.get_tensor(name) for name in archive.keys()}  # noqa: SIM118
    path = tmp_path / "giant.safetensors"
    giant = record(architecture="timm/tf_efficientnet_lite0").to_json()
    save_file(tensors, path, metadata={"linearityiqa": giant})
    with pytest.raises(ModelFileError, match="does not hold the model that its record describes"):
        open_model(path)
    assert built == ["meta"]


def flipped(path, place: int):
    """The file with one bit changed."""
    content = bytearray(path.read_bytes())
    content[place] ^= 64
    path.write_bytes(content)
    return path


def test_a_flipped_bit_among_the_weights_is_found(model_file):
    size = model_file.stat().st_size
    with pytest.raises(ModelFileError, match="is damaged: it is not what was written"):
        open_model(flipped(model_file, size // 2))
    open_model(flipped(model_file, size // 2))  # and back


def test_a_changed_record_is_found(model_file):
    """Oracle: the same change in a file without the digest, as 1.0.0 wrote it, is not seen."""
    content = model_file.read_bytes()
    model_file.write_bytes(content.replace(b"1.5,", b"9.5,", 1))  # the slope of stage 3
    with pytest.raises(ModelFileError, match="leave sha256 out of its record"):
        open_model(model_file)
    with safetensors.safe_open(model_file, framework="pt") as archive:
        values = json.loads(archive.metadata()[files.RECORD_KEY])
    del values["sha256"]
    assert open_model(rewritten(model_file, json.dumps(values))).record.mapping.stage3.slope == 9.5
