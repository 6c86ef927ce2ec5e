"""Finding engines: each mistake is one message that says what to do."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gradconform.engines import Engine, TorchLikeEngine
from gradconform.engines.registry import find_engine, registered
from gradconform.engines.torch import TorchEngine
from gradconform.errors import AdapterError, EngineError

MODULE = """
from gradconform.engines import TorchLikeEngine
import torch

made = TorchLikeEngine(torch, name="made")

def makes():
    return made

def fails():
    raise ValueError("no licence")

def exits():
    raise SystemExit(3)

def wants(a):
    return made

def returns():
    return 5

class Namespace:
    inner = made

class Half(TorchLikeEngine.__mro__[1]):
    name = "half"

class Whole(TorchLikeEngine):
    def __init__(self):
        super().__init__(torch, name="whole")

number = 5

def __getattr__(name):
    if name == "lazy":
        raise OSError("no such device")
    raise AttributeError(name)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "mine_engines.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_engines_that_ship_are_registered() -> None:
    assert {"torch", "refgrad"} <= set(registered())
    assert isinstance(find_engine("torch"), TorchEngine)
    assert find_engine("refgrad").name == "refgrad"


@pytest.mark.parametrize(
    ("name", "engine"),
    [("made", "made"), ("makes", "made"), ("Namespace.inner", "made"), ("Whole", "whole")],
)
@pytest.mark.usefixtures("folder")
def test_engines_named_by_where_they_are(name: str, engine: str) -> None:
    found = find_engine(f"mine_engines:{name}")
    assert isinstance(found, Engine)
    assert found.name == engine


def test_an_engine_in_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here_engines.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    assert isinstance(find_engine("here_engines:made"), TorchLikeEngine)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "torhc",
            "no engine is registered as 'torhc'; did you mean 'torch'?; or name one as",
        ),
        ("nothing-like-it", "no engine is registered as 'nothing-like-it'; registered engines: "),
        ("", "no engine is registered as ''"),
        (
            "absent_module:engine",
            "engine 'absent_module:engine': there is no module 'absent_module' to import",
        ),
        ("absent_module.sub:engine", "there is no module 'absent_module' to import"),
        ("mine_engines.sub:engine", "there is no module 'mine_engines.sub' to import"),
        (":engine", "engine ':engine': '' is not the name of a module; write package.module:attribute"),
        ("..x:engine", "engine '..x:engine': '..x' is not the name of a module"),
        ("sub/mine:engine", "engine 'sub/mine:engine': 'sub/mine' is not the name of a module"),
        ("absent.py:engine", "there is no module 'absent' to import; a module is named without .py"),
        (
            "mine_engines.py:mad",
            "there is no module 'mine_engines.py' to import; a module is named without .py",
        ),
        ("mine_engines:mad", "module mine_engines has no attribute 'mad'; did you mean 'made'"),
        ("mine_engines:made.nothing", "module mine_engines has no attribute 'nothing'"),
        ("mine_engines:made:more", "module mine_engines has no attribute 'made:more'"),
        ("mine_engines:lazy", "reading 'lazy' of module mine_engines failed: OSError: no such device"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_engines_that_cannot_be_found(name: str, message: str) -> None:
    with pytest.raises(EngineError) as caught:
        find_engine(name)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mine_engines:number", "engine 'mine_engines:number' is a int; expected an Engine or a callable"),
        ("mine_engines:", "engine 'mine_engines:' is a module; expected an Engine"),
        ("mine_engines:fails", "engine 'mine_engines:fails' could not be made: ValueError: no licence"),
        ("mine_engines:exits", "could not be made: SystemExit: 3"),
        (
            "mine_engines:wants",
            "could not be made: TypeError: wants() missing 1 required positional argument",
        ),
        ("mine_engines:returns", "calling mine_engines:returns gave a int; expected an Engine"),
        ("mine_engines:Half", "could not be made: TypeError: Can't instantiate abstract class Half"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_what_is_found_is_no_engine(name: str, message: str) -> None:
    with pytest.raises(AdapterError) as caught:
        find_engine(name)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import absent_dependency", "needs the module 'absent_dependency', which is not installed"),
        ("raise ValueError('broken\\nin two')", "importing {} failed: ValueError: broken"),
        ("def (", "importing {} failed: SyntaxError"),
        ("raise SystemExit(1)", "importing {} failed: SystemExit: 1"),
    ],
)
def test_modules_that_cannot_be_imported(folder: Path, source: str, message: str) -> None:
    name = f"broken_engines_{abs(hash(source)) % 10**8}"
    (folder / f"{name}.py").write_text(source, encoding="utf-8")
    with pytest.raises(EngineError) as caught:
        find_engine(f"{name}:engine")
    assert message.format(name) in str(caught.value)
    assert name in str(caught.value)


@pytest.mark.parametrize("name", ["None", "''", "' '", "5", "'a\\nb'", "'red\\x1b[31m'"])
def test_a_name_that_no_report_could_show(folder: Path, name: str) -> None:
    source = f"from mine_engines import made\nmade.name = {name}\n"
    (folder / "misnamed.py").write_text(source, encoding="utf-8")
    sys.modules.pop("misnamed", None)
    sys.modules.pop("mine_engines", None)
    with pytest.raises(AdapterError, match=r"expected a name of printable characters"):
        find_engine("misnamed:made")


def test_an_import_that_raises_what_is_no_exception(folder: Path) -> None:
    source = "class Stop(BaseException):\n    pass\nraise Stop('here')\n"
    (folder / "stops.py").write_text(source, encoding="utf-8")
    with pytest.raises(EngineError, match=r"importing stops failed: Stop: here \(.*stops\.py:3\)"):
        find_engine("stops:engine")


def test_the_working_directory_does_not_stand_before_installed_modules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in_the_folder.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place])
    find_engine("torch")
    assert "" not in sys.path
    find_engine("in_the_folder:made")
    assert sys.path.index("") == len(sys.path) - 1


@pytest.mark.parametrize(
    ("name", "adapter"),
    [(name, name) for name in ("jax", "micrograd", "mygrad", "paddle", "tensorflow", "tinygrad")],
)
def test_a_missing_extra_is_named(name: str, adapter: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)  # as if it were not installed
    monkeypatch.delitem(sys.modules, f"gradconform.engines.{adapter}", raising=False)
    with pytest.raises(EngineError) as caught:
        find_engine(name)
    told = f"needs the module '{name}', which is not installed; pip install 'gradconform[{name}]'"
    assert str(caught.value) == f"engine '{name}' {told}"
