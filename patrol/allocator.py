"""glibc's allocator, held to a size that stays: one arena, and free pages given back after work.

A round decodes pictures in judging threads that end with it. glibc gives each new thread an arena
of its own, up to eight a core, and an arena keeps what was freed in it: fourteen rounds of forty
cameras held 450 MB of which the program used 190 MB. With `limit_arenas` at the start and
`give_back_freed_memory` after each round a service stays as large as its first round left it.

Another C library has neither call: there both do nothing.
"""

import ctypes
from functools import cache
from typing import Final

ARENAS: Final = 1  # pictures are large: two judging threads hardly ever wait for each other in it
_M_ARENA_MAX: Final = -8  # malloc.h
_KEEP_BYTES: Final = 0  # at the end of the heap


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None)


def limit_arenas() -> bool:
    """Let threads that start from now on share `ARENAS` arenas; whether the C library can."""
    mallopt = getattr(_libc(), "mallopt", None)
    return mallopt is not None and mallopt(_M_ARENA_MAX, ARENAS) == 1


def give_back_freed_memory() -> bool:
    """Return free pages of every arena to the system, in milliseconds; whether there were any."""
    trim = getattr(_libc(), "malloc_trim", None)
    return trim is not None and trim(ctypes.c_size_t(_KEEP_BYTES)) == 1
