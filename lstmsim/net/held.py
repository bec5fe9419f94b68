"""Nets that somebody holds: what they consist of, how that is looked at, set, copied and kept in a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from lstmsim.checks import absolute, array, refusal
from lstmsim.learners.base import State
from lstmsim.learners.lstm.choice import hands_of, nets_of
from lstmsim.learners.lstm.hand import Hand, Held, Recording, SideBySide
from lstmsim.learners.lstm.nets import LaneNets
from lstmsim.learners.lstm.saved import read_net, write_net
from lstmsim.learners.lstm.settings import LSTMSettings
from lstmsim.learners.weights import Floats
from lstmsim.net.page import page

SETTINGS = tuple(field.name for field in fields(LSTMSettings))


class HeldNets:
    """One net, or several side by side, without what they do; see `lstmsim.LSTM`."""

    settings: LSTMSettings
    trials: int | None
    _lanes: list[tuple[LaneNets, int]]  # where each net stands
    _hand: Held
    _recording: Recording | None

    @classmethod
    def from_weights(cls, settings: LSTMSettings, weights: Mapping[str, npt.ArrayLike]) -> Self:
        """Net of given settings with given weights, such as those of a trial file, in the state of a reset.

        Parameters
        ----------
        settings : LSTMSettings
            Units, connections and rule, such as another net's `settings`.
        weights : dict of array_like
            As `weights` gives them.

        Raises
        ------
        ValueError
            For weights that `set_weights` would refuse.
        """
        if not isinstance(settings, LSTMSettings):
            raise refusal("settings", settings, "LSTMSettings")
        net = cls.__new__(cls)
        net._start(settings, None, [settings.checked_weights(weights)])
        return net

    def _start(self, settings: LSTMSettings, trials: int | None, weights: Sequence[Mapping[str, Floats]] = ()) -> None:
        hands = [Hand(nets_of(settings))] if trials is None else hands_of(settings, trials)
        lanes = [(hand.nets, lane) for hand in hands for lane in range(hand.trials or 1)]
        for (nets, lane), given in zip(lanes, weights, strict=bool(weights)):
            nets.set_weights(lane, given)
        hand: Held = hands[0] if trials is None else SideBySide(hands)
        vars(self).update(settings=settings, trials=trials, _lanes=lanes, _hand=hand, _recording=None)

    def _stacked(self, each: Sequence[dict[str, Floats]]) -> dict[str, Floats]:
        """What the nets have by name, with the trial as first dimension where there are several."""
        if self.trials is None:
            return each[0]
        return {name: np.stack([values[name] for values in each]) for name in each[0]}

    def __getattr__(self, name: str) -> Any:
        if name in (*SETTINGS, "n_cells", "n_weights") and "settings" in vars(self):
            return getattr(self.settings, name)
        raise AttributeError(f"LSTM has no attribute {name!r}")

    def __setattr__(self, name: str, value: float) -> None:
        if name == "learning_rate":
            rate = float(replace(self.settings, learning_rate=value).learning_rate)
            vars(self)["settings"] = replace(self.settings, learning_rate=rate)
            for nets, _ in self._lanes:
                nets.set_learning_rate(rate)
            self._hand.forget()
        else:
            fixed = "fixed when the net is made" if name in (*SETTINGS, "settings", "trials") else "no attribute of LSTM"
            raise AttributeError(f"{name} is {fixed}; allowed: to set learning_rate, or to make another net")

    def __repr__(self) -> str:
        a = self.settings
        several = "" if self.trials is None else f", {self.trials} trials"
        sizes = f"{a.n_inputs}-{a.n_blocks}x{a.block_size}-{a.n_outputs}"
        return f"<LSTM {sizes}, topology {a.topology}, {a.n_weights} weights{several}>"

    def _repr_html_(self) -> str:
        """What a notebook shows: units, connections, weights by group, rule."""
        return page(repr(self).strip("<>"), self.settings, self.weights, self.trials)

    @property
    def weights(self) -> dict[str, Floats]:
        """Copies of the weights.

        "input_gate" (block, source), "output_gate" (block, source), "cell" (cell, source), "output" (output_unit,
        output_source) and, where there are any, "hidden" (hidden_unit, source), "forget_gate" (block, source), "peephole"
        (gate, cell; from cell states to input, forget and output gates). Sources: inputs, cells, input gates, output
        gates, forget gates, hidden units, bias; output sources: inputs where the outputs see them, cells, hidden units,
        bias. Connections that do not exist are 0. Of several nets each array begins with the trial.
        """
        return self._stacked([nets.weights(lane) for nets, lane in self._lanes])

    def set_weights(self, weights: Mapping[str, npt.ArrayLike]) -> None:
        """Take weights as `weights` gives them; activations, states and partial derivatives stay.

        Parameters
        ----------
        weights : dict of array_like
            Every group there is, by name.

        Raises
        ------
        ValueError
            If a group is missing or unknown, has the wrong shape, is not finite, or is not 0 where no connection is.
        """
        for (nets, lane), given in zip(self._lanes, self._checked(weights), strict=True):
            nets.set_weights(lane, given)
        self._hand.forget()

    def _checked(self, weights: Mapping[str, npt.ArrayLike]) -> list[dict[str, Floats]]:
        """Each net's weights."""
        exists, trials = self.settings.exists, self.trials
        if trials is None or not isinstance(weights, Mapping) or set(weights) != set(exists):
            return [self.settings.checked_weights(weights)]
        groups = {name: array(f"weights[{name!r}]", weights[name], (trials, *mask.shape)) for name, mask in exists.items()}
        return [self.settings.checked_weights({name: group[k] for name, group in groups.items()}) for k in range(trials)]

    @property
    def state(self) -> dict[str, Floats]:
        """Copies of what the last step left; all 0 after a reset, an output gate that does not exist 1.

        "cell_state" (cell,), "cell_output" (cell,), "input_gate" (block,), "output_gate" (block,), "hidden" (hidden_unit,),
        "output" (output_unit,), and "forget_gate" (block,) where there are any. Of several nets each array begins with the
        trial.
        """
        return self._stacked([nets.activations(lane) for nets, lane in self._lanes])

    def set_state(self, state: Mapping[str, npt.ArrayLike]) -> None:
        """Take a state as `state` gives it, for the next step; weights and partial derivatives stay as they are.

        Parameters
        ----------
        state : dict of array_like
            Every entry there is, by name.

        Raises
        ------
        ValueError
            If an entry is missing or unknown, has the wrong shape or is not finite.
        """
        there = self.state
        if not isinstance(state, Mapping) or set(state) != set(there):
            raise refusal("state", sorted(state) if isinstance(state, Mapping) else state, f"a dict of {', '.join(there)}")
        new = {name: array(f"state[{name!r}]", state[name], old.shape) for name, old in there.items()}
        for k, (nets, lane) in enumerate(self._lanes):
            nets.set_activations(new if self.trials is None else {name: values[k] for name, values in new.items()}, lane)
        self._hand.forget()

    def __getstate__(self) -> State:
        """What copies and pickles consist of; they share nothing with the net."""
        return {
            "settings": self.settings,
            "trials": self.trials,
            "steps": self._hand.steps,
            "predicted": self._hand.predicted,
            "arrays": self._hand.arrays(copied=True),
        }

    def __setstate__(self, state: State) -> None:
        """The inverse of `__getstate__`."""
        self._start(state["settings"], state["trials"])
        arrays = self._hand.arrays()
        if [(a.shape, a.dtype) for a in arrays] != [(a.shape, a.dtype) for a in state["arrays"]]:
            raise ValueError("the arrays are not those of a net with these settings")
        self._hand.go_back(state["arrays"], state["steps"])
        self._hand.predicted = state["predicted"]

    def save(self, path: str | Path) -> None:
        """Write the whole net, or all of several, to a file, in mid-stream too: whatever goes on goes on with the same bits.

        Parameters
        ----------
        path : str or Path
            The file; one that exists is replaced when the new one is whole.
        """
        write_net(absolute("path", path), self.__getstate__())

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Net that `save` has written: it goes on with the same bits.

        Parameters
        ----------
        path : str or Path
            The file.

        Raises
        ------
        FileNotFoundError
            If there is no file at `path`.
        ValueError
            If the file is no saved net.
        """
        net = cls.__new__(cls)
        net.__setstate__(read_net(absolute("path", path)))
        return net
