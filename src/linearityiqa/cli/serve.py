"""`linearityiqa serve`: the HTTP service and its web page."""

import sys
from collections.abc import Sequence

from linearityiqa.cli.parsing import parse
from linearityiqa.cli.scorer import chosen_model, headline, open_scorer
from linearityiqa.config import ServeConfig
from linearityiqa.extras import require

DESCRIPTION = (
    "Score photographs over HTTP: a web page at /, the interface for programs at /v1, described at /docs. "
    "Nothing that is sent is written to disk. Stops with exit status 0 once all requests under way are answered."
)


def main(argv: Sequence[str]) -> int:
    """Parse, load the model, serve until a signal says to stop."""
    config = parse(ServeConfig, argv, prog="linearityiqa serve", description=DESCRIPTION)
    for package in ("fastapi", "uvicorn", "python_multipart", "prometheus_client", "fastapi_offline"):
        require(package, "serve")
    from linearityiqa.serving.server import serve

    scorer = open_scorer(config)
    print(headline(scorer, chosen_model(config)), file=sys.stderr)
    return serve(scorer, config)
