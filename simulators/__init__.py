"""Simulated worlds for `patrol demo`, benchmarks and tests: town, RTSP cameras, scenes, people."""
