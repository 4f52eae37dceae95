"""What the cluster file says reaches the parts that act by it."""

from __future__ import annotations

import pytest

from iris.config import parse_config
from iris.controller.figures import log_bounds_of, retention_bounds_of, standing_of
from iris.controller.job_log import LogBounds
from iris.domain.costs import Standing
from iris.paths import examples_folder
from iris.planning.retention import RetentionBounds

FILE = """
name: figures
provider: {local: {}}
scale_groups: {cpu: {cpus: 4, memory: 8GB}}
retention:
  logs_per_task: 2MB
  logs_per_job: 3MB
  logs: 4MB
  outputs: 5MB
  jobs: 600
  jobs_for: 7d
"""


def test_the_bounds_of_logs_and_of_the_past_are_those_of_the_file():
    config = parse_config(FILE, "figures.yaml")

    assert log_bounds_of(config) == LogBounds(2_000_000, 3_000_000)
    assert retention_bounds_of(config) == RetentionBounds(
        jobs=600, jobs_for=7 * 86_400.0, logs=4_000_000, outputs=5_000_000
    )


def test_what_a_cloud_bills_for_the_controller_is_what_the_file_asks_for():
    text = (examples_folder() / "eu-west4.yaml").read_text()
    asked = "machine_type: c3-standard-4\n  state_disk: {type: pd-ssd, size: 100GiB}"
    changed = text.replace("machine_type: n2-standard-4", asked, 1)

    vm, boot, state = standing_of(parse_config(changed, "figures.yaml"))

    assert vm == Standing("VM", "c3-standard-4", None)
    assert (boot.kind, boot.is_kept) == ("pd-balanced 50GB", False)
    assert (state.kind, state.is_kept) == ("pd-ssd 100GiB", True)
    assert state.price == pytest.approx(17.0 / 730)
    assert standing_of(parse_config(FILE, "figures.yaml")) == ()
