"""The neural sequence chunker (Schmidhuber, 1992): automatizer A, and chunker C that sees only what A did not expect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

import numpy as np

from lstmsim.checks import Field, Flag, Real, Whole, refusal, settings
from lstmsim.kernels.recording import Layout, Variable
from lstmsim.kernels.vector import aligned
from lstmsim.learners.base import INPUT, OUTPUT, OUTPUT_ERROR, TARGET, UPDATE_NORM, LearnerSettings, register
from lstmsim.learners.chunker.equations import Net, Nets, Shape, State, advance
from lstmsim.learners.over_time import OneLaneLearner
from lstmsim.learners.weights import Floats, Masks, Weights, checked_weights, uniform_weights


@settings
class ChunkerSettings(LearnerSettings):
    """Sizes and rates of both nets.

    The LSTM paper's comparison (experiment 2a) has one hidden unit in each net, alpha 1.0 and initial weights up to 0.2. Its
    learning rule and failure threshold are not published: exact RTRL and 0.25, the bound of its test, are readings.

    Attributes
    ----------
    n_inputs, n_outputs : int
        Input units, and outputs of the task (0: as many as it has); the first `n_inputs` outputs predict the next input.
    n_hidden, chunker_hidden : int
        Hidden units of A and of C. A has one more output for each of C's.
    init_range : float
        Initial weights are uniform in [-init_range, init_range].
    learning_rate : float
        alpha of both nets.
    failure : float
        An input was unexpected when one of A's outputs for it was off by this much.
    imitated : {"hidden", "state"}
        What A learns to predict of C: its hidden units, as the weights of experiment 2a imply, or its outputs too, as in
        Schmidhuber (1992).
    chunker_shortcuts : bool
        C's outputs see its inputs. Without that C's hidden units must tell apart what its outputs tell apart.

    Raises
    ------
    ValueError
        Naming the argument, the value given and what is allowed.
    """

    n_hidden: Annotated[Whole, Field(ge=1, le=10_000)] = 1
    chunker_hidden: Annotated[Whole, Field(ge=1, le=10_000)] = 1
    init_range: Annotated[Real, Field(ge=0)] = 0.2
    learning_rate: Annotated[Real, Field(gt=0)] = 1.0
    failure: Annotated[Real, Field(gt=0)] = 0.25
    imitated: Literal["hidden", "state"] = "hidden"
    chunker_shortcuts: Flag = True

    @property
    def n_imitated(self) -> int:
        """A's outputs that predict C's state."""
        return self.chunker_hidden + (self.n_outputs if self.imitated == "state" else 0)

    @property
    def shapes(self) -> dict[str, tuple[int, int]]:
        """Shapes of the named weights; columns: inputs and self, or inputs and hidden units."""
        return {
            "automatizer_hidden": (self.n_hidden, self.n_inputs + 1),
            "automatizer_output": (self.n_outputs + self.n_imitated, self.n_inputs + self.n_hidden),
            "chunker_hidden": (self.chunker_hidden, self.n_inputs + 1),
            "chunker_output": (self.n_outputs, self.n_inputs + self.chunker_hidden),
        }

    @property
    def exists(self) -> Masks:
        """Which connections there are: for each group of weights a mask of its shape."""
        masks = {name: np.ones(shape, np.bool_) for name, shape in self.shapes.items()}
        masks["chunker_output"][:, : self.n_inputs] = self.chunker_shortcuts
        return masks

    def units_text(self, joined: Sequence[int] = ()) -> str:
        """Return the numbers of hidden units of A and of C."""
        return f"{self.n_hidden} + {self.chunker_hidden}"

    def weights_shown(self, joined: Sequence[int] = ()) -> tuple[int, ...]:
        """Return the weights of A alone, which the paper counts: 10506 in experiment 2a."""
        return (sum(int(mask.sum()) for name, mask in self.exists.items() if name.startswith("automatizer")),)


def _padded(n: int) -> int:
    return -(-n // 8) * 8


def new_net(inputs: int, hidden: int, outputs: int, *, shortcuts: bool = True, stamped: bool = False) -> Net:
    """Return an empty net; the last of its inputs is a time stamp if it is to be stamped."""
    stride, wide = _padded(inputs), _padded(outputs)
    mask = aligned(wide)
    mask[:outputs] = 1.0
    return Net(
        w_in=aligned(hidden, stride),
        w_self=aligned(hidden),
        w_symbol=aligned(inputs, wide),
        w_output=aligned(hidden, wide),
        h=aligned(hidden),
        p_in=aligned(hidden, stride),
        p_self=aligned(hidden),
        back=aligned(hidden),
        y_k=aligned(1, wide),
        e_k=aligned(1, wide),
        d_k=aligned(1, wide),
        mask=mask,
        symbol=np.zeros(1, np.int64),
        shortcuts=bool(shortcuts),
        stamped=stamped,
        stamp=np.zeros(1),
    )


def give(net: Net, hidden: Floats, output: Floats) -> None:
    """Give a net its weights: (hidden, inputs and self), (output, inputs and hidden)."""
    n = len(net.w_symbol)
    net.w_in[:, :n], net.w_self[:] = hidden[:, :n], hidden[:, n]
    net.w_symbol[:, : len(output)], net.w_output[:, : len(output)] = output[:, :n].T, output[:, n:].T


def taken(net: Net, outputs: int) -> tuple[Floats, Floats]:
    """Return copies of a net's weights, as `give` takes them."""
    hidden = np.concatenate([net.w_in[:, : len(net.w_symbol)], net.w_self[:, None]], axis=1)
    return hidden, np.concatenate([net.w_symbol[:, :outputs], net.w_output[:, :outputs]]).T.copy()


