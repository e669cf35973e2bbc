"""Oracle: the evaluation of the same files by the same network; golden scores where the real files are."""

import copy
import csv
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from forks import in_a_fork
from linearityiqa.config import ModelConfig, TransformConfig
from linearityiqa.data.databases.table import ImageTable
from linearityiqa.data.loading.dataset import ImageDataset
from linearityiqa.errors import ConfigError, DataError, ModelFileError
from linearityiqa.evaluation import predict
from linearityiqa.images import ImageTransform
from linearityiqa.machine import BatchLimit
from linearityiqa.models import LinearityIQA, save_model
from linearityiqa.models.authors import to_authors
from linearityiqa.scoring import Scorer
from linearityiqa.scoring.torch_runtime import TorchRuntime
from pixel_runtime import make_record

MODEL = ModelConfig(architecture="mobilenet_v2", pool="std")
RESIZED = TransformConfig(resize=True, resize_size_h=64, resize_size_w=80)


@pytest.fixture(scope="module")
def network() -> LinearityIQA:
    torch.manual_seed(1)
    network = LinearityIQA(MODEL)
    # with initial batch-norm statistics the signal fades away, and every image gets one score
    for module in network.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.momentum = 1.0
    with torch.no_grad():
        network.train()(torch.randn(16, 3, 64, 80) * torch.linspace(0.1, 2, 16)[:, None, None, None])
    return network.eval()


@pytest.fixture
def model_file(network: LinearityIQA, tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    save_model(path, network, make_record(model=MODEL, transform=RESIZED))
    return path


@pytest.fixture
def checkpoint(network: LinearityIQA, tmp_path: Path) -> Path:
    """As the authors write theirs; k and b in the order fused, stage 3, stage 4, with the numbers of pixel_runtime."""
    path = tmp_path / "p1q2.pth"
    torch.save(
        {"model": to_authors(network.state_dict(), network), "k": [10.0, 2.0, -1.0], "b": [50.0, 1.0, 0.5]}, path
    )
    return path


@pytest.fixture
def database(photo_database: Path) -> ImageTable:
    rows = list(csv.DictReader(photo_database.open()))
    mos = np.array([float(row["mos"]) for row in rows])
    return ImageTable(names=tuple(row["image_name"] for row in rows), mos=mos, root=photo_database.parent / "images")


@pytest.mark.parametrize("size", [(64, 80), None])
def test_scores_are_the_mapped_predictions_of_the_evaluation(
    model_file: Path, network: LinearityIQA, database: ImageTable, size: tuple[int, int] | None
) -> None:
    transform = None if size else TransformConfig()
    scorer = Scorer(model_file, transform=transform, device="cpu", batch_size=5)
    dataset = ImageDataset(database, ImageTransform(size=size))
    predictions = predict(network, dataset, limit=BatchLimit(3), device=torch.device("cpu"), num_workers=0)
    expected = predictions.mapped(scorer.record.mapping)
    assert min(np.std(head) for head in expected) > 0.1
    results = list(scorer.score_many(database.path(i) for i in range(len(database))))
    for head, of_result in (("fused", "score"), ("stage3", "stage3"), ("stage4", "stage4")):
        np.testing.assert_allclose(
            [getattr(result, of_result) for result in results], getattr(expected, head), rtol=1e-4, atol=1e-4
        )
    alone = [scorer.score(database.path(i)) for i in range(4)]
    np.testing.assert_allclose(alone, expected.fused[:4], rtol=1e-4, atol=1e-4)


def test_the_authors_checkpoint_scores_as_ours(
    checkpoint: Path, model_file: Path, database: ImageTable, caplog: pytest.LogCaptureFixture
) -> None:
    ours = Scorer(model_file, device="cpu").score(database.path(0))
    assert Scorer(checkpoint, model=MODEL, transform=RESIZED, device="cpu").score(database.path(0)) == ours
    assert not caplog.messages


def test_the_authors_checkpoint_warns_without_resizing(checkpoint: Path, caplog: pytest.LogCaptureFixture) -> None:
    scorer = Scorer(checkpoint, model=MODEL, device="cpu")
    assert scorer.record.config.transform.size is None
    (message,) = caplog.messages
    assert "498 x 664" in message
    assert "--resize" in message


def test_an_option_that_contradicts_our_file_is_refused(model_file: Path) -> None:
    Scorer(model_file, model=MODEL, device="cpu")
    Scorer(model_file, model=ModelConfig(architecture="mobilenet_v2"), device="cpu")
    with pytest.raises(ModelFileError, match="architecture mobilenet_v2, not resnet34"):
        Scorer(model_file, model=ModelConfig(architecture="resnet34"), device="cpu")


@pytest.mark.parametrize(
    "failure",
    [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("DefaultCPUAllocator: can't allocate memory")],
)
def test_lack_of_memory_says_what_was_too_large(
    model_file: Path, monkeypatch: pytest.MonkeyPatch, failure: RuntimeError
) -> None:
    def exhausted(*_: object) -> None:
        raise failure

    runtime = TorchRuntime(model_file, device="cpu")
    monkeypatch.setattr(LinearityIQA, "forward", exhausted)
    with pytest.raises(DataError, match=r"cpu has too little memory for 2 image\(s\) of 70 x 90"):
        runtime.predict(np.zeros((2, 3, 70, 90), np.float32))


def test_a_failure_of_another_kind_is_not_hidden(model_file: Path) -> None:
    with pytest.raises(ValueError, match="shape"):
        TorchRuntime(model_file, device="cpu").predict(np.zeros((2, 1, 70, 90), np.float32))


@pytest.mark.parametrize("device", ["quantum", "meta", "cuda:99", ""])
def test_a_device_that_is_not_here(model_file: Path, device: str) -> None:
    with pytest.raises(ConfigError, match="cannot be used here"):
        TorchRuntime(model_file, device=device)


@pytest.mark.parametrize(("name", "score"), [("p1q2.pth", 10.4300), ("p1q2plus0.1variant.pth", 16.7261)])
def test_the_published_score_of_the_demo_image(real_data: Path, name: str, score: float) -> None:
    found = sorted(real_data.rglob(name))
    if not found:
        pytest.skip(f"the authors' checkpoint {name} is not here")
    (image,) = real_data.rglob("1000.JPG")
    scorer = Scorer(found[0], transform=TransformConfig(resize=True), device="cpu")
    assert scorer.score(image) == pytest.approx(score, rel=1e-4)


def test_a_forked_process_uses_the_scorer_of_its_parent(model_file: Path, database: ImageTable) -> None:
    threads = torch.get_num_threads()
    try:
        in_a_fork(Scorer(model_file, device="cpu", num_threads=2), database.path(0))
    finally:
        torch.set_num_threads(threads)


def test_copies_and_pickles_open_the_file_again(model_file: Path, database: ImageTable) -> None:
    scorer = Scorer(model_file, device="cpu")
    score = scorer.score(database.path(0))
    for again in (pickle.loads(pickle.dumps(scorer)), copy.deepcopy(scorer)):
        assert again.score(database.path(0)) == score
