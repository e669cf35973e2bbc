"""Runs that start from a trained quality model. Oracles: the model's own file, its scores, and the label's scale."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from linearityiqa.config import AugmentationConfig, LossConfig, ModelConfig, TrainConfig, TransformConfig
from linearityiqa.data.databases.opening import open_databases
from linearityiqa.errors import ConfigError, ModelFileError
from linearityiqa.models import LinearityIQA, TrainedModel, open_model
from linearityiqa.training import train
from linearityiqa.training.images import open_run_images
from linearityiqa.training.session import resolve_init, start_from_model
from small_runs import changed, small_run

RESIZED = TransformConfig(resize=True, resize_size_h=64, resize_size_w=96)


@pytest.fixture(scope="module")
def model_file(photo_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("first")
    train(changed(small_run(photo_database, folder, transform=RESIZED), epochs=1))
    return folder / "model.safetensors"


@pytest.fixture(scope="module")
def model(model_file: Path) -> TrainedModel:
    return open_model(model_file)


def continued(labels: Path, folder: Path, model_file: Path, **options) -> TrainConfig:
    run = replace(small_run(labels, folder), model=ModelConfig(), transform=TransformConfig())
    return changed(run, init=str(model_file), **options)


def started(config: TrainConfig) -> LinearityIQA:
    """The network of a run before its first step, in evaluation mode."""
    network = LinearityIQA(config.model)
    start_from_model(network, config, open_databases(config.data, config.optimiser.seed)[0])
    return network.eval()


def test_network_and_transform_are_the_models(photo_database: Path, tmp_path: Path, model_file: Path) -> None:
    run = resolve_init(continued(photo_database, tmp_path, model_file))
    assert run.model.architecture == "shufflenet_v2_x0_5"
    assert run.transform == RESIZED
    own = replace(continued(photo_database, tmp_path, model_file), transform=replace(RESIZED, resize_size_w=64))
    assert resolve_init(own).transform.resize_size_w == 64


@pytest.fixture(scope="module")
def photographs_of_all_sizes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 photographs of 60 sizes."""
    folder = tmp_path_factory.mktemp("sizes")
    rng = np.random.default_rng(3)
    rows = ["image_name,mos"]
    for i in range(60):
        pixels = rng.integers(0, 256, (90 + 7 * (i % 6), 80 + i, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.png")
        rows.append(f"{i}.png,{i}")
    (folder / "labels.csv").write_text("\n".join(rows))
    return folder / "labels.csv"


def test_photographs_of_all_sizes_train_from_a_model_of_crops(
    photo_database: Path, photographs_of_all_sizes: Path, tmp_path: Path
) -> None:
    """Oracle: the crop, which is the model's; where its transform is not taken, nor is the crop."""
    shrink = TransformConfig(resize=True, resize_mode="shrink", resize_size_h=64, resize_size_w=64)
    crop = AugmentationConfig(augmentation=True, crop_size_h=40, crop_size_w=48, scale_min=0.8)
    first = replace(small_run(photo_database, tmp_path / "first", transform=shrink), augmentation=crop)
    model_file = train(changed(first, epochs=1)).model_file
    run = continued(photographs_of_all_sizes, tmp_path / "second", model_file, epochs=1)
    record = open_model(train(run).model_file).record
    assert (record.config.transform, record.config.augmentation) == (shrink, crop)
    whole = AugmentationConfig(augmentation=True)
    assert resolve_init(replace(run, augmentation=whole)).augmentation == crop
    for other in (
        replace(run, augmentation=replace(crop, crop_size_h=32)),
        replace(run, transform=replace(shrink, resize_size_h=48)),
        changed(run, batch_size=1, accumulation_steps=8, exact_accumulation=True),
    ):
        assert resolve_init(other).augmentation == other.augmentation


def test_photographs_of_all_sizes_share_batches_with_the_model_in_the_package(
    photographs_of_all_sizes: Path, tmp_path: Path
) -> None:
    """The README's first command of training."""
    pytest.importorskip("timm", reason="timm is not installed: pip install 'linearityiqa[timm]'")
    config = resolve_init(continued(photographs_of_all_sizes, tmp_path, Path("bundled")))
    assert set(open_run_images(config, workers=0).training.sizes()) == {(352, 352)}


def test_all_weights_are_taken(photo_database: Path, tmp_path: Path, model_file: Path, model: TrainedModel) -> None:
    network = started(resolve_init(continued(photo_database, tmp_path, model_file)))
    taken, own = network.state_dict(), model.network.state_dict()
    assert all(torch.equal(taken[name], value) for name, value in own.items())


@pytest.mark.parametrize("label_scale", ["given", "standard"])
def test_mse_starts_on_the_scale_of_the_labels(
    photo_database: Path, tmp_path: Path, model_file: Path, model: TrainedModel, label_scale: str
) -> None:
    run = replace(
        resolve_init(continued(photo_database, tmp_path, model_file, label_scale=label_scale)),
        loss=LossConfig(loss_type="mse"),
    )
    images = torch.randn(4, 3, 64, 96)
    with torch.no_grad():
        seen, raw = started(run)(images).fused, model.network(images).fused
    expected = model.record.mapping.fused(raw)  # on the same database, and so on the same scale
    if label_scale == "standard":
        mos = open_databases(run.data, run.optimiser.seed)[0].split("train").mos
        expected = (expected - mos.mean()) / mos.std()
    np.testing.assert_allclose(seen.numpy(), expected, rtol=0.01, atol=0.01)


def test_a_run_goes_on_from_the_model(photo_database: Path, tmp_path: Path, model_file: Path) -> None:
    """With a learning rate of next to nothing the scores stay those of the model."""
    config = continued(photo_database, tmp_path, model_file, epochs=1, learning_rate=1e-12, freeze_bn=True)
    result = train(config)
    first, second = open_model(model_file), open_model(result.model_file)
    images = torch.randn(4, 3, 64, 96)
    with torch.no_grad():
        before, after = (one.network.backbone(images).stage4 for one in (first, second))
    torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-4)
    assert train(config).results == result.results  # finished: nothing is trained again


def test_faults(photo_database: Path, tmp_path: Path, model_file: Path) -> None:
    other = replace(continued(photo_database, tmp_path, model_file), model=ModelConfig(architecture="resnet18"))
    with pytest.raises(ConfigError, match="holds a model of shufflenet_v2_x0_5"):
        resolve_init(other)
    with pytest.raises(ConfigError, match=r"rank_weight 0\.5 weighs .* none are made"):
        resolve_init(replace(continued(photo_database, tmp_path, model_file), loss=LossConfig(rank_weight=0.5)))
    with pytest.raises(ModelFileError, match="there is no model file"):
        train(continued(photo_database, tmp_path, tmp_path / "none.safetensors"))
    with pytest.raises(ConfigError, match="init must be"):
        continued(photo_database, tmp_path, Path("x"), weights="none").optimiser.__class__(init="")
