"""Whether a program makes sense: a table of rules keyed by step type, run right after a program is built.

What passes can be run, written out and read back: names have a value where they are used, temporaries are
used once and in the order in which they were made (so that they can be put back into expressions), calls fit
their signatures, and nothing that is known beforehand asks for more memory than a scenario may have.
Arithmetic on plain Python values, which no engine bounds, is kept to what cannot grow without bound.
"""

from __future__ import annotations

from functools import lru_cache
from typing import get_args

from gradconform.errors import did_you_mean
from gradconform.program import vocabulary as words
from gradconform.program.check_facts import check_fact
from gradconform.program.checking import Checking, Flaw, Rules, is_name
from gradconform.program.kinds import (
    LIST,
    NUMBER,
    OF_ATTRIBUTES,
    PLAIN,
    SHAPE,
    TENSOR,
    WHAT,
    Kind,
    arithmetic,
)
from gradconform.program.sizes import SIZED, size_error
from gradconform.program.steps import (
    Apply,
    Argument,
    Backward,
    Delete,
    Expect,
    Fact,
    Fail,
    Get,
    Grad,
    Input,
    Invoke,
    Layout,
    Let,
    Mutate,
    Program,
    Ref,
    Set,
    Slice,
    Within,
)


def check(program: Program) -> tuple[str, ...]:
    """Everything that is wrong with a program, in order; nothing for one that can be run."""
    return tuple(map(str, flaws(program)))


def flaws(program: Program) -> tuple[Flaw, ...]:
    """As `check`, with the number and the line of each step."""
    checking = Checking(RULES)
    for item in program.inputs:
        _input(checking, item)
    checking.block(program.steps)
    return tuple(checking.found)


@lru_cache(maxsize=4096)
def _call(name: str, effect_is_write: bool, count: int, keywords: tuple[str, ...]) -> tuple[str, str]:
    """What is wrong with the form of an operator's call, or ""; and how the rest of it is checked."""
    row = words.OPERATORS.get(name)
    if row is None:
        hint = did_you_mean(name, words.OPERATORS)
        return f"unknown operator '{name}'" + (f"; {hint}" if hint else ""), ""
    if (row.effect == "write") is not effect_is_write:
        return f"'{name}' is {'not ' if effect_is_write else ''}an in-place operation", ""
    why = words.call_error(row, count, keywords)
    if why:
        return f"call of '{name}' does not fit its signature: {why}", ""
    if row.symbol:
        return "", row.symbol if row.symbol.startswith("[]") else "arithmetic"
    if name in SIZED:
        return "", "sized"
    if row.method:
        return "", "method"
    return "", row.effect


def _input(checking: Checking, item: Input) -> None:
    if not is_name(item.name, temporaries=False):
        checking.report(f"{item.name!r} cannot name an input")
    if item.name in checking.kinds:
        checking.report(f"two inputs are called '{item.name}'")
    if item.layout not in _LAYOUTS:
        checking.unknown("layout", item.layout, _LAYOUTS)
    if item.requires_grad and not (item.data.is_floating_point() or item.data.is_complex()):
        checking.report(f"input '{item.name}' is neither real nor complex and cannot require grad")
    checking.kinds[item.name] = TENSOR


_LAYOUTS = get_args(Layout)


def _operation(checking: Checking, step: Apply | Mutate) -> None:
    name, arguments = step.operator, step.arguments
    wrong, rest = _call(name, type(step) is Mutate, len(arguments), tuple(step.options))
    result = TENSOR
    if rest == "[]":
        result = _item(checking, *arguments)
    elif rest == "[]=":
        _set_item(checking, *arguments)
    else:
        kinds = checking.arguments(arguments, step.options)
        if rest == "arithmetic":
            if any(kinds):
                literals = sum(type(argument) is not Ref for argument in arguments)
                wrong, result = arithmetic(name, kinds, literals)
        elif rest == "sized":
            wrong = size_error(name, arguments, step.options)
        if rest in {"method", "sized"} and words.OPERATORS[name].method and kinds[0] != TENSOR:
            wrong = f"'{name}' is called on {WHAT[kinds[0]]}"
        if rest and words.OPERATORS[name].effect == "plain":
            result = PLAIN if name == "tolist" else NUMBER
    if wrong:
        checking.report(wrong)
    checking.assign(step.target, result)


