"""Job files: a job as YAML, a key for each flag of `job.run`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec.structs import asdict

from iris.config.job_rules import (
    CLIENT_ID,
    JOB_NAME,
    OURS,
    OURS_WORDS,
    SETUP,
    STOP_SIGNAL,
)
from iris.config.kinds import AcceleratorType, Amount, Many, Named, OneOf, Refused, Text
from iris.config.measures import Size
from iris.config.reading import fields_of, read_struct, read_yaml
from iris.config.words import ABOVE_ZERO, IMAGE, LINE, NOT_NEGATIVE, ZONE, Flag
from iris.domain.jobs import Band, Capacity, SameName
from iris.errors import BadClusterFile, UsageError
from iris.operations.job_words import (
    GRACE_TIME,
    HOLD_TIME,
    RUN_TIME,
    SETUP_TIME,
    STAY_TIME,
    Wanted,
)
from iris.operations.secret_words import seen_from
from iris.structs import convert

VARIABLE = Text(
    rf"(?!{OURS})[A-Za-z_][A-Za-z0-9_]*",
    f"names of letters, digits and _ ({OURS_WORDS})",
)
VALUE = Text(r"[^\x00]*", "text (a number, true or false in quotes)")


class Command(msgspec.Struct, frozen=True):
    """Words as they are, or a line for the shell."""

    expected: str = "a line for the shell, or a list of words (numbers in quotes)"

    def read(self, raw: object) -> tuple[str, ...]:
        if isinstance(raw, str) and raw.strip() and "\0" not in raw:
            return ("sh", "-c", raw)
        if not isinstance(raw, list) or not raw:
            raise Refused(self.expected, raw)
        for place, word in enumerate(raw):
            if not isinstance(word, str) or "\0" in word:
                raise Refused("a word (a number in quotes)", word, (str(place),))
        return tuple(raw)

    def write(self, value: object) -> object:
        return list(value) if isinstance(value, tuple) else value


class SecretWords(msgspec.Struct, frozen=True):
    """Where secrets come from; no fault shows what stands there: it may be a value."""

    words: Many = Many(LINE)

    @property
    def expected(self) -> str:
        return self.words.expected

    def read(self, raw: object) -> tuple[object, ...]:
        try:
            return self.words.read(raw)
        except Refused as refused:
            raise Refused(refused.expected, _Hidden(), refused.keys) from None

    def write(self, value: object) -> object:
        return self.words.write(value)


class _Hidden:
    def __repr__(self) -> str:
        return "something else"


class JobFile(msgspec.Struct, frozen=True):
    """What may stand in a job file."""

    command: Annotated[tuple[str, ...], Command()] = ()
    name: Annotated[str, JOB_NAME] = ""
    tpu: Annotated[str, AcceleratorType()] = ""
    cpu: Annotated[float | None, Amount()] = None
    memory: Annotated[int | None, Size()] = None
    disk: Annotated[int | None, Size()] = None
    tasks: Annotated[int | None, ABOVE_ZERO] = None
    each: Annotated[str, LINE] = ""
    priority: Annotated[Band | None, OneOf(Band)] = None
    zone: Annotated[str, ZONE] = ""
    capacity: Annotated[Capacity | None, OneOf(Capacity)] = None
    env: Annotated[dict[str, str], Named(VARIABLE, VALUE)] = {}
    max_retries: Annotated[int | None, NOT_NEGATIVE] = None
    run_timeout: Annotated[float | None, RUN_TIME] = None
    image: Annotated[str, IMAGE] = ""
    scheduling_timeout: Annotated[float | None, RUN_TIME] = None
    signal: Annotated[str, STOP_SIGNAL] = ""
    stop_grace: Annotated[float | None, GRACE_TIME] = None
    checkpoint_dir: Annotated[str, LINE] = ""
    setup: Annotated[str, SETUP] = ""
    setup_timeout: Annotated[float | None, SETUP_TIME] = None
    secret: Annotated[tuple[str, ...], SecretWords()] = ()
    after: Annotated[tuple[str, ...], Many(LINE)] = ()
    after_any: Annotated[tuple[str, ...], Many(LINE)] = ()
    same_name: Annotated[SameName | None, OneOf(SameName)] = None
    client_id: Annotated[str, CLIENT_ID] = ""
    keep_on_failure: Annotated[float | None, STAY_TIME] = None
    hold: Annotated[float | None, HOLD_TIME] = None
    bundle: Annotated[bool | None, Flag()] = None


def read_job_file(file: Path) -> Wanted:
    """A job file as if its keys had been typed. Raises UsageError."""
    try:
        raw = read_yaml(file.read_text(encoding="utf-8"), str(file))
        found = read_struct(JobFile, raw, str(file))
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{file}: not UTF-8 at byte {error.start}") from error
    except BadClusterFile as error:
        raise UsageError(error.message, error.hint) from error
    said = raw if isinstance(raw, Mapping) else {}
    words = {key: _typed(key, value) for key, value in asdict(found).items()}
    wanted = convert({k: words[k] for k in words if k in said}, Wanted)
    # paths in a file are seen from where it lies; so is a job that has no name
    each = str(file.parent / found.each) if found.each else ""
    return msgspec.structs.replace(
        wanted,
        each=each,
        secret=tuple(seen_from(file.parent, each) for each in found.secret),
        name=found.name or name_from(file),
    )


def over(first: Wanted, second: Wanted) -> Wanted:
    """What was typed goes before what a file says; variables of both are kept."""
    said = {key: value for key, value in asdict(first).items() if _is_said(value)}
    both = {"env": second.env + first.env, "secret": second.secret + first.secret}
    return msgspec.structs.replace(second, **said | both)


def name_from(file: Path) -> str:
    """The name of a job whose file gives none."""
    kept = "".join(letter if letter.isalnum() else "-" for letter in file.stem.lower())
    kept = kept.encode("ascii", "ignore").decode().strip("-")
    return kept[:40].rstrip("-") or "job"


def _typed(key: str, value: object) -> object:
    """A value of the file as its flag would have it."""
    if key == "env" and isinstance(value, dict):
        return tuple(f"{name}={words}" for name, words in value.items())
    if value is None or isinstance(value, bool | tuple) or key in _NUMBERS:
        return value
    kind = next(f.kind for f in fields_of(JobFile) if f.name == key)
    return str(kind.write(value) if kind else value)


_NUMBERS = ("tasks", "max_retries")


def _is_said(value: object) -> bool:
    return value is not None and value not in ("", ())
