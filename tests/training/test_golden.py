"""Six optimiser steps against those of a reference implementation (golden/training.json, float32)."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from formula import formula_network
from linearityiqa.config import LossConfig, OptimiserConfig
from linearityiqa.evaluation.prefetch import NetworkBatch
from linearityiqa.images import IMAGENET
from linearityiqa.models.geometry import evaluation_mode
from small_runs import training_step

pytestmark = pytest.mark.slow

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "training.json").read_text())


@pytest.fixture(scope="module")
def four_views(real_data: Path) -> NetworkBatch:
    """The demo image at 128 x 160: as is; mirrored x .8; upside down x .6; + .2 clamped."""
    with Image.open(real_data / "paper" / "1000.JPG") as photo:
        pixels = torch.tensor(list(photo.convert("RGB").resize((160, 128), Image.Resampling.BILINEAR).tobytes()))
    x = pixels.reshape(128, 160, 3).permute(2, 0, 1).float() / 255
    views = torch.stack([x, 0.8 * x.flip(2), 0.6 * x.flip(1), (x + 0.2).clamp(0, 1)])
    mean, std = (torch.tensor(values)[:, None, None] for values in (IMAGENET.mean, IMAGENET.std))
    return NetworkBatch((views - mean) / std, torch.tensor([80.0, 20.0, 55.0, 40.0]), torch.arange(4))


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: f"{case['config']['loss_type']}-{case['ft_lr_ratio']}")
def test_losses_and_scores_equal_the_reference(case: dict, four_views: NetworkBatch) -> None:
    network = formula_network(architecture="resnet18")
    options = {**case["config"], "alpha": tuple(case["config"].get("alpha", (1, 0)))}
    config = OptimiserConfig(ft_lr_ratio=case["ft_lr_ratio"], opt_level="O0")
    step = training_step(network, config, LossConfig(**options))
    network.train()
    losses = []
    for _ in range(6):
        losses.append(step.accumulate(four_views).loss.item())
        step.update()
    assert losses == pytest.approx(case["losses"], rel=2e-3)
    with evaluation_mode(network), torch.inference_mode():
        scores = network(four_views.images)
    for head, expected in zip(scores, case["final_eval"], strict=True):
        assert head.tolist() == pytest.approx(expected, rel=0.05, abs=0.05)
