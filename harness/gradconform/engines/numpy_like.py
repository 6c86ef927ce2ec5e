"""Torch's operators in the words of numpy, for every engine whose functions are called as numpy's.

    table = operators(jax.numpy)

What the engine's module does not have is not in the table, and nothing is put together from several of its
functions: an operator that numpy has no single word for is the engine's own to add, or unsupported. What
remains here is torch's order of arguments, `dim` for `axis`, and its pairs of values and indices.
"""

from __future__ import annotations

import operator as python
from collections.abc import Callable, Container, Mapping, Sequence
from functools import partial
from typing import Any

from gradconform.engines.numpy_words import ALONG, BINARY, CASTS, FOURIER, REDUCTIONS, SPELLINGS, UNARY
from gradconform.engines.torch_like import SYMBOLS
from gradconform.errors import Unsupported

Array = Any
Operators = dict[str, Callable[..., Any]]


class Names:
    """A module, or several, whose missing names are unsupported."""

    def __init__(self, *modules: Any) -> None:
        self._modules = modules

    def __getattr__(self, path: str) -> Any:
        return self.at(path)

    def at(self, path: str) -> Any:
        """As `find`. Raises Unsupported where none has it."""
        found = self.find(path)
        if found is None:
            raise Unsupported(f"function {path}")
        return found

    def find(self, path: str) -> Any:
        """What stands at a dotted path, or at another spelling of it, in the first module that has it; None
        where none has."""
        for spelling in (path, SPELLINGS.get(path, path)):
            for module in self._modules:
                found = module
                for part in spelling.split("."):
                    found = getattr(found, part, None)
                if found is not None:
                    return found
        return None


def operators(*modules: Any, dtypes: Mapping[str, Any], without: Container[str] = ()) -> Operators:
    """Torch's operators over the functions of these modules, the first that has one.

    dtypes: the engine's dtypes by torch's names. without: operators that are not to be in the table.
    """
    np = Names(*modules)
    table: Operators = {**SYMBOLS}
    del table["setitem"]
    for kinds, made in ((UNARY, _unary), (BINARY, _binary), (REDUCTIONS, _reduction), (ALONG, _along)):
        table |= {name: made(found) for name, word in kinds.items() if (found := np.find(word))}
    for name in FOURIER:
        if found := np.find(f"fft.{name}"):
            table[f"fft.{name}"] = _fourier(found)
    table |= {name: partial(_cast, dtypes, wanted) for name, wanted in CASTS.items()}
    table["to"] = partial(_to, tuple(dtypes.values()))
    table |= _told() | _shapes(np) | _places(np) | _reductions(np) | _networks(np) | _made(np)
    return {word: function for word, function in table.items() if word not in without}


def _told() -> Operators:
    """What arrays tell of themselves."""
    return {
        "item": lambda input: input.item(),
        "numel": lambda input: input.size,
        "dim": lambda input: input.ndim,
    }


