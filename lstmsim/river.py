"""The LSTM as a regressor of River (https://riverml.xyz): learns from one sample after another, features in a dict.

It needs the extra: ``pip install "lstmsim[river]"``.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np

from lstmsim.checks import refusal
from lstmsim.net import LSTM

try:
    from river import base
except ImportError:
    raise ImportError("lstmsim.river needs River; allowed: after pip install 'lstmsim[river]'") from None


class LSTMRegressor(base.Regressor):
    """One net that goes through a stream sample by sample, and learns at each.

    Each call of `learn_one` is a time step. `predict_one` says what the net would answer at the next step and leaves it as
    it is: predict, then learn, as `river.evaluate.progressive_val_score` does. Inputs and target should be of the order of
    1: put a `river.preprocessing.StandardScaler` before the net and a `TargetStandardScaler` around it.

    Parameters
    ----------
    n_blocks, block_size : int
        Memory cell blocks, and memory cells in each.
    learning_rate : float
        alpha of (22), (26), (28).
    output : {"identity", "logistic"}
        Activation function of the output.
    seed : int
        Seed of the initial weights.
    **settings
        Other arguments of `lstmsim.LSTM`.

    Raises
    ------
    ValueError
        For an argument out of its range, or a feature or target that is no finite number.

    Notes
    -----
    A feature that appears later becomes a further input with initial weights of its own; the other weights and the state
    stay as they are, partial derivatives begin anew. A feature that is missing is 0.

    Examples
    --------
    >>> from river import datasets, evaluate, metrics, preprocessing
    >>> from lstmsim.river import LSTMRegressor
    >>> net = preprocessing.TargetStandardScaler(LSTMRegressor())
    >>> model = preprocessing.StandardScaler() | net
    >>> evaluate.progressive_val_score(datasets.TrumpApproval(), model, metrics.MAE())  # doctest: +SKIP
    """

    def __init__(
        self,
        n_blocks: int = 4,
        block_size: int = 2,
        learning_rate: float = 0.1,
        output: str = "identity",
        seed: int = 0,
        **settings: Any,
    ) -> None:
        self.n_blocks, self.block_size, self.learning_rate = n_blocks, block_size, learning_rate
        self.output, self.seed, self.settings = output, seed, settings
        self.features: dict[Hashable, int] = {}
        self.net: LSTM | None = None
        self._ahead: LSTM | None = None  # makes the steps of predict_one, so that the net need not
        self._made(1)  # what is not allowed is refused now

    def _made(self, n_inputs: int) -> LSTM:
        options = {"learning_rate": self.learning_rate, "output": self.output, "seed": self.seed, **self.settings}
        return LSTM(n_inputs, 1, self.n_blocks, self.block_size, **options)

    def learn_one(self, x: Mapping[Hashable, object], y: float) -> None:
        """Make one time step, and learn from its error.

        Parameters
        ----------
        x : dict
            Features: numbers or truth values.
        y : float
            Target.
        """
        values, target = _numbers(x), _number("y", y)
        if new := [name for name in values if name not in self.features]:
            self._add(sorted(new, key=repr))
        if self.net is not None:
            self.net.step(self._inputs(values), [target])

    def predict_one(self, x: Mapping[Hashable, object]) -> float:
        """Return the output of the next time step, 0 before anything was learned; features not seen so far do not count.

        Parameters
        ----------
        x : dict
            Features: numbers or truth values.
        """
        values = _numbers(x)
        if self.net is None or self._ahead is None:
            return 0.0
        self._ahead.set_weights(self.net.weights)
        self._ahead.set_state(self.net.state)
        return float(self._ahead.predict(self._inputs(values))[0])

    def reset(self) -> None:
        """Forget the state, as before a new sequence; the weights stay."""
        if self.net is not None:
            self.net.reset()

    def _inputs(self, values: dict[Hashable, float]) -> np.ndarray:
        inputs = np.zeros(len(self.features))
        for name, value in values.items():
            if name in self.features:
                inputs[self.features[name]] = value
        return inputs

    def _add(self, names: list[Hashable]) -> None:
        """Give the net further inputs."""
        before, old = len(self.features), self.net
        for name in names:
            self.features[name] = len(self.features)
        self.net, self._ahead = self._made(len(self.features)), self._made(len(self.features))
        if old is None:
            return
        weights = self.net.weights
        for name, group in old.weights.items():
            new = weights[name]
            if new.shape[1] == group.shape[1]:  # sees no inputs
                new[:] = group
            else:
                new[:, :before], new[:, len(self.features) :] = group[:, :before], group[:, before:]
        self.net.set_weights(weights)
        self.net.set_state(old.state)


def _number(name: str, value: object) -> float:
    if not isinstance(value, numbers.Real | np.bool_) or not math.isfinite(value):
        raise refusal(name, value, "a finite number")
    return float(value)


def _numbers(x: Mapping[Hashable, object]) -> dict[Hashable, float]:
    return {name: _number(f"x[{name!r}]", value) for name, value in x.items()}
