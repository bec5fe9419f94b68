"""The command line: python -m lstmsim.run."""

from __future__ import annotations

import argparse
import contextlib
import errno
import hashlib
import math
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

from lstmsim.campaign.requests import from_file, from_rows
from lstmsim.paper import rows
from lstmsim.simulation.config import parse_assignment

EXAMPLES = """examples:
  python -m lstmsim.run                                     row 4-1 (adding, T=100), 8 trials
  python -m lstmsim.run --list                              all rows of the paper
  python -m lstmsim.run runs/paper.toml --dry-run           what a campaign would run, and how long it takes here
  python -m lstmsim.run runs/quick.toml                     a campaign; the same command again goes on where it stopped
  python -m lstmsim.run 4-3 6a --trials 10 --set learning_rate=0.7 --out DIR
  python -m lstmsim.run 6a --json > outcome.json            for programs; progress goes to stderr
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Refuse in one line."""
        raise ValueError(f"{message}; allowed: what --help shows")


def parser() -> argparse.ArgumentParser:
    """Arguments of the command line."""
    parse = _Parser(
        prog="python -m lstmsim.run",
        description="Run rows of Hochreiter and Schmidhuber (1997): training, traces, pictures, tables.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parse.add_argument("rows", nargs="*", metavar="ROW", help="row ids (see --list), or one run file (*.toml); default 4-1")
    parse.add_argument("--list", action="store_true", help="list all rows: id, task, learner, weights, the paper's result")
    parse.add_argument("--trials", metavar="N", help="trials per row (default: the paper's number; 8 without rows)")
    parse.add_argument("--seed", metavar="N", help="seed of the run (default 0)")
    parse.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a setting; may be repeated")
    parse.add_argument("--out", metavar="DIR", help="folder for the results (default: below runs/)")
    parse.add_argument("--reuse", metavar="DIR", help="take finished trials that are the same from another run's folder")
    parse.add_argument("--max-sequences", metavar="N", help="sequences after which a trial gives up")
    parse.add_argument("--workers", metavar="N", help="threads (default: all cores)")
    parse.add_argument("--lanes", metavar="N", help="trials advanced together on one core: 1, 2, 4, 8 or 16")
    parse.add_argument(
        "--record", default="default", metavar="POLICY", help="none, default, all, first:N, last:N, every:N, or several"
    )
    parse.add_argument(
        "--checkpoint-every", metavar="SECONDS", help="time between checkpoints of unfinished trials (default 60)"
    )
    parse.add_argument("--scheduler", metavar="ADDRESS", help="run the trials on a Dask cluster, e.g. tcp://host:8786")
    parse.add_argument("--force", action="store_true", help="start over in a new subfolder of a folder that is not empty")
    parse.add_argument("--dry-run", action="store_true", help="show what would be run and how long it takes here")
    parse.add_argument("--json", action="store_true", help="print the outcome, the list or the preview as JSON on stdout")
    parse.add_argument("--quiet", action="store_true", help="print only the path of the results")
    return parse


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code.

    0: every trial ended by its rule. 1: the run failed, as with a full disk. 2: the request is wrong. 130, 143: stopped by
    Ctrl-C, by SIGTERM.
    """
    try:
        with _terminable():
            return _main(parser().parse_args(arguments))
    except (ValueError, OSError) as error:
        print(f"lstmsim: {_one_line(error)}", file=sys.stderr)
        return 1 if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO) else 2
    except KeyboardInterrupt as stop:
        print(f"lstmsim: stopped; {_GOES_ON}", file=sys.stderr)
        return 143 if isinstance(stop, _Terminated) else 130
    except RuntimeError as error:
        from lstmsim.campaign.threads import TrialsFailed

        if not isinstance(error, TrialsFailed):
            raise
        if not isinstance(error.__cause__, OSError | MemoryError):
            traceback.print_exception(error.__cause__)
        print(f"lstmsim: {_one_line(error)}; {_GOES_ON}", file=sys.stderr)
        return 1


_GOES_ON = "what was finished is kept, and the same command goes on from the last checkpoints"


class _Terminated(KeyboardInterrupt):
    """SIGTERM: the run ends as with Ctrl-C."""


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """Have SIGTERM end the run in an orderly way."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def terminate(*_: Any) -> None:
        raise _Terminated

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _one_line(error: Exception) -> str:
    """An error's message without control characters, the middle of a long one left out."""
    text = "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(error))
    return text if len(text) <= 1500 else f"{text[:700]} ... {text[-700:]}"


def _main(options: argparse.Namespace) -> int:
    if options.list:
        return _list(as_json=options.json)
    from lstmsim.trace.policy import Policy

    policy = Policy.parse(options.record)
    seed = _number("--seed", options.seed, 0, 0)
    workers = _number("--workers", options.workers, os.cpu_count() or 1, 1, 1024)
    lanes = _number("--lanes", options.lanes, None, 1, 16)
    if lanes is not None and lanes not in (1, 2, 4, 8, 16):
        raise ValueError(f"--lanes is {lanes}; allowed: 1, 2, 4, 8 or 16")
    trials = _number("--trials", options.trials, None, 1, 10_000)
    changes = dict(parse_assignment(text) for text in options.set)
    checkpoint_every = _seconds("--checkpoint-every", options.checkpoint_every, 60.0)
    if options.max_sequences is not None:
        changes["max_sequences"] = _number("--max-sequences", options.max_sequences, None, 1)
    if any(name.endswith(".toml") for name in options.rows):
        if len(options.rows) > 1:
            raise ValueError(f"rows are {' '.join(options.rows)}; allowed: row ids, or one run file alone")
        name, requests = from_file(Path(options.rows[0]), trials, changes)
    else:
        name, requests = from_rows(options.rows or ["4-1"], trials or (None if options.rows else 8), changes)
    if options.out is None and (changes or seed):
        said = repr((sorted(changes.items(), key=str), seed))
        name += "-" + hashlib.sha256(said.encode()).hexdigest()[:8]
    out = Path(options.out) if options.out is not None else Path("runs") / name
    reuse = Path(options.reuse) if options.reuse is not None else None
    if reuse is not None and not reuse.is_dir():
        raise ValueError(f"--reuse is {options.reuse!r}; allowed: the folder of a run")
    from lstmsim.campaign.run import preview_campaign, run_campaign

    if options.dry_run:
        return preview_campaign(requests, out, seed, workers, lanes, reuse=reuse, as_json=options.json)
    how = {"quiet": options.quiet, "force": options.force, "checkpoint_every": checkpoint_every, "as_json": options.json}
    return run_campaign(requests, out, seed, policy, workers, lanes, scheduler=options.scheduler, reuse=reuse, **how)


def _number(name: str, text: str | None, default: Any, low: int, high: int = 10**15) -> Any:
    """A whole number of the command line.

    Raises
    ------
    ValueError
        If it is none, or out of its range.
    """
    if text is None:
        return default
    with contextlib.suppress(ValueError):
        if low <= int(text) <= high:
            return int(text)
    raise ValueError(f"{name} is {text!r}; allowed: a whole number from {low} to {high}")


def _seconds(name: str, text: str | None, default: float) -> float:
    """A number of seconds of the command line.

    Raises
    ------
    ValueError
        If it is none.
    """
    if text is None:
        return default
    with contextlib.suppress(ValueError):
        if 0.0 <= float(text) < math.inf:
            return float(text)
    raise ValueError(f"{name} is {text!r}; allowed: a number of seconds of at least 0")


def _list(*, as_json: bool) -> int:
    """Print all rows."""
    if as_json:
        from lstmsim.report import json as outcome

        print(outcome.text({"rows": [outcome.of_row(row) | {"trials": row.trials} for row in rows().values()]}))
        return 0
    from rich.console import Console

    from lstmsim.report.console import list_of_rows

    Console(width=None if sys.stdout.isatty() else 160).print(list_of_rows(rows().values()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
