"""What an engine declares that it has: a YAML file of features by kind, which `gradconform probe` writes.

    operator: [add, exp, mul]
    dtype: [float32, float64]

An adapter declares with `features = read_capabilities(file)`. A kind that does not stand in the file is not
declared, and everything of it is tried; of a kind that does, what it does not name is unsupported.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from textwrap import fill

from gradconform.errors import AdapterError, UsageError, did_you_mean
from gradconform.program.needs import KINDS, Feature, needs
from gradconform.program.steps import Program

Capabilities = Mapping[str, frozenset[str]]
"""The names of the features that an engine has, by kind, for the kinds that it declares."""

WIDTH = 110


def undeclared(program: Program, capabilities: Capabilities) -> tuple[Feature, ...]:
    """What a program needs and an engine does not declare, sorted."""
    found = needs(program)
    return tuple(
        sorted(
            feature
            for feature in found
            if feature.kind in capabilities and feature.name not in capabilities[feature.kind]
        )
    )


def require_declaration(engine: str, features: object) -> None:
    """Raises AdapterError for what an engine declares and is no declaration, nor None."""
    if features is None:
        return
    if not isinstance(features, Mapping):
        raise AdapterError(
            f"engine {engine} declares the features {features!r:.60}; expected sets of names by kind, as "
            "read_capabilities gives them"
        )
    for kind, names in features.items():
        if kind not in KINDS:
            raise AdapterError(f"engine {engine} declares features of the kind {kind!r}; {_kinds(str(kind))}")
        if not isinstance(names, AbstractSet) or not all(isinstance(name, str) for name in names):
            raise AdapterError(
                f"engine {engine} declares {names!r:.60} for '{kind}'; expected a set of names"
            )


def _kinds(kind: str) -> str:
    """What to write in place of a kind that there is not."""
    return did_you_mean(kind, KINDS) or f"the kinds are {', '.join(KINDS)}"


def by_kind(features: Iterable[Feature]) -> Capabilities:
    """Features as they are declared: of every kind."""
    names: dict[str, set[str]] = {kind: set() for kind in KINDS}
    for feature in features:
        names[feature.kind].add(feature.name)
    return {kind: frozenset(found) for kind, found in names.items()}


def read_capabilities(path: Path) -> Capabilities:
    """The declaration in a file. Raises UsageError, with the file's name, where it is none."""
    import yaml

    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: the file cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise UsageError(f"{path}: this is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(document, dict):
        raise UsageError(f"{path}: expected lists of features by kind ({', '.join(KINDS)})")
    for kind, names in document.items():
        if kind not in KINDS:
            raise UsageError(f"{path}: there is no kind of features '{kind}'; {_kinds(str(kind))}")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise UsageError(f"{path}: '{kind}' is a list of names, got {names!r:.100}")
    return {kind: frozenset(names) for kind, names in document.items()}


def capabilities_text(capabilities: Capabilities, title: str) -> str:
    """The text of a declaration, sorted. title: its first line, a comment."""
    lines = [f"# {title}"]
    for kind in (kind for kind in KINDS if kind in capabilities):
        names = ", ".join(map(_quoted, sorted(capabilities[kind])))
        lines.append(fill(f"{kind}: [{names}]", WIDTH, subsequent_indent="  ", break_on_hyphens=False))
    return "\n".join(lines) + "\n"


def _quoted(name: str) -> str:
    """A name as YAML reads it back: `T` and `float32` are plain, and a few words would be something else."""
    import yaml

    return name if yaml.safe_load(name) == name else f"'{name}'"
