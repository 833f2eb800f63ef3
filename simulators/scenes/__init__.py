"""What the cameras see: drawn yards, gates, roads and canals, encoded once into real streams.

catalogue  which scenes there are, in which formats, with which variants (pure)
solids     a small ray marcher: cars, people, animals as shaded solids
ground     the pinhole camera, the ground and the walls that stand on it
stage      what stands where in each scene, the zones, the boxes of what is staged
light      morning, afternoon, infrared; picture faults; the burnt-in text
encode     frames → H.264/H.265 access units, through PyAV
library    the cache of encoded loops
"""
