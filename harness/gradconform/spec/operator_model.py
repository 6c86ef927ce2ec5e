"""The form of an operator table, field by field: rows that scenarios are derived from.

    schema: 1
    operators: exponentials
    about: exp, log and their relatives.
    docs: torch.html#pointwise-ops
    rows:
    - name: logaddexp
      signature: input, other
      call: logaddexp(x, w)
      let:
        x: {tensor: any, example: [0.0, 1.0], requires_grad: true}
        w: {tensor: broadcastable(x), example: [2.0, 1.0], requires_grad: true}
      dtypes: [float32, float64, bfloat16]

`derive` says which scenarios come of a row.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from gradconform.spec.model import DtypeName, Entry, Literals, Text, VariableEntry, no_boolean
from gradconform.spec.names import FEATURE_PATTERN, VARIABLE_PATTERN

OPERATOR_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$"
FORM_PATTERN = FEATURE_PATTERN

Variables = dict[Annotated[str, Field(pattern=VARIABLE_PATTERN)], VariableEntry]
Name = Annotated[str, Field(pattern=VARIABLE_PATTERN)]
Dtypes = Annotated[tuple[DtypeName, ...], Field(min_length=1)]


class FormEntry(Entry):
    """One way to call an operator."""

    call: Annotated[Text, Field(description="The call, in the step language: sum(x, dim=d, keepdim=k)")]
    let: Annotated[
        Variables,
        Field(description="Variables of this form alone, or in place of the row's of the same name."),
    ] = Field(default_factory=dict)


class RaisesEntry(Entry):
    """An error that is PyTorch's answer."""

    error: Annotated[str, Field(pattern=VARIABLE_PATTERN, description="Its class: RuntimeError")]
    phase: Annotated[Literal["forward", "backward"], Field(description="The call, or the backward after it.")]
    match: Annotated[Text, Field(description="A piece of PyTorch's message, letter for letter.")]


class PointEntry(Entry):
    """What happens at certain inputs: a kink, a border of the domain, a special value."""

    id: Annotated[str, Field(pattern=FORM_PATTERN, description="relu-at-zero; immutable, and each once.")]
    call: Annotated[Text, Field(description="The call, in the step language: relu(x)")]
    results: Annotated[
        tuple[Name, ...],
        Field(
            description="The names of the results, where it gives more than one; what is stated is of `y`, "
            "or of the first that gradients flow into."
        ),
    ] = ()
    constant: Annotated[
        tuple[Name, ...],
        Field(description="The results that no gradient flows into, such as indices; `y` is a single one."),
    ] = ()

    at: Annotated[
        dict[Name, Literals],
        Field(min_length=1, description="The inputs; each is a tensor that requires grad unless `given`."),
    ]
    says: Annotated[Text | None, Field(description="The rule that the point shows, in one sentence.")] = None
    given: Annotated[
        tuple[Name, ...], Field(description="Inputs that require no grad: an index, a target, a mask.")
    ] = ()
    value: Annotated[Literals | None, Field(description="The value there.")] = None
    gradient: Annotated[
        dict[Name, Literals | None],
        Field(description="The gradient of each input, for a cotangent of ones; null where it gets none."),
    ] = Field(default_factory=dict)
    tangent: Annotated[
        Literals | None,
        Field(
            description="The tangent in forward mode, for tangents of ones, where it does not follow from "
            "the gradients; null where there is none."
        ),
    ] = None
    raises: Annotated[
        RaisesEntry | None,
        Field(description="The error, where there is no answer; forward mode is left out."),
    ] = None
    rounded: Annotated[
        bool,
        Field(description="Whether the numbers are rounded ones; otherwise they are exact in every dtype."),
    ] = False
    fixed: Annotated[
        Text | None,
        Field(
            description="Why the numbers stay as they are, where special ones make no sense in their place."
        ),
    ] = None
    signs: Annotated[
        bool, Field(description="Whether the sign of a zero among these numbers is part of the rule.")
    ] = False
    forward_mode: Annotated[
        bool, Field(description="Whether torch has a forward-mode rule; the tangent is then looked at too.")
    ] = True
    dtypes: Annotated[Dtypes, Field(description="The dtypes of the point.")] = ("float32", "float64")
    torch: Annotated[
        str | None,
        Field(pattern=r"^[1-9][0-9]?\.[0-9]{1,2}$", description="The oldest PyTorch that behaves so."),
    ] = None
    quirk: Annotated[
        Text | None,
        Field(description="Why torch's answer here is not what its documentation or the other mode says."),
    ] = None


