"""The programs of a sample: its call with a gradient, with a gradient of the gradient, in place, and refused.

Each output that requires grad gets a cotangent of random numbers. Of second order, the first gradients get
cotangents in their turn, and are differentiated by the inputs and by the first cotangents. Where torch
refuses a part of that, the program expects it to.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch

from gradconform.opinfo.record import Recorder, Recording, Unrecordable, require_strided, seeded, tensors
from gradconform.opinfo.samples import Entry, Sample
from gradconform.oracle.failures import nearest_builtin
from gradconform.program.script import SEED
from gradconform.program.steps import Delete, Expect, Grad, Items, Program, Ref, Step
from gradconform.sources import Given
from gradconform.trace import ErrorSeen

PARTS = ("first order", "second order", "in place", "error")
"""What the programs of an entry are about."""


def programs(entry: Entry, dtype: str, seed: int, device: str = "cpu", *, errors: bool) -> Iterator[Given]:
    """The programs of an entry in a dtype. seed: of the samples and cotangents. errors: whether the calls
    that torch refuses, which have dtypes of their own, are among them."""
    with _quietly(seed):
        samples = entry.samples(dtype)
    for number, sample in enumerate(samples):
        yield from _given(sample, number, device, seed, PARTS[:2])
    for number, sample in enumerate(samples):
        changing = entry.in_place(sample)
        if changing is not None:
            yield from _given(changing, number, device, seed, PARTS[2:3])
    if errors:
        with _quietly(seed):
            refused = entry.errors()
        for number, sample in enumerate(refused):
            yield from _given(sample, number, device, seed, PARTS[3:])


def _given(sample: Sample, number: int, device: str, seed: int, parts: Sequence[str]) -> Iterator[Given]:
    for part in parts:
        try:
            with warnings.catch_warnings(), torch.random.fork_rng(devices=()):
                warnings.simplefilter("ignore")
                torch.default_generator.manual_seed(SEED)
                program = _Case(sample, device, seed + number).program(part)
        except Unrecordable as lack:
            yield Given(part, number, Program((), ()), f"recording {lack}")
            return  # the other parts lack the same
        if program is not None:
            yield Given(part, number, program)


@contextmanager
def _quietly(seed: int) -> Iterator[None]:
    with seeded(seed), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class _Case:
    """One sample as it was recorded."""

    def __init__(self, sample: Sample, device: str, seed: int) -> None:
        self.sample = sample
        self.recording = Recording(device)
        self.storages = _shared_storages(sample)
        self.generator = torch.Generator().manual_seed(seed)
        self.leaves: dict[int, torch.Tensor] = {}
        self.refusal: tuple[Step, ...] = ()
        x = self.rebuilt(sample.input, "x")
        arguments = [self.rebuilt(value, f"a{index}") for index, value in enumerate(sample.arguments)]
        options = {name: self.rebuilt(value, name) for name, value in sample.options.items()}
        recorder = Recorder(self.recording)
        self.outputs: list[torch.Tensor] = []
        try:
            with recorder:
                outputs = sample.run(x, *arguments, **options)
        except Unrecordable:
            raise
        except Exception as error:  # noqa: BLE001 - whatever torch raises is what it has to say
            # What is refused before torch looks for a mode has not been told to the recorder.
            refused = recorder.refused or self.recording.call(
                sample.operator, (x, *arguments), options, worded=False
            )
            # What a call that was refused has left in the tensor it was to write to, nobody has set.
            unset = (Delete(self.recording.ref(one).name) for one in tensors(options.get("out")))
            self.refusal = (Expect(_error(error), (refused,)), *unset)
        else:
            self.outputs = [one for one in tensors(outputs) if self.recording.knows(one)]

    def rebuilt(self, value: Any, stem: str) -> Any:
        """The tensors of a sample as inputs of the program."""
        match value:
            case torch.Tensor():
                if id(value) not in self.leaves:
                    self.leaves[id(value)] = self._made(value, stem)
                return self.leaves[id(value)]
            case list():
                return [self.rebuilt(item, f"{stem}_{index}") for index, item in enumerate(value)]
            case tuple() if type(value) is tuple:
                return tuple(self.rebuilt(item, f"{stem}_{index}") for index, item in enumerate(value))
            case dict():
                return {key: self.rebuilt(item, f"{stem}_{key}") for key, item in value.items()}
            case _:
                return value

    def _made(self, value: torch.Tensor, stem: str) -> torch.Tensor:
        """An input like a tensor of the sample; where others of them have its memory, a view of an input that
        is all of this memory."""
        address = _address(value)
        if address not in self.storages:
            return self.recording.input(stem, value, requires_grad=value.requires_grad)
        storage = self.storages[address]
        if storage is None:
            everything = value.new_empty(0).set_(value.untyped_storage())
            storage = self.storages[address] = self.recording.input("memory", everything, requires_grad=False)
        with Recorder(self.recording):
            return torch.as_strided(storage, value.shape, value.stride(), value.storage_offset())

    def program(self, part: str) -> Program | None:
        """The program of a part; None where the sample has none."""
        if self.refusal:
            return None if part == "second order" else self.recording.program(*self.refusal)
        if part == "error":
            if self._refused():
                raise Unrecordable("a call that torch does not refuse with tensors of their own memory")
            # Listed among the errors, but torch takes it; of numbers alone it is none of torch.
            return self.recording.program() if self.recording.steps else None
        roots = list({id(one): one for one in self.outputs if one.requires_grad}.values())
        inputs = [one for one in self.leaves.values() if one.requires_grad]
        if not roots or not inputs:
            return None if part == "second order" else self.recording.program()
        return self.differentiated(roots, inputs, twice=part != "first order", alone=part == "in place")

    def _refused(self) -> bool:
        """Whether torch refuses the sample as it was given."""
        sample = self.sample
        try:
            sample.run(sample.input, *sample.arguments, **sample.options)
        except Exception:  # noqa: BLE001 - whatever torch raises is what it has to say
            return True
        return False

    def differentiated(
        self, roots: list[torch.Tensor], inputs: list[torch.Tensor], *, twice: bool, alone: bool
    ) -> Program | None:
        """The call and its gradients.

        twice: the gradients' gradients too, or None where there are none. alone: then the first ones alone.
        """
        recording = self.recording
        cotangents = [self.cotangent("v", root, requires_grad=twice) for root in roots]
        options = {**({"create_graph": True} if twice else {}), "allow_unused": True}
        outputs = {recording.ref(root).name: root for root in roots}
        first = self.gradient("g", outputs, inputs, cotangents, options)
        if isinstance(first, Expect):
            return recording.program(first) if alone or not twice else None
        recording.add(first.step, first.found, first.step.target)
        found = zip(first.step.target, first.found, strict=True)
        again = {name: one for name, one in found if one is not None and one.requires_grad}
        if not twice or not again:
            return recording.program() if alone or not twice else None
        further = [self.cotangent("w", one, requires_grad=False) for one in again.values()]
        second = self.gradient("h", again, [*inputs, *cotangents], further, {"allow_unused": True})
        return recording.program(second if isinstance(second, Expect) else second.step)

    def cotangent(self, stem: str, of: torch.Tensor, *, requires_grad: bool) -> torch.Tensor:
        """An input of random numbers like a tensor, the same ones in each precision."""
        drawn = torch.complex128 if of.is_complex() else torch.float64
        made = torch.randn(of.shape, generator=self.generator, dtype=drawn).to(of.dtype)
        return self.recording.input(stem, made, requires_grad=requires_grad)

    def gradient(
        self,
        stem: str,
        outputs: Mapping[str, torch.Tensor],
        inputs: list[torch.Tensor],
        cotangents: list[torch.Tensor],
        options: Mapping[str, bool],
    ) -> _Gradient | Expect:
        """One call of `autograd.grad`; where torch refuses it, the step that expects that."""
        recording = self.recording
        refs = (tuple(map(Ref, outputs)), *(tuple(map(recording.ref, some)) for some in (inputs, cotangents)))
        arguments = tuple(map(Items, refs))
        try:
            found = torch.autograd.grad([*outputs.values()], inputs, cotangents, **options)
        except Exception as error:  # noqa: BLE001 - whatever torch raises is what it has to say
            return Expect(_error(error), (Grad("", arguments, options),))
        for one in found:
            if one is not None:
                require_strided(one)
        names = tuple(recording.name(f"{stem}_{recording.ref(one).name}") for one in inputs)
        return _Gradient(Grad(names, arguments, options), found)


def _shared_storages(sample: Sample) -> dict[int, torch.Tensor | None]:
    """The addresses of the memory that several tensors of a sample have, none of which requires grad."""
    given = {id(one): one for one in tensors([sample.input, sample.arguments, sample.options])}
    counts = Counter(map(_address, given.values()))
    barred = {_address(one) for one in given.values() if one.requires_grad} | {0}
    return {address: None for address, count in counts.items() if count > 1 and address not in barred}


def _address(tensor: torch.Tensor) -> int:
    """Where the memory of a tensor starts; 0 for one that no input can hold, or without memory."""
    if tensor.layout is not torch.strided or tensor.device.type != "cpu":
        return 0
    return tensor.untyped_storage().data_ptr()


class _Gradient(NamedTuple):
    """A call of `autograd.grad` that torch takes, and what it gives."""

    step: Grad
    found: tuple[torch.Tensor | None, ...]


def _error(error: Exception) -> str:
    """The nearest class of Python's own that `except` takes."""
    classes = tuple(kind.__name__ for kind in type(error).__mro__ if kind is not object)
    return nearest_builtin(ErrorSeen(-1, "forward", classes, ""))
