"""Text of GB/T 28181 peers: UTF-8, GB18030 or UTF-16, whatever they say it is. Pure."""

from typing import Final

UTF8: Final = "utf-8"
GB18030: Final = "gb18030"
UTF16: Final = "utf-16"  # by its mark alone


def decode_text(data: bytes) -> str:
    """UTF-8 where it is that, else GB18030 (which GB2312 and GBK are part of)."""
    return decode_with_charset(data)[0]


def decode_with_charset(data: bytes) -> tuple[str, str]:
    """The text, and which charset it was in; what fits neither is replaced."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode(UTF16, "replace"), UTF16
    try:
        return data.decode(UTF8), UTF8
    except UnicodeDecodeError:
        return data.decode(GB18030, "replace"), GB18030