def _unary(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda input: function(input)


def _binary(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda input, other: function(input, other)


def _reduction(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda input, dim=None, keepdim=False: function(input, axis=_axis(dim), keepdims=keepdim)


def _along(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda input, dim: function(input, axis=dim)


def _fourier(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda input, n=None, dim=-1, norm=None: function(input, axis=dim, **_named(n=n, norm=norm))


def _cast(dtypes: Mapping[str, Any], name: str, input: Array) -> Array:
    if name not in dtypes:
        raise Unsupported(f"dtype {name}")
    return input.astype(dtypes[name])


def _to(dtypes: tuple[Any, ...], input: Array, dtype: Any, *, copy: bool = False) -> Array:  # noqa: ARG001 - memory is not shown
    if not any(dtype is own for own in dtypes):
        raise Unsupported("another tensor or a device")
    return input.astype(dtype)


def _axis(dim: Any) -> Any:
    """Torch's dims as numpy's axes: an empty list is all of them."""
    return (tuple(dim) or None) if isinstance(dim, tuple | list) else dim


def _sizes(given: Sequence[Any]) -> tuple[int, ...]:
    """`2, 3` and `(2, 3)` alike."""
    first = given[0] if len(given) == 1 else given
    return tuple(first) if isinstance(first, tuple | list) else tuple(given)


def _shapes(np: Names) -> Operators:
    """What changes shapes and puts tensors together."""

    def squeeze(input: Array, dim: Any = None) -> Array:
        if dim is None:
            return np.squeeze(input)
        # torch lets a dimension of another size than 1 stand; numpy refuses it.
        dims = dim if isinstance(dim, tuple | list) else (dim,)
        ones = tuple(one for one in dims if input.shape[one] == 1)
        return np.squeeze(input, axis=ones) if ones else np.reshape(input, tuple(input.shape))

    def expand(input: Array, *shape: Any) -> Array:
        sizes = _sizes(shape)
        own = (1,) * (len(sizes) - input.ndim) + tuple(input.shape)
        return np.broadcast_to(
            input, tuple(old if size == -1 else size for size, old in zip(sizes, own, strict=True))
        )

    def flatten(input: Array, start_dim: int = 0, end_dim: int = -1) -> Array:
        start, end = (dim % max(input.ndim, 1) for dim in (start_dim, end_dim))
        shape = tuple(input.shape)
        length = 1
        for size in shape[start : end + 1]:
            length *= size
        return np.reshape(input, (*shape[:start], length, *shape[end + 1 :]))

    def split(input: Array, split_size: Any, dim: int = 0) -> Array:
        """In parts of one size, of which the last may be smaller, or of these sizes."""
        if isinstance(split_size, int):
            cuts = list(range(split_size, input.shape[dim], split_size))
        else:
            cuts = [sum(split_size[: end + 1]) for end in range(len(split_size) - 1)]
        return np.split(input, cuts, axis=dim)

    def transpose(input: Array, dim0: int, dim1: int) -> Array:
        return np.swapaxes(input, dim0, dim1)

    def t(input: Array) -> Array:
        if input.ndim > 2:  # torch refuses it; numpy has no such word that could
            raise Unsupported("t of more than two dimensions")
        return np.transpose(input)

    def repeat(input: Array, *repeats: Any) -> Array:
        sizes = _sizes(repeats)
        if len(sizes) < input.ndim:  # the same
            raise Unsupported("repeat in fewer dimensions")
        return np.tile(input, sizes)

    def at_least(word: str) -> Callable[..., Any]:
        def call(*tensors: Any) -> Any:
            given = tensors[0] if isinstance(tensors[0], tuple | list) else tensors
            return getattr(np, word)(*given)

        return call

    return {
        "reshape": lambda input, *shape: np.reshape(input, _sizes(shape)),
        "view": lambda input, *shape: np.reshape(input, _sizes(shape)),
        "flatten": flatten,
        "transpose": transpose,
        "swapaxes": transpose,
        "swapdims": transpose,
        "t": t,
        "T": lambda input: np.transpose(input),
        "mT": lambda input: np.swapaxes(input, -1, -2),
        "permute": lambda input, *dims: np.transpose(input, _sizes(dims)),
        "movedim": lambda input, source, destination: np.moveaxis(input, source, destination),
        "unsqueeze": lambda input, dim: np.expand_dims(input, dim),
        "squeeze": squeeze,
        "expand": expand,
        "expand_as": lambda input, other: expand(input, *other.shape),
        "broadcast_to": lambda input, size: expand(input, size),
        "cat": lambda tensors, dim=0: np.concatenate(tensors, axis=dim),
        "concat": lambda tensors, dim=0: np.concatenate(tensors, axis=dim),
        "stack": lambda tensors, dim=0: np.stack(tensors, axis=dim),
        "hstack": lambda tensors: np.hstack(tensors),
        "vstack": lambda tensors: np.vstack(tensors),
        "tile": lambda input, *dims: np.tile(input, _sizes(dims)),
        "repeat": repeat,
        "repeat_interleave": lambda input, repeats, dim=None: np.repeat(input, repeats, axis=dim),
        "roll": lambda input, shifts, dims=None: np.roll(input, shifts, axis=dims),
        "flip": lambda input, *dims: np.flip(input, axis=_sizes(dims)),
        "rot90": lambda input, k=1, **dims: np.rot90(input, k, **_named(axes=dims.get("dims"))),
        "split": split,
        "split_with_sizes": split,
        "chunk": lambda input, chunks, dim=0: split(input, -(-input.shape[dim] // chunks), dim),
        "broadcast_tensors": lambda *tensors: np.broadcast_arrays(*tensors),
        "atleast_1d": at_least("atleast_1d"),
        "atleast_2d": at_least("atleast_2d"),
        "clone": lambda input: np.copy(input),
    }


def _named(**options: Any) -> dict[str, Any]:
    """Options that were given; the others are left to the engine."""
    return {name: value for name, value in options.items() if value is not None}


def _places(np: Names) -> Operators:
    """What takes elements from places."""

    def select(input: Array, dim: int, index: int) -> Array:
        return python.getitem(input, _at(input, dim, index))

    def narrow(input: Array, dim: int, start: int, length: int) -> Array:
        return python.getitem(input, _at(input, dim, slice(start, start + length)))

    def masked_select(input: Array, mask: Array) -> Array:
        if input.shape != mask.shape:
            raise Unsupported("a mask that broadcasts")
        return python.getitem(input, mask)

    def indexed(index: Any) -> Any:
        if isinstance(index, tuple):
            return tuple(map(indexed, index))
        return np.array(index) if isinstance(index, list) else index

    return {
        "getitem": lambda input, index: python.getitem(input, indexed(index)),
        "select": select,
        "narrow": narrow,
        "unbind": lambda input, dim=0: tuple(select(input, dim, at) for at in range(input.shape[dim])),
        "diagonal": lambda input, offset=0, dim1=0, dim2=1: np.diagonal(input, offset, dim1, dim2),
        "diag": lambda input, diagonal=0: np.diag(input, diagonal),
        "tril": lambda input, diagonal=0: np.tril(input, diagonal),
        "triu": lambda input, diagonal=0: np.triu(input, diagonal),
        "trace": lambda input: np.trace(input),
        "gather": lambda input, dim, index: np.take_along_axis(input, index, axis=dim),
        "take_along_dim": lambda input, indices, dim=None: np.take_along_axis(input, indices, axis=dim),
        "index_select": lambda input, dim, index: np.take(input, index, axis=dim),
        "take": lambda input, index: np.take(input, index),
        "where": lambda condition, input, other: np.where(condition, input, other),
        "clamp": lambda input, min=None, max=None: np.clip(input, min, max),
        "masked_select": masked_select,
        "nan_to_num": lambda input, **replaced: np.nan_to_num(input, **replaced),
    }


def _at(input: Array, dim: int, index: Any) -> tuple[Any, ...]:
    return (*[slice(None)] * (dim % input.ndim), index)


def _kept(keepdim: bool) -> dict[str, bool]:
    """`keepdims`, where it is asked for: the searches of some engines do not take it."""
    return {"keepdims": True} if keepdim else {}


def _reductions(np: Names) -> Operators:
    """What comes with its places, or with options of its own."""

    def extreme(word: str) -> Callable[..., Any]:
        def call(input: Array, dim: Any = None, keepdim: bool = False) -> Any:
            function = getattr(np, word)
            if dim is None:
                return function(input)
            if not isinstance(dim, int):
                return getattr(np, f"{word}imum")(input, dim)
            places = getattr(np, f"arg{word}")(input, axis=dim, **_kept(keepdim))
            return function(input, axis=dim, keepdims=keepdim), places

        return call

    def spread(word: str) -> Callable[..., Any]:
        return lambda input, dim=None, *, correction=1, keepdim=False: getattr(np, word)(
            input, axis=_axis(dim), ddof=correction, keepdims=keepdim
        )

    def sort(input: Array, dim: int = -1) -> tuple[Array, Array]:
        return np.sort(input, axis=dim), np.argsort(input, axis=dim)

    def norm(input: Array, p: Any = 2, dim: Any = None, keepdim: bool = False) -> Array:
        if p in {"fro", 2} and dim is None and not keepdim:
            return np.at("linalg.norm")(input)
        axis = _axis(dim)
        if input.ndim != 1 and not isinstance(axis, int):
            raise Unsupported("norms over several dimensions")
        return np.at("linalg.norm")(input, ord=2 if p == "fro" else p, axis=axis, keepdims=keepdim)

    def vector_norm(x: Array, ord: Any = 2, dim: Any = None, keepdim: bool = False) -> Array:
        return norm(x, ord, dim, keepdim)

    def norm_of_order(A: Array, ord: Any = None, dim: Any = None, keepdim: bool = False) -> Array:  # noqa: N803 - torch's name
        if ord is None:
            return norm(A, 2, dim, keepdim)
        return np.at("linalg.norm")(A, ord=ord, axis=_axis(dim), keepdims=keepdim)

    found: Operators = {
        "max": extreme("max"),
        "min": extreme("min"),
        "std": spread("std"),
        "var": spread("var"),
        "sort": sort,
        "argmax": lambda input, dim=None, keepdim=False: np.argmax(input, axis=dim, **_kept(keepdim)),
        "argmin": lambda input, dim=None, keepdim=False: np.argmin(input, axis=dim, **_kept(keepdim)),
        "argsort": lambda input, dim=-1: np.argsort(input, axis=dim),
        "median": lambda input: np.median(input),
        "quantile": lambda input, q, dim=None, keepdim=False: np.quantile(
            input, q, axis=dim, keepdims=keepdim
        ),
        "einsum": lambda equation, *operands: np.einsum(equation, *operands),
        "tensordot": lambda a, b, dims=2: np.tensordot(a, b, dims),
        "cross": lambda input, other, dim=-1: np.cross(input, other, axis=dim),
        "linalg.cross": lambda input, other, *, dim=-1: np.cross(input, other, axis=dim),
        "linalg.matrix_power": lambda A, n: np.at("linalg.matrix_power")(A, n),  # noqa: N803 - torch's name
    }
    if np.find("linalg.norm"):
        found |= {"norm": norm, "linalg.vector_norm": vector_norm, "linalg.norm": norm_of_order}
    return found


def _networks(np: Names) -> Operators:
    """Activations with options of their own, where the engine has them under these names."""
    table: Operators = {
        "leaky_relu": lambda input, negative_slope=0.01: np.leaky_relu(input, negative_slope),
        "elu": lambda input, alpha=1.0: np.elu(input, alpha),
        "celu": lambda input, alpha=1.0: np.celu(input, alpha),
    }
    return {f"nn.functional.{name}": function for name, function in table.items() if np.find(name)}


def _made(np: Names) -> Operators:
    """Factories."""

    def arange(start: Any, end: Any = None, step: Any = 1, *, dtype: Any = None) -> Array:
        first, last = (0, start) if end is None else (start, end)
        return np.arange(first, last, step, dtype=dtype)

    return {
        "zeros": lambda *size, dtype=None: np.zeros(_sizes(size), dtype=dtype),
        "ones": lambda *size, dtype=None: np.ones(_sizes(size), dtype=dtype),
        "full": lambda size, fill_value, *, dtype=None: np.full(tuple(size), fill_value, dtype=dtype),
        "arange": arange,
        "eye": lambda n, m=None, *, dtype=None: np.eye(n, m, dtype=dtype),
        "linspace": lambda start, end, steps, *, dtype=None: np.linspace(start, end, steps, dtype=dtype),
        "zeros_like": lambda input, *, dtype=None: np.zeros_like(input, **_named(dtype=dtype)),
        "ones_like": lambda input, *, dtype=None: np.ones_like(input, **_named(dtype=dtype)),
        "full_like": lambda input, fill_value, *, dtype=None: np.full_like(
            input, fill_value, **_named(dtype=dtype)
        ),
    }
