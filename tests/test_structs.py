"""Structs that several threads use for the first time, at the same moment."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

from iris.controller import main as controller
from iris.emulator import __main__ as emulator
from iris.worker import __main__ as keeper
from iris.worker.agent import __main__ as agent

RACE = """
import sys, threading, types
import msgspec
from iris import structs, wire

sys.setswitchinterval(1e-6)

def fresh():
    text = "import msgspec\\n"
    for n in range(10):
        text += f"class N{n}(msgspec.Struct):\\n    f: 'dict[str, list[int]]' = {{}}\\n"
    text += "class Outer(msgspec.Struct):\\n"
    text += "".join(f"    n{n}: 'N{n} | None' = None\\n" for n in range(10))
    text += "    last: 'list[int]' = []\\n"
    module = types.ModuleType("fresh")
    sys.modules["fresh"] = module
    exec(text, module.__dict__)
    return module.Outer

def use(outer, together):
    together.wait()
    USE

for _ in range(60):
    outer, together = fresh(), threading.Barrier(4)
    LEARN
    threads = [threading.Thread(target=use, args=(outer, together)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""
CONTENT = 'b\'{"last": [1], "n9": {"f": {}}, "n5": {}}\''


@pytest.mark.parametrize(
    ("use", "learn"),
    [
        (f"wire.decode({CONTENT}, outer)", ""),
        ("wire.convert({}, outer)", ""),
        (f"msgspec.json.decode({CONTENT}, type=outer)", "structs.learn_all()"),
    ],
)
def test_first_uses_at_once_end_no_process(use, learn):
    """A controller ended so, in the moment of its first two requests."""
    program = RACE.replace("USE", use).replace("LEARN", learn)

    ran = subprocess.run([sys.executable, "-c", program], check=False, timeout=100)

    assert ran.returncode == 0


@pytest.mark.parametrize("program", [controller, emulator, keeper, agent])
def test_every_program_with_threads_learns_its_structs_first(program):
    assert "\n    learn_all()\n" in inspect.getsource(program).replace(
        "        ", "    "
    )
