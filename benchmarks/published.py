"""The published training procedure, written plainly: what `make bench` compares this project with.

Float32 in the usual memory layout; all images decoded and resized before the first step and kept in memory; the loss's
network and optimiser as in the paper; evaluation one image at a time, over the training, validation and test images.
"""

import csv
from pathlib import Path

import torch
from PIL import Image
from torchvision.transforms.functional import normalize, to_tensor

from linearityiqa import norm_in_norm_loss
from linearityiqa.config import ModelConfig
from linearityiqa.images import IMAGENET
from linearityiqa.mapping import LinearMapping
from linearityiqa.metrics import agreement
from linearityiqa.models import LinearityIQA


class PublishedProcedure:
    """A run of the published procedure.

    Args:
        labels: CSV with image_name, mos, split; the images lie in `images/` beside it.
        architecture: backbone.
        size: (height, width) that images are resized to.
        batch_size: images a training batch.
        device: where the network is.
    """

    def __init__(self, labels: Path, architecture: str, size: tuple[int, int], batch_size: int, device: str) -> None:
        self.labels, self.size, self.batch_size, self.device = labels, size, batch_size, torch.device(device)
        torch.manual_seed(0)
        self.network = LinearityIQA(ModelConfig(architecture=architecture), weights="none").to(self.device)
        groups = [
            {"params": list(self.network.head_parameters()), "lr": 1e-4},
            {"params": list(self.network.backbone_parameters()), "lr": 1e-5},
        ]
        self.optimizer = torch.optim.Adam(groups)
        self.images: dict[str, list[Image.Image]] = {"train": [], "val": [], "test": []}
        self.mos: dict[str, list[float]] = {"train": [], "val": [], "test": []}

    def decode_all(self) -> None:
        """Decode and resize every image into memory."""
        height, width = self.size
        with self.labels.open(newline="", encoding="utf-8") as stream:
            for row in csv.DictReader(stream):
                image = Image.open(self.labels.parent / "images" / row["image_name"]).convert("RGB")
                self.images[row["split"]].append(image.resize((width, height), Image.Resampling.BILINEAR))
                self.mos[row["split"]].append(float(row["mos"]))

    def input(self, image: Image.Image) -> torch.Tensor:
        """The network's input of a decoded image."""
        return normalize(to_tensor(image), IMAGENET.mean, IMAGENET.std)

    def step(self, images: torch.Tensor, mos: torch.Tensor) -> float:
        """One training step on a batch."""
        scores = self.network(images.to(self.device))
        loss = sum(
            weight * norm_in_norm_loss(head, mos.to(self.device))
            for weight, head in zip((0.1, 0.1, 1.0), scores, strict=True)
        )
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def load(self) -> int:
        """Go through the training batches without a network; how many images they hold."""
        return sum(len(images) for images, _ in self._batches())

    def first_batch(self) -> tuple[torch.Tensor, torch.Tensor]:
        """One training batch."""
        return next(iter(self._batches()))

    def start(self) -> tuple[torch.Tensor, torch.Tensor]:
        """From nothing to the first step: its batch."""
        self.decode_all()
        return self.first_batch()

    def train_epoch(self) -> None:
        """Every training image once."""
        self.network.train()
        for images, mos in self._batches():
            self.step(images, mos)

    def evaluate(self, parts: tuple[str, ...] = ("train", "val", "test")) -> None:
        """Score parts one image at a time, fit the line from score to MOS on the first, and compute the agreement."""
        self.network.eval()
        mapping = None
        for part in parts:
            with torch.no_grad():
                scores = [
                    self.network(self.input(i).unsqueeze(0).to(self.device)).fused.item() for i in self.images[part]
                ]
            mapping = mapping or LinearMapping.fit(scores, self.mos[part])
            agreement(mapping(scores), self.mos[part])

    def epoch(self) -> None:
        """Train on every training image, then evaluate as the paper's --test_during_training does."""
        self.train_epoch()
        self.evaluate()

    def _batches(self):
        order = torch.randperm(len(self.images["train"])).tolist()
        for start in range(0, len(order), self.batch_size):
            rows = order[start : start + self.batch_size]
            images = torch.stack([self.input(self.images["train"][row]) for row in rows])
            yield images, torch.tensor([self.mos["train"][row] for row in rows])
