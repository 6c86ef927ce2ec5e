"""The form of a spec file, field by field: what the JSON Schema is generated from and files are checked by.

These models say what is well formed; that an example fits its domain, that references exist and that ids are
unique is checked by `let` and `load`. Field descriptions are shown by editors.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from gradconform.spec.names import FEATURE_PATTERN, ID_PATTERN, VARIABLE_PATTERN

DtypeName = Literal[
    "float16", "bfloat16", "float32", "float64", "complex64", "complex128", "int32", "int64", "bool"
]
DtypeWord = Literal[
    "any",
    "floating",
    "complex",
    "float16",
    "bfloat16",
    "float32",
    "float64",
    "complex64",
    "complex128",
    "int32",
    "int64",
    "bool",
]
VALUES = ("real", "positive", "nonzero", "distinct", "ties", "kinks", "special", "dyadic")
_BOUND = r"-?[0-9]+(\.[0-9]+)?"
VALUES_PATTERN = rf"^({'|'.join(VALUES)}|domain\([A-Za-z][A-Za-z0-9_]*\)|within\({_BOUND}, {_BOUND}\))$"
LayoutWord = Literal["contiguous", "transposed", "strided", "expanded", "any"]
DeviceWord = Literal["other", "cpu"]

Text = Annotated[str, Field(min_length=1)]
Values = Annotated[
    str,
    Field(
        pattern=VALUES_PATTERN,
        description="Which numbers are drawn: real (moderate finite ones), positive, nonzero, distinct, ties "
        "(repeated ones), kinks (points where common functions bend), special (0, -0, inf, nan, subnormal), "
        "dyadic (small binary fractions whose arithmetic is exact), domain(f) (where operator f is smooth), "
        "within(-1, 1) (between two numbers, themselves left out; for integers they are in).",
    ),
]
Layout = Annotated[
    LayoutWord, Field(description="How the numbers lie in memory; `any` draws one of the others.")
]
Dtype = Annotated[
    DtypeWord,
    Field(
        description="any: the case's dtype. floating, complex: its real or complex counterpart. Or a dtype."
    ),
]
RequiresGrad = Annotated[bool, Field(description="Whether the tensor is a leaf that requires grad.")]
Literals = Annotated[
    Any,
    WithJsonSchema({"anyOf": [{"type": kind} for kind in ("number", "boolean", "string", "array")]}),
    Field(
        description="The documented example: a number, or nested lists of numbers; nan, inf, -inf and "
        "complex numbers such as 1+2j are written as text.",
    ),
]


def _word_or_number(value: object) -> object:
    if not isinstance(value, str | int | float):
        raise PydanticCustomError("word_or_number", "neither text nor a number")
    return value


def no_boolean(value: object) -> object:
    """The value; raises pydantic's error for a boolean."""
    # True equals 1, and is no version.
    if isinstance(value, bool):
        raise PydanticCustomError("literal_error", "a boolean")
    return value


# A union of types would be reported once for each of its members.
Option = Annotated[
    Any,
    AfterValidator(_word_or_number),
    WithJsonSchema({"anyOf": [{"type": kind} for kind in ("string", "number", "boolean")]}),
]


MAX_VARIABLES = 64
"""Free variables of one scenario; what they owe each other is looked up pair by pair."""


