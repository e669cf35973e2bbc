"""A process that carries out one run for the runner: `python -m linearityiqa.reproduce.worker`.

Its standard input is one line of JSON, the order, and then stays open for as long as the runner lives. The last line of
its standard output is the outcome, as JSON.
"""

import json
import logging
import os
import sys
import threading
from pathlib import Path

from linearityiqa.errors import Interrupted
from linearityiqa.reproduce.execution import Order, Outcome


def main() -> int:
    """Read the order, carry it out, print the outcome."""
    values = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_runner, daemon=True).start()
    _show_notices(values.pop("label"))
    try:
        outcome = Order(**values).carry_out()
    except Interrupted as stop:
        outcome = Outcome("stopped", str(stop))
    print(json.dumps(outcome._asdict()), flush=True)
    return 0


def _end_with_runner() -> None:
    """When the runner is gone, leave the folder to its successor; the saved state is all that is needed."""
    while os.read(0, 1024):
        pass
    os._exit(1)


def _show_notices(label: str) -> None:
    """Notices go to standard error, with the name of the run before them."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter(f"[{Path(label).name}] %(message)s"))
    logger = logging.getLogger("linearityiqa")
    logger.setLevel(logging.INFO)
    logger.handlers = [handler]


if __name__ == "__main__":
    sys.exit(main())
