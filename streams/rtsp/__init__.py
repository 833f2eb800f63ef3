"""RTSP, RTP and their payload formats: bytes in, events out. No socket, no clock, no thread."""
