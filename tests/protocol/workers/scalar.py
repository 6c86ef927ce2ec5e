"""A worker with a small engine of its own: flat lists of numbers, four operators, backward. Pure Python, so
that it starts at once; it speaks the protocol by itself, and imports nothing of gradconform.
"""

from __future__ import annotations

import json
import struct
import sys
from base64 import b64decode
from collections.abc import Callable, Iterator
from typing import Any

FORMATS = {"float32": "f", "float64": "d"}


class Lacks(Exception):  # noqa: N818 - a statement about the engine, not an error
    """What the engine does not have."""


class Tensor:
    def __init__(
        self, dtype: str, shape: list[int], numbers: list[float], requires_grad: bool = False
    ) -> None:
        self.dtype, self.shape, self.requires_grad = dtype, shape, requires_grad
        self.numbers = [struct.unpack(FORMATS[dtype], struct.pack(FORMATS[dtype], one))[0] for one in numbers]
        self.parents: list[tuple[Tensor, Callable[[list[float]], list[float]]]] = []
        self.grad: Tensor | None = None

    def made(self, shape: list[int], numbers: list[float], *parents: Any) -> Tensor:
        result = Tensor(self.dtype, shape, numbers)
        result.parents = [(parent, back) for parent, back in parents if parent.requires_grad]
        result.requires_grad = bool(result.parents)
        return result

    def backward(self) -> None:
        order: list[Tensor] = []
        seen: set[int] = set()

        def visit(tensor: Tensor) -> None:
            if id(tensor) not in seen:
                seen.add(id(tensor))
                for parent, _ in tensor.parents:
                    visit(parent)
                order.append(tensor)

        visit(self)
        gradients = {id(self): [1.0]}
        for tensor in reversed(order):
            gradient = gradients[id(tensor)]
            if not tensor.parents:
                before = tensor.grad.numbers if tensor.grad else [0.0] * len(gradient)
                total = [a + b for a, b in zip(before, gradient, strict=True)]
                tensor.grad = Tensor(tensor.dtype, tensor.shape, total)
            for parent, back in tensor.parents:
                known = gradients.get(id(parent), [0.0] * len(parent.numbers))
                gradients[id(parent)] = [a + b for a, b in zip(known, back(gradient), strict=True)]


def same(a: Tensor, b: Any) -> list[float]:
    if not isinstance(b, Tensor):
        return [float(b)] * len(a.numbers)
    if a.shape != b.shape or a.dtype != b.dtype:
        raise Lacks("broadcasting")
    return b.numbers


def add(a: Tensor, b: Any) -> Tensor:
    total = [x + y for x, y in zip(a.numbers, same(a, b), strict=True)]
    parents = [(one, lambda gradient: gradient) for one in (a, b) if isinstance(one, Tensor)]
    return a.made(a.shape, total, *parents)


def mul(a: Tensor, b: Any) -> Tensor:
    others = same(a, b)
    product = [x * y for x, y in zip(a.numbers, others, strict=True)]
    parents = [(a, lambda gradient: [g * y for g, y in zip(gradient, others, strict=True)])]
    if isinstance(b, Tensor):
        parents.append((b, lambda gradient: [g * x for g, x in zip(gradient, a.numbers, strict=True)]))
    return a.made(a.shape, product, *parents)


def neg(a: Tensor) -> Tensor:
    return mul(a, -1.0)


def total(a: Tensor) -> Tensor:
    return a.made([], [sum(a.numbers)], (a, lambda gradient: gradient * len(a.numbers)))


OPERATORS = {"add": add, "mul": mul, "neg": neg, "sum": total}


def read_input(item: Any) -> Tensor:
    if item["dtype"] not in FORMATS:
        raise Lacks(f"dtype {item['dtype']}")
    raw = b64decode(item["data"])
    code = FORMATS[item["dtype"]]
    numbers = struct.unpack(f"<{len(raw) // struct.calcsize(code)}{code}", raw)
    return Tensor(item["dtype"], item["shape"], list(numbers), item["requires_grad"])


def argument(value: Any, names: dict[str, Any]) -> Any:
    if not isinstance(value, dict):
        return value
    if "ref" in value:
        return names[value["ref"]]
    if "float" in value:
        return float(value["float"])
    raise Lacks(f"arguments of kind {next(iter(value))}")


def nested(shape: list[int], numbers: Iterator[float]) -> Any:
    if shape:
        return [nested(shape[1:], numbers) for _ in range(shape[0])]
    number = next(numbers)
    return number if abs(number) < float("inf") and (number or str(number) == "0.0") else str(number)


def shown(value: Any) -> Any:
    if isinstance(value, Tensor):
        seen = {
            "dtype": value.dtype,
            "shape": value.shape,
            "values": nested(value.shape, iter(value.numbers)),
        }
        return {**seen, "requires_grad": value.requires_grad, "grad": shown(value.grad)}
    return {"float": value} if isinstance(value, float) else value


def run(program: Any) -> dict[str, Any]:
    names: dict[str, Any] = {item["name"]: read_input(item) for item in program["inputs"]}
    facts: dict[str, Any] = {}
    for number, step in enumerate(program["steps"]):
        match step["do"]:
            case "apply":
                if (
                    step["operator"] not in OPERATORS
                    or step["options"]
                    or not isinstance(step["target"], str)
                ):
                    raise Lacks(f"operator {step['operator']}")
                operator: Any = OPERATORS[step["operator"]]
                arguments = [argument(value, names) for value in step["arguments"]]
                names[step["target"]] = operator(*arguments)
                for value in step["arguments"]:
                    if isinstance(value, dict) and value.get("ref", "").startswith("_"):
                        del names[value["ref"]]
            case "backward":
                if len(step["arguments"]) > 1 or step["options"] or step["function"]:
                    raise Lacks("options of backward")
                argument(step["arguments"][0], names).backward()
            case "fact":
                facts[str(number)] = [[place(one, names) for one in step["places"]]]
            case verb:
                raise Lacks(f"verb {verb}")
    live = {name: shown(value) for name, value in names.items() if not name.startswith("_")}
    return {"states": [{"live": live}], "facts": facts}


def place(one: Any, names: dict[str, Any]) -> Any:
    value = names[one["name"]]
    for part in one["path"]:
        if part != "grad" or not isinstance(value, Tensor):
            return {"unseen": True}
        value = value.grad
    return shown(value)


def hello() -> dict[str, Any]:
    return {
        "type": "hello",
        "protocol": 1,
        "engine": "scalar",
        "version": "0.1",
        "language": "Python",
        "capabilities": {"details": ["end"], "dtypes": list(FORMATS)},
    }


def answer(message: Any) -> dict[str, Any]:
    try:
        return {"type": "trace", "id": message["id"], "trace": run(message["program"])}
    except Lacks as lack:
        return {"type": "unsupported", "id": message["id"], "feature": str(lack)}


def say(message: Any) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def main() -> None:
    for line in sys.stdin:
        message = json.loads(line)
        match message["type"]:
            case "hello":
                say(hello())
            case "run":
                say(answer(message))
            case "shutdown":
                break


if __name__ == "__main__":
    main()
