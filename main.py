"""The paper's command of this name; see `linearityiqa --help` for all of them."""

import sys

from linearityiqa.cli.paper import main_script

sys.exit(main_script())
