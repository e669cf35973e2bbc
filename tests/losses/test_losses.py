"""Identities that the losses obey, with independent references from scipy and numpy.

Every loss: the values and gradients of a reference implementation (golden/losses.json, float64).
"""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from linearityiqa.config import LossConfig
from linearityiqa.errors import ConfigError
from linearityiqa.losses import (
    NormInNormLoss,
    QualityLoss,
    head_loss,
    linearity_loss,
    mean_norm_loss,
    min_max_norm_loss,
    monotonicity_loss,
    norm_in_norm_loss,
    ranking_loss,
    scaling_loss,
)
from linearityiqa.quality import QualityScores

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "losses.json").read_text())
NORMALISED = [norm_in_norm_loss, linearity_loss, min_max_norm_loss, mean_norm_loss, scaling_loss]
numbers = st.floats(-100, 100, allow_nan=False, width=32)


def random_batch(n: int = 16, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(seed)
    mos = rng.uniform(1, 100, n)
    return torch.tensor(0.1 * mos + rng.standard_normal(n)), torch.tensor(mos)


def test_p2_q2_and_linearity_are_half_of_one_minus_plcc() -> None:
    scores, mos = random_batch()
    expected = (1 - scipy.stats.pearsonr(scores, mos).statistic) / 2
    assert norm_in_norm_loss(scores, mos, p=2, q=2).item() == pytest.approx(expected, abs=1e-7)
    assert linearity_loss(scores, mos).item() == pytest.approx(expected, abs=1e-7)


def test_rescaled_variant_of_p2_q2_is_a_quarter_of_one_minus_plcc_squared() -> None:
    # ||rho u - v||^2 = 1 - rho^2 for unit vectors, and s^2 = 4
    scores, mos = random_batch()
    rho = scipy.stats.pearsonr(scores, mos).statistic
    loss = norm_in_norm_loss(scores, mos, p=2, q=2, alpha=(0, 1))
    assert loss.item() == pytest.approx((1 - rho**2) / 4, abs=1e-7)


@settings(max_examples=60)
@given(st.lists(st.tuples(numbers, numbers), min_size=2, max_size=20), st.sampled_from([0.5, 1.0, 1.5, 2.0, 3.0]))
def test_norm_in_norm_lies_in_unit_interval_and_gradient_is_finite(pairs: list, p: float) -> None:
    scores = torch.tensor([pair[0] for pair in pairs], dtype=torch.float64, requires_grad=True)
    mos = torch.tensor([pair[1] for pair in pairs], dtype=torch.float64)
    for q in (1.0, 2.0):
        loss = norm_in_norm_loss(scores, mos, p=p, q=q)
        assert -1e-9 <= loss.item() <= 1 + 1e-6
        (gradient,) = torch.autograd.grad(loss, scores)
        assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("loss", [norm_in_norm_loss, linearity_loss, min_max_norm_loss, mean_norm_loss])
def test_invariant_to_positive_linear_maps_of_either_side(loss) -> None:
    scores, mos = random_batch()
    expected = loss(scores, mos).item()
    assert loss(3 * scores + 7, mos).item() == pytest.approx(expected, abs=1e-6)
    assert loss(scores, 0.2 * mos - 5).item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("loss", NORMALISED)
def test_column_vectors_give_the_value_of_flat_ones(loss) -> None:
    scores, mos = random_batch()
    assert loss(scores[:, None], mos).item() == loss(scores, mos).item()


@pytest.mark.parametrize("loss", [*NORMALISED, monotonicity_loss])
def test_single_image_gives_zero_with_a_graph(loss) -> None:
    scores = torch.tensor([3.0], requires_grad=True)
    value = loss(scores, torch.tensor([40.0]))
    value.backward()
    assert value.item() == 0
    assert scores.grad.item() == 0


@pytest.mark.parametrize("loss", NORMALISED)
def test_constant_scores_give_finite_gradients(loss) -> None:
    scores = torch.full((4,), 0.3, requires_grad=True)
    for alpha in ((1, 0), (0, 1)):
        (gradient,) = torch.autograd.grad(loss(scores, torch.tensor([1.0, 2.0, 3.0, 4.0]), alpha=alpha), scores)
        assert torch.isfinite(gradient).all()


def test_detach_leaves_the_value_and_changes_the_gradient() -> None:
    scores, mos = random_batch()
    scores.requires_grad_()
    whole, stopped = norm_in_norm_loss(scores, mos), norm_in_norm_loss(scores, mos, detach=True)
    assert whole.item() == stopped.item()
    assert not torch.allclose(*torch.autograd.grad(whole, scores), *torch.autograd.grad(stopped, scores))


def test_monotonicity_counts_violated_pairs() -> None:
    # one pair in the wrong order by 1, counted from both sides: 2 * 1 / (3 * 2) / (1 + 1)
    value = monotonicity_loss(torch.tensor([1.0, 2.0, 5.0]), torch.tensor([2.0, 1.0, 3.0]))
    assert value.item() == pytest.approx(1 / 6)


def test_quality_loss_is_the_beta_weighted_sum_of_head_losses() -> None:
    _, mos = random_batch()
    heads = QualityScores(*(random_batch(seed=seed)[0] for seed in (1, 2, 3)))
    config = LossConfig(loss_type="mse", beta=(0.2, 0.3, 1.5))
    expected = sum(weight * ((head - mos) ** 2).mean().item() for weight, head in zip(config.beta, heads, strict=True))
    assert QualityLoss(config)(heads, mos).item() == pytest.approx(expected)


def test_module_equals_function() -> None:
    scores, mos = random_batch()
    assert NormInNormLoss(2, 1)(scores, mos).item() == norm_in_norm_loss(scores, mos, p=2, q=1).item()


def test_head_without_weight_is_not_evaluated() -> None:
    scores, mos = random_batch()
    poisoned = torch.full_like(scores, math.nan)
    loss = QualityLoss(LossConfig(beta=(0, 0, 1)))(QualityScores(poisoned, poisoned, scores), mos)
    assert torch.isfinite(loss)


@pytest.mark.parametrize("shapes", [((4,), (5,)), ((4, 2), (4,)), ((4,), (1, 4)), ((0,), (0,)), ((), ())])
def test_other_shapes_are_refused(shapes) -> None:
    with pytest.raises(ConfigError, match=r"shape|same images"):
        head_loss(LossConfig(), torch.zeros(shapes[0]), torch.zeros(shapes[1]))


@pytest.mark.parametrize(
    "wrong",
    [{"p": 0}, {"p": math.inf}, {"p": math.nan}, {"q": -1}, {"q": math.nan}, {"alpha": (0, 0)}, {"alpha": (-1, 2)}],
)
def test_parameters_without_meaning_are_refused(wrong) -> None:
    with pytest.raises(ConfigError):
        norm_in_norm_loss(*random_batch(), **wrong)


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("loss", [*NORMALISED, monotonicity_loss])
def test_half_precision_is_computed_in_float32_with_its_gradients(loss, dtype, autocast) -> None:
    """Oracle: the same scores in float64. They lie so close together that half precision would lose the differences."""
    half = torch.linspace(0.4746, 0.4824, 9)[torch.randperm(9, generator=torch.Generator().manual_seed(1))].to(dtype)
    mos = torch.tensor([3.0, 1, 4, 1, 5, 9, 2, 6, 5])
    given, exact = half.clone().requires_grad_(), half.double().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        found = loss(given, mos)
    expected = loss(exact, mos.double())
    found.backward()
    expected.backward()
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(expected.item(), rel=1e-4)
    torch.testing.assert_close(given.grad.double(), exact.grad, rtol=1e-2, atol=1e-2 * float(exact.grad.abs().max()))


@pytest.mark.parametrize("kind", ["integers", "numpy", "lists", "float64"])
def test_labels_and_scores_of_any_numbers_are_taken(kind) -> None:
    scores, mos = [0.1, 0.7, 0.3, 0.4], [3, 9, 1, 5]
    made = {
        "integers": (torch.tensor(scores), torch.tensor(mos)),
        "numpy": (np.array(scores, dtype=np.float32), np.array(mos)),
        "lists": (scores, mos),
        "float64": (torch.tensor(scores), torch.tensor(mos, dtype=torch.float64)),
    }[kind]
    expected = norm_in_norm_loss(torch.tensor(scores), torch.tensor(mos, dtype=torch.float32))
    assert float(norm_in_norm_loss(*made)) == pytest.approx(float(expected), rel=1e-6)


@pytest.mark.parametrize("wrong", [["a", "b"], torch.zeros(2, dtype=torch.complex64), [True, False], None])
def test_what_holds_no_real_numbers_is_refused_in_a_sentence(wrong) -> None:
    with pytest.raises(ConfigError, match="mos must"):
        head_loss(LossConfig(), torch.zeros(2), wrong)


def test_ranking_loss_is_the_mean_hinge_of_scaled_differences():
    better, worse = torch.tensor([3.0, 1.0, 1.05]), torch.tensor([1.0, 2.0, 1.0])
    expected = (0 + (0.1 + 0.5) + (0.1 - 0.025)) / 3
    assert float(ranking_loss(better, worse, torch.tensor(2.0))) == pytest.approx(expected, rel=1e-5)


def test_ranking_does_not_see_the_scale_of_the_scores():
    scores = torch.randn(4, 6, dtype=torch.float64)
    alone = ranking_loss(scores[0], scores[1], scores[2].std())
    assert float(ranking_loss(*(7 * scores[:2] + 3), 7 * scores[2].std())) == pytest.approx(float(alone), rel=1e-6)


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
