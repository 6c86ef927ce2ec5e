"""Hooks on tensors, leaves, nodes and several tensors at once, and retained gradients, held against torch."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

import refgrad as rg

PROGRAMS = {
    # --- tensor hooks ---
    "the documented example": """
        v = leaf([0., 0., 0.]); h = v.register_hook(lambda g: g * 2)
        v.backward(torch.tensor([1., 2., 3.])); print(v.grad)
        h.remove(); v.grad = None; v.backward(torch.tensor([1., 2., 3.])); print(v.grad)
        """,
    "a hook on the way changes all that is behind": """
        x = leaf(2.); y = x * 3; y.register_hook(lambda g: g * 100); (y * y).backward(); print(x.grad)
        """,
    "each hook sees what the one before returned": """
        x = leaf(1.); y = x * 1; seen = []
        y.register_hook(lambda g: (seen.append(g.item()), g + 1)[1])
        y.register_hook(lambda g: (seen.append(g.item()), None)[1])
        y.register_hook(lambda g: (seen.append(g.item()), g * 10)[1]); y.backward(); print(seen, x.grad)
        """,
    "once with the sum over all uses": """
        x = leaf(1.); y = x * 2; seen = []; y.register_hook(lambda g: seen.append(g.item()))
        (y * 3 + y * 4).backward(); print(seen)
        """,
    "on the root of a pass that does not reach what is asked for": """
        x, z = leaf(1.), leaf(1.); y = x * 2; y.retain_grad(); y.register_hook(lambda g: print('y', g))
        h = x * 3; h.register_hook(lambda g: print('never')); w = y + h
        y.backward(inputs=[z], retain_graph=True); print(y.grad, x.grad, z.grad)
        w.backward(inputs=[z], retain_graph=True); print(y.grad)
        torch.autograd.backward([y, y], inputs=[z], retain_graph=True); print(y.grad)
        print(torch.autograd.grad(y, [z], allow_unused=True))
        """,
    "a leaf's hook sees each backward alone": """
        x = leaf(1.); seen = []; x.register_hook(lambda g: seen.append(g.item()))
        (x * 2).backward(); (x * 3).backward(); print(seen, x.grad)
        """,
    "registered after the leaf was used": """
        x = leaf([1.]); seen = []; x.register_hook(lambda g: seen.append(1)); y = x * 2
        x.register_hook(lambda g: seen.append(2)); y.backward(); print(seen)
        """,
    "first registered after the leaf was used": """
        x = leaf([1.]); y = x * 2; seen = []; x.register_hook(seen.append); y.backward(); print(seen)
        """,
    "registered after the leaf was given other data": """
        def change(x, how):
            if how == "data": x.data = torch.tensor([5., 6.])
            if how == "dtype": x.data = torch.tensor([5., 6.], dtype=torch.float64)
            if how == "set":
                with torch.no_grad(): x.set_(torch.tensor([5., 6.]))
        for how in ("data", "dtype", "set"):
            for again in (False, True):
                x = leaf([1., 2.]); log = []; y = x + 0; change(x, how); z = x * x if again else None
                x.register_hook(lambda g: (log.append("before"), g * 2)[1])
                x.register_post_accumulate_grad_hook(lambda p: log.append("after"))
                y.sum().backward(); print(how, log, x.grad)
                (x * 3 if z is None else z).sum().backward(); print(log, x.grad)
        """,
    "registered while the hooks run": """
        x = leaf([1.]); y = x * 2; seen = []
        def first(g): seen.append(1); x.register_hook(lambda g: seen.append(2))
        x.register_hook(first); y.backward(retain_graph=True); y.backward(); print(seen)
        """,
    "removed while the hooks run": """
        x = leaf(1.); seen = []
        def first(g): seen.append(1); second.remove()
        x.register_hook(first); second = x.register_hook(lambda g: seen.append(2))
        (x * 1).backward(); (x * 1).backward(); print(seen)
        """,
    "removed twice": """
        x = leaf(1.); h = x.register_hook(lambda g: g * 2); h.remove(); h.remove(); x.backward()
        print(x.grad)
        """,
    "removed by a with block": """
        x = leaf([1.])
        with x.register_hook(lambda g: g * 2): x.backward()
        x.backward(); print(x.grad)
        """,
    "the argument itself": "x = leaf([1.]); x.register_hook(lambda g: g); (x * 2).backward(); print(x.grad)",
    "the argument changed in place": """
        x = leaf([1.]); y = x * 2; y.register_hook(lambda g: g.mul_(10) and None); y.backward(); print(x.grad)
        """,
    "a gradient with a history of its own": """
        x = leaf([1.]); w = leaf([3.])
        def hook(g):
            with torch.enable_grad(): return g * w
        x.register_hook(hook); (x * 2).backward(); print(x.grad, x.grad.requires_grad, w.grad)
        """,
    "a hook may keep the gradient": """
        x = leaf([1., 2.]); seen = []; x.register_hook(seen.append); (x * 2).backward(); x.grad.mul_(7)
        print(seen)
        """,
    "without requires_grad": "torch.ones(1).register_hook(print)",
    "the flag switched off before backward": """
        x = leaf([1.]); seen = []; x.register_hook(lambda g: seen.append(1)); y = x * 2
        x.requires_grad_(False); y.backward(); print(seen, x.grad)
        """,
    "off the path": "x = leaf(1.); y = x * 2; y.register_hook(print); (x * 3).backward(); print(x.grad)",
    "another shape": "x = leaf([1., 2.]); x.register_hook(lambda g: torch.ones(3)); (x * 2).sum().backward()",
    "no tensor": "x = leaf([1., 2.]); x.register_hook(lambda g: 5); (x * 2).sum().backward()",
    "another dtype": "x = leaf([1., 2.]); x.register_hook(lambda g: g.double()); (x * 2).sum().backward()",
    "a hook without a name": """
        class Hook:
            def __call__(self, g): return torch.ones(7)
        x = leaf([1., 2.]); x.register_hook(Hook()); (x * 2).sum().backward()
        """,
    "what cannot be called": "x = leaf(1.); x.register_hook(5); x.backward()",
    "an exception keeps its class": """
        x = leaf([1.]); y = x * 2; x.register_hook(lambda g: {}['key'])
        try: y.backward()
        except KeyError as error: print('KeyError', error)
        print(x.grad, torch.is_grad_enabled())
        """,
    "grad mode in hooks": """
        x = leaf(2.); seen = []
        x.register_hook(lambda g: seen.append((torch.is_grad_enabled(), g.requires_grad)))
        torch.autograd.grad(x * x, x); torch.autograd.grad(x * x, x, create_graph=True); print(seen)
        """,
    "differentiated through": """
        x = leaf(2.); y = x ** 2; y.register_hook(lambda g: g * x * 3)
        g, = torch.autograd.grad(y * 1, x, create_graph=True); print(g, torch.autograd.grad(g, x))
        """,
    "deepcopy leaves hooks behind": """
        import copy
        x = leaf(1.); x.register_hook(lambda g: g * 2); y = copy.deepcopy(x); y.backward(); print(y.grad)
        """,
    # --- where gradients are asked for ---
    "grad with respect to a tensor with a hook": """
        x = leaf(1.); y = x * 2; seen = []; y.register_hook(lambda g: (seen.append('tensor'), g * 10)[1])
        y.grad_fn.register_hook(lambda a, b: seen.append('node'))
        y.grad_fn.register_prehook(lambda a: seen.append('pre'))
        print(torch.autograd.grad(y * y, y), seen)
        """,
    "grad with respect to a tensor and what is behind it": """
        x = leaf(2.); y = x * 2; seen = []; y.register_hook(lambda g: (seen.append(g.item()), g * 10)[1])
        y.retain_grad(); print(torch.autograd.grad(y * y, [y, x]), seen, y.grad)
        """,
    "backward restricted to a leaf": """
        x = leaf([1.]); z = leaf([1.]); seen = []
        x.register_post_accumulate_grad_hook(lambda p: seen.append('x'))
        z.register_hook(lambda g: seen.append('z'))
        (x * z).backward(inputs=[x]); print(seen, x.grad, z.grad)
        """,
    # --- writes and views ---
    "a write leaves hooks with the old value": """
        a = leaf([1.]); b = a.clone(); seen = []
        b.register_hook(lambda g: (seen.append(('old', g.item())), g * 2)[1]); b.mul_(2)
        b.register_hook(lambda g: (seen.append(('new', g.item())), g * 2)[1]); b.sum().backward()
        print(seen, a.grad)
        """,
    "registered after the writes": """
        seen = []; t = leaf(1.).sin(); t.cos_(); t.register_hook(lambda g: seen.append(g.item()))
        t.backward(); print(seen)
        """,
    "a write without a history leaves them": """
        b = leaf([1.]).clone(); seen = []; b.register_hook(lambda g: seen.append(1))
        with torch.no_grad(): b.mul_(2)
        b.register_hook(lambda g: seen.append(2)); b.backward(); print(seen)
        """,
    "a write to the base takes a view's hooks along": """
        b = leaf([1.]).clone(); v = b[:]; w = b[:]; seen = []
        v.register_hook(lambda g: seen.append(0)); w.register_hook(lambda g: seen.append(1)); v.mul_(2)
        print(w.grad_fn.name()); w.register_hook(lambda g: seen.append(2)); (v + w).sum().backward()
        print(seen)
        """,
    "a leaf that was no leaf": """
        x = leaf(2.); y = x * 2; seen = []; y.register_hook(lambda g: seen.append(g.item()))
        y.detach_().requires_grad_(); (y * 3).backward(); print(seen, y.grad)
        """,
    "each output of a node has its own": """
        x = leaf([1., 2.]); a, b = x.unbind(); seen = []
        a.register_hook(lambda g: seen.append(('a', g))); b.register_hook(lambda g: seen.append(('b', g)))
        (a * 2 + b * 3).backward(); print(seen); seen.clear(); a, b = x.unbind()
        a.register_hook(lambda g: seen.append(('a', g))); b.backward(); print(seen)
        """,
    "nodes with several outputs": """
        x = leaf([1., 2.]); a, b = x.unbind(); seen = []
        a.grad_fn.register_prehook(lambda gs: seen.append(gs))
        a.grad_fn.register_hook(lambda gi, go: seen.append((gi, go)))
        print(torch.autograd.grad(a * 3, a, retain_graph=True), seen); (a * 3).backward(); print(seen)
        """,
    "a gradient where there is none": """
        x = leaf([1., 2.]); a, b = x.unbind(); a.register_hook(lambda g: torch.ones(())); b.backward()
        """,
    # --- retained gradients ---
    "retained": """
        x = leaf(2.); y = x * 3; print(y.retains_grad); y.retain_grad(); print(y.retains_grad)
        (y * y).backward()
        print(y.grad, x.grad)
        """,
    "a leaf need not be told": """
        x = leaf(2.); x.retain_grad(); print(x.retains_grad); (x * x).backward(); print(x.grad)
        """,
    "retained without requires_grad": "torch.ones(1).retain_grad()",
    "retained gradients accumulate": """
        x = leaf([1., 2.]); h = x * 3; out = (h * h).sum(); h.retain_grad(); h.retain_grad()
        out.backward(retain_graph=True); print(h.grad); out.backward(); print(h.grad)
        """,
    "retained after backward": """
        x = leaf(2.); y = x * 3; y.backward(retain_graph=True); y.retain_grad(); print(y.grad)
        y.backward(); print(y.grad)
        """,
    "retained through writes": """
        a = leaf([1.]).clone(); a.retain_grad(); a.mul_(2); a.mul_(2); a.sum().backward(); print(a.grad)
        b = leaf([1., 2.]).clone(); b.retain_grad(); b[0].mul_(5); b.sum().backward(); print(b.grad)
        """,
    "retained by a view": """
        b = leaf([1., 2.]).clone(); v = b[:1]; v.retain_grad(); b.mul_(3); (v * 2).sum().backward()
        print(v.grad)
        """,
    "retained after all tensor hooks": """
        a = leaf(1.); b = a.clone(); b.register_hook(lambda g: g * 2); b.retain_grad()
        b.register_hook(lambda g: g * 2)
        b.grad_fn.register_prehook(lambda gs: (gs[0] * 3,)); b.clone().backward(); print(b.grad, a.grad)
        """,
    "grad() retains too": """
        x = leaf(2.); y = x * 3; y.retain_grad(); print(torch.autograd.grad(y * y, x), y.grad)
        z = x * 3; z.retain_grad(); print(torch.autograd.grad(z * z, z), z.grad)
        """,
    "retained in a hook": """
        x = leaf([1.]); y = x * 2; y.register_hook(lambda g: y.retain_grad())
        y.backward(retain_graph=True); print(y.grad); y.backward(); print(y.grad)
        """,
    "a retained gradient is contiguous": """
        x = leaf([[1., 2.], [3., 4.]]); y = x.t(); y.retain_grad(); (y * y).sum().backward()
        print(y.grad.stride())
        """,
    "retained, then cut off": """
        x = leaf(2.); y = x * 2; y.retain_grad(); y.detach_(); print(y.retains_grad); y.requires_grad_()
        (y * 3).backward(); print(y.retains_grad, y.grad)
        """,
    # --- after accumulation ---
    "the parameter is updated in its backward": """
        v = leaf([0., 0., 0.])
        def step(p): p.add_(p.grad, alpha=-0.5)
        v.register_post_accumulate_grad_hook(step); v.backward(torch.tensor([1., 2., 3.])); print(v)
        """,
    "it may return the parameter": """
        v = leaf([0.]); v.register_post_accumulate_grad_hook(lambda p: p.add_(p.grad)); v.backward(); print(v)
        """,
    "it must not return another tensor": """
        x = leaf([1.]); x.register_post_accumulate_grad_hook(lambda p: p.grad); x.sum().backward()
        """,
    "nor anything else": """
        x = leaf([1.]); x.register_post_accumulate_grad_hook(lambda p: 5); x.sum().backward()
        """,
    "after accumulation, in order": """
        x = leaf([1.]); seen = []
        x.register_post_accumulate_grad_hook(lambda p: seen.append(('a', p.grad.item())))
        x.register_post_accumulate_grad_hook(lambda p: seen.append(('b', p.grad.item())))
        (x * 2 + x).sum().backward(); (x * 3).sum().backward(); print(seen)
        """,
    "after accumulation, registered late": """
        x = leaf([1.]); y = x * 2; seen = []
        x.register_post_accumulate_grad_hook(lambda p: seen.append(p.grad))
        y.backward(); print(seen)
        """,
    "all kinds on a leaf, the node's first": """
        x = leaf([1.]); y = x.clone(); seen = []
        y.grad_fn.next_functions[0][0].register_hook(lambda gi, go: seen.append('node'))
        x.register_post_accumulate_grad_hook(lambda p: seen.append('accumulated'))
        x.register_hook(lambda g: seen.append('tensor')); y.backward(); print(seen)
        """,
    "after accumulation only": """
        x = leaf([1.]); x.register_post_accumulate_grad_hook(print); print(torch.autograd.grad(x.sum(), x))
        """,
    "it may drop the gradient": """
        x = leaf([1.]); x.register_post_accumulate_grad_hook(lambda p: setattr(p, 'grad', None))
        (x * 2).backward(); print(x.grad)
        """,
    "on a non-leaf": "(leaf(1.) * 2).register_post_accumulate_grad_hook(print)",
    "on a tensor that requires none": "torch.ones(1).register_post_accumulate_grad_hook(print)",
    "even if nothing accumulated": """
        x = leaf([1., 2.]); y = x * 2; y.grad_fn.register_prehook(lambda gs: (None,))
        x.register_post_accumulate_grad_hook(lambda p: print(p.grad)); y.sum().backward()
        """,
    # --- node hooks ---
    "node hooks replace": """
        a = leaf([0., 0., 0.]); b = a.clone(); h = b.grad_fn.register_hook(lambda gi, go: (go[0] * 2,))
        p = b.grad_fn.register_prehook(lambda go: (go[0] * 5,)); b.sum().backward(retain_graph=True)
        print(a.grad)
        h.remove(); p.remove(); a.grad = None; b.sum().backward(); print(a.grad)
        """,
    "None for constants": """
        x = leaf([2.]); y = x * 3; y.grad_fn.register_hook(lambda gi, go: print(gi, go)); y.backward()
        z = torch.ones(1) - x; z.grad_fn.register_hook(lambda gi, go: print(gi, go)); z.sum().backward()
        """,
    "all kinds, in order": """
        x = leaf(1.); y = x.clone(); acc = y.grad_fn.next_functions[0][0]; seen = []; y.retain_grad()
        y.register_hook(lambda g: seen.append(('y', y.grad)))
        y.grad_fn.register_prehook(lambda go: seen.append(('pre', y.grad)))
        y.grad_fn.register_hook(lambda gi, go: seen.append('post'))
        x.register_hook(lambda g: seen.append('x'))
        acc.register_prehook(lambda go: seen.append('acc pre'))
        x.register_post_accumulate_grad_hook(lambda p: seen.append(('accumulated', p.grad)))
        acc.register_hook(lambda gi, go: seen.append(('acc post', gi))); y.backward(); print(seen)
        """,
    "all kinds on a leaf, as a value": """
        t = leaf([1., 2.]); acc = t.view_as(t).grad_fn.next_functions[0][0]
        t.register_hook(lambda g: g.sub(2.))
        acc.register_prehook(lambda go: (go[0].div(5.),))
        t.register_post_accumulate_grad_hook(lambda p: [p.grad.add_(0.5), None][1])
        acc.register_hook(lambda gi, go: setattr(t, 'grad', go[0].mul(10))); t.sum().backward(); print(t.grad)
        """,
    "hooks of an accumulation node end with it": """
        x = leaf([1.]); acc = x.view_as(x).grad_fn.next_functions[0][0]; acc.register_hook(print); del acc
        (x * 2).backward(); print(x.grad)
        """,
    "hooks registered by hooks of the node": """
        x = leaf([1.]); y = x * 2; seen = []
        def pre(go):
            seen.append('pre'); y.register_hook(lambda g: seen.append('tensor'))
            y.grad_fn.register_prehook(lambda g: seen.append('pre 2'))
            y.grad_fn.register_hook(lambda a, b: seen.append('post'))
        y.grad_fn.register_prehook(pre); y.backward(retain_graph=True); print(seen); y.backward(); print(seen)
        """,
    "undefined gradients": """
        x = leaf([1., 2.]); y = x * 2; y.grad_fn.register_hook(lambda gi, go: (None, None))
        x.register_hook(print)
        y.sum().backward(); print(x.grad)
        """,
    **{
        f"a post-hook that returns {result}": f"""
            x = leaf([1., 2.]); y = x * 2; y.grad_fn.register_hook(lambda gi, go: {result})
            y.sum().backward(); print(x.grad)
            """
        for result in (
            "5",
            "(1,)",
            "(torch.ones(3), None)",
            "(torch.ones(2),)",
            "[torch.ones(2), None]",
            "(torch.ones(2), torch.ones(2))",
            "(torch.ones(2, dtype=torch.float64), None)",
        )
    },
    **{
        f"a pre-hook that returns {result}": f"""
            x = leaf([1., 2.]); y = x * 2; y.grad_fn.register_prehook(lambda go: {result})
            y.sum().backward(); print(x.grad)
            """
        for result in ("5", "torch.ones(2)", "(1,)", "()", "(torch.ones(3),)", "(torch.ones(2),)")
    },
    # --- edges, metadata, versions ---
    "edges stand for tensors": """
        x = leaf([1., 2.]); t = x.sin().sum(); e = torch.autograd.graph.get_gradient_edge(t); out = t.exp()
        tg, = torch.autograd.grad(out, (e,)); print(tg, torch.autograd.grad(e, (x,), grad_outputs=(tg,)))
        """,
    "edges outlast a write": """
        x = torch.ones(2, requires_grad=True).clone(); e = torch.autograd.graph.get_gradient_edge(x); x *= 2
        print(torch.autograd.grad(x.sum(), (e, x)))
        """,
    "edges of several outputs": """
        a, b = leaf([1., 2.]).unbind(); edge = torch.autograd.graph.get_gradient_edge
        print(edge(b).output_nr)
        print(torch.autograd.grad([edge(b), a * 2], [edge(a), edge(b), a]))
        """,
    "an edge wants a cotangent": """
        x = leaf([1., 2.]); torch.autograd.backward(torch.autograd.graph.get_gradient_edge(x * 2))
        """,
    "an edge wants a cotangent of its shape": """
        e = torch.autograd.graph.get_gradient_edge(leaf([1., 2.]) * 2)
        torch.autograd.backward(e, torch.ones(3))
        """,
    "no edge without requires_grad": "torch.autograd.graph.get_gradient_edge(torch.ones(1))",
    "an unused edge is no tensor": """
        x = leaf([1.]); e = torch.autograd.graph.get_gradient_edge(leaf([1.]).clone())
        torch.autograd.grad(x.sum(), (x, e), allow_unused=True, materialize_grads=True)
        """,
    "metadata of a node": """
        y = leaf([1.]) * 2; z = y + 1; y.grad_fn.metadata['k'] = 1
        print(z.grad_fn.next_functions[0][0].metadata)
        print(z.grad_fn.metadata, isinstance(z.grad_fn, torch.autograd.graph.Node))
        """,
    "increment_version": """
        a, b = torch.ones(1), torch.ones(1); torch.autograd.graph.increment_version(a)
        torch.autograd.graph.increment_version([a, b]); print(a._version, b._version)
        """,
    # --- several tensors ---
    "all gradients at once": """
        a, b = leaf([1.]), leaf([2.]); c = a * b; d = a * b; seen = []
        h = torch.autograd.graph.register_multi_grad_hook(
            (a, b, c, d), lambda gs: seen.append([g is None for g in gs]))
        c.sum().backward(retain_graph=True); c.sum().backward(inputs=(a,), retain_graph=True)
        torch.autograd.grad(c.sum(), [c], retain_graph=True); h.remove(); c.backward(); print(seen)
        """,
    "any gradient": """
        a, b = leaf([1.]), leaf([2.]); c = a * b; seen = []
        h = torch.autograd.graph.register_multi_grad_hook((a, b, c, torch.ones(1)), seen.append, mode='any')
        (c * 5).backward(retain_graph=True); (c * 7).backward(inputs=[a])
        with h: pass
        (a * b).backward(); print(seen)
        """,
    "neither all nor any": "torch.autograd.graph.register_multi_grad_hook((leaf(1.),), print, mode='some')",
    "several, of which one requires none": """
        torch.autograd.graph.register_multi_grad_hook((leaf(1.), torch.ones(1)), print)
        """,
    "several, in grad() of a leaf": """
        a = leaf([1.]); c = a * 2; torch.autograd.graph.register_multi_grad_hook((a, c), print)
        torch.autograd.grad(c, a)
        """,
    "several, and an exception": """
        a, b = leaf([1.]), leaf([2.]); c = a * b
        def hook(gs): print(gs); raise KeyError('x')
        torch.autograd.graph.register_multi_grad_hook((a, b), hook)
        for keep in (True, False):
            try: c.backward(retain_graph=keep)
            except KeyError: print('raised')
        """,
    # --- backward within backward ---
    "a hook runs backward": """
        p = leaf([1., 2.])
        def hook(g):
            with torch.enable_grad():
                q = g.detach().requires_grad_(); ((q * 2) + 5).sum().backward()
            return q.grad + g
        t = p * p; t.register_hook(hook); t.sum().backward(); print(p.grad)
        """,
    "a hook runs the same graph": """
        x = leaf(2.); y = x * x; seen = []
        def hook(g):
            seen.append(g.item())
            if len(seen) < 3: y.backward(g * 2, retain_graph=True)
        y.register_hook(hook); y.backward(); print(seen, x.grad)
        """,
    "several, within each other": """
        a, b = leaf([1.]), leaf([2.]); seen = []
        torch.autograd.graph.register_multi_grad_hook((a, b), lambda gs: seen.append([g.item() for g in gs]))
        def hook(g):
            if len(seen) < 3:
                with torch.enable_grad(): (a * b * (5 + len(seen))).backward()
        c = a * b; c.register_hook(hook); c.backward(); print(seen, a.grad)
        """,
    "deep": """
        count = [0]
        def hook(g):
            count[0] += 1
            if count[0] < 300:
                with torch.enable_grad():
                    q = g.detach().requires_grad_(); z = q * 1; z.register_hook(hook); z.backward()
        x = leaf([1.]); y = x * 1; y.register_hook(hook); y.backward(); print(count, x.grad)
        """,
    "hooks on an only root, one of several outputs": """
        x, u = leaf([1., 2.]), leaf([1.])
        for parts in (1, 2):
            last = x.chunk(parts)[-1]
            last.register_hook(lambda g: print("seen", g))
            print(torch.autograd.grad(last, u, torch.ones_like(last), allow_unused=True))
        """,
}


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_as_torch(program: str, same: Callable[[str], str]) -> None:
    assert same(program)


def test_hooks_for_saved_tensors_reach_any_depth() -> None:
    packed: list[int] = []
    depth: list[int] = []

    def pack(tensor: rg.Tensor) -> rg.Tensor:
        packed.append(1)
        return tensor.detach()

    def hook(grad: Any) -> None:
        depth.append(1)
        if len(depth) < 50:
            with rg.enable_grad():
                inner = grad.detach().requires_grad_()
                inner = inner * inner
            inner.register_hook(hook)
            inner.backward()

    y = rg.ones((), requires_grad=True) * 1
    y.register_hook(hook)
    with rg.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        y.backward()
    assert len(depth) == 50
    assert len(packed) == 2 * 49


def test_an_exception_comes_out_of_any_depth() -> None:
    # torch loses it on the way between its threads: SystemError.
    deep = 100
    seen: list[int] = []

    def hook(grad: Any) -> None:
        seen.append(1)
        if len(seen) == deep:
            raise KeyError("at the bottom")
        with rg.enable_grad():
            inner = grad.detach().requires_grad_() * 1
            inner.register_hook(hook)
            inner.backward()

    y = rg.ones(1, requires_grad=True) * 1
    y.register_hook(hook)
    with pytest.raises(KeyError, match="at the bottom"):
        y.backward()
    assert len(seen) == deep


def test_a_deep_pass_goes_on_in_the_state_of_its_thread() -> None:
    seen: list[tuple[int, bool]] = []

    def hook(grad: Any) -> None:
        seen.append((threading.get_ident(), rg.is_grad_enabled()))
        if len(seen) < 60:
            inner = grad.detach().requires_grad_() * 1  # recorded, since the pass is
            inner.register_hook(hook)
            (inner,) = rg.autograd.grad(inner, inner, create_graph=True)

    y = rg.ones((), requires_grad=True) * 1
    y.register_hook(hook)
    rg.autograd.grad(y, y, create_graph=True)
    assert len({thread for thread, _ in seen}) == 3
    assert all(enabled for _, enabled in seen)


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
def test_graphs_with_hooks_go_with_their_last_reference() -> None:
    x = rg.ones(2, requires_grad=True)
    y = x * 2
    y.register_hook(lambda grad: grad)
    y.retain_grad()
    z = y * 3
    assert z.grad_fn is not None
    z.grad_fn.register_prehook(lambda grads: None)
    z.grad_fn.register_hook(lambda inputs, outputs: None)
    rg.autograd.graph.register_multi_grad_hook((y, z), lambda grads: None)
    z.sum().backward()
    gone = [weakref.ref(one) for one in (y, z, y.grad_fn, z.grad_fn)]
    del y, z
    assert [one() for one in gone] == [None] * 4


@pytest.mark.usefixtures("no_collector")
def test_a_tensor_that_retains_its_gradient_is_not_kept_alive() -> None:
    x = rg.ones(2, requires_grad=True)
    y = x * 2
    y.retain_grad()
    z, gone = y / 2, weakref.ref(y)
    del y
    assert gone() is None
    z.sum().backward()
    assert x.grad is not None


@pytest.mark.usefixtures("no_collector")
def test_a_gradient_without_other_owners_is_taken_over_after_hooks_too() -> None:
    x = rg.ones(2, requires_grad=True)
    held: list[Any] = []
    x.register_hook(held.append)
    (x * 2).backward(rg.ones(2))
    assert x.grad is not None
    x.grad.mul_(5)
    assert held[0].tolist() == [2.0, 2.0]


def test_a_handle_knows_its_hooks_weakly() -> None:
    x = rg.ones(2, requires_grad=True)
    handle = x.register_hook(print)
    gone = weakref.ref(x)
    del x
    assert gone() is None
    handle.remove()


def test_edges_made_by_hand_take_part_as_inputs_only() -> None:
    x = torch.ones(2)
    y = rg.from_torch(x).requires_grad_() * 2
    assert y.grad_fn is not None
    edge = rg.autograd.graph.GradientEdge(y.grad_fn, 0)
    (grad,) = rg.autograd.grad(y.sum(), [edge])
    assert grad.tolist() == [1.0, 1.0]
    with pytest.raises(NotImplementedError, match="get_gradient_edge"):
        rg.autograd.backward(edge, rg.ones(2))
