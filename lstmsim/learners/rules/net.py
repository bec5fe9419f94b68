"""The learner "rules": one net on one lane, its rule a setting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from lstmsim.kernels.arrays import Array, Floats, Ints
from lstmsim.kernels.recording import Layout, Variable
from lstmsim.kernels.vector import aligned
from lstmsim.learners.base import register
from lstmsim.learners.optimiser import memory, new_optimiser, restart
from lstmsim.learners.over_time import OneLaneLearner, Places, padded, zeros
from lstmsim.learners.recurrent.net import RecurrentNet
from lstmsim.learners.rules.settings import OnlineSettings, RuleSettings
from lstmsim.learners.rules.shadow import GROUPS
from lstmsim.learners.rules.structs import Core, Net, Nets, Shadow, Shape, State
from lstmsim.learners.weights import generator

COMPARED = {
    "alignment": Variable(("step", "weight_group"), "cosine of the gradient with the exact one, NaN without an error"),
    "norm_ratio": Variable(("step", "weight_group"), "norm of the gradient over that of the exact one"),
    "signal_alignment": Variable(("step",), "cosine of the error that reaches the hidden units with the exact one"),
}


@register("rules", RuleSettings, label="on-line rule")
class Rules(OneLaneLearner):
    """A net of leaky units that learns at every step with a target, by the rule of its settings."""

    own: ClassVar[dict[str, Variable]] = RecurrentNet.own | COMPARED

    def __init__(self, settings: OnlineSettings, lanes: int = 1, *, symbols: bool = False) -> None:
        super().__init__(settings, lanes, symbols=symbols)
        self.rule, shape = settings.differs, self.shape
        self._place()
        self.net, self.state = _new_net(shape), _new_state(shape, self._seen[:-1])
        size, at_once = self.net.w.size + self.net.w_output.size, not self.rule.waits
        self.optimiser = new_optimiser(settings, settings.learning_rate, size, at_once=at_once)
        self.shadow = _new_shadow(shape, vars(settings).get("exactness", 0))
        self.kept = self.rule.room(settings, shape)
        core = Core(shape, self.net, self.state, self.optimiser, self.shadow)
        self.nets = Nets(shape, self.state, core, self.kept)
        vars(self)["loop"] = self.rule.advance
        self.net.mask[self._rows, : self._units] = settings.exists[settings.group].T
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

    @property
    def places(self) -> Places:
        """Where the weights stand."""
        own = self.net.w.T, np.s_[: self._units, self._rows]
        return {self.settings.group: own, "output": (self.net.w_output, np.s_[:, self._seen])}

    def start(self, lane: int, seed: Sequence[int]) -> None:
        """Give the net the initial weights that belong to a seed, its random signs and its random feedback."""
        super().start(lane, seed)
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

    def _kept(self) -> list[Array]:
        """Views of what a sequence begins with zeros in."""
        named = zip(self.kept.fields, self.kept, strict=True)
        kept = [array for name, array in named if isinstance(array, np.ndarray) and name not in self.rule.lasting]
        arrays = [array for array in kept if array.dtype == np.float64]
        return [self.state.a, self.state.z[: self.shape.hidden], self.shadow.p, self.shadow.total, *arrays]

    @property
    def lasting(self) -> list[Array]:
        """Key and number of the random signs, and what the optimiser and the rule keep; without resets activations too."""
        parts: list[Array] = [self.state.key.view(np.uint32), self.state.count]
        parts += [getattr(self.kept, name) for name in self.rule.lasting] + memory(self.optimiser)
        if self.shape.random_feedback:
            parts.append(self.net.feedback)
        if self.rule.waits:
            parts.append(self.net.g_output)
        return parts + (self._kept() if self.shape.keeps else [])

    @property
    def sizes(self) -> dict[str, int]:
        """Sizes of the dimensions of `own`."""
        return {"hidden_unit": self.state.shown.size} | ({"weight_group": len(GROUPS)} if self.shadow.every else {})

    @property
    def layout(self) -> Layout:
        """What a recorded step holds, in the order of a recorded row."""
        shown = super().layout
        variables = {name: of for name, of in shown.variables.items() if self.shadow.every or name not in COMPARED}
        return shown._replace(variables=variables)

    @property
    def gradient(self) -> Floats:
        """Copy of the hidden weights' last gradient, with the sign of an error, where it is stored."""
        return self.net.g[self._rows, : self._units].T.copy()


def _new_net(shape: Shape) -> Net:
    """An empty net."""
    hidden, output = (shape.sources, shape.wide), (shape.outputs, shape.output_wide)
    return Net(**zeros({"w g mask": hidden, "w_output g_output feedback": output}))


def _new_state(shape: Shape, shown: Ints) -> State:
    """Activations of an empty net."""
    wide, outputs = shape.wide, padded(shape.outputs)
    state = State(
        **zeros({"z": padded(shape.sources), "a back": shape.output_wide, "slope q signal own unit_mask": wide, "norm": 1}),
        **zeros({"y_k e_k": (1, outputs), "output_mask": outputs}),
        **zeros({"jacobian": (shape.hidden, wide), "columns": (shape.hidden, 8)}),
        **zeros({"symbol count": 1}, np.int64),
        shown=np.array(shown, np.int64),
        key=np.zeros(1, np.uint64),
    )
    state.unit_mask[shown] = state.output_mask[: shape.outputs] = 1.0
    return state


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
