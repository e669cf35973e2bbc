"""The model in the package: small, true to its card, and better than chance on what it was made for."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from linearityiqa import load_model
from linearityiqa.cli.main import main
from linearityiqa.config import ExportConfig
from linearityiqa.errors import ModelFileError
from linearityiqa.export.model import output_of
from linearityiqa.hub import bundled_card, bundled_model, bundled_weights, is_bundled
from linearityiqa.scoring import Details, Scorer
from linearityiqa.scoring.onnx_runtime import OnnxRuntime

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(
    not (ROOT / "src" / "linearityiqa" / "bundled" / "model.onnx").is_file(),
    reason="this version brings no model of its own: scripts/bundled_model.py makes one",
)


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return Scorer(num_threads=1)


@pytest.fixture(scope="module")
def scene() -> Image.Image:
    """A pristine scene that the model was not trained on, of the size that it sees."""
    dead_leaves = pytest.importorskip("linearityiqa.data.synthetic.dead_leaves", reason="the extra demo is missing")
    return Image.fromarray(dead_leaves.render(384, 512, np.random.default_rng(2024)))


def noisy(image: Image.Image) -> Image.Image:
    noise = 45 * np.random.default_rng(1).standard_normal((image.height, image.width, 3))
    return Image.fromarray((np.asarray(image) + noise).clip(0, 255).astype(np.uint8))


def compressed(image: Image.Image, path: Path) -> Image.Image:
    image.save(path, quality=3)
    return Image.open(path)


def test_it_is_small_and_complete() -> None:
    assert bundled_model().stat().st_size <= 10_000_000
    runtime = OnnxRuntime(bundled_model())
    assert runtime.precision == "float32"
    assert runtime.record.config.transform.resize_mode == "fit"
    assert str(runtime.record.scale) == "0..100, higher is better"
    assert runtime.record.opinions
    assert b"/work" not in bundled_model().read_bytes()
    assert is_bundled(bundled_model())
    assert not is_bundled(Path("model.onnx"))


def test_the_fast_file_is_the_same_model_in_8_bits(
    scorer: Scorer, scene: Image.Image, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Oracle: the file in float32. A change of 5 is seven times the mean one."""
    fast = bundled_model(fast=True)
    assert fast.stat().st_size <= 5_000_000
    assert OnnxRuntime(fast).precision == "int8"
    assert OnnxRuntime(fast).record == scorer.record
    assert is_bundled(fast)
    assert b"/work" not in fast.read_bytes()
    degraded = [scene, scene.filter(ImageFilter.GaussianBlur(2)), noisy(scene), compressed(scene, tmp_path / "a.jpg")]
    in_8_bits, in_float32 = ([one.score(image) for image in degraded] for one in (Scorer(fast), scorer))
    assert in_8_bits == pytest.approx(in_float32, abs=5)
    assert np.argsort(in_8_bits).tolist() == np.argsort(in_float32).tolist()
    scene.save(tmp_path / "scene.png")
    assert main(["score", "--fast", str(tmp_path / "scene.png"), "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["score"] == pytest.approx(in_8_bits[0])
    assert "model in the package, in 8 bits" in captured.err


def test_degraded_copies_score_lower(scorer: Scorer, scene: Image.Image, tmp_path: Path) -> None:
    pristine = scorer.score(scene)
    assert scorer.score(scene.filter(ImageFilter.GaussianBlur(4))) < pristine - 10
    assert scorer.score(noisy(scene)) < pristine - 10
    assert scorer.score(compressed(scene, tmp_path / "a.jpg")) < pristine - 10


def test_it_gives_a_map(scorer: Scorer, scene: Image.Image, tmp_path: Path) -> None:
    scene.save(tmp_path / "scene.png")
    (result,) = scorer.score_many([tmp_path / "scene.png"], Details(maps=True))
    assert result.quality_map is not None
    assert np.ptp(result.quality_map.values) > 0


def test_the_command_uses_it_and_says_so_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], scorer: Scorer
) -> None:
    paths = [tmp_path / f"{i}.png" for i in range(3)]
    for i, path in enumerate(paths):
        Image.effect_noise((60, 40), 20 * i + 1).convert("RGB").save(path)
    assert main(["score", *map(str, paths), "--json"]) == 0
    out, err = capsys.readouterr()
    assert [json.loads(line)["score"] for line in out.splitlines()] == [
        pytest.approx(scorer.score(path), rel=1e-5) for path in paths
    ]
    assert err.count("model in the package, trained on BIQ2021") == 1
    assert "linearityiqa score --model_card" in err


def test_the_card_is_one_text_with_the_measured_figures(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", "--model_card"]) == 0
    card = capsys.readouterr().out
    assert card == bundled_card().read_text() == (ROOT / "docs" / "model_card.md").read_text()
    figures = json.loads(bundled_card().with_name("figures.json").read_text())
    for method in figures["methods"].values():
        for figure in ("SROCC", "PLCC"):
            value, low, high = method["agreement"]["all"][figure]
            assert low < value < high
            assert f"{value:.3f} ({low:.3f} to {high:.3f})" in card
    for score in figures["odd images"].values():
        assert f"{score:.1f}" in card


def test_plain_images_are_not_good(scorer: Scorer) -> None:
    for colour in ("black", "grey", "white"):
        assert scorer.score(Image.new("RGB", (600, 400), colour)) < 60


def test_the_weights_for_torch_are_the_same_model() -> None:
    """Oracle: the ONNX file. Both hold float16."""
    pytest.importorskip("torch", reason="the extra train is not installed")
    pytest.importorskip("timm", reason="the extra timm is not installed")
    assert bundled_weights().stat().st_size <= 11_500_000
    image = Image.effect_noise((320, 256), 60).convert("RGB")
    assert Scorer(bundled_weights(), device="cpu").score(image) == pytest.approx(Scorer().score(image), abs=0.3)


def test_bundled_is_its_name_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: the default scorer. What torch runs may differ as the test above says."""
    torch = pytest.importorskip("torch", reason="the extra train is not installed")
    pytest.importorskip("timm", reason="the extra timm is not installed")
    image = Image.effect_noise((320, 256), 60).convert("RGB")
    score = Scorer().score(image)
    monkeypatch.chdir(tmp_path)
    named = Scorer("bundled")
    assert named.score(image) == score
    batch = torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1)[None]
    assert float(Scorer().as_module()(batch / 255)) == pytest.approx(score, abs=0.3)
    assert float(named.as_loss()(batch / 255)) == pytest.approx((100 - score) / 100, abs=0.003)
    assert load_model("bundled").config.architecture == Scorer().record.config.model.architecture
    assert output_of(ExportConfig(trained_model_file=Path("bundled"))) == Path("bundled.onnx")
    Path("bundled").write_text("a file of that name is meant itself")
    for opened in (Scorer, load_model):
        with pytest.raises(ModelFileError, match="bundled is not a model file"):
            opened("bundled")


def test_a_metric_takes_its_name_too() -> None:
    pytest.importorskip("torchmetrics", reason="the extra torchmetrics is not installed")
    pytest.importorskip("timm", reason="the extra timm is not installed")
    import torch

    from linearityiqa import QualityMetric

    image = Image.effect_noise((96, 80), 60).convert("RGB")
    metric = QualityMetric("bundled")
    metric.update(torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1)[None])
    assert float(metric.compute()) == pytest.approx(Scorer().score(image), abs=0.3)
