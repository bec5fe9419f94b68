"""Simulation of the original Long Short-Term Memory (Hochreiter and Schmidhuber, 1997) and its rivals."""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submodules=["errorflow", "learners", "paper", "plots", "river", "tasks"],
    submod_attrs={
        "campaign.threads": ["TrialsFailed"],
        "experiment": ["scan", "simulate"],
        "learners.lstm.hand": ["DivergedError"],
        "net": ["LSTM", "load_net"],
        "simulation.config": ["Experiment", "Stage", "StoppingRule"],
        "trace.open": ["open_run"],
        "trace.recorder": ["Recorder"],
    },
)

__all__ = [
    "LSTM",
    "DivergedError",
    "Experiment",
    "Recorder",
    "Stage",
    "StoppingRule",
    "TrialsFailed",
    "__version__",
    "errorflow",
    "learners",
    "load_net",
    "open_run",
    "paper",
    "plots",
    "scan",
    "simulate",
    "tasks",
]
