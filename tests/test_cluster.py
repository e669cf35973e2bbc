"""Oracle: an address where nothing can listen."""

import pytest

from linearityiqa.cluster import connect
from linearityiqa.errors import ConfigError


def test_no_cluster_at_the_address():
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'linearityiqa[ray]'")
    with pytest.raises(ConfigError, match="Check --ray"):
        connect("nowhere:port")
