"""Whatever is passed to the Python interface: it is accepted, or refused by a ValueError that names the argument."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import strategies as st
from matplotlib.figure import Figure

import lstmsim
from lstmsim import errorflow, plots
from lstmsim.campaign.folder import RunFolder
from lstmsim.learners.lstm.settings import LSTMSettings
from tests.strange import CASES, answer, anything, arrays, fuzz

cases = pytest.mark.parametrize("cases", CASES)
SETTINGS = sorted(field.name for field in dataclasses.fields(LSTMSettings))


def some_of(names, values=anything, **likely):
    """Some of these keyword arguments, with anything or a likely value."""
    pairs = st.sampled_from(sorted(names)).flatmap(
        lambda name: st.tuples(st.just(name), values | likely[name] if name in likely else values)
    )
    return st.lists(pairs, max_size=2).map(dict)


@cases
def test_nets(cases):
    def check(given):
        return answer(lambda: lstmsim.LSTM(**({"n_inputs": 2, "n_outputs": 1} | given)), *given)

    fuzz(some_of([*SETTINGS, "seed", "nonsense"]), cases, check)


@cases
def test_calls_of_a_net(cases):
    net = lstmsim.LSTM(2, 1, 2, 2, n_hidden=1)
    calls = {
        "x": [net.step, net.predict, lambda x: net.step(x, [0.5])],
        "target": [lambda target: net.step([0.5, 0.5], target), lambda target: (net.predict([0.1, 0.2]), net.learn(target))],
        "inputs": [net.run],
        "targets": [lambda targets: net.run(np.zeros((3, 2)), targets)],
        "learn": [lambda learn: net.run(np.zeros((3, 2)), learn=learn)],
        "reset": [lambda reset: net.run(np.zeros((3, 2)), reset=reset)],
        "weights": [net.set_weights, lambda value: net.set_weights(net.weights | {"cell": value})],
        "state": [net.set_state, lambda value: net.set_state(net.state | {"hidden": value})],
        "learning_rate": [lambda value: setattr(net, "learning_rate", value)],
        "settings": [lambda value: lstmsim.LSTM.from_weights(value, net.weights)],
    }
    call = st.sampled_from([(name, one) for name, several in calls.items() for one in several])
    shaped = st.one_of(
        anything, arrays, st.sampled_from([np.ones(2), np.ones((3, 1)), np.ones((3, 2)), np.full((3, 1), np.nan)])
    )

    def check(example):
        (name, one), value = example
        before = [array.tobytes() for array in net._hand.arrays()]
        try:
            found = answer(lambda: (one(value), True), name)
        except lstmsim.DivergedError:  # numbers such as 1e308 are allowed
            return False
        if found is None and name not in ("target", "targets", "reset"):
            assert [array.tobytes() for array in net._hand.arrays()] == before
        assert all(np.isfinite(values).all() for values in net.weights.values())
        return found

    assert fuzz(st.tuples(call, shaped), cases, check) > 0


@cases
def test_experiments(cases):
    rule = [field.name for field in dataclasses.fields(lstmsim.StoppingRule)]
    net = LSTMSettings(2, 1)

    def check(example):
        kind, given = example
        if kind == "rule":
            return answer(lambda: lstmsim.StoppingRule(**given), *given)
        if kind == "task":
            return answer(lambda: lstmsim.tasks.task("adding")(**given), *given)
        if kind == "array":
            return answer(lambda: lstmsim.tasks.ArrayTask(**given), "inputs", *given)
        arguments = {"task": lstmsim.tasks.task("adding")(20), "learner": net} | given
        return answer(lambda: lstmsim.Experiment(**arguments), *given, "n_inputs", "inputs")

    learners = st.sampled_from(["lstm", "rtrl", LSTMSettings(3, 1)])
    rest = {"targets": anything, "test": anything, "tolerance": anything}
    example = st.one_of(
        st.tuples(st.just("rule"), some_of(rule)),
        st.tuples(st.just("task"), some_of(["T"])),
        st.tuples(st.just("array"), st.fixed_dictionaries({"inputs": anything}, optional=rest)),
        st.tuples(st.just("experiment"), some_of(["task", "learner", "stop", "name"], learner=learners)),
    )
    assert fuzz(example, cases, check) > 0


@cases
def test_simulate(cases, tmp_path, monkeypatch):
    class Accepted(BaseException):
        pass

    def accept(_):
        raise Accepted

    monkeypatch.setattr(RunFolder, "locked", accept)
    monkeypatch.chdir(tmp_path)
    names = [
        "experiment",
        "trials",
        "seed",
        "out",
        "record",
        "workers",
        "scheduler",
        "device",
        "progress",
        "lanes",
        "checkpoint_every",
        "reuse",
    ]
    keys = ["T", "learning_rate", "window", "output", "nonsense"]

    def check(given):
        try:
            answer(lambda: lstmsim.simulate(**({"experiment": "4-1"} | given)), *given, "row")
        except Accepted:
            return True
        assert list(tmp_path.iterdir()) == []

    assert fuzz(some_of([*names, *keys], experiment=st.sampled_from(["2a", ["4-1", "6a"]])), cases, check) > 0


# Pictures and measures of selections.


@pytest.fixture(scope="module")
def traces():
    """Traces of a net, of a stream, and of trials of unequal length, lazy ones too."""
    net, rng = lstmsim.LSTM(2, 1, 2, 2, n_hidden=1), np.random.default_rng(0)
    one = net.run(rng.normal(size=(12, 2)), np.where(np.arange(12)[:, None] % 5 == 4, 0.5, np.nan))
    numbers = {
        "sequence": ("step", np.arange(12) // 5),
        "t": ("step", np.arange(12) % 5),
        "event": ("step", np.arange(12) % 2),
    }
    stream = one.assign_coords(numbers)
    trials = xr.concat([stream, stream.isel(step=slice(0, 7))], "trial", join="outer")
    found = {"one": one, "stream": stream, "trials": trials, "weights": xr.Dataset(coords={"trial": [0]})}
    return net, found | {"lazy": trials.chunk({"step": 4}), "tree": xr.DataTree(stream)}


@st.composite
def selections(draw):
    """A trace's name, and what is done to it, a few times over."""
    dims = st.sampled_from(["step", "cell", "block", "output_unit", "input_unit", "hidden_unit", "trial"])
    index = st.one_of(
        st.integers(-2, 3),
        st.builds(slice, st.integers(-3, 6), st.integers(-3, 12)),
        st.lists(st.integers(0, 1), max_size=3),
    )
    variables = st.sampled_from(
        [
            "cell_state",
            "input_gate",
            "output_gate",
            "output",
            "target",
            "hidden",
            "sequence",
            "t",
            "event",
            "step",
            "cell",
            "cell_block",
            "output_error",
        ]
    )
    steps = st.one_of(
        st.tuples(st.just("isel"), dims, index),
        st.tuples(st.just("drop_vars"), variables, st.none()),
        st.tuples(st.just("mean"), dims, st.none()),
        st.tuples(st.just("where"), st.integers(-1, 3), st.booleans()),
        st.tuples(st.just("transpose"), st.none(), st.none()),
        st.tuples(st.just("rename"), dims, st.just("other")),
        st.tuples(st.just("astype"), variables, st.sampled_from(["U3", "f4", "O", "M8[ns]", "bool"])),
        st.tuples(st.just("fill"), variables, st.sampled_from([np.nan, np.inf, -1, 1e300])),
    )
    return draw(st.sampled_from(["one", "stream", "trials", "lazy", "tree"])), draw(st.lists(steps, max_size=3))


