"""`python -m iris.worker.agent --vm DIR`, started by a keeper; stdin is their line."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import socket
import sys
import threading
from pathlib import Path

from iris.clock import RealClock
from iris.structs import learn_all
from iris.worker.agent.agent import Agent
from iris.worker.folders import VmFolder

log = logging.getLogger("iris.worker.agent")

FAILED = 70  # exit status; the keeper starts another agent


def main() -> None:
    """Speak for the VM until its keeper has no use for us."""
    parser = argparse.ArgumentParser(prog="iris.worker.agent", description=__doc__)
    parser.add_argument("--vm", type=Path, required=True, help="the VM's folder")
    folder = VmFolder(parser.parse_args().vm)
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO,
        format="%(asctime)s %(levelname)s agent %(message)s",
    )
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.excepthook = _fail
    learn_all()
    keeper = socket.socket(fileno=os.dup(0))
    Agent(folder, keeper, RealClock()).run()


def _fail(failure: threading.ExceptHookArgs) -> None:
    """An agent without one of its threads is worse than none: start anew."""
    log.error(
        "thread failed",
        exc_info=(
            failure.exc_type,
            failure.exc_value or failure.exc_type(),
            failure.exc_traceback,
        ),
    )
    os._exit(FAILED)


if __name__ == "__main__":
    main()
