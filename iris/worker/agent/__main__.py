"""`python -m iris.worker.agent DIR`, started by the keeper; stdin is their socket."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
from pathlib import Path

from iris.worker.agent.agent import Agent
from iris.worker.folders import VmFolder


def main() -> int:
    """Speak for the VM until the keeper or the controller has no use for us."""
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
    )
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    keeper = socket.socket(fileno=os.dup(0))
    Agent(VmFolder(Path(sys.argv[1])), keeper).run()
    # threads may hang in a call to a controller that is gone
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
