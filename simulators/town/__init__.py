"""The simulated township Shangba: 68 grids, their people, 624 cameras or any other number."""
