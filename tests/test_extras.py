"""Oracle: an address where nothing can listen."""

import pytest

from linearityiqa.errors import ConfigError
from linearityiqa.extras import connect


def test_no_cluster_at_the_address():
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'linearityiqa[ray]'")
    with pytest.raises(ConfigError, match="Check --ray"):
        connect("nowhere:port")
