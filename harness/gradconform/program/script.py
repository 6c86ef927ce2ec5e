"""A program as a script that runs on plain torch: what the language adds to Python, in Python's own words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gradconform.program import cotangents, streams
from gradconform.program.inputs_text import input_text
from gradconform.program.names import targets
from gradconform.program.render import Renderer
from gradconform.program.steps import (
    Define,
    Delete,
    Expect,
    Fail,
    Program,
    Record,
    Step,
    Warns,
    Watch,
    Within,
    own_steps,
)
from gradconform.program.vocabulary import RANDOM, THREADS

RAISED_BY_FAIL = "raised by the program itself"
"""The message of what `fail(Error)` raises."""

SEED = 0
"""What torch's random numbers start from in each run of a program."""

_PYTHON = {
    **{f"builtins.{name}": name for name in ("float", "int", "bool")},
    "asarray": "numpy.asarray",
    "dict": "dict",
    "next": "next",
    "repr": "repr",
    "deepcopy": "_copy.deepcopy",
    cotangents.NAME: cotangents.NAME,
}
"""Operators that are no functions of torch, with what they are."""

IMPORTS = {
    "numpy.": "import numpy",
    **{f"_{name}.": f"import {name} as _{name}" for name in ("copy", "warnings", "weakref")},
    "_futures.": "import concurrent.futures as _futures",
}
"""What a script imports where a line of it holds the word; a program's own names have no underscore."""

RECORD = (
    "recorded = []",
    "def record(value):",
    "    recorded.append(value.detach().clone() if isinstance(value, torch.Tensor) else value)",
)


class Script(Renderer):
    """Writes steps for plain torch."""

    def __init__(self, device: str) -> None:
        super().__init__("torch.", device, facts=False)
        self._functions = 0

    def block(self, step: Step, indent: str) -> Iterator[str]:
        match step:
            case Expect():
                yield from self._caught(step, indent)
            case Warns():
                yield from self._warned(step, indent)
            case Within(mode) if mode in THREADS:
                yield from self._threads(step, indent)
            case _:
                self._functions += isinstance(step, Define)
                yield from super().block(step, indent)
                self._functions -= isinstance(step, Define)

    def header(self, step: Step) -> str:
        if isinstance(step, Within) and step.mode == streams.NAME:
            return f'with {streams.NAME}("{self.device}"):'
        return super().header(step)

    def line(self, step: Step) -> str:
        match step:
            case Fail(error):
                return f'raise {error}("{RAISED_BY_FAIL}")'
            case Watch(target, name):
                return f"{target} = _weakref.ref({name})"
            case _:
                return super().line(step)

    def function(self, name: str) -> str:
        return _PYTHON.get(name) or super().function(name)

    def _caught(self, step: Expect, indent: str) -> Iterator[str]:
        yield f"{indent}try:"
        yield from self.lines(step.body, indent + "    ")
        yield f"{indent}except Exception as _error:"
        first_line = 'str(_error).partition("\\n")[0]'
        yield f'{indent}    print("expected {step.error}, got", type(_error).__name__ + ":", {first_line})'
        yield f"{indent}else:"
        yield f'{indent}    print("expected {step.error}, got no error")'

    def _warned(self, step: Warns, indent: str) -> Iterator[str]:
        yield f"{indent}with _warnings.catch_warnings(record=True) as _warned:"
        yield f'{indent}    _warnings.simplefilter("always")'
        yield f"{indent}    torch.set_warn_always(True)"
        yield from self.lines(step.body, indent + "    ")
        yield f'{indent}print("expected {step.category}, got", [str(one.message) for one in _warned])'

    def _threads(self, step: Within, indent: str) -> Iterator[str]:
        blocks = step.body if step.mode == "concurrently" else (step,)
        inner = indent + "    "
        yield f"{indent}_done = []"
        yield f"{indent}with _futures.ThreadPoolExecutor() as _threads:"
        for block in blocks:
            body = block.body if isinstance(block, Within) else (block,)
            named = dict.fromkeys(name for one in own_steps(body) for name in targets(one) if name[0] != "_")
            if named and self._functions:
                # Python asks for an assignment in the function around; it need not be reached.
                yield f"{inner}if False: {' = '.join(named)} = None"
            yield f"{inner}def _block():"
            if named:
                yield f"{inner}    {'nonlocal' if self._functions else 'global'} {', '.join(named)}"
            yield from self.lines(body, inner + "    ")
            yield f"{inner}_done.append(_threads.submit(_block))"
        yield f"{indent}for _one in _done:"
        yield f"{indent}    _one.result()"


def torch_script(
    program: Program,
    device: str = "cpu",
    shown: tuple[str, ...] = (),
    remarks: Mapping[str, str] | None = None,
) -> str:
    """A script that runs the program on plain torch and prints the places in `shown`, each with its remark.

    Places of names that have no value at the end of the program are left out; what was recorded is printed.
    """
    body = list(Script(device).lines(program.steps))
    imports = [line for word, line in IMPORTS.items() if any(word in line for line in body)]
    records = any(isinstance(step, Record) for _, step in program.walk())
    made = (f"{item.name} = {input_text(item, device)}" for item in program.inputs)
    used = {getattr(step, "operator", "") for _, step in program.walk()}
    seed = (f"torch.manual_seed({SEED})",) if used & set(RANDOM) else ()
    helpers = [
        *(RECORD if records else ()),
        *(cotangents.source() if cotangents.NAME in used else ()),
        *(
            streams.source()
            if any(line.lstrip().startswith(f"with {streams.NAME}(") for line in body)
            else ()
        ),
    ]
    lines = ["import torch", *imports, "", *seed, *helpers, *made, *body]
    live = {"torch", "recorded", *(item.name for item in program.inputs), *_live(program.steps)}
    for place in (*shown, *(("recorded",) if records else ())):
        if place.partition(".")[0] in live:
            remark = (remarks or {}).get(place, "")
            lines.append(f"print({place})" + (f"  # {remark}" if remark else ""))
    return "\n".join(lines) + "\n"


def _live(steps: tuple[Step, ...]) -> set[str]:
    """The names that have a value at the end, those of functions' bodies left out."""
    live: set[str] = set()
    for step in own_steps(steps):
        live |= set(targets(step))
        if isinstance(step, Delete):
            live.discard(step.name)
    return live
