"""What each of two processes does in the tests of distributed training; `training/test_distributed.py` starts them.

    torchrun --standalone --nproc-per-node 2 --max-restarts 1 distributed_ranks.py FOLDER LABELS

They leave what they find in FOLDER/found0.pt and FOLDER/found1.pt. Then process 1 is killed,
and torchrun starts both again. With a third word, "killed", they come to that at once.
"""

import itertools
import os
import shutil
import signal
import sys
from pathlib import Path

import torch
from torch.nn.functional import interpolate

from linearityiqa.cli.main import main as command_line
from linearityiqa.config import LossConfig, ModelConfig, OptimiserConfig, TrainConfig
from linearityiqa.errors import Interrupted
from linearityiqa.evaluation.prefetch import NetworkBatch
from linearityiqa.models import LinearityIQA
from linearityiqa.training import train
from linearityiqa.training.distributed import ALONE, World, open_world
from linearityiqa.training.images import LabelScaling
from linearityiqa.training.precision import make_deterministic
from linearityiqa.training.step import TrainingStep
from small_runs import SMALL_BACKBONE, changed, small_run, training_step

SHARES = ((4, 4), (4, 3), (9, 0), (1, 7))
"""Images of the first and of the second process, batch by batch."""


def small_network(dtype: torch.dtype) -> LinearityIQA:
    """A network whose frozen batch normalisation does normalise: with random weights it would let signals die away."""
    torch.manual_seed(1)
    network = LinearityIQA(ModelConfig(architecture=SMALL_BACKBONE)).to(dtype)
    layers = [module for module in network.backbone.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for layer in layers:
        layer.momentum = 1.0
    with torch.no_grad():
        network.train().pool(photographs(8, torch.Generator().manual_seed(3)).to(dtype))
    for layer in layers:
        layer.momentum = 0.1
    network.freeze_batch_norm()
    return network


def photographs(count: int, random: torch.Generator) -> torch.Tensor:
    """Smooth patches with more or less noise; on noise alone all images look the same to a network."""
    patches = interpolate(torch.rand(count, 3, 4, 4, generator=random), size=(64, 64), mode="bilinear")
    noise = torch.rand(count, 3, 64, 64, generator=random) - 0.5
    return 2 * (patches + torch.rand(count, 1, 1, 1, generator=random) * noise) - 1


def losses(world: World, count: int, dtype: torch.dtype, loss: LossConfig | None = None, **options) -> list[float]:
    """Losses of `count` batches, the same for any number of processes."""
    make_deterministic(1, randomness=False)
    config = OptimiserConfig(freeze_bn=True, opt_level="O0", **options)  # float64 is the oracle
    network = small_network(dtype)
    if not world.is_main:  # the others get the weights of process 0
        torch.nn.init.zeros_(next(network.backbone_parameters()))
    step = training_step(network, config, loss, labels=LabelScaling(50.0, 20.0), world=world)
    random = torch.Generator().manual_seed(2)
    batches = []
    for shares in itertools.islice(itertools.cycle(SHARES), count):
        images, mos = photographs(sum(shares), random), torch.rand(sum(shares), generator=random) * 100
        images, mos = images.to(dtype), mos.to(dtype)
        mine = slice(None) if world.size == 1 else (slice(shares[0]), slice(shares[0], None))[world.rank]
        batches.append(NetworkBatch(images[mine], mos[mine], torch.arange(sum(shares))[mine]))
    found = []
    for done in range(0, count, step.batches_a_loss):
        last = (done + step.batches_a_loss) % config.accumulation_steps == 0
        group, number = batches[done : done + step.batches_a_loss], config.accumulation_steps // step.batches_a_loss
        found.append(float(step.accumulate(*group, losses=number, last=last).loss))
        if last:
            step.update()
    return found


def communication(world: World) -> dict[str, object]:
    """What each method gives, and the gradient that goes through `gather`."""
    rows = torch.arange(3.0 * world.rank).reshape(-1, 3).requires_grad_()  # none in process 0, one in process 1
    gathered, labels = world.gather(torch.cat([rows, rows + 10]), torch.full((2 * world.rank,), 7, dtype=torch.int64))
    (gathered * torch.arange(6.0).reshape(2, 3)).sum().backward()
    return {
        "gathered": gathered.detach(),
        "labels": labels,
        "gradient": world.gather(rows.grad)[0],
        "all_reduce_max": world.all_reduce_max(world.rank, -world.rank),
        "from_main": world.from_main(b"main" if world.is_main else b""),
        "seeds": [world.own_seed(5), world.rank],
    }


def steps(world: World) -> dict[str, object]:
    """Losses of two processes and of one."""
    stage4_alone = LossConfig(beta=(0, 1, 0))  # leaves parameters without a gradient
    accumulated = {"count": 4, "dtype": torch.float64, "accumulation_steps": 2, "loss": stage4_alone}
    cases = {
        "float64": {"count": 20, "dtype": torch.float64},
        # p = 2, whose gradient does not jump where an error changes its sign, and small steps: training amplifies what
        # rounding decides in float32, in one process as in two
        "float32": {"count": 20, "dtype": torch.float32, "loss": LossConfig(p=2), "learning_rate": 3e-5},
        "frozen backbone": {"count": 4, "dtype": torch.float64, "ft_lr_ratio": 0.0},
        "accumulated": accumulated,
        "accumulated exactly": accumulated | {"exact_accumulation": True},
    }
    return {
        name: {"together": losses(world, **options), "alone": losses(ALONE, **options) if world.is_main else []}
        for name, options in cases.items()
    }


def shared_run(labels: Path, folder: Path, weights: Path) -> TrainConfig:
    """Two epochs of batches of 5, 5 and 2 images."""
    config = small_run(labels, folder, test_during_training=True)
    return changed(config, freeze_bn=True, weights=str(weights), batch_size=5, learning_rate=1e-4, opt_level="O0")


def stopped_run(config: TrainConfig, rank: int) -> int:
    """Exit status of a run of which process 1 alone is asked to stop, after the first step of the second epoch."""
    original, calls = TrainingStep.update, itertools.count(1)

    def update(self) -> None:
        original(self)
        if next(calls) == 4 and rank == 1:
            signal.raise_signal(signal.SIGTERM)

    TrainingStep.update = update
    try:
        train(config)
    except Interrupted as stop:
        return stop.exit_status
    finally:
        TrainingStep.update = original
    return 0


def killed_run(config: TrainConfig, rank: int, restarts: int) -> int:
    """Exit status of a run by the command line, of which process 1 is killed once, in the middle of the second step."""
    original, calls = TrainingStep.update, itertools.count(1)

    def update(self) -> None:
        if next(calls) == 2 and rank == 1 and not restarts:
            os.kill(os.getpid(), signal.SIGKILL)
        original(self)

    TrainingStep.update = update
    options = config.optimiser
    words = ["-ds", config.data.dataset, "-arch", config.model.architecture, "--weights", options.weights]
    words += ["-bs", str(options.batch_size), "-e", str(options.epochs), "-lr", str(options.learning_rate)]
    words += ["--opt_level", options.opt_level]
    words += ["--freeze_bn", "-tdt", "--num_workers", "0", "--device", "cpu", "--output", str(config.run.output)]
    return command_line(["train", *words, "--save_minutes", "0", "--fresh"])


def main(folder: Path, labels: Path, only: str = "") -> int:
    torch.set_num_threads(1)
    rank, restarts = int(os.environ["RANK"]), int(os.environ["TORCHELASTIC_RESTART_COUNT"])
    weights = folder / "backbone.pth"

    def config(name: str) -> TrainConfig:
        # as on machines without a common file system, where only process 0 has the run folder
        return shared_run(labels, folder / (name if rank == 0 else "not written"), weights)

    if not restarts and only != "killed":
        with open_world("cpu") as world:
            found = {"communication": communication(world), "steps": steps(world)}
        if rank == 0:
            torch.save(small_network(torch.float32).backbone.state_dict(), weights)
        found["status"] = stopped_run(config("stopped"), rank)
        if rank == 0:
            shutil.copytree(folder / "stopped", folder / "left to one process")
        found["results"] = train(config("stopped")).results
        torch.save(found, folder / f"found{rank}.pt")
    return killed_run(config("killed"), rank, restarts)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:]))
