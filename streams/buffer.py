"""One read buffer for all visits of a thread: an event loop handles one read at a time."""

import threading
from typing import Final

# Above what rtsp.wire may leave unread (MAX_UNREAD_BYTES), with room for one generous read.
BUFFER_BYTES: Final = 512 * 1024

_thread = threading.local()


def shared_buffer() -> tuple[bytearray, memoryview]:
    """This thread's buffer, and a view of it."""
    if not hasattr(_thread, "buffer"):
        _thread.buffer = bytearray(BUFFER_BYTES)
        _thread.view = memoryview(_thread.buffer)
    buffer: bytearray = _thread.buffer
    view: memoryview = _thread.view
    return buffer, view
