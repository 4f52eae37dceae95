"""Job files and sweeps: what they say, and what is said of a broken one."""

from __future__ import annotations

import inspect
from pathlib import Path

import msgspec
import pytest

from iris import wire
from iris.commands import job
from iris.config import parse_config
from iris.errors import JobRefused, UsageError
from iris.operations.job_files import JobFile, over, read_job_file
from iris.operations.job_outlook import look_ahead, words_of
from iris.operations.job_words import Wanted, make_spec
from iris.operations.sweep_files import read_sweep

ROOT = Path(__file__).parents[2]
# Flags that are about the command and not about the job.
NOT_OF_A_JOB = {"file", "follow", "wait_timeout", "config", "cluster", "json"}
EVERY_KEY = """\
command: [python, train.py, --deep]
name: tuned
cpu: 2
memory: 4GB
tasks: 3
priority: batch
zone: local
capacity: spot
env: {SEED: "7"}
max_retries: 2
run_timeout: 1h30m
scheduling_timeout: 10m
after: [data]
after_any: [other]
same_name: replace
client_id: nightly-7
bundle: false
"""


def test_every_flag_that_is_about_the_job_has_its_key():
    flags = set(inspect.signature(job.run.body).parameters) - {"c", "dry_run"}

    assert flags - NOT_OF_A_JOB | {"command"} == set(JobFile.__struct_fields__)


def test_a_job_file_says_what_flags_say(tmp_path):
    file = tmp_path / "tune.yaml"
    file.write_text(EVERY_KEY)

    wanted = read_job_file(file)

    assert wanted == Wanted(
        command=("python", "train.py", "--deep"),
        name="tuned",
        cpu="2.0",
        memory="4GB",
        tasks=3,
        priority="batch",
        zone="local",
        capacity="spot",
        env=("SEED=7",),
        max_retries=2,
        run_timeout="1h30m",
        scheduling_timeout="10m",
        after=("data",),
        after_any=("other",),
        same_name="replace",
        client_id="nightly-7",
        bundle=False,
    )


def test_the_first_job_file_of_the_docs_runs_on_the_local_example(tmp_path):
    page = (ROOT / "docs/jobs.md").read_text()
    (tmp_path / "tune.yaml").write_text(page.split("```yaml\n")[1].split("```")[0])
    grid = (ROOT / "examples/jobs/sweep/grid.jsonl").read_text()
    (tmp_path / "grid.jsonl").write_text(grid)
    local = (ROOT / "examples/local.yaml").read_text()

    spec = make_spec(read_job_file(tmp_path / "tune.yaml"))
    seen = look_ahead(spec, parse_config(local, "local.yaml").groups())

    assert (spec.name, spec.tasks) == ("tune", 4)
    assert [place.group for place in seen.places] == ["v5litepod-4"]


def test_flags_go_before_the_file_and_variables_of_both_are_kept(tmp_path):
    file = tmp_path / "tune.yaml"
    file.write_text(EVERY_KEY)

    wanted = over(Wanted(name="mine", env=("SEED=8", "X=1")), read_job_file(file))

    spec = make_spec(wanted)
    assert (spec.name, spec.tasks, spec.env) == ("mine", 3, {"SEED": "8", "X": "1"})


