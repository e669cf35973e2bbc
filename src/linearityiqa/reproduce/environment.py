"""What a report says of the machine and the settings behind its numbers."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version

from linearityiqa.reproduce.setup import Setup

PACKAGES = ("linearityiqa", "numpy", "scipy", "torch", "torchvision", "matplotlib", "Pillow")


def environment_of(setup: Setup) -> dict[str, object]:
    """Versions, device, seed, scale and databases, by name."""
    config = setup.config
    facts: dict[str, object] = {
        "Software": ", ".join(f"{name} {found}" for name in PACKAGES if (found := _version(name))),
        "Python": platform.python_version(),
        "Machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPU cores",
    }
    if config.from_dir is not None:
        return facts | {"Results": f"read from {config.from_dir}; nothing was trained here"}
    training, other = setup.scale.tested_on
    return facts | {
        "Device": _device_name(config.device.device),
        "Seed": config.seed,
        "Recipe": f"{config.epochs} epochs, images resized to {config.size} (height x width), "
        f"initial weights {config.weights}",
        "Databases": f"trained on {config.dataset}; tested on {training} and on {other}",
        "Runs": config.log_dir,
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _device_name(asked: str) -> str:
    import torch

    from linearityiqa.evaluation.device import resolve_device

    device = resolve_device(asked)
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
