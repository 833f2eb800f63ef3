"""Take a fixed picture size out of an ONNX file, so that pictures of any size fit. Pure bytes.

CenterFace was exported for ten pictures of 32 × 32, although its convolutions do not care. An ONNX
file is a protocol buffer: nested fields, each with a number and a length. The shape of the first
input and of the outputs is found along the numbers below, and every size in it but the channels'
is replaced by a name; all other bytes stay as they are. (The `onnx` package does the same with
a hundred megabytes of dependencies.)
"""

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

# onnx.proto: ModelProto.graph, GraphProto.input and .output, ValueInfoProto.type,
# TypeProto.tensor_type, Tensor.shape, TensorShapeProto.dim; Dimension.dim_param is a name.
GRAPH: Final = 7
INPUT: Final = 11
OUTPUT: Final = 12
TO_THE_SHAPE: Final = (2, 1, 2)
DIM: Final = 1
DIM_PARAM: Final = 2
CHANNELS: Final = 1  # the place of the size that stays: pictures × channels × height × width
LENGTH_GIVEN: Final = 2  # the kinds of field
FIXED: Final = {1: 8, 5: 4}

Change = Callable[[bytes], bytes]


def with_free_sizes(model: bytes) -> bytes:
    """The model, its first input and its outputs of any size. Raises ValueError: no ONNX file."""
    try:
        return _within(model, (GRAPH,), _free_graph)
    except IndexError as exc:
        raise ValueError("not an ONNX file") from exc


def _free_graph(graph: bytes) -> bytes:
    """Later inputs are weights with a default: their shapes stay."""
    out, first = bytearray(), True
    for field in _fields(graph):
        if field.number == OUTPUT or (field.number == INPUT and first):
            out += _encode_field(field.number, _within(field.value, TO_THE_SHAPE, _free_shape))
            first = first and field.number != INPUT
        else:
            out += field.raw
    return bytes(out)


def _free_shape(shape: bytes) -> bytes:
    out, index = bytearray(), 0
    for field in _fields(shape):
        if field.number == DIM and index != CHANNELS:
            out += _encode_field(DIM, _encode_field(DIM_PARAM, b"free%d" % index))
        else:
            out += field.raw
        index += field.number == DIM
    return bytes(out)


def _within(message: bytes, path: tuple[int, ...], change: Change) -> bytes:
    """The message with `change` done to what lies along the path of field numbers."""
    if not path:
        return change(message)
    return b"".join(
        _encode_field(field.number, _within(field.value, path[1:], change))
        if field.number == path[0]
        else field.raw
        for field in _fields(message)
    )


class _WireField(NamedTuple):
    number: int
    value: bytes  # empty where it is a plain number
    raw: bytes  # all of it, as it stood


def _fields(message: bytes) -> Iterator[_WireField]:
    at = 0
    while at < len(message):
        start = at
        key, at = _read_varint(message, at)
        number, kind = key >> 3, key & 7
        value = b""
        if kind == LENGTH_GIVEN:
            length, at = _read_varint(message, at)
            value = message[at : at + length]
            at += length
        elif kind in FIXED:
            at += FIXED[kind]
        else:
            _, at = _read_varint(message, at)
        if at > len(message):
            raise ValueError("not an ONNX file: a field is cut off")
        yield _WireField(number, value, message[start:at])


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = message[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004  the last of it
            return number, at
        shift += 7


def _encode_field(number: int, value: bytes) -> bytes:
    return _encode_varint(number << 3 | LENGTH_GIVEN) + _encode_varint(len(value)) + value


def _encode_varint(number: int) -> bytes:
    out = bytearray()
    while number >= 0x80:  # noqa: PLR2004
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])
