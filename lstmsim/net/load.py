"""The net of a trial file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from lstmsim.checks import Json, absolute
from lstmsim.learners.lstm.settings import LSTMSettings
from lstmsim.net.lstm import LSTM


def load_net(path: str | Path, which: str | int = "final") -> LSTM:
    """Make the net of a trial file, in the state of a reset.

    Parameters
    ----------
    path : str or Path
        A trial file of the learner `lstm`.
    which : {"initial", "final"} or int
        The weights: before training, after it, or those of the snapshot of this number, from 0.

    Returns
    -------
    LSTM

    Raises
    ------
    FileNotFoundError
        If there is no file at `path`.
    ValueError
        If the file is no whole trial file, its learner is another, it lacks the weights asked for, or a block had not
        joined the net by then (sequential construction).
    """
    from lstmsim.trace.open import saved_weights
    from lstmsim.trace.summary import trial_at

    path = absolute("path", path)
    if not path.is_file():
        raise FileNotFoundError(f"path is {str(path)!r}, where no file is; allowed: a trial file")
    attrs = trial_at(path)
    stored: Json = json.loads(attrs["config"])["learner"]
    if (learner := stored.pop("name")) != "lstm":
        raise ValueError(f"path is {str(path)!r}, a trial of the learner {learner!r}; allowed: a trial of 'lstm'")
    settings = LSTMSettings(**stored)
    sequences, weights = saved_weights(path, which, settings.exists)
    joined, n_blocks = np.sum(np.atleast_1d(attrs["joined"]) <= sequences), settings.n_blocks
    if settings.sequential and joined < n_blocks:
        raise ValueError(f"which is {which!r}, when {joined} of {n_blocks} blocks had joined; allowed: after all have")
    alpha = float(settings.learning_rate_at(int(sequences)))
    constant = replace(settings, learning_rate=alpha, learning_rate_decay=0.0, learning_rate_factor=1.0)
    return LSTM.from_weights(constant, weights)
