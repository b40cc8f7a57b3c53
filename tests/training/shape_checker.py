"""What checks shapes and types of the training code in tests: the first call with arguments of given shapes.

`install_import_hook` takes `check` by name. jaxtyping's own wrapper costs more than most of the functions that it
wraps, and says the same of the same shapes; so a function is checked once for each kind of arguments. What checks a
function is made when it is first called: made for all of them at their import, it was a third of collecting the tests.
"""

import dataclasses
import functools
from collections.abc import Callable

import jaxtyping
import numpy as np
import torch
from beartype import BeartypeConf, beartype

# An int is a float, as PEP 484 says.
check = beartype(conf=BeartypeConf(is_pep484_tower=True))


# What checks a function of a module, by its name.
checkers: dict[str, Callable[[], object]] = {}


def check_new_shapes() -> None:
    """From here on `jaxtyping.jaxtyped` makes functions that look only at kinds of arguments they have not seen."""
    checked = jaxtyping.jaxtyped

    def jaxtyped(*, typechecker):
        def decorate(fn):
            checker = checked(typechecker=typechecker)
            return checker(fn) if isinstance(fn, type) else _once_per_kind(fn, checker)

        return decorate

    jaxtyping.jaxtyped = jaxtyped  # type: ignore[assignment]


def _once_per_kind(fn, checker):
    seen = set()
    whole = functools.cache(lambda: checker(fn))
    if "<locals>" not in fn.__qualname__:
        checkers[f"{fn.__module__}.{fn.__qualname__}"] = whole

    @functools.wraps(fn)
    def wrapper(*args, **kwargs):
        kinds = (*map(_kind, args), *map(_kind, kwargs.values()), *kwargs)
        if kinds in seen:
            return fn(*args, **kwargs)
        out = whole()(*args, **kwargs)
        seen.add(kinds)
        return out

    return wrapper


def _kind(value):
    """What a check depends on: an array's shape and dtype, a number's or word's value, what an object is made of."""
    if isinstance(value, torch.Tensor | np.ndarray):
        return type(value), value.dtype, tuple(value.shape)
    if value is None or isinstance(value, bool | int | float | str):
        return type(value), value
    if isinstance(value, list | tuple):
        return type(value), len(value), _kind(value[0]) if value else None
    if dataclasses.is_dataclass(value):
        return type(value), tuple(_kind(getattr(value, field.name, None)) for field in dataclasses.fields(value))
    return type(value), id(value) if isinstance(value, torch.nn.Module) else None
