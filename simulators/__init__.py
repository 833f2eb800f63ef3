"""Worlds to patrol without a camera or a leader: the town, its streams, its people, its faults."""
