"""The C library's allocator, set for pictures: memory that one picture leaves is the next one's.

By default glibc hands every freed array of megabytes back to the kernel, which then clears as many
fresh pages for the next picture: a third of what a visit's conversions and resizings cost. Here
freed memory stays with the process up to KEPT_BYTES an arena, and goes back at the end of a round.
Other C libraries do as they like; nothing here fails.
"""

import ctypes
from functools import cache
from typing import Any, Final

M_TRIM_THRESHOLD: Final = -1  # <malloc.h>
M_MMAP_THRESHOLD: Final = -3
M_ARENA_MAX: Final = -8
KEPT_BYTES: Final = 48 * 1024 * 1024  # two 1440p pictures with all that is made of them
LARGEST_MMAP_THRESHOLD: Final = 32 * 1024 * 1024  # glibc allows no more
ARENAS: Final = 4  # two judging threads, the writer, the rest


def keep_freed_memory() -> bool:
    """Let freed arrays be used again without the kernel; whether this C library can."""
    library = _glibc()
    if library is None:
        return False
    settings = (
        (M_MMAP_THRESHOLD, LARGEST_MMAP_THRESHOLD),
        (M_TRIM_THRESHOLD, KEPT_BYTES),
        (M_ARENA_MAX, ARENAS),
    )
    return all(library.mallopt(name, value) for name, value in settings)


def return_freed_memory() -> bool:
    """Give what is free back to the kernel; whether there was any."""
    library = _glibc()
    return library is not None and bool(library.malloc_trim(0))


@cache
def _glibc() -> Any:
    """The running C library where it is glibc; None elsewhere."""
    try:
        library = ctypes.CDLL(None)
    except OSError:
        return None
    known = all(hasattr(library, name) for name in ("mallopt", "malloc_trim"))
    return library if known else None
