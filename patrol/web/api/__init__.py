"""The JSON API for other programs, served under /api/v1 with API keys."""
