"""Levels: what an engine must have come to before a scenario is for it, from 1 (a scalar engine) to 6 (all).

A scenario's level is the highest of what its text asks for: its verbs, words, options and variables. The
tables below say which level each of them has; a word that stands in none of them has that of its kind.
docs/levels.md tells them to people.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gradconform.program import vocabulary as words
from gradconform.program.constants import COMPARE
from gradconform.program.parse import Template
from gradconform.program.vocabulary import dotted
from gradconform.spec.scenario import IntegerDomain, LikeDomain, OperatorDomain, TensorDomain

TITLES = {
    1: "a scalar engine: values and gradients of a few operators",
    2: "shapes, broadcasting, dtypes, flags; gradients accumulate and are zeroed",
    3: "grad modes, detach, retain_graph, autograd.grad, errors and warnings, optimizers",
    4: "in-place writes and version counters; gradients of gradients",
    5: "views and writes through them, hooks, custom functions, the graph's nodes",
    6: "all of it: forward mode, transforms, threads, lifetimes, inference mode, complex numbers",
}
"""What each level adds."""

FIRST = frozenset(
    {
        *("add", "sub", "mul", "div", "neg", "pow", "exp", "log", "sqrt", "square", "reciprocal"),
        *("sin", "cos", "tanh", "sigmoid", "relu", "ones_like", "item"),
    }
)
"""The operators of level 1."""

EFFECTS: Mapping[words.Effect, int] = {
    "pure": 2,
    "view": 2,
    "factory": 2,
    "plain": 2,
    "write": 4,
    "object": 5,
}
"""Operators by what they do."""

PREFIXES: Mapping[str, int] = {
    "autograd.forward_ad.": 6,
    "autograd.functional.": 6,
    "autograd.graph.": 5,
    "autograd.": 6,
    "func.": 6,
    "utils.": 6,
    "optim.": 3,
    "nn.functional.": 2,
    "nn.": 3,
    "fft.": 6,
    "linalg.": 2,
}
"""Operators and modes by the module that they stand in; the longest name that fits counts."""

WORDS: Mapping[str, int] = {
    # operators
    "requires_grad_": 3,
    "retain_grad": 5,
    "detach": 3,
    "detach_": 4,
    "as_strided": 5,
    "numpy": 3,
    "asarray": 3,
    "from_numpy": 3,
    "autograd.Variable": 3,
    "nn.Parameter": 2,
    "is_grad_enabled": 3,
    "is_inference": 6,
    "is_inference_mode_enabled": 6,
    "is_anomaly_enabled": 6,
    "_is_view": 5,
    "repr": 6,
    "deepcopy": 6,
    "view_as_real": 6,
    "view_as_complex": 6,
    # modes and blocks
    "no_grad": 3,
    "enable_grad": 3,
    "set_grad_enabled": 3,
    "raises": 3,
    "warns": 3,
    "fail": 3,
    "inference_mode": 6,
    "thread": 6,
    "concurrently": 6,
    "stream": 6,
    # methods of objects
    "step": 3,
    "zero_grad": 3,
    "name": 3,
    # what only facts and definitions have
    "shares_storage": 3,
    "record": 5,
    "recorded": 5,
    "watch": 6,
    "alive": 6,
}
"""Words that have a level of their own."""

ATTRIBUTES: Mapping[str, int] = {
    "grad": 1,
    "shape": 2,
    "ndim": 2,
    "dtype": 2,
    "device": 2,
    "requires_grad": 2,
    "is_leaf": 2,
    "grad_fn": 2,
    "data": 3,
    "_version": 4,
    "weight": 3,
    "bias": 3,
    "real": 6,
    "imag": 6,
}
"""Attributes; any other is of level 5."""

OPTIONS: Mapping[str, int] = {
    "retain_graph": 3,
    "inputs": 3,
    "allow_unused": 3,
    "materialize_grads": 3,
    "create_graph": 4,
    "is_grads_batched": 6,
}
"""Options of backward and of autograd.grad."""

DEEP = 200
"""A loop of so many rounds makes graphs that are too deep for recursion."""

ALIASING = 5
"""A program that both takes views and writes in place."""


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that a scenario asks for: its level, and what it is."""

    level: int
    what: str


def level_of(template: Template) -> int:
    """The level of a scenario: the highest of its needs."""
    return max((need.level for need in needs(template)), default=1)


def needs(template: Template) -> tuple[Need, ...]:
    """Everything that a scenario asks for, in the order of its text."""
    found = [*_variables(template), *_Reader(template).read()]
    writes = any(need.what.startswith("writing") for need in found)
    if writes and any(need.what.startswith("viewing") for need in found):
        found.append(Need(ALIASING, "views together with in-place writes"))
    return tuple(found)


def _variables(template: Template) -> Iterator[Need]:
    complexes = [name for name in template.scenario.dtypes if name.startswith("complex")]
    if complexes:
        yield Need(6, f"dtype {complexes[0]}")
    for name, domain in template.scenario.let.items():
        if isinstance(domain, TensorDomain | LikeDomain):
            if "complex" in domain.dtype:
                yield Need(6, f"{name}: dtype {domain.dtype}")
            elif domain.dtype not in {"any", "floating"}:
                yield Need(2, f"{name}: dtype {domain.dtype}")
            if domain.values == "special":
                yield Need(2, f"{name}: special values")


