"""Measure the machine's eye on labelled pictures: the same judging code as the service runs."""
