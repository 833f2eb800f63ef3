"""Tiny models, written byte by byte: an ONNX file is a protocol buffer, and these need six fields.

Each model ignores its picture and answers constants, which is all that a test of layouts needs.
"""

import hashlib
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from patrol.inference.manifest import InputSpec, Layout, ModelSpec

F32 = NDArray[np.float32]
FLOAT = 1  # onnx.TensorProto.FLOAT


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def _field(number: int, value: bytes | str | int) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    data = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _value_info(name: str, shape: Sequence[int]) -> bytes:
    dims = b"".join(_field(1, _field(1, size)) for size in shape)
    tensor = _field(1, FLOAT) + _field(2, dims)
    return _field(1, name) + _field(2, _field(1, tensor))


def _tensor(name: str, values: F32) -> bytes:
    dims = b"".join(_field(1, size) for size in values.shape)
    raw = struct.pack(f"<{values.size}f", *values.ravel().tolist())
    return dims + _field(2, FLOAT) + _field(8, name) + _field(9, raw)


def onnx_model(input_shape: Sequence[int], outputs: Sequence[F32]) -> bytes:
    """A model that takes a picture and answers `outputs`, whatever the picture holds."""
    graph = b""
    for index in range(len(outputs)):
        node = _field(1, f"c{index}") + _field(2, f"o{index}") + _field(4, "Identity")
        graph += _field(1, node)
    graph += _field(2, "constants")
    for index, values in enumerate(outputs):
        graph += _field(5, _tensor(f"c{index}", values))
    graph += _field(11, _value_info("images", input_shape))
    for index, values in enumerate(outputs):
        graph += _field(12, _value_info(f"o{index}", values.shape))
    opset = _field(1, "") + _field(2, 13)
    return _field(1, 8) + _field(7, graph) + _field(8, opset)


@pytest.fixture
def make_onnx() -> Callable[[Sequence[int], Sequence[F32]], bytes]:
    """Bytes of a model, for tests that write its file themselves."""
    return onnx_model


Place = Callable[..., ModelSpec]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Writes a model's file into `tmp_path` and answers its manifest entry."""

    def written(
        layout: Layout, outputs: Sequence[F32], *, labels: Sequence[str], size: int = 64
    ) -> ModelSpec:
        weights = onnx_model((1, 3, size, size), outputs)
        (tmp_path / "tiny.onnx").write_bytes(weights)
        return ModelSpec(
            name="tiny",
            purpose="objects",
            sha256=hashlib.sha256(weights).hexdigest(),
            licence="none",
            layout=layout,
            labels=tuple(labels),
            input=InputSpec(width_px=size, height_px=size),
        )

    return written
