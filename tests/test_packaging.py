"""The project files agree with each other and with the package."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

import lstmsim

ROOT = Path(__file__).parents[1]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FIRST_SCREEN = 24  # lines of a terminal


@pytest.fixture(scope="module")
def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def environment():
    return yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def readme():
    return (ROOT / "README.md").read_text(encoding="utf-8")


def test_environment_repeats_dependencies_and_bounds(project, environment):
    wanted = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    wanted = [requirement.lower() for requirement in wanted]  # conda names are lower case
    wanted += [f"python{project['requires-python']}", "pip"]
    assert sorted(environment["dependencies"]) == sorted(wanted)


def test_environment_is_lstmsim_from_conda_forge(environment):
    assert environment["name"] == "lstmsim"
    assert environment["channels"][0] == "conda-forge"


def test_every_dependency_has_only_a_lower_bound(project):
    extras = project["optional-dependencies"].values()
    for requirement in [*project["dependencies"], *(name for extra in extras for name in extra)]:
        assert re.fullmatch(r"[A-Za-z0-9-]+>=[0-9.]+", requirement), requirement


def test_a_package_has_one_bound_in_all_extras(project):
    extras = project["optional-dependencies"].values()
    requirements = {*project["dependencies"], *(name for extra in extras for name in extra)}
    names = [requirement.partition(">=")[0] for requirement in requirements]
    assert sorted(names) == sorted(set(names))


def test_readme_opens_with_run_and_test_commands(readme):
    (run_language, run), (test_language, test) = FENCE.findall(readme)[:2]
    assert (run_language, test_language) == ("bash", "bash")
    assert "python -m lstmsim.run" in run
    assert "python -m pytest" in test
    for command in (run, test):
        assert command.count("\n") == 1, "one line to paste"
        assert command.startswith("python3 -m venv .venv && .venv/bin/pip install "), "the system Python is left alone"


def test_readme_first_screen_holds_nothing_else(readme):
    second = list(FENCE.finditer(readme))[1]
    screen = readme[: second.end()]
    assert screen.count("\n") < FIRST_SCREEN
    assert re.findall(r"^#+ .*$", screen, re.MULTILINE) == ["# lstmsim"]
    assert "    " not in screen, "an indented block is a third command"
    assert readme[second.end() :].startswith("\n\n## ")


def test_version_is_the_newest_of_the_changelog():
    versions = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert versions[0] == lstmsim.__version__


def test_version_is_cited():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == lstmsim.__version__
    assert [reference["doi"] for reference in citation["references"]] == ["10.1162/neco.1997.9.8.1735"]
