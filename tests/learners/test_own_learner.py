"""A learner of a user's own in plain Python: judged, traced, resumed and reported like the others, and safe."""

import json
import pickle
import traceback

import numpy as np
import pytest

import lstmsim
from lstmsim.campaign.dask import Block, run_block
from lstmsim.campaign.threads import Ensemble, Job, TrialsFailed
from lstmsim.checks import settings
from lstmsim.learners import Learner, LearnerSettings, check, learner, register
from lstmsim.learners.base import _TABLE
from lstmsim.simulation.loop import Simulation
from lstmsim.simulation.policy import Policy
from lstmsim.simulation.trial import TrialQueue
from lstmsim.tasks.adding import Adding
from lstmsim.tasks.lag_sequences import NoiseFree


@settings
class EchoSettings(LearnerSettings):
    n_hidden: int = 30
    learning_rate: float = 0.5


class Echo(Learner):
    traced = {"h": ("hidden",), "gain": ()}  # noqa: RUF012
    weight_dims = {"w_out": ("output_unit", "hidden")}  # noqa: RUF012

    def start(self):
        n = self.settings.n_hidden
        self.w_in = 0.1 * self.rng.normal(size=(n, self.settings.n_inputs))
        self.order = self.rng.permutation(n)
        self.w_out = np.zeros((self.settings.n_outputs, n))
        self.targets_seen = 0

    def reset(self):
        self.h, self.gain = np.zeros(self.settings.n_hidden), 0.0

    def step(self, x, target=None):
        self.h = np.tanh(self.w_in @ x + self.h[self.order])
        y = self.w_out @ self.h
        if target is not None:
            self.gain = self.settings.learning_rate / (self.h @ self.h)
            self.w_out += self.gain * np.outer(target - y, self.h)
            self.targets_seen += 1
        return y


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    """Learners of these tests are in the table while one of them runs."""
    monkeypatch.setattr(_TABLE, "_classes", _TABLE.all())
    register("test_echo", EchoSettings, label="echo state net")(Echo)


def experiment(name="test_echo", task=None, settings=None, **rule):
    rule = {"window": 50, "max_sequences": 300, "final_test": 20} | rule
    task = NoiseFree(p=6) if task is None else task
    return lstmsim.Experiment(task, (name, settings or learner(name).Settings()), lstmsim.StoppingRule(**rule))


def simulate(config, trials=(0,), record="none", seed=0, **how):
    found = Simulation(config, seed, 1, Policy.parse(record)).run(iter(trials), **how)
    return {result.trial: result for result in found}


def own(step=None, start=None, reset=None, name="test_own", **attributes):
    """A learner made of functions; one output, a bias that learns unless told otherwise."""

    def add_weight(self):
        self.b = np.zeros(self.settings.n_outputs)

    def learn_bias(self, x, target=None):
        if target is not None:
            self.b += 0.1 * (target - self.b)
        return self.b.copy()

    parts = {"start": start or add_weight, "step": step or learn_bias, "__qualname__": "Own"} | attributes
    parts |= {"reset": reset} if reset else {}
    return register(name, LearnerSettings, label="own")(type("Own", (Learner,), parts))


def test_it_learns_and_is_traced_judged_and_compared(tmp_path):
    how = {"out": tmp_path / "run", "record": "first:2,last:1", "progress": False}
    run = lstmsim.simulate(experiment(), trials=3, **how)["noise_free-test_echo"]
    assert (run.status == "solved").all()
    assert (run.test_wrong == 0).all()
    trace = run["trace"].to_dataset()
    assert {"input", "target", "output", "output_error", "h", "gain"} <= set(trace.data_vars)
    assert trace.h.dims == ("trial", "step", "hidden")
    assert trace.gain.dims == ("trial", "step")
    weights = run["weights"].to_dataset()
    assert weights.final_w_out.dims == ("trial", "output_unit", "hidden")
    assert weights.final_order.dims == ("trial", "order_0")
    first = trace.isel(trial=0, step=0)
    np.testing.assert_allclose(first.h, np.tanh(weights.initial_w_in.values[0] @ first.input.values), rtol=1e-6)
    np.testing.assert_allclose(trace.output_error, trace.target - trace.output, atol=1e-6)
    assert "noise_free-test_echo" in (tmp_path / "run/report.html").read_text()
    assert json.loads(run.attrs["config"])["learner"]["name"] == "test_echo"


