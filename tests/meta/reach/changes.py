"""Which functions a change of text touches."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from .recording import Key

Everything = None
"""A change that may matter to whatever runs."""

_ONCE = ("compile.py", "generate.py", "generate_nodes.py", "rules/registry.py")
"""Files whose functions run once for a row, and not in each test that needs what they have made."""

_CACHED = ("cache", "lru_cache")

_Function = ast.FunctionDef | ast.AsyncFunctionDef


def touched(path: str, old: str, new: str) -> frozenset[Key] | None:
    """The functions that have another text now, and the rows, in a file of refgrad; Everything where the
    change is not in the body, the defaults or the annotations of functions that are there in both, nor in the
    statement of a row.

    Functions, classes, constants and rows that are new matter to nothing by themselves, nor do imports.
    """
    if path in _ONCE:
        return Everything
    return _block(path, "", ast.parse(old).body, ast.parse(new).body)


def _block(path: str, inside: str, old: list[ast.stmt], new: list[ast.stmt]) -> frozenset[Key] | None:
    before, after = dict(_named(old)), dict(_named(new))
    bound = {name for statement in old for name in _binds(statement)}
    found: set[Key] = set()
    for name in before.keys() | after.keys():
        one, other = before.get(name), after.get(name)
        if one is None or other is None:
            if one is None and other is not None and not inside and _is_new(other, bound):
                continue
            return Everything
        if ast.dump(one) == ast.dump(other):
            continue
        if isinstance(one, _Function) and isinstance(other, _Function):
            decorators = [ast.dump(each) for each in one.decorator_list]
            if decorators != [ast.dump(each) for each in other.decorator_list]:
                return Everything
            if any(f"'{name}'" in each for each in decorators for name in _CACHED):
                return Everything
            found.add(f"{path}:{inside}{one.name}")
        elif isinstance(one, ast.ClassDef) and isinstance(other, ast.ClassDef):
            if _head(one) != _head(other):
                return Everything
            members = _block(path, f"{inside}{one.name}.", one.body, other.body)
            if members is Everything:
                return Everything
            found |= members
        elif name.startswith("row:"):
            found.add(name)
        else:
            return Everything
    return frozenset(found)


def _named(body: Iterable[ast.stmt]) -> Iterator[tuple[str, ast.stmt]]:
    """The statements of a block, each under a name of its own that does not change with its text, where it
    has one."""
    counts: dict[str, int] = {}
    for statement in body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            continue
        match statement:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                name = statement.name
            case ast.Expr(ast.Call(ast.Name("rule"), [ast.Constant(str(row)), *_])):
                name = f"row:{row}"
            case _:
                name = f"{type(statement).__name__}:{ast.dump(statement)}"
        counts[name] = counts.get(name, 0) + 1
        yield (name if counts[name] == 1 else f"{name}#{counts[name]}"), statement


def _is_new(statement: ast.stmt, bound: set[str]) -> bool:
    """Whether a statement makes something that is not there without it, which changes nothing by itself."""
    match statement:
        case ast.FunctionDef(decorator_list=[]) | ast.ClassDef(decorator_list=[]) | ast.Assign():
            return not bound & {*_binds(statement)}
        case ast.Expr(ast.Call(ast.Name("rule"))):
            return True
        case _:
            return False


def _binds(statement: ast.stmt) -> Iterator[str]:
    """The names that a statement of a module gives a value to."""
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            yield statement.name
        case ast.Assign(targets=targets):
            yield from (
                node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)
            )
        case ast.AnnAssign(target=ast.Name(name)):
            yield name


def _head(statement: ast.ClassDef) -> list[str]:
    parts = (*statement.bases, *statement.keywords, *statement.decorator_list)
    return [ast.dump(part) for part in parts]
