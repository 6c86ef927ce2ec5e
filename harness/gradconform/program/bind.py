"""Binding a template to a draw: loops unrolled, conditions decided, operators chosen, expressions flattened."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from gradconform.errors import Problem, SpecError
from gradconform.program import vocabulary as words
from gradconform.program.assertions import FactReader
from gradconform.program.lower import Constants, Lowering
from gradconform.program.parse import Template
from gradconform.program.steps import (
    Argument,
    Delete,
    Dtype,
    Expect,
    Fact,
    Fail,
    Input,
    Let,
    Mutate,
    Program,
    Ref,
    Set,
    Step,
    Within,
)
from gradconform.program.subset import dotted

MAX_STEPS = 10_000
"""Steps in one program after its loops are unrolled."""

AUGMENTED: dict[type[ast.operator], str] = {
    ast.Add: "add_",
    ast.Sub: "sub_",
    ast.Mult: "mul_",
    ast.Div: "div_",
}


@dataclass(frozen=True, slots=True)
class Draw:
    """One choice of a scenario's free variables.

    inputs: its tensors. constants: its integers, booleans and choices by name, `dtype` included. operators: the
    operator that each operator variable stands for. example: whether this is the documented example, for which
    `shows` holds too.
    """

    inputs: tuple[Input, ...] = ()
    constants: Mapping[str, Argument] = field(default_factory=dict)
    operators: Mapping[str, str] = field(default_factory=dict)
    example: bool = False


def bind(template: Template, draw: Draw) -> Program:
    """The program of a template for one draw.

    Raises SpecError, located, where only the draw shows that a program cannot be built (too many steps).
    """
    steps = _Binder(template, draw).block(template.tree.body)
    return Program(draw.inputs, tuple(steps), template.id)


class _Binder:
    def __init__(self, template: Template, draw: Draw) -> None:
        self.template = template
        self.draw = draw
        self.constants = Constants({**draw.constants})
        names = {
            **draw.operators,
            **{name: value for name, value in draw.constants.items() if isinstance(value, str)},
        }
        self.lowering = Lowering(self.constants, names)
        self.facts = FactReader(self.constants, names)
        self.names = names
        self.count = 0

    def block(self, body: list[ast.stmt]) -> list[Step]:
        steps: list[Step] = []
        for statement in body:
            for step in self.statement(statement):
                self.count += 1
                if self.count > MAX_STEPS:
                    place = self.template.scenario.text.place(statement.lineno, statement.col_offset)
                    message = f"the program has more than {MAX_STEPS} steps once its loops are unrolled"
                    raise SpecError([Problem(place, message, self.template.id, "", "use fewer rounds")])
                steps.append(step)
        return steps

    def statement(self, node: ast.stmt) -> Iterator[Step]:
        line = node.lineno
        lowering = self.lowering
        match node:
            case ast.Assign(targets=[target], value=value):
                yield from self.assign(target, value, line)
            case ast.AugAssign(target=target, op=op, value=value):
                yield from self.augmented(target, AUGMENTED[type(op)], value, line)
            case ast.Expr(value=ast.Call(func=ast.Name("shows"), args=[place, literal])):
                if self.draw.example:
                    yield self.facts.shows(place, literal, line, ast.unparse(node))
            case ast.Expr(value=ast.Call(func=ast.Name("fail"), args=[ast.Name(id=error)])):
                yield Fail(error, line)
            case ast.Expr(value=ast.Call() as call):
                yield from lowering.call_statement(call, line)
            case ast.Assert(test=test):
                yield self.facts.law(test, line, ast.unparse(node))
            case ast.Delete(targets=targets):
                yield from (Delete(target.id, line) for target in targets if isinstance(target, ast.Name))
            case ast.With(items=[ast.withitem(context_expr=ast.Call() as call)], body=body):
                yield from self.within(call, body, line)
            case ast.For(target=ast.Name(id=name), iter=ast.Call(args=[bound]), body=body):
                rounds = self.constants.evaluate(bound)
                assert isinstance(rounds, int)
                for index in range(rounds):
                    self.constants[name] = index
                    yield from self.block(body)
            case ast.If(test=test, body=body, orelse=orelse):
                yield from self.block(body if self.constants.evaluate(test) else orelse)

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
                steps, owner = lowering.argument(base, line)
                more, position = lowering.index(index, line)
                yield from (
                    *before,
                    *steps,
                    *more,
                    Mutate("", "setitem", (owner, position, argument), {}, line),
                )

    def augmented(self, target: ast.expr, operator: str, value: ast.expr, line: int) -> Iterator[Step]:
        lowering = self.lowering
        match target:
            case ast.Name(id=name):
                known, constant = self.constants.lookup(ast.BinOp(target, _PLAIN[operator], value))
                if known:
                    self.constants[name] = constant
                    yield Let(name, constant, line)
                    return
                before, argument = lowering.argument(value, line)
                yield from (*before, Mutate(name, operator, (Ref(name), argument), {}, line))
            case ast.Subscript(value=base, slice=index):
                # x[i] += v reads the item, changes it in place and writes it back, as Python does.
                steps, owner = lowering.named(base, line)
                more, position = lowering.index(index, line)
                before, argument = lowering.argument(value, line)
                item, result = lowering.temporary(), lowering.temporary()
                yield from (*steps, *more)
                yield lowering.apply(item, "getitem", (Ref(owner), position), {}, line)
                yield from before
                yield Mutate(result, operator, (Ref(item), argument), {}, line)
                yield Mutate("", "setitem", (Ref(owner), position, Ref(result)), {}, line)

    def within(self, call: ast.Call, body: list[ast.stmt], line: int) -> Iterator[Step]:
        mode = dotted(call.func)
        if mode == "raises":
            error = dotted(call.args[0])
            options = {keyword.arg: self.constants.evaluate(keyword.value) for keyword in call.keywords}
            yield Expect(error, tuple(self.block(body)), options.get("phase"), options.get("match", ""), line)  # type: ignore[arg-type]
            return
        before: list[Step] = []
        arguments = []
        for node in (*call.args, *(keyword.value for keyword in call.keywords)):
            steps, argument = self.lowering.argument(node, line)
            before += steps
            arguments.append(argument)
        yield from before
        yield Within(self.names.get(mode, mode), tuple(arguments), tuple(self.block(body)), line)


_PLAIN: dict[str, ast.operator] = {operator: symbol() for symbol, operator in AUGMENTED.items()}
