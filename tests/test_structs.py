"""Structs that several threads use for the first time, at the same moment."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path
from typing import TypeVar

import pytest

from iris import structs
from iris.controller import main as controller
from iris.emulator import __main__ as emulator
from iris.worker import __main__ as keeper
from iris.worker.agent import __main__ as agent

T = TypeVar("T", bound=ast.AST)

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


ALWAYS = {"msgspec.convert", "msgspec.json.Decoder", "msgspec.msgpack.Decoder"}
WITH_A_TYPE = {"msgspec.json.decode", "msgspec.msgpack.decode"}
# Their Structs are learnt at the start; the simulation decodes in one thread.
EXEMPT = {"controller", "worker", "emulator", "simulation", "structs.py", "wire.py"}


def test_what_people_type_learns_a_struct_before_it_decodes_one():
    """It has threads too, and imports as it goes."""
    package = Path(structs.__file__).parent
    direct = [
        f"{file.relative_to(package)}:{call.lineno}"
        for file in package.rglob("*.py")
        if file.relative_to(package).parts[0] not in EXEMPT
        for function in _found(ast.FunctionDef, ast.parse(file.read_text()))
        for call in _found(ast.Call, function)
        if _decodes(call)
    ]

    assert direct == []


def _found(kind: type[T], tree: ast.AST) -> list[T]:
    return [node for node in ast.walk(tree) if isinstance(node, kind)]


def _decodes(call: ast.Call) -> bool:
    words = ast.unparse(call.func)
    is_typed = len(call.args) > 1 or any(each.arg == "type" for each in call.keywords)
    return words in ALWAYS or (words in WITH_A_TYPE and is_typed)


@pytest.mark.parametrize("program", [controller, emulator, keeper, agent])
def test_every_program_with_threads_learns_its_structs_first(program):
    assert "\n    learn_all()\n" in inspect.getsource(program).replace(
        "        ", "    "
    )
