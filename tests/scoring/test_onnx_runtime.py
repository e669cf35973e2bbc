"""Oracle: `PixelRuntime`, which computes in numpy what the tiny ONNX model computes."""

import copy
import multiprocessing
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("onnx", reason="the extra export is not installed")

from onnx import TensorProto, helper

from forks import in_a_fork
from linearityiqa.config import ModelConfig
from linearityiqa.errors import ConfigError, DataError, ImageTooSmallError, ModelFileError
from linearityiqa.scoring import Details, Scorer, open_runtime
from linearityiqa.scoring.onnx_runtime import OnnxRuntime
from pixel_runtime import PixelRuntime
from tiny_onnx import tiny_model, write


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    return write(tmp_path / "model.onnx", tiny_model())


@pytest.mark.parametrize("shape", [(1, 3, 16, 16), (5, 3, 20, 33), (2, 3, 100, 17)])
def test_outputs_for_any_number_of_images_of_any_size(model_file: Path, shape: tuple[int, ...]) -> None:
    batch = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    np.testing.assert_allclose(OnnxRuntime(model_file).predict(batch), PixelRuntime().predict(batch), atol=1e-6)


def test_a_map_is_given_where_the_model_has_one(model_file: Path, tmp_path: Path, photos: list[Path]) -> None:
    batch = np.random.default_rng(1).standard_normal((2, 3, 20, 30), dtype=np.float32)
    runtime = OnnxRuntime(write(tmp_path / "map.onnx", tiny_model(with_map=True)))
    scores, maps = runtime.predict_with_maps(batch)
    np.testing.assert_allclose(maps, batch.mean(axis=1), atol=1e-6)
    np.testing.assert_array_equal(scores, runtime.predict(batch))
    with pytest.raises(ModelFileError, match=r"gives no quality map\. Export the model again"):
        list(Scorer(model_file).score_many(photos[:1], Details(maps=True)))


def test_images_too_small_for_the_network(model_file: Path) -> None:
    with pytest.raises(ImageTooSmallError, match=r"images of 16 x 15 .* is 16 x 16 pixels"):
        OnnxRuntime(model_file).predict(np.zeros((1, 3, 16, 15), np.float32))


def test_another_architecture_than_described(model_file: Path) -> None:
    open_runtime(model_file, model=ModelConfig(architecture="pixels"))
    with pytest.raises(ModelFileError, match=r"architecture pixels, not resnet18\. Leave the description out"):
        open_runtime(model_file, model=ModelConfig(architecture="resnet18"))


@pytest.mark.parametrize("device", ["cuda", "cuda:3", "mps", "quantum"])
def test_a_device_that_is_not_here(model_file: Path, device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(ConfigError, match=f"device '{device}' here"):
        OnnxRuntime(model_file, device=device)


def test_a_network_that_onnxruntime_refuses(tmp_path: Path) -> None:
    model = tiny_model()
    model.graph.node[0].op_type = "ReduceMeen"
    with pytest.raises(ModelFileError, match=r"cannot be loaded: .*ReduceMeen"):
        OnnxRuntime(write(tmp_path / "model.onnx", model))


def test_a_network_of_other_inputs(tmp_path: Path) -> None:
    model = tiny_model()
    model.graph.input.append(helper.make_tensor_value_info("sounds", TensorProto.FLOAT, [1]))
    model.graph.node.append(helper.make_node("Identity", ["sounds"], ["heard"]))
    with pytest.raises(ModelFileError, match="other inputs than images"):
        OnnxRuntime(write(tmp_path / "model.onnx", model))


def test_lack_of_memory_says_what_was_too_large(model_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(*_: object) -> None:
        raise MemoryError

    runtime = OnnxRuntime(model_file)
    monkeypatch.setattr("onnxruntime.InferenceSession.run", exhausted)
    with pytest.raises(DataError, match=r"too little memory for 2 image\(s\) of 70 x 90"):
        runtime.predict(np.zeros((2, 3, 70, 90), np.float32))


WITHOUT_EXTRAS = """
import sys
from importlib.abc import MetaPathFinder

class NotInstalled(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "torchvision", "onnx", "safetensors", "scipy", "pandas", "h5py"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, NotInstalled())
from linearityiqa.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def test_scoring_needs_the_base_install_alone(model_file: Path, tmp_path: Path) -> None:
    Image.effect_noise((40, 30), 60).convert("RGB").save(tmp_path / "photo.png")
    words = ["score", "--model", str(model_file), str(tmp_path / "photo.png"), "--csv"]
    done = subprocess.run([sys.executable, "-c", WITHOUT_EXTRAS, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    score = float(done.stdout.splitlines()[1].split(",")[1])
    assert score == pytest.approx(Scorer(PixelRuntime()).score(tmp_path / "photo.png"), rel=1e-5)


def test_copies_and_pickles_open_the_file_again(
    model_file: Path, photos: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(model_file.parent)
    scorer = Scorer(model_file.name, num_threads=1, batch_size=3)
    score = scorer.score(photos[0])
    monkeypatch.chdir("/")
    for again in (pickle.loads(pickle.dumps(scorer)), copy.deepcopy(scorer)):
        assert (again.score(photos[0]), again.limit) == (score, scorer.limit)
    model_file.unlink()
    with pytest.raises(ModelFileError, match="there is no model file"):
        copy.deepcopy(scorer)


def test_a_pool_of_other_processes_takes_a_scorer_that_has_scored(model_file: Path, photos: list[Path]) -> None:
    scorer = Scorer(model_file, num_threads=2)
    expected = [scorer.score(path) for path in photos[:2]]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map_async(scorer.score, photos[:2]).get(timeout=300) == expected


def test_a_forked_process_uses_the_scorer_of_its_parent(model_file: Path, photos: list[Path]) -> None:
    """In the child the scorer is not sent, but there, with a session whose threads are not."""
    in_a_fork(Scorer(model_file, num_threads=2), photos[0])
