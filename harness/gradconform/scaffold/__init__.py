"""`gradconform new-engine`: what the author of an adapter starts from, in the repository of the engine.

    conformance/           the adapter or worker, a small engine as the place-holder, tests, known failures
    .github/workflows/     both in CI, over devices

Templates are the files in `templates`; a folder there is a part that some variants have. `@NAME@` and the
like stand for what differs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from gradconform.errors import UsageError

HERE = Path(__file__).parent
FOLDER = Path("conformance")

LIBRARY = "worker"
"""What the folder of the worker library is called beside the worker."""

NODE = """\
    - uses: actions/setup-node@v4
      with:
        node-version: "20"
"""


@dataclass(frozen=True, slots=True)
class Variant:
    """A kind of adapter.

    parts: the folders of its templates. tape: the file of the place-holder engine. about: what its other
    files are. command: of a worker, what starts it. setup: steps of CI. library: whether it needs the worker
    library for JavaScript.
    """

    parts: tuple[str, ...]
    tape: str
    about: Mapping[str, str]
    command: str = ""
    setup: str = ""
    library: bool = False


ADAPTER = {
    "@NAME@_adapter.py": "the adapter: numbers in and out, tables of what the engine has",
    "test_@NAME@_adapter.py": "tests of the adapter itself",
}
WORKER_TEST = {"test_@NAME@_worker.py": "a test that the worker keeps the protocol"}

IMPERATIVE = Variant(("all", "python", "imperative"), "@NAME@_tape.py", ADAPTER)
FUNCTIONAL = Variant(("all", "python", "functional"), "@NAME@_tape.py", ADAPTER)
WORKERS = {
    "js": Variant(
        ("all", "worker", "worker-js"),
        "@NAME@_tape.mjs",
        {"@NAME@_worker.mjs": "the worker", "worker/": "gradconform's library for Node", **WORKER_TEST},
        command="node @NAME@_worker.mjs",
        setup=NODE,
        library=True,
    ),
    "python": Variant(
        ("all", "python", "worker", "worker-python"),
        "@NAME@_tape.py",
        {"@NAME@_worker.py": "the worker, which imports nothing of gradconform", **WORKER_TEST},
        command="python @NAME@_worker.py",
    ),
}
"""Workers by language."""


def target_of(name: str, variant: Variant) -> str:
    """How `gradconform run` calls the engine, in the folder of the adapter."""
    return (
        f"worker:{variant.command}".replace("@NAME@", name) if variant.command else f"{name}_adapter:engine"
    )


def files_of(name: str, variant: Variant) -> dict[Path, str]:
    """The files, by their paths from the top of the author's repository. Raises UsageError for a name that
    cannot be one of a module."""
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", name):
        raise UsageError(
            f"{name!r} cannot name an engine: a small letter, then small letters, digits and _, 40 at most"
        )
    about = {variant.tape: "a small engine, to be replaced by yours", **variant.about}
    words = {
        "@FILES@": "\n".join(f"| `{file}` | {text} |" for file, text in about.items()),
        "@SETUP@": variant.setup,
        "@TAPE@": variant.tape,
        "@ENGINE@": target_of(name, variant),
        "@COMMAND@": variant.command,
        "@NAME@": name,  # the last: the others hold it
    }
    found = {}
    for path, text in _templates(variant):
        for word, meaning in words.items():
            text = text.replace(word, meaning)  # noqa: PLW2901 - one word after the other
        found[Path(str(path).replace("@NAME@", name))] = text
    return found


def _templates(variant: Variant) -> Iterator[tuple[Path, str]]:
    for part in variant.parts:
        for file in sorted((HERE / "templates" / part).iterdir()):
            path = FOLDER / file.name.removesuffix(".in")
            if file.name == "workflow.yml.in":
                path = Path(".github") / "workflows" / "@NAME@-conformance.yml"
            yield path, file.read_text(encoding="utf-8")
    if variant.library:
        for file in sorted(_library().glob("*.mjs")):
            yield FOLDER / LIBRARY / file.name, file.read_text(encoding="utf-8")


def _library() -> Path:
    """The worker library for JavaScript: beside this module in a wheel, an example in a checkout. Raises
    FileNotFoundError where the installation has none."""
    for folder in (HERE / "javascript", HERE.parents[2] / "examples" / "javascript" / "worker"):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(
        f"the worker library is neither in {HERE} nor in a checkout around it: reinstall it"
    )


def write_files(root: Path, files: Mapping[Path, str]) -> None:
    """Writes the files under `root`. Raises UsageError where one is there already, before any is written, and
    for what the system refuses."""
    there = [path for path in files if (root / path).exists() or (root / path).is_symlink()]
    if there:
        more = f" (and {len(there) - 1} more)" if len(there) > 1 else ""
        raise UsageError(f"{there[0]} is there already{more}; no file was written")
    for path, text in files.items():
        try:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            with (root / path).open("x", encoding="utf-8", newline="\n") as file:
                file.write(text)
        except OSError as error:
            raise UsageError(f"{path}: the file cannot be written: {error.strerror}") from None
