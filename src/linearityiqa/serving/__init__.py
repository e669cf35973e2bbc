"""The HTTP service and its web page; needs the extra `serve`."""

from typing import TYPE_CHECKING

from linearityiqa.extras import require

if TYPE_CHECKING:
    from linearityiqa.config.serve import ServeConfig
    from linearityiqa.scoring import Scorer


def serve(scorer: "Scorer", config: "ServeConfig") -> int:
    """Serve until a signal says to stop (`linearityiqa.serving.server.serve`).

    Raises:
        MissingExtraError: a package of the extra is not installed.
    """
    require_packages()
    from linearityiqa.serving.server import serve

    return serve(scorer, config)


def require_packages() -> None:
    """Check that what the service needs is installed.

    Raises:
        MissingExtraError: it is not.
    """
    for package in ("fastapi", "uvicorn", "python_multipart", "prometheus_client", "fastapi_offline"):
        require(package, "serve")


__all__ = ["require_packages", "serve"]
