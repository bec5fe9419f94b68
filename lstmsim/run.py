"""The command line: python -m lstmsim."""

from __future__ import annotations

import argparse
import contextlib
import errno
import functools
import hashlib
import io
import os
import re
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

from rich.console import Console

import lstmsim
from lstmsim.campaign.requests import OtherOrigin, Request, Trials, from_file, requested
from lstmsim.checks import Field, Whole, absolute, check
from lstmsim.paper import Row, rows
from lstmsim.simulation.config import assignments

if TYPE_CHECKING:
    from lstmsim.campaign.run import Campaign

EXAMPLES = """examples:
  python -m lstmsim                                     row 4-1 (adding, T=100) under the one reading, 8 trials
  python -m lstmsim --list                              all rows of the paper; --list adding: some of them
  python -m lstmsim 4-1 --reading literal               the text alone, which is the default for named rows
  python -m lstmsim --settings 4-1                      what --set takes there
  python -m lstmsim runs/paper.toml --dry-run           what a campaign would run, and how long it takes here
  python -m lstmsim runs/quick.toml                     a campaign; the same command again goes on where it stopped
  python -m lstmsim 4-3 6a --trials 10 --set learning_rate=0.7 --out DIR
  python -m lstmsim 4-1 --over T=50,100,200 --over learning_rate=0.05:5:9:log --trials 16 --out DIR
  python -m lstmsim 6a --json > outcome.json            for programs; progress goes to stderr
"""
# Errors speak of the arguments of Python; these are options here.
_OPTIONS = re.compile(r"^(trials|seed|reading|out|record|workers|lanes|scheduler|device|reuse|checkpoint_every)(?= is )")
_GOES_ON = "what was finished is kept, and the same command goes on from the last checkpoints"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Refuse in one line."""
        raise ValueError(f"{message}; allowed: what --help shows")


def parser() -> argparse.ArgumentParser:
    """Arguments of the command line."""
    parse = _Parser(
        prog="python -m lstmsim",
        description="Run rows of Hochreiter and Schmidhuber (1997): training, traces, pictures, tables.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parse.add_argument("rows", nargs="*", metavar="ROW", help="row ids (see --list), or one run file (*.toml)")
    parse.add_argument("--version", action="version", version=f"lstmsim {lstmsim.__version__}")
    parse.add_argument("--list", action="store_true", help="list all rows, or those in which the given words stand")
    parse.add_argument("--settings", metavar="ROW", help="list what can be set in a row: default, what is allowed, meaning")
    parse.add_argument("--trials", metavar="N", help="trials per row (default: the paper's number; 8 without rows)")
    parse.add_argument("--seed", metavar="N", default="0", help="seed of the run (default 0)")
    parse.add_argument("--reading", metavar="NAME", help="literal: the text alone; one: what fits nearly all rows")
    parse.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a setting; may be repeated")
    parse.add_argument(
        "--over",
        action="append",
        default=[],
        metavar="KEY=VALUES",
        help="scan over a,b,c or low:high:count (low:high:count:log); may be repeated, for all combinations",
    )
    parse.add_argument("--halving", metavar="N", help="in a scan, points that learn least are given up: one of N goes on")
    parse.add_argument("--out", metavar="DIR", help="folder for the results (default: below runs/)")
    parse.add_argument("--reuse", metavar="DIR", help="take finished trials that are the same from another run's folder")
    parse.add_argument("--max-sequences", metavar="N", help="sequences after which a trial gives up")
    parse.add_argument("--workers", metavar="N", help="threads (default: all cores that this process may use)")
    parse.add_argument("--lanes", metavar="N", help="trials advanced together on one core: 1, 2, 4, 8 or 16")
    parse.add_argument(
        "--record", default="default", metavar="POLICY", help="none, default, all, first:N, last:N, every:N, or several"
    )
    parse.add_argument(
        "--checkpoint-every",
        metavar="SECONDS",
        default="60",
        help="time between checkpoints of unfinished trials (default 60)",
    )
    parse.add_argument("--scheduler", metavar="ADDRESS", help="run the trials on a Dask cluster, e.g. tcp://host:8786")
    parse.add_argument("--device", metavar="NAME", default="cpu", help="cpu (default), or cuda: trials on a GPU, same bits")
    parse.add_argument("--force", action="store_true", help="start over in a new subfolder of a folder that is not empty")
    parse.add_argument("--dry-run", action="store_true", help="show what would be run and how long it takes here")
    parse.add_argument("--json", action="store_true", help="print the outcome, the list or the preview as JSON on stdout")
    parse.add_argument("--quiet", action="store_true", help="print only the path of the results")
    return parse


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code.

    0: every trial ended by its rule. 1: the run failed, as with a full disk. 2: the request is wrong. 130, 143: stopped by
    Ctrl-C, by SIGTERM. 141: nobody reads the output.
    """
    _open_streams()
    try:
        with _terminable():
            code = _main(parser().parse_args(arguments))
            sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 141
    except (ValueError, OSError) as error:
        print(f"lstmsim: {_one_line(error)}", file=sys.stderr)
        code = 1 if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO) else 2
    except KeyboardInterrupt as stop:
        print(f"lstmsim: stopped; {_GOES_ON}", file=sys.stderr)
        code = 143 if isinstance(stop, _Terminated) else 130
    except RuntimeError as error:
        from lstmsim.campaign.threads import TrialsFailed

        if not isinstance(error, TrialsFailed):
            raise
        if not isinstance(error.__cause__, OSError | MemoryError):
            traceback.print_exception(error.__cause__)
        print(f"lstmsim: {_one_line(error)}; {_GOES_ON}", file=sys.stderr)
        code = 1
    _leave_compiler(code)
    return code


