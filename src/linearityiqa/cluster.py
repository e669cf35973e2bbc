"""Connection to a Ray cluster."""

import os
from typing import Any

from linearityiqa.errors import ConfigError
from linearityiqa.extras import require

LOCAL = "local"
"""The address that stands for a cluster of this machine alone, started for the purpose."""


def connect(address: str) -> Any:
    """Connect to the cluster, or start one on this machine.

    Args:
        address: of the cluster, ``auto`` (the one that this machine belongs to), or ``local``.

    Returns:
        The module `ray`, connected; its `shutdown` ends the connection.

    Raises:
        MissingExtraError: Ray is not installed.
        ConfigError: there is no cluster at the address.
    """
    ray = require("ray", "ray")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    local = {"include_dashboard": False} if address == LOCAL else {}
    try:
        ray.init(address=address, logging_level="warning", **local)
    except (ConnectionError, ValueError, RuntimeError, TimeoutError) as cause:
        raise ConfigError(f"cannot reach a Ray cluster at {address!r}: {cause}. Check --ray.") from cause
    return ray
