from __future__ import annotations

import torch

from gradconform.program.steps import Apply, Input, Program, Ref
from gradconform.report.folding import fold
from gradconform.report.listing import listing


def folded(*lines: str) -> list[str]:
    return list(fold("\n".join(lines)))


def test_repeated_statements_are_a_loop_again() -> None:
    lines = ("y = x", *["y = y * 2", "y = y + x"] * 50, "y.backward()")
    assert folded(*lines) == [
        "y = x",
        "for _ in range(50):",
        "    y = y * 2",
        "    y = y + x",
        "y.backward()",
    ]


def test_a_loop_computes_what_the_repeated_lines_do() -> None:
    lines = ["y = 1", *["if True:", "    y = y * 2", "    y = y + 3"] * 7, "    y = y - 1"]
    plain: dict[str, int] = {}
    exec("\n".join(lines), {}, plain)  # noqa: S102 - the script of this test
    short = folded(*lines)
    again: dict[str, int] = {}
    exec("\n".join(short), {}, again)  # noqa: S102 - the script of this test
    assert again["y"] == plain["y"]
    assert len(short) < len(lines)


def test_few_repetitions_stay_as_they_are() -> None:
    assert folded("y = x", "y = y", "y = y", "y = y") == ["y = x", "y = y", "y = y", "y = y"]


def test_a_listing_numbers_the_steps_of_a_loop_and_leaves_the_marked_one_out() -> None:
    steps = (*(Apply("x", "neg", (Ref("x"),)),) * 12, Apply("y", "exp", (Ref("x"),)))
    program = Program((Input("x", torch.tensor(1.0)),), steps)
    assert listing(program, marked=11) == (
        "        x = tensor(1.0, dtype=float32)",
        "  0-10  for _ in range(11):",
        "            x = -x",
        ">   11  x = -x",
        "    12  y = exp(x)",
    )