def _open_streams() -> None:
    """Give closed standard streams a place to go, before another file gets their number, and let any text be written."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            with contextlib.suppress(OSError):
                os.fstat(number)
                continue
            while (opened := os.open(os.devnull, os.O_RDWR)) < number:
                pass
            if opened > number:
                os.dup2(opened, number)
            setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # what its encoding lacks is written by number
            stream.reconfigure(errors="backslashreplace")


def _leave_compiler(code: int) -> None:
    """End the process at once if a thread is still compiling: the compiler can be neither stopped nor left behind."""
    from lstmsim.kernels.compile import COMPILER

    if any(thread.name == COMPILER for thread in threading.enumerate()):
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)


class _Terminated(KeyboardInterrupt):
    """SIGTERM: the run ends as with Ctrl-C."""


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """Have SIGTERM end the run in an orderly way."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def terminate(*_: object) -> None:
        raise _Terminated

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _one_line(error: Exception) -> str:
    """An error's message without control characters, the middle of a long one left out, options by their names here."""
    text = "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(error))
    text = _OPTIONS.sub(lambda found: f"--{found[1].replace('_', '-')}", text)
    text += ", or --force to start over in a new subfolder" if isinstance(error, OtherOrigin) else ""
    return text if len(text) <= 1500 else f"{text[:700]} ... {text[-700:]}"


def _main(options: argparse.Namespace) -> int:
    if options.list:
        _only(options, "list", "rows", "json")
        return _list(options.rows, as_json=options.json)
    if options.settings is not None:
        _only(options, "settings", "reading", "set", "json")
        return _settings(options)
    if options.over or options.halving is not None:
        return _scan(options)
    name, requests, changes = _requests(options)
    seed = _number(options.seed)
    if (out := options.out) is None:
        if reading := "one" if options.reading is None and not options.rows else options.reading:
            name += f"-{reading}"
        if changes or seed:
            name += "-" + hashlib.sha256(repr((sorted(changes.items(), key=str), seed)).encode()).hexdigest()[:8]
        out = f"runs/{name}"
    from lstmsim.campaign.run import Campaign

    if options.force and (there := absolute("--out", out)).is_dir() and any(there.iterdir()):
        out = next(new for n in range(1, 10**6) if not (new := there / f"again-{n}").exists())
    campaign = Campaign(
        requests,
        out,
        seed,
        record=options.record,
        workers=_number(options.workers),
        lanes=_number(options.lanes),
        checkpoint_every=_number(options.checkpoint_every),
        scheduler=options.scheduler,
        device=options.device,
        reuse=options.reuse,
    )
    return (_preview if options.dry_run else _run)(campaign, options)


