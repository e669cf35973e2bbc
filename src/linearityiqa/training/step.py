"""One training step: forward pass, gathering of predictions, loss and update."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel
from torch.utils.checkpoint import checkpoint

from linearityiqa.config import OptimiserConfig
from linearityiqa.data.loading.samplers import LEVELS, versions_in
from linearityiqa.evaluation.prefetch import NetworkBatch
from linearityiqa.losses import QualityLoss
from linearityiqa.models import LinearityIQA
from linearityiqa.models.device import Layout
from linearityiqa.models.network import PooledFeatures
from linearityiqa.quality import QualityScores
from linearityiqa.training.distributed import ALONE, World, report_lost_process
from linearityiqa.training.images import LabelScaling
from linearityiqa.training.optimisation import WeightAverage
from linearityiqa.training.precision import Precision


def pool_in_parts(network: LinearityIQA, parts: Sequence[Tensor]) -> PooledFeatures:
    """Return `network.pool` of a batch larger than memory, holding the activations of one part at a time.

    The backward pass computes each part a second time, with the same random numbers, and leaves alone the running
    statistics of batch normalisation, which the first pass has moved. The backbone's batch normalisation sees one
    part at a time; everything after the pooling sees the whole batch. Parts may differ in size.
    """

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), keep_statistics(network.backbone)

    pooled = [checkpoint(network.pool, part, use_reentrant=False, context_fn=contexts) for part in parts]
    return PooledFeatures(*(torch.cat(stage) for stage in zip(*pooled, strict=True)))


@contextmanager
def keep_statistics(network: nn.Module) -> Iterator[None]:
    """Restore the running statistics of batch normalisation after the block."""
    layers = [module for module in network.modules() if isinstance(module, _BatchNorm) and module.training]
    kept = [(layer, name, buffer) for layer in layers for name, buffer in layer.named_buffers(recurse=False)]
    for layer, name, buffer in kept:
        setattr(layer, name, buffer.clone())
    try:
        yield
    finally:
        for layer, name, buffer in kept:
            setattr(layer, name, buffer)


class Outcome(NamedTuple):
    """The loss of a batch, and its predictions without a graph; both are still on the device."""

    loss: Tensor
    scores: QualityScores[Tensor]


@dataclass
class TrainingStep:
    """Forward, loss and backward of a batch, and the optimiser's step.

    Nothing here waits for the device, except for an average of weights that are trained in float16.
    A batch-normalised loss is a function of a whole batch of predictions, not a mean over images; hence the features
    of several forward passes, and of several processes, are put together before the heads and the loss.
    """

    network: LinearityIQA
    loss_function: QualityLoss
    optimizer: torch.optim.Optimizer
    precision: Precision
    labels: LabelScaling
    options: OptimiserConfig = field(default_factory=OptimiserConfig)
    versions: int = 0
    average: WeightAverage | None = None
    layout: Layout = Layout.CHANNELS_LAST
    world: World = ALONE

    def __post_init__(self) -> None:
        self._shared: DistributedDataParallel | None = None
        if self.world.size > 1:
            unused = 0 in self.loss_function.config.beta  # which leaves parameters without a gradient
            with report_lost_process():  # the network becomes that of process 0
                self._shared = DistributedDataParallel(_AsModule(self), find_unused_parameters=unused)

    def disconnect(self) -> None:
        """Release the connection with other processes, after the last step."""
        self._shared = None

    @property
    def batches_a_loss(self) -> int:
        """Number of batches that `accumulate` takes at once; fewer at the end of an epoch."""
        return self.options.accumulation_steps if self.options.exact_accumulation else 1

    def forward(self, *batches: NetworkBatch) -> tuple[QualityScores[Tensor], Tensor]:
        """Return raw predictions (float32 or wider) of the images of all processes, and their MOS."""
        images = [batch.images.contiguous(memory_format=self.layout.outside) for batch in batches]
        with self.precision.autocast():
            pooled = self.network.pool(images[0]) if len(images) == 1 else pool_in_parts(self.network, images)
            for stage in pooled:
                if stage.requires_grad and self._shared is not None:
                    # DistributedDataParallel takes means: right for the heads, whose gradient each process has whole;
                    # of the backbone, whose gradient each has for its own images, the sum is wanted
                    stage.register_hook(lambda gradient: gradient * self.world.size)  # type: ignore[no-untyped-call]
            stage3, stage4, mos = self.world.gather(*pooled, torch.cat([batch.mos for batch in batches]))
            scores = self.network.score(PooledFeatures(stage3, stage4))
        # float32 outside autocast: centring subtracts nearly equal scores; float64 networks stay as they are
        return scores.map(lambda head: head if head.dtype == torch.float64 else head.float()), mos

    def loss(self, scores: QualityScores[Tensor], mos: Tensor) -> Tensor:
        """Return the loss of gathered predictions against their MOS."""
        loss: Tensor = self.loss_function(scores, self.labels(mos))
        return loss

    def accumulate(self, *batches: NetworkBatch, losses: int = 1, last: bool = True) -> Outcome:
        """Add the gradient of one loss of some batches (this process's share), divided by the losses of the update.

        `losses`: their number, which may be smaller at the end of an epoch; `last`: `update` comes next.
        """
        context: AbstractContextManager[None] = nullcontext()
        compute: Callable[..., Outcome] = self.outcome
        if self._shared is not None:  # gradients are put together in the last backward pass before an update
            context, compute = report_lost_process() if last else self._shared.no_sync(), self._shared
        with context:
            outcome = compute(*batches)
            torch.autograd.backward(self.precision.scaler.scale(outcome.loss / losses))
        return Outcome(outcome.loss.detach(), outcome.scores)

    def outcome(self, *batches: NetworkBatch) -> Outcome:
        """Return the joint loss of some batches, with its graph, and the predictions of rated images, without."""
        scores, mos = self.forward(*batches)
        versions = versions_in(len(mos), self.versions)
        count = len(mos) - versions * len(LEVELS)
        rated = scores.map(lambda head: head[:count])
        loss = self.loss(rated, mos[:count])
        if versions:

            def level(start: int) -> QualityScores[Tensor]:
                return scores.map(lambda head: head[start : start + versions])

            levels = [level(start) for start in (0, *range(count, len(mos), versions))]
            loss = loss + self.loss_function.ranking(levels, rated)
        return Outcome(loss, rated.map(Tensor.detach))

    def update(self) -> None:
        """Step the optimiser with the accumulated gradient, clear it, and update the average of the weights."""
        scaler = self.precision.scaler
        if self.options.clip_grad_norm is not None:
            scaler.unscale_(self.optimizer)
            parameters = (parameter for group in self.optimizer.param_groups for parameter in group["params"])
            torch.nn.utils.clip_grad_norm_(parameters, self.options.clip_grad_norm)
        scaler.step(self.optimizer)
        scale = scaler.get_scale() if self.average is not None else 0.0
        scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        # a lowered scale is the only trace of a step that the scaler has skipped
        if self.average is not None and scaler.get_scale() >= scale:
            self.average.update(self.network)


class _AsModule(nn.Module):
    """A step as a module, for DistributedDataParallel, which finds parameters without gradient from the loss."""

    def __init__(self, step: TrainingStep) -> None:
        super().__init__()
        self.network, self.step = step.network, step

    def forward(self, *batches: NetworkBatch) -> Outcome:
        return self.step.outcome(*batches)


def norms_of_centred(scores: Iterable[Tensor], q: float) -> Tensor:
    """Return the q-norm of each head's centred predictions in a batch: the scale b of the paper's appendix."""
    return torch.stack([torch.linalg.vector_norm(head - head.mean(), ord=q) for head in scores])
