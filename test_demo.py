"""The paper's command of this name; see `linearityiqa --help` for all of them."""

import sys

from linearityiqa.cli.main import run_script

if __name__ == "__main__":  # processes that decode images import this file
    sys.exit(run_script("test_demo.py"))
