"""Which kernel a net of given settings is advanced by: the one place where campaigns and nets in hand choose."""

from __future__ import annotations

from lstmsim.learners.lstm.gated.net import GatedNets
from lstmsim.learners.lstm.hand import Hand
from lstmsim.learners.lstm.nets import LaneNets
from lstmsim.learners.lstm.settings import LSTMSettings
from lstmsim.learners.lstm.wide.net import WideNets

# Weights. Per step and net the wide kernel is about 1.5 times as fast as eight lanes at 6,000, 2.5 at 20,000, 4 at 100,000.
WIDE_FROM = 2_000
MOST_LANES = 16


def takes_wide(settings: LSTMSettings) -> bool:
    """Whether the wide kernel advances a net with dense inputs.

    It does from `WIDE_FROM` weights on, where its rows are filled by half at least and it knows the rule: it has no gates
    without biases beside cells that have them, only partials that accumulate, no state that outlives a sequence, no forget
    gates, no peepholes and no optimiser.
    """
    a, biased = settings, settings.biased
    known = not a.moving and not a.last_partials and a.carry == "none" and (biased["gate"] or not biased["cell"])
    known &= a.n_hidden == 0 or biased["hidden"] == biased["cell"]
    return known and a.n_cells + a.n_hidden >= 4 and sum(int(m.sum()) for m in a.exists.values()) >= WIDE_FROM


def nets_of(settings: LSTMSettings, lanes: int = 1, *, symbols: bool = False) -> LaneNets:
    """Holder of up to `lanes` nets, by the settings alone: a net in hand repeats a trial to the bit.

    One-hot inputs that come as symbol numbers are taken by lanes only.
    """
    if not symbols and takes_wide(settings):
        return WideNets(settings)
    return (GatedNets if settings.moving else LaneNets)(settings, lanes, symbols=symbols)


def hands_of(settings: LSTMSettings, trials: int) -> list[Hand]:
    """Hands of several nets, on as few holders as there can be; wide ones stand alone."""
    if takes_wide(settings):
        return [Hand(WideNets(settings), 1) for _ in range(trials)]
    parts = [min(MOST_LANES, trials - first) for first in range(0, trials, MOST_LANES)]
    return [Hand(nets_of(settings, next(lanes for lanes in (1, 8, MOST_LANES) if n <= lanes)), n) for n in parts]
