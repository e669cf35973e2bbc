"""The paper's command of this name; see `linearityiqa --help` for all of them."""

import sys

from linearityiqa.cli.paper import test_dataset_script

if __name__ == "__main__":  # processes that decode images import this file
    sys.exit(test_dataset_script())