def test_a_job_without_a_name_is_named_after_its_file(tmp_path):
    file = tmp_path / "My sweep.yaml"
    file.write_text("command: echo $lr")

    assert read_job_file(file).name == "my-sweep"
    assert read_job_file(file).command == ("sh", "-c", "echo $lr")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tasks: many", "tasks: expected a whole number above 0, got 'many'"),
        ("comand: x", "comand: unknown key; the nearest is 'command'"),
        ("env: {A: 1}", "env/A: expected text .*, got 1"),
        ("env: {'1A': x}", "expected names of letters"),
        ("command: [python, 3]", "command/1: expected a word .*, got 3"),
        ("tpu: v5litepod-17", "tpu: .*the nearest is v5litepod-"),
        ("run_timeout: 90", "run_timeout: expected a duration"),
        (
            "keep_on_failure: 90h",
            "keep_on_failure: expected a .* at most 1d, got '90h'",
        ),
        ("memory: big", "memory: expected a size"),
        ("setup: ''", "setup: expected a line for the shell, got ''"),
        ("name: a\nname: b", "stands twice"),
        ("- a", "expected a mapping"),
        ("a: [", "line 2:"),
        (
            "command: x\nenv: {IRIS_X: '1'}",
            "env.*expected names of letters, .*IRIS_ are Iris's own.*'IRIS_X'",
        ),
    ],
)
def test_a_fault_of_a_job_file_names_file_path_and_value(tmp_path, text, said):
    file = tmp_path / "bad.yaml"
    file.write_text(text)

    with pytest.raises(UsageError, match=f"(?s)bad.yaml:.*{said}"):
        read_job_file(file)


def test_a_sweep_has_a_task_for_each_line_seen_from_its_job_file(tmp_path):
    (tmp_path / "grid.jsonl").write_text(
        '{"lr": 1e-4, "deep": true}\n\n{"lr": 0.10, "deep": false}\n'
    )
    file = tmp_path / "sweep.yaml"
    file.write_text("command: [env]\neach: grid.jsonl\nenv: {lr: none, X: '1'}")

    spec = make_spec(read_job_file(file))

    assert spec.tasks == 2
    assert spec.env_of(1) == {"lr": "0.10", "deep": "false", "X": "1"}
    assert spec.variables_of(0) == {"lr": "1e-4", "deep": "true"}


@pytest.mark.parametrize(
    ("written", "arrives"),
    [
        ("1e5", "1e5"),
        ("1.0", "1.0"),
        ("-0", "-0"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("true", "true"),
        (r'"\u00fc \"x\""', 'ü "x"'),
        ("{}", "{}"),
        (
            '{ "lr": 1e5, "deep": [1.0, null, false] }',
            '{"lr":1e5,"deep":[1.0,null,false]}',
        ),
        (r'["\u00fc", "a \"b\"", "\u0000"]', r'["ü","a \"b\"","\u0000"]'),
        ("[10000000000000000000001, -2E-3]", "[10000000000000000000001,-2E-3]"),
    ],
)
def test_a_value_of_a_sweep_arrives_as_it_is_written(tmp_path, written, arrives):
    file = tmp_path / "s.jsonl"
    file.write_text(f'{{"a": {written}}}')

    each = read_sweep(file)

    assert each == {"a": (arrives,)}
    assert wire.encode(each)  # plain text, as it travels


def test_a_table_is_a_sweep_too(tmp_path):
    file = tmp_path / "grid.csv"
    file.write_text('lr,words\r\n0.1,"a, b"\r\n0.2,\r\n')

    assert read_sweep(file) == {"lr": ("0.1", "0.2"), "words": ("a, b", "")}


@pytest.mark.parametrize(
    ("name", "text"), [("s.csv", "lr\r\n0.1\r\n"), ("s.jsonl", '{"lr": 0.1}\r\n')]
)
def test_a_sweep_as_excel_saves_it_begins_with_a_mark_that_is_skipped(
    tmp_path, name, text
):
    file = tmp_path / name
    file.write_bytes(text.encode("utf-8-sig"))

    assert read_sweep(file) == {"lr": ("0.1",)}


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("s.jsonl", b'{"a": 1}\n{"a": 1', "line 2: not JSON"),
        ("s.jsonl", b'{"a": 1}\n{"b": 1}', "line 2: expected the fields a"),
        ("s.jsonl", b'{"a": [1, NaN]}', "line 1: not JSON: NaN is no number of it"),
        ("s.jsonl", b'{"a": {"b": 1, "b": 2}}', "line 1: not JSON: a field stands"),
        ("s.jsonl", b'{"a": %b1%b}' % (b"[" * 3000, b"]" * 3000), "nested too deeply"),
        ("s.jsonl", b'{"a": null}', "line 1: a: .* got nothing"),
        ("s.jsonl", b'{"a": 1, "a": 2}', "line 1: not JSON: a field stands twice"),
        ("s.jsonl", b'{"a b": 1}', "line 1: expected fields that can be variables"),
        ("s.jsonl", b'{"IRIS_X": 1}', "none starting IRIS_"),
        ("s.jsonl", b'{"a": "\\u0000"}', "line 1: a: a value holds a NUL"),
        ("s.jsonl", b'{"a": 1, "who": "\\ud800"}', r"line 1: who: .*, got '.ud800'"),
        ("s.jsonl", b'{"a": 1}\n{"a": ["\\ud800"]}', r"line 2: a: expected UTF-8 text"),
        ("s.jsonl", b"[1]", "line 1: expected an object"),
        ("s.jsonl", b"[" * 100_000, "line 1: "),
        ("s.jsonl", b"\n", "at least one line"),
        ("s.jsonl", b'{"a": "\xff"}', "not UTF-8 at byte"),
        ("s.csv", b"a,b\n1\n", "line 2: expected 2 fields, .* got 1"),
        ("s.csv", b"a,a\n1,2\n", "line 1: a field stands twice"),
        ("s.csv", b"a,b c\n1,2\n", "line 1: expected fields .* got 'b c'"),
        ("s.csv", b'a\n"1\n', "line 2: "),
        ("s.csv", b"a\n", "at least one line"),
        ("s.txt", b"a", "ends in .jsonl or .csv"),
    ],
)
def test_a_broken_line_of_a_sweep_is_named(tmp_path, name, text, said):
    file = tmp_path / name
    file.write_bytes(text)

    with pytest.raises(UsageError, match=said):
        read_sweep(file)


