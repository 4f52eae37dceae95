"""`python -m iris.controller.healthy --machine DIR`: does it answer? For Docker."""

from __future__ import annotations

import argparse
import sys
import urllib.request
from pathlib import Path

from iris import wire
from iris.domain.machine import AddressFile
from iris.errors import IrisError

PATIENCE = 5.0  # seconds


def main(words: list[str] | None = None) -> int:
    """0 if the controller of a machine answers, else 1 and why on stderr."""
    parser = argparse.ArgumentParser(prog="iris.controller.healthy")
    parser.add_argument("--machine", type=Path, required=True)
    machine = parser.parse_args(words).machine
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        content = (machine / "address.json").read_bytes()
        url = wire.decode(content, AddressFile).url
        with opener.open(f"{url}/health", timeout=PATIENCE):
            return 0
    except (OSError, IrisError) as error:
        sys.stderr.write(f"not healthy: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
