"""Read-only questions; each module of iris/probes is a command of its own.

The modules are read, not imported, until one is asked: `inv --list` stays fast.
"""

from __future__ import annotations

import ast
import functools
import inspect
from pathlib import Path
from typing import Any

from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit

from iris.commands._edge import CONFIG, JSON, command, show
from iris.commands._marks import marked

FOLDER = Path(__file__).parents[1] / "probes"
_STANDARD = ("config", "cluster", "json")
_HELP = CONFIG | JSON
_HELP |= {
    "follow": "Go on with what comes, until Ctrl-C.",
    "job": "A job, by its name or uid.",
    "limit": "How many, the newest.",
    "lines": "How many, the last.",
    "path": "A path of the API, such as /v1/cluster.",
    "since": "Of that time, such as 10m.",
    "slice": "A slice, by its name.",
    "slice_name": "A slice, by its name.",
    "tail": "How many, the last.",
    "top": "How many slices and jobs, the dearest.",
    "worker": "A worker of the slice, by its index.",
}


def namespace() -> Collection:
    """A command for each module of iris/probes."""
    found = Collection("probe")
    for path in sorted(FOLDER.glob("[!_]*.py")):
        found.add_task(_command_of(path), name=path.stem.replace("_", "-"))
    return found


def ask_probe(probe: str, flags: dict[str, Any]) -> None:
    """Ask one probe, and print its answer."""
    import importlib

    import iris.probes as probes
    from iris import wire
    from iris.commands import _texts
    from iris.commands._marks import open_session

    config, cluster, as_json = (flags.pop(name) for name in _STANDARD)
    follows = flags.pop("follow", False)
    module = importlib.import_module(f"{probes.__name__}.{probe}")
    session = open_session(config, cluster)
    if not follows:
        answer = module.ask(session, **flags)
        show(answer, lambda: _texts.describe(answer), as_json=as_json)
        if not getattr(answer, "is_well", True):
            raise Exit(code=1)
        return
    taken = inspect.signature(module.follow).parameters
    flags = {name: value for name, value in flags.items() if name in taken}
    for each in module.follow(session, **flags):
        line = wire.encode(each).decode() if as_json else _texts.describe(each)
        print(line if as_json else marked(line), flush=True)


def _command_of(path: Path) -> Any:
    """An Invoke task with the flags of the module's `ask`."""
    text = path.read_text()
    parameters = _parameters(_header_of_ask(text))
    required = [p.name for p in parameters if p.default is inspect.Parameter.empty]
    if "\ndef follow(" in text:
        parameters.append(_flag("follow", False))
    parameters += [_flag("config", None), _flag("cluster", None), _flag("json", False)]
    context = inspect.Parameter("c", inspect.Parameter.POSITIONAL_OR_KEYWORD)

    @functools.wraps(ask_probe)
    def body(c: Context, *args: Any, **flags: Any) -> None:
        named = dict(zip((p.name for p in parameters), args, strict=False))
        ask_probe(path.stem, named | flags)

    del body.__wrapped__
    body.__signature__ = inspect.Signature([context, *parameters])  # type: ignore[attr-defined]  # functions may carry one
    body.__doc__ = inspect.cleandoc(text.split('"""', 2)[1])
    known = {name: text for name, text in _HELP.items() if _has(parameters, name)}
    return command(help=known, positional=required)(body)


def _header_of_ask(text: str) -> ast.FunctionDef:
    """It alone is parsed: all of each module would take 6 ms of every start."""
    header = text.partition("\ndef ask(")[2].partition(":\n")[0]
    [ask] = ast.parse(f"def ask({header}: ...").body
    assert isinstance(ask, ast.FunctionDef)
    return ask


def _parameters(ask: ast.FunctionDef) -> list[inspect.Parameter]:
    """Those of `ask` but the session; defaults are literals."""
    words = ask.args.args[1:]
    missing = [None] * (len(words) - len(ask.args.defaults))
    defaults = [*missing, *ask.args.defaults, *ask.args.kw_defaults]
    pairs = zip([*words, *ask.args.kwonlyargs], defaults, strict=True)
    return [_flag(argument.arg, _literal(default)) for argument, default in pairs]


def _literal(default: ast.expr | None) -> Any:
    return inspect.Parameter.empty if default is None else ast.literal_eval(default)


def _flag(name: str, default: Any) -> inspect.Parameter:
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return inspect.Parameter(name, kind, default=default)


def _has(parameters: list[inspect.Parameter], name: str) -> bool:
    return any(parameter.name == name for parameter in parameters)