def _set_item(checking: Checking, owner: Argument, position: Argument, value: Argument) -> None:
    checking.read(value)
    checking.read(owner)
    checking.index(position)
    checking.take()


def _item(checking: Checking, owner: Argument, position: Argument) -> Kind:
    kind = checking.read(owner)
    checking.index(position)
    checking.take()
    if kind == NUMBER:
        checking.report("a number has no items")
    if kind == SHAPE:
        return SHAPE if isinstance(position, Slice) else NUMBER
    if kind == LIST:
        return LIST if isinstance(position, Slice) else TENSOR
    return kind


def _invoke(checking: Checking, step: Invoke) -> None:
    checking.read(Ref(step.object))
    checking.arguments(step.arguments, step.options)
    row = words.METHODS_OF_OBJECTS.get(step.method)
    if row is None:
        checking.unknown("method", step.method, words.METHODS_OF_OBJECTS)
    else:
        checking.fits(step.method, row.signature, step.arguments, step.options)
    checking.assign(step.target, TENSOR)


def _backward(checking: Checking, step: Backward) -> None:
    signature = words.AUTOGRAD_BACKWARD if step.function else words.BACKWARD
    checking.fits("backward", signature, step.arguments, step.options)
    checking.arguments(step.arguments, step.options)


def _grad(checking: Checking, step: Grad) -> None:
    checking.fits("autograd.grad", words.AUTOGRAD_GRAD, step.arguments, step.options)
    checking.arguments(step.arguments, step.options)
    checking.assign(step.target, TENSOR if isinstance(step.target, tuple) else LIST)


def _get(checking: Checking, step: Get) -> None:
    kind = checking.read(Ref(step.object))
    checking.take()
    if kind != TENSOR:
        checking.report(f"attribute '{step.attribute}' of {WHAT[kind]}")
    if step.attribute not in words.ATTRIBUTES:
        checking.unknown("attribute", step.attribute, words.ATTRIBUTES)
    checking.assign(step.target, OF_ATTRIBUTES.get(step.attribute, TENSOR))


def _set(checking: Checking, step: Set) -> None:
    checking.read(step.value)
    checking.read(Ref(step.object))
    checking.take()
    if step.attribute not in words.WRITABLE:
        checking.report(
            f"attribute '{step.attribute}' cannot be assigned", f"assignable: {', '.join(words.WRITABLE)}"
        )


def _let(checking: Checking, step: Let) -> None:
    kind = checking.read(step.value)
    checking.take()
    checking.assign(step.target, kind)


def _delete(checking: Checking, step: Delete) -> None:
    if step.name[:1] == "_" or checking.kinds.pop(step.name, None) is None:
        checking.undefined(step.name)


def _within(checking: Checking, step: Within) -> None:
    checking.arguments(step.arguments, {})
    if step.mode not in words.MODES:
        checking.unknown("mode", step.mode, words.MODES)
    else:
        checking.fits(step.mode, words.MODES[step.mode], step.arguments, {})
    checking.block(step.body)


def _expect(checking: Checking, step: Expect) -> None:
    if step.error not in words.ERRORS:
        checking.unknown("error class", step.error, words.ERRORS)
    if step.phase not in {None, "forward", "backward"}:
        checking.report(f"{step.phase!r} is no phase", "there are 'forward' and 'backward'")
    before = dict(checking.kinds)
    checking.block(step.body)
    after = checking.kinds
    # Nobody knows how far the body runs: what it names first may not exist, what it deletes may.
    checking.kinds = {name: max(kind, after[name]) for name, kind in before.items() if name in after}


def _fail(checking: Checking, step: Fail) -> None:
    if step.error not in words.ERRORS:
        checking.unknown("error class", step.error, words.ERRORS)


def _fact(checking: Checking, step: Fact) -> None:
    for wrong in check_fact(step, checking.kinds):
        checking.report(wrong)


RULES: Rules = {
    Apply: _operation,
    Mutate: _operation,
    Invoke: _invoke,
    Backward: _backward,
    Grad: _grad,
    Get: _get,
    Set: _set,
    Let: _let,
    Delete: _delete,
    Within: _within,
    Expect: _expect,
    Fail: _fail,
    Fact: _fact,
}
"""One rule for each type of step."""
