"""Recurrent cascade-correlation (Fahlman, 1991): hidden units join one by one, trained to follow the remaining error."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import ClassVar

import numpy as np

from lstmsim.checks import refusal
from lstmsim.kernels.recording import Layout, Variable
from lstmsim.learners.base import ENDS, HIDDEN, State, Status, TrialLearner, TrialUnderWay, register
from lstmsim.learners.cascade.net import Cascade, CascadeSettings, Strings
from lstmsim.learners.weights import generator
from lstmsim.tasks.base import Task


def _fixed(task: Task) -> dict[str, int]:
    """How many strings are in a task's fixed sets, `n_train` and `n_test`; nothing of a task without."""
    return {name: size for name, size in vars(task).items() if name in ("n_train", "n_test")}


@register("cascade", CascadeSettings, label="RCC")
class CascadeNets(TrialLearner):
    """Recurrent cascade-correlation: presentations are strings seen, in training outputs and candidates alike.

    A trial ends when all training strings are right (stage "training"); it is solved if all test strings are then right
    too. `joined` of the result names the presentations at which each hidden unit joined; snapshots of the weights are taken
    then, too.

    Parameters
    ----------
    settings : CascadeSettings
        Sizes and rates.
    lanes : int
        Without effect: trials are run one by one.
    symbols : bool
        Inputs are one-hot; must be so.

    Raises
    ------
    ValueError
        If the inputs are not one-hot.
    """

    weight_dims: ClassVar[dict[str, tuple[str, ...]]] = {
        "hidden": ("hidden_unit", "source"),
        "output": ("output_unit", "output_source"),
        "score": ("hidden_unit",),
    }

    @classmethod
    def variables(cls) -> dict[str, Variable]:
        """Everything that the net can be recorded by."""
        return ENDS | {"hidden": HIDDEN}

    def __init__(self, settings: CascadeSettings, lanes: int = 1, *, symbols: bool = False) -> None:
        if not symbols:
            raise refusal("symbols", symbols, "True, recurrent cascade-correlation takes one-hot inputs")
        settings.check_sizes()
        self.settings = settings

    def check(self, task: Task) -> None:
        """Refuse a task without fixed sets of training and test sequences."""
        if not all(len(_fixed(one)) == 2 for one in task.test_sets()):
            raise refusal("task", task.name, "one with fixed training and test strings, such as 'reber'")

    def memory(self, task: Task) -> int:
        """Bytes, about, of the training strings."""
        first = task.test_sets()[0]
        width = first.n_inputs + self.settings.max_hidden + 4 * first.n_outputs + 8
        return 8 * int(width * (_fixed(first)["n_train"] + 1) * first.max_length)

    def run_trial(self, trial: TrialUnderWay, state: State | None) -> Status:
        """Train outputs and candidates in turn until all training strings are right; then test."""
        settings, result, policy, cap = self.settings, trial.result, trial.policy, trial.stop.max_sequences
        sets = trial.task.test_sets()
        strings = Strings(sets[0], _fixed(sets[0])["n_train"], settings.max_hidden)
        n, steps = len(strings), len(strings.first)
        net = Cascade(settings, strings, generator((trial.seed, trial.number)))
        result.initial = net.weights()
        plan = set(policy.plan(cap).tolist()) | set(range(policy.first))
        progress: list[list[float]] = []
        if state is not None:
            progress = state["progress"].tolist()
            net.restore(state["net"])

        def recorded(index: int) -> bool:
            return index in plan or (policy.every > 0 and index % policy.every == 0)

        def epoch() -> bool:
            first = result.sequences
            result.rows += [net.rows(first + i, i, strings) for i in range(n) if recorded(first + i)]
            if policy.spread and any(first + i in plan for i in range(n)) and first not in dict(result.snapshots):
                result.snapshots.append((first, net.weights()))
            result.sequences += n
            result.steps += steps
            trial.tell(result.sequences, result.steps, net.results[:, 1:].mean(axis=0))
            return bool(result.sequences + n > cap)

        def output_epoch() -> bool:
            full = epoch()
            progress.append([result.sequences, *net.results[:, 1:].mean(axis=0)])
            return full or bool(net.results[:, 3].all())

        status = Status.RUNNING
        while status == Status.RUNNING:
            trial.pause(lambda: {"progress": np.array(progress), "net": net.state()})
            net.train_outputs(output_epoch)
            if not np.isfinite(net.output).all():
                status = Status.DIVERGED
            elif net.results[:, 3].all():
                result.stages["training"] = result.sequences
                tests = (net.test(Strings(one, _fixed(one)["n_test"], settings.max_hidden)) for one in sets[1:])
                status = Status.SOLVED if all(test[:, 3].all() for test in tests) else Status.GAVE_UP
            elif net.n_hidden == settings.max_hidden or result.sequences + n > cap:
                status = Status.GAVE_UP
            else:
                units = net.n_hidden
                net.train_candidates(epoch)
                if net.n_hidden == units:
                    status = Status.GAVE_UP
                    break
                result.joined.append(result.sequences)
                if policy.spread:
                    result.snapshots.append((result.sequences, net.weights()))
        result.final, result.progress = net.weights(), np.array(progress)
        self._finish(trial, net, recorded)
        return status

    def _finish(self, trial: TrialUnderWay, net: Cascade, recorded: Callable[[int], bool]) -> None:
        """Test; the last epoch's last strings are recorded."""
        result, policy, n = trial.result, trial.policy, len(net.strings)
        first = result.sequences - n
        last = [i for i in range(max(0, n - policy.last), n) if not recorded(first + i)]
        result.rows += [net.rows(first + i, i, net.strings) for i in last]
        if not trial.stop.final_test:
            return
        tests, sets = [], trial.task.test_sets()
        for one in sets:
            count = min(max(1, trial.stop.final_test // len(sets)), _fixed(one)["n_test"])
            strings = Strings(one, count, self.settings.max_hidden)
            tests.append(net.test(strings))
        result.test = np.concatenate(tests)
        if policy.tests:
            result.test_rows = np.concatenate([net.rows(i, i, strings) for i in range(min(policy.tests, len(strings)))])

    @cached_property
    def layout(self) -> Layout:
        """What a recorded step holds."""
        s = self.settings
        sizes = {"input_unit": s.n_inputs, "output_unit": s.n_outputs, "hidden_unit": s.max_hidden}
        return Layout(self.variables(), sizes, True)

    @property
    def weight_labels(self) -> dict[str, list[str]]:
        """Names along the dimensions of the weights."""
        units = [f"hidden {i}" for i in range(self.settings.max_hidden)]
        names = [*(f"input {i}" for i in range(self.settings.n_inputs)), *units, "bias"]
        return {"source": names, "output_source": names}
