"""Options of the HTTP service."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from linearityiqa.config.checks import require_options
from linearityiqa.config.data import TransformConfig
from linearityiqa.config.model import ModelConfig
from linearityiqa.config.run import ScoringDeviceConfig


@dataclass(frozen=True, kw_only=True)
class LimitsConfig:
    """How much one client, and all of them together, may ask of the service."""

    max_body_mb: float = 64.0
    """Largest body of a request, in MB; a larger one is refused with 413."""
    max_files: int = 32
    """Most photographs of one request; more are refused with 413."""
    max_megapixels: float = 50.0
    """Refuse photographs with more pixels than this, before decoding them."""
    max_queue: int = 64
    """Most photographs that wait or are being scored; further requests are answered 503 with Retry-After."""
    max_buffer_mb: float = 512.0
    """Most MB of bodies that are held at once, over all requests; beyond it requests are answered 503."""
    max_connections: int = 512
    """Most open connections; further ones are answered 503."""
    header_seconds: float = 10.0
    """Time in which a request's headers must arrive; else the connection is closed with 408."""
    body_seconds: float = 60.0
    """Time in which a request's body must arrive; else it is answered 408."""
    score_seconds: float = 60.0
    """Time in which a request's photographs must be scored; else it is answered 503."""
    drain_seconds: float = 30.0
    """Time that requests under way are given to finish once the service is told to stop."""

    def __post_init__(self) -> None:
        require_options(
            *((getattr(self, name) > 0, f"{name} must be > 0, got {getattr(self, name)}") for name in _POSITIVE),
            (self.drain_seconds >= 0, f"drain_seconds must be >= 0, got {self.drain_seconds}"),
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


_POSITIVE = (
    "max_body_mb",
    "max_files",
    "max_megapixels",
    "max_connections",
    "header_seconds",
    "body_seconds",
    "score_seconds",
)


@dataclass(frozen=True, kw_only=True)
class ServeConfig:
    """Which model is served, where, and to whom."""

    trained_model_file: Annotated[Path | None, tyro.conf.arg(aliases=["-modelfile", "--model"])] = None
    """Model file: ours (.safetensors or .onnx, or hf://OWNER/NAME[@REVISION] on the Hugging Face Hub) or the authors'
    (.pth, described by -arch etc.); by default the small model in the package."""
    host: str = "127.0.0.1"
    """Address to listen on; by default only this machine can connect. 0.0.0.0 listens on all IPv4 addresses."""
    port: int = 8000
    """Port to listen on; 0 takes a free one."""
    token_file: Path | None = None
    """File that holds the token which clients of /v1 must send (Authorization: Bearer ...); readable by its owner
    only."""
    batch_size: Annotated[int | None, tyro.conf.arg(aliases=["-bs"])] = None
    """Most photographs, of any requests, that the network scores at once; by default what suits the device."""
    batch_wait_ms: float = 5.0
    """How long a photograph waits for others that are being decoded, to be scored with them."""
    limits: LimitsConfig = field(default_factory=LimitsConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    transform: TransformConfig = field(default_factory=TransformConfig)
    device: ScoringDeviceConfig = field(default_factory=ScoringDeviceConfig)

    def __post_init__(self) -> None:
        require_options(
            (0 <= self.port <= 65535, f"port must lie in 0..65535, got {self.port}"),
            (self.batch_size is None or self.batch_size >= 1, f"batch_size must be >= 1, got {self.batch_size}"),
            (self.batch_wait_ms >= 0, f"batch_wait_ms must be >= 0, got {self.batch_wait_ms}"),
        )
