"""The project files agree with each other and with the package."""

import re
import subprocess
import tomllib
import venv
from pathlib import Path

import pytest
import yaml

import lstmsim

ROOT = Path(__file__).parents[1]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FIRST_SCREEN = 24  # lines of a terminal
SMALL_RUN = "4-1 --trials 1 --set T=20 --set final_test=5 --max-sequences 40 --quiet --out run"


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
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["test"], *extras["docs"]]
    wanted = [requirement.lower() for requirement in wanted]  # conda names are lower case
    wanted += [f"python{project['requires-python']}", "pip"]
    there = [name for part in environment["dependencies"] for name in (part["pip"] if isinstance(part, dict) else [part])]
    assert sorted(there) == sorted(wanted)


def test_environment_is_lstmsim_from_conda_forge(environment):
    assert environment["name"] == "lstmsim"
    assert environment["channels"][0] == "conda-forge"


def test_every_dependency_has_only_a_lower_bound(project):
    extras = project["optional-dependencies"].values()
    for requirement in [*project["dependencies"], *(name for extra in extras for name in extra)]:
        assert re.fullmatch(r"[A-Za-z0-9_-]+>=[0-9.]+", requirement), requirement


def test_a_package_has_one_bound_in_all_extras(project):
    extras = project["optional-dependencies"].values()
    requirements = {*project["dependencies"], *(name for extra in extras for name in extra)}
    names = [requirement.partition(">=")[0] for requirement in requirements]
    assert sorted(names) == sorted(set(names))


def test_readme_opens_with_run_and_test_commands(readme):
    (run_language, run), (test_language, test) = FENCE.findall(readme)[:2]
    assert (run_language, test_language) == ("bash", "bash")
    assert "python -m lstmsim" in run
    assert "python -m pytest" in test
    for command in (run, test):
        assert command.count("\n") == 1, "one line to paste"
        assert command.startswith("python3 -m venv .venv && .venv/bin/pip install "), "the system Python is left alone"


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("kind", ["*.whl", "*.tar.gz"])
def test_a_distribution_runs_in_an_empty_environment(kind, distributions, tmp_path):
    (file,) = distributions.glob(kind)
    python = new_environment(tmp_path / "environment")
    call(python, "-m", "pip", "install", "--quiet", file, cwd=tmp_path)
    call(python, "-I", "-m", "lstmsim.run", *SMALL_RUN.split(), cwd=tmp_path)
    left = {path.name for path in (tmp_path / "run").rglob("*")}
    assert left >= {"trial-0000.nc", "overview.png", "summary.nc", "report.html", "run.json"}
    assert "4-1" in call(python.with_name("lstmsim"), "--list", cwd=tmp_path)


@pytest.fixture(scope="module")
def distributions(tmp_path_factory):
    folder = tmp_path_factory.mktemp("distributions")
    python = new_environment(folder / "environment")
    call(python, "-m", "pip", "install", "--quiet", "hatchling", cwd=folder)
    call(python, "-m", "hatchling", "build", "-d", folder, cwd=ROOT)
    return folder


def new_environment(folder):
    """Python of an environment that holds nothing."""
    venv.create(folder, with_pip=True)
    return folder / "bin" / "python"


def call(*command, cwd):
    """Output of a command that must succeed."""
    done = subprocess.run([*map(str, command)], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


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


def test_few_lines_have_the_type_that_says_nothing():
    lines = [line for path in (ROOT / "lstmsim").rglob("*.py") for line in path.read_text(encoding="utf-8").splitlines()]
    assert sum(re.search(r"\bAny\b", line) is not None for line in lines) < 60
