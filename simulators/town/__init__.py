"""Shangba Town, from the domain's numbers: 68 grids, their people, 624 cameras — or any number."""
