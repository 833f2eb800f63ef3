"""Numbers from pixels. Stateless; numpy and cv2; opens nothing, reads no clock.

quality/    picture faults (VQD): each gauge a number, a threshold, a version
objects/    what a detector saw, against the camera's zones
mask        the visible area, applied before anything else looks
observe     readings and zone hits as the domain's observations
reference/, change/, fire/    the camera's own picture, and what differs from it
"""
