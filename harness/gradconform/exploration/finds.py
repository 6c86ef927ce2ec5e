"""The database of finds: a folder with one JSON document for each, and its three reproducers beside it.

    0a1b2c3d.json       the find: program, verdict, and how it was come upon
    0a1b2c3d.torch.py   the program for plain torch, with what the engine answers instead
    0a1b2c3d.engine.py  the program against the engine's adapter, from wherever it is run; of a worker, what
                        it is told: 0a1b2c3d.worker.jsonl is for its standard input
    0a1b2c3d.gradconform.yaml   the program as a scenario, to be committed to a corpus of one's own

Whoever wants a find to be forgotten removes its JSON document.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradconform.cases import CaseResult
from gradconform.errors import GradconformError
from gradconform.hosts import WORKER
from gradconform.program.adapter_script import adapter_script
from gradconform.program.library import learn_shipped
from gradconform.protocol.messages import dialogue
from gradconform.results import case_form, read_case

VERSION = 1


class FindsError(GradconformError):
    """A folder of finds that cannot be used."""


@dataclass(frozen=True, slots=True)
class Find:
    """A divergence that exploration has come upon.

    signature: what finds are told apart by. case: the smallest program and the verdict on it. seed, number:
    the run's seed and the number of the program in it. torch: the release that it was found with.
    """

    signature: tuple[str, ...]
    case: CaseResult
    seed: int
    number: int
    torch: str

    @property
    def id(self) -> str:
        """Eight hexadecimal digits of the signature."""
        return hashlib.sha256("\n".join(self.signature).encode()).hexdigest()[:8]

    @property
    def words(self) -> Counter[str]:
        """What its program does, each word as often as it is done."""
        return Counter(self.signature[1:])

    def is_in(self, other: Find) -> bool:
        """Whether another find shows the same in a program that does all that this one's does."""
        return self.signature[0] == other.signature[0] and self.words <= other.words


def kindred(finds: Iterable[Find]) -> dict[str, list[Find]]:
    """The finds by the id of the smallest one that shows the same in a program that does nothing else: they
    are likely to have its cause. The first of each list is that one itself."""
    groups: dict[str, list[Find]] = {}
    for find in sorted(finds, key=lambda find: (find.words.total(), find.id)):
        elders = (group[0] for group in groups.values())
        elder = next((each for each in elders if each.is_in(find)), find)
        groups.setdefault(elder.id, []).append(find)
    return groups


class Database:
    """The finds about one engine, in a folder. Raises FindsError where the folder cannot be used."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if folder.exists() and not folder.is_dir():
            raise FindsError(f"{folder} is a file; --finds names a folder")

    def open(self) -> None:
        """Makes the folder, and sees that it can be written, before there is anything to lose. Raises
        FindsError where it cannot."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            draft = _draft(self.folder / STATE)
            draft.touch()
            draft.unlink()
        except OSError as error:
            raise FindsError(
                f"{self.folder} cannot be written: {error.strerror}; name another --finds"
            ) from None

    def __iter__(self) -> Iterator[Find]:
        """The finds, in the order of their names. Raises FindsError for a document that is none."""
        learn_shipped()  # finds have words of the tables
        for path in sorted(self.folder.glob("*.json")):
            if path.name != STATE:
                yield _read(path)

    def add(self, find: Find, target: str, scenario: str) -> Path:
        """Writes a find with its reproducers. Returns the path of its document.

        target: what names the engine. scenario: the text of its spec file.
        """
        example = find.case.example
        if example is None:
            raise FindsError(f"find {find.id} has no program")
        self.folder.mkdir(parents=True, exist_ok=True)
        stem = self.folder / find.id
        if target.startswith(WORKER):
            script = dialogue(example.program, find.case.device)
        else:
            home = _home(self.folder) if ":" in target else ""
            script = adapter_script(example.program, target, find.case.device, _shown(find.case), home)
        for suffix, text in (
            (".torch.py", example.script),
            (suffix_for(target), script),
            (".gradconform.yaml", scenario),
        ):
            _write(stem.with_suffix(suffix), text)
        path = stem.with_suffix(".json")
        _write(path, json.dumps(_form(find), indent=1) + "\n")
        return path

    def state(self) -> Mapping[str, Any] | None:
        """How far the last run went, or None."""
        path = self.folder / STATE
        if not path.exists():
            return None
        document: Mapping[str, Any] = _document(path)
        return document

    def save(self, state: Mapping[str, Any]) -> None:
        """Writes how far this run went."""
        self.folder.mkdir(parents=True, exist_ok=True)
        _write(self.folder / STATE, json.dumps(state) + "\n")


def suffix_for(target: str) -> str:
    """The end of the name of what runs a find on the engine that `target` names."""
    return ".worker.jsonl" if target.startswith(WORKER) else ".engine.py"


def _home(folder: Path) -> str:
    """The working directory, where modules of adapters are looked for, from a folder of finds."""
    try:
        return Path(os.path.relpath(Path.cwd(), folder.resolve())).as_posix()
    except ValueError:  # on another drive
        return str(Path.cwd())


STATE = "explored.json"
"""The document that says how far a run went."""


def _draft(path: Path) -> Path:
    """Where a file is written first: several explorations may have one folder."""
    return path.with_name(f"{path.name}.{os.getpid()}.draft")


def _write(path: Path, text: str) -> None:
    """Writes a file whole or not at all, whatever ends the process."""
    draft = _draft(path)
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


def _shown(case: CaseResult) -> tuple[str, ...]:
    """The places that differ, as far as an expression shows them."""
    divergences = getattr(case.verdict, "divergences", ())
    places = (divergence.where for divergence in divergences)
    return tuple(dict.fromkeys(place for place in places if _is_place(place)))


def _is_place(place: str) -> bool:
    return all(map(str.isidentifier, place.split(".")))


def _form(find: Find) -> dict[str, Any]:
    return {
        "find": VERSION,
        "signature": list(find.signature),
        "seed": find.seed,
        "number": find.number,
        "torch": find.torch,
        "case": case_form(find.case),
    }


def _read(path: Path) -> Find:
    document = _document(path)
    try:
        if document["find"] != VERSION:
            raise ValueError(f"version {document['find']}; this gradconform reads {VERSION}")
        signature = tuple(map(str, document["signature"]))
        return Find(
            signature, read_case(document["case"]), document["seed"], document["number"], document["torch"]
        )
    except (KeyError, TypeError, ValueError, AttributeError, GradconformError) as error:
        reason = " ".join(str(error).split())
        raise FindsError(f"{path}: this is no find ({reason}); remove it, or name another --finds") from None


def _document(path: Path) -> Any:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FindsError(
            f"{path}: this is no JSON document ({error}); remove it, or name another --finds"
        ) from None
    if not isinstance(document, dict):
        raise FindsError(f"{path}: this is no JSON object; remove it, or name another --finds")
    return document
