"""A Python engine as a worker: `python -m gradconform.protocol.serve ENGINE`.

ENGINE is a registered name or `package.module:attribute`. What the engine prints goes to standard error, and
it finds an empty standard input: both ends of the protocol are out of its reach.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import torch

from gradconform.engines.registry import find_engine
from gradconform.errors import GradconformError, Unsupported
from gradconform.execution.host import Host, InProcess, Lost
from gradconform.execution.interpreter import Detail
from gradconform.program.json_form import from_json
from gradconform.program.steps import Program
from gradconform.program.vocabulary import OPERATORS, of_torch
from gradconform.protocol.messages import (
    ANY,
    Capabilities,
    Hello,
    error_message,
    line_of,
    message_of,
    refusal,
    trace_message,
    unsupported_message,
    worker_hello,
)
from gradconform.protocol.traces import encode_trace


def command(target: str, specs: Sequence[Path] = ()) -> tuple[str, ...]:
    """The command that serves the engine that `target` names, with this interpreter and its search path.

    specs: spec files or folders whose operator tables are words of the language, beside the shipped ones. The
    engine has as many of torch's threads as it would have here: their number may decide about the last bit.
    """
    paths = [option for path in sys.path if path for option in ("--path", path)]
    tables = [option for path in specs for option in ("--specs", str(path))]
    # -P: a module of the working directory must not stand in for one of the engine's.
    threads = ("--threads", str(torch.get_num_threads()))
    return (sys.executable, "-P", "-m", "gradconform.protocol.serve", *paths, *threads, *tables, "--", target)


def serve(host: Host, words: Words, questions: BinaryIO, answers: BinaryIO) -> None:
    """Answers questions until there are no more. What the engine raises beyond ordinary exceptions is not
    caught: it ends this process, as it would end that of anybody who uses the engine."""
    for line in questions:
        message = message_of(line)
        match message.get("type"):
            case "hello":
                known = Capabilities(devices=frozenset({ANY}), details=host.details)
                hello = Hello(
                    host.name,
                    host.version,
                    "Python",
                    host.torch_errors,
                    known,
                    host.policies,
                    host.composed,
                )
                answer = worker_hello(hello)
            case "run":
                answer = _answer(host, words, message)
            case "shutdown":
                return
            case _:  # of a later version
                continue
        answers.write(line_of(answer))
        answers.flush()


class Words:
    """Reads programs. The operator tables are read when a program needs them: a worker that has to be started
    again for each program that ends it had better start soon.

    specs: files of tables beside the shipped ones.
    """

    def __init__(self, specs: Sequence[Path] = ()) -> None:
        self._specs: Sequence[Path] | None = specs

    def program(self, document: object) -> Program:
        """The program of a document. Raises Unsupported for operators that no table has, and GradconformError
        where it is no program."""
        try:
            return from_json(document)
        except GradconformError:
            if self._specs is None:
                for operator in _operators(document):
                    if operator not in OPERATORS and of_torch(operator) is None:
                        raise Unsupported(f"operator {operator}") from None
                raise
        from gradconform.program.library import learn_tables

        learn_tables(self._specs)
        self._specs = None
        return self.program(document)


def _answer(host: Host, words: Words, message: Mapping[str, Any]) -> Mapping[str, Any]:
    number = message["id"]
    try:
        program = words.program(message["program"])
        trace = host.run(program, message["device"], Detail(message["detail"]))
        return trace_message(number, encode_trace(trace))
    except Unsupported as lack:
        return unsupported_message(number, lack)
    except Lost as lost:  # here it is the process that ends
        raise lost.__cause__ or lost from None
    except GradconformError as error:
        return error_message(number, str(error).removeprefix(f"engine {host.name}: "))


def _operators(document: Any) -> Iterator[str]:
    """The operators of the steps of a document, whatever else is wrong with it."""
    if isinstance(document, dict):
        operator = document.get("operator")
        if isinstance(operator, str):
            yield operator
        for name in ("steps", "body", "methods"):
            yield from _operators(document.get(name, ()))
    elif isinstance(document, list):
        for item in document:
            yield from _operators(item)


def _apart() -> tuple[BinaryIO, BinaryIO]:
    """The ends of the protocol under numbers of their own; those that programs know lead elsewhere. They are
    closed when the process has ended, so that whoever reads them finds out at once how it did."""
    questions, answers = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return os.fdopen(questions, "rb", closefd=False), os.fdopen(answers, "wb", closefd=False)


def main(arguments: Sequence[str] | None = None) -> None:
    """Serves until standard input ends."""
    parser = argparse.ArgumentParser(prog="python -m gradconform.protocol.serve", description=__doc__)
    parser.add_argument("engine")
    parser.add_argument("--path", action="append", help="where modules are found, in place of one's own path")
    parser.add_argument("--threads", type=int, help="threads of torch")
    parser.add_argument("--specs", action="append", default=[], type=Path, help="spec files with operators")
    given = parser.parse_args(arguments)
    questions, answers = _apart()
    if given.path:
        sys.path[:] = given.path
    if given.threads:
        torch.set_num_threads(given.threads)
    try:
        host = InProcess(find_engine(given.engine))
    except GradconformError as error:
        answers.write(line_of(refusal(str(error))))
    else:
        serve(host, Words(given.specs), questions, answers)
    answers.flush()


if __name__ == "__main__":
    main()
