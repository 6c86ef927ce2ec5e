"""Programs as JSON documents: exact both ways, and clear about what is wrong with a document."""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, get_args

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gradconform.errors import GradconformError, SpecError
from gradconform.program.json_form import VERSION, from_json, to_json
from gradconform.program.json_values import little_endian
from gradconform.program.steps import Input, Layout, Let, Program, Step
from gradconform.program.vocabulary import DTYPES
from gradconform.randomize.values import fill

if TYPE_CHECKING:
    from tests.conftest import MakeProgram


def there_and_back(program: Program) -> Program:
    written = json.dumps(to_json(program), allow_nan=False)
    read = from_json(json.loads(written))
    assert json.dumps(to_json(read), allow_nan=False) == written
    return read


def same(a: Program, b: Program) -> bool:
    """Whether two programs are equal, -0.0 and nan and all: their representations tell them apart."""
    if repr(a.steps) != repr(b.steps) or a.scenario != b.scenario or len(a.inputs) != len(b.inputs):
        return False
    return all(
        (one.name, one.requires_grad, one.layout) == (other.name, other.requires_grad, other.layout)
        and one.data.dtype == other.data.dtype
        and one.data.shape == other.data.shape
        and torch.equal(bits(one.data), bits(other.data))
        for one, other in zip(a.inputs, b.inputs, strict=True)
    )


def bits(data: torch.Tensor) -> torch.Tensor:
    return data.reshape(-1).view(torch.uint8) if data.numel() else torch.empty(0)


@given(st.data())
@settings(max_examples=150)
def test_any_program(
    program: MakeProgram, program_texts: st.SearchStrategy[str], data: st.DataObject
) -> None:
    try:
        bound = program(data.draw(program_texts), Input("x", torch.ones(2, 3), True))
    except SpecError:
        assume(False)
    else:
        assert same(there_and_back(bound), bound)


def test_the_whole_corpus(corpus_programs: Mapping[str, Program]) -> None:
    for bound in corpus_programs.values():
        assert same(there_and_back(bound), bound), bound.scenario


def test_generated_programs_use_every_type_of_step(
    program: MakeProgram, program_texts: st.SearchStrategy[str]
) -> None:
    seen: set[type] = set()

    @given(program_texts)
    @settings(max_examples=300)
    def collect(text: str) -> None:
        try:
            seen.update(type(step) for _, step in program(text, Input("x", torch.ones(2, 3), True)).walk())
        except SpecError:
            assume(False)

    collect()
    assert seen == set(get_args(Step))


@given(
    st.sampled_from(DTYPES),
    st.sampled_from(get_args(Layout)),
    st.lists(st.integers(0, 3), max_size=4),
    st.integers(0, 2**32),
    st.sampled_from(["real", "special"]),
)
def test_every_dtype_shape_and_layout(
    dtype: str, layout: Layout, shape: list[int], seed: int, domain: Any
) -> None:
    floating = getattr(torch, dtype).is_floating_point or getattr(torch, dtype).is_complex
    data = fill(domain if floating else "real", tuple(shape), dtype, seed)
    program = Program((Input("x", data, floating, layout),), ())
    assert same(there_and_back(program), program)


def test_what_is_read_is_no_view_of_what_was_written() -> None:
    data = torch.ones(2)
    read = from_json(to_json(Program((Input("x", data),), ())))
    data.zero_()
    assert read.inputs[0].data.tolist() == [1.0, 1.0]
    read.inputs[0].data.add_(1)  # and may be written to


def test_the_form_is_the_documented_one(program: MakeProgram) -> None:
    bound = program('y = x[1:] * 2.0 + float("-inf")\nassert y.dtype == float32 and x.grad is None')
    assert to_json(bound) == {
        "program": VERSION,
        "scenario": "tests/one",
        "inputs": [
            {
                "name": "x",
                "dtype": "float32",
                "shape": [2],
                "data": "AACAPwAAAEA=",
                "requires_grad": True,
                "layout": "contiguous",
            }
        ],
        "steps": [
            {
                "do": "apply",
                "target": "_2",
                "operator": "getitem",
                "arguments": [{"ref": "x"}, {"slice": [1, None, None]}],
                "options": {},
                "line": 1,
            },
            {
                "do": "apply",
                "target": "_1",
                "operator": "mul",
                "arguments": [{"ref": "_2"}, {"float": 2.0}],
                "options": {},
                "line": 1,
            },
            {
                "do": "apply",
                "target": "y",
                "operator": "add",
                "arguments": [{"ref": "_1"}, {"float": "-inf"}],
                "options": {},
                "line": 1,
            },
            {
                "do": "fact",
                "law": True,
                "places": [{"name": "y", "path": ["dtype"]}, {"name": "x", "path": ["grad"]}],
                "expression": {
                    "operation": "and",
                    "operands": [
                        {
                            "operation": "eq",
                            "operands": [{"place": 0}, {"constant": "float32"}],
                            "options": {},
                        },
                        {"operation": "is", "operands": [{"place": 1}, {"constant": None}], "options": {}},
                    ],
                    "options": {},
                },
                "text": "assert y.dtype == float32 and x.grad is None",
                "line": 2,
            },
        ],
    }


