"""Programs to try things on: the corpus, bound to examples and draws, and random program texts."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import strategies as st

from gradconform.program.bind import Draw, bind
from gradconform.program.library import load_library
from gradconform.program.parse import Template
from gradconform.program.steps import Program
from gradconform.randomize import draws
from gradconform.randomize.direct import DirectChooser
from gradconform.spec.corpus import corpus_files, specs_root

DRAWS = 1
"""Random draws of each scenario, besides its example."""


@pytest.fixture(scope="session")
def corpus_draws() -> Mapping[str, tuple[Template, Draw]]:
    """Each scenario's example and some draws, by a name of their own."""
    found = {}
    for template in load_library(
        (*corpus_files("documented"), specs_root() / "operators" / "exponentials.yaml")
    ):
        scenario = template.scenario
        found[template.id] = (template, draws.example(scenario, scenario.dtypes[0]))
        for seed in range(DRAWS if scenario.let else 0):
            dtype = scenario.dtypes[(seed + 1) % len(scenario.dtypes)]
            found[f"{template.id}/{seed}"] = (template, draws.draw(scenario, DirectChooser(seed), dtype))
    return found


@pytest.fixture(scope="session")
def corpus_programs(corpus_draws: Mapping[str, tuple[Template, Draw]]) -> Mapping[str, Program]:
    """The bound programs of `corpus_draws`."""
    return {name: bind(template, draw) for name, (template, draw) in corpus_draws.items()}


@pytest.fixture(scope="session")
def program_texts() -> st.SearchStrategy[str]:
    """Program texts over the input x (2 by 3) that use every statement and every kind of expression."""
    return texts()


NUMBERS = st.one_of(
    st.sampled_from(
        ["-0.0", 'float("inf")', 'float("-inf")', 'float("nan")', "1e-320", "2.5e+300", "0", "-1"]
    ),
    st.sampled_from(["1 + 2j", "-2j", "complex(-0.0, 1.0)", 'complex(float("nan"), -1.5)', "16 / 3", "True"]),
    st.integers(-(2**63), 2**63 - 1).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
)
RELATIONS = st.sampled_from(["==", "!=", "<", "<=", ">", ">=", "is", "is not", "in", "not in"])
INDICES = st.sampled_from(
    [
        "0",
        "-1",
        "...",
        "None",
        "0:2",
        "1:",
        ":-1",
        "::2",
        "0, 1",
        "(0, 1)",
        "..., 0",
        "1:, None, 0",
        "[0, 1]",
        "()",
        "(0,)",
    ]
)


@st.composite
def expressions(draw: st.DrawFn, names: list[str], depth: int = 3) -> str:
    """An expression of a step."""
    if depth == 0:
        return draw(st.sampled_from(names))
    inner = expressions(names, depth - 1)
    kind = draw(st.integers(0, 11))
    a = draw(inner)
    match kind:
        case 0 | 1 | 2:
            symbol = draw(st.sampled_from(["+", "-", "*", "/", "**", "@", "==", "<", ">="]))
            return f"({a}) {symbol} ({draw(inner)})"
        case 3:
            symbol = draw(st.sampled_from(["+", "-", "*", "/", "**"]))
            number = draw(NUMBERS)
            return f"({number}) {symbol} ({a})" if draw(st.booleans()) else f"({a}) {symbol} ({number})"
        case 4:
            return f"-({a})"
        case 5:
            return f"{draw(st.sampled_from(['exp', 'sqrt', 'abs', 'relu', 'sum', 'ones_like']))}({a})"
        case 6:
            method = draw(
                st.sampled_from(
                    ["sum()", "sum(dim=0, keepdim=True)", "t()", "view(-1)", "add_(1)", "detach()"]
                )
            )
            return f"({a}).{method}"
        case 7:
            return f"({a})[{draw(INDICES)}]"
        case 8:
            return f"({a}).{draw(st.sampled_from(['grad', 'data']))}"
        case 9:
            return f"stack([{a}, {draw(inner)}], dim=1)"
        case 10:
            return f"where(({a}) > 0, {draw(inner)}, 1.5)"
        case _:
            return f"full([2, {draw(st.integers(0, 4))}], {draw(NUMBERS)}, dtype=float64)"


@st.composite
def facts(draw: st.DrawFn, names: list[str], depth: int = 3) -> str:
    """An expression of a fact."""
    name = draw(st.sampled_from(names))
    if depth == 0:
        return draw(
            st.sampled_from(
                [name, f"{name}.grad", f"{name}.shape", "is_grad_enabled()", f"{name}.grad_fn.name()"]
            )
        )
    inner = facts(names, depth - 1)
    kind = draw(st.integers(0, 9))
    a, b = draw(inner), draw(inner)
    match kind:
        case 0 | 1:
            return f"({a}) {draw(RELATIONS)} ({b})"
        case 2:
            return f"({name}) {draw(st.sampled_from(['+', '-', '*', '/', '**']))} (-{name}.grad)"
        case 3:
            return f"({a}) {draw(st.sampled_from(['and', 'or']))} ({b})"
        case 4:
            return f"not ({a})"
        case 5:
            return f"close({name}, {draw(NUMBERS)})"
        case 6:
            return f"({name})[{draw(INDICES)}]"
        case 7:
            return f"[{a}, ({b},), 1, (), float32]"
        case 8:
            return f"{name}.sum(dim=0, dtype=float64)"
        case _:
            return f"exp(-{name} * {draw(NUMBERS)})"


