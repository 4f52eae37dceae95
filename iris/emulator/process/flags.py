"""The words of a command of the docker stand-in."""

from __future__ import annotations

from iris.emulator.process.containers import Wrong


def split(
    words: list[str], with_value: set[str], switches: set[str]
) -> tuple[dict[str, list[str]], list[str]]:
    """Flags with their values, up to the first word that is none."""
    flags: dict[str, list[str]] = {}
    rest = list(words)
    while rest and rest[0].startswith("-") and rest[0] != "-":
        flag, equals, value = rest.pop(0).partition("=")
        if flag in switches and not equals:
            flags.setdefault(flag, [])
        elif flag in with_value and (equals or rest):
            flags.setdefault(flag, []).append(value if equals else rest.pop(0))
        else:
            raise Wrong(64, f"docker stand-in: unknown flag {flag!r}")
    return flags, rest


def one(flags: dict[str, list[str]], *names: str) -> str:
    """The last value of a flag, empty without one."""
    values = many(flags, *names)
    return values[-1] if values else ""


def many(flags: dict[str, list[str]], *names: str) -> list[str]:
    """Every value of a flag."""
    return [value for name in names for value in flags.get(name, [])]
