"""Every compiled function of the package: its flags, its docstring, its disk cache, and the digest that names the cache."""

import importlib
import inspect
import pkgutil
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from numba.core.caching import FunctionCache
from numba.core.dispatcher import Dispatcher

import lstmsim
from lstmsim.kernels import compile as kernels
from lstmsim.kernels.struct import Struct

PACKAGE = Path(lstmsim.__file__).parent


def compiled_functions() -> dict[str, Dispatcher]:
    """Collect the compiled functions of every module, by the module that defines them."""
    found = {}
    for module in pkgutil.walk_packages([str(PACKAGE)], "lstmsim."):
        if module.name.endswith("__main__") or module.name == "lstmsim.river":  # the latter needs an extra, and has none
            continue
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, Dispatcher):
                found[f"{value.py_func.__module__}.{value.py_func.__qualname__}"] = value
    return found


FUNCTIONS = compiled_functions()
KERNELS = {name: function for name, function in FUNCTIONS.items() if not function.targetoptions.get("forceinline")}


def every(functions: dict[str, Dispatcher]) -> pytest.MarkDecorator:
    """Run a test for each of the functions."""
    return pytest.mark.parametrize("function", functions.values(), ids=functions.keys())


def test_the_search_finds_them():
    assert "lstmsim.learners.lstm.steps.advance" in KERNELS
    assert "lstmsim.kernels.logistic.logistic" in FUNCTIONS
    assert "lstmsim.tasks.adding.fill" in KERNELS


@every(FUNCTIONS)
def test_flags(function):
    options = function.targetoptions
    assert options["fastmath"] is False
    assert options["nogil"] is True
    assert options["_nrt"] is False
    assert options["error_model"] == "numpy"
    assert options["nopython"] is True
    assert not options.get("parallel")


def test_the_stack_of_a_kernel_begins_on_a_cache_line(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))

    @kernels.kernel
    def increased(x):
        """Return x and one more."""
        return x + 1.0

    assert increased(1.0) == 2.0
    code = increased.inspect_llvm(increased.signatures[0])
    defined = next(line for line in code.splitlines() if line.startswith("define") and "increased" in line)
    (attributes,) = [line for line in code.splitlines() if line.startswith(f"attributes {defined.split()[-2]} ")]
    assert "alignstack=64" in attributes


@every(FUNCTIONS)
def test_docstring_says_something(function):
    text = inspect.getdoc(function.py_func) or ""
    assert len(text.split()) >= 4, text
    assert text.split("\n")[0].endswith((".", ":", ",", ";")), text


@every(KERNELS)
def test_kernels_are_cached_on_disk(function):
    assert isinstance(function._cache, FunctionCache)
    assert function._cache.cache_path.startswith(str(kernels.cache_folder(function.py_func.__module__)))


@every(FUNCTIONS)
def test_sources_hold_all_that_a_function_uses(function):
    used = [function.py_func.__globals__.get(name) for name in function.py_func.__code__.co_names]
    defined = [value.py_func if isinstance(value, Dispatcher) else value for value in used if callable(value)]
    modules = {function.py_func.__module__, *(value.__module__ for value in defined)}
    ours = {Path(inspect.getsourcefile(sys.modules[name])) for name in modules if name.startswith("lstmsim.")}
    assert ours <= kernels.sources(function.py_func.__module__)


MODULES = sorted({function.py_func.__module__ for function in KERNELS.values()})


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """Copy the package."""
    root = tmp_path_factory.mktemp("copy")
    shutil.copytree(PACKAGE, root / "lstmsim", ignore=shutil.ignore_patterns("__pycache__"))
    return root


def digest(module: str, root: Path) -> str:
    """Return the digest of what stands in the files now."""
    kernels.source_digest.cache_clear()
    return kernels.source_digest(module, root)


