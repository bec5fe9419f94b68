"""Rates and times: what is expected before a run, and what is left during one."""

import io
import re
from types import SimpleNamespace

import pytest
from rich.console import Console

import lstmsim
from lstmsim.campaign import progress
from lstmsim.campaign.forecast import Cost, Forecast, duration, expected_sequences, measure
from lstmsim.campaign.preview import Line
from lstmsim.campaign.progress import Bars, Display, Lines, Notebook, view_of
from lstmsim.campaign.requests import requested
from lstmsim.campaign.threads import Broken, RowProgress
from lstmsim.learners.lstm.settings import LSTMSettings
from lstmsim.paper import row
from lstmsim.simulation.config import Experiment, StoppingRule
from lstmsim.tasks import generator

COLOUR = re.compile(r"\x1b\[[\d;]*\b(3[0-7]|4[0-7]|9[0-7]|38|48)[\d;]*m")


def request(trials=4, **changes):
    return requested("4-1", trials, changes)[0]


def standing(name, sequences, steps):
    """One trial under way."""
    return RowProgress(name, steps, [sequences], [0.25], [0.5])


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "under a second"),
        (float("nan"), "under a second"),
        (1.2, "1 s"),
        (59.4, "59 s"),
        (60, "1 min"),
        (3599, "1 h 00 min"),
        (5400, "1 h 30 min"),
        (86_400 * 3, "3.0 days"),
    ],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_expected_are_our_sequences_else_the_papers_up_to_the_cap():
    assert expected_sequences(request()) == row("4-1").reading("literal").sequences == 702_731
    assert expected_sequences(request(max_sequences=500)) == 500
    assert expected_sequences(request(**row("4-1").reading("one").settings)) == 80_616
    assert expected_sequences(requested("2a", 1, {})[0]) == row("2a").config.stop.max_sequences  # most give up
    assert expected_sequences(request(output="identity")) == row("4-1").published.sequences == 74_000
    line = Line(request(max_sequences=100_000), left=3, lanes=4, cost=Cost(step=1e-7, length=105.0))
    assert line.seconds(line.sequences) == pytest.approx(3 * 100_000 * 105e-7)
    assert line.seconds(line.cap) == pytest.approx(3 * 100_000 * 105e-7)


@pytest.mark.parametrize("name", ["4-1", "1-rtrl-3"])
@pytest.mark.parametrize("cap", [1, 10_000])
def test_a_row_is_measured(name, cap):
    config: Experiment = row(name).config.with_settings({"max_sequences": cap, "final_test": 4})
    cost = measure(config, 1, 0.02)
    assert config.task.min_length <= cost.length <= config.task.max_length
    assert cost.step > 0


def test_the_rate_is_that_of_the_latest_half_minute():
    forecast = Forecast([request()], {})
    assert forecast.rate(100.0, [standing("4-1", 10, 1000)]) == 0.0
    assert forecast.rate(110.0, [standing("4-1", 20, 2000)]) == 100.0
    forecast.end("4-1", 30, 3000)
    assert forecast.rate(120.0, []) == 100.0
    assert forecast.rate(150.0, [standing("4-1", 100, 12_000)]) == pytest.approx((15_000 - 2000) / 40)
    assert forecast.rate(151.0, []) >= 0.0, "a trial that has ended and is not counted yet takes nothing away"


def test_what_is_left_follows_the_trials_that_have_ended():
    forecast = Forecast([request(trials=3)], {})
    running = [standing("4-1", 10_000, 1_000_000)]
    assert forecast.left(0.0, running) is None
    waiting = 2 * 702_731 * 105
    assert forecast.left(1e6, running) == pytest.approx((692_731 * 100 + waiting) / 1e6)
    forecast.end("4-1", 20_000, 2_000_000)
    assert forecast.left(1e6, running) == pytest.approx((10_000 * 100 + 20_000 * 100) / 1e6)
    late = [standing("4-1", 40_000, 4_000_000)]
    assert forecast.left(1e6, late) == pytest.approx((10_000 * 100 + 20_000 * 100) / 1e6)


def test_a_trial_that_failed_is_not_waited_for():
    forecast = Forecast([request(trials=3)], {})
    forecast.end("4-1", 20_000, 2_000_000)
    forecast.fail("4-1")
    assert forecast.left(1e6, []) == pytest.approx(20_000 * 100 / 1e6)


