"""Everything that is measured on pictures. Stateless; numpy and cv2; opens nothing, reads no clock.

judge           one visit from pictures to observations: calls all of the others
camera_memory   what is remembered of a camera, one blob for each light
quality/        picture faults (VQD): each gauge with its number, threshold and version
reference/      the reference picture of a camera, learned from accepted samples
change/         differences from the reference: moved cameras, new objects, weather
fire/           suspected flames and smoke
objects         a detector's objects in the camera's zones
osd_clock       the burnt-in clock against ours
observations    all of these as the domain's observations
mask            the visible area, applied before anything is measured
redaction       what is hidden in a picture before it leaves the centre
geometry        boxes and polygons
"""
