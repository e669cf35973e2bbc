"""What the process does with memory that was freed."""

import ctypes
import sys

# of glibc's malloc.h
M_TRIM_THRESHOLD = -1
M_MMAP_MAX = -4
M_ARENA_MAX = -8


def keep_freed_memory() -> None:
    """Have malloc keep freed memory for the next batch, instead of giving large blocks back to the system at once.

    A batch on a CPU takes and frees hundreds of blocks of some megabytes, and the system clears every page of them
    anew when it is first touched. Kept, they cost nothing from the second batch on. All threads take them from one
    place, since what malloc sets apart for a thread cannot hold blocks so large. It is a setting of the whole process,
    for a command or a training run to make as it begins, not for what others build upon. Where the C library has no
    such setting (other systems than Linux, musl), nothing happens.
    """
    if sys.platform != "linux":
        return
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        library.mallopt(M_MMAP_MAX, 0)
        library.mallopt(M_TRIM_THRESHOLD, -1)  # never: a step may free more than the 2 GB of an int
        library.mallopt(M_ARENA_MAX, 1)
