"""How many threads OpenCV may use for one call: one, because calls run side by side."""

import cv2


def one_thread_each() -> None:
    """For the whole process: there are as many judges as cores, and each looks by itself.

    With its own pool OpenCV would wake every core for a millisecond's work, in every judge at once.
    """
    cv2.setNumThreads(1)
