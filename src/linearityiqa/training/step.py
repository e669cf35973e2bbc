"""One training step; forward pass, gathering of predictions and loss are kept apart."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from linearityiqa.evaluation.transfer import NetworkBatch
from linearityiqa.losses import QualityLoss
from linearityiqa.models import LinearityIQA
from linearityiqa.quality import QualityScores
from linearityiqa.training.averaging import WeightAverage
from linearityiqa.training.optimisation import LabelScaling
from linearityiqa.training.precision import Precision
from linearityiqa.training.recomputation import pooled_by_parts


class Outcome(NamedTuple):
    """What a batch has given: its loss, and its predictions without a graph; both are still on the device."""

    loss: Tensor
    scores: QualityScores[Tensor]


@dataclass
class TrainingStep:
    """Forward, loss and backward of a batch, and the optimiser's step.

    A batch-normalised loss is a function of a whole batch of predictions, not a mean over images; hence `forward`
    gives predictions, and `loss` may be handed those of several forward passes or processes at once.

    Nothing here waits for the device: who reads the outcomes does.
    """

    network: LinearityIQA
    loss_function: QualityLoss
    optimizer: torch.optim.Optimizer
    precision: Precision
    labels: LabelScaling
    accumulation_steps: int = 1
    exact_accumulation: bool = False
    clip_grad_norm: float | None = None
    average: WeightAverage | None = None

    @property
    def batches_a_loss(self) -> int:
        """How many batches `accumulate` is handed at once, except at the end of an epoch."""
        return self.accumulation_steps if self.exact_accumulation else 1

    def forward(self, *parts: Tensor) -> QualityScores[Tensor]:
        """Raw predictions of one batch of images, in float32 whatever the precision of the forward pass.

        Args:
            parts: the batch whole, or in several parts: then only the activations of one are ever in memory.
        """
        with self.precision.autocast():
            if len(parts) == 1:
                scores = self.network(parts[0])
            else:
                scores = self.network.score(pooled_by_parts(self.network, parts))
        # float32 outside autocast: centring subtracts nearly equal scores; float64 networks stay as they are
        return QualityScores(*scores).map(lambda head: head if head.dtype == torch.float64 else head.float())

    def loss(self, scores: QualityScores[Tensor], mos: Tensor) -> Tensor:
        """The loss of gathered predictions against their MOS, on the scale that the loss sees."""
        loss: Tensor = self.loss_function(scores, self.labels(mos))
        return loss

    def accumulate(self, *batches: NetworkBatch) -> Outcome:
        """Add the gradient of the loss of some batches together, divided by the number of losses of an update."""
        scores = self.forward(*(batch.images for batch in batches))
        loss = self.loss(scores, torch.cat([batch.mos for batch in batches]))
        share = self.batches_a_loss / self.accumulation_steps
        torch.autograd.backward(self.precision.scaler.scale(loss * share))
        return Outcome(loss.detach(), scores.map(Tensor.detach))

    def update(self) -> None:
        """Step the optimiser with the accumulated gradient, and clear it; the average of the weights follows."""
        if self.clip_grad_norm is not None:
            self.precision.scaler.unscale_(self.optimizer)
            parameters = (parameter for group in self.optimizer.param_groups for parameter in group["params"])
            torch.nn.utils.clip_grad_norm_(parameters, self.clip_grad_norm)
        self.precision.scaler.step(self.optimizer)
        self.precision.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        if self.average is not None:
            self.average.update(self.network)


def norms_of_centred(scores: Iterable[Tensor], q: float) -> Tensor:
    """The q-norm of each head's centred predictions in a batch: the scale b of the paper's appendix."""
    return torch.stack([torch.linalg.vector_norm(head - head.mean(), ord=q) for head in scores])
