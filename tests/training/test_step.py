"""Exact accumulation. Oracle: the same images as one batch, in float64; torch's own passes for the statistics."""

import copy
from dataclasses import replace

import pytest
import torch

from linearityiqa.config import ModelConfig, OptimiserConfig
from linearityiqa.evaluation.prefetch import NetworkBatch
from linearityiqa.models import LinearityIQA
from linearityiqa.models.network import PooledFeatures
from linearityiqa.quality import QualityScores
from linearityiqa.training.optimisation import WeightAverage
from linearityiqa.training.step import TrainingStep, pool_in_parts
from small_runs import SMALL_BACKBONE, training_step


def new_network(*, freeze_bn: bool) -> LinearityIQA:
    torch.manual_seed(1)
    network = LinearityIQA(ModelConfig(architecture=SMALL_BACKBONE)).double().train()
    if freeze_bn:
        network.freeze_batch_norm()
    return network


def batches(*sizes: int) -> list[NetworkBatch]:
    generator = torch.Generator().manual_seed(5)
    images = torch.rand(sum(sizes), 3, 48, 64, dtype=torch.float64, generator=generator)
    mos = torch.rand(sum(sizes), dtype=torch.float64, generator=generator)
    return [
        NetworkBatch(*pair, torch.arange(len(pair[1])))
        for pair in zip(images.split(sizes), mos.split(sizes), strict=True)
    ]


def step_of(network: LinearityIQA, *, exact: bool, accumulation_steps: int = 1, **options) -> TrainingStep:
    options = {"opt_level": "O0", **options}
    config = OptimiserConfig(exact_accumulation=exact, accumulation_steps=accumulation_steps, **options)
    return training_step(network, config)


def gradients(network: LinearityIQA) -> torch.Tensor:
    return torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None])


