"""Simulated GB/T 28181 devices and a lower platform, with a fault for each trap of the field."""
