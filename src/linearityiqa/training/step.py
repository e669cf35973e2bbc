"""One training step; forward pass, gathering of predictions and loss are kept apart."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch

from linearityiqa.data.dataset import Batch
from linearityiqa.losses import QualityLoss
from linearityiqa.models import LinearityIQA
from linearityiqa.quality import QualityScores
from linearityiqa.training.optimisation import LabelScaling
from linearityiqa.training.precision import Precision


@dataclass
class TrainingStep:
    """Forward, loss and backward of a batch, and the optimiser's step.

    A batch-normalised loss is a function of a whole batch of predictions, not a mean over images; hence `forward`
    gives predictions, and `loss` may be handed those of several forward passes or processes at once.
    """

    network: LinearityIQA
    loss_function: QualityLoss
    optimizer: torch.optim.Optimizer
    precision: Precision
    labels: LabelScaling
    device: torch.device
    accumulation_steps: int = 1

    def forward(self, images: torch.Tensor) -> QualityScores[torch.Tensor]:
        """Raw predictions of a batch, in float32 whatever the precision of the forward pass."""
        with self.precision.autocast():
            scores = self.network(images.to(self.device, non_blocking=True))
        # float32 outside autocast: centring subtracts nearly equal scores; float64 networks stay as they are
        return QualityScores(*scores).map(lambda head: head if head.dtype == torch.float64 else head.float())

    def loss(self, scores: QualityScores[torch.Tensor], mos: torch.Tensor) -> torch.Tensor:
        """The loss of gathered predictions against their MOS, on the scale that the loss sees."""
        loss: torch.Tensor = self.loss_function(scores, self.labels(mos.to(self.device, non_blocking=True)))
        return loss

    def accumulate(self, batch: Batch) -> tuple[float, QualityScores[torch.Tensor]]:
        """Add the gradient of a batch, divided by the number of accumulated batches.

        Returns:
            The loss of the batch, and its predictions without a graph. Nothing is added where the loss is not finite.
        """
        scores = self.forward(batch.images)
        loss = self.loss(scores, batch.mos)
        value = float(loss.detach())
        if torch.isfinite(loss.detach()):
            torch.autograd.backward(self.precision.scaler.scale(loss / self.accumulation_steps))
        return value, scores.map(torch.Tensor.detach)

    def update(self) -> None:
        """Step the optimiser with the accumulated gradient, and clear it."""
        self.precision.scaler.step(self.optimizer)
        self.precision.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)


def norms_of_centred(scores: Iterable[torch.Tensor], q: float) -> list[float]:
    """The q-norm of each head's centred predictions in a batch: the scale b of the paper's appendix."""
    return [float(torch.linalg.vector_norm(head - head.mean(), ord=q)) for head in scores]
