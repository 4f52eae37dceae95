"""Messages on a stream of bytes: each behind its length."""

from __future__ import annotations

import struct
from collections.abc import Iterator

_LENGTH = struct.Struct(">I")


def framed(body: bytes) -> bytes:
    """One message as it travels."""
    return _LENGTH.pack(len(body)) + body


class Reader:
    """Cuts what arrives into bodies of messages."""

    def __init__(self) -> None:
        self._arrived = bytearray()

    def feed(self, arrived: bytes) -> Iterator[bytes]:
        """Take what was read; yield every message that is now whole."""
        self._arrived += arrived
        while len(self._arrived) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._arrived)
            if len(self._arrived) < _LENGTH.size + length:
                return
            body = bytes(self._arrived[_LENGTH.size : _LENGTH.size + length])
            del self._arrived[: _LENGTH.size + length]
            yield body
