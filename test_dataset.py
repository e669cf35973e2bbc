"""The paper's command of this name; see `linearityiqa --help` for all of them."""

import sys

from linearityiqa.cli.paper import test_dataset_script

sys.exit(test_dataset_script())
