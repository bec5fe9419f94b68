"""The learner "rules": one net on one lane, its rule a setting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from lstmsim.kernels.recording import Layout, Variable
from lstmsim.kernels.vector import aligned
from lstmsim.learners.base import register
from lstmsim.learners.optimiser import memory, new_optimiser, restart
from lstmsim.learners.over_time import OneLaneLearner
from lstmsim.learners.recurrent.net import RecurrentNet
from lstmsim.learners.rules.settings import RuleSettings
from lstmsim.learners.rules.shadow import GROUPS
from lstmsim.learners.rules.structs import Core, Net, Nets, Shadow, Shape, State
from lstmsim.learners.weights import Floats, Weights, checked_weights, generator

COMPARED = {
    "alignment": Variable(("step", "weight_group"), "cosine of the gradient with the exact one, NaN without an error"),
    "norm_ratio": Variable(("step", "weight_group"), "norm of the gradient over that of the exact one"),
    "signal_alignment": Variable(("step",), "cosine of the error that reaches the hidden units with the exact one"),
}


@register("rules", RuleSettings, label="on-line rule")
class Rules(OneLaneLearner):
    """A net of leaky units that learns at every step with a target, by the rule of its settings.

    Parameters
    ----------
    settings : RuleSettings
        Units, connections and rule.
    lanes : int
        Without effect: one lane.
    symbols : bool
        Inputs are one-hot and come as symbol numbers.
    """

    group: ClassVar[str] = "hidden"  # name of the weights of the hidden units

    @classmethod
    def variables(cls) -> dict[str, Variable]:
        """Everything that the net can be recorded by, in the order of a recorded row."""
        return RecurrentNet.variables() | COMPARED

    def __init__(self, settings: Any, lanes: int = 1, *, symbols: bool = False) -> None:
        settings.check_sizes()
        self.settings, self.rule = settings, settings.differs
        self.shape = shape = settings.sizes(symbols=symbols)
        self._place()
        self.net, self.state = _new_net(shape), _new_state(shape, self._seen[:-1])
        size, at_once = self.net.w.size + self.net.w_output.size, not self.rule.waits
        self.optimiser = new_optimiser(settings, settings.learning_rate, size, at_once=at_once)
        self.shadow = _new_shadow(shape, vars(settings).get("exactness", 0))
        self.kept = self.rule.room(settings, shape)
        core = Core(shape, self.net, self.state, self.optimiser, self.shadow)
        self.nets = Nets(shape, self.state, core, self.kept)
        self.loop = self.rule.advance  # type: ignore[misc]
        self.net.mask[self._rows, : self._units] = settings.exists[self.group].T
        self._begin()

    def _place(self) -> None:
        """Where named weights stand: rows of the sources, number of units, places of the sources of the outputs."""
        hidden, inputs = np.arange(self.shape.hidden), self.shape.hidden + np.arange(self.shape.inputs)
        self._rows = np.concatenate([inputs, hidden, [self.shape.sources - 1]])
        self._units, self._seen = self.shape.hidden, np.arange(self.shape.hidden + 1)

    def _begin(self) -> None:
        """As before all learning."""
        restart(self.optimiser, self.settings.learning_rate)
        self.state.count[0] = 0
        if self.rule.start is not None:
            self.rule.start(self.kept, self.settings)

    def set_weights(self, lane: int | slice, weights: Mapping[str, Floats]) -> None:
        """Give the net its weights: "hidden" (hidden_unit, source) and "output" (output, output_source).

        Raises
        ------
        ValueError
            If a group is missing or unknown, has the wrong shape, is not finite, or is not 0 where no connection is.
        """
        weights = checked_weights(weights, self.settings.exists)
        self.net.w[self._rows, : self._units] = weights[self.group].T
        self.net.w_output[:, self._seen] = weights["output"]

    def weights(self, lane: int) -> Weights:
        """Copies of the weights."""
        own = self.net.w[self._rows, : self._units].T.copy()
        return {self.group: own, "output": self.net.w_output[:, self._seen].copy()}

    def start(self, lane: int, seed: Sequence[int]) -> None:
        """Give the net the initial weights that belong to a seed, its random signs and its random feedback."""
        self.set_weights(lane, self.settings.initial_weights(seed))
        keys = np.random.SeedSequence(seed).generate_state(4, np.uint64)  # those of `trial_keys`
        self.state.key[0] = keys[2]
        size, shape = self.settings.feedback_range, (self.shape.outputs, len(self._seen) - 1)
        self.net.feedback[:, self._seen[:-1]] = generator(int(keys[3])).uniform(-size, size, shape)
        self._begin()

    def reset(self, lane: int | slice = 0) -> None:
        """Activations, and all that the rule keeps from step to step, to zero; the weights stay."""
        for array in self._kept():
            array[...] = 0.0
        self.net.g_output[:] = 0.0
        self.state.a[self.shape.hidden] = self.shape.bias
        self.state.z[self.shape.sources - 1] = self.shape.bias

    def _kept(self) -> list[Any]:
        """Views of what a sequence begins with zeros in."""
        arrays = [array for name, array in zip(self.kept.fields, self.kept, strict=True) if self._is_kept(name, array)]
        return [self.state.a, self.state.z[: self.shape.hidden], self.shadow.p, self.shadow.total, *arrays]

    def _is_kept(self, name: str, value: Any) -> bool:
        return isinstance(value, np.ndarray) and value.dtype == np.float64 and name not in self.rule.lasting

    def _outlives(self) -> list[Any]:
        """Views of what outlives a sequence besides the weights, but for the key."""
        parts = [getattr(self.kept, name) for name in self.rule.lasting] + memory(self.optimiser)
        if self.shape.random_feedback:
            parts.append(self.net.feedback)
        if self.rule.waits:
            parts.append(self.net.g_output)
        return parts + (self._kept() if self.shape.keeps else [])

    def carried(self, lane: int) -> Floats:
        """Return what outlives a sequence besides the weights: key and number of the random signs, the optimiser's memory.

        With a stream that is not reset also activations and what the rule keeps.
        """
        key = self.state.key.view(np.uint32).astype(float)
        return np.concatenate([key, self.state.count.astype(float), *self._outlives()], axis=None)

    def set_carried(self, lane: int | slice, carried: Floats) -> None:
        """Take what `carried` gave."""
        self.state.key.view(np.uint32)[:] = carried[:2]
        self.state.count[0] = carried[2]
        first = 3
        for part in self._outlives():
            part[...] = carried[first : first + part.size].reshape(part.shape)
            first += part.size

    @property
    def layout(self) -> Layout:
        """What a recorded step holds, in the order of a recorded row."""
        shape = self.shape
        sizes = {"hidden_unit": self.state.shown.size, "input_unit": shape.inputs, "output_unit": shape.outputs}
        shown = self.variables()
        if self.shadow.every:
            sizes["weight_group"] = len(GROUPS)
        else:
            shown = {name: variable for name, variable in shown.items() if name not in COMPARED}
        return Layout(shown, sizes, shape.symbols)

    @property
    def weight_labels(self) -> dict[str, list[str]]:
        """Names along the dimensions of the weights."""
        return {"source": self.settings.sources, "output_source": self.settings.output_sources}

    @property
    def gradient(self) -> Floats:
        """Copy of the hidden weights' last gradient, with the sign of an error, where it is stored."""
        return self.net.g[self._rows, : self._units].T.copy()


