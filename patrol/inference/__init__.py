"""onnxruntime behind ports.Detector: the manifest of weight files, installing, opening, detecting.

Only onnx_detector.py and face_plate_detectors.py import onnxruntime, an optional extra: without it,
or without a weight file, opening raises DetectorUnavailable with one line of advice, and rounds run
without. Import from the modules: the manifest alone needs neither numpy nor OpenCV.
"""
