"""`patrol demo` and `patrol simulate`: the only package that may import `simulators`."""

from patrol.demo.simulate import simulate_cameras, simulate_leaders
from patrol.demo.town import run_demo

__all__ = ["run_demo", "simulate_cameras", "simulate_leaders"]
