"""The base for engines that took over torch's words, but not all of its names for arguments.

    class Mine(NamesakeEngine):
        def made(self, tensor, *, requires_grad): ...      # numbers in
        def to_torch(self, handle): ...                    # and out

    Mine(mine, tensor=mine.Tensor, name="mine", words={"movedim": "moveaxis"}, operators={}, dtypes=...,
         attributes=...)

Each operator is looked for under torch's word, and each argument is handed over by its name: what means
something else has another name (`num_or_sections` is no `split_size`), and is unsupported.
"""

from __future__ import annotations

import ast
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from inspect import Parameter, Signature
from typing import TYPE_CHECKING, Any

from gradconform.engines.base import Handle
from gradconform.engines.by_table import PLAIN
from gradconform.engines.method_like import form_of
from gradconform.engines.torch_like import IN_PLACE, SYMBOLS, TorchLikeEngine
from gradconform.errors import Unsupported
from gradconform.program.vocabulary import (
    AUTOGRAD_BACKWARD,
    AUTOGRAD_GRAD,
    BACKWARD,
    OPERATORS,
    RANDOM,
    Operator,
)

if TYPE_CHECKING:
    import torch

SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "input": ("x", "self", "var", "logit", "values", "tensor"),
    "other": ("y",),
    **dict.fromkeys(("tensors", "A", "a", "x1", "dividend", "array", "L"), ("x", "input", "ndarray")),
    **dict.fromkeys(("exponent", "end", "B", "b", "x2", "tensor", "vec2"), ("y", "other", "stop", "x")),
    **dict.fromkeys(("mat1", "batch1"), ("x",)),
    **dict.fromkeys(("mat2", "batch2"), ("y",)),
    "input1": ("input", "x1"),
    "input2": ("other", "x2"),
    "anchor": ("input",),
    "elements": ("x",),
    "test_elements": ("test_x",),
    "boundaries": ("sorted_sequence",),
    **dict.fromkeys(("dim", "dims", "dimension"), ("axis", "axes", "perm", "repeat_times")),
    **{f"dim{number}": (f"axis{number}",) for number in (1, 2)},
    **{f"{end}_dim": (f"{own}_axis",) for end, own in (("start", "start"), ("end", "stop"))},
    **dict.fromkeys(("shape", "size", "sizes"), ("shape", "shape_or_dtype", "axes", "out_shape")),
    "source": ("value",),
    "values": ("value", "y"),
    "src": ("values", "y"),
    "diagonal": ("offset",),
    "steps": ("num",),
    "n": ("num_rows",),
    "m": ("num_columns",),
    "ord": ("p",),
    "target": ("label",),
    "eps": ("epsilon",),
    "lambd": ("threshold",),
    "maxnorm": ("max_norm",),
    **{f"{end}_val": (end,) for end in ("min", "max")},
    "return_indices": ("return_mask",),
    **{one: (f"{one}s",) for one in ("kernel_size", "output_size", "stride", "padding", "dilation")},
    "indices_or_sections": ("num_or_indices",),
    "split_size": ("split_size_or_sections",),
    "gradient": ("grad_tensor",),
}
"""What engines call torch's parameters; its own names come first."""


