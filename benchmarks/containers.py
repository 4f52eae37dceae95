"""What a container adds to the start of an attempt, beside plain `docker run`.

    python -m benchmarks.containers

Two clusters of this machine that differ in the runtime alone; needs an engine.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks.clusters import LOCAL, cluster
from benchmarks.latency import SAY_WHEN, submission_delays
from benchmarks.measuring import percentile, report
from iris.images.base import ensure_base
from iris.images.engine import Engine

SUBMISSIONS = 40
CONTAINED = """
name: contained
provider: {{local: {{}}}}
controller: {{port: 0}}
worker: {{runtime: docker, image: "{image}"}}
autoscaler: {{evaluation_interval: 1s}}
scale_groups:
  cpu: {{cpus: 64, memory: 256GB}}
"""


def main() -> None:
    """Measure submit to process start with both runtimes, and the engine alone."""
    image = ensure_base(Engine(), print).name
    with cluster(LOCAL):
        as_process = list(submission_delays(SUBMISSIONS))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "contained.yaml"
        file.write_text(CONTAINED.format(image=image))
        with cluster(str(file)):
            as_container = list(submission_delays(SUBMISSIONS))
    alone = [_plain_start(image) for _ in range(SUBMISSIONS)]
    added = percentile(as_container, 50) - percentile(as_process, 50)
    rows = {
        "submit to process start": _row(as_process),
        "submit to process start in a container": _row(as_container),
        "what the container adds": f"{added * 1000:.0f} ms at the median",
        "plain `docker run --network=host`": _row(alone),
    }
    report(rows, "python -m benchmarks.containers")


def _plain_start(image: str) -> float:
    words = ["docker", "run", "--rm", "--network=host", image, *SAY_WHEN]
    began = time.time()
    said = subprocess.run(words, capture_output=True, check=True, timeout=60)
    return int(said.stdout) / 1e9 - began


def _row(delays: list[float]) -> str:
    median, slow = (percentile(delays, each) * 1000 for each in (50, 95))
    return f"{median:.0f} ms p50, {slow:.0f} ms p95 of {len(delays)}"


if __name__ == "__main__":
    main()