def test_dense_inputs_and_targets_arrive_as_the_task_writes_them():
    seen = []

    def step(self, x, target=None):
        seen.append((x.copy(), None if target is None else target.copy()))
        x[:] = 99.0  # a user's own array
        return [0.5]

    own(step, start=lambda self: None)
    task = Adding(T=20)
    simulate(experiment("test_own", task, max_sequences=3, final_test=0))
    inputs, targets = (np.concatenate(parts) for parts in zip(*(task.sequence(0, 0, n) for n in range(3)), strict=True))
    np.testing.assert_array_equal([x for x, _ in seen], inputs)
    for (_, target), expected in zip(seen, targets, strict=True):
        assert (target is None and np.isnan(expected).all()) or np.array_equal(target, expected)


def test_the_bits_depend_on_settings_seed_and_trial_alone():
    alone = simulate(experiment(), [3])[3]
    together = simulate(experiment(), [0, 3])[3]
    for name, group in alone.final.items():
        np.testing.assert_array_equal(group, together.final[name])
    np.testing.assert_array_equal(alone.test, together.test)
    assert not np.array_equal(alone.initial["w_in"], simulate(experiment(), [3], seed=1)[3].initial["w_in"])


class Checkpoint:
    """Keeps the state after so many sequences, and then stops."""

    def __init__(self):
        self.kept, self.stopping = {}, False

    def due(self):
        self.stopping = True
        return True

    def load(self, trial):
        return self.kept.get(trial)

    def save(self, trial, state):
        self.kept[trial] = state

    def leave(self, trial):
        pass


def test_a_learner_that_draws_while_it_learns_goes_on_with_the_same_bits():
    def step(self, x, target=None):
        noise = 0.1 * self.rng.normal(size=self.b.shape)
        if target is not None:
            self.b += 0.1 * (target - self.b) + noise
        return self.b + noise

    def reset(self):
        self.h = self.rng.normal()

    check(own(step, reset=reset))
    config, checkpoint = experiment("test_own", max_sequences=1500), Checkpoint()
    whole = simulate(config)[0]
    assert not simulate(config, TrialQueue([0]), checkpoints=checkpoint)
    assert 0 < checkpoint.kept[0]["result"]["sequences"] < 1500
    resumed = Checkpoint()
    resumed.kept, resumed.due = checkpoint.kept, lambda: False
    result = simulate(config, TrialQueue([0]), checkpoints=resumed)[0]
    np.testing.assert_array_equal(result.final["b"], whole.final["b"])
    np.testing.assert_array_equal(result.test, whole.test)


def raising():
    """An experiment in which some trials raise."""

    def step(self, x, target=None):
        if self.odd and target is not None:
            self.seen += 1
            if self.seen > 20:
                raise ZeroDivisionError("my own mistake")
        return np.zeros(self.settings.n_outputs)

    def start(self):
        self.w, self.seen = self.rng.normal(), 0
        self.odd = self.w > 0

    own(step, start)
    return experiment("test_own", max_sequences=30)


def test_an_error_ends_its_own_trial_alone(tmp_path):
    config = raising()
    with pytest.raises(TrialsFailed, match=r"trials .* failed; ZeroDivisionError: my own mistake") as caught:
        lstmsim.simulate(config, trials=6, out=tmp_path, workers=2, progress=False)
    failure = caught.value
    failed = {one.trial for one in failure.broken}
    assert 0 < len(failed) < 6
    ended = failure.run["noise_free-test_own"]
    assert set(ended.trial.values) == set(range(6)) - failed
    assert (ended.status == "gave_up").all()
    assert "in step" in "".join(traceback.format_exception(failure.__cause__))
    assert (tmp_path / "report.html").exists()
    assert [one.trial for one in pickle.loads(pickle.dumps(failure)).broken] == [one.trial for one in failure.broken]


