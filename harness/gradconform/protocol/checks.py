"""The checks of `gradconform smoke`, in their order."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch

from gradconform.engines.torch import TorchEngine
from gradconform.errors import AdapterError, Unsupported
from gradconform.execution.interpreter import Detail, run
from gradconform.oracle.judge import judge
from gradconform.oracle.named_policies import require_known
from gradconform.program.expressions import Constant, Operation, Place, Shown
from gradconform.program.fact_text import fact_text
from gradconform.program.steps import Apply, Backward, Fact, Input, Program, Ref
from gradconform.program.vocabulary import DTYPES
from gradconform.protocol.client import quoted
from gradconform.protocol.messages import ProtocolError, line_of, message_of, read_answer
from gradconform.protocol.pipes import how_it_ended
from gradconform.protocol.smoke import Check, Checked, Failing, Inapplicable, Partner, checked
from gradconform.protocol.traces import encode_trace
from gradconform.trace import UNSEEN, StateSeen, TensorSeen, Trace
from gradconform.verdict import Conforms, Diverges

NO_OPERATOR = "no_such_operator"

LARGE = 1_000_000
"""Numbers of a large tensor."""

END = 10.0
"""Seconds for ending."""


def all_checks(partner: Partner) -> Iterator[Checked]:
    """Each check, as it is made. The worker has ended afterwards."""
    yield checked("hello", _introduction, partner)
    for dtype in DTYPES:
        yield checked(f"exact numbers, {dtype}", _exact(dtype), partner)
    for name, check in (
        ("a tensor without dimensions", _round_trip("float32", ())),
        ("empty tensors", _empty),
        (f"a tensor of {LARGE} numbers", _large),
        ("a plain program", _plain),
        ("live names", _names),
        *((f"when it looks: {detail.value}", _looks(detail)) for detail in Detail),
        ("facts", _facts),
        ("an unknown operator", _unknown),
        ("a program that raises", _raises),
        ("the same program twice", _twice),
        ("an unknown field", _further),
        ("shutdown", _shutdown),
        ("the end of standard input", _end_of_input),
    ):
        yield checked(name, check, partner)


def _introduction(partner: Partner) -> str:
    hello = partner.hello
    try:
        require_known(hello.engine, hello.policies)
    except AdapterError as error:
        raise Failing(str(error)) from None
    version = f" {hello.version}" if hello.version else ""
    return f"{hello.engine}{version}{f', in {hello.language}' if hello.language else ''}"


# programs

X = Input("x", torch.tensor([1.0, 2.0]), requires_grad=True)


NAMES = {"x", "y"}


def _squares() -> Program:
    """As text: `y = (x * x).sum(); y.backward()`."""
    steps = (
        Apply("_1", "mul", (Ref("x"), Ref("x"))),
        Apply("y", "sum", (Ref("_1"),)),
        Backward((Ref("y"),)),
    )
    return Program((X,), steps, "smoke/squares")


def _inputs(*tensors: torch.Tensor) -> Program:
    """No steps: what comes in is shown."""
    return Program(
        tuple(Input(f"x{index}", tensor) for index, tensor in enumerate(tensors)), (), "smoke/inputs"
    )


# numbers


def _special(dtype: str) -> torch.Tensor:
    """What numbers of a dtype are easily lost: signs of zeros, NaN, the smallest and the largest."""
    kind = getattr(torch, dtype)
    if kind == torch.bool:
        return torch.tensor([True, False])
    if not (kind.is_floating_point or kind.is_complex):
        limits = torch.iinfo(kind)
        return torch.tensor([0, -1, limits.min, limits.max, limits.max - 1], dtype=kind)
    real = kind.to_real() if kind.is_complex else kind
    limit = torch.finfo(real)
    parts = [
        0.0,
        -0.0,
        1 / 3,
        math.nan,
        math.inf,
        -math.inf,
        limit.max,
        limit.tiny,
        limit.smallest_normal / 8,
    ]
    numbers = torch.tensor(parts, dtype=torch.float64).to(real)
    return torch.complex(numbers, numbers.flip(0)) if kind.is_complex else numbers


def _exact(dtype: str) -> Check:
    def check(partner: Partner) -> str:
        declared = partner.hello.capabilities.dtypes
        try:
            return _shown_as_sent(partner, _special(dtype))
        except Inapplicable:
            if declared is not None and dtype in declared:
                raise Failing(f"dtype {dtype} is declared, and answered with unsupported") from None
            raise

    return check


def _round_trip(dtype: str, shape: Sequence[int]) -> Check:
    return lambda partner: _shown_as_sent(partner, torch.full(tuple(shape), 1.5, dtype=getattr(torch, dtype)))


def _empty(partner: Partner) -> str:
    return _shown_as_sent(partner, torch.empty(0), torch.empty(2, 0, 3))


def _large(partner: Partner) -> str:
    return _shown_as_sent(partner, torch.arange(float(LARGE)))


def _shown_as_sent(partner: Partner, *tensors: torch.Tensor) -> str:
    """Inputs come back to the last bit; a NaN is a NaN."""
    program = _inputs(*tensors)
    live = _last(partner.ask(program), program).live
    for index, sent in enumerate(tensors):
        seen = live.get(f"x{index}")
        if not isinstance(seen, TensorSeen):
            raise Failing(
                f"expected the input x{index} as a tensor, got {'nothing' if seen is None else seen}"
            )
        got = seen.value
        if (got.dtype, got.shape) != (sent.dtype, sent.shape):
            expected = f"{sent.dtype} of shape {list(sent.shape)}"
            raise Failing(f"expected {expected}, got {got.dtype} of shape {list(got.shape)}")
        for place, (ours, theirs) in enumerate(zip(_numbers(sent), _numbers(got), strict=True)):
            if ours != theirs:
                raise Failing(f"expected number {place} to be {ours}, got {theirs}")
    return ""


def _numbers(tensor: torch.Tensor) -> list[str]:
    """The numbers of a tensor as text that tells all of them apart but NaNs."""
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor)
    return [repr(number) for number in tensor.reshape(-1).tolist()]


# traces


def _last(trace: Trace, program: Program) -> StateSeen:
    """The last state. Raises Failing where there is none, or it is not that of the end."""
    if not trace.states:
        raise Failing("expected a state after the last step, got a trace without states")
    last = sum(1 for _ in program.walk()) - 1
    if trace.states[-1].step != last:
        raise Failing(f"expected the last state after step {last}, got one after {trace.states[-1].step}")
    return trace.states[-1]


def _ran(partner: Partner, program: Program, detail: Detail = Detail.END) -> Trace:
    """The trace of a program that runs to its end. Raises Inapplicable where the engine raises in it."""
    trace = partner.ask(program, detail)
    if trace.error is not None:
        raise Inapplicable(f"the engine raises in it: {trace.error.kind}: {trace.error.message}")
    return trace


def _on_torch(program: Program, detail: Detail) -> Trace:
    return run(program, TorchEngine(), "cpu", detail)


def _plain(partner: Partner) -> str:
    """Whether the engine agrees with PyTorch is told, and is no matter of the protocol."""
    program = _squares()
    got = partner.ask(program)
    if set(_last(got, program).live) != NAMES:
        raise Inapplicable("the live names are others")
    verdict = judge(program, _on_torch(program, Detail.END), got, torch_errors=False)
    if isinstance(verdict, Conforms):
        return "the engine agrees with PyTorch"
    if isinstance(verdict, Diverges):
        first = verdict.divergences[0]
        told = f"{first.where}, {first.what}: PyTorch has {first.expected}, it {first.got}".replace("\n", " ")
        return f"the engine differs from PyTorch, which is its own affair: {told}"
    return f"the verdict on the engine is {verdict.kind}"


def _names(partner: Partner) -> str:
    program = _squares()
    live = _last(_ran(partner, program), program).live
    if set(live) != NAMES:
        shown = ", ".join(sorted(live)) or "none"
        raise Failing(f"expected the live names x and y, without temporaries such as _1; got {shown}")
    return ""


def _looks(detail: Detail) -> Check:
    def check(partner: Partner) -> str:
        if detail not in partner.hello.capabilities.details:
            raise Inapplicable("the worker does not declare it")
        program = _squares()
        expected = [state.step for state in _on_torch(program, detail).states]
        got = [state.step for state in _ran(partner, program, detail).states]
        if got != expected:
            raise Failing(f"expected states after the steps {expected}, got {got}")
        return ""

    return check


def _facts(partner: Partner) -> str:
    places = Place("x", ("grad",)), Place("x")
    expression = Operation("close", (Shown(0), Operation("mul", (Constant(2), Shown(1)), {})), {})
    fact = Fact(True, expression, places, fact_text(expression, places, law=True))
    program = Program((X,), (*_squares().steps, fact), "smoke/facts")
    runs = _ran(partner, program).facts.get(3)
    if runs is None or len(runs) != 1 or len(runs[0]) != len(places):
        shown = None if runs is None else [len(once) for once in runs]
        raise Failing(
            f'expected "facts": {{"3": [[x.grad, x]]}}, one list of two places; got lengths {shown}'
        )
    grad, x = runs[0]
    for name, seen in (("x.grad", grad), ("x", x)):
        if not (isinstance(seen, TensorSeen) or seen is UNSEEN):
            raise Failing(f"expected the tensor {name} or that it is unseen, got {seen!r}")
    return "" if isinstance(grad, TensorSeen) else "x.grad is unseen"


# what is no ordinary program


def _unknown(partner: Partner) -> str:
    program = Program((X,), (Apply("y", NO_OPERATOR, (Ref("x"),)),), "smoke/unknown")
    line = partner.answer(program)
    try:
        message = message_of(line)
        read_answer(message, partner.number, engine="it", device="cpu", last=0)
    except Unsupported as lack:
        return f"the worker does not support {lack.feature}"
    except (AdapterError, ProtocolError):
        pass
    raise Failing(f'expected "type": "unsupported" with a feature, got {quoted(line)}')


def _raises(partner: Partner) -> str:
    """An exception of the engine is something to see, and no failure of the worker."""
    three = Input("z", torch.tensor([1.0, 2.0, 3.0]))
    program = Program((X, three), (Apply("y", "add", (Ref("x"), Ref("z"))),), "smoke/raises")
    trace = partner.ask(program)
    if trace.error is None:
        raise Inapplicable("the engine does not raise for shapes that do not fit")
    if (trace.error.step, trace.error.phase) != (0, "forward"):
        got = f"in step {trace.error.step}, {trace.error.phase}"
        raise Failing(f"expected the error in step 0, forward; got it {got}")
    live = _last(trace, program).live
    if set(live) != {"x", "z"}:
        raise Failing(f"expected the names x and z after the error, got {', '.join(sorted(live)) or 'none'}")
    return trace.error.kind


def _twice(partner: Partner) -> str:
    """Nothing of a program is left for the next one."""
    program = _squares()
    first, second = (line_of(encode_trace(_ran(partner, program))) for _ in range(2))
    if first != second:
        raise Failing(f"expected {quoted(first)} again, got {quoted(second)}")
    return ""


def _further(partner: Partner) -> str:
    """Later versions of the protocol may say more."""
    partner.ask(_inputs(torch.ones(1)), more={"no_such_field": {"of": ["a later version"]}})
    return ""


# the end


def _shutdown(partner: Partner) -> str:
    return _ends(partner, politely=True, after="shutdown")


def _end_of_input(partner: Partner) -> str:
    return _ends(partner, politely=False, after="the end of its standard input")


def _ends(partner: Partner, *, politely: bool, after: str) -> str:
    code, rest = partner.finish(politely=politely, seconds=END)
    if rest:
        raise Failing(f"expected nothing on standard output but answers, got {quoted(rest)} beside them")
    if code is None:
        raise Failing(f"expected the worker to end after {after}; it runs on for {END:g} s")
    if code:
        raise Failing(f"expected exit code 0 after {after}; the worker {how_it_ended(code)}")
    return ""
