"""On-line learning rules against the exact gradient at frozen weights: bias, variance, alignment by lag."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Annotated

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from lstmsim.checks import Field, Json, Whole, array, check, refusal
from lstmsim.kernels.arrays import Floats
from lstmsim.kernels.recording import new_record
from lstmsim.kernels.scores import new_scores
from lstmsim.kernels.sequences import LEARN, new_sequences
from lstmsim.learners.rules.net import Rules
from lstmsim.learners.rules.settings import RuleSettings
from lstmsim.learners.rules.snap_n import reached

RANDOM = ("uoro", "kf-rtrl", "kernl")


def compare_rules(
    net: RuleSettings | Rules,
    inputs: ArrayLike,
    targets: ArrayLike,
    rules: Sequence[str] = ("exact", "snap-1", "rflo", "uoro", "kf-rtrl", "bptt-1"),
    *,
    weights: Mapping[str, ArrayLike] | None = None,
    repeats: int = 32,
    lags: int = 0,
    seed: int = 0,
) -> xr.Dataset:
    """Compare the gradients that rules find along one sequence, the weights frozen, with the exact one.

    Parameters
    ----------
    net : RuleSettings or Rules
        A net's settings, or a net, whose settings and weights are read; it is not changed.
    inputs : array_like, shape (step, input)
        Sequence that the net takes from a reset.
    targets : array_like, shape (step, output)
        Targets; rows of NaN where there is none.
    rules : sequence of str
        Names, as the setting `rule` takes them.
    weights : dict, optional
        Weights, by name; by default those of the net, or initial ones that belong to `seed`.
    repeats : int
        Draws of the random signs for rules that have them; others are run once.
    lags : int
        Lags 0 .. lags - 1 for `lag_alignment`; 0: none. Takes so many times the steps, for every rule.
    seed : int
        Of the signs and of initial weights.

    Returns
    -------
    Dataset
        (rule, step): `alignment`, the cosine of the mean gradient over the draws with the exact one; `draw_alignment`, the
        mean cosine of single draws; `norm_ratio`; `bias`, the norm of the mean's difference from the exact gradient, over
        the latter's norm; `variance`, the summed variance of draws over its square. `lag_alignment` (rule, lag), where asked
        for: the cosine, over all steps together, of the gradient's part that comes from so many steps before. NaN at steps
        without an error. Output weights are left out: every rule has their gradient exactly.

    Raises
    ------
    ValueError
        For arguments that do not fit the net, naming them.
    """
    settings = net.settings if isinstance(net, Rules) else net
    if not isinstance(settings, RuleSettings):
        raise refusal("net", net, "RuleSettings, or a net of the learner 'rules'")
    repeats = check("repeats", repeats, Annotated[Whole, Field(ge=1, le=1_000_000)])
    lags = check("lags", lags, Annotated[Whole, Field(ge=0, le=100_000)])
    seed = check("seed", seed, Annotated[Whole, Field(ge=0, lt=2**63)])
    settings.check_sizes()
    x = array("inputs", inputs, (None, settings.n_inputs))
    d = array("targets", targets, (None, settings.n_outputs), nan_rows=True)
    if len(x) != len(d) or not len(x):
        raise ValueError(f"targets has {len(d)} steps; allowed: as many as inputs, {len(x)}, and at least one")
    if lags > len(x):
        raise refusal("lags", lags, f"at most the number of steps, {len(x)}")
    given: Mapping[str, ArrayLike] = (
        weights if weights is not None else net.weights(0) if isinstance(net, Rules) else settings.initial_weights(seed)
    )
    exact, *others = (_Run(settings, str(rule), given, seed) for rule in ("exact", *rules))
    for run in (exact, *others):
        run.feed(x, d)
    true = exact.gradients(0)
    found = [run.figures(true, repeats) for run in others]
    data = {name: (("rule", "step"), np.array([each[name] for each in found])) for name in _NAMES}
    coords: dict[str, object] = {"rule": list(rules), "step": np.arange(len(x))}
    result = xr.Dataset(data, coords, attrs={"repeats": repeats, "seed": seed})
    for name, text in _NAMES.items():
        result[name].attrs = {"long_name": text, "units": "1"}
    if lags:
        whole = exact.by_lag(lags, 1)
        parts = np.array([_cosine(run.by_lag(lags, repeats), whole) for run in others])
        attrs = {"long_name": "cosine with the exact gradient's part of that lag", "units": "1"}
        result = result.assign_coords(lag=np.arange(lags)).assign(lag_alignment=(("rule", "lag"), parts, attrs))
    return result


def kept_entries(settings: RuleSettings) -> xr.DataArray:
    """Which entries of the influence M_kij = da_k/dw_ij a rule keeps.

    Parameters
    ----------
    settings : RuleSettings
        The net and its rule.

    Returns
    -------
    DataArray, dims (unit, weight_unit)
        Unit k and the unit i that a weight leads to, for all sources j alike: 1 where the entry is kept, 2 where products of
        smaller factors stand for it, 0 where it counts as 0.

    Raises
    ------
    ValueError
        If `settings` are no RuleSettings.
    """
    if not isinstance(settings, RuleSettings):
        raise refusal("settings", settings, "RuleSettings")
    n, rule = settings.n_hidden, settings.rule
    if rule == "snap-n":
        kept = reached(settings.recurrent[settings.connections], settings.leak, settings.n).astype(int)
    else:
        full = {"exact": 1, "uoro": 2, "kf-rtrl": 2, "kernl": 2}.get(rule, 0)
        kept = np.full((n, n), full) if full or rule in ("bptt", "bptt-1") else np.eye(n, dtype=int)
    label = f"SnAp-{settings.n}" if rule == "snap-n" else settings.differs.label
    attrs = {"long_name": f"entries that {label} keeps", "units": "1"}
    coords = {"unit": np.arange(n), "weight_unit": np.arange(n)}
    return xr.DataArray(kept, coords, ("unit", "weight_unit"), name="kept", attrs=attrs)


_NAMES = {
    "alignment": "cosine of the mean gradient with the exact one",
    "draw_alignment": "mean cosine of single draws with the exact gradient",
    "norm_ratio": "norm of the mean gradient over that of the exact one",
    "bias": "norm of the mean gradient's difference from the exact one, over the latter's norm",
    "variance": "summed variance of single draws, over the square of the exact gradient's norm",
}


def _cosine(one: Floats, other: Floats) -> Floats:
    """Cosine along the last axis, NaN where one of the two is zero."""
    norms = np.linalg.norm(one, axis=-1) * np.linalg.norm(other, axis=-1)
    return np.where(norms > 0, (one * other).sum(axis=-1) / np.where(norms > 0, norms, 1.0), np.nan)


class _Run:
    """One rule at frozen weights: gradients are stored for an optimiser whose learning rate is 0."""

    def __init__(self, settings: RuleSettings, rule: str, weights: Mapping[str, ArrayLike], seed: int) -> None:
        feedback = "exact" if rule == "exact" else settings.feedback
        rules: Json = {"rule": rule, "feedback": feedback}
        kept = dataclasses.replace(settings, optimiser="sgd", clip=1e300, carry="all", exactness=0, interval=1)
        self.net = Rules(dataclasses.replace(kept, **rules))
        self.net.start(0, (seed, 0))
        self.net.set_weights(0, dict(weights))  # type: ignore[arg-type]
        self.net.optimiser.now[0] = 0.0
        self.random, self.seed, self.fresh = rule in RANDOM, seed, self.net.carried(0)

    def feed(self, x: Floats, d: Floats) -> None:
        """Take the sequence."""
        self.taught = ~np.isnan(d[:, 0])
        self.sequences = new_sequences(1, len(x), x.shape[1], np.zeros((len(x), -(-d.shape[1] // 8) * 8)), 0)
        self.sequences.targets[:, : d.shape[1]] = np.nan_to_num(d)
        self.sequences.inputs[:, :, 0] = x
        self.sequences.event[:, 0] = np.where(self.taught, LEARN, 0)
        self.sequences.learn[:, 0] = np.arange(len(x))
        self.record, self.scores = new_record(1, 1, self.net.layout.width, 0), new_scores(1)

    def _begin(self, draw: int) -> None:
        self.net.reset()
        self.net.set_carried(0, self.fresh)
        self.net.state.key[0] = np.random.SeedSequence((self.seed, draw)).generate_state(1, np.uint64)[0]

    def _step(self, t: int) -> Floats:
        """Take step t; its gradient, 0 without a target."""
        self.net.advance(self.sequences, self.scores, self.record, t, t + 1, learn=True, track=True)
        gradient = self.net.gradient.ravel()
        return gradient if self.taught[t] else np.zeros_like(gradient)

    def gradients(self, draw: int) -> Floats:
        """Gradients (step, weight) with the signs of a draw."""
        self._begin(draw)
        return np.array([self._step(t) for t in range(len(self.taught))])

    def figures(self, exact: Floats, repeats: int) -> dict[str, Floats]:
        """What the dataset says of a rule, from running sums over the draws."""
        draws = repeats if self.random else 1
        mean, squares, cosines = np.zeros_like(exact), np.zeros(len(exact)), np.zeros(len(exact))
        for draw in range(draws):
            found = self.gradients(draw)
            mean += found / draws
            squares += (found**2).sum(axis=1) / draws
            cosines += _cosine(found, exact) / draws
        norm = np.where(self.taught, np.linalg.norm(exact, axis=1), 0.0)
        norm = np.where(norm > 0, norm, np.nan)
        variance = np.maximum(squares - (mean**2).sum(axis=1), 0.0) * draws / max(draws - 1, 1)
        return {
            "alignment": _cosine(mean, exact),
            "draw_alignment": cosines,
            "norm_ratio": np.linalg.norm(mean, axis=1) / norm,
            "bias": np.linalg.norm(mean - exact, axis=1) / norm,
            "variance": variance / norm**2,
        }

    def by_lag(self, lags: int, repeats: int) -> Floats:
        """The mean gradient's part (lag, step and weight) of each lag: what one step more of memory adds to it."""
        draws, steps = repeats if self.random else 1, len(self.taught)
        total = np.zeros((lags + 1, steps, self.net.gradient.size))
        for draw in range(draws):
            self._begin(draw)
            before = []
            for t in range(steps):
                before.append(self.net.carried(0))
                self._step(t)
            for first in range(steps):
                self.net.set_carried(0, before[first])
                self._forget()
                for memory in range(1, min(lags, steps - first) + 1):
                    t = first + memory - 1
                    found = self._step(t) / draws
                    total[memory if first else slice(memory, None), t] += found  # no memory is longer than the sequence
        parts: Floats = np.diff(total, axis=0).reshape(lags, -1)
        return parts

    def _forget(self) -> None:
        """Let the gradient know of no step before."""
        kept = vars(self.net.kept)
        (kept["entries"] if "entries" in kept else kept["clock"])[...] = 0.0