class NamesakeEngine(TorchLikeEngine):
    """An engine that has torch's words.

    tensor: its class of tensors; operators are looked for among its methods and then in the module. words:
    where those are that have another word there. operators: its functions with torch's arguments, for words
    that mean something else to it; None for those that it lacks. dtypes: its dtypes by torch's names.
    attributes: what reads each attribute of a tensor that it has. lacking: what exceptions say that mean that
    it does not have something. policies: the conventions of its own that it declares.

    Raises Unsupported for random numbers, which are no other engine's, and for classes, whose protocols are
    seldom torch's.
    """

    def __init__(
        self,
        module: Any,
        *,
        tensor: type,
        name: str,
        words: Mapping[str, str],
        operators: Mapping[str, Callable[..., Any] | None],
        dtypes: Mapping[str, Any],
        attributes: Mapping[str, Callable[[Handle], Any]],
        lacking: Sequence[str] = (),
        policies: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(module, name=name, torch_errors=False)
        self._tensor_type = tensor
        self.words = words
        self.operators = operators
        self.dtypes = dtypes
        self.lacking = lacking
        self.attributes = {word: self._asking(word, read) for word, read in attributes.items()}
        self.policies = policies or {}
        self._rows: dict[str, Operator | None] = {}
        self._backward = self._called("backward", "backward", BACKWARD)
        self._backward_function = self._called("autograd.backward", "autograd.backward", AUTOGRAD_BACKWARD)
        self._grad = self._called("grad", "autograd.grad", AUTOGRAD_GRAD)

    # what an adapter writes

    @abstractmethod
    def made(self, tensor: torch.Tensor, *, requires_grad: bool) -> Handle:
        """A new tensor with a CPU tensor's numbers, shape and dtype, which is one of `dtypes`."""

    # tensors in

    def from_torch(self, tensor: torch.Tensor, *, requires_grad: bool = False) -> Handle:
        if tensor.device.type != "cpu":
            raise Unsupported(f"device {tensor.device.type}")
        self.dtype(str(tensor.dtype).removeprefix("torch."))
        return self.made(tensor, requires_grad=requires_grad)

    # what programs do

    def operation(self, name: str) -> Callable[..., Any]:
        # A process of its own reads the operator tables late, and a word may have a second signature then.
        row = OPERATORS.get(name)
        if self._rows.get(name) is not row:
            self._rows[name] = row
            self._operations.pop(name, None)
        return super().operation(name)

    def _resolve(self, name: str) -> Callable[..., Any]:
        if name in IN_PLACE:
            return self._writing(name)
        if name in SYMBOLS or name in PLAIN:
            return self._asking(name, super()._resolve(name))
        return self._namesake(OPERATORS[name])

    def _namesake(self, row: Operator) -> Callable[..., Any]:
        """The engine's operator of that name. Raises Unsupported where it has none."""
        own = self.operators.get(row.word, _MISSING)
        if own is None or row.name in RANDOM or row.word.rpartition(".")[2][:1].isupper():
            raise Unsupported(f"operator {row.word}")
        if callable(own):
            return self._asking(row.word, checked(own, row.word))
        signatures = (row.signature, row.further) if row.further else (row.signature,)
        return self._called(row.word, self.words.get(row.word, row.word), *signatures)

    def _called(self, feature: str, path: str, *signatures: str) -> Callable[..., Any]:
        """What stands at a path, called with torch's arguments by their names."""
        found = getattr(self._tensor_type, path, None)
        if found is None:
            found = self.lookup(path)
        return self._asking(feature, by_name(found, feature, signatures))

    def _writing(self, name: str) -> Callable[..., Any]:
        """`x += v`: of a tensor it is the method; of anything else it is Python's own."""
        on_tensor, on_others = self._namesake(OPERATORS[name]), IN_PLACE[name]

        def call(handle: Any, *arguments: Any, **options: Any) -> Any:
            if handle is None or self.is_tensor(handle):
                return on_tensor(handle, *arguments, **options)
            return on_others(handle, *arguments, **options)

        return call

    def _asking(self, feature: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Asks the engine. Raises Unsupported where it says that it has no such thing."""

        def call(*arguments: Any, **options: Any) -> Any:
            try:
                return _plain(function(*arguments, **options))
            except Exception as error:
                if any(words in str(error) for words in self.lacking):
                    raise Unsupported(f"{feature}: {_in_short(error)}") from error
                raise

        return call

    def backward(self, *arguments: Any, **options: Any) -> None:
        self._backward(*arguments, **options)

    def backward_function(self, *arguments: Any, **options: Any) -> None:
        self._backward_function(*arguments, **options)

    def grad(self, *arguments: Any, **options: Any) -> tuple[Handle | None, ...]:
        return self._grad(*arguments, **options)  # type: ignore[no-any-return]

    def base(self, name: str) -> type:
        raise Unsupported(f"class {name}")

    def get(self, handle: Handle, attribute: str) -> Any:
        if not self.is_tensor(handle):
            return super().get(handle, attribute)
        if attribute not in self.attributes:
            raise Unsupported(f"attribute {attribute}")
        return self.attributes[attribute](handle)

    def peek(self, handle: Handle, attribute: str) -> Any:
        found = super().peek(handle, attribute)
        if attribute != "dtype":
            return found
        return next((name for name, own in self.dtypes.items() if own == found), str(found))

    def device(self, handle: Handle) -> str:  # noqa: ARG002 - their devices are none of torch's
        return "cpu"

    def dtype(self, name: str) -> Any:
        if name not in self.dtypes:
            raise Unsupported(f"dtype {name}")
        return self.dtypes[name]


def checked(function: Callable[..., Any], feature: str) -> Callable[..., Any]:
    """A function that raises Unsupported where it is called with what it does not take."""
    form = form_of(function)

    def call(*arguments: Any, **options: Any) -> Any:
        try:
            form.bind(*arguments, **options)
        except TypeError as error:
            raise Unsupported(f"operator {feature} ({error})") from None
        return function(*arguments, **options)

    return call


def by_name(function: Callable[..., Any], feature: str, signatures: Sequence[str]) -> Callable[..., Any]:
    """A function called with torch's arguments, each by its name.

    signatures: torch's, of which a call fits one. What torch's defaults are is handed over too, where the
    function's own are others. A function of C that does not tell its parameters is called as it is.

    The function raises Unsupported for an argument that the engine does not have.
    """
    theirs = form_of(function).parameters
    if any(each.kind in {Parameter.VAR_KEYWORD, Parameter.VAR_POSITIONAL} for each in theirs.values()):
        return function
    first = next(iter(theirs), None)
    forms = [_form(signature) for signature in signatures]

    def call(*arguments: Any, **options: Any) -> Any:
        given, form = _bound(forms, arguments, options)
        own: dict[str, Any] = {}
        for name, parameter in form.parameters.items():
            known = next(
                (one for one in (name, *SYNONYMS.get(name, ())) if one in theirs and one not in own), None
            )
            if name not in given:
                if known is not None and _otherwise(parameter.default, theirs[known].default):
                    own[known] = parameter.default
            elif known is not None:
                several = parameter.kind is Parameter.VAR_POSITIONAL
                own[known] = _sizes(given[name]) if several else given[name]
            elif given[name] is not parameter.default and given[name] != parameter.default:
                raise Unsupported(f"operator {feature}({name}=...)")
        # Those of C take their first argument by its place alone.
        return function(own.pop(first), **own) if first in own else function(**own)

    return call


def _bound(
    forms: Sequence[Signature], arguments: tuple[Any, ...], options: Mapping[str, Any]
) -> tuple[Mapping[str, Any], Signature]:
    """The arguments of a call by torch's names, and the signature that they fit."""
    *others, last = forms
    for form in others:
        try:
            return form.bind(*arguments, **options).arguments, form
        except TypeError:
            continue
    return last.bind(*arguments, **options).arguments, last


def _form(signature: str) -> Signature:
    """Torch's signature, with its defaults as values."""
    form = Operator("", signature).call
    return form.replace(
        parameters=[
            each if each.default is Parameter.empty else each.replace(default=_value(each.default))
            for each in form.parameters.values()
        ]
    )


def _value(text: str) -> Any:
    """A default: a literal, or a word without its quotes."""
    try:
        return ast.literal_eval(text)
    except ValueError:
        return text


def _otherwise(torchs: Any, own: Any) -> bool:
    """Whether the engine would take another default than torch, where both have one."""
    return not any(each is None or each is Parameter.empty for each in (torchs, own)) and torchs != own


def _sizes(given: Sequence[Any]) -> list[Any]:
    """`2, 3` and `(2, 3)` alike."""
    first = given[0] if len(given) == 1 else given
    return list(first) if isinstance(first, tuple | list) else list(given)


_MISSING = object()


def _plain(result: Any) -> Any:
    """Several results as a plain tuple, as torch gives them."""
    if isinstance(result, tuple | list) and type(result) is not tuple and hasattr(result, "__iter__"):
        return tuple(result)
    return result


def _in_short(error: Exception) -> str:
    """The first sentence of what an exception says."""
    lines = filter(None, map(str.strip, str(error).splitlines()))
    return next(lines, type(error).__name__).partition(". ")[0]
