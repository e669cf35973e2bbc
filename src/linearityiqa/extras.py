"""Optional dependencies: say which extra to install when one is missing."""

import importlib
from types import ModuleType

from linearityiqa.errors import MissingExtraError


def require(module: str, extra: str) -> ModuleType:
    """Import `module`, or say which extra of the package brings it.

    Args:
        module: dotted name of the module, e.g. ``"torch"``.
        extra: name of the extra in ``pip install 'linearityiqa[extra]'``.

    Raises:
        MissingExtraError: the module's package is not installed.

    >>> require("json", "train").__name__
    'json'
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as cause:
        raise MissingExtraError(
            f"this needs {module.partition('.')[0]}, which is not installed. Run: pip install 'linearityiqa[{extra}]'."
        ) from cause
