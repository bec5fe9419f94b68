"""The neural sequence chunker (Schmidhuber, 1992): automatizer A, and chunker C that sees only what A did not expect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Literal, TypeVar

import numpy as np

from lstmsim.checks import Field, Flag, Real, Whole, refusal, settings
from lstmsim.kernels.arrays import Floats
from lstmsim.kernels.recording import Variable
from lstmsim.kernels.vector import aligned
from lstmsim.learners.base import UPDATE_NORM, register
from lstmsim.learners.chunker.equations import Net, Nets, Shape, State, advance, reset
from lstmsim.learners.over_time import OneLaneLearner, OneLaneSettings, padded, zeros
from lstmsim.learners.weights import Masks, Weights, checked_weights, uniform_weights


@settings
class PredictorSettings(OneLaneSettings):
    """What settings of nets that predict their next input have in common.

    Parameters
    ----------
    n_inputs, n_outputs : int
        Input units, and outputs of the task (0: as many as it has); the first `n_inputs` outputs predict the next input.
    n_hidden : int
        Hidden units of each net.
    init_range : float
        Initial weights are uniform in [-init_range, init_range].
    learning_rate : float
        alpha of all nets.
    failure : float
        An input was unexpected when one of a net's outputs for it was off by this much.
    """

    n_hidden: Annotated[Whole, Field(ge=1, le=10_000)] = 1
    init_range: Annotated[Real, Field(ge=0)] = 0.2
    learning_rate: Annotated[Real, Field(gt=0)] = 1.0
    failure: Annotated[Real, Field(gt=0)] = 0.25

    @property
    def seen(self) -> list[str]:
        """Names of what a net sees beside its own units."""
        return self.input_names

    @property
    def sources(self) -> list[str]:
        """Names of the sources of the hidden units, in the order of the weights' columns."""
        return [*self.seen, "self"]

    @property
    def output_sources(self) -> list[str]:
        """Names of the sources of the outputs, in the order of the weights' columns."""
        return [*self.seen, *(f"hidden {u}" for u in range(self.n_hidden))]

    def initial_weights(self, seed: int | Sequence[int]) -> Weights:
        """Weights uniform in [-init_range, init_range]."""
        return uniform_weights(self.exists, self.init_range, seed)


P = TypeVar("P", bound=PredictorSettings)


class Predictors(OneLaneLearner[P]):
    """Nets that predict their next input; they must be one-hot.

    Attributes
    ----------
    named : dict of Net
        The nets, by what the names of their weights begin with.

    Raises
    ------
    ValueError
        If the inputs are not one-hot.
    """

    named: dict[str, Net]

    def __init__(self, settings: P, lanes: int = 1, *, symbols: bool = False) -> None:
        if not symbols:
            raise refusal("symbols", symbols, f"True, the {self.name} takes one-hot inputs")
        super().__init__(settings, lanes, symbols=symbols)

    def set_weights(self, lane: int | slice, weights: Mapping[str, Floats]) -> None:
        """Give all nets their weights: NAME_hidden (hidden, inputs and self), NAME_output (output, inputs and hidden)."""
        given = checked_weights(weights, self.settings.exists)
        for name, net in self.named.items():
            n, hidden, output = len(net.w_symbol), given[f"{name}_hidden"], given[f"{name}_output"]
            net.w_in[:] = net.w_symbol[:] = net.w_output[:] = 0.0  # a net that diverged has left NaN in the padding
            net.w_in[:, :n], net.w_self[:] = hidden[:, :n], hidden[:, n]
            net.w_symbol[:, : len(output)], net.w_output[:, : len(output)] = output[:, :n].T, output[:, n:].T

    def weights(self, lane: int) -> Weights:
        """Copies of the weights of all nets."""
        result, exists = {}, self.settings.exists
        for name, net in self.named.items():
            n, outputs = len(net.w_symbol), len(exists[f"{name}_output"])
            result[f"{name}_hidden"] = np.concatenate([net.w_in[:, :n], net.w_self[:, None]], axis=1)
            result[f"{name}_output"] = np.concatenate([net.w_symbol[:, :outputs], net.w_output[:, :outputs]]).T.copy()
        return result


