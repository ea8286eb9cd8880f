"""Base64 (RFC 4648, section 4) of which every value has one text only, so that no text can be altered unnoticed."""

from binascii import a2b_base64, b2a_base64


def encode(value: bytes) -> str:
    return b2a_base64(value, newline=False).decode()


def decode(text: str) -> bytes:
    """The value. Raises ValueError for any text but the one that `encode` makes of it, unused bits included."""
    value = a2b_base64(text, strict_mode=True)
    if encode(value) != text:
        raise ValueError("it is not the exact base64 of a value")
    return value
