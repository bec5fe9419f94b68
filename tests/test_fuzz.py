"""Whatever stands in --set, in a run file or on the command line: it is accepted, or refused in one line with exit 2."""

import json
import string

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lstmsim.campaign.folder import RunFolder
from lstmsim.paper import rows
from lstmsim.run import main

CASES = [300, pytest.param(10_000, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])]


class Accepted(BaseException):
    """The request has passed all checks; the folder would be made now."""


KEYS = sorted({key for row in rows().values() for key in row.config.keys()})  # noqa: SIM118
numbers = st.one_of(
    st.integers(-(10**20), 10**20),
    st.integers(-5, 300),
    st.floats(),
    st.sampled_from([0, 1, -1, 2**31, 2**63, 2**64, 10**400, 0.0, -0.0, 1e308, 1e-320]),
)
words = st.one_of(
    st.text(max_size=20),
    st.text(string.printable, max_size=30),
    st.sampled_from(
        [
            "", "none", "true", "F", "B", "all", "step", "sequence", "[", "[]", "[1,2]", "{a=1}", "1979-05-27", "07:32:00",
            "0x" + "f" * 6000, "9" * 6000, "[" * 5000, "[1," * 2000, "inf", "1_000", '"', "'''", "\\", "\0", "../..", "=",
            "identity", "logistic", "A1", "latch 2", "\x1b[2J", "a\nb", "\u2028", "{" * 500, "1e999", "0x", "nan",
        ]
    ),
)  # fmt: skip
plain = st.one_of(numbers, words, st.booleans(), st.none())
nested = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=2), max_leaves=5
)
keys = st.one_of(st.sampled_from(KEYS), st.sampled_from(KEYS), words)