class RowEntry(Entry):
    """One operator: how it is called, on what, and what it is."""

    name: Annotated[str, Field(pattern=OPERATOR_PATTERN, description="The name under torch: linalg.solve")]
    signature: Annotated[
        str,
        Field(description="As torch documents it, without types: input, dim, keepdim=False, *, dtype=None"),
    ]
    method: Annotated[
        bool, Field(description="Whether it is a method of tensors alone, and no function of torch.")
    ] = False
    call: Annotated[Text | None, Field(description="The call, where there is one form of it.")] = None
    forms: Annotated[
        dict[Annotated[str, Field(pattern=FORM_PATTERN)], FormEntry],
        Field(description="The forms of the call, where there are several, by name."),
    ] = Field(default_factory=dict)
    let: Annotated[
        Variables, Field(description="The tensors and other arguments, with their domains and examples.")
    ] = Field(default_factory=dict)
    results: Annotated[
        tuple[Name, ...], Field(description="The names of the results, where it gives more than one.")
    ] = ()
    constant: Annotated[
        tuple[Name, ...],
        Field(description="The results that no gradient flows into, such as indices; `y` is a single one."),
    ] = ()
    dtypes: Annotated[Dtypes, Field(description="The dtypes in which it is differentiated.")] = (
        "float32",
        "float64",
    )
    view: Annotated[bool, Field(description="Whether the result shares memory with its first input.")] = False
    in_place: Annotated[
        Text | None,
        Field(description="The in-place form, written to `a`, a copy of the first tensor: a.exp_()"),
    ] = None
    linear: Annotated[
        tuple[Name, ...], Field(description="The inputs in which it is linear, each for itself.")
    ] = ()
    numbers: Annotated[
        tuple[Name, ...], Field(description="The tensors for which a Python number may stand.")
    ] = ()
    promotes: Annotated[
        tuple[Name, ...], Field(description="The tensors that may have another dtype than the first.")
    ] = ()
    second_order: Annotated[
        bool, Field(description="Whether its gradient has a gradient: not where that is constant zero.")
    ] = True
    forward_mode: Annotated[bool, Field(description="Whether torch has a forward-mode rule.")] = True
    kinks: Annotated[
        dict[Name, tuple[float, ...]],
        Field(description="For functions of single numbers: where an input has no derivative."),
    ] = Field(default_factory=dict)
    docs: Annotated[Text | None, Field(description="The page of PyTorch's documentation.")] = None
    torch: Annotated[
        str | None,
        Field(pattern=r"^[1-9][0-9]?\.[0-9]{1,2}$", description="The oldest PyTorch that behaves so."),
    ] = None


class OperatorFile(Entry):
    """An operator table: one family."""

    version: Annotated[
        Literal[1],
        BeforeValidator(no_boolean),
        Field(alias="schema", description="The version of this form: 1."),
    ]
    operators: Annotated[str, Field(pattern=FEATURE_PATTERN, description="The family, in kebab-case.")]
    about: Annotated[Text, Field(description="What the family is.")]
    docs: Annotated[Text, Field(description="The page of PyTorch's documentation that lists the family.")]
    rows: Annotated[tuple[RowEntry, ...], Field(min_length=1, description="The operators.")]


class PointFile(Entry):
    """A table of points: kinks, borders and special values, with what is measured there."""

    version: Annotated[
        Literal[1],
        BeforeValidator(no_boolean),
        Field(alias="schema", description="The version of this form: 1."),
    ]
    points: Annotated[str, Field(pattern=FEATURE_PATTERN, description="What the points are of.")]
    about: Annotated[Text, Field(description="What the points show.")]
    docs: Annotated[Text, Field(description="The page of PyTorch's documentation that has the rule.")]
    rows: Annotated[tuple[PointEntry, ...], Field(min_length=1, description="The points.")]
