"""A service without a socket."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from linearityiqa.config import ServeConfig
from linearityiqa.scoring import Runtime, Scorer
from linearityiqa.serving.app import Service, create_app
from linearityiqa.serving.gate import Token
from pixel_runtime import PixelRuntime

TOKEN = "correct-horse-battery-staple"


@pytest.fixture
def serve() -> Iterator[Callable[..., TestClient]]:
    """Starts services; their clients raise what is not answered."""
    with ExitStack() as running:

        def start(runtime: Runtime | None = None, token: Token | None = None, **options: object) -> TestClient:
            config = ServeConfig(**options)
            scorer = Scorer(runtime or PixelRuntime(), max_pixels=config.limits.max_pixels)
            return running.enter_context(TestClient(create_app(Service(scorer, config), token)))

        yield start


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text(TOKEN + "\n")
    path.chmod(0o600)
    return path
