"""`python -m linearityiqa` is the command `linearityiqa`."""

import sys

from linearityiqa.cli import main

sys.exit(main())
