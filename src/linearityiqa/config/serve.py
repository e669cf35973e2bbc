"""Options of the HTTP service."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from linearityiqa.config.checks import POSITIVE, Checked, at_least, require_options, within
from linearityiqa.config.run import ScorerConfig


@dataclass(frozen=True, kw_only=True)
class LimitsConfig(Checked):
    """Limits of one client, and of all together."""

    max_body_mb: Annotated[float, POSITIVE] = 64.0
    """Largest body of a request, in MB; a larger one is refused with 413."""
    max_files: Annotated[int, POSITIVE] = 32
    """Most photographs of one request; more are refused with 413."""
    max_megapixels: Annotated[float, POSITIVE] = 50.0
    """Refuse photographs with more pixels than this, before decoding them."""
    max_queue: int = 64
    """Most photographs that wait or are being scored; further requests are answered 503 with Retry-After."""
    max_buffer_mb: float = 512.0
    """Most MB of bodies that are held at once, over all requests; beyond it requests are answered 503."""
    max_connections: Annotated[int, POSITIVE] = 512
    """Most open connections; requests on further ones are answered 503."""
    header_seconds: Annotated[float | None, POSITIVE] = None
    """No longer used: the time for headers is the business of a proxy (deploy/nginx.conf)."""
    body_seconds: Annotated[float, POSITIVE] = 60.0
    """Time in which a request's body must arrive; else it is answered 408."""
    score_seconds: Annotated[float, POSITIVE] = 60.0
    """Time in which a request's photographs must be scored; else it is answered 503."""
    decode_seconds: Annotated[float, POSITIVE] = 20.0
    """Time in which a photograph must be decoded; the process that takes longer is killed, and the photograph is
    answered 413."""
    drain_seconds: Annotated[float, at_least(0)] = 30.0
    """Time that requests under way are given to finish once the service is told to stop."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_options(
            (
                self.max_files <= self.max_queue,
                f"max_files ({self.max_files}) must not exceed max_queue ({self.max_queue}): "
                "a full request would never be admitted",
            ),
            (
                self.max_body_mb <= self.max_buffer_mb,
                f"max_body_mb ({self.max_body_mb:g}) must not exceed max_buffer_mb ({self.max_buffer_mb:g}): "
                "a full request would never be admitted",
            ),
        )

    @property
    def max_body_bytes(self) -> int:
        """Largest body of a request, in bytes."""
        return round(self.max_body_mb * 1e6)

    @property
    def max_buffer_bytes(self) -> int:
        """Most bytes of bodies that are held at once."""
        return round(self.max_buffer_mb * 1e6)

    @property
    def max_pixels(self) -> int:
        """Most pixels of a photograph."""
        return round(self.max_megapixels * 1e6)


@dataclass(frozen=True, kw_only=True)
class ServeConfig(ScorerConfig):
    """Options of `serve`."""

    host: str = "127.0.0.1"
    """Address to listen on; by default only this machine can connect. 0.0.0.0 listens on all IPv4 addresses."""
    port: Annotated[int, within(0, 65535)] = 8000
    """Port to listen on; 0 takes a free one."""
    token_file: Path | None = None
    """File that holds the token which clients of /v1 must send (Authorization: Bearer ...); readable by its owner
    only."""
    batch_wait_ms: Annotated[float | None, at_least(0)] = None
    """No longer used: photographs do not wait for others."""
    limits: LimitsConfig = field(default_factory=LimitsConfig)
