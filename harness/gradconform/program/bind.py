"""Binding a template to a draw: loops unrolled, conditions decided, operators chosen, steps flattened."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from gradconform.errors import Problem, SpecError
from gradconform.program.assertions import FactReader
from gradconform.program.check import flaws
from gradconform.program.constants import BINARY, ConstantError, Constants, Unknown, assigned
from gradconform.program.definitions import Definitions
from gradconform.program.lower import Lowering
from gradconform.program.parse import Template
from gradconform.program.steps import (
    Apply,
    Argument,
    Delete,
    Dtype,
    Expect,
    Fail,
    Get,
    Input,
    Let,
    Mutate,
    Program,
    Record,
    Ref,
    Return,
    Set,
    Step,
    Unset,
    Warns,
    Watch,
    Within,
    Yield,
)
from gradconform.program.vocabulary import dotted

MAX_STEPS = 100_000
"""Steps in one program, and statements and rounds visited on the way, once its loops are unrolled."""


@dataclass(frozen=True, slots=True)
class Draw:
    """One choice of a scenario's free variables.

    inputs: its tensors. constants: its integers, booleans and choices by name, `dtype` included. operators:
    the operator that each operator variable stands for. example: whether this is the documented example, for
    which `shows` holds too.
    """

    inputs: tuple[Input, ...] = ()
    constants: Mapping[str, Argument] = field(default_factory=dict)
    operators: Mapping[str, str] = field(default_factory=dict)
    example: bool = False


def bind(template: Template, draw: Draw) -> Program:
    """The checked program of a template for one draw.

    Raises SpecError, located, where only the draw shows that a program cannot be built: it has too many
    steps, its constants do not fit, or a name has no value at some point.
    """
    binder = _Binder(template, draw)
    program = Program(draw.inputs, tuple(binder.block(template.tree.body)), template.id)
    found = flaws(program)
    if found:
        text = template.scenario.text
        lines = text.text.split("\n")
        raise SpecError(
            Problem(
                text.place(flaw.line, _indentation(lines, flaw.line)),
                flaw.message,
                template.id,
                lines[flaw.line - 1].strip() if 0 < flaw.line <= len(lines) else "",
                binder.drawn(),
            )
            for flaw in found
        )
    return program


def _indentation(lines: list[str], line: int) -> int:
    text = lines[line - 1] if 0 < line <= len(lines) else ""
    return len(text) - len(text.lstrip())


class _Binder:
    def __init__(self, template: Template, draw: Draw) -> None:
        self.template = template
        self.draw = draw
        self.constants = Constants(draw.constants)
        self.names = {
            **draw.operators,
            **{
                name: value.name if isinstance(value, Dtype) else value
                for name, value in draw.constants.items()
                if isinstance(value, str | Dtype) and name != "dtype"
            },
        }
        self.lowering = Lowering(self.constants, self.names, template.own)
        self.facts = FactReader(self.constants, self.names)
        self.functions = Definitions(self.constants, self.names, self.block)
        self.count = 0

    # errors

    def drawn(self) -> str:
        """The draw, for a message."""
        choices = {**self.draw.constants, **self.draw.operators}
        choices.pop("dtype", None)
        shown = {name: value.name if isinstance(value, Dtype) else value for name, value in choices.items()}
        listed = ", ".join(f"{name}={value}" for name, value in shown.items())
        return f"in the draw {listed}" if listed else ""

    def refuse(self, node: ast.AST, message: str, hint: str = "") -> NoReturn:
        line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0)
        text = self.template.scenario.text
        shown = text.text.split("\n")[line - 1].strip()
        hints = "; ".join(filter(None, (hint, self.drawn())))
        raise SpecError([Problem(text.place(line, column), message, self.template.id, shown, hints)])

    def spend(self, node: ast.stmt, amount: int = 1) -> None:
        self.count += amount
        if self.count > MAX_STEPS:
            message = f"the program has more than {MAX_STEPS} steps once its loops are unrolled"
            self.refuse(node, message, "use fewer rounds")

    def known(self, node: ast.expr, what: str) -> Any:
        try:
            return self.constants.evaluate(node)
        except Unknown:
            self.refuse(node, f"{what} is not known before the program runs")

    # statements

    def block(self, body: list[ast.stmt]) -> list[Step]:
        steps: list[Step] = []
        for statement in body:
            self.spend(statement)
            before = self.count
            try:
                made = list(self.statement(statement))
            except ConstantError as error:
                self.refuse(error.node, str(error))
            except Unknown:
                self.refuse(statement, "this holds what is not known before the program runs")
            # What the statements of a body made has been counted already.
            self.spend(statement, max(len(made) - (self.count - before), 0))
            steps += made
        return steps

    def statement(self, node: ast.stmt) -> Iterable[Step]:
        line, lowering = node.lineno, self.lowering
        match node:
            case ast.FunctionDef():
                return (self.functions.define(node),)
            case ast.ClassDef():
                return (self.functions.derive(node),)
            case ast.Return(value=value):
                before, argument = lowering.argument(value or ast.Constant(None), line)
                return (*before, Return(argument, line))
            case ast.Expr(value=ast.Yield(value=value)):
                before, argument = lowering.argument(value or ast.Constant(None), line)
                return (*before, Yield("", argument, line))
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Yield(value=value)):
                before, argument = lowering.argument(value or ast.Constant(None), line)
                return (*before, Yield(name, argument, line))
            case ast.Assign(
                targets=[ast.Name(id=name)],
                value=ast.Call(func=ast.Name("watch"), args=[ast.Name(id=watched)]),
            ):
                self.constants.pop(name, None)
                return (Watch(name, watched, line),)
            case ast.Assign(targets=[target], value=value):
                return self.assign(target, value, line)
            case ast.AugAssign(target=target, op=op, value=value):
                return self.augmented(target, op, value, line)
            case ast.Expr(value=ast.Call(func=ast.Name("shows"), args=[place, literal])):
                return (self.facts.shows(place, literal, line),) if self.draw.example else ()
            case ast.Expr(value=ast.Call(func=ast.Name("fail"), args=[ast.Name(id=error)])):
                return (Fail(error, line),)
            case ast.Expr(value=ast.Call(func=ast.Name("record"), args=[value])):
                before, argument = lowering.argument(value, line)
                return (*before, Record(argument, line))
            case ast.Expr(value=ast.Call() as call):
                return lowering.call_statement(call, line)
            case ast.Assert(test=test):
                return (self.facts.law(test, line),)
            case ast.Delete(targets=targets):
                return self.delete(targets, line)
            case ast.With(items=[ast.withitem(context_expr=ast.Call() as call) as item], body=body):
                return self.within(call, item.optional_vars, body, line)
            case ast.For(target=ast.Name(id=name), iter=ast.Call(args=[bound]), body=body):
                return self.loop(node, name, bound, body)
            case ast.If(test=test, body=body, orelse=orelse):
                return self.block(body if self.known(test, "the condition") else orelse)
            case _:
                return ()

    def loop(self, node: ast.For, name: str, bound: ast.expr, body: list[ast.stmt]) -> Iterator[Step]:
        rounds = self.known(bound, "the number of rounds")
        if not isinstance(rounds, int) or isinstance(rounds, bool):
            self.refuse(bound, f"the number of rounds is {rounds!r}; it must be an integer")
        for index in range(rounds):
            self.spend(node)
            self.constants[name] = index
            yield from self.block(body)

    def delete(self, targets: list[ast.expr], line: int) -> Iterator[Step]:
        for target in targets:
            if isinstance(target, ast.Name):
                self.constants.pop(target.id, None)
                yield Delete(target.id, line)
            elif isinstance(target, ast.Attribute):
                before, owner = self.lowering.named(target.value, line)
                yield from (*before, Unset(owner, target.attr, line))

    def assign(self, target: ast.expr, value: ast.expr, line: int) -> Iterator[Step]:
        lowering = self.lowering
        match target:
            case ast.Name(id=name):
                known, constant = self.constants.lookup(value)
                if known:
                    self.constants[name] = constant
                    yield Let(name, constant, line)
                    return
                yield from lowering.into(name, value, line)
                self.constants.pop(name, None)
            case ast.Tuple(elts=elements):
                names = tuple(element.id for element in elements if isinstance(element, ast.Name))
                yield from lowering.into(names, value, line)
                for name in names:
                    self.constants.pop(name, None)
            case ast.Attribute(value=base, attr=attribute):
                before, argument = lowering.argument(value, line)
                steps, owner = lowering.named(base, line)
                yield from (*before, *steps, Set(owner, attribute, argument, line))
            case ast.Subscript(value=base, slice=index):
                before, argument = lowering.argument(value, line)
                steps, item = lowering.argument(base, line)
                more, position = lowering.index(index, line)
                yield from (*before, *steps, *more)
                yield Mutate("", "setitem", (item, position, argument), {}, line)

    def augmented(self, target: ast.expr, op: ast.operator, value: ast.expr, line: int) -> Iterator[Step]:
        lowering, operator = self.lowering, BINARY[type(op)]
        match target:
            case ast.Name(id=name) if name in self.constants:
                # A number is not changed in place: `k += 1` is `k = k + 1`.
                plain = ast.copy_location(ast.BinOp(ast.Name(name, ast.Load()), op, value), value)
                yield from self.assign(target, plain, line)
            case ast.Name(id=name):
                before, argument = lowering.argument(value, line)
                yield from (*before, Mutate(name, f"{operator}_", (Ref(name), argument), {}, line))
            case ast.Attribute(value=ast.Name(id=owner), attr=attribute):
                # As Python does: read, change in place, write back.
                result, item = lowering.temporary(), lowering.temporary()
                yield Get(item, owner, attribute, line)
                before, argument = lowering.argument(value, line)
                yield from (*before, Mutate(result, f"{operator}_", (Ref(item), argument), {}, line))
                yield Set(owner, attribute, Ref(result), line)
            case ast.Subscript(value=ast.Name(id=owner), slice=index):
                result, item = lowering.temporary(), lowering.temporary()
                _, position = lowering.index(index, line)
                yield Apply(item, "getitem", (Ref(owner), position), {}, line)
                before, argument = lowering.argument(value, line)
                yield from (*before, Mutate(result, f"{operator}_", (Ref(item), argument), {}, line))
                yield Mutate("", "setitem", (Ref(owner), position, Ref(result)), {}, line)

    def within(
        self, call: ast.Call, given: ast.expr | None, body: list[ast.stmt], line: int
    ) -> Iterator[Step]:
        mode = dotted(call.func)
        if mode in {"raises", "warns"}:
            options = {keyword.arg: self.constants.evaluate(keyword.value) for keyword in call.keywords}
            steps, kind = tuple(self.block(body)), dotted(call.args[0])
            if mode == "warns":
                yield Warns(kind, steps, options.get("match", ""), line)
                return
            # Nobody knows how far the body runs; what it assigns is looked up when the program runs.
            for name in assigned(body):
                self.constants.pop(name, None)
            yield Expect(kind, steps, options.get("phase"), options.get("match", ""), line)
            return
        before, arguments, named = self.lowering.arguments(call, line)
        yield from before
        target = given.id if isinstance(given, ast.Name) else ""
        self.constants.pop(target, None)
        yield Within(self.names.get(mode, mode), arguments, tuple(self.block(body)), named, target, line)
