"""Trial files: what stands in them, that they are whole or absent, and the recording policies."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import lstmsim
from lstmsim import tasks
from lstmsim.kernels.scores import MILESTONES
from lstmsim.learners.lstm.settings import LSTMSettings
from lstmsim.simulation.config import Experiment, Stage, StoppingRule
from lstmsim.simulation.loop import Result, Simulation
from lstmsim.simulation.policy import Policy
from lstmsim.trace.dataset import steps
from lstmsim.trace.schema import COORDINATES, PROGRESS, TEST, step_variables
from lstmsim.trace.store import TrialFile, marks, provenance, whole_or_absent

STEPS = {
    "input": ("step", "input_unit"),
    **dict.fromkeys(("target", "output", "output_error"), ("step", "output_unit")),
    **dict.fromkeys(("cell_net", "cell_state", "cell_output", "state_error", "cell_error"), ("step", "cell")),
    **dict.fromkeys(("input_gate", "output_gate", "input_gate_error", "output_gate_error"), ("step", "block")),
    "update_norm": ("step",),
}
WEIGHTS = {
    "input_gate": ("block", "source"),
    "output_gate": ("block", "source"),
    "cell": ("cell", "source"),
    "hidden": ("hidden_unit", "source"),
    "output": ("output_unit", "output_source"),
}
ROOT = (
    "title", "Conventions", "row", "trial", "seed", "status", "sequences", "sequences_to_success", "steps", "seconds",
    "config", "version", "numba", "numpy", "xarray", "netCDF4", "cpu",
)  # fmt: skip


def dense() -> Experiment:
    net = LSTMSettings(1, 1, n_blocks=3, bias="b1", n_hidden=1, learning_rate=3.0, output_gate_bias=[-2, -4, -6])
    stages = (Stage("ST1", test=64), Stage("ST2", test=64, error=0.03))
    training = StoppingRule(stages=stages, max_sequences=3000, window=50, test_every=100, final_test=20)
    return Experiment(tasks.task("two_sequence")(6, 3), net, training)


def one_hot() -> Experiment:
    net = LSTMSettings(8, 4, n_blocks=2, block_size=2, learning_rate=0.5)
    training = StoppingRule(error=0.0, max_sequences=110, window=50, final_test=4)
    return Experiment(tasks.task("temporal_order")(2), net, training)


@pytest.fixture(scope="module", params=["dense", "one_hot"])
def trial(request) -> tuple[Experiment, Simulation, Result]:
    config = {"dense": dense, "one_hot": one_hot}[request.param]()
    simulation = Simulation(config, 5, 1, Policy())
    return config, simulation, next(simulation.run(iter([2])))


def write(path: Path, config: Experiment, simulation: Simulation, result: Result, **extra: Any) -> Path:
    with TrialFile(path, simulation.learner.layout, config.task) as file:
        file.finish("3a-1", config, simulation.learner, result, provenance() | extra)
    return path


@pytest.fixture(scope="module")
def written(trial, tmp_path_factory) -> xr.DataTree:
    path = write(tmp_path_factory.mktemp("run") / "3a-1" / "trial-0002.nc", *trial, source="lstmsim", history="written")
    with xr.open_datatree(path) as tree:
        return tree.load()


# The schema.


def test_groups(written):
    assert set(written.children) == {"trace", "progress", "weights", "test", "test_trace"}


def test_root_attributes(trial, written):
    config, _, result = trial
    attrs = written.attrs
    assert set(ROOT) <= set(attrs)
    assert (attrs["source"], attrs["history"]) == ("lstmsim", "written")
    assert (attrs["row"], attrs["trial"], attrs["seed"], attrs["status"]) == ("3a-1", 2, 5, result.status)
    assert attrs["Conventions"] == "CF-1.8"
    assert attrs["version"] == lstmsim.__version__
    assert attrs["numba"] and attrs["cpu"]  # noqa: PT018
    assert json.loads(attrs["config"]) == json.loads(config.as_json())
    solved = result.status == "solved"
    np.testing.assert_equal(attrs["sequences_to_success"], result.sequences if solved else np.nan)
    assert (attrs["sequences"], attrs["steps"]) == (result.sequences, result.steps)
    for name in MILESTONES:
        met = result.milestones[name]
        np.testing.assert_equal(attrs[f"sequences_to_{name}"], np.nan if met is None else met)
    for name, number in result.stages.items():
        np.testing.assert_equal(attrs[f"sequences_to_{name}"], np.nan if number is None else number)


@pytest.mark.parametrize("group", ["trace", "test_trace"])
def test_steps(trial, written, group):
    config, simulation, _ = trial
    steps_group = written[group].dataset
    architecture = simulation.learner.settings
    assert set(STEPS) <= set(steps_group.variables)
    for name, dims in STEPS.items():
        variable = steps_group[name]
        assert variable.dims == dims
        assert variable.attrs["units"] == "1"
        assert variable.attrs["long_name"] == step_variables()[name].long_name
        assert variable.attrs["symbol"] == step_variables()[name].symbol
    sizes = {"block": architecture.n_blocks, "cell": architecture.n_cells, "input_unit": config.task.n_inputs}
    for dim, size in sizes.items():
        assert steps_group.sizes[dim] == size
    assert {"step", "sequence", "t", "event", "block", "cell", "cell_block"} <= set(steps_group.coords)
    assert steps_group["cell_block"].values.tolist() == [c // architecture.block_size for c in range(architecture.n_cells)]
    assert steps_group["step"].values.tolist() == list(range(steps_group.sizes["step"]))
    for name in ("step", "sequence", "t", "event", "cell_block"):
        assert steps_group[name].attrs["long_name"] == COORDINATES[name].long_name


@pytest.mark.parametrize("group", ["trace", "test_trace"])
def test_steps_are_those_of_memory_up_to_the_type_on_disk(trial, written, group):
    config, simulation, result = trial
    rows = result.test_rows if group == "test_trace" else np.concatenate(result.rows)
    rows = rows[np.lexsort((rows[:, 1], rows[:, 0]))]
    stored = written[group].dataset
    np.testing.assert_array_equal(stored["sequence"], rows[:, 0])
    np.testing.assert_array_equal(stored["t"], rows[:, 1])
    memory = steps(simulation.learner.layout, rows)
    for name in STEPS:
        disk = np.dtype("i1" if name == "input" and config.task.symbols else step_variables()[name].disk)
        assert stored[name].dtype == disk
        np.testing.assert_array_equal(stored[name], memory[name].values.astype(disk), err_msg=name)
    assert stored["cell_state"].dtype == np.float64
    begins = np.flatnonzero(stored["t"].values == 0)
    for first, last in zip(begins, [*begins[1:], len(rows)], strict=True):
        own = memory["input"].values[first:last]
        assert np.flatnonzero(stored["event"].values[first:last]).tolist() == config.task.events(own).tolist()


def test_recorded_sequences(trial, written):
    """By default about eight for each decade of training and the last five; three of the final test."""
    _, _, result = trial
    plan = Policy().plan(3000)
    expected = {*plan[plan < result.sequences].tolist(), *range(result.sequences - 5, result.sequences)}
    assert np.unique(written["trace"]["sequence"]).tolist() == sorted(expected)
    assert np.unique(written["test_trace"]["sequence"]).tolist() == [0, 1, 2]


def test_progress(trial, written):
    _, _, result = trial
    progress = written["progress"].dataset
    assert set(progress.variables) == set(PROGRESS)
    for i, (name, variable) in enumerate(PROGRESS.items()):
        assert progress[name].dims == ("window",)
        assert progress[name].attrs["long_name"] == variable.long_name
        np.testing.assert_array_equal(progress[name], result.progress[:, i])
    assert progress.sizes["window"] == len(result.progress) > 0


def test_test(trial, written):
    _, _, result = trial
    tests = written["test"].dataset
    assert {"error", "correct"} <= set(tests.variables)
    for i, name in enumerate(list(TEST)[: result.test.shape[1]]):
        assert tests[name].dims == ("test_sequence",)
        np.testing.assert_array_equal(tests[name], result.test[:, i])


def test_weights(trial, written):
    _, simulation, result = trial
    weights = written["weights"].dataset
    for kind, group in (("initial", result.initial), ("final", result.final)):
        for name, values in group.items():
            assert weights[f"{kind}_{name}"].dims == WEIGHTS[name]
            assert weights[f"{kind}_{name}"].dtype == np.float64
            np.testing.assert_array_equal(weights[f"{kind}_{name}"], values)
    assert weights["snapshot_sequence"].values.tolist() == [number for number, _ in result.snapshots]
    for name in result.initial:
        assert weights[f"snapshot_{name}"].dims == ("snapshot", *WEIGHTS[name])
        np.testing.assert_array_equal(weights[f"snapshot_{name}"], [group[name] for _, group in result.snapshots])
    assert weights["source"].values.tolist() == simulation.learner.settings.sources
    assert weights["output_source"].values.tolist() == simulation.learner.settings.output_sources
    net = lstmsim.LSTM.from_weights(
        simulation.learner.settings, {name: weights[f"final_{name}"].values for name in result.final}
    )
    np.testing.assert_equal(net.weights, result.final)


def test_nothing_is_packed_or_masked(trial, tmp_path):
    """No variable has a fill value: what is stored is what is read, by any program."""
    path = write(tmp_path / "trial.nc", *trial)
    with netCDF4.Dataset(path) as file:
        for group in file.groups.values():
            for variable in group.variables.values():
                assert not {"_FillValue", "scale_factor", "add_offset", "missing_value"} & set(variable.ncattrs())


def test_rows_appended_as_they_come_make_the_same_file(trial, written, tmp_path):
    config, simulation, result = trial
    rows = np.concatenate(result.rows)
    rows = rows[np.lexsort((rows[:, 1], rows[:, 0]))]
    begins = np.flatnonzero(rows[:, 1] == 0)
    path = tmp_path / "trial.nc"
    with TrialFile(path, simulation.learner.layout, config.task) as file:
        for part in np.split(rows, begins[3::7]):
            file.append(part)
        file.append(rows[:0])
        empty = Result(**(vars(result) | {"rows": []}))
        file.finish("3a-1", config, simulation.learner, empty, {})
    with xr.open_datatree(path) as tree:
        xr.testing.assert_identical(tree["trace"].dataset.load(), written["trace"].dataset)


def test_a_trial_without_rows_progress_or_test(tmp_path):
    config = dense().with_settings({"max_sequences": 3, "final_test": 0, "test_every": 1000})
    simulation = Simulation(config, 0, 1, Policy.parse("none"))
    result = next(simulation.run(iter([0])))
    with xr.open_datatree(write(tmp_path / "trial.nc", config, simulation, result)) as tree:
        assert set(tree.children) == {"progress", "weights", "test"}
        assert tree["progress"]["sequences"].values.tolist() == [3]
        assert tree["test"].sizes["test_sequence"] == 0
        assert tree.attrs["status"] == "gave_up"
        assert np.isnan(tree.attrs["sequences_to_success"])
        assert "snapshot_sequence" not in tree["weights"].dataset


def test_marks():
    task = tasks.task("adding")(20)
    sequences = [task.sequence(0, 0, index)[0] for index in range(4)]
    t = np.concatenate([np.arange(len(inputs)) for inputs in sequences])
    found = marks(task, np.concatenate(sequences), t)
    np.testing.assert_array_equal(found, np.concatenate(sequences)[:, 1] == 1.0)


# Whole or absent.


def leave(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_an_exception_leaves_no_file(trial, tmp_path):
    config, simulation, result = trial

    def fail() -> None:
        with TrialFile(tmp_path / "row" / "trial-0000.nc", simulation.learner.layout, config.task) as file:
            file.append(np.concatenate(result.rows))
            assert leave(tmp_path) == [".trial-0000.nc.part"]
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        fail()
    assert leave(tmp_path) == []


def test_an_exception_keeps_the_file_that_was_there(trial, tmp_path):
    path = write(tmp_path / "trial-0000.nc", *trial)
    before = path.read_bytes()
    config, simulation, result = trial
    with (
        pytest.raises(TypeError),
        TrialFile(path, simulation.learner.layout, config.task) as file,
    ):
        file.finish("3a-1", config, simulation.learner, result, {"wrong": object()})
    assert path.read_bytes() == before
    assert leave(tmp_path) == ["trial-0000.nc"]


def test_the_file_appears_when_it_is_whole(trial, tmp_path):
    config, simulation, result = trial
    path = tmp_path / "trial-0000.nc"
    with TrialFile(path, simulation.learner.layout, config.task) as file:
        file.finish("3a-1", config, simulation.learner, result, {})
        assert not path.exists()
    assert leave(tmp_path) == ["trial-0000.nc"]


@pytest.mark.parametrize("exception", [ValueError, KeyboardInterrupt, SystemExit])
def test_whole_or_absent(tmp_path, exception):
    path = tmp_path / "a" / "b.txt"
    with whole_or_absent(path) as part:
        part.write_text("first")
        assert part.parent == path.parent
        assert not path.exists()
    assert path.read_text() == "first"

    def fail() -> None:
        with whole_or_absent(path) as part:
            part.write_text("second")
            raise exception

    with pytest.raises(exception):
        fail()
    assert path.read_text() == "first"
    assert leave(tmp_path) == ["b.txt"]


# Policies.


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("none", Policy(spread=False, first=0, last=0, every=0, tests=0)),
        ("default", Policy()),
        ("all", Policy(spread=False, last=0, every=1)),
        ("first:3", Policy(spread=False, first=3, last=0)),
        ("last:10", Policy(spread=False, last=10)),
        ("every:1000", Policy(spread=False, last=0, every=1000)),
        ("default,first:2", Policy(first=2)),
        ("last:2,default", Policy(last=5)),
        ("last:9,default", Policy(last=9)),
        (" first:1 , last:2 ", Policy(spread=False, first=1, last=2)),
    ],
)
def test_policies(text, policy):
    assert Policy.parse(text) == policy


@pytest.mark.parametrize(
    "text",
    ["", "some", "first", "first:", "first:0", "first:-1", "last:1.5", "every:x", "every:1000000000", "none:3", "default:1",
     "all:1", "first:3;last:2", "first:3,", "first: 3", "first:٣", "First:3", "every:1e3"],
)  # fmt: skip
def test_policies_refused(text):
    with pytest.raises(ValueError, match=r"^record is .*; allowed: none, default, all, first:N, last:N, every:N") as caught:
        Policy.parse(text)
    assert repr(text) in str(caught.value)


@settings(derandomize=True, deadline=None)
@given(st.integers(1, 10**7))
def test_plan_is_ascending_and_about_eight_a_decade(max_sequences):
    plan = Policy().plan(max_sequences)
    assert plan[0] == 0
    assert (np.diff(plan) > 0).all()
    assert plan[-1] <= max(max_sequences, 2)
    for decade in range(1, int(np.log10(max_sequences))):
        assert ((plan >= 10**decade) & (plan < 10 ** (decade + 1))).sum() == 8
    assert Policy(spread=False).plan(max_sequences).size == 0
    longer = Policy().plan(10 * max_sequences)
    np.testing.assert_array_equal(longer[: len(plan)], plan)


@pytest.mark.slow  # readers in threads are quick, see test_files.py
def test_files_forgotten_in_reference_cycles_do_no_harm(tmp_path):
    """Opening files while forgotten trees still wait for garbage collection; a new process, because failing is a crash."""
    code = (
        "import sys, lstmsim\n"
        "from pathlib import Path\n"
        "from lstmsim.run import main\n"
        "from lstmsim.trace.summary import read_trial\n"
        "out = Path(sys.argv[1])\n"
        "small = '4-1 --trials 2 --max-sequences 5 --set T=20 --set final_test=8 --lanes 1 --quiet'\n"
        "main([*small.split(), '--out', str(out)])\n"
        "for _ in range(6):\n"
        "    tree, one = lstmsim.open_run(out), lstmsim.open_run(out / '4-1' / 'trial-0001.nc')\n"
        "    tree['4-1/trace']['cell_state'].values, one['4-1/trace']['cell_state'].values\n"
        "    del tree, one\n"
        "    read_trial(out / '4-1' / 'trial-0000.nc')\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