def selected(traces, selection):
    """Do it with xarray; None where xarray itself refuses."""
    name, steps = selection
    trace = traces[name]
    try:
        for what, one, other in steps:
            if isinstance(trace, xr.DataTree):
                trace = trace.to_dataset()
            if what == "where":
                trace = trace.where(trace.sequence == one, drop=other)
            elif what == "astype":
                trace = trace.assign({one: trace[one].astype(other)})
            elif what == "fill":
                trace = trace.assign({one: xr.full_like(trace[one], other)})
            elif what == "transpose":
                trace = trace.transpose()
            else:
                trace = getattr(trace, what)({one: other} if what in ("isel", "rename") else one)
        trace.compute()  # a lazy trace is refused when it is read
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, OverflowError, RuntimeError, Warning):
        return None
    return trace


EVENTS = st.one_of(st.none(), st.none(), anything, st.lists(st.integers(0, 4), max_size=3))


@cases
def test_pictures_of_selections(cases, traces):
    draws = [plots.cell_states, plots.gates, plots.outputs, plots.hidden, plots.errors, plots.gate_histogram]
    with_events = (plots.cell_states, plots.gates, plots.outputs, plots.hidden)

    def check(example):
        draw, selection, events, other = example
        trace = selected(traces[1], selection) if other is None else other
        how = {} if draw not in with_events or events is None else {"events": events}
        names = ["trace", "events", *draw_names]
        return answer(lambda: draw(trace, ax=Figure().subplots(), **how), *names, says="allowed|must|select one")

    draw_names = [
        "cell_state",
        "input_gate",
        "output_gate",
        "output",
        "hidden",
        "target",
        "error",
        "step",
        "event",
        "sequence",
    ]
    other = st.one_of(*[st.none()] * 6, anything)
    assert fuzz(st.tuples(st.sampled_from(draws), selections(), EVENTS, other), cases, check) > 0