def test_a_number_of_tasks_that_a_sweep_does_not_have_is_refused(tmp_path):
    file = tmp_path / "s.csv"
    file.write_text("a\n1\n2\n")

    with pytest.raises(UsageError, match="has 2 lines"):
        make_spec(Wanted(("true",), each=str(file), tasks=3))
    with pytest.raises(JobRefused, match="4 VMs") as refused:
        make_spec(Wanted(("true",), each=str(file), tpu="v5litepod-16"))
    assert "needs 4 lines" in refused.value.hint


CLOUD = """\
name: priced
provider: {gcp: {project: my-lab-1, zone: europe-west4-b}}
controller: {image: registry/iris-controller}
worker: {image: registry/iris-worker}
scale_groups:
  tpu: {accelerator: v5litepod-16, capacity: spot, max_slices: 4}
  small: {accelerator: v5litepod-4, max_slices: 2}
"""


def test_an_outlook_says_where_and_for_how_much():
    groups = parse_config(CLOUD, "priced.yaml").groups()

    gang = look_ahead(make_spec(Wanted(("x",), tpu="v5litepod-16")), groups)
    many = look_ahead(make_spec(Wanted(("x",), tpu="v5litepod-4", tasks=9)), groups)

    assert list(msgspec.to_builtins(gang.places)) == [
        {
            "group": "tpu",
            "zone": "europe-west4-b",
            "capacity": "spot",
            "slices": 1,
            "tasks_at_once": 4,
            "price_per_hour": pytest.approx(16 * 0.61),
        }
    ]
    assert [(p.slices, p.tasks_at_once) for p in many.places] == [(2, 2)]
    assert "about $12.48 an hour" in words_of(many)


def test_an_outlook_of_what_could_never_run_is_a_refusal():
    groups = parse_config(CLOUD, "priced.yaml").groups()

    with pytest.raises(JobRefused, match="has an accelerator"):
        look_ahead(make_spec(Wanted(("x",))), groups)