class Entry(BaseModel):
    """What all parts of a file share: no unknown keys, no conversions between types, no later changes."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class TensorEntry(Entry):
    """A tensor variable."""

    tensor: Annotated[
        str,
        Field(
            description='The shape: any, any nonempty, scalar, "[N, 3]", "[N, M] with N>=2, M<=4", or '
            "broadcastable(x) with another variable. A symbol has the same size in every variable."
        ),
    ]
    example: Literals
    dtype: Dtype = "any"
    values: Values = "real"
    layout: Layout = "contiguous"
    requires_grad: RequiresGrad = False


class LikeEntry(Entry):
    """A tensor variable with the shape and dtype of another."""

    like: Annotated[
        str,
        Field(
            pattern=r"^[A-Za-z][A-Za-z0-9_]*(\([A-Za-z][A-Za-z0-9_]*\))?$",
            description="A tensor variable x, or f(x) for a unary operator variable f.",
        ),
    ]
    example: Literals
    dtype: Annotated[
        DtypeWord | None,
        Field(description="As for tensors; without it, the dtype of the variable that is named."),
    ] = None
    values: Values = "real"
    layout: Layout = "contiguous"
    requires_grad: RequiresGrad = False


class IntegerEntry(Entry):
    """An integer, known before the program runs: a number of rounds, a dimension."""

    integer: Annotated[
        str,
        Field(pattern=r"^-?[0-9]{1,9}\.\.-?[0-9]{1,9}$", description="The range, both ends included: 1..5"),
    ]
    example: Annotated[int, Field(description="The documented example, within the range.")]


class BooleanEntry(Entry):
    """A boolean, known before the program runs."""

    boolean: Annotated[Literal["any"], Field(description="Always `any`: true and false are both drawn.")]
    example: Annotated[bool, Field(description="The documented example: true or false.")]


class ChoiceEntry(Entry):
    """One of a list of words or numbers; a chosen word may stand for an operator or a grad mode."""

    choice: Annotated[tuple[Option, ...], Field(min_length=1, description="The options, each once.")]
    example: Annotated[Option, Field(description="The documented example: one of the options.")]


class OperatorEntry(Entry):
    """An operator variable: the scenario holds for every operator of this kind."""

    operator: Annotated[Literal["unary", "binary"], Field(description="How many tensors the operator takes.")]
    example: Annotated[
        str,
        Field(
            pattern=r"^[A-Za-z][A-Za-z0-9_]*$",
            description="The documented example: an operator's name, such as sqrt.",
        ),
    ]


ENTRIES: dict[str, type[Entry]] = {
    "tensor": TensorEntry,
    "like": LikeEntry,
    "integer": IntegerEntry,
    "boolean": BooleanEntry,
    "choice": ChoiceEntry,
    "operator": OperatorEntry,
}


def variable_tag(value: object) -> str | None:
    """`<tensor>` for a variable that has the key `tensor`. The brackets tell it from a key."""
    if isinstance(value, Mapping):
        return next((f"<{kind}>" for kind in ENTRIES if kind in value), None)
    return next((f"<{kind}>" for kind, entry in ENTRIES.items() if isinstance(value, entry)), None)


VariableEntry = Annotated[
    Annotated[TensorEntry, Tag("<tensor>")]
    | Annotated[LikeEntry, Tag("<like>")]
    | Annotated[IntegerEntry, Tag("<integer>")]
    | Annotated[BooleanEntry, Tag("<boolean>")]
    | Annotated[ChoiceEntry, Tag("<choice>")]
    | Annotated[OperatorEntry, Tag("<operator>")],
    Discriminator(variable_tag),
]

Id = Annotated[str, Field(pattern=ID_PATTERN)]


class SourceEntry(Entry):
    """Where a behaviour is documented."""

    document: Annotated[Text | None, Field(description="The name of the document.")] = None
    cell: Annotated[Option | None, Field(description="The cell or section of it, where it is one.")] = None
    cells: Annotated[
        tuple[Option, ...],
        Field(min_length=1, description="The cells or sections of it, where they are more."),
    ] = ()
    docs: Annotated[Text | None, Field(description="The page of PyTorch's documentation: notes/autograd")] = (
        None
    )
    note: Annotated[
        Text | None, Field(description="A remark: what the document says otherwise, or why torch does this.")
    ] = None


class ScenarioEntry(Entry):
    """One documented behaviour: a rule in a sentence, its free variables, and a program that shows it."""

    id: Annotated[
        Id, Field(description="feature/kebab-name. Immutable: after a rename the old id stays as an alias.")
    ]
    says: Annotated[Text, Field(description="The rule, in one plain sentence.")]
    program: Annotated[
        Text,
        Field(description="The program, in the subset of Python's syntax that specs/README.md describes."),
    ]
    source: Annotated[SourceEntry, Field(description="Where the behaviour is documented.")] = SourceEntry()
    level: Annotated[
        int,
        Field(
            ge=1,
            le=6,
            description="What an engine must have come to: 1 scalars and a few operators, 2 accumulation, "
            "shapes, broadcasting and flags, 3 modes, retain_graph, detach and errors, 4 in-place writes, "
            "versions and higher order, 5 hooks, custom functions and views, 6 all of it.",
        ),
    ] = 1
    fixed: Annotated[
        Text | None,
        Field(description="Why the scenario has no free variable; only one without `let` states it."),
    ] = None
    torch: Annotated[
        str | None,
        Field(
            pattern=r"^[1-9][0-9]?\.[0-9]{1,2}$",
            description="The oldest PyTorch that behaves so, where an older one is supported too.",
        ),
    ] = None
    aliases: Annotated[tuple[Id, ...], Field(description="Former ids of this scenario.")] = ()
    dtypes: Annotated[
        tuple[DtypeName, ...],
        Field(min_length=1, description="The dtypes it runs on; without it, float32 and float64."),
    ] = ("float32", "float64")
    device: Annotated[
        DeviceWord | None,
        Field(
            description="What it needs of the device that it runs on. other: any device but the CPU; cpu: "
            "the CPU. On one that will not do it is not run, and the run says so."
        ),
    ] = None
    let: Annotated[
        dict[Annotated[str, Field(pattern=VARIABLE_PATTERN)], VariableEntry],
        Field(
            max_length=MAX_VARIABLES,
            description="The free variables: for each name its domain and its documented example.",
        ),
    ] = {}


class SpecFile(Entry):
    """A file of the corpus: one feature and its scenarios."""

    version: Annotated[
        Literal[1],
        BeforeValidator(no_boolean),
        Field(alias="schema", description="The version of this form: 1."),
    ]
    feature: Annotated[
        str, Field(pattern=FEATURE_PATTERN, description="The feature, in kebab-case: grad-modes")
    ]
    about: Annotated[Text | None, Field(description="What the feature is, in a sentence or two.")] = None
    scenarios: Annotated[tuple[ScenarioEntry, ...], Field(min_length=1, description="The scenarios.")]
