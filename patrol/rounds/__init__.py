"""Patrol rounds: plan them, visit their cameras within limits, judge, record; recheck a camera."""
