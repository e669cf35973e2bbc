"""Oracle: torch, on the same images; and, for the heads, the layers one after the other."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

pytest.importorskip("onnx", reason="the extra export is not installed")
pytest.importorskip("onnxscript", reason="the extra export is not installed")

import onnx

import formula
from linearityiqa.cli.main import main
from linearityiqa.config import ExportConfig, ModelConfig, TransformConfig
from linearityiqa.errors import ConfigError, DataError, ImageTooSmallError, ModelFileError
from linearityiqa.export import checks as export_check
from linearityiqa.export import model as export
from linearityiqa.export import network as export_network
from linearityiqa.export.model import ExportReport, export_model
from linearityiqa.export.network import IR_VERSION, OPSET, fold, quantised
from linearityiqa.mapping import LinearMapping
from linearityiqa.models import LinearityIQA, save_model
from linearityiqa.quality import QualityScores
from linearityiqa.scoring import Scorer
from linearityiqa.scoring.onnx_file import read_onnx
from linearityiqa.scoring.onnx_runtime import OnnxRuntime
from linearityiqa.scoring.torch_runtime import TorchRuntime
from pixel_runtime import make_record

pytestmark = pytest.mark.slow

MODEL = ModelConfig(architecture="shufflenet_v2_x0_5", pool="mean-std", P6=2, P7=2, use_bn_end=True)
RESIZED = TransformConfig(resize=True, resize_size_h=112, resize_size_w=128)


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    options = {name: getattr(MODEL, name) for name in ("architecture", "pool", "P6", "P7", "use_bn_end")}
    save_model(path, formula.formula_network(**options), make_record(model=MODEL, transform=RESIZED))
    return path


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shaded images with more and more noise, and a file that is none."""
    folder = tmp_path_factory.mktemp("photographs")
    rng = np.random.default_rng(5)
    shade = np.linspace(30, 220, 160)[None, :, None] * np.linspace(0.3, 1, 120)[:, None, None]
    for i in range(16):
        pixels = shade * rng.uniform(0.4, 1, 3) + 4 * i * rng.standard_normal((120, 160, 3))
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{i:02d}.png")
    (folder / "broken.jpg").write_bytes(b"no image")
    return folder


@pytest.fixture(scope="module")
def exported(model_file: Path, tmp_path_factory: pytest.TempPathFactory) -> ExportReport:
    """The one export to float32 of these tests: everything that a model can have."""
    output = tmp_path_factory.mktemp("exported") / "model.onnx"
    return export_model(ExportConfig(trained_model_file=model_file, output=output, with_map=True))