def test_trials_that_fail_on_a_worker_come_back_with_their_tracebacks():
    block = Block(0, "x", raising(), tuple(range(6)))
    ended, broken = run_block(block, 0, Policy(), None, lstmsim.__version__, "topic")
    assert sorted([one.trial for one in ended] + [one.trial for one in broken]) == list(range(6))
    sent = pickle.loads(pickle.dumps(broken[0])).error
    assert isinstance(sent, ZeroDivisionError)
    assert "in step" in sent.__notes__[0]


def test_a_trial_that_fails_among_others_on_lanes_is_found(tmp_path, monkeypatch):
    """The lanes' trials go on one by one when it cannot be said whose fault an error is."""
    lstm = learner("lstm")
    config = lstmsim.paper.row("4-1").config.with_settings({"T": 20, "max_sequences": 40, "final_test": 10})
    before = lstm.start

    def start(self, lane, seed):
        if seed == (0, 2):
            raise RuntimeError("not this one")
        before(self, lane, seed)

    monkeypatch.setattr(lstm, "start", start)
    ensemble = Ensemble([Job("x", config, [0, 1, 2, 3])], tmp_path, 0, Policy(), 1)
    with pytest.raises(TrialsFailed, match="row x: trials 2 failed; RuntimeError: not this one"):
        list(ensemble.run(lambda: None))
    assert {path.name for path in tmp_path.rglob("trial-*.nc")} == {f"trial-000{n}.nc" for n in (0, 1, 3)}


def test_outputs_that_are_no_numbers_end_the_trial_as_diverged():
    def step(self, x, target=None):
        self.b += 1.0
        return np.where(self.b > 40, np.nan, self.b)

    def reset(self):
        self.b[:] = 0.0 if self.learning else self.b

    own(step)
    result = simulate(experiment("test_own", final_test=0))[0]
    assert result.status == "diverged"
    assert result.sequences < 10


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        (np.zeros(3), r"returns is 'of shape \(3,\)'; allowed: an array of shape \(1,\)"),
        (None, "returns is None; allowed: 1 numbers"),
        ("word", "returns is 'word'; allowed: 1 numbers"),
    ],
)
def test_outputs_of_another_shape_are_refused(returned, said):
    own(lambda self, x, target=None: returned)
    with pytest.raises(ValueError, match=said):
        simulate(experiment("test_own", Adding(T=20)))


def test_weights_that_change_in_a_test_are_refused_by_name():
    def step(self, x, target=None):
        self.b = self.b + x.sum()
        return self.b

    own(step)
    with pytest.raises(ValueError, match="b of learner 'test_own' is 'changed by a step without a target'"):
        simulate(experiment("test_own", max_sequences=3))


