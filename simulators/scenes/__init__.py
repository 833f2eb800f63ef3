"""Simulated pictures: drawn yards, gates, roads and canals, encoded once into real streams.

catalogue      which scenes there are, in which formats, with which variants (pure)
canvas         the pinhole camera, planes painted with their depth, the surfaces on them
solids, figures   a small ray marcher: cars, people, animals as shaded solids
layouts        where things stand in each scene, its zones and what is staged
lighting       morning, afternoon, infrared
rendering      ground, sky, trees; one still picture
frames         movement, noise, burnt-in text, picture faults
encode         frames → H.264/H.265 access units, through PyAV
library        the cache of encoded loops
annotations    the boxes and zones of a scene, in fractions of the picture
"""