def test_a_float_may_be_written_as_an_integer(program: MakeProgram) -> None:
    """As languages do that have one type of numbers."""
    document = to_json(program("y = x * 2.0"))
    document["steps"][0]["arguments"][1] = {"float": 2}
    (step,) = from_json(document).steps
    assert repr(step.arguments[1]) == "2.0"  # type: ignore[union-attr]


def test_bytes_are_little_endian_on_any_machine() -> None:
    assert little_endian(b"\x00\x01\x02\x03", 2, "big") == b"\x01\x00\x03\x02"
    assert little_endian(b"\x00\x01\x02\x03", 2, "little") == b"\x00\x01\x02\x03"


Change = Callable[[dict[str, Any]], object]


def at(*path: str | int, value: object) -> Change:
    def change(document: dict[str, Any]) -> None:
        inner: Any = document
        for part in path[:-1]:
            inner = inner[part]
        inner[path[-1]] = value

    return change


def nested(depth: int) -> object:
    value: object = 1
    for _ in range(depth):
        value = {"list": [value]}
    return value


STEP = ("steps", 0)
MALFORMED: list[tuple[Change, str]] = [
    (at("program", value=2), "no program document of version 1"),
    (at("program", value=True), "no program document of version 1"),
    (lambda d: d.pop("program"), "no program document of version 1"),
    (lambda d: d.pop("inputs"), "the document: field 'inputs' is missing"),
    (at("inptus", value=[]), "inptus: unknown field; did you mean 'inputs'?"),
    (at("inputs", value={}), "inputs: expected a list, not an object"),
    (at("inputs", 0, value=3), "inputs[0]: expected an object, not a number"),
    (at("inputs", 0, "name", value=None), "inputs[0].name: expected a string, not null"),
    (
        at("inputs", 0, "dtype", value="float31"),
        "inputs[0].dtype: unknown dtype 'float31'; did you mean 'float32'",
    ),
    (
        at("inputs", 0, "shape", value=[3]),
        "inputs[0].data: 8 bytes; a torch.float32 tensor of shape [3] has 12",
    ),
    (at("inputs", 0, "shape", value=[-2]), "inputs[0].shape"),
    (at("inputs", 0, "shape", value=[2.0]), "inputs[0].shape[0]: expected an integer, not a number"),
    (at("inputs", 0, "shape", value=[10**15]), "inputs[0].shape"),
    (at("inputs", 0, "shape", value=[1] * 100), "at most 8 dimensions"),
    (at("inputs", 0, "data", value="?!"), "inputs[0].data: this is no base64"),
    (at("inputs", 0, "data", value="ä"), "inputs[0].data: this is no base64"),
    (at("inputs", 0, "requires_grad", value=1), "inputs[0].requires_grad: expected true or false"),
    (at("inputs", 0, "layout", value="sparse"), "inputs[0].layout: unknown layout 'sparse'"),
    (at("inputs", 0, "name", value="_1"), "'_1' cannot name an input"),
    (at(*STEP, "do", value="aply"), "steps[0].do: unknown verb 'aply'; did you mean 'apply'?"),
    (at(*STEP, "do", value=["apply"]), "steps[0].do: unknown verb"),
    (at(*STEP, value=None), "steps[0].do: unknown verb None"),
    (at(*STEP, "line", value="1"), "steps[0].line: expected an integer, not a string"),
    (at(*STEP, "line", value=2**70), "steps[0].line: an integer must fit in 64 bits"),
    (at(*STEP, "target", value=3), "steps[0].target: expected a list"),
    (at(*STEP, "target", value=["a", 3]), "steps[0].target[1]: expected a string"),
    (at(*STEP, "arguments", 1, value=2.5), 'a number with a fraction is written as {"float": ...}'),
    (at(*STEP, "arguments", 1, value=2**70), "steps[0].arguments[1]: an integer must fit in 64 bits"),
    (at(*STEP, "arguments", 1, value=[1]), "steps[0].arguments[1]: a list is no argument"),
    (at(*STEP, "arguments", 1, value={"reff": "x"}), "unknown kind of value 'reff'; did you mean 'ref'?"),
    (at(*STEP, "arguments", 1, value={}), "an object is no argument"),
    (
        at(*STEP, "arguments", 1, value={"float": "many"}),
        "steps[0].arguments[1].float: expected a number or one of",
    ),
    (at(*STEP, "arguments", 1, value={"float": True}), "expected a number or one of"),
    (at(*STEP, "arguments", 1, value={"complex": [1]}), "has 2 parts, not 1"),
    (at(*STEP, "arguments", 1, value={"slice": [1]}), "has 3 parts, not 1"),
    (at(*STEP, "arguments", 1, value={"ellipsis": 1}), "an ellipsis is true"),
    (at(*STEP, "arguments", 1, value={"dtype": "f4"}), "unknown dtype 'f4'"),
    (at(*STEP, "arguments", 1, value=nested(200)), "nested more than 64 deep"),
    (at(*STEP, "options", value=[]), "steps[0].options: expected an object, not a list"),
    (at(*STEP, "options", value={3: 1}), "3 is no name of a field"),
    (at(*STEP, "operator", value="mull"), "step 0: unknown operator 'mull'"),
    (at(*STEP, "arguments", 0, value={"ref": "z"}), "step 0: name 'z' has no value here"),
    (at("steps", 1, "expression", value={}), "steps[1].expression: an expression is an object with"),
    (at("steps", 1, "expression", value={"place": 5}), "the fact has no place 5"),
    (at("steps", 1, "expression", value={"place": 0, "more": 1}), "steps[1].expression.more: unknown field"),
    (at("steps", 1, "expression", value={"constant": {"ref": "x"}}), "a constant holds no names"),
    (at("steps", 1, "text", value="assert True"), "its text is 'assert y == x'"),
    (at("steps", 1, "places", 0, value={"name": "", "path": []}), "a place has a name or a path"),
]


