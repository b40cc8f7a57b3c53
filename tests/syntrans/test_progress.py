"""Progress: what it says of speed and rest, and that it says so while nothing moves."""

from __future__ import annotations

import io
import threading
import time

import pytest

from syntrans import progress
from syntrans.progress import StepProgress, Tracker, say, track


class Listener(io.StringIO):
    """A stream that is no terminal, and tells when something was written that holds `word`."""

    def __init__(self, word: str, *, terminal: bool = False) -> None:
        super().__init__()
        self.word, self.heard, self.terminal = word, threading.Event(), terminal

    def isatty(self) -> bool:
        return self.terminal

    def write(self, text: str) -> int:
        if self.word in text:
            self.heard.set()
        return super().write(text)


def test_a_line_says_how_fast_it_goes_and_how_long_the_rest_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([0.0, 10.0, 10.0, 10.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(times, 10.0))
    tracker = Tracker("features of val", 400, "images")
    tracker.advance(100)
    assert tracker.line() == "features of val: 100/400 images, 10 images/s, about 30 s left"


def test_what_an_earlier_process_did_takes_no_part_in_the_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([0.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(times, 10.0))
    tracker = Tracker("train", 1000, "images", done=900)
    assert tracker.line() == "train: 900/1,000 images"
    tracker.advance(10)
    assert tracker.line() == "train: 910/1,000 images, 1 images/s, about 2 min left"


def test_without_a_terminal_a_line_comes_while_nothing_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    heard = Listener("heads: 0/8 heads")
    monkeypatch.setattr("sys.stderr", heard)
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.001)
    with track("heads", 8, "heads"):
        assert heard.heard.wait(60)


def test_a_line_names_the_whole_and_the_part_that_is_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    heard = Listener("; 5-shot episodes: 0/1,000 episodes")
    monkeypatch.setattr("sys.stderr", heard)
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.001)
    with track("bridge", 4, "steps"), track("5-shot episodes", 1000, "episodes"):
        assert heard.heard.wait(60)
    assert "bridge: 0/4 steps; 5-shot episodes: 0/1,000 episodes\n" in heard.getvalue()


def test_nothing_is_left_running_when_the_work_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", Listener("x"))
    with track("outer", 1), track("inner", 1):
        assert any(thread.name == "progress" for thread in threading.enumerate())
    assert not any(thread.name == "progress" for thread in threading.enumerate())


def test_on_a_terminal_one_bar_may_lie_within_another(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Listener("x", terminal=True)
    monkeypatch.setattr("sys.stderr", screen)
    with track("bridge", 2, "steps") as outer:
        with track("1-shot episodes", 10, "episodes") as inner:
            inner.advance(10)
        outer.advance(2)
        say("a line above the bars")
    assert "bridge" in screen.getvalue()
    assert "2/2" in screen.getvalue()
    assert "a line above the bars" in screen.getvalue()


def test_steps_begin_to_count_with_their_first_question(monkeypatch: pytest.MonkeyPatch) -> None:
    heard = Listener("crosscheck: 3/5 answers")
    monkeypatch.setattr("sys.stderr", heard)
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.001)
    with StepProgress() as shown:
        shown.step("merge")
        shown.advance(1)  # nobody was asked
        shown.step("crosscheck")
        shown.expect(5)
        shown.advance(3)
        assert heard.heard.wait(60)
    assert "merge" not in heard.getvalue()


def test_of_several_processes_the_first_one_speaks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RANK", "1")
    with track("train", 3) as tracker:
        tracker.advance(3)
        say("not heard")
    assert capsys.readouterr().err == ""
