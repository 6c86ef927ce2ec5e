"""What the step language refuses: each with its place, none with a traceback, and nothing ever evaluated."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gradconform.errors import Problem, SpecError

if TYPE_CHECKING:
    from tests.conftest import MakeTemplate

REFUSED = [
    # syntax outside the subset: line and column of the text (both from 1), and what the message says
    ("import os", 1, 1, "import is not in the step language"),
    ("from os import path", 1, 1, "import"),
    ("y = lambda: 1", 1, 5, "lambda"),
    ("async def f():\n    pass", 1, 1, "async def"),
    ("while True:\n    pass", 1, 1, "while"),
    ("try:\n    pass\nexcept E:\n    pass", 1, 1, "try"),
    ("y = f'{x}'", 1, 5, "an f-string"),
    ("y = f'{f\"{x}\"}'", 1, 5, "an f-string"),
    ("y = [i for i in x]", 1, 5, "a comprehension"),
    ("y = {'a': x}", 1, 5, "a dict"),
    ("y = {x}", 1, 5, "a set"),
    ("y = exp(*x)", 1, 9, "a starred argument"),
    ("y = exp(**x)", 1, 11, "`**` arguments"),
    ("y = (z := x)", 1, 6, "an assignment inside an expression"),
    ("(z := x)", 1, 2, "an assignment inside an expression"),
    ("global x", 1, 1, "global"),
    ("return x", 1, 1, "return"),
    ("yield x", 1, 1, "yield"),
    ("raise RuntimeError", 1, 1, "fail(Error)"),
    ("y = x if x else x", 1, 5, "a conditional expression"),
    ("match x:\n    case 1:\n        pass", 1, 1, "match"),
    ("y: int = 1", 1, 1, "an annotation"),
    ("a = b = x", 1, 1, "several targets"),
    ("with no_grad(), no_grad():\n    pass", 1, 1, "a `with` of several items"),
    ("for i in range(2):\n    break", 2, 5, "break"),
    ("for i in range(2):\n    continue", 2, 5, "continue"),
    ("for i in [1, 2]:\n    pass", 1, 10, "range(n)"),
    ("for i, j in range(2):\n    pass", 1, 1, "this form of `for`"),
    ("for i in range(2):\n    pass\nelse:\n    pass", 1, 1, "this form of `for`"),
    ("assert x, 'text'", 1, 1, "an `assert` with a message"),
    ("y = x and x", 1, 5, "`and` or `or` outside of a fact"),
    ("y = not x", 1, 5, "`not` outside of a fact"),
    ("y = +x", 1, 5, "this sign"),
    ("y = ~x", 1, 5, "this sign"),
    ("y = x < x < x", 1, 5, "this comparison outside of a fact"),
    ("y = x is None", 1, 5, "this comparison outside of a fact"),
    ("assert x < x < x", 1, 8, "a chain of comparisons"),
    ("y = x // 2", 1, 5, "this operator"),
    ("y = x % 2", 1, 5, "this operator"),
    ("x //= 2", 1, 1, "this in-place operator"),
    ("x @= x", 1, 1, "this in-place operator"),
    ("x", 1, 1, "does nothing"),
    ("x + 1", 1, 1, "does nothing"),
    ("y = b'bytes'", 1, 5, "bytes"),
    ("shows(x, b'bytes')", 1, 10, "bytes"),
    # names
    ("y = z", 1, 5, "unknown name 'z'"),
    ("y = torch.sqrt(x)", 1, 5, "torch's names stand by themselves"),
    ("assert close(x, torch.sqrt(x))", 1, 17, "torch's names stand by themselves"),
    ("def f(t):\n    return t\nassert x == f(x)", 3, 13, "'f' cannot be called in a fact"),
    ("y = x.__class__", 1, 5, "unknown attribute '__class__'"),
    ("y = x.grad.__dict__", 1, 5, "unknown attribute '__dict__'"),
    ("y = x.__class__()", 1, 5, "unknown method '__class__'"),
    ("x.__init__()", 1, 1, "unknown method '__init__'"),
    ("assert x.__class__ is None", 1, 8, "unknown attribute '__class__'"),
    ("y = __import__('os')", 1, 5, "unknown operator '__import__'"),
    ("eval('x')", 1, 1, "unknown operator 'eval'"),
    ("open('f')", 1, 1, "unknown operator 'open'"),
    ("y = getattr(x, 'grad')", 1, 5, "unknown operator 'getattr'"),
    ("y = (x)(x)", 1, 6, "unknown operator 'x'"),
    ("y = exp(x)(x)", 1, 5, "unknown operator 'exp(x)'"),
    ("y = [exp][0](x)", 1, 5, "unknown operator"),
    ("_y = x", 1, 1, "starts with an underscore"),
    ("ä = x", 1, 1, "is not ASCII"),
    ("exp = x", 1, 1, "a word of the step language"),
    ("torch = x", 1, 1, "a word of the step language"),
    ("float32 = x", 1, 1, "a word of the step language"),
    ("dtype = x", 1, 1, "a word of the step language"),
    ("autograd = x", 1, 1, "a word of the step language"),
    ("y = exq(x)", 1, 5, "unknown operator 'exq'"),
    ("y = x.detatch()", 1, 5, "unknown method 'detatch'"),
    ("y = x.setitem(0, 1)", 1, 5, "unknown method 'setitem'"),
    ("y = contiguous(x)", 1, 5, "'contiguous' is a method"),
    ("y = x.cat()", 1, 5, "'cat' is a function"),
    ("y = x.where(x, x)", 1, 5, "'where' is a function"),
    ("y = autograd.functional.jacobain(x, x)", 1, 5, "unknown operator 'autograd.functional.jacobain'"),
    ("y = optim.Adan([x])", 1, 5, "unknown operator 'optim.Adan'"),
    # calls
    ("y = exp(x, x)", 1, 5, "too many positional arguments"),
    ("y = exp()", 1, 5, "missing a required argument"),
    ("y = exp(x, outt=x)", 1, 5, "unexpected keyword argument 'outt'"),
    ("y = exp(input=x)", 1, 5, "given by position"),
    ("y = add(x, other=x)", 1, 5, "given by position"),
    ("y = x.backward()", 1, 5, "backward gives no result"),
    ("y = autograd.backward([x])", 1, 5, "backward gives no result"),
    ("x.backward(x, x, x, x, x, x)", 1, 1, "too many positional"),
    ("y = 2.5.sum()", 1, 5, "a constant has no methods"),
    ("y = [x, x].sum()", 1, 5, "a constant has no methods"),
    ("y = (1).grad", 1, 6, "a constant has no methods"),
    ("y = dtype.shape", 1, 5, "known before the program runs"),
    ("(a, b) = 2", 1, 1, "this does not give several results"),
    ("(a, b) = x.mul_(2)", 1, 1, "this does not give several results"),
    # definitions
    ("return x", 1, 1, "`return` stands in a definition only"),
    ("yield x", 1, 1, "`yield` stands in a definition only"),
    ("def f(t):\n    return u", 2, 12, "unknown name 'u'"),
    ("def f(t):\n    y = x\n    x = t", 2, 9, "unknown name 'x'"),
    ("def f(t: int):\n    return t", 1, 1, "an annotation"),
    ("def f(t, /, u):\n    return t", 1, 1, "plain parameters"),
    ("def f(t, **u):\n    return t", 1, 1, "plain parameters"),
    ("def f(t=x):\n    return t", 1, 9, "a default is known before"),
    ("def exp(t):\n    return t", 1, 1, "a word of the step language"),
    ("def f(dtype):\n    return dtype", 1, 1, "hides what is known"),
    ("@nograd()\ndef f(t):\n    return t", 1, 2, "unknown decorator 'nograd'"),
    ("@stream()\ndef f(t):\n    return t", 1, 2, "unknown decorator 'stream'"),
    ("with stream(x):\n    y = x", 1, 6, "stream()"),
    ("@thread()\ndef f(t):\n    return t", 1, 2, "unknown decorator 'thread'"),
    ("@set_grad_enabled(x.requires_grad)\ndef f(t):\n    return t", 1, 19, "are known before"),
    ("for i in range(2):\n    def f(t):\n        return t * i", 3, 20, "a loop around this definition"),
    ("def f(t):\n    if t:\n        return t", 2, 8, "must be known before"),
    ("y = f(x)\ndef f(t):\n    return t", 1, 5, "unknown operator 'f'"),
    (
        "class C(Function):\n    @staticmethod\n    def forward(ctx, t):\n        return t",
        1,
        9,
        "unknown base",
    ),
    ("class C(autograd.Function):\n    k = 1", 2, 5, "holds methods only"),
    ("class C(autograd.Function):\n    def forward(ctx, t):\n        return t", 2, 5, "is not static"),
    ("def f(ctx, t):\n    ctx.k = t\n    return t", 2, 5, "attribute 'k' cannot be assigned"),
    ("record()", 1, 1, "`record` takes one value"),
    ("w = watch(x * 2)", 1, 5, "`watch` takes one name"),
    ("y = exp(watch(x))", 1, 9, "`watch` stands alone"),
    ("assert alive(x * 2)", 1, 8, "`alive` takes the name"),
    ("with warns(RuntimeError):\n    pass", 1, 12, "unknown warning class 'RuntimeError'"),
    ("with warns(UserWarning, phase='backward'):\n    pass", 1, 31, "`warns` has no option 'phase'"),
    ("with no_grad() as exp:\n    pass", 1, 19, "a word of the step language"),
    ("(a, b.grad) = autograd.grad(x, [x])", 1, 5, "into names only"),
    ("x.shape = 1", 1, 1, "attribute 'shape' cannot be assigned"),
    ("x.grd = None", 1, 1, "did you mean 'grad'"),
    ("exp(x) = 1", 1, 1, "cannot assign to function call"),
    ("x.grad[0] += 1", 1, 1, "only items of a name"),
    ("x[x.sum()] += 1", 1, 1, "only items of a name"),
    ("x.grad.data += 1", 1, 1, "only attributes of a name"),
    ("del x[0]", 1, 5, "only a name or an attribute can be deleted"),
    ("del x.shape", 1, 5, "attribute 'shape' cannot be deleted"),
    ("del z.grad", 1, 5, "unknown name 'z'"),
    ("del dtype", 1, 5, "known before the program runs"),
    ("del x\ny = x", 2, 5, "unknown name 'x'"),
    ("del x\ndel x", 2, 5, "unknown name 'x'"),
    # modes, raises, fail, shows
    ("with open('f'):\n    pass", 1, 6, "unknown mode 'open'"),
    ("with no_grad(1):\n    pass", 1, 6, "too many positional"),
    ("with set_grad_enabled(mode=z):\n    pass", 1, 28, "unknown name 'z'"),
    ("with raises(Error):\n    pass", 1, 13, "unknown error class 'Error'"),
    ("with raises():\n    pass", 1, 6, "takes one error class"),
    ("with raises(RuntimeError, phase='late'):\n    pass", 1, 33, "phase is 'forward' or 'backward'"),
    ("with raises(RuntimeError, match=x):\n    pass", 1, 33, "match is a string"),
    ("with raises(RuntimeError, text='a'):\n    pass", 1, 32, "no option 'text'"),
    ("fail(x)", 1, 1, "takes one error class"),
    ("y = fail(RuntimeError)", 1, 5, "unknown operator 'fail'"),
    ("shows(x)", 1, 1, "takes a place and a literal"),
    ("shows(x, x)", 1, 10, "takes a literal"),
    ("shows(x, [1.0, x])", 1, 16, "takes a literal"),
    # facts
    ("assert x.zero_() == 0", 1, 8, "a fact only looks"),
    ("assert x.is_inference()", 1, 8, "give its answer a name"),
    ("assert optim.SGD([x]) == 0", 1, 8, "a fact only looks"),
    ("assert autograd.grad(x, [x]) == 0", 1, 8, "unknown operator 'autograd.grad'"),
    ("assert (x * 2).shape == x.shape", 1, 9, "attributes of names only"),
    ("assert x[0].grad is None", 1, 8, "attributes of names only"),
    ("assert x.name() == 'a'", 1, 8, "only a grad_fn has a name()"),
    ("assert close(x)", 1, 8, "'close' takes 2 arguments"),
    ("assert x[0:x.numel()] == x", 1, 12, "must be known before the program runs"),
    ("assert x.sum(dim=x.dim()) == x", 1, 18, "must be known before the program runs"),
    ("assert (lambda: x)", 1, 9, "lambda"),
    ("assert True", 1, 8, "says nothing about the program"),
    ("assert 1 == 1 and dtype == float32", 1, 8, "says nothing about the program"),
    ("k = 2\nassert k == 2", 2, 8, "says nothing about the program"),
    ("assert len([1, 2]) == 2", 1, 8, "says nothing about the program"),
    ("assert exp(1.0) > 2", 1, 8, "says nothing about the program"),
    ("shows(True, True)", 1, 7, "says nothing about the program"),
    # conditions and rounds
    ("for i in range(2.0):\n    pass", 1, 16, "the number of rounds is 2.0; it must be an integer"),
    ("for i in range(True):\n    pass", 1, 16, "the number of rounds is True; it must be an integer"),
    ("for i in range('2'):\n    pass", 1, 16, "the number of rounds is '2'; it must be an integer"),
    ("if x > 0:\n    pass", 1, 4, "must be known before the program runs"),
    ("for i in range(x.numel()):\n    pass", 1, 16, "must be known before the program runs"),
    ("g = None\ng = x\nif g is None:\n    pass", 3, 4, "must be known before the program runs"),
    ("if True:\n    y = x\nelse:\n    z = y", 4, 9, "unknown name 'y'"),
    ("with raises(RuntimeError):\n    y = exp(x)\nz = y", 3, 5, "unknown name 'y'"),
    # what would take for ever or fill the memory
    ("y = 2 ** 10 ** 9", 1, 5, "must fit in 64 bits"),
    ("y = 2 ** (10 ** 9)", 1, 5, "must fit in 64 bits"),
    ("y = 9 ** 9 ** 9 ** 9", 1, 10, "must fit in 64 bits"),
    ("y = 9223372036854775807 + 1", 1, 5, "must fit in 64 bits"),
    ("y = 9223372036854775808", 1, 5, "must fit in 64 bits"),
    ("y = 0x" + "f" * 5000, 1, 5, "must fit in 64 bits"),
    ("y = " + "9" * 5000, 1, None, "an integer must fit in 64 bits"),
    ("y = 'a' * 1000000000", 1, 5, "no arithmetic on a string"),
    ("y = 'a' * x", 1, 5, "no arithmetic on lists and strings"),
    ("y = [1] * 1000000000", 1, 5, "no arithmetic on lists and strings"),
    ("y = 1 / 0", 1, 5, "division by zero"),
    ("y = 10.0 ** 400", 1, 5, "arithmetic on constants failed"),
    ("assert 2 ** 10 ** 9 == x", 1, 8, "must fit in 64 bits"),
    ("shows(x, 2 ** 10 ** 9)", 1, 10, "must fit in 64 bits"),
    ("y = float('many')", 1, 5, "is no number"),
    ("y = None * 2", 1, 5, "no arithmetic on None"),
    ("y = -'a'", 1, 5, "no arithmetic on a string"),
    ("y = float32 + 1", 1, 5, "no arithmetic on a dtype"),
    ("y = 2 @ 3", 1, 5, "multiplies matrices"),
    ("if 'a' < 1:\n    pass", 1, 4, "no arithmetic on a string"),
    # depth
    ("y = " + "+".join(["x"] * 200), 1, 5, "nested more than"),
    ("y = " + "(" * 250 + "x" + ")" * 250, 1, None, "nested"),
    ("y = " + "-" * 3000 + "x", 1, None, "nested"),
    ("y = " + "[" * 90 + "]" * 90, 1, None, "nested"),
    ("y = x" + ".grad" * 500, 1, 5, "nested more than"),
    ("y = " + "exp(" * 90 + "x" + ")" * 90, 1, None, "nested"),
    (
        "\n".join("    " * depth + "with no_grad():" for depth in range(80)) + "\n" + "    " * 80 + "pass",
        None,
        None,
        "nested more than",
    ),
    # what is no Python at all
    ("y = (", 1, 5, "never closed"),
    ("y = x\n  z = x", 2, None, "unexpected indent"),
    ("y = '\\d'", 1, 5, "invalid escape"),
    ("y = x\x00", 1, 6, "U+0000"),
    ("y = x\x0c", 1, 6, "U+000C"),
    ("y = x # \u202e", 1, 9, "U+202E"),
    ("", None, None, "the program is empty"),
    ("# nothing", None, None, "the program is empty"),
    ("y = [" + "1.0, " * 500_000 + "]", None, None, "more than 2000000 characters"),
]


def problems(template: MakeTemplate, text: str) -> tuple[Problem, ...]:
    with pytest.raises(SpecError) as caught:
        template(text)
    return caught.value.problems


@pytest.mark.parametrize(("text", "line", "column", "message"), REFUSED, ids=lambda value: str(value)[:40])
def test_refusals_say_where_and_why(
    template: MakeTemplate, text: str, line: int | None, column: int | None, message: str
) -> None:
    found = problems(template, text)
    told = [problem for problem in found if message in str(problem)]
    assert told, "\n".join(map(str, found))
    place = told[0].place
    assert place.file == "specs/tests.yaml"
    if line is not None:
        assert place.line == 10 + line - 1
    if column is not None:
        assert place.column == 5 + column - 1


def test_every_problem_is_told_at_once(template: MakeTemplate) -> None:
    found = problems(template, "y = a\nz = exq(b)\nassert c == d")
    told = "\n".join(map(str, found))
    for word in ("'a'", "'exq'", "'b'", "'c'", "'d'"):
        assert word in told


def test_a_problem_shows_the_offending_line(template: MakeTemplate) -> None:
    (problem,) = problems(template, "y = x\nz = yy")
    assert problem.text == "z = yy"
    assert problem.scenario == "tests/one"
    assert problem.hint == "did you mean 'y'?"


def test_words_of_python_have_another_word_here(template: MakeTemplate) -> None:
    (problem,) = problems(template, "seen = []\nseen.append(x)")
    assert "record(value)" in problem.hint


def test_columns_count_characters_behind_wide_ones(template: MakeTemplate) -> None:
    (problem,) = problems(template, "with raises(RuntimeError, match='äöü', nope=1):\n    pass")
    assert problem.place.column == 5 + len("with raises(RuntimeError, match='äöü', nope=")


ACCEPTED = [
    "g = None\nfor i in range(n):\n    y = x * 2\n    if i > 0:\n        assert x.grad is g\n    g = x.grad",
    "for i in range(n):\n    if i == 0:\n        y = x\n    else:\n        y = y * x",
    "if n > 2:\n    y = x\nelse:\n    y = x * 2\nz = y",
    "if n > 2:\n    y = x\nif n > 2:\n    z = y",
    "for i in range(n):\n    y = x\nz = y",
    "n = n + 1\nn += 1\nfor i in range(n):\n    pass",
    "x = x * 2\nx = x + 1",
    "t = x.t()\nitem = x.sum()\nview = x",
    "y = x[0, 1:2, ..., None, -1, True]",
    "y = x[x > 0]",
    "y = x[()]",
    "x[0] += 1\nx[0:n] += x\nx.data -= 0.1 * x.grad\nx.grad = None",
    "a = float('inf')\nb = float('-nan')\nc = complex(1.0, -0.0)\nd = 1 + 2j",
    "if dtype == float32 and not n == 1 or n is None:\n    pass",
    "with f():\n    pass",
    "with raises(RuntimeError, phase='backward', match='saved'):\n    x.backward()",
    "with raises(RuntimeError):\n    fail(RuntimeError)",
    "(a, b) = autograd.grad(x, [x, x], allow_unused=True)\n(c,) = autograd.grad(x, [x])",
    "optimizer = optim.SGD([x], lr=0.1)\noptimizer.step()\noptimizer.zero_grad(set_to_none=False)",
    "assert x.grad_fn.name() == 'A' and is_grad_enabled() or not (x in [x, 1])",
    "assert close(x, 2 * x) and len(x.shape) == 1 and shares_storage(x, x)",
    "shows(x, [[1, -2.5], [float('nan'), 16 / 3]])\nshows(x.grad, None)",
    "y = u(x)\nz = v(x, x)\nassert u(x) == v(x, 1)",
    "pass",
]


@pytest.mark.parametrize("text", ACCEPTED)
def test_what_the_language_has(template: MakeTemplate, text: str) -> None:
    template(
        text,
        integers=("n",),
        choices={"f": ("no_grad", "enable_grad")},
        operators={"u": "unary", "v": "binary"},
    )


@pytest.mark.parametrize("text", ["assert is_grad_enabled()", "assert not x.requires_grad or n == 2"])
def test_a_fact_looks_at_something(template: MakeTemplate, text: str) -> None:
    template(text, integers=("n",))


def test_variables_may_not_hide_words_of_the_language(template: MakeTemplate) -> None:
    with pytest.raises(SpecError, match="variable 'exp' is a word of the step language"):
        template("y = x", tensors=("x", "exp"))


def test_each_word_of_a_choice_must_fit(template: MakeTemplate) -> None:
    with pytest.raises(SpecError, match="unknown operator 'sqrtt'"):
        template("y = f(x)", choices={"f": ("sqrt", "sqrtt")})
    with pytest.raises(SpecError, match="unknown mode 'nograd'"):
        template("with m():\n    pass", choices={"m": ("no_grad", "nograd")})
