"""A first interrupt waits for the end of the step, a second one does not."""

import os
import signal
import threading

import pytest

from syntrans_training.engine.interrupts import SIGNALS, deferred


@pytest.mark.parametrize("number", SIGNALS)
def test_a_first_signal_is_only_noted(number: signal.Signals) -> None:
    with deferred() as interrupted:
        assert not interrupted()
        os.kill(os.getpid(), number)
        assert interrupted()


def test_a_second_signal_interrupts_at_once() -> None:
    with pytest.raises(KeyboardInterrupt), deferred():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
        pytest.fail("it went on")


def test_handlers_are_as_before_whatever_happens() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with pytest.raises(ZeroDivisionError), deferred():
        raise ZeroDivisionError
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_in_another_thread_nothing_is_deferred() -> None:
    answers: list[bool] = []

    def work() -> None:
        with deferred() as interrupted:
            answers.append(interrupted())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert answers == [False]
