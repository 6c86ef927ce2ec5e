"""The backward loop: order, depth, sharing between threads, and what it leaves behind."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

import refgrad as rg
from refgrad.accumulate import _EXCLUSIVE

DEPTH = 100_000


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def weak(tensor: rg.Tensor) -> weakref.ref[Any]:
    node = tensor.grad_fn
    assert node is not None
    return weakref.ref(node)


@pytest.mark.parametrize(
    "build", [lambda y: y + 1, lambda y: y * 1.0, lambda y: y * y, lambda y: y.view(1), rg.sin]
)
def test_a_deep_chain_is_built_run_and_released(build: Any) -> None:
    x = rg.zeros(1, requires_grad=True)
    y = x
    for _ in range(DEPTH):
        y = build(y)
    y.backward(rg.ones(1))
    assert x.grad is not None
    del y


def test_a_deep_chain_is_released_unrun() -> None:
    x = rg.zeros(1, requires_grad=True)
    y = x
    for _ in range(DEPTH):
        y = y * y
    first = weak(y)
    del y
    assert first() is None


def test_a_deep_chain_with_create_graph_and_writes() -> None:
    x = rg.ones(1, requires_grad=True)
    y = x * 1
    for _ in range(DEPTH // 20):
        y.mul_(1.0)
    (grad,) = rg.autograd.grad(y, x, create_graph=True)
    assert grad.item() == 1


def test_deep_chains_need_little_stack() -> None:
    # A recursion anywhere would end the process, not raise.
    code = (
        "import threading, refgrad as rg\n"
        "def run():\n"
        "    x = rg.ones(1, requires_grad=True); y = x\n"
        "    for _ in range(100000): y = y * x\n"
        "    y.backward(); print(x.grad.item())\n"
        "threading.stack_size(1 << 18)\n"
        "thread = threading.Thread(target=run); thread.start(); thread.join()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "100001.0\n"


def test_nodes_run_in_the_order_of_torch() -> None:
    orders = []
    for lib in (rg, torch):
        seen: list[str] = []
        x = lib.ones(1, requires_grad=True)
        nodes = {"a": x * 2}
        nodes["b"] = nodes["a"] * 3
        nodes["c"] = nodes["a"] * 4
        nodes["d"] = x * 5
        nodes["e"] = nodes["d"] * nodes["b"] * nodes["c"]
        nodes["f"] = nodes["e"] + nodes["d"]
        for name, tensor in nodes.items():

            def note(_: Any, name: str = name, seen: list[str] = seen) -> None:
                seen.append(name)

            tensor.register_hook(note)
        nodes["f"].backward()
        orders.append(seen)
    assert orders[0] == orders[1]
    assert len(orders[0]) == 6


def test_a_fan_out_is_summed_before_its_node_runs() -> None:
    x = rg.ones(2, requires_grad=True)
    y = x * 1
    seen: list[Any] = []
    y.register_hook(seen.append)
    (y * 2 + y * 3 + y).sum().backward()
    assert [grad.tolist() for grad in seen] == [[6.0, 6.0]]


@pytest.mark.usefixtures("no_collector")
def test_a_released_graph_is_gone_without_the_collector() -> None:
    x = rg.ones(3, requires_grad=True)
    for build in (
        lambda: (x * x).exp().sum(),
        lambda: rg.stack(list(x * 2)).tanh(),
        lambda: x.clone()[1:].mul_(2).sum(),
        lambda: rg.cat([x, x]).sigmoid().relu(),
        lambda: rg.autograd.grad((x**3).sum(), x, create_graph=True)[0],
    ):
        y = build()
        node = weak(y)
        y.sum().backward()
        del y
        assert node() is None


@pytest.mark.usefixtures("no_collector")
def test_lifetimes_are_those_of_torch() -> None:
    seen = []
    for lib in (rg, torch):
        x = lib.ones(2, requires_grad=True)
        y = x * 2
        z = y * y
        watched = weakref.ref(y)
        del y
        alive = [watched() is not None]
        z.sum().backward(retain_graph=True)
        alive.append(watched() is not None)
        z.sum().backward()
        alive.append(watched() is not None)
        out = x.exp()
        result = weakref.ref(out)
        held = out.sum()
        del out
        alive.append(result() is not None)
        leaf = weakref.ref(x)
        w = x + 1
        del x, z, held
        alive.append(leaf() is not None)
        del w
        alive.append(leaf() is not None)
        seen.append(alive)
    assert seen[0] == seen[1] == [True, True, False, False, True, False]


def test_saved_tensors_go_with_the_buffers() -> None:
    x = rg.ones(2, requires_grad=True)
    c = rg.ones(2)
    y = x * c
    data = weakref.ref(c)
    del c
    assert data() is not None
    y.sum().backward()
    assert data() is None


def test_threads_share_a_graph_and_a_leaf() -> None:
    x = rg.ones(50, requires_grad=True)
    y = x
    for _ in range(50):
        y = y * 1.01 + 0.5
    loss = y.sum()
    errors: list[BaseException] = []

    def run() -> None:
        try:
            for _ in range(20):
                rg.autograd.grad(loss, x, retain_graph=True)
        except BaseException as error:  # noqa: BLE001 - handed to the test
            errors.append(error)

    (expected,) = rg.autograd.grad(loss, x, retain_graph=True)
    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert rg.equal(rg.autograd.grad(loss, x)[0], expected)


def test_graphs_built_in_threads_join() -> None:
    x = rg.ones(1, requires_grad=True)
    parts: list[rg.Tensor] = []
    threads = [threading.Thread(target=lambda n=n: parts.append(x * n)) for n in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sum(parts).backward()  # type: ignore[union-attr]
    assert x.grad is not None
    assert x.grad.tolist() == [10.0]


_WAYS: dict[str, Callable[[Any, Any], Any]] = {
    "leaf": lambda lib, x: x,
    "add": lambda lib, x: x + 0,
    "add to a view": lambda lib, x: x.unsqueeze(1) + 0,
    "clone": lambda lib, x: x.clone(),
    "reshape": lambda lib, x: x.reshape(6),
    "view of the same shape": lambda lib, x: x.view(2, 3),
    "flatten": lambda lib, x: x.flatten(),
    "unsqueeze": lambda lib, x: x.unsqueeze(0),
    "squeeze nothing": lambda lib, x: x.squeeze(0),
    "unsqueeze and squeeze": lambda lib, x: x.unsqueeze(0).squeeze(0),
    "t": lambda lib, x: x.t(),
    "t twice": lambda lib, x: x.t().t(),
    "select": lambda lib, x: x[0],
    "cat": lambda lib, x: lib.cat([x]),
    "stack": lambda lib, x: lib.stack([x]),
    "unbind": lambda lib, x: x.unbind(0)[0],
    "setitem": lambda lib, x: _set(lib.zeros(2, 3), x),
    "setitem in more": lambda lib, x: _set(lib.zeros(4, 2, 3)[1], x),
    "to another dtype": lambda lib, x: x.double().unsqueeze(0),
    "used twice": lambda lib, x: x.unsqueeze(0) + x.unsqueeze(0),
}


def _set(owner: Any, value: Any) -> Any:
    owner[:] = value
    return owner


@pytest.mark.parametrize("inputs", [False, True])
@pytest.mark.parametrize("way", _WAYS)
def test_the_first_gradient_shares_memory_with_the_cotangent_as_in_torch(way: str, inputs: bool) -> None:
    shared = []
    for lib in (torch, rg):
        for leaf in (lib.ones(2, 3), lib.ones(3, 2).t(), lib.ones(1, 3).expand(2, 3)):
            x = leaf.requires_grad_()
            out = _WAYS[way](lib, x)
            cotangent = lib.ones(out.shape, dtype=out.dtype)
            out.backward(cotangent, **({"inputs": [x]} if inputs else {}))
            shared.append(_same_memory(x.grad, cotangent))
    assert shared[:3] == shared[3:]


def test_a_sum_of_one_element_hands_on_an_expanded_gradient_which_is_copied() -> None:
    for lib in (torch, rg):
        for shape, expected in (((), True), ((1,), False)):
            x = lib.ones(shape, requires_grad=True)
            cotangent = lib.ones(())
            x.sum().backward(cotangent)
            assert _same_memory(x.grad, cotangent) is expected


def _same_memory(a: Any, b: Any) -> bool:
    return bool(a.untyped_storage().data_ptr() == b.untyped_storage().data_ptr())


def test_a_fresh_gradient_is_taken_over_and_a_shared_one_is_copied() -> None:
    assert _EXCLUSIVE >= 1
    a, b = rg.ones(2, requires_grad=True), rg.ones(2, requires_grad=True)
    (a + b).backward(rg.ones(2))
    assert a.grad is not None
    assert b.grad is not None
    a.grad.add_(1)
    assert b.grad.tolist() == [1.0, 1.0]
    # The memory that the last product fills becomes .grad: nobody else has it.
    pointers = []
    x = rg.ones(2, requires_grad=True)
    y = x * 3
    y.register_hook(lambda _: None)
    product = y.grad_fn
    assert product is not None
    original = type(product).vjp

    class Spy(type(product)):  # type: ignore[misc]
        __slots__ = ()

        def vjp(self, grad: Any, keep: bool) -> Any:
            made = original(self, grad, keep)
            pointers.append(made.data_ptr())
            return made

    product.__class__ = Spy
    y.backward(rg.ones(2))
    assert x.grad is not None
    assert [x.grad.data_ptr()] == pointers


@pytest.mark.parametrize("make", ["t", "expand", "slice", "channels"])
def test_layout_of_the_first_gradient(make: str) -> None:
    strides = []
    for lib in (rg, torch):
        x = (
            {
                "t": lambda lib=lib: lib.rand(2, 3).t(),
                "expand": lambda lib=lib: lib.ones(1).expand(3),
                "slice": lambda lib=lib: lib.rand(4, 4)[::2, ::2],
                "channels": lambda lib=lib: lib.rand(2, 3, 4, 5).permute(0, 3, 1, 2),
            }[make]()
            .detach()
            .requires_grad_()
        )
        (x * 2).sum().backward()
        first = x.grad.stride()
        x.grad = None
        x.sum().backward()
        strides.append((first, x.grad.stride()))
    assert strides[0] == strides[1]