def toml(value) -> str:
    """A value in TOML, as far as TOML has it; nothing stands for None."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(part)}" for key, part in value.items()) + "}"
    return repr(value)


plausible = st.one_of(st.integers(1, 20), st.sampled_from([0.01, 0.5, 1.0, 100, True, False]))
assignments = st.one_of(
    st.builds(lambda key, value: f"{key}={toml(value)}", st.sampled_from(KEYS), plausible),
    st.builds(lambda key, value: f"{key}={toml(value)}", keys, nested),
    st.builds(lambda key, value: f"{key}={value}", keys, plain),
    words,
)


def of_row(name: str) -> st.SearchStrategy[tuple[str, str]]:
    """A row with an assignment, of its own keys or any."""
    own = st.builds(lambda key, value: f"{key}={toml(value)}", st.sampled_from(list(rows()[name].config.keys())), plausible)
    return st.tuples(st.just(name), st.one_of(own, assignments))


@st.composite
def run_files(draw) -> str:
    """Run files that are nearly right, and some that are nothing of the kind."""
    kind = draw(st.integers(0, 9))
    if kind == 0:
        return draw(words)
    lines = []
    for _ in range(draw(st.integers(0, 3))):
        entry = {"row": draw(st.sampled_from([*rows(), "4-9", "", 3])), "trials": 1}
        entry |= draw(st.dictionaries(st.sampled_from(["row", "trials", "set", "reading", "name", "x"]), nested, max_size=2))
        entry["set"] = draw(st.one_of(st.dictionaries(keys, nested, max_size=2), nested))
        lines += ["[[rows]]", *(f"{key} = {toml(value)}" for key, value in entry.items())]
    if draw(st.booleans()):
        lines.insert(draw(st.integers(0, len(lines))), f"{draw(words)} = {toml(draw(nested))}")
    return "\n".join(lines)


@pytest.fixture
def judge(tmp_path, monkeypatch, capsys):
    """Give `main` a request and see what becomes of it, up to where a campaign would begin."""

    def accept(_: RunFolder):
        raise Accepted

    monkeypatch.setattr(RunFolder, "locked", accept)
    monkeypatch.chdir(tmp_path)

    def run(arguments: list[str]) -> str:
        before = sorted(path.name for path in tmp_path.iterdir())
        try:
            code = main([*arguments, "--workers", "1", "--lanes", "1"])
        except Accepted:
            return ""
        captured = capsys.readouterr()
        assert code == 2, captured.err
        assert captured.out == ""
        assert captured.err.startswith("lstmsim: ")
        assert captured.err.count("\n") == 1
        assert captured.err[:-1].isprintable()
        assert len(captured.err) < 2000
        assert "allow" in captured.err
        assert sorted(path.name for path in tmp_path.iterdir()) == before
        return captured.err

    return run


def fuzz(strategy, cases: int, check) -> int:
    """Try `cases` examples, always the same; the number of requests that were accepted."""
    accepted = []

    @settings(max_examples=cases, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(strategy)
    def each(example):
        accepted.append(check(example))

    each()
    return sum(accepted)


@pytest.mark.parametrize("cases", CASES)
def test_settings_on_the_command_line(cases, judge):
    """One --set each; a refusal names what stands before the first "=", and what was given or that it is unknown."""

    def check(example: tuple[str, str]) -> bool:
        row, text = example
        message = judge([row, "--trials", "1", f"--set={text}"])
        key = text.partition("=")[0].strip()
        assert not message or key not in KEYS or key in message
        return not message

    assert 0.01 * cases < fuzz(st.sampled_from(list(rows())).flatmap(of_row), cases, check) < 0.9 * cases


@pytest.mark.parametrize("cases", CASES)
def test_run_files(cases, judge, tmp_path):
    path = tmp_path / "run.toml"
    path.write_bytes(b"")

    def check(text: str) -> bool:
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        return not judge([str(path)])

    assert 0 < fuzz(run_files(), cases, check) < 0.9 * cases


@pytest.mark.parametrize("cases", CASES)
def test_bytes_as_run_files(cases, judge, tmp_path):
    path = tmp_path / "run.toml"
    path.write_bytes(b"")

    def check(content: bytes) -> bool:
        path.write_bytes(content)
        return not judge([str(path)])

    assert fuzz(st.binary(max_size=60), cases, check) == 0


@pytest.mark.parametrize("cases", CASES)
def test_other_arguments(cases, judge):
    """Rows, options and their values in any order."""
    options = ("--trials", "--seed", "--max-sequences", "--record", "--checkpoint-every", "--set", "--workers", "--lanes")
    argument = st.one_of(st.sampled_from(["4-1", "2a", *options]), words, plain.map(str))

    def check(arguments: list[str]) -> bool:
        asks_for_help = any(text[:2] in ("-h", "--") and "--help".startswith(text) for text in arguments if len(text) > 1)
        lists = any(len(text) > 2 and "--list".startswith(text) for text in arguments)
        return asks_for_help or lists or not judge(arguments)

    assert fuzz(st.lists(argument, max_size=4), cases, check) < cases


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["2a", "--set", "p=100000"], ["p=100000"]),
        (["4-1", "--set", "T=1000000", "--lanes", "16", "--workers", "1000", "--trials", "10000"], ["T=1000000"]),
        (["4-1", "--set", "n_blocks=1000000000"], ["n_blocks=1000000000"]),
        (["4-1", "--set", "block_size=100000000000000000000"], ["block_size"]),
        (["1-rcc", "--set", "max_hidden=10000000"], ["max_hidden"]),
        (["1-rcc", "--set", "pool=1000000000000"], ["pool"]),
        (["1-rtrl-3", "--set", "n_hidden=1000000"], ["n_hidden"]),
        (["4-1", "--set", "window=1000000000"], ["window"]),
    ],
)
def test_sizes_that_do_not_fit_are_refused_before_they_are_allocated(arguments, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    message = capsys.readouterr().err
    assert all(word in message for word in [*words, "allowed"])
    assert message.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["..", "../x", "/tmp/x", "a/b", ".hidden", "", "a\\..", "x" * 100, "a\0b", "~", "-rf"])
def test_names_of_rows_cannot_leave_the_folder(name, judge, tmp_path):
    path = tmp_path / "run.toml"
    path.write_text(f"[[rows]]\nrow = '4-1'\nname = {json.dumps(name)}\n")
    assert "name" in judge([str(path)])
