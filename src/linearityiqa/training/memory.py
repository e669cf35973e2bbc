"""What the process does with memory that a step has freed."""

import ctypes
import sys

# of glibc's malloc.h
M_TRIM_THRESHOLD = -1
M_MMAP_MAX = -4


def keep_freed_memory() -> None:
    """Have malloc keep freed memory for the next step, instead of giving large blocks back to the system at once.

    A training step on a CPU takes and frees hundreds of blocks of some megabytes, and the system clears every page of
    them anew when it is first touched. Kept, they cost nothing from the second step on. Where the C library has no
    such setting (other systems than Linux, musl), nothing happens.
    """
    if sys.platform != "linux":
        return
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        library.mallopt(M_MMAP_MAX, 0)
        library.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
