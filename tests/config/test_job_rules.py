"""What a job must be, as the controller and a flag say it."""

from __future__ import annotations

import inspect

import pytest

from iris.commands import job
from iris.config.job_rules import Fault, faults_of
from iris.domain.jobs import After, AfterEnd, Constraints, JobSpec
from iris.domain.resources import Resources

ODD_AFTER = After("\udcff", AfterEnd.ANY)
FLAGS = {
    f"--{name.replace('_', '-')}" for name in inspect.signature(job.run.body).parameters
}


@pytest.mark.parametrize(
    ("spec", "field", "flag"),
    [
        (JobSpec(("a",), name="A"), "name", "--name"),
        (JobSpec((), name="a"), "command", "the command"),
        (JobSpec(("a",), name="a", env={"IRIS_X": ""}), "env", "--env"),
        (JobSpec(("a",), name="a", each={"x": ()}), "each.x", "--each x"),
        (JobSpec(("a",), name="a", secrets=("1",)), "secrets", "--secret"),
        (JobSpec(("a",), name="a", after=(After("b"),) * 1001), "after", "--after"),
        (JobSpec(("a",), name="a", disk_bytes=-1), "disk_bytes", "--disk"),
        (JobSpec(("a",), name="a", resources=Resources(-1)), "resources.cpus", "--cpu"),
        (
            JobSpec(("a",), name="a", resources=Resources(0, -1)),
            "resources.memory_bytes",
            "--memory",
        ),
        (
            JobSpec(("a",), name="a", checkpoint_dir="\n"),
            "checkpoint_dir",
            "--checkpoint-dir",
        ),
        (JobSpec(("a\udcff",), name="a"), "command", "the command"),
        (JobSpec(("a",), name="a", env={"X": "\udcff"}), "env", "--env"),
        (JobSpec(("a",), name="a", setup="\udcff"), "setup", "--setup"),
        (JobSpec(("a",), name="a", after=(After("\udcff"),)), "after", "--after"),
        (JobSpec(("a",), name="a", after=(ODD_AFTER,)), "after_any", "--after-any"),
        (
            JobSpec(("a",), name="a", constraints=Constraints(zones=("\udcff",))),
            "constraints.zones",
            "--zone",
        ),
    ],
)
def test_a_fault_has_the_name_of_its_field_and_of_its_flag(spec, field, flag):
    fault = next(faults_of(spec))

    assert (fault.field, fault.flag) == (field, flag)
    assert flag == "the command" or flag.split()[0] in FLAGS


def test_a_field_without_a_flag_of_its_own_name_has_that_of_another():
    assert Fault("resources.chips", "").flag == "--tpu"
    assert Fault("setup_timeout", "").flag == "--setup-timeout"


def test_an_ordinary_job_has_no_fault():
    assert list(faults_of(JobSpec(("true",), name="a.b-c_1"))) == []
