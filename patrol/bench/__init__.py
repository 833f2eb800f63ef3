"""Benchmarks that anyone can repeat: ours beside what a user would otherwise do, in one run."""