@pytest.mark.parametrize("shape", [(1, 3, 112, 128), (3, 3, 97, 131), (2, 3, 64, 200), (1, 3, 49, 97)])
def test_outputs_are_torchs_for_any_number_of_images_of_any_size(
    exported: ExportReport, model_file: Path, shape: tuple[int, ...]
) -> None:
    batch = np.random.default_rng(2).standard_normal(shape, dtype=np.float32)
    scores, maps = OnnxRuntime(exported.output).predict_with_maps(batch)
    expected_scores, expected_maps = TorchRuntime(model_file, device="cpu").predict_with_maps(batch)
    assert np.ptp(expected_maps) > 0.1
    np.testing.assert_allclose(scores, expected_scores, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(maps, expected_maps, rtol=1e-4, atol=1e-4)


def test_tensorflows_padding_follows_the_size_of_the_image(tmp_path: Path) -> None:
    """EfficientNets of TensorFlow pad by what the size needs. Oracle: timm, which works that out anew for each size."""
    pytest.importorskip("timm", reason="the extra timm is not installed")
    config = ModelConfig(architecture="timm/tf_efficientnet_lite0")
    torch.manual_seed(0)
    network = LinearityIQA(config).eval()
    record = make_record(model=config)
    save_model(tmp_path / "model.safetensors", network, record)
    report = export_model(ExportConfig(trained_model_file=tmp_path / "model.safetensors"))
    runtime = OnnxRuntime(report.output)
    for shape in ((1, 3, 97, 131), (2, 3, 64, 96), (1, 3, 75, 66)):
        batch = np.random.default_rng(2).standard_normal(shape, dtype=np.float32)
        expected = TorchRuntime(tmp_path / "model.safetensors", device="cpu").predict(batch)
        np.testing.assert_allclose(runtime.predict(batch), expected, rtol=1e-4, atol=1e-4)


def test_sizes_that_torch_refuses_are_refused(exported: ExportReport, model_file: Path) -> None:
    """Two levels do not fit on the single row that 31 pixels leave on stage 4."""
    messages = []
    for runtime in (OnnxRuntime(exported.output), TorchRuntime(model_file, device="cpu")):
        with pytest.raises(ImageTooSmallError) as failure:
            runtime.predict(np.zeros((1, 3, 31, 64), np.float32))
        messages.append(str(failure.value))
    assert messages[0] == messages[1]


def test_the_file_says_what_it_is_and_nothing_of_this_machine(exported: ExportReport, model_file: Path) -> None:
    model = onnx.load(exported.output)
    onnx.checker.check_model(model)
    assert (model.ir_version, model.opset_import[0].version) == (IR_VERSION, OPSET)
    note = read_onnx(exported.output).note
    assert note.record == Scorer(model_file, device="cpu").record
    assert note.check == {"difference": exported.difference}
    content = exported.output.read_bytes()
    assert exported.size == len(content)
    for word in (str(model_file.parent), str(Path(onnx.__file__).parent.parent), "pkg.torch", "formula"):
        assert word.encode() not in content


def test_normalisation_is_folded_away(exported: ExportReport) -> None:
    operators = [node.op_type for node in onnx.load(exported.output).graph.node]
    assert "BatchNormalization" not in operators
    heads = 2 * 2 + 1  # features and score of both stages, and the fused score
    map_heads = 2 + 1
    assert operators.count("Gemm") + operators.count("MatMul") == heads + map_heads


def test_layers_in_a_row_become_one() -> None:
    torch.manual_seed(3)
    layers = nn.Sequential(nn.Linear(7, 20), nn.BatchNorm1d(20), nn.Linear(20, 5), nn.BatchNorm1d(5)).eval()
    for layer in layers:
        if isinstance(layer, nn.BatchNorm1d):
            nn.init.uniform_(layer.running_var, 0.5, 2)
            nn.init.normal_(layer.running_mean)
            nn.init.normal_(layer.weight)
    inputs = torch.randn(9, 7)
    torch.testing.assert_close(fold(layers)(inputs), layers(inputs))


@pytest.fixture
def no_exporter(exported: ExportReport, monkeypatch: pytest.MonkeyPatch) -> None:
    """torch's exporter takes seconds: the network that it made already."""

    def made(*_: object, **__: object) -> "onnx.ModelProto":
        return onnx.load(exported.output)

    monkeypatch.setattr(export_network, "to_onnx", made)


@pytest.mark.usefixtures("no_exporter")
def test_weights_in_float16(exported: ExportReport, model_file: Path, tmp_path: Path) -> None:
    report = export_model(
        ExportConfig(trained_model_file=model_file, output=tmp_path / "half.onnx", with_map=True, float16=True)
    )
    assert report.size < 0.6 * exported.size
    half, float32 = OnnxRuntime(report.output), OnnxRuntime(exported.output)
    assert half.precision == "float32"
    batch = np.random.default_rng(2).standard_normal((2, 3, 97, 131), dtype=np.float32)
    difference = np.abs(half.predict(batch) - float32.predict(batch)).max()
    assert 0 < difference < 0.01 * np.ptp(float32.predict(batch))
    assert read_onnx(report.output).note.check["float16 difference"] == report.float16 > 0


@pytest.mark.usefixtures("no_exporter")
def test_eight_bits(
    exported: ExportReport, model_file: Path, photographs: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Oracle of the figures: the scores of both files, of the photographs that did not set the ranges."""
    report = export_model(
        ExportConfig(
            trained_model_file=model_file,
            output=tmp_path / "int8.onnx",
            int8=True,
            with_map=True,
            calibration=photographs,
            images=photographs,
        )
    )
    assert any("left out" in message and "broken.jpg" in message for message in caplog.messages)
    assert OnnxRuntime(report.output).precision == "int8"
    assert report.size < exported.size
    others = sorted(photographs.iterdir())[1::2]
    int8, float32 = (
        np.array([result.score for result in Scorer(path, batch_size=1).score_many(others)])
        for path in (report.output, exported.output)
    )
    assert report.int8 is not None
    assert report.int8.images == len(others) == 8
    assert report.int8.mean_difference == pytest.approx(np.abs(int8 - float32).mean() / 99, rel=1e-6)
    assert 0 < report.int8.mean_difference < 0.1 * np.ptp(float32)


@pytest.mark.usefixtures("no_exporter")
@pytest.mark.parametrize(("least", "in_float"), [(-1.0, 0), (1.1, 6)])
def test_where_eight_bits_rank_otherwise_the_first_convolutions_stay_in_float(
    model_file: Path, photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, least: float, in_float: int
) -> None:
    """Oracle: the weights of the file, of which only those in 8 bits are made float32 by an operator."""
    monkeypatch.setattr(export_check, "FEWEST_TO_RANK", 2)
    monkeypatch.setattr(export, "INT8_SROCC", least)
    output = tmp_path / "int8.onnx"
    config = ExportConfig(trained_model_file=model_file, output=output, with_map=True)
    export_model(replace(config, int8=True, calibration=photographs, calibration_images=4))
    nodes = onnx.load(output).graph.node
    quantised_weights = {name for node in nodes if node.op_type == "DequantizeLinear" for name in node.output}
    kinds = [node.input[1] in quantised_weights for node in nodes if node.op_type == "Conv"]
    assert kinds == [number >= in_float for number in range(len(kinds))]


@pytest.mark.usefixtures("no_exporter")
def test_only_the_backbone_is_in_eight_bits(exported: ExportReport) -> None:
    rng = np.random.default_rng(4)
    model = quantised(onnx.load(exported.output), [rng.standard_normal((1, 3, 112, 128), dtype=np.float32)])
    made_by = {name: node.op_type for node in model.graph.node for name in node.output}
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    others = [node for node in model.graph.node if node.op_type in ("Gemm", "MatMul", "ReduceMean", "AveragePool")]
    assert convolutions
    assert others
    assert all(made_by[name] == "DequantizeLinear" for node in convolutions for name in node.input[:2])
    maps = {name for node in convolutions for name in node.output}
    for node in others:
        assert all(name not in maps and not name.endswith("_quantized") for name in node.input)
    heads = [node for node in others if node.op_type in ("Gemm", "MatMul")]
    assert all(made_by.get(name) != "DequantizeLinear" for node in heads for name in node.input)


@pytest.mark.usefixtures("no_exporter")
def test_an_export_that_differs_from_torch_leaves_the_old_file(
    model_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "model.onnx"
    output.write_text("old")
    monkeypatch.setattr(export_check, "TOLERANCE", 1e-12)
    with pytest.raises(ModelFileError, match=r"does not give the scores of torch: on 1 image\(s\) .*Nothing was"):
        export_model(ExportConfig(trained_model_file=model_file, output=output, with_map=True))
    assert output.read_text() == "old"
    assert list(tmp_path.iterdir()) == [output]


def raw(noise: float) -> tuple[export_check.Outputs, export_check.Outputs]:
    """Outputs of torch that hardly vary, as after a short training, and the same with relative noise."""
    outputs = [0.05 + 1e-5 * np.arange(4.0) for _ in range(3)]
    return outputs, [output * (1 + noise) for output in outputs]


def compare(check, noise: float, slope: float) -> float:
    line = LinearMapping(slope, 50.0)
    record = replace(make_record(), mapping=QualityScores(line, line, line))
    expected, got = raw(noise)
    batch = np.zeros((4, 3, 8, 8), np.float32)
    return check(lambda _: got, lambda _: expected, iter([batch]), record)


def test_rounding_that_a_steep_mapping_magnifies_is_no_failure_of_the_export(caplog: pytest.LogCaptureFixture) -> None:
    """Oracle: the difference by hand. 1e-6 is the rounding of float32 in a deep network."""
    shares = {slope: compare(export_check.require_equal, 1e-6, slope) for slope in (6e5, 20.0)}
    assert shares == pytest.approx({slope: slope * 0.05003 * 1e-6 / 99 for slope in shares}, rel=1e-6)
    (message,) = caplog.messages
    assert "mapping's slope of 6e+05 magnifies the rounding" in message


@pytest.mark.parametrize(
    ("check", "noise", "slope", "message"),
    [
        (export_check.require_equal, 1e-2, 6e5, r"differ by 3 of the scale, and outputs by 0\.01 of .*update torch"),
        (
            export_check.require_equal,
            1e-1,
            20.0,
            r"differ by 0\.001 of the scale, and outputs by 0\.1 of .*update torch",
        ),
        (export_check.require_near, 1e-4, 6e5, r"float16 change the scores by 0\.03 .*slope of 6e\+05 .*--float16"),
    ],
)
def test_an_export_that_differs_says_by_how_much_and_why(check, noise: float, slope: float, message: str) -> None:
    with pytest.raises(ModelFileError, match=message):
        compare(check, noise, slope)


@pytest.mark.usefixtures("no_exporter")
def test_no_photographs(model_file: Path, photographs: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    config = ExportConfig(trained_model_file=model_file, output=tmp_path / "model.onnx", with_map=True)
    with pytest.raises(DataError, match="holds no photograph"):
        export_model(replace(config, images=tmp_path))
    with pytest.raises(DataError, match="holds no photograph"):
        export_model(replace(config, int8=True, calibration=tmp_path))
    assert not (tmp_path / "model.onnx").exists()


@pytest.mark.usefixtures("no_exporter")
def test_the_command_says_what_was_measured(
    model_file: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["export", "--model", str(model_file), "--with_map", "--output", str(tmp_path / "a.onnx")]
    assert main([*words, "--json"]) == 0
    values = json.loads(capfd.readouterr().out)
    assert values["output"] == str(tmp_path / "a.onnx")
    assert values["size"] == (tmp_path / "a.onnx").stat().st_size
    assert 0 < values["difference"] < export_check.TOLERANCE
    assert values["int8"] is None
    assert main(words) == 0
    output, notices = capfd.readouterr()
    assert "differs from torch by at most" in output
    assert not notices


def test_another_transform_stands_in_the_file(model_file: Path, tmp_path: Path, no_exporter: None) -> None:
    config = ExportConfig(
        trained_model_file=model_file,
        output=tmp_path / "model.onnx",
        with_map=True,
        transform=TransformConfig(resize=True, resize_size_h=64, resize_size_w=97),
    )
    assert read_onnx(export_model(config).output).note.record.config.transform.size == (64, 97)


def test_without_a_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export"]) == 2
    assert "name a model file with --model" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"int8": True}, "--int8 and --calibration FOLDER go together"),
        ({"calibration": Path("photos")}, "--int8 and --calibration FOLDER go together"),
        ({"output": Path("model.pb")}, r"must end in \.onnx"),
        ({"calibration_images": 0}, r"must lie in 1\.\.10000"),
    ],
)
def test_options_that_mean_nothing(options: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ExportConfig(**options)


def test_the_output_is_named_after_the_model(model_file: Path) -> None:
    config = ExportConfig(trained_model_file=model_file)
    assert export.output_of(config) == model_file.with_name("model.onnx")
    config = replace(config, int8=True, calibration=Path("photos"))
    assert export.output_of(config) == model_file.with_name("model-int8.onnx")


def test_agreement_of_eight_bits() -> None:
    record, scores = make_record(), np.arange(20.0)
    near = export_check.agreement(scores + 0.5, scores, record)
    assert near == (20, pytest.approx(0.5 / 99), pytest.approx(1.0))
    assert near.is_good
    assert not export_check.agreement(scores + 2, scores, record).is_good
    assert not export_check.agreement(scores[::-1] / 100, scores / 100, record).is_good
    few = export_check.agreement([1.0, 1.5], [1.5, 1.0], record)
    assert math.isnan(few.srocc)
    assert few.is_good
    unscaled = export_check.agreement([1.0, 3.0], [1.0, 4.0], make_record(scale=None))
    assert unscaled.mean_difference == pytest.approx(0.5 / 4)
