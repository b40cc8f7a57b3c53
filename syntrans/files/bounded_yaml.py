"""YAML of people and strangers: safe, every key once, and never larger in memory than its text lets one expect.

An alias stands for everything that its anchor holds, so a page of aliases can mean more values than there are atoms.
What is counted is therefore the text with every alias written out.
"""

from __future__ import annotations

from typing import Any

import yaml
from yaml.composer import ComposerError
from yaml.constructor import ConstructorError

MAX_CHARACTERS = 2**18
MAX_DEPTH = 50
MAX_VALUES = 20_000
_TOO_MANY = f"more than {MAX_VALUES:,} values with every alias written out"


class _BoundedLoader(yaml.SafeLoader):
    """A SafeLoader that refuses repeated keys, depth, aliases of themselves, and too many values."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0
        self._values = 0
        self._sizes: dict[int, int] = {}  # by id of a whole node: its values, aliases written out

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """As the parent does, counting."""
        alias = self.check_event(yaml.AliasEvent)
        mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
        if self._depth >= MAX_DEPTH:
            raise ComposerError(None, None, f"nested deeper than {MAX_DEPTH}", mark)
        before = self._values
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        if alias and id(node) not in self._sizes:
            raise ComposerError(None, None, "an alias stands inside its own anchor", mark)
        self._values += self._sizes[id(node)] if alias else 1
        if self._values > MAX_VALUES:
            raise ComposerError(None, None, _TOO_MANY, mark)
        if not alias:
            self._sizes[id(node)] = self._values - before
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """As the parent does, after looking for repeated keys."""
        seen = set()
        for key in (key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key in seen and key != "<<":
                raise ConstructorError(None, None, f"key {key!r} given twice", node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def parse_yaml(text: str) -> Any:
    """The value that YAML text means; ValueError, in one line, for everything that can be wrong with it."""
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"longer than {MAX_CHARACTERS:,} characters")
    try:
        return yaml.load(text, Loader=_BoundedLoader)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from None
    except RecursionError:
        raise ValueError("nested too deep") from None
    except (TypeError, AttributeError, LookupError) as error:  # a tag on a value that is not of its kind
        raise ValueError(f"not of plain values ({error})") from None
