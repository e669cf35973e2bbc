"""Precision and memory layout: which one is chosen where, and what it leaves alone."""

import copy

import pytest
import torch

from linearityiqa.config import ModelConfig, OptimiserConfig
from linearityiqa.models import LinearityIQA
from linearityiqa.models.device import Layout
from linearityiqa.training import precision
from linearityiqa.training.precision import (
    choose_layout,
    choose_precision,
    cpu_computes_bfloat16,
    keep_depthwise_in_float32,
)


@pytest.mark.parametrize(
    ("options", "native", "name"),
    [
        ({}, True, "bfloat16"),
        ({}, False, "float32"),
        ({"opt_level": "O0"}, True, "float32"),
        ({"opt_level": "O0", "amp_dtype": "bfloat16"}, True, "float32"),
        ({"amp_dtype": "bfloat16"}, False, "bfloat16"),
    ],
)
def test_precision_on_a_cpu_is_bfloat16_where_it_is_native(options, native, name, monkeypatch) -> None:
    monkeypatch.setattr(precision, "cpu_computes_bfloat16", lambda: native)
    chosen = choose_precision(OptimiserConfig(**options), torch.device("cpu"))
    assert chosen.name == name
    with chosen.autocast():
        assert str((torch.ones(2, 2) @ torch.ones(2, 2)).dtype) == f"torch.{name}"
    with chosen.evaluation():
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32


@pytest.mark.parametrize(
    ("capability", "flags", "native"),
    [
        ("AVX512", {"avx512_bf16": True}, True),
        ("AVX512", {"avx512_bf16": False, "amx_bf16": True}, True),
        ("AVX512", {"avx512_bf16": False}, False),
        ("AVX2", {"avx512_bf16": True}, False),  # as ATEN_CPU_CAPABILITY=avx2 wants it
        ("DEFAULT", {}, False),
    ],
)
def test_native_bfloat16_is_what_the_processor_has_and_torch_may_use(capability, flags, native, monkeypatch) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: flags, raising=False)
    assert cpu_computes_bfloat16() is native


@pytest.mark.parametrize("architecture", ["mobilenet_v2", "timm/tf_efficientnet_lite0"])
def test_depthwise_convolutions_leave_autocast_and_keep_their_names(architecture) -> None:
    """Oracle: the type of every convolution's result, and the network as it was."""
    torch.manual_seed(0)
    network = LinearityIQA(ModelConfig(architecture=architecture)).eval()
    images, names = torch.rand(1, 3, 64, 64), list(network.state_dict())
    expected = network(images).fused
    keep_depthwise_in_float32(network)
    assert list(network.state_dict()) == names
    assert torch.equal(network(images).fused, expected)
    kinds: dict[bool, set[torch.dtype]] = {True: set(), False: set()}
    original = torch.nn.functional.conv2d

    def watched(maps, weight, bias, stride, padding, dilation, groups):
        result = original(maps, weight, bias, stride, padding, dilation, groups)
        kinds[groups > 1].add(result.dtype)
        return result

    with pytest.MonkeyPatch.context() as patch, torch.autocast("cpu", dtype=torch.bfloat16):
        patch.setattr(torch.nn.functional, "conv2d", watched)
        copy.deepcopy(network)(images)
    assert kinds[False] == {torch.bfloat16}
    assert kinds[True] == {torch.float32}


@pytest.mark.parametrize(
    ("capability", "hip", "options", "name"),
    [
        ((8, 0), None, {}, "bfloat16"),
        ((9, 0), None, {}, "bfloat16"),
        ((7, 5), None, {}, "float16"),  # Turing: torch says that it has bfloat16, and means that it emulates it
        ((7, 5), "6.0", {}, "bfloat16"),
        ((8, 0), None, {"opt_level": "O0"}, "float32"),
        ((8, 0), None, {"amp_dtype": "float16"}, "float16"),
    ],
)
def test_precision_on_a_gpu_is_bfloat16_where_the_hardware_has_it(capability, hip, options, name, monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    monkeypatch.setattr(torch.version, "hip", hip)
    monkeypatch.setattr(torch.amp, "GradScaler", lambda kind, enabled: enabled)
    precision = choose_precision(OptimiserConfig(**options), torch.device("cuda"))
    assert precision.name == name
    assert precision.scaler is (name == "float16")


@pytest.mark.parametrize(
    ("architecture", "blocked", "otherwise"),
    [
        ("resnet18", Layout.BLOCKED, Layout.USUAL),
        ("vgg11", Layout.BLOCKED, Layout.USUAL),
        ("alexnet", Layout.BLOCKED, Layout.USUAL),
        ("resnet50", Layout.BLOCKED, Layout.CHANNELS_LAST),
        ("mobilenet_v2", Layout.CHANNELS_LAST, Layout.CHANNELS_LAST),
    ],
)
def test_layout_on_a_cpu_is_the_one_that_was_faster(architecture, blocked, otherwise) -> None:
    with torch.device("meta"):
        network = LinearityIQA(ModelConfig(architecture=architecture))
    cpu = torch.device("cpu")
    precision = choose_precision(OptimiserConfig(opt_level="O0"), cpu)
    assert choose_layout(network, precision, cpu) is blocked
    assert choose_layout(network, precision, cpu, blocked=False) is otherwise
