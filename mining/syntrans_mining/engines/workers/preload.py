"""Imported once by the fork server, so that every CPU worker starts with vLLM and torch already there.

Importing vLLM takes ten seconds of one core; two workers that each import it on two cores take twice that.
Nothing here may start a thread or touch a device: what is forked afterwards must be clean.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal

from syntrans.packages.lean_imports import hidden
from syntrans_mining.engines.workers.environment import LOG_VARIABLE, RUN_VARIABLE, apply_environment
from syntrans_mining.engines.workers.worker import redirect_output

_PR_SET_PDEATHSIG = 1  # linux/prctl.h

if LOG_VARIABLE in os.environ:
    # In the middle of a long import nobody looks whether the run is still there; the system does.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(os.environ[RUN_VARIABLE]):  # it was gone before the system was asked
        os._exit(1)
    redirect_output(os.environ[LOG_VARIABLE])
    apply_environment()
    with contextlib.suppress(ImportError), hidden("sklearn"):  # said properly when an engine needs it
        import open_clip  # noqa: F401
        from vllm import LLM, SamplingParams  # noqa: F401
        from vllm.sampling_params import StructuredOutputsParams  # noqa: F401
