"""SIGTERM and SIGHUP end a command as Ctrl-C does."""

from __future__ import annotations

import signal

_NAMES = ("SIGTERM", "SIGHUP")  # what `kill`, service managers and batch systems send, and a terminal that closes


def stop_like_ctrl_c() -> None:
    """Let those signals raise KeyboardInterrupt in the main thread, unless the program was started to ignore them."""
    for name in _NAMES:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)
