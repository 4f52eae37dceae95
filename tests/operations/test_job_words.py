"""What is typed after `job.run`, and the lines of many tasks."""

from __future__ import annotations

import pytest

from iris.domain.jobs import Constraints
from iris.domain.resources import Resources
from iris.domain.views import LogLine
from iris.errors import JobRefused, UsageError
from iris.operations.job_words import Wanted, make_spec, name_of
from iris.operations.output import Joiner


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("python examples/jobs/hello.py", "hello"),
        ("python3.11 -u jobs/digits_sweep/train.py --lr 1", "train"),
        ("env X=1 sh ./run.sh", "run"),
        ("sh -c echo", "sh"),
        ("python -m pkg.Module", "pkg-module"),
        ("/usr/bin/nvidia_smi -l", "nvidia-smi"),
        ("--", "job"),
    ],
)
def test_a_job_is_named_after_its_script(command, name):
    assert name_of(command.split()) == name


def test_a_multi_host_type_is_a_gang_with_a_task_for_each_vm():
    spec = make_spec(Wanted(("true",), tpu="v5litepod-16"))

    assert (spec.tasks, spec.gang) == (4, True)
    assert spec.resources == Resources(chips=4)
    assert spec.constraints == Constraints(accelerator="v5litepod-16")


def test_tasks_of_a_single_vm_type_are_single():
    spec = make_spec(Wanted(("true",), tpu="v5litepod-4", tasks=3))

    assert (spec.tasks, spec.gang) == (3, False)


@pytest.mark.parametrize(
    ("wanted", "error", "named"),
    [
        (Wanted(()), UsageError, "no command"),
        (Wanted(("a",), tasks=0), UsageError, "--tasks"),
        (Wanted(("a",), tpu="v5litepod-17"), UsageError, "v5litepod-17"),
        (Wanted(("a",), tpu="v5litepod-16", tasks=3), JobRefused, "4 VMs"),
        (Wanted(("a",), cpu="none"), UsageError, "--cpu"),
        (
            Wanted(("a",), keep_on_failure="90h"),
            UsageError,
            "--keep-on-failure: expected a duration .*, at most 1d, got '90h'",
        ),
        (Wanted(("a",), setup_timeout="26m"), UsageError, "at most 25m, got '26m'"),
        (Wanted(("a",), env=("1X=2",)), UsageError, "NAME=VALUE"),
        (
            Wanted(("a",), env=("IRIS_X=2",)),
            UsageError,
            "^--env: names that begin with IRIS_ are Iris's own, got 'IRIS_X'$",
        ),
        (
            Wanted(("a",), name="Bad_N"),
            UsageError,
            "^--name: expected at most 63 of .*, got 'Bad_N'$",
        ),
        (
            Wanted(("a",), signal="SIGKILL"),
            UsageError,
            "^--signal: expected one of SIGTERM, .*, got 'SIGKILL'$",
        ),
        (
            Wanted(("a",), image="a b"),
            UsageError,
            "^--image: expected a container image .*, got 'a b'$",
        ),
        (
            Wanted(("a",), checkpoint_dir="a\nb"),
            UsageError,
            "^--checkpoint-dir: expected a path",
        ),
        (
            Wanted(("a",), secret=("X",), env=("X=1",)),
            UsageError,
            "^--secret: X is a variable of the job already$",
        ),
        (Wanted(("a", "\0")), UsageError, "^the command: a word holds a NUL$"),
    ],
)
def test_wrong_words_are_named(wanted, error, named):
    with pytest.raises(error, match=named):
        make_spec(wanted)


def test_lines_of_many_tasks_stay_whole():
    joiner = Joiner(tasks=2)
    pieces = [(0, b"a1\na"), (1, b"b1\nb"), (0, b"2\n"), (1, b"2"), (1, b"3\nend")]

    said = [joiner.add(LogLine(0, task, 0, 0.0, text)) for task, text in pieces]

    assert said == [b"a1\n", b"b1\n", b"a2\n", b"", b"b23\n"]
    assert (joiner.rest(), joiner.rest()) == (b"end\n", b"")


def test_output_of_one_task_passes_as_it_comes():
    joiner = Joiner(tasks=1)

    assert joiner.add(LogLine(0, 0, 0, 0.0, b"10%\r")) == b"10%\r"
    assert joiner.rest() == b""