class _Reader:
    """Reads the needs of one program's text."""

    def __init__(self, template: Template) -> None:
        self.tree = template.tree
        self.own = template.own
        self.choices: dict[str, tuple[str, ...]] = {}
        for name, domain in template.scenario.let.items():
            if isinstance(domain, OperatorDomain):
                # What the variable may stand for is asked for by the draws; the example says what the rule
                # is about.
                self.choices[name] = (domain.example,)
            elif hasattr(domain, "options"):
                self.choices[name] = tuple(one for one in domain.options if isinstance(one, str))
        self.constants = {
            name
            for name, domain in template.scenario.let.items()
            if not isinstance(domain, TensorDomain | LikeDomain)
        }

        self.largest = {
            name: domain.high
            for name, domain in template.scenario.let.items()
            if isinstance(domain, IntegerDomain)
        }

    def read(self) -> Iterator[Need]:
        backwards = 0
        for node in ast.walk(self.tree):
            yield from self.node(node)
            backwards += isinstance(node, ast.Call) and dotted(node.func).endswith("backward")
            if isinstance(node, ast.For) and any(_is_backward(inner) for inner in ast.walk(node)):
                backwards += 1
        if backwards > 1:
            yield Need(2, "several backward passes")

    def node(self, node: ast.AST) -> Iterator[Need]:
        match node:
            case ast.FunctionDef(name=name):
                yield Need(5, f"a definition, {name}")
                for decorator in node.decorator_list:
                    if not isinstance(decorator, ast.Call):
                        yield from self.word(dotted(decorator))
            case ast.ClassDef(name=name):
                yield Need(5, f"a custom function, {name}")
            case ast.Call():
                yield from self.call(node)
            case ast.Attribute(attr=attribute, ctx=ast.Load()) if attribute in words.ATTRIBUTES:
                yield Need(ATTRIBUTES.get(attribute, 5), f"attribute {attribute}")
            case ast.For(iter=ast.Call(args=[ast.Constant(value=int() as rounds)])) if rounds >= DEEP:
                yield Need(6, f"a loop of {rounds} rounds")
            case ast.For(iter=ast.Call(args=[ast.Name(id=name)])) if self.largest.get(name, 0) >= DEEP:
                yield Need(6, f"a loop of up to {self.largest[name]} rounds")
            case ast.BinOp(op=ast.MatMult()):
                yield Need(2, "matmul")
            case ast.Compare(ops=[op]) if type(op) in COMPARE:
                pass  # in facts too, where the oracle compares
            case ast.Subscript(ctx=ast.Load()):
                yield Need(2, "indexing")
            case ast.Assign(targets=[ast.Subscript()]):
                yield Need(4, "writing through an index")
            case ast.Assign(targets=[ast.Attribute(attr=attribute)]) if attribute in words.WRITABLE:
                yield Need({"grad": 2, "requires_grad": 3}.get(attribute, 4), f"assigning {attribute}")
            case ast.AugAssign(target=target):
                yield from self.augmented(target)

    def augmented(self, target: ast.expr) -> Iterator[Need]:
        if isinstance(target, ast.Name) and (target.id in self.constants or self.is_counter(target.id)):
            return
        yield Need(4, "writing in place")

    def is_counter(self, name: str) -> bool:
        """Whether a name holds a number that the program counts with."""
        first = next(
            (
                node.value
                for node in ast.walk(self.tree)
                if isinstance(node, ast.Assign) and any(dotted(one) == name for one in node.targets)
            ),
            None,
        )
        return isinstance(first, ast.Constant)

    def call(self, node: ast.Call) -> Iterator[Need]:
        name = dotted(node.func)
        for word in self.choices.get(name, (name,)):
            if word in {"autograd.grad", "autograd.backward"} or word.endswith("backward"):
                yield Need({"autograd.grad": 3, "autograd.backward": 2}.get(word, 1), word)
                yield from self.options(node)
            elif word in self.own:
                continue
            elif word in words.OPERATORS or word in words.MODES or word in WORDS:
                yield from self.word(word)
            elif isinstance(node.func, ast.Attribute):
                yield from self.method(node.func)

    def method(self, node: ast.Attribute) -> Iterator[Need]:
        if node.attr == "backward":
            yield Need(1, "backward")
        elif node.attr in {"zero_", "fill_"} and isinstance(node.value, ast.Attribute):
            yield Need(2 if node.value.attr == "grad" else 4, f"writing: {node.attr} of {node.value.attr}")
        elif node.attr in words.METHODS or node.attr in words.METHODS_OF_OBJECTS:
            yield from self.word(node.attr)

    def options(self, node: ast.Call) -> Iterator[Need]:
        for keyword in node.keywords:
            if keyword.arg is not None and keyword.arg in OPTIONS:
                yield Need(OPTIONS[keyword.arg], f"option {keyword.arg}")

    def word(self, word: str) -> Iterator[Need]:
        """An operator, a mode, or another word of the language."""
        row = words.OPERATORS.get(word)
        level = WORDS.get(word)
        if level is None and word in FIRST:
            level = 1
        if level is None:
            module = max((prefix for prefix in PREFIXES if word.startswith(prefix)), key=len, default="")
            level = PREFIXES.get(module) or (EFFECTS[row.effect] if row else 5)
        kind = {"write": "writing: ", "view": "viewing: "}.get(row.effect if row else "", "")
        plain = word in {"detach", "requires_grad_", "retain_grad"} or "." in word
        yield Need(level, word if plain else kind + word)


def _is_backward(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "backward"
    )
