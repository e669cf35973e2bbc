"""Options of the service that cannot mean anything are refused where they are made."""

import pytest

from linearityiqa.config import LimitsConfig, ServeConfig
from linearityiqa.errors import ConfigError


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_body_mb": 0}, "max_body_mb must be > 0"),
        ({"max_files": 0}, "max_files must be > 0"),
        ({"body_seconds": -1}, "body_seconds must be > 0"),
        ({"drain_seconds": -1}, "drain_seconds must be >= 0"),
        ({"max_files": 65}, r"max_files \(65\) must not exceed max_queue \(64\)"),
        ({"max_body_mb": 600}, "would never be admitted"),
    ],
)
def test_limits_that_admit_nothing(options, words) -> None:
    with pytest.raises(ConfigError, match=words):
        LimitsConfig(**options)


@pytest.mark.parametrize("options", [{"port": 65536}, {"port": -1}, {"batch_size": 0}, {"batch_wait_ms": -1}])
def test_values_out_of_range(options) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        ServeConfig(**options)


def test_limits_in_the_units_that_they_bound() -> None:
    limits = LimitsConfig(max_body_mb=1.5, max_buffer_mb=2, max_megapixels=0.5)
    assert (limits.max_body_bytes, limits.max_buffer_bytes, limits.max_pixels) == (1_500_000, 2_000_000, 500_000)
