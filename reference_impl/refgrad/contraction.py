"""`einsum`: sums of products that an equation states."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from .arrangement import diagonal, movedim
from .shapes import bmm, permute, reshape, sum, unsqueeze, view  # noqa: A004 - torch's name
from .tensor import Tensor

TORCH = ("einsum",)

# A label of a dimension: a letter, or under an ellipsis its place from the right, a negative int.
_Label = str | int


def einsum(equation: Any, *operands: Any) -> Tensor:
    """Return the sum of products that `equation` ("ij,jk->ik") states.

    Without "->" the result has the ellipsis and then the letters that occur once, in alphabetical order. A
    letter that an operand has twice takes its diagonal; sizes of 1 broadcast. Operands may come as one
    sequence, or each followed by a list of ints that stand for its letters, and the one of the result last.
    Raises RuntimeError for an equation that is not well-formed or does not fit the operands.

    Two operands are multiplied at a time, from the left. Source: `einsum` and `sumproduct_pair` in
    aten/src/ATen/native/Linear.cpp.
    """
    if not isinstance(equation, str):
        equation, operands = _from_lists(equation, operands)
    tensors = list(operands[0]) if isinstance(operands[0], Sequence) else list(operands)
    # torch's errors: nothing is computed without data.
    torch.einsum(equation, *(torch.empty(tensor.shape, device="meta") for tensor in tensors))
    given, arrow, stated = equation.replace(" ", "").partition("->")
    terms = [_labels(term, len(tensor.shape)) for term, tensor in zip(given.split(","), tensors, strict=True)]
    every = {label for term in terms for label in term}
    under = sorted(label for label in every if isinstance(label, int))
    letters = sorted(label for label in every if isinstance(label, str))
    if arrow:
        result = _labels(stated, len(stated.replace("...", "")) + len(under))
    else:
        result = [*under, *(letter for letter in letters if given.count(letter) == 1)]
    labels: list[_Label] = [*under, *letters]
    order = [*result, *(label for label in labels if label not in result)]
    laid = [_laid_out(tensor, term, order) for tensor, term in zip(tensors, terms, strict=True)]
    return _contract(laid, order, len(result))


def _contract(laid: list[Tensor], order: list[_Label], kept: int) -> Tensor:
    """Multiply operands that have all dimensions of `order`; the first `kept` of those remain."""
    product = laid[0]
    for place, operand in enumerate(laid[1:], start=1):
        later = laid[place + 1 :]
        ends = [dim for dim in range(kept, len(order)) if all(each.shape[dim] == 1 for each in later)]
        product = _multiply(product, operand, ends)
    if kept == len(order):
        return product
    if len(laid) == 1:
        return sum(product, range(kept, len(order)))
    return view(product, product.shape[:kept])


def _multiply(left: Tensor, right: Tensor, ends: list[int]) -> Tensor:
    """Return `(left * right).sum(ends, keepdim=True)`, of which a batch of matrix products is made."""
    both: list[int] = []
    only_left: list[int] = []
    only_right: list[int] = []
    inner: list[int] = []
    left, right = _sum_alone(left, right, ends), _sum_alone(right, left, ends)
    for dim in range(len(left.shape)):
        wide_left, wide_right = left.shape[dim] != 1, right.shape[dim] != 1
        if wide_left and wide_right:
            (inner if dim in ends else both).append(dim)
        else:
            (only_left if wide_left else only_right).append(dim)
    if not inner:
        return left * right
    if only_left and only_right and max(only_right) < min(only_left):  # the product has the result's order
        left, right, only_left, only_right = right, left, only_right, only_left

    def sizes(tensor: Tensor, dims: list[int]) -> list[int]:
        return [tensor.shape[dim] for dim in dims]

    def size(tensor: Tensor, dims: list[int]) -> int:
        return torch.Size(sizes(tensor, dims)).numel()

    rows = reshape(
        permute(left, [*both, *only_left, *inner, *only_right]),
        (size(left, both), size(left, only_left), size(left, inner)),
    )
    columns = reshape(
        permute(right, [*both, *inner, *only_right, *only_left]),
        (size(right, both), size(right, inner), size(right, only_right)),
    )
    made = (*sizes(left, both), *sizes(left, only_left), *(1 for _ in inner), *sizes(right, only_right))
    place = [*both, *only_left, *inner, *only_right]
    return permute(view(bmm(rows, columns), made), [place.index(dim) for dim in range(len(place))])


def _sum_alone(tensor: Tensor, other: Tensor, ends: list[int]) -> Tensor:
    """Return the sum over those dimensions of `ends` that the other operand lacks."""
    alone = [dim for dim in ends if tensor.shape[dim] != 1 and other.shape[dim] == 1]
    return sum(tensor, alone, True) if alone else tensor


def _labels(term: str, rank: int) -> list[_Label]:
    """Return the label of each dimension of an operand of `rank`."""
    before, dots, after = term.partition("...")
    covered = rank - len(before) - len(after)
    return [*before, *(range(-covered, 0) if dots else ()), *after]


def _laid_out(tensor: Tensor, term: list[_Label], order: list[_Label]) -> Tensor:
    """Return an operand with one dimension for each label of `order`, of size 1 if it lacks it."""
    labels = list(term)
    for label in order:
        while labels.count(label) > 1:
            first = labels.index(label)
            second = labels.index(label, first + 1)
            tensor = movedim(diagonal(tensor, 0, first, second), -1, first)
            del labels[second]
    for label in order:
        if label not in labels:
            tensor = unsqueeze(tensor, len(labels))
            labels.append(label)
    return permute(tensor, [labels.index(label) for label in order])


def _from_lists(first: Any, rest: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
    """Return the equation and the operands of a call in which each operand is followed by a list of ints."""
    given = (first, *rest)
    count = len(given) // 2
    terms = ",".join(_letters(given[2 * place + 1]) for place in range(count))
    if len(given) % 2:
        terms += f"->{_letters(given[-1])}"
    return terms, tuple(given[2 * place] for place in range(count))


def _letters(labels: Sequence[Any]) -> str:
    """Return ints from 0 to 51 as the letters A to Z and a to z."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    for label in labels:
        if label is not Ellipsis and not 0 <= label < len(alphabet):
            raise ValueError(
                "torch.einsum(): subscript in subscript list is not within the valid range [0, 52)"
            )
    return "".join("..." if label is Ellipsis else alphabet[label] for label in labels)