@register("chunker", ChunkerSettings, label="chunker")
class ChunkerNets(OneLaneLearner):
    """One automatizer with its chunker; one lane, however many are asked for.

    Parameters
    ----------
    settings : ChunkerSettings
        Sizes and rates.
    lanes : int
        Without effect: the units lie along the vector, not the trials.
    symbols : bool
        Inputs are one-hot and come as symbol numbers; must be so.

    Raises
    ------
    ValueError
        If the inputs are not one-hot.
    """

    weight_dims: ClassVar[dict[str, tuple[str, ...]]] = {
        "automatizer_hidden": ("hidden_unit", "source"),
        "automatizer_output": ("automatizer_output", "output_source"),
        "chunker_hidden": ("chunker_unit", "source"),
        "chunker_output": ("output_unit", "chunker_source"),
    }

    loop = staticmethod(advance)

    @classmethod
    def variables(cls) -> dict[str, Variable]:
        """Everything that the two nets can be recorded by."""
        return {
            "input": INPUT,
            "target": TARGET,
            "output": OUTPUT,
            "output_error": OUTPUT_ERROR,
            "chunker_output": Variable(("step", "output_unit"), "next unexpected input as the chunker predicts it"),
            "unexpected": Variable(("step",), "1 where the automatizer had not expected the input and the chunker reads it"),
            "automatizer_hidden": Variable(("step", "hidden_unit"), "activation of the automatizer's hidden unit", "h_A(t)"),
            "chunker_hidden": Variable(("step", "chunker_unit"), "activation of the chunker's hidden unit", "h_C(t)"),
            "chunker_prediction": Variable(("step", "imitated_unit"), "the chunker's state as the automatizer predicts it"),
            "update_norm": UPDATE_NORM,
        }

    def __init__(self, settings: ChunkerSettings, lanes: int, *, symbols: bool = False) -> None:
        if not symbols:
            raise refusal("symbols", symbols, "True, the chunker takes one-hot inputs")
        settings.check_sizes()
        self.settings = s = settings
        self.automatizer = a = new_net(s.n_inputs, s.n_hidden, s.n_outputs + s.n_imitated)
        self.chunker = new_net(s.n_inputs, s.chunker_hidden, s.n_outputs, shortcuts=s.chunker_shortcuts)
        shape = Shape(s.n_inputs, True, s.n_outputs, s.n_imitated, s.failure, s.learning_rate)
        self.nets = Nets(shape, a, self.chunker, State(a.y_k, a.e_k, np.ones(2, np.bool_), aligned(1)))

    def set_weights(self, lane: int | slice, weights: Mapping[str, Any]) -> None:
        """Give both nets their weights, by the names and shapes of `ChunkerSettings.shapes`."""
        given = checked_weights(weights, self.settings.exists)
        for name, net in (("automatizer", self.automatizer), ("chunker", self.chunker)):
            give(net, given[f"{name}_hidden"], given[f"{name}_output"])

    def weights(self, lane: int) -> Weights:
        """Copies of the weights of both nets."""
        result, shapes = {}, self.settings.shapes
        for name, net in (("automatizer", self.automatizer), ("chunker", self.chunker)):
            result[f"{name}_hidden"], result[f"{name}_output"] = taken(net, shapes[f"{name}_output"][0])
        return result

    def reset(self, lane: int | slice = 0) -> None:
        """Activations and partials to zero; the next input counts as unexpected."""
        for net in (self.automatizer, self.chunker):
            for array in (net.h, net.p_in, net.p_self, net.y_k):
                array[...] = 0.0
        self.nets.state.pending[:] = True

    def start(self, lane: int, seed: Sequence[int]) -> None:
        """Give both nets the initial weights that belong to a seed."""
        self.set_weights(lane, uniform_weights(self.settings.exists, self.settings.init_range, seed))

    @property
    def layout(self) -> Layout:
        """What a recorded step holds."""
        s, n = self.settings, self.settings.n_outputs
        sizes = {"input_unit": s.n_inputs, "output_unit": n, "hidden_unit": s.n_hidden, "chunker_unit": s.chunker_hidden}
        sizes["imitated_unit"] = s.n_imitated
        return Layout(self.variables(), sizes, True)

    @property
    def weight_labels(self) -> dict[str, list[str]]:
        """Names along the dimensions of the weights."""
        s = self.settings
        inputs = [f"input {i}" for i in range(s.n_inputs)]
        outputs = [f"output {k}" for k in range(s.n_outputs)]
        units = [f"chunker unit {u}" for u in range(s.chunker_hidden)]
        imitated = [*units, *(f"chunker {name}" for name in outputs)][: s.n_imitated]
        return {
            "source": [*inputs, "self"],
            "output_source": [*inputs, *(f"hidden {u}" for u in range(s.n_hidden))],
            "chunker_source": [*inputs, *units],
            "automatizer_output": [*outputs, *imitated],
        }