def _new_net(shape: Shape) -> Net:
    """An empty net."""
    hidden, output = (shape.sources, shape.wide), (shape.outputs, shape.output_wide)
    sizes = {"w": hidden, "w_output": output, "g": hidden, "g_output": output, "mask": hidden, "feedback": output}
    return Net(**{name: aligned(*size) for name, size in sizes.items()})


def _new_state(shape: Shape, shown: Any) -> State:
    """Activations of an empty net."""
    wide, outputs = shape.wide, -(-shape.outputs // 8) * 8
    unit_mask, output_mask = aligned(wide), aligned(outputs)
    unit_mask[shown] = output_mask[: shape.outputs] = 1.0
    return State(
        z=aligned(-(-shape.sources // 8) * 8),
        a=aligned(shape.output_wide),
        slope=aligned(wide),
        y_k=aligned(1, outputs),
        e_k=aligned(1, outputs),
        back=aligned(shape.output_wide),
        q=aligned(wide),
        signal=aligned(wide),
        own=aligned(wide),
        jacobian=aligned(shape.hidden, wide),
        columns=aligned(shape.hidden, 8),
        norm=aligned(1),
        symbol=aligned(1, dtype=np.int64),
        shown=np.array(shown, np.int64),
        unit_mask=unit_mask,
        output_mask=output_mask,
        key=aligned(1, dtype=np.uint64),
        count=aligned(1, dtype=np.int64),
    )


def _new_shadow(shape: Shape, every: int) -> Shadow:
    """Room for the exact influence, or for none."""
    ends = np.cumsum([0, shape.hidden, shape.inputs, 1])
    return Shadow(
        every=every,
        p=aligned(shape.sources if every else 0, shape.wide // 8, shape.hidden, 8),
        total=aligned(shape.sources if every else 0, shape.wide),
        ends=ends.astype(np.int64),
        found=np.full(9, np.nan),
    )
