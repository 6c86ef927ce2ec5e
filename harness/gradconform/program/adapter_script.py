"""A program as a script against an engine's adapter: each step is what the harness asks of the engine.

It needs gradconform for finding the engine, and nothing else of it: no looking and no comparing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from gradconform.program import cotangents, streams
from gradconform.program.inputs_text import input_text
from gradconform.program.literals import ATOM, Text
from gradconform.program.script import IMPORTS, Script
from gradconform.program.steps import (
    Apply,
    Argument,
    Backward,
    Class,
    Decorator,
    Dtype,
    Get,
    Grad,
    Input,
    Invoke,
    Mutate,
    Named,
    Program,
    Record,
    Ref,
    Set,
    Slice,
    Step,
    Unset,
    Within,
)
from gradconform.program.vocabulary import OPERATORS, OWN_MODES, WORDS

ENGINE = "engine"
"""What a script calls the adapter."""


class _AdapterScript(Script):
    """Writes steps as calls of an adapter."""

    def header(self, step: Step) -> str:
        match step:
            case Within(mode, arguments, _, options, target) if mode not in OWN_MODES:
                name = f" as {target}" if target else ""
                return f'with {ENGINE}.mode("{mode}")({self.arguments(arguments, options)}){name}:'
            case Within(streams.NAME):
                return f'with {ENGINE}.{streams.NAME}("{self.device}"):'
            case Class(target, base):
                return super().header(step).replace(f"(torch.{base})", f'({ENGINE}.base("{base}"))')
            case _:
                return super().header(step)

    def decorator(self, one: Decorator) -> str:
        call = f"({self.arguments(one.arguments, one.options)})" if one.called else ""
        return f'{ENGINE}.mode("{one.name}"){call}'

    def line(self, step: Step) -> str:
        match step:
            case Set(name, attribute, value):
                text = self.text(value)
                return f'{ENGINE}.set({self.owner(name)}, "{attribute}", {text})'
            case Unset(name, attribute):
                return f'{ENGINE}.unset({self.owner(name)}, "{attribute}")'
            case Mutate(target, name, arguments, options):
                call = self.call(name, arguments, options)[0]
                return f"{target} = {call}" if target else call
            case Record(Ref() as value):
                return f"record({self.text(value)})"
            case _:
                return super().line(step)

    def value(self, step: Step) -> Text:
        match step:
            case Apply(_, cotangents.NAME, (tensor, *seed)):
                inner = ", ".join((f"{ENGINE}.to_torch({self.text(tensor)})", *map(self.text, seed)))
                return f"{ENGINE}.from_torch({cotangents.NAME}({inner}))", ATOM
            case Backward(arguments, options, function):
                word = "backward_function" if function else "backward"
                return f"{ENGINE}.{word}({self.arguments(arguments, options)})", ATOM
            case Grad(_, arguments, options):
                return f"{ENGINE}.grad({self.arguments(arguments, options)})", ATOM
            case Invoke(_, name, method, arguments, options):
                thing = self.owner(name)
                given = self.arguments(arguments, {})
                named = ", ".join(f"'{key}': {self.text(value)}" for key, value in options.items())
                comma = "," if len(arguments) == 1 else ""
                return f'{ENGINE}.invoke({thing}, "{method}", ({given}{comma}), {{{named}}})', ATOM
            case Get(_, name, attribute):
                return f'{ENGINE}.get({self.owner(name)}, "{attribute}")', ATOM
            case _:
                return super().value(step)

    def call(self, name: str, arguments: tuple[Argument, ...], options: Mapping[str, Argument]) -> Text:
        if self.device != "cpu" and OPERATORS[name].effect == "factory":
            options = {"device": self.device, **options}
        return f'{ENGINE}.operation("{name}")({self.arguments(arguments, options)})', ATOM

    def expression(self, argument: Argument) -> Text:
        match argument:
            case Dtype(name):
                return f'{ENGINE}.dtype("{name}")', ATOM
            case Named(name):
                return f'{ENGINE}.constant("{name}")', ATOM
            case Slice(start, stop, step):
                return f"slice({', '.join(map(self.text, (start, stop, step)))})", ATOM
            case _:
                return super().expression(argument)


_RECORD = (
    "recorded = []",
    "def record(value):",
    f"    is_tensor = {ENGINE}.is_tensor(value)",
    f"    recorded.append({ENGINE}.to_torch(value).clone() if is_tensor else value)",
)


_SHOW = (
    "def shown(value):",
    f"    return {ENGINE}.to_torch(value) if {ENGINE}.is_tensor(value) else value",
)


def adapter_script(
    program: Program, target: str, device: str = "cpu", shown: tuple[str, ...] = (), home: str = ""
) -> str:
    """A script that runs the program on the engine that `target` names (`refgrad`, `package.module:name`)
    and prints the places in `shown` (`x.grad`).

    home: the folder in which `target` names the engine, from that of the script; "": any.
    """
    body = list(_AdapterScript(device).lines(program.steps))
    used = {getattr(step, "operator", "") for _, step in program.walk()}
    learns = not used - {""} <= WORDS
    records = any(isinstance(step, Record) for _, step in program.walk())
    there = f"os.path.join(os.path.dirname(os.path.realpath(__file__)), {home!r})"
    lines = [
        *(("import os", "") if home else ()),
        "import torch",
        *(line for word, line in IMPORTS.items() if any(word in line for line in body)),
        "from gradconform.engines.registry import find_engine",
        *(("from gradconform.program.library import learn_shipped",) if learns else ()),
        "",
        *((f"os.chdir({there})",) if home else ()),
        *(("learn_shipped()",) if learns else ()),
        f"{ENGINE} = find_engine({target!r})",
        *(_SHOW if shown else ()),
        *(_RECORD if records else ()),
        *(cotangents.source() if cotangents.NAME in used else ()),
        *(_made(item, device) for item in program.inputs),
        *body,
        *(f"print(shown({_shown(place)}))" for place in shown),
        *(("print(recorded)",) if records else ()),
    ]
    return "\n".join(lines) + "\n"


def _made(item: Input, device: str) -> str:
    """The line that makes an input."""
    flag = ", requires_grad=True" if item.requires_grad else ""
    data = input_text(replace(item, requires_grad=False), device)
    return f"{item.name} = {ENGINE}.from_torch({data}{flag})"


def _shown(place: str) -> str:
    """What a place shows, read through the adapter."""
    name, *path = place.split(".")
    for part in path:
        name = f'{ENGINE}.get({name}, "{part}")'
    return name
