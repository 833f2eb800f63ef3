"""RTSP as bytes in, events out; no socket here (RFC 2326, RFC 7826)."""