def _only(options: argparse.Namespace, mode: str, *names: str) -> None:
    """Refuse what is given beside `--mode` and means nothing there."""
    for name, default in vars(parser().parse_args([])).items():
        if name not in (mode, *names) and (given := vars(options)[name]) != default:
            option = name if name == "rows" else f"--{name.replace('_', '-')}"
            raise ValueError(f"{option} is {given!r}; allowed: not with --{mode}")


def _scan(options: argparse.Namespace) -> int:
    """Run a scan, or say what it would run."""
    from lstmsim.campaign.progress import Bars, Lines
    from lstmsim.campaign.scan import Scan
    from lstmsim.campaign.scan_points import over_of
    from lstmsim.experiment import perform_scan
    from lstmsim.report import scan as told

    _only(options, "over", *(vars(options).keys() - {"lanes", "record", "reuse", "force", "json"}))
    if len(options.rows) > 1 or any(name.endswith(".toml") for name in options.rows):
        raise ValueError(f"rows are {' '.join(options.rows)}; allowed: one row id with --over")
    _, [request], changes = _requests(options)
    over, seed = over_of(options.over), _number(options.seed)
    if (out := options.out) is None:
        mark = hashlib.sha256(repr((sorted(request.changes.items(), key=str), list(over), seed, options.halving)).encode())
        out = f"runs/scan-{request.name}-{'-'.join(over)}-{mark.hexdigest()[:8]}"
    how = {"workers": _number(options.workers), "checkpoint_every": _number(options.checkpoint_every)}
    how |= {"scheduler": options.scheduler, "device": options.device}
    how |= {"halving": _number(options.halving), "reading": options.reading if options.rows else options.reading or "one"}
    made = Scan(request.name, over, out, trials=request.trials, seed=seed, settings=changes, **how)
    console = _console(quiet=options.quiet)
    say = functools.partial(console.print, markup=False, soft_wrap=True)
    if options.dry_run:
        print(told.preview_text(made))
        return 0
    say(told.begun_text(made))
    found = perform_scan(made, None if options.quiet else Bars(console) if console.is_terminal else Lines(console), say)
    console.print(told.scan_table(found))
    told.write_scan_page(made.folder.path)
    print(made.file)
    return 0


def _requests(options: argparse.Namespace) -> tuple[str, list[Request], dict[str, object]]:
    """Return a name for the run, what is asked for, and the changes of the command line."""
    changes = assignments(options.set)
    if options.max_sequences is not None:
        cap = _number(options.max_sequences)
        if "max_sequences" in changes:
            raise ValueError(f"--max-sequences is {cap!r}; allowed: not beside --set max_sequences")
        changes["max_sequences"] = check("--max-sequences", cap, Annotated[Whole, Field(ge=1, le=10**12)])
    trials = None if options.trials is None else check("trials", _number(options.trials), Trials)
    if any(name.endswith(".toml") for name in options.rows):
        if len(options.rows) > 1:
            raise ValueError(f"rows are {' '.join(options.rows)}; allowed: row ids, or one run file alone")
        if options.reading is not None:
            raise ValueError(f"--reading is {options.reading!r}; allowed: row ids with it, a run file names its own")
        return *from_file(Path(options.rows[0]), trials, changes), changes
    if options.rows:
        requests = requested(options.rows, trials, changes, options.reading)
    else:
        requests = requested(["4-1"], trials or 8, changes, options.reading or "one")
    return "+".join(request.name for request in requests), requests, changes


