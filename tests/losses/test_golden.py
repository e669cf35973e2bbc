"""Every loss against the values and gradients of a reference implementation (golden/losses.json, float64)."""

import json
from pathlib import Path

import pytest
import torch

from linearityiqa.config import LossConfig
from linearityiqa.losses import head_loss

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "losses.json").read_text())


def label(case: dict) -> str:
    return "-".join(str(case[key]) for key in ("case", "loss_type", "p", "q", "alpha", "detach", "monotonicity"))


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=label)
def test_value_and_gradient_equal_the_reference(case: dict) -> None:
    inputs = GOLDEN["inputs"][case["case"]]
    scores = torch.tensor(inputs["pred"], dtype=torch.float64, requires_grad=True)
    config = LossConfig(
        loss_type=case["loss_type"],
        p=case["p"],
        q=case["q"],
        alpha=tuple(case["alpha"]),
        detach=case["detach"],
        monotonicity_regularization=case["monotonicity"],
    )
    loss = head_loss(config, scores, torch.tensor(inputs["mos"], dtype=torch.float64))
    loss.backward()
    assert loss.item() == pytest.approx(case["value"], abs=1e-9, rel=1e-9)
    assert scores.grad.tolist() == pytest.approx(case["grad"], abs=1e-9, rel=1e-9)
