"""Which lines a change of text touches."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterable, Iterator
from difflib import SequenceMatcher
from types import CodeType

from .recording import Key

Everything = None
"""A change that may matter to whatever runs."""

_ONCE = ("compile.py", "generate.py", "generate_nodes.py", "rules/registry.py")
"""Files whose functions run once for a row, and not in each test that needs what they have made."""

_CACHED = ("cache", "lru_cache")

_BLOCKS = ("body", "orelse", "finalbody")
_PARTS = ("handlers", "cases")

_Function = ast.FunctionDef | ast.AsyncFunctionDef


def touched(path: str, old: str, new: str) -> frozenset[Key] | None:
    """The lines that have to run for a change to matter, by their numbers in the old text, and the rows, in a
    file of refgrad; Everything where the change is not in the body, the defaults or the annotations of
    functions that are there in both, nor in the statement of a row.

    Functions, classes, constants and rows that are new matter to nothing by themselves, nor do imports.
    """
    if path in _ONCE:
        return Everything
    return _definitions(path, False, ast.parse(old).body, ast.parse(new).body)


def _definitions(path: str, inside: bool, old: list[ast.stmt], new: list[ast.stmt]) -> frozenset[Key] | None:
    """What is touched in the body of a file, or inside of a class."""
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
            found |= {f"{path}:{line}" for line in _lines_of_function(one, other)}
        elif isinstance(one, ast.ClassDef) and isinstance(other, ast.ClassDef):
            if _head(one) != _head(other):
                return Everything
            members = _definitions(path, True, one.body, other.body)
            if members is Everything:
                return Everything
            found |= members
        elif name.startswith("row:"):
            found.add(name)
        else:
            return Everything
    return frozenset(found)


def _lines_of_function(old: _Function, new: _Function) -> Iterator[int]:
    """The lines of a function that its change is at: all of its own where the change is in its head, or where
    other lines would mean something else by it."""
    if _head(old) != _head(new) or not _reads_as_before(old, new):
        yield from _all_lines(old)
    else:
        yield from _lines(old.body, new.body)


def _lines(old: list[ast.stmt], new: list[ast.stmt]) -> Iterator[int]:
    """The lines of a block that a change of it is at: those of what is another statement now or is gone, and
    of what stands on either side of what came in between."""
    before, after = ([ast.dump(statement) for statement in block] for block in (old, new))
    for kind, start, stop, other, end in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if kind == "equal":
            continue
        if kind == "replace" and stop - start == end - other:
            for one, another in zip(old[start:stop], new[other:end], strict=True):
                yield from _lines_of_statement(one, another)
            continue
        for one in old[max(start - 1, 0) : stop + 1]:
            yield from _all_lines(one)


def _lines_of_statement(old: ast.stmt, new: ast.stmt) -> Iterator[int]:
    """The same for one statement: the blocks in it alone where its head is as it was."""
    one, other = _blocks(old), _blocks(new)
    if not any(one) or [*map(bool, one)] != [*map(bool, other)] or _head(old) != _head(new):
        yield from _all_lines(old)
        return
    for block, another in zip(one, other, strict=True):
        yield from _lines(block, another)


def _all_lines(statement: ast.stmt) -> range:
    return range(statement.lineno, (statement.end_lineno or statement.lineno) + 1)


def _blocks(node: ast.AST) -> list[list[ast.stmt]]:
    """The blocks of statements of a statement, empty ones included."""
    own = [block for name in _BLOCKS if isinstance(block := getattr(node, name, None), list)]
    return [*own, *(block for name in _PARTS for part in getattr(node, name, ()) for block in _blocks(part))]


def _head(node: ast.AST) -> str:
    """All of a statement but its blocks."""
    return ast.dump(_headed(node))


def _headed(node: ast.AST) -> ast.AST:
    bare = copy.copy(node)
    for name in _BLOCKS:
        if isinstance(getattr(bare, name, None), list):
            setattr(bare, name, [])
    for name in _PARTS:
        if hasattr(bare, name):
            setattr(bare, name, [_headed(part) for part in getattr(bare, name)])
    return bare


def _reads_as_before(old: _Function, new: _Function) -> bool:
    """Whether what is the same in both means the same: neither alone is a generator, and no name is its own
    in one of them and another's in the other."""
    before, after = _code(old), _code(new)
    one, other = ({*code.co_varnames, *code.co_cellvars} for code in (before, after))
    moved = (other - one) & {*before.co_names} | (one - other) & {*after.co_names}
    return before.co_flags == after.co_flags and not moved


def _code(function: _Function) -> CodeType:
    whole = compile(ast.Module([function], []), "", "exec")
    return next(
        each for each in whole.co_consts if isinstance(each, CodeType) and each.co_name == function.name
    )


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