def _run(campaign: Campaign, options: argparse.Namespace) -> int:
    from lstmsim.campaign.progress import Bars, Lines
    from lstmsim.experiment import perform
    from lstmsim.report import json as outcome
    from lstmsim.report.console import readings_text, trial_table

    console = _console(stderr=options.json, quiet=options.quiet)
    say = functools.partial(console.print, markup=False, soft_wrap=True)  # names are a user's
    out, requests = campaign.folder.path, campaign.requests
    total, done = sum(request.trials for request in requests), len(campaign.finished)
    reused = f", {len(campaign.left.reused)} of them in {campaign.folder.reuse}" if campaign.left.reused else ""
    names = ", ".join(request.name for request in requests)
    begun = f"lstmsim: rows {names}; {total} trials, {done} finished before{reused}; results in {out}"
    view = None if options.quiet else Bars(console) if console.is_terminal else Lines(console)
    results = perform(campaign, view, say, begun=begun)
    for result in results:
        if result.request.name in {request.name for request in requests}:
            console.print(trial_table(result))
            if (picture := out / result.request.name / "overview.png").exists():
                say(f"picture: {picture}")
    if sentence := readings_text(requests):
        say(sentence)
    say(f"traces: {out}/<row>/trial-0000.nc; summary: {out / 'summary.nc'}; report: {out / 'report.html'}")
    if options.json:
        print(outcome.text(outcome.of_run(out, campaign.seed, results)))
    elif options.quiet:
        print(out)
    return 0


def _preview(campaign: Campaign, options: argparse.Namespace) -> int:
    from lstmsim.campaign.preview import Preview
    from lstmsim.report import json as outcome
    from lstmsim.report.preview import preview_content, preview_table

    preview = Preview(campaign)
    if options.json:
        print(outcome.text(preview_content(preview)))
        return 0
    console = _console()
    if preview.lines:
        console.print(preview_table(preview))
    console.print(preview.text(), markup=False, soft_wrap=True)
    return 0


def _list(words: Sequence[str], *, as_json: bool) -> int:
    """Print the rows in which all words stand, or all."""
    found = [row for row in rows().values() if all(word.lower() in _described(row) for word in words)]
    if not found:
        raise ValueError(f"--list {' '.join(words)!r} finds no row; allowed: part of a row's id, task, learner or title")
    if as_json:
        from lstmsim.report import json as outcome

        print(outcome.text({"rows": [outcome.of_row(row) | {"trials": row.trials} for row in found]}))
        return 0
    from lstmsim.report.console import list_of_rows

    console = _console(width=100)
    console.print(list_of_rows(found, min(console.width, 100)))
    return 0


def _described(row: Row) -> str:
    """Everything by which a row is looked for."""
    return f"{row.id} {row.config.task.name} {row.config.learner} {row.title} {row.table.heading}".lower()


def _settings(options: argparse.Namespace) -> int:
    """Print what can be set in a row, and what it is under a reading and with changes."""
    from lstmsim.experiment import settings_of
    from lstmsim.report import json as outcome
    from lstmsim.report.console import settings_table

    [request] = requested([options.settings], None, assignments(options.set), options.reading)
    found = settings_of(request.config)
    if options.json:
        print(outcome.text({"row": request.name, "settings": [setting._asdict() for setting in found]}))
    else:
        _console().print(settings_table(found))
    return 0


def _console(*, stderr: bool = False, quiet: bool = False, width: int = 160) -> Console:
    """Console of a width of its own where its stream is not a terminal."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(quiet=quiet, highlight=False, emoji=False, stderr=stderr, width=None if stream.isatty() else width)


def _number(text: str | None) -> Any:
    """A number, or the text itself, which is refused by the argument's name."""
    for kind in (int, float):
        with contextlib.suppress(ValueError, TypeError):
            return kind(text)  # type: ignore[arg-type]
    return text


if __name__ == "__main__":
    sys.exit(main())