def test_with_frozen_statistics_accumulated_batches_are_one_large_batch() -> None:
    parts = batches(3, 3, 2)
    whole = NetworkBatch(*(torch.cat(column) for column in zip(*parts, strict=True)))
    large, exact = new_network(freeze_bn=True), new_network(freeze_bn=True)
    expected = step_of(large, exact=False).accumulate(whole)
    found = step_of(exact, exact=True, accumulation_steps=3).accumulate(*parts)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)
    torch.testing.assert_close(gradients(exact), gradients(large), rtol=1e-9, atol=1e-10)
    for ours, theirs in zip(exact.buffers(), large.buffers(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-10)


def test_the_papers_accumulation_is_another_thing() -> None:
    parts = batches(3, 3)
    paper, exact = new_network(freeze_bn=True), new_network(freeze_bn=True)
    step = step_of(paper, exact=False, accumulation_steps=2)
    losses = [step.accumulate(part, losses=2).loss for part in parts]
    loss = step_of(exact, exact=True, accumulation_steps=2).accumulate(*parts).loss
    assert abs(sum(losses) / 2 - loss) > 1e-3
    assert torch.cosine_similarity(gradients(paper), gradients(exact), dim=0) < 0.99


def test_statistics_of_the_backbone_move_once_for_each_batch() -> None:
    """As by forward passes over the batches one after the other, whatever the backward pass computes again."""
    parts = batches(3, 2)
    exact, plain = new_network(freeze_bn=False), new_network(freeze_bn=False)
    step_of(exact, exact=True, accumulation_steps=2).accumulate(*parts)
    with torch.no_grad():
        for part in parts:
            plain.pool(part.images)
    expected = dict(plain.backbone.named_buffers())
    for name, value in exact.backbone.named_buffers():
        torch.testing.assert_close(value, expected[name], rtol=1e-12, atol=1e-10)
    assert sum("num_batches_tracked" in name for name in expected) > 10


def test_gradient_is_that_of_the_part_by_part_network() -> None:
    """With batch statistics of each part: the same graph, built at once."""
    parts = batches(3, 2)
    exact, plain = new_network(freeze_bn=False), new_network(freeze_bn=False)
    step = step_of(exact, exact=True, accumulation_steps=2)
    step.accumulate(*parts)
    pooled = [torch.cat(stage) for stage in zip(*(plain.pool(part.images) for part in parts), strict=True)]
    step.loss(plain.score(PooledFeatures(*pooled)), torch.cat([part.mos for part in parts])).backward()
    torch.testing.assert_close(gradients(exact), gradients(plain), rtol=1e-9, atol=1e-10)


def test_random_parts_of_the_backbone_are_drawn_alike_in_both_passes() -> None:
    """A dropout in front of the trunk: with other draws in the second pass the gradient would be another."""

    class Dropping(torch.nn.Module):
        def __init__(self, inner: torch.nn.Module) -> None:
            super().__init__()
            self.inner, self.drop = inner, torch.nn.Dropout(0.3)

        def forward(self, images: torch.Tensor) -> object:
            return self.inner(self.drop(images))

    exact = new_network(freeze_bn=True)
    exact.backbone = Dropping(exact.backbone)
    plain, parts = copy.deepcopy(exact), [part.images for part in batches(2, 2)]
    torch.manual_seed(7)
    sum(stage.square().sum() for stage in pool_in_parts(exact, parts)).backward()
    state = torch.get_rng_state()
    torch.manual_seed(7)
    sum(stage.square().sum() for part in parts for stage in plain.pool(part)).backward()
    torch.testing.assert_close(gradients(exact), gradients(plain), rtol=1e-9, atol=1e-10)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(("sizes", "kept"), [((4,), True), ((2, 2), False)])
def test_only_a_batch_in_parts_keeps_no_activations_for_the_backward_pass(sizes, kept) -> None:
    network, shapes = new_network(freeze_bn=True), []
    step = step_of(network, exact=True, accumulation_steps=len(sizes))
    with torch.autograd.graph.saved_tensors_hooks(lambda t: shapes.append(t.shape) or t, lambda t: t):
        step.forward(*batches(*sizes))
    maps = [shape for shape in shapes if len(shape) == 4 and shape[0] > 1 and shape[1] > 3 and shape[2] > 1]
    assert bool(maps) is kept


def test_parts_may_differ_in_size() -> None:
    """Batches of single images of any size share one normalised loss."""
    first, second = batches(1, 1)
    second = second._replace(images=second.images[..., :40])
    network = new_network(freeze_bn=True)
    outcome = step_of(network, exact=True, accumulation_steps=2).accumulate(first, second)
    assert outcome.scores.fused.shape == (2,)
    assert gradients(network).abs().sum() > 0


def test_the_average_counts_no_step_that_the_scaler_skips() -> None:
    """Oracle: the weights, which a skipped step leaves as they are."""
    network = new_network(freeze_bn=True).float()
    step = step_of(network, exact=False, opt_level="O1", amp_dtype="float16")
    step.average, weights = WeightAverage(network, 0.9), [p.detach().clone() for p in network.parameters()]
    for gradient, updates in ((float("inf"), 0), (1.0, 1), (float("nan"), 1)):
        step.precision.scaler.scale(torch.zeros(()))  # as the forward pass does
        for parameter in network.parameters():
            parameter.grad = torch.full_like(parameter, gradient)
        step.update()
        assert step.average.updates == updates
        moved = any(not torch.equal(*pair) for pair in zip(weights, network.parameters(), strict=True))
        assert moved is (updates > 0)


def test_versions_add_the_ranking_term_and_leave_the_rest_of_the_loss_alone() -> None:
    """Oracle: the loss of the rated images' scores, and hinges written out, on the scores of one forward pass."""
    network = new_network(freeze_bn=True)
    (batch,) = batches(5 + 2 * 2)
    step = replace(step_of(network, exact=False), versions=2)
    outcome = step.outcome(batch)
    scores, mos = step.forward(batch)
    rated = scores.map(lambda head: head[:5])
    hinges = QualityScores(
        *(
            sum(torch.relu(0.1 - (better - worse) / head[:5].std(correction=0)).mean() for better, worse in pairs)
            for head in scores
            for pairs in [((head[:2], head[5:7]), (head[5:7], head[7:9]))]
        )
    )
    ranking = 0.2 * (0.1 * hinges.stage3 + 0.1 * hinges.stage4 + hinges.fused)
    torch.testing.assert_close(outcome.loss, step.loss(rated, mos[:5]) + ranking, rtol=1e-6, atol=0)
    assert ranking > 0
    assert len(outcome.scores.fused) == 5