def simple_statements(draw: st.DrawFn, name: str, value: str) -> list[str]:
    """A statement, or a few, that need no more than a name and an expression."""
    index, number = draw(INDICES), draw(NUMBERS)
    augmented = draw(st.sampled_from(["+=", "-=", "*=", "/="]))
    method = draw(st.sampled_from(["zero_()", "detach_()", "fill_(2.0)", "sum()"]))
    literal = draw(st.sampled_from(["None", "[]", "[[1, -0.0], [2j, True]]"]))
    return draw(
        st.sampled_from(
            [
                [f"{name} {augmented} {value}"],
                [f"{name}[{index}] = {value}"],
                [f"{name}[{index}] {augmented} {value}"],
                [f"{name}.data {augmented} {value}"],
                [f"({value}).grad = None"],
                [f"({value}).grad = {name}"],
                [f"({value}).backward(ones_like({name}), retain_graph=True)"],
                [f"autograd.backward([{name}, x], [{value}, None])"],
                [f"({value}).{method}"],
                [f"k = {number}", "x = x * k"],
                ["o = optim.SGD([x], lr=0.5)", "o.zero_grad(set_to_none=False)"],
                [f"d = {value}", "del d"],
                [f"del {name}.grad"],
                [f"shows({name}, {literal})"],
                [f"w = [{name}, {value}]"],
                [f"record({value})"],
                [f"w = watch({name})", "assert alive(w) or not alive(w)", "del w"],
                [f"(a, b) = {name}", "assert len(recorded()) == 0"],
                ["o = x.register_hook(x)", "(a, b) = x.grad", "o.remove()"],
            ]
        )
    )


@st.composite
def blocks(draw: st.DrawFn, names: list[str], indent: str, depth: int) -> list[str]:
    """The lines of some statements."""
    lines: list[str] = []
    for _ in range(draw(st.integers(1, 4))):
        name, value = draw(st.sampled_from(names)), draw(expressions(names))
        match draw(st.integers(0, 9)):
            case 0 | 1 | 2:
                new = f"v{draw(st.integers(0, 3))}"
                lines.append(f"{indent}{new} = {value}")
                names.append(new)
            case 3:
                lines.append(f"{indent}(g, h) = autograd.grad({value}, [{name}, x], allow_unused=True)")
                names += ["g", "h"]
            case 4:
                lines.append(f"{indent}assert {draw(facts(names))}")
            case 5 if depth:
                modes = ["no_grad()", "enable_grad()", "set_grad_enabled(x.requires_grad)"]
                lines.append(f"{indent}with {draw(st.sampled_from(modes))}:")
                lines += draw(blocks(names, indent + "    ", depth - 1))
            case 7 if depth:
                lines += [indent + line for line in draw(definitions(names, depth - 1))]
            case 8 if depth:
                head = [
                    "thread():",
                    "warns(UserWarning):",
                    "warns(UserWarning, match='it'):",
                    "no_grad() as m:",
                    "stream():",
                ]
                lines.append(f"{indent}with {draw(st.sampled_from(head))}")
                lines += draw(blocks(list(names), indent + "    ", depth - 1))
            case 6 if depth:
                options = draw(
                    st.sampled_from(["", ", phase='backward'", ", match=\"it's\", phase='forward'"])
                )
                lines.append(f"{indent}with raises(RuntimeError{options}):")
                lines += draw(blocks(list(names), indent + "    ", depth - 1))
                lines.append(f"{indent}    fail(RuntimeError)")
            case _:
                lines += [indent + line for line in simple_statements(draw, name, value)]
    return lines


@st.composite
def definitions(draw: st.DrawFn, names: list[str], depth: int) -> list[str]:
    """A function, a generator or a class, and a use of it."""
    head = draw(st.sampled_from(["f(t)", "f(t, u=2.5)", "f(t, *u)", "f(*u)", "f()"]))
    inner = draw(blocks([*names, "t"] if "t" in head else list(names), "    ", depth))
    match draw(st.integers(0, 2)):
        case 0:
            above = draw(st.sampled_from([[], ["@no_grad()"], ["@set_grad_enabled(False)", "@no_grad"]]))
            return [
                *above,
                f"def {head}:",
                *inner,
                f"    return {draw(expressions(names))}",
                "f(x)",
                "g = f(x, u=x)",
            ]
        case 1:
            body = [
                "    with no_grad():",
                f"        s = yield {draw(expressions(names))}",
                "    yield",
                *inner,
            ]
            return ["def f():", *body, "g = f()", "h = next(g)", "g.send(x)"]
        case _:
            body = [
                "    @staticmethod",
                "    def forward(ctx, t):",
                "        ctx.k = t",
                "        return ctx.k",
            ]
            once = [
                "    @staticmethod",
                "    @autograd.function.once_differentiable",
                "    def backward(ctx, *g):",
            ]
            return [
                "class F(autograd.Function):",
                *body,
                *once,
                *("    " + line for line in inner),
                "y = F.apply(x)",
            ]


@st.composite
def texts(draw: st.DrawFn) -> str:
    """The text of a program."""
    return "\n".join(draw(blocks(["x"], "", 2)))
