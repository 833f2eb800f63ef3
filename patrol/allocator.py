"""glibc's allocator, set for pictures: one arena that keeps what it freed until a round is over.

A round decodes pictures in judging threads that end with it. glibc gives each new thread an arena
of its own, up to eight a core, and an arena keeps what was freed in it: fourteen rounds of forty
cameras held 450 MB of which the program used 190 MB. With one arena, and
`give_back_freed_memory` after each round, a service stays as large as its first round left it.

Within a round it is the other way round: by default glibc hands each freed array of megabytes back
at once, and the kernel clears as many fresh pages for the next picture, a tenth of what a visit
costs. Up to KEPT_BYTES at the end of the heap stay with the process.

Another C library has neither call: there both do nothing.
"""

import ctypes
from functools import cache
from typing import Final

ARENAS: Final = 1  # pictures are large: two judging threads hardly ever wait for each other in it
KEPT_BYTES: Final = 64 * 1024 * 1024  # two 1440p pictures under way, with all that is made of them
LARGEST_ON_HEAP_BYTES: Final = 32 * 1024 * 1024  # glibc allows no more; larger ones are mapped
_M_TRIM_THRESHOLD: Final = -1  # malloc.h
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8
_KEEP_BYTES: Final = 0  # at the end of the heap


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None)


def set_for_pictures() -> bool:
    """Share `ARENAS` arenas among threads that start from now on, and keep what pictures free.

    Whether the C library can.
    """
    mallopt = getattr(_libc(), "mallopt", None)
    settings = (
        (_M_ARENA_MAX, ARENAS),
        (_M_MMAP_THRESHOLD, LARGEST_ON_HEAP_BYTES),
        (_M_TRIM_THRESHOLD, KEPT_BYTES),
    )
    return mallopt is not None and all(mallopt(name, value) == 1 for name, value in settings)


def give_back_freed_memory() -> bool:
    """Return free pages of every arena to the system, in milliseconds; whether there were any."""
    trim = getattr(_libc(), "malloc_trim", None)
    return trim is not None and trim(ctypes.c_size_t(_KEEP_BYTES)) == 1
