"""Oracle: what torch and the environment say."""

import pytest
import torch

from linearityiqa.errors import ConfigError
from linearityiqa.evaluation.device import resolve_device, visible_gpus


@pytest.mark.parametrize(
    ("named", "count", "expected"),
    [
        (None, 0, ()),
        (None, 2, ("0", "1")),
        ("3,GPU-1a", 2, ("3", "GPU-1a")),
        ("1,0,-1,5", 2, ("1", "0")),  # what follows an invalid number does not count
        ("", 0, ()),
    ],
)
def test_gpus_by_the_names_that_the_environment_gives(monkeypatch, named, count, expected):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if named is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    assert visible_gpus() == expected


def test_devices_by_name():
    assert resolve_device("cpu").type == "cpu"
    assert resolve_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    for name in ("quantum", "cuda:99"):
        with pytest.raises(ConfigError, match="cannot be used here"):
            resolve_device(name)
