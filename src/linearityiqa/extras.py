"""Optional dependencies: which extra to install when one is missing, and the connection to a Ray cluster."""

import importlib
import os
from types import ModuleType

from linearityiqa.errors import ConfigError, MissingExtraError


def require(module: str, extra: str) -> ModuleType:
    """Import a module by its dotted name; MissingExtraError, which names the extra, where it is not installed.

    >>> require("json", "train").__name__
    'json'
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as cause:
        raise MissingExtraError(
            f"this needs {module.partition('.')[0]}, which is not installed. Run: pip install 'linearityiqa[{extra}]'."
        ) from cause


def connect(address: str) -> ModuleType:
    """Connect to a Ray cluster, and return the module `ray`, whose `shutdown` ends the connection.

    The address is that of the cluster, ``auto`` (the one that this machine belongs to), or ``local`` (a new one on this
    machine alone). ConfigError: there is no cluster at the address.
    """
    ray = require("ray", "ray")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    local = {"include_dashboard": False} if address == "local" else {}
    try:
        ray.init(address=address, logging_level="warning", **local)
    except (ConnectionError, ValueError, RuntimeError, TimeoutError) as cause:
        raise ConfigError(f"cannot reach a Ray cluster at {address!r}: {cause}. Check --ray.") from cause
    return ray
