"""The loop over time is one, compiled for each method in the method's own name."""

import inspect
import sys

import pytest

from lstmsim import Experiment, StoppingRule
from lstmsim.learners import over_time
from lstmsim.learners.base import LearnerSettings, learner, register
from lstmsim.learners.bptt import BPTT
from lstmsim.learners.chunker.nets import ChunkerNets
from lstmsim.learners.elman import Elman
from lstmsim.learners.rtrl import RTRL, RTRLSettings
from lstmsim.simulation.loop import Simulation
from lstmsim.simulation.policy import Policy
from lstmsim.tasks.two_sequence import TwoSequence

METHODS = (RTRL, BPTT, Elman, ChunkerNets)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_a_methods_loop_is_cached_with_the_method(method):
    """Its disk cache is named by the sources that the method imports, and by the file of its step."""
    module = sys.modules[method.loop.py_func.__module__]
    loop, step = method.loop.py_func, module.step.py_func
    assert (loop.__module__, loop.__code__.co_filename) == (module.__name__, inspect.getsourcefile(module))
    assert loop.__code__.co_firstlineno == step.__code__.co_firstlineno
    assert loop.__globals__["step"] is module.step
    assert method.loop._cache._cache_file._index_name.startswith(
        "equations.step" if method is ChunkerNets else module.__name__[17:]
    )


def test_loops_do_not_share_what_they_call():
    assert len({id(method.loop.py_func.__globals__["step"]) for method in METHODS}) == len(METHODS)
    assert over_time.step is None


def test_a_name_is_given_once_and_defining_it_anew_is_no_second_time():
    found = learner("rtrl")
    with pytest.raises(ValueError, match="name is 'rtrl'; allowed: a name that no other learner has; taken are"):
        register("rtrl", RTRLSettings, label="another")(type("Another", (found,), {}))
    assert learner("rtrl") is found
    with pytest.raises(ValueError, match="unknown learner 'rtlr'; did you mean 'rtrl'"):
        learner("rtlr")


def test_settings_without_a_task_need_their_sizes():
    with pytest.raises(ValueError, match="n_inputs is 0; allowed: a whole number of at least 1 where there is no task"):
        learner("rtrl")(RTRLSettings(n_outputs=2))
    assert LearnerSettings(1, 1).units_text() == "-"


@pytest.mark.parametrize("name", ["em", "bptt"])
def test_room_is_made_for_sequences_not_for_what_is_written_ahead(name):
    """And the weights are those of a learner with room for all."""
    chosen = Experiment(TwoSequence(10, 3), (name, learner(name).Settings()), StoppingRule(max_sequences=300, final_test=0))
    made = [Simulation(chosen, 0, 1, Policy.parse("none")) for _ in range(2)]
    nets = made[1].learner
    nets.nets = type(nets.nets)(**dict(zip(nets.nets.fields, nets.nets, strict=True)) | {"history": nets.room(10_000)})
    [few], [many] = (list(simulation.run(iter([0]))) for simulation in made)
    assert made[0].learner.steps == 2 * over_time._STRETCH
    assert made[1].learner.steps == 10_000
    assert all((few.final[name] == many.final[name]).all() for name in few.final)