@pytest.mark.parametrize("module", MODULES)
def test_the_digest_changes_with_every_source(root, module):
    before = digest(module, root)
    assert before == digest(module, PACKAGE.parent)
    assert len(before) == 16
    found = kernels.sources(module, root)
    assert root / "lstmsim" / "kernels" / "compile.py" in found
    assert root.joinpath(*module.split(".")).with_suffix(".py") in found
    for path in found:
        text = path.read_bytes()
        path.write_bytes(text + b"\n")
        assert digest(module, root) != before, path
        path.write_bytes(text)
    assert digest(module, root) == before


def test_the_digest_leaves_out_what_the_kernel_does_not_use(root):
    found = {path.relative_to(root / "lstmsim").as_posix() for path in kernels.sources("lstmsim.learners.lstm.steps", root)}
    assert {"kernels/vector.py", "learners/lstm/equations.py", "kernels/recording.py", "kernels/scores.py"} <= found
    assert not {"net.py", "simulation/loop.py", "tasks/adding.py"} & found


@pytest.mark.parametrize("module", ["__main__", "a_users_task"])
def test_the_digest_of_a_users_module_changes_with_every_kernel(root, module):
    before = digest(module, root)
    for name in ("kernels/sequences.py", "kernels/random.py", "tasks/base.py"):
        path = root / "lstmsim" / name
        text = path.read_bytes()
        path.write_bytes(text + b"\n")
        assert digest(module, root) != before
        path.write_bytes(text)
    assert digest(module, root) == before


def test_the_digest_follows_imports_and_the_compiler(tmp_path, monkeypatch):
    (tmp_path / "lstmsim").mkdir()
    first, second, third = (tmp_path / "lstmsim" / f"{name}.py" for name in ("first", "second", "third"))
    first.write_text("import numpy\nfrom lstmsim import second\n")
    second.write_text("def inside():\n    from lstmsim.third import name\n")
    third.write_text("import lstmsim.first\n")
    assert kernels.sources("lstmsim.first", tmp_path) == {first, second, third}
    seen = {digest("lstmsim.first", tmp_path)}
    third.write_text("import lstmsim.first  # changed\n")
    seen.add(digest("lstmsim.first", tmp_path))
    monkeypatch.setattr(kernels.numba, "__version__", "1000.0")
    seen.add(digest("lstmsim.first", tmp_path))
    assert len(seen) == 3
    kernels.source_digest.cache_clear()


def test_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    module = "lstmsim.learners.lstm.steps"
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "numba"))
    assert kernels.cache_folder(module) == tmp_path / "numba" / "lstmsim" / kernels.source_digest(module)
    monkeypatch.delenv("NUMBA_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert kernels.cache_folder(module) == tmp_path / "xdg" / "lstmsim" / kernels.source_digest(module)
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert kernels.cache_folder(module).is_relative_to(tmp_path / "home")


def test_the_cache_folder_of_other_numba_code_is_left_alone():
    before = kernels.config.CACHE_DIR

    @kernels.kernel
    def nothing():
        """Do nothing at all."""

    assert before == kernels.config.CACHE_DIR != nothing._cache.cache_path


def test_a_called_kernel_is_looked_for_once_for_types_of_arguments(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    bound, looked_for = kernels.bound, []

    class Pair(Struct):
        values: object
        factor: object

    @kernels.kernel
    def total(pairs, n):
        """Return n times the factor, and the first value of each of two structs."""
        return n * pairs[0].factor + pairs[0].values[0] + pairs[1].values[0]

    def counted(*arguments):
        looked_for.append(arguments)
        return bound(*arguments)

    monkeypatch.setattr(kernels, "bound", counted)
    a, b, other = Pair(np.array([1.0]), 2.0), Pair(np.array([10.0]), 3.0), Pair(np.array([7]), 2)
    assert [kernels.called(total, (a, b), 1), kernels.called(total, (b, a), 2)] == [13.0, 17.0]
    assert len(looked_for) == 1
    result = kernels.called(total, (other, other), 1)
    assert (result, type(result)) == (16, int)
    assert len(looked_for) == 2
