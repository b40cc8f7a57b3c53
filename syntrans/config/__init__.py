"""Configuration: YAML checked by frozen pydantic models that know every key, and the keys of earlier versions."""

from syntrans.config.load import (
    dotted,
    dump_config,
    first_problem,
    from_values,
    load_config,
    load_saved,
    read_config,
    read_yaml,
)
from syntrans.config.model import Gone, Renamed, Strict, StrictModel, read_saved

__all__ = [
    "Gone",
    "Renamed",
    "Strict",
    "StrictModel",
    "dotted",
    "dump_config",
    "first_problem",
    "from_values",
    "load_config",
    "load_saved",
    "read_config",
    "read_saved",
    "read_yaml",
]
