"""A Ray cluster: one that is there already, or one of this machine alone."""

from __future__ import annotations

from typing import Any

from syntrans.errors import EnvironmentProblem
from syntrans.packages.extras import broken_import


def join_cluster(address: str | None, cores: int) -> None:
    """Join the cluster at ``address`` (``auto``: this machine's); without, one of ``cores`` is started on 127.0.0.1.

    EnvironmentProblem without Ray, or where no cluster answers.
    """
    try:
        import ray
    except ImportError as error:
        raise broken_import(error, "ray", "ray") from error
    if ray.is_initialized():
        return
    # Stages of Ray Data hold a CPU each: with a single one the second stage would wait for it forever.
    cpus = max(2, cores)
    local = {} if address else {"num_cpus": cpus, "include_dashboard": False, "_node_ip_address": "127.0.0.1"}
    try:
        ray.init(address=address or "local", log_to_driver=False, **local)
    except (ConnectionError, RuntimeError, ValueError) as error:  # a bad address is any of the three
        raise EnvironmentProblem(
            f"no Ray cluster at {address} ({type(error).__name__}); start one with 'ray start --head', or leave out "
            f"engine.ray_address"
        ) from error
    import ray.data

    context: Any = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
