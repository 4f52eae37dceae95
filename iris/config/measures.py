"""Durations and sizes as people write them: `1h30m`, `128GB`."""

from __future__ import annotations

import re
from fractions import Fraction

import msgspec

from iris.config.kinds import Refused

_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|[smhd]))+", re.ASCII)
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhd])", re.ASCII)
_MS_OF = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
_LONGEST = 10 * 365 * 86_400.0  # ten years

_SIZE = re.compile(r"(\d+(?:\.\d+)?)(B|[kKMGT]B|[KMGT]iB)", re.ASCII)
_BYTES_OF = {
    "TiB": 1 << 40,
    "TB": 10**12,
    "GiB": 1 << 30,
    "GB": 10**9,
    "MiB": 1 << 20,
    "MB": 10**6,
    "KiB": 1 << 10,
    "kB": 10**3,
    "KB": 10**3,
    "B": 1,
}
_LARGEST = 1 << 60


class Duration(msgspec.Struct, frozen=True):
    """Seconds, written `90s`, `5m` or `1h30m`; a bare number says no unit."""

    least: float = 0.0
    most: float = _LONGEST

    @property
    def expected(self) -> str:
        least = f" of {write_duration(self.least)} or more" if self.least else ""
        most = f", at most {write_duration(self.most)}" if self.most < _LONGEST else ""
        return f"a duration{least} such as 90s, 5m or 1h30m{most}"

    def read(self, raw: object) -> float:
        if not isinstance(raw, str) or not _DURATION.fullmatch(raw):
            raise Refused(self.expected, raw)
        ms = sum(Fraction(n) * _MS_OF[unit] for n, unit in _DURATION_PART.findall(raw))
        seconds = round(ms) / 1000
        if not self.least <= seconds <= self.most:
            raise Refused(self.expected, raw)
        return seconds

    def write(self, value: object) -> object:
        return write_duration(value) if isinstance(value, float) else value


class Size(msgspec.Struct, frozen=True):
    """Bytes, written `128GB` or `1TiB`; a bare number says no unit."""

    least: int = 1

    @property
    def expected(self) -> str:
        least = "above 0"
        if self.least > 1:
            least = f"of {write_size(self.least)} or more"
        return f"a size {least} such as 512MB, 128GB or 1TiB"

    def read(self, raw: object) -> int:
        found = _SIZE.fullmatch(raw) if isinstance(raw, str) else None
        if found is None:
            raise Refused(self.expected, raw)
        size = round(Fraction(found[1]) * _BYTES_OF[found[2]])
        if not self.least <= size <= _LARGEST:
            raise Refused(self.expected, raw)
        return size

    def write(self, value: object) -> object:
        return write_size(value) if isinstance(value, int) else value


def write_duration(seconds: float) -> str:
    """`5400.0` as `1h30m`; nothing finer than a millisecond."""
    rest, words = round(seconds * 1000), ""
    for unit, length in _MS_OF.items():
        count, rest = divmod(rest, length)
        words += f"{count}{unit}" if count else ""
    return words or "0s"


def write_size(size_bytes: int) -> str:
    """`128000000000` as `128GB`, in the largest unit that gives a whole number."""
    unit, length = next((u, n) for u, n in _BYTES_OF.items() if size_bytes % n == 0)
    return f"{size_bytes // length}{unit}"
