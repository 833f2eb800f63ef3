"""A library: an address in, judged-fresh pictures out. Knows nothing of patrols."""
