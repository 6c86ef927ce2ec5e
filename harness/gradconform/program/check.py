"""Whether a program makes sense: a table of rules keyed by step type, run right after a program is built.

What passes can be run, written out and read back: names have a value where they are used, temporaries are
used once and in the order in which they were made (so that they can be put back into expressions), calls fit
their signatures, and nothing that is known beforehand asks for more memory than a scenario may have.
Arithmetic on plain Python values, which no engine bounds, is kept to what cannot grow without bound.
"""

from __future__ import annotations

from typing import get_args

from gradconform.program import vocabulary as words
from gradconform.program.check_facts import check_fact
from gradconform.program.checking import Checking, Flaw, Rules, apart, form_of, is_name
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
from gradconform.program.names import targets
from gradconform.program.sizes import size_error
from gradconform.program.steps import (
    Apply,
    Argument,
    Backward,
    Call,
    Class,
    Decorator,
    Define,
    Delete,
    Expect,
    Fact,
    Fail,
    Get,
    Grad,
    Input,
    Invoke,
    Items,
    Layout,
    Let,
    Mutate,
    Program,
    Record,
    Ref,
    Return,
    Set,
    Slice,
    Unset,
    Warns,
    Watch,
    Within,
    Yield,
    body_of,
    own_steps,
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
    wrong, rest = form_of(name, type(step) is Mutate, len(arguments), tuple(step.options))
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


def _call_of_name(checking: Checking, step: Call) -> None:
    checking.read(Ref(step.function))
    checking.arguments(step.arguments, step.options)
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
    if not _is_attribute(checking, step.object, step.attribute, words.ATTRIBUTES):
        checking.unknown("attribute", step.attribute, words.ATTRIBUTES)
    checking.assign(step.target, OF_ATTRIBUTES.get(step.attribute, TENSOR))


def _set(checking: Checking, step: Set) -> None:
    checking.read(step.value)
    checking.read(Ref(step.object))
    checking.take()
    if not _is_attribute(checking, step.object, step.attribute, words.WRITABLE):
        checking.report(
            f"attribute '{step.attribute}' cannot be assigned", f"assignable: {', '.join(words.WRITABLE)}"
        )


def _is_attribute(checking: Checking, owner: str, attribute: str, known: tuple[str, ...]) -> bool:
    """Whether an object may have an attribute: the context of a custom function has any."""
    if attribute in known:
        return True
    return owner in checking.contexts and attribute.isidentifier() and attribute[:1] != "_"


def _unset(checking: Checking, step: Unset) -> None:
    checking.read(Ref(step.object))
    checking.take()
    if not _is_attribute(checking, step.object, step.attribute, words.WRITABLE):
        checking.report(
            f"attribute '{step.attribute}' cannot be deleted", f"assignable: {', '.join(words.WRITABLE)}"
        )


def _let(checking: Checking, step: Let) -> None:
    kind = checking.read(step.value)
    checking.take()
    checking.assign(step.target, kind if isinstance(step.target, str) else TENSOR)


def _delete(checking: Checking, step: Delete) -> None:
    if step.name[:1] == "_" or checking.kinds.pop(step.name, None) is None:
        checking.undefined(step.name)


def _within(checking: Checking, step: Within) -> None:
    checking.arguments(step.arguments, step.options)
    if step.mode not in words.MODES:
        checking.unknown("mode", step.mode, words.MODES)
    else:
        checking.fits(step.mode, words.MODES[step.mode], step.arguments, step.options)
    if step.target:
        if step.target[:1] == "_":
            checking.report(f"{step.target!r} cannot name what a mode gives")
        checking.assign(step.target, TENSOR)
    if step.mode == "concurrently":
        _concurrently(checking, step)
    else:
        checking.block(step.body)


def _concurrently(checking: Checking, step: Within) -> None:
    """What one thread names, another cannot know; all of it is there after the block."""
    before = dict(checking.kinds)
    after = dict(before)
    for inner in step.body:
        if not (isinstance(inner, Within) and inner.mode == "thread"):
            checking.report("a block of `concurrently` holds blocks of `thread` only")
        checking.kinds = dict(before)
        checking.block((inner,))
        after |= {name: kind for name, kind in checking.kinds.items() if name not in before}
    checking.kinds = after


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


def _warns(checking: Checking, step: Warns) -> None:
    if step.category not in words.WARNINGS:
        checking.unknown("warning class", step.category, words.WARNINGS)
    checking.block(step.body)


def _define(checking: Checking, step: Define) -> None:
    checking.assign(step.target, TENSOR)  # its body may call it
    _function(checking, step, frozenset())


def _class(checking: Checking, step: Class) -> None:
    if step.base not in words.BASES:
        checking.unknown("base class", step.base, words.BASES)
    if len({method.target for method in step.methods}) < len(step.methods):
        checking.report("two methods have one name")
    for method in step.methods:
        checking.number += 1
        checking.line = method.line
        if method.target[:1] == "_" or not method.target.isidentifier():
            checking.report(f"{method.target!r} cannot name a method")
        _function(checking, method, frozenset(method.parameters[:1]))
    checking.assign(step.target, TENSOR)


def _function(checking: Checking, step: Define, contexts: frozenset[str]) -> None:
    """The body of a definition: its names are its own, and it sees those around it."""
    parameters = (*step.parameters, *filter(None, (step.variadic,)))
    for name in parameters:
        if not is_name(name, temporaries=False):
            checking.report(f"{name!r} cannot name a parameter")
    if len(set(parameters)) < len(parameters):
        checking.report("two parameters have one name")
    if tuple(step.defaults) != step.parameters[len(step.parameters) - len(step.defaults) :]:
        checking.report("only the last parameters have defaults")
    for value in (*step.defaults.values(), *(v for d in step.decorators for v in _given(d))):
        if isinstance(value, Ref | Items | Slice):
            checking.report("defaults and arguments of decorators are constants")
    for decorator in step.decorators:
        name = decorator.name
        if name in words.OWN_MODES or (name not in words.MODES and name not in words.DECORATORS):
            checking.unknown("decorator", name, (*words.MODES, *words.DECORATORS))
        elif decorator.called and name in words.MODES:
            checking.fits(name, words.MODES[name], decorator.arguments, decorator.options)
    before = dict(checking.kinds), checking.function, checking.contexts
    own = {name for inner in own_steps(step.body) for name in targets(inner)}
    checking.kinds = {name: kind for name, kind in checking.kinds.items() if name not in own}
    checking.kinds.update(dict.fromkeys(parameters, TENSOR))
    checking.function, checking.contexts = True, (checking.contexts - {*parameters}) | contexts
    for inner in own_steps(step.body):
        if isinstance(inner, Return) and inner is not step.body[-1]:
            checking.report("`return` is the last statement of a definition, and stands in no block")
        if apart(inner) and any(isinstance(one, Yield) for one in own_steps(body_of(inner))):
            # Others run while a generator waits, and what they do would be taken for its own.
            checking.report("`yield` stands in no block of `raises`, `warns`, `thread` or `concurrently`")
    checking.block(step.body)
    checking.kinds, checking.function, checking.contexts = before


def _given(decorator: Decorator) -> tuple[Argument, ...]:
    return (*decorator.arguments, *decorator.options.values())


def _give(checking: Checking, step: Return | Yield) -> None:
    word = type(step).__name__.lower()
    if not checking.function:
        checking.report(f"`{word}` stands in a definition only")
    checking.read(step.value)
    checking.take()
    if isinstance(step, Yield):
        checking.assign(step.target, TENSOR)


def _record(checking: Checking, step: Record) -> None:
    checking.read(step.value)
    checking.take()


def _watch(checking: Checking, step: Watch) -> None:
    if step.name[:1] == "_":
        checking.report("`watch` takes a name")
    checking.read(Ref(step.name))
    checking.take()
    checking.assign(step.target, TENSOR)


def _fail(checking: Checking, step: Fail) -> None:
    if step.error not in words.ERRORS:
        checking.unknown("error class", step.error, words.ERRORS)


def _fact(checking: Checking, step: Fact) -> None:
    for wrong in check_fact(step, checking.kinds, checking.contexts):
        checking.report(wrong)


RULES: Rules = {
    Apply: _operation,
    Mutate: _operation,
    Invoke: _invoke,
    Backward: _backward,
    Grad: _grad,
    Get: _get,
    Set: _set,
    Unset: _unset,
    Let: _let,
    Delete: _delete,
    Within: _within,
    Expect: _expect,
    Warns: _warns,
    Define: _define,
    Class: _class,
    Return: _give,
    Yield: _give,
    Record: _record,
    Watch: _watch,
    Call: _call_of_name,
    Fail: _fail,
    Fact: _fact,
}
"""One rule for each type of step."""