def test_unsupervised_learning_looks_at_learning():
    def step(self, x, target=None):
        if self.learning:
            self.b = self.b + 0.01
        return self.b

    own(step)
    check("test_own")


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"traced": {"output": ("output_unit",)}}, "traced is 'output'"),
        ({"traced": {"nothing": ()}}, "traced of learner 'test_own' is 'nothing'"),
        ({"traced": {"b": ()}}, "b of learner 'test_own' is array"),
        ({"traced": {"b": ("input_unit",)}}, r"traced\['b'\] of learner 'test_own'"),
        ({"weight_dims": {"c": ("unit",)}}, "weight_dims of learner 'test_own' is 'c'; allowed: names that start sets: b"),
        ({"weight_dims": {"b": ("unit", "other")}}, r"weight_dims\['b'\] of learner 'test_own'"),
        ({"weight_dims": {"b": ("input_unit",)}}, "input_unit of size 2 everywhere"),
        ({"start": lambda self: setattr(self, "z", np.zeros(2, complex))}, "z is 'an array of complex128'"),
        ({"__init__": lambda self: None}, "__init__ of Own is 'its own'"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_runs(attributes, said):
    with pytest.raises(ValueError, match=said):
        simulate(experiment("test_own", Adding(T=20)) if own(**attributes) else None)


def test_settings_must_be_settings_of_a_learner():
    with pytest.raises(ValueError, match="settings is <class 'dict'>; allowed: a class that derives from"):
        register("test_dict", dict, label="x")


def test_check_passes_what_keeps_the_contract():
    check(Echo)
    check("test_echo", EchoSettings(n_inputs=2, n_outputs=1, n_hidden=5), symbols=False)


def shared_start(self):
    self.b = SHARED


SHARED = np.zeros(2)


class Hidden:
    """No number: it is not kept."""

    value = 0.0


def step_of_hidden(self, x, target=None):
    if target is not None:
        self.hidden.value += 0.1
    return self.b + self.hidden.value


def start_hidden(self):
    self.b, self.hidden = np.zeros(self.settings.n_outputs), Hidden()


def step_with_state(self, x, target=None):
    self.sum = getattr(self, "sum", 0.0) + x.sum()
    return self.b + self.sum


def step_with_global_numbers(self, x, target=None):
    return self.b + np.random.rand()  # noqa: NPY002


def start_with_global_numbers(self):
    self.b = np.random.rand(self.settings.n_outputs)  # noqa: NPY002


def step_that_changes(self, x, target=None):
    self.b = self.b + 1.0
    return self.b


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"start": shared_start}, "trials_do_not_meet"),
        ({"start": start_hidden, "step": step_of_hidden}, "a_trial_can_be_resumed"),
        ({"step": step_with_state}, "reset_forgets_the_sequence"),
        ({"step": step_with_global_numbers}, "trials_do_not_meet"),
        ({"start": start_with_global_numbers}, "weights_belong_to_the_seed"),
        ({"step": step_that_changes}, "frozen_weights_stay"),
        ({"step": lambda self, x, target=None: self.b + np.inf}, "rows_hold_what_the_layout_says"),
    ],
)
def test_check_finds_what_breaks_the_contract(parts, said):
    SHARED[:] = 0.0
    with pytest.raises(ValueError, match=said):
        check(own(**parts))


def test_check_refuses_what_is_no_learner_that_steps():
    with pytest.raises(ValueError, match="learner is <class 'dict'>"):
        check(dict)
    with pytest.raises(ValueError, match="unknown learner 'test_ecko'; did you mean 'test_echo'"):
        check("test_ecko")
    with pytest.raises(ValueError, match="a learner that goes step by step"):
        check("cascade")


def test_a_class_that_is_no_learner_is_refused():
    with pytest.raises(ValueError, match=r"the class is <class 'dict'>; allowed: one that derives from lstmsim\.learn"):
        register("test_dict", EchoSettings, label="dict")(dict)


def test_it_can_be_stepped_by_hand():
    net = Echo(EchoSettings(n_inputs=2, n_outputs=1), seed=3)
    assert abs(net.step(np.ones(2), np.ones(1)) - 1) > abs(net.step(np.ones(2)) - 1)
    with pytest.raises(ValueError, match="n_inputs is 0"):
        Echo(EchoSettings())


def test_a_trial_is_what_a_plain_loop_does():
    """The twin: the same learner in a loop of its own."""
    task, result = NoiseFree(p=6), simulate(experiment(max_sequences=20, final_test=0))[0]
    net = Echo(EchoSettings(task.n_inputs, task.n_outputs), (0, 0))
    for index in range(20):
        net.reset()
        for x, d in zip(*task.sequence(0, 0, index), strict=True):
            net.step(x, None if np.isnan(d[0]) else d)
    np.testing.assert_array_equal(result.final["w_out"], net.w_out)
    assert result.final["targets_seen"] == net.targets_seen == 120