@settings
class ChunkerSettings(PredictorSettings):
    """Sizes and rates of both nets.

    The LSTM paper's comparison (experiment 2a) has one hidden unit in each net, alpha 1.0 and initial weights up to 0.2. Its
    learning rule and failure threshold are not published: exact RTRL and 0.25, the bound of its test, are readings.

    Parameters
    ----------
    n_hidden, chunker_hidden : int
        Hidden units of A and of C. A has one more output for each of C's.
    imitated : {"hidden", "state"}
        What A learns to predict of C: its hidden units, as the weights of experiment 2a imply, or its outputs too, as in
        Schmidhuber (1992).
    chunker_shortcuts : bool
        C's outputs see its inputs. Without that C's hidden units must tell apart what its outputs tell apart.
    """

    chunker_hidden: Annotated[Whole, Field(ge=1, le=10_000)] = 1
    imitated: Literal["hidden", "state"] = "hidden"
    chunker_shortcuts: Flag = True

    @property
    def n_imitated(self) -> int:
        """A's outputs that predict C's state."""
        return self.chunker_hidden + (self.n_outputs if self.imitated == "state" else 0)

    @property
    def exists(self) -> Masks:
        """Which connections there are: for each group of weights a mask; columns: inputs and self, or inputs and hidden."""
        shapes = {
            "automatizer_hidden": (self.n_hidden, self.n_inputs + 1),
            "automatizer_output": (self.n_outputs + self.n_imitated, self.n_inputs + self.n_hidden),
            "chunker_hidden": (self.chunker_hidden, self.n_inputs + 1),
            "chunker_output": (self.n_outputs, self.n_inputs + self.chunker_hidden),
        }
        masks = {name: np.ones(shape, np.bool_) for name, shape in shapes.items()}
        masks["chunker_output"][:, : self.n_inputs] = self.chunker_shortcuts
        return masks

    def shape(self, *, symbols: bool) -> Shape:
        """Sizes for the kernels."""
        return Shape(self.n_inputs, symbols, self.n_outputs, self.n_imitated, self.failure, self.learning_rate)

    def units_text(self, joined: Sequence[int] = ()) -> str:
        """Return the numbers of hidden units of A and of C."""
        return f"{self.n_hidden} + {self.chunker_hidden}"

    def weights_shown(self, joined: Sequence[int] = ()) -> tuple[int, ...]:
        """Return the weights of A alone, which the paper counts: 10506 in experiment 2a."""
        return (sum(int(mask.sum()) for name, mask in self.exists.items() if name.startswith("automatizer")),)


def new_net(inputs: int, hidden: int, outputs: int, *, shortcuts: bool = True, stamped: bool = False) -> Net:
    """Return an empty net; the last of its inputs is a time stamp if it is to be stamped."""
    stride, wide = padded(inputs), padded(outputs)
    net = Net(
        shortcuts=bool(shortcuts),
        stamped=stamped,
        symbol=np.zeros(1, np.int64),
        **zeros({"w_in p_in": (hidden, stride), "w_self p_self h back": hidden, "w_symbol": (inputs, wide), "stamp": 1}),
        **zeros({"w_output": (hidden, wide), "y_k e_k d_k": (1, wide), "mask": wide}),
    )
    net.mask[:outputs] = 1.0
    return net


@register("chunker", ChunkerSettings, label="chunker")
class ChunkerNets(Predictors[ChunkerSettings]):
    """One automatizer with its chunker."""

    weight_dims: ClassVar[dict[str, tuple[str, ...]]] = {
        "automatizer_hidden": ("hidden_unit", "source"),
        "automatizer_output": ("automatizer_output", "output_source"),
        "chunker_hidden": ("chunker_unit", "source"),
        "chunker_output": ("output_unit", "chunker_source"),
    }

    loop, begin = staticmethod(advance), staticmethod(reset.py_func)
    own: ClassVar[dict[str, Variable]] = {
        "chunker_output": Variable(("step", "output_unit"), "next unexpected input as the chunker predicts it"),
        "unexpected": Variable(("step",), "1 where the automatizer had not expected the input and the chunker reads it"),
        "automatizer_hidden": Variable(("step", "hidden_unit"), "activation of the automatizer's hidden unit", "h_A(t)"),
        "chunker_hidden": Variable(("step", "chunker_unit"), "activation of the chunker's hidden unit", "h_C(t)"),
        "chunker_prediction": Variable(("step", "imitated_unit"), "the chunker's state as the automatizer predicts it"),
        "update_norm": UPDATE_NORM,
    }

    def __init__(self, settings: ChunkerSettings, lanes: int = 1, *, symbols: bool = False) -> None:
        super().__init__(settings, lanes, symbols=symbols)
        s = settings
        a = new_net(s.n_inputs, s.n_hidden, s.n_outputs + s.n_imitated)
        c = new_net(s.n_inputs, s.chunker_hidden, s.n_outputs, shortcuts=s.chunker_shortcuts)
        self.named = {"automatizer": a, "chunker": c}
        self.nets = Nets(self.shape, a, c, State(a.y_k, a.e_k, np.ones(2, np.bool_), aligned(1)))

    @property
    def sizes(self) -> dict[str, int]:
        """Sizes of the dimensions of `own`."""
        s = self.settings
        return {"hidden_unit": s.n_hidden, "chunker_unit": s.chunker_hidden, "imitated_unit": s.n_imitated}

    @property
    def weight_labels(self) -> dict[str, list[str]]:
        """Names along the dimensions of the weights."""
        s = self.settings
        outputs = [f"output {k}" for k in range(s.n_outputs)]
        units = [f"chunker unit {u}" for u in range(s.chunker_hidden)]
        imitated = [*units, *(f"chunker {name}" for name in outputs)][: s.n_imitated]
        own = {"chunker_source": [*s.input_names, *units], "automatizer_output": [*outputs, *imitated]}
        return super().weight_labels | own
