"""Every code block of README.md and docs/: Python is run, commands are read by the command line."""

import importlib.util
import random
import re
import runpy
import shlex
from pathlib import Path

import pytest
from matplotlib import pyplot

from lstmsim import tasks
from lstmsim.campaign.requests import from_file, requested
from lstmsim.learners import learners
from lstmsim.learners.base import _TABLE
from lstmsim.run import parser
from lstmsim.simulation.config import assignments
from lstmsim.simulation.policy import Policy

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
FENCE = re.compile(r"^```(\{?[\w-]*\}?)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`(python -m [^`]+)`")
PROGRAMS = (".ci/run", "conda", "pip", "python3")  # what else stands in a command
LANGUAGES = {"", "bash", "text", "python", "{eval-rst}", "{toctree}"}


def blocks(page, wanted):
    """Contents of a page's blocks in a language."""
    return [text for language, text in FENCE.findall(page.read_text(encoding="utf-8")) if language == wanted]


def commands(page):
    """Single commands of a page's blocks, and those in its text that have no placeholder."""
    lines = [line for text in blocks(page, "bash") for line in text.replace("\\\n", " ").splitlines()]
    spans = (span.replace("\n", " ") for span in SPAN.findall(page.read_text(encoding="utf-8")))
    lines += [span for span in spans if not re.search(r"\.\.\.|\b[A-Z]{3,}\b| > ", span)]
    return [part for line in lines for part in line.partition("#")[0].split("&&") if part.strip()]


PYTHON = [page for page in PAGES if blocks(page, "python")]
COMMANDS = [(page.name, command.strip()) for page in PAGES for command in commands(page)]


def test_every_task_is_in_the_reference():
    page = (ROOT / "docs" / "api-tasks.md").read_text(encoding="utf-8")
    for made in tasks.tasks().values():
        assert f"   ~{made.__module__}.{made.__qualname__}\n" in page


def test_every_learner_is_in_the_reference_with_its_settings():
    page = (ROOT / "docs" / "api-learners.md").read_text(encoding="utf-8")
    for name, made in learners().items():
        assert f"{made.Settings.__qualname__}\n" in page
        assert name == "lstm" or f"   ~{made.__module__}.{made.__qualname__}\n" in page  # its lanes are not for users


def test_there_are_blocks():
    assert {page.name for page in PYTHON} >= {"README.md", "tutorial.md", "gallery.md"}
    assert len(COMMANDS) > 10


def test_every_test_that_is_named_exists():
    """In the pages `tests/file.py` and `tests/file.py::name`, in that of reliability shortened names too."""
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    defined = {
        path: re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.M) for path in ROOT.glob("tests/**/*.py")
    }
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", text)
    assert sum(bool(name) for _, name in named) > 60
    for path, name in named:
        assert ROOT / path in defined, path
        assert not name or name in defined[ROOT / path], f"{path}::{name}"
    every = {name for names in defined.values() for name in names}
    reliability = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    parts = re.findall(r"`(test_\w+|\.\.\.\w+)(?:\.\.\.)?`", reliability)
    assert [part for part in parts if not any(part.strip("._") in name for name in every)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_blocks_are_of_a_kind_that_is_tested(page):
    assert {language for language, _ in FENCE.findall(page.read_text(encoding="utf-8"))} <= LANGUAGES


def run(page, texts, folder, monkeypatch):
    """Run blocks one after another, as one script in an empty folder."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setattr(_TABLE, "_classes", _TABLE.all())  # what a page registers is its own
    script = folder / f"{page.stem}.py"  # a file, because compiled functions are kept with theirs
    script.write_text("\n".join(texts), encoding="utf-8")
    try:
        runpy.run_path(str(script))
    finally:
        pyplot.close("all")


@pytest.mark.parametrize("page", [page for page in PYTHON if page.name != "README.md"], ids=lambda page: page.name)
def test_python_runs(page, tmp_path, monkeypatch, capsys):
    if page.name == "river.md":
        pytest.importorskip("river")
    run(page, blocks(page, "python"), tmp_path, monkeypatch)
    printed = capsys.readouterr().out
    if page.name == "river.md":
        assert printed.splitlines() == blocks(page, "text")[0].splitlines()
    if page.name == "own-learner.md":
        first, last = printed.splitlines()
        assert [first] == blocks(page, "text")[0].splitlines()
        assert last.startswith("('trial', 'step', 'input_unit') 0.")
    if page.name == "own-task.md":
        assert printed.count("'solved'") == 4
    if page.name == "streams.md":
        early, late = map(float, printed.split())
        assert late < early / 10


README = ROOT / "README.md"
EXAMPLES = dict(zip(("run", "data", "task", "learner", "scan", "hand"), blocks(README, "python"), strict=True))


@pytest.mark.slow
def test_the_examples_of_the_readme_run_in_any_order_in_one_process(tmp_path, monkeypatch):
    orders = [list(EXAMPLES)[::-1], random.Random(0).sample(list(EXAMPLES), len(EXAMPLES))]
    for number, order in enumerate(orders):
        (folder := tmp_path / str(number)).mkdir()
        for example in order:
            run(README, [EXAMPLES[example]], folder, monkeypatch)


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_of_the_readme_runs_alone(example, tmp_path, monkeypatch, capsys):
    run(README, [EXAMPLES[example]], tmp_path, monkeypatch)
    if example in ("data", "task", "learner"):
        assert capsys.readouterr().out.count("'solved'") == 4


def test_examples_of_the_readme_are_short():
    learner = EXAMPLES["learner"].partition("@")[2].partition("\ntask")[0]
    for text, most in ((EXAMPLES["data"], 14), (EXAMPLES["task"], 14), (learner, 14), (EXAMPLES["scan"], 5)):
        assert sum(map(bool, text.splitlines())) <= most
    assert README.read_text(encoding="utf-8").count("\n") < 160


def understood(options):
    """Read what is asked for as the command line does, without running it."""
    changes = assignments(options.set)
    Policy.parse(options.record)
    if options.list:
        return
    if options.rows and options.rows[0].endswith(".toml"):
        from_file(Path(options.rows[0]), None, changes)
    else:
        requested(options.rows or ["4-1"], None, changes)


@pytest.mark.parametrize(("page", "command"), COMMANDS)
def test_commands_are_understood(page, command, monkeypatch):
    monkeypatch.chdir(ROOT)
    words = shlex.split(command)
    if words[0] not in PROGRAMS and Path(words[0]).name not in ("python", "pip", "ruff", "mypy"):
        raise AssertionError(f"{page}: {words[0]!r} is no program that a reader has")
    if "-m" in words:
        module, *arguments = words[words.index("-m") + 1 :]
        assert importlib.util.find_spec(module) is not None or module == "sphinx"
        if module in ("lstmsim", "lstmsim.run"):
            understood(parser().parse_args(arguments))