@cases
def test_measures_of_selections(cases, traces):
    net, by_name = traces

    def check(example):
        measure, selection, given = example
        trace = selected(by_name, selection)
        how = {key: value for key, value in given.items() if (key == "net") == (measure is errorflow.usage)}
        return answer(lambda: measure(trace, **how), "trace", *how, "cell_state", "input_gate", "cell_output", "output_gate")

    given = some_of(["saturated_below", "cell_output", "net"], net=st.just(net) | st.just(lstmsim.LSTM(1, 1)))
    example = st.tuples(st.sampled_from([errorflow.drift, errorflow.usage]), selections(), given)
    assert fuzz(example, cases, check) > 0


@cases
def test_error_flow(cases, traces):
    net = traces[0]
    z, d = np.linspace(-1, 1, 12).reshape(6, 2), np.full((6, 1), 0.5)
    calls = {
        errorflow.backflow: {"net": net, "inputs": z, "step": 3, "mode": "full"},
        errorflow.credit: {"net": net, "inputs": z, "targets": d},
        errorflow.gradient_bias: {"net": net, "inputs": z, "targets": d},
        errorflow.scaling: {"weights": net, "inputs": z, "lags": [1, 2], "derivatives": None, "activations": None},
        errorflow.scaling_bound: {"n": 3, "w_max": 1.0, "lags": [1, 2]},
    }
    flat = [(call, arguments, name) for call, arguments in calls.items() for name in arguments]

    def check(example):
        (call, arguments, name), value = example
        return answer(lambda: call(**(arguments | {name: value})), *arguments)

    assert fuzz(st.tuples(st.sampled_from(flat), anything), cases, check) > 0


# Files.


@cases
def test_names_of_files(cases, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("file").write_bytes(b"\x89HDF\r\n\x1a\n nothing more")
    Path("folder").mkdir()
    calls = [lstmsim.open_run, lstmsim.load_net, lstmsim.LSTM.load]

    def check(example):
        call, path = example
        return answer(lambda: call(path), "path", errors=(ValueError, FileNotFoundError))

    known = st.sampled_from(["file", "folder", "missing", "~", Path("file"), "x" * 300, "file/x", "~nobody/x"])
    fuzz(st.tuples(st.sampled_from(calls), anything | known), cases, check)
