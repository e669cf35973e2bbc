"""A service in a process of its own, and its anonymous memory."""

import contextlib
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple


class Service(NamedTuple):
    """A running `linearityiqa serve` on the loopback."""

    port: int
    pid: int

    @property
    def anonymous_mb(self) -> float:
        """Anonymous memory now, in MB, of the service and the processes that decode (Linux only)."""
        of_all = subprocess.run(["ps", "-e", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
        parents = dict(map(int, line.split()) for line in of_all.splitlines())
        family = [pid for pid in parents if self.pid in (pid, parents[pid], parents.get(parents[pid]))]
        return sum(map(_anonymous_mb, family))


def _anonymous_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(re.search(r"RssAnon:\s*(\d+) kB", status)[1]) * 1024 / 1e6


@contextlib.contextmanager
def running(options: Sequence[str]) -> Iterator[Service]:
    """The service with the options of `linearityiqa serve`, stopped at the end of the block."""
    command = [sys.executable, "-m", "linearityiqa", "serve", "--port", "0", *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        port = None
        while port is None and (line := process.stderr.readline()):
            found = re.search(r"serving at http://[^ ]+:(\d+)/", line)
            port = int(found[1]) if found else None
        if port is None:
            raise SystemExit("the service did not start; run the same command by hand: " + " ".join(command))
        yield Service(port, process.pid)
        process.send_signal(signal.SIGTERM)
        if process.wait(60) != 0:
            raise SystemExit(f"the service ended with status {process.returncode}: {process.stderr.read()}")
    finally:
        process.kill()