@pytest.mark.parametrize(
    ("change", "message"), MALFORMED, ids=lambda value: value if isinstance(value, str) else ""
)
def test_malformed_documents(program: MakeProgram, change: Change, message: str) -> None:
    document = copy.deepcopy(to_json(program("y = x * 2\nassert y == x")))
    change(document)
    with pytest.raises(GradconformError) as caught:
        from_json(document)
    assert message in str(caught.value)


@pytest.mark.parametrize("document", [None, 3, [], "text", {}, {"program": None}])
def test_what_is_no_document_at_all(document: object) -> None:
    with pytest.raises(GradconformError, match="no program document of version 1"):
        from_json(document)


def test_bodies_nest_to_a_depth(program: MakeProgram) -> None:
    document = to_json(program("with no_grad():\n    y = exp(x)"))
    (within,) = document["steps"]
    for _ in range(300):
        within = {**within, "body": [within]}
    document["steps"] = [within]
    with pytest.raises(GradconformError, match="nested more than 64 deep"):
        from_json(document)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)


@given(st.data(), JSON)
@settings(max_examples=300)
def test_no_document_raises_anything_but_an_error_for_people(
    program: MakeProgram, data: st.DataObject, other: Any
) -> None:
    document: Any = copy.deepcopy(
        to_json(
            program(
                "a = x * 2\n(b, c) = autograd.grad(a, [x, x], [a])\nx.grad = a[0:1, ...]\nwith no_grad():\n"
                "    a.backward()\nwith raises(RuntimeError):\n    del a\nassert x.grad == 1.5"
            )
        )
    )
    places: list[tuple[Any, Any]] = []
    level = [document]
    while level:
        inner = level.pop()
        for key in inner if isinstance(inner, dict) else range(len(inner)) if isinstance(inner, list) else ():
            places.append((inner, key))
            level.append(inner[key])
    owner, key = data.draw(st.sampled_from(places))
    owner[key] = other
    with contextlib.suppress(GradconformError):  # the only one that may come
        from_json(document)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (-0.0, {"float": "-0.0"}),
        (float("nan"), {"float": "nan"}),
        (float("-inf"), {"float": "-inf"}),
        (complex(-0.0, 2.0), {"complex": ["-0.0", 2.0]}),
        (-(2**63), -(2**63)),
        (True, True),
        ("a", "a"),
    ],
)
def test_numbers_that_json_or_other_languages_lose(value: Any, written: object) -> None:
    document = to_json(Program((), (Let("y", value),)))
    assert document["steps"][0]["value"] == written
    (step,) = from_json(document).steps
    assert repr(step) == repr(Let("y", value))