def shown(view, **trials):
    """Show two rows under way, one of whose trials diverges and another fails."""
    finished = {"6a": [{"sequences": 900, "steps": 94_500, "status": "solved"}]}
    campaign = SimpleNamespace(
        requests=requested(["4-1", "6a"], 2, {}),
        left=SimpleNamespace(finished=finished),
        finished=finished["6a"],
        trials=SimpleNamespace(
            compiling="", progress=lambda: [standing("4-1", 500, 50_000), standing("6a", 70, 7000)], **trials
        ),
    )
    campaign.trials.broken = []
    with Display(campaign, view) as display:
        view.latest = -100.0
        campaign.trials.compiling = "4-1"
        display.tick()
        campaign.trials.compiling = ""
        view.latest = -100.0
        display.tick()
        if isinstance(view, Bars):
            view.bars.refresh()
        display.ended("4-1", SimpleNamespace(trial=1, status="diverged", sequences=600, steps=60_000))
        assert (display.done, display.total) == (2, 4)
        campaign.trials.broken.append(Broken("6a", 1, KeyError("[/] mine")))
        view.latest = -100.0
        display.tick()
        display.tick()
        if isinstance(view, Bars):
            view.bars.refresh()
        assert (display.done, display.total) == (3, 4)


def on_console(view, **settings):
    stream = io.StringIO()
    shown(view(Console(file=stream, width=120, highlight=False, **settings)))
    return stream.getvalue()


def test_lines_where_there_is_no_terminal():
    lines = on_console(Lines).splitlines()
    assert lines[0] == "1/4 ended, 1 solved, 0.0 M steps/s"
    assert lines[1] == "compiling kernels for 4-1 (once, about half a minute for a method)"
    assert lines[2].startswith("4-1: 500 sequences, error 0.2500, 50.0% correct | 6a: 70 sequences")
    assert lines[3:5] == ["row 4-1, trial 1: diverged at sequence 600", "row 6a, trial 1: failed (KeyError: '[/] mine')"]
    assert "correct, 1 diverged | 6a: 70 sequences" in lines[5]
    assert "correct, 1 failed; 3/4 ended, 1 solved, 1 diverged, 1 failed, " in lines[5]
    assert len(lines) == 6


def test_the_last_line_has_all_trials_that_ended():
    stream = io.StringIO()
    view = Lines(Console(file=stream, width=120, highlight=False))
    view.open("0/2 ended", 2)
    for done in (1, 2):  # too soon for a line
        view.update(f"{done}/2 ended", done, {})
    view.close()
    assert stream.getvalue().splitlines() == ["0/2 ended", "2/2 ended"]


def test_bars_on_a_terminal(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    written = on_console(Bars, force_terminal=True, color_system="standard")
    for words in (
        "4-1: 500 sequences",
        "6a: 70 sequences",
        "compiling kernels",
        "diverged at sequence 600",
        "1 diverged, 1 failed,",
    ):
        assert words in written
    assert COLOUR.search(written)


def test_no_colours_where_they_are_not_wanted(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    assert not COLOUR.search(on_console(Bars, force_terminal=True, color_system="standard"))


def test_a_bar_below_a_cell_of_a_notebook(monkeypatch):
    """It is drawn again in its own place, and in the end only what is to stay is left there."""
    drawn = []
    handle = SimpleNamespace(update=lambda content, raw: drawn.append(content))
    monkeypatch.setattr("IPython.display.display", lambda content, **_: drawn.append(content) or handle)
    shown(Notebook())
    assert 'max="4"' in drawn[0]["text/html"]
    assert any("4-1: 500 sequences" in content["text/plain"] for content in drawn)
    assert any("1 solved, 1 diverged, 1 failed," in content["text/plain"] for content in drawn)
    assert drawn[-1]["text/plain"].splitlines()[-1] == "row 6a, trial 1: failed (KeyError: '[/] mine')"
    assert "progress" not in drawn[-1]["text/html"]


@generator(n_inputs=1, n_outputs=1, max_length=2, compiled=False)
def breaking(seq, key):
    """Two steps; one sequence of 5,000 is none, of some thousand that are written before the first is read."""
    if key % 5000 == 0:
        raise ZeroDivisionError("my own mistake")
    seq.learn(1, 0, 1.0)
    return 2


def test_a_run_in_which_a_task_raises_shows_so(monkeypatch, capsys):
    monkeypatch.setattr(progress, "_LINE_EVERY", 0.0)
    own = Experiment(breaking(), LSTMSettings(), StoppingRule(max_sequences=15, final_test=5), "own")
    with pytest.raises(lstmsim.TrialsFailed) as caught:
        lstmsim.simulate(own, trials=6, lanes=1, workers=1, progress=True)
    lines, failed = capsys.readouterr().err.splitlines(), [one.trial for one in caught.value.broken]
    assert 0 < len(failed) < 6
    for trial in failed:
        assert lines.count(f"row own, trial {trial}: failed (ZeroDivisionError: my own mistake)") == 1
    assert any(f"6/6 ended, 0 solved, {len(failed)} failed, " in line for line in lines)


@pytest.mark.parametrize(("wanted", "kind"), [(False, type(None)), (None, type(None)), (True, Lines)])
def test_no_bar_where_there_is_neither_terminal_nor_notebook(wanted, kind):
    assert type(view_of(wanted)) is kind
