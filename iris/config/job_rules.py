"""What a job's words and numbers must be: one rule for flag, job file and API."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

import msgspec

from iris.config.kinds import Text
from iris.config.words import IMAGE
from iris.domain.jobs import (
    LONGEST_GRACE,
    LONGEST_RUN,
    LONGEST_SETUP,
    LONGEST_STAY,
    SHORTEST_SETUP,
    STOP_SIGNALS,
    AfterEnd,
    JobSpec,
    key_of,
)

MOST_TASKS = 1_000_000
MOST_IMAGE = 512  # letters of a name
MOST_COMMAND_BYTES = 128 * 1024  # what Linux passes to a process in one argument
MOST_ENV_BYTES = 128 * 1024
LONGEST_VALUE = MOST_ENV_BYTES // 4  # letters, of four bytes at most
MOST_SWEEP_LETTERS = 32 << 20  # of all the tasks' own variables
MOST_SECRET_BYTES = 64 * 1024  # of one value
MOST_BEFORE = 1000  # jobs that one runs after
MOST_RETRIES = 1_000_000
MOST_CPUS = 1e6
MOST_MEMORY = 1 << 53
MOST_CHIPS = 1_000_000
OURS = "IRIS_"  # how the names of the variables begin that Iris sets
OURS_WORDS = f"names that begin with {OURS} are Iris's own"
JOB_NAME = Text(
    r"[a-z0-9][-a-z0-9_.]{0,62}",
    "at most 63 of a-z, 0-9, -, _ and ., a letter or digit first",
)
STOP_SIGNAL = Text("|".join(STOP_SIGNALS), f"one of {', '.join(STOP_SIGNALS)}")
SETUP = Text(r"[^\0]*\S[^\0]*", "a line for the shell")
CLIENT_ID = Text(r"[\x21-\x7e]{1,128}", "1 to 128 visible ASCII characters")
SECRET_NAME = re.compile(rf"(?!{OURS})[A-Za-z_][A-Za-z0-9_]{{0,127}}")
_LINE = re.compile(r"[^\0\n]{0,4096}")
_VARIABLE = re.compile(r"[^=\0]{1,256}")


class Fault(msgspec.Struct, frozen=True):
    """What is wrong with a field of a spec."""

    field: str  # such as resources.cpus
    words: str

    @property
    def flag(self) -> str:
        """The field as it is typed."""
        if self.field == "command":
            return "the command"
        name, _, part = key_of(self.field).partition(".")
        return f"--{name.replace('_', '-')} {part}".rstrip()


def faults_of(spec: JobSpec) -> Iterator[Fault]:
    """All that is wrong with a spec, whichever the cluster."""
    looks: tuple[Callable[[JobSpec], Iterable[Fault]], ...] = (
        _of_text,
        _of_words,
        _of_variables,
        _of_setup,
        _of_stopping,
        _of_numbers,
        _of_sweep,
        _of_secrets,
    )
    for look in looks:
        yield from look(spec)


def is_text(words: str) -> bool:
    """Can it be written as UTF-8? What was typed need not be."""
    try:
        words.encode()
    except UnicodeEncodeError:
        return False
    return True


def _of_text(spec: JobSpec) -> Iterable[Fault]:
    """Values of a sweep are looked at line by line, where they are read."""
    afters = {AfterEnd.SUCCESS: "after", AfterEnd.ANY: "after_any"}
    texts = (
        ("name", spec.name),
        *(("command", word) for word in spec.command),
        *(("env", f"{name}={value}") for name, value in spec.env.items()),
        ("setup", spec.setup),
        ("image", spec.image),
        ("checkpoint_dir", spec.checkpoint_dir),
        *(("constraints.zones", zone) for zone in spec.constraints.zones),
        *((afters[each.on], each.job) for each in spec.after),
    )
    for field, words in texts:
        if not is_text(words):
            yield Fault(field, f"expected UTF-8 text, got {words[:80]!a}")


def _of_words(spec: JobSpec) -> Iterable[Fault]:
    if not re.fullmatch(JOB_NAME.pattern, spec.name):
        words = f"expected {JOB_NAME.expected}, got {spec.name[:80]!r}"
        yield Fault("name", words)
    if not spec.command or not spec.command[0]:
        yield Fault("command", "expected a program and its arguments, got none")
    if any("\0" in word for word in spec.command):
        yield Fault("command", "a word holds a NUL")
    if sum(len(word.encode()) + 1 for word in spec.command) > MOST_COMMAND_BYTES:
        yield Fault("command", f"expected at most {MOST_COMMAND_BYTES} bytes")
    if spec.image and not re.fullmatch(IMAGE.pattern, spec.image[:MOST_IMAGE]):
        words = f"expected {IMAGE.expected}, got {spec.image[:80]!r}"
        yield Fault("image", words)


def _of_variables(spec: JobSpec) -> Iterable[Fault]:
    for name, value in spec.env.items():
        if not _VARIABLE.fullmatch(name) or "\0" in value:
            words = f"{name[:80]!r} cannot be a variable of the environment"
            yield Fault("env", words)
        if name.startswith(OURS):
            yield Fault("env", f"{OURS_WORDS}, got {name[:80]!r}")
    pairs = spec.env.items()
    if sum(len(k.encode()) + len(v.encode()) + 1 for k, v in pairs) > MOST_ENV_BYTES:
        yield Fault("env", f"expected at most {MOST_ENV_BYTES} bytes")


def _of_setup(spec: JobSpec) -> Iterable[Fault]:
    if "\0" in spec.setup or len(spec.setup.encode()) > MOST_COMMAND_BYTES:
        words = f"expected at most {MOST_COMMAND_BYTES} bytes, none a NUL"
        yield Fault("setup", words)


def _of_stopping(spec: JobSpec) -> Iterable[Fault]:
    if spec.signal not in STOP_SIGNALS:
        words = f"expected {STOP_SIGNAL.expected}, got {spec.signal[:80]!r}"
        yield Fault("signal", words)
    if not _LINE.fullmatch(spec.checkpoint_dir):
        words = "expected a path or URL of at most 4096 letters"
        yield Fault("checkpoint_dir", words)


def _of_numbers(spec: JobSpec) -> Iterable[Fault]:
    bounds: tuple[tuple[str, float, float, float], ...] = (
        ("tasks", spec.tasks, 1, MOST_TASKS),
        ("after", len(spec.after), 0, MOST_BEFORE),
        ("max_retries", spec.max_retries, 0, MOST_RETRIES),
        ("max_losses", spec.max_losses, 0, MOST_RETRIES),
        ("run_timeout", spec.run_timeout, 0, LONGEST_RUN),
        ("keep_on_failure", spec.keep_on_failure, 0, LONGEST_STAY),
        ("hold", spec.hold, 0, LONGEST_RUN),
        ("scheduling_timeout", spec.scheduling_timeout, 0, LONGEST_RUN),
        ("disk_bytes", spec.disk_bytes, 0, MOST_MEMORY),
        ("setup_timeout", spec.setup_timeout, SHORTEST_SETUP, LONGEST_SETUP),
        ("stop_grace", spec.stop_grace, 0, LONGEST_GRACE),
        ("resources.cpus", spec.resources.cpus, 0, MOST_CPUS),
        ("resources.memory_bytes", spec.resources.memory_bytes, 0, MOST_MEMORY),
        ("resources.chips", spec.resources.chips, 0, MOST_CHIPS),
    )
    for name, value, least, most in bounds:
        if not least <= value <= most:
            yield Fault(name, f"expected {least:g} to {most:g}, got {value:g}")


def _of_sweep(spec: JobSpec) -> Iterable[Fault]:
    for name, values in spec.each.items():
        if not _VARIABLE.fullmatch(name):
            words = f"{name[:80]!r} cannot be a variable of the environment"
            yield Fault("each", words)
        if name.startswith(OURS):
            yield Fault("each", f"{OURS_WORDS}, got {name[:80]!r}")
        if len(values) != spec.tasks:
            words = f"expected a value for each of {spec.tasks} tasks"
            yield Fault(f"each.{name}", f"{words}, got {len(values)}")
        if any("\0" in value for value in values):
            yield Fault(f"each.{name}", "a value holds a NUL")
        if max(map(len, values), default=0) > LONGEST_VALUE:
            words = f"a value has more than {LONGEST_VALUE} letters"
            yield Fault(f"each.{name}", words)
    if sum(sum(map(len, values)) for values in spec.each.values()) > MOST_SWEEP_LETTERS:
        yield Fault("each", f"expected at most {MOST_SWEEP_LETTERS} letters in all")


def _of_secrets(spec: JobSpec) -> Iterable[Fault]:
    for name in spec.secrets:
        if not SECRET_NAME.fullmatch(name):
            yield Fault("secrets", f"{name[:80]!r} cannot be the name of a secret")
        if name in spec.env or name in spec.each:
            yield Fault("secrets", f"{name} is a variable of the job already")
    if len(set(spec.secrets)) != len(spec.secrets):
        yield Fault("secrets", "a name is there twice")
