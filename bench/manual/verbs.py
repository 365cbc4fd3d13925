"""Calls a verb of the manual bench by its name, with parameters that came from a command line or a page."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Mapping
from typing import Any

from node.control import Refusal


def call(target: object, name: str, parameters: Mapping[str, Any]) -> Any:
    """Runs the verb `name` of `target`, a method marked as a command, and returns what it returns.

    The parameters are of JSON's types and are held against the method's own annotations. Raises Refusal for an unknown
    verb, for one parameter too many or too few, and for a wrong type; and what the verb raises.
    """
    method = getattr(target, name, None)
    if not getattr(method, "__is_command__", False):
        raise Refusal(f"The bench has no verb {name!r}.")
    assert callable(method)
    signature = inspect.signature(method)
    try:
        signature.bind(**parameters)
    except TypeError as error:
        takes = ", ".join(map(str, signature.parameters)) or "no parameters"
        raise Refusal(f"The verb {name} cannot be called so ({error}); it takes: {takes}.") from None
    kinds = typing.get_type_hints(method)
    for parameter, value in parameters.items():
        if not _is(value, kinds[parameter]):
            raise Refusal(f"The parameter {parameter} of the verb {name} cannot be {value!r:.60}.")
    return method(**parameters)


def _is(value: object, kind: Any) -> bool:
    """Whether a value of JSON's types fits an annotation of str, bool, int, float, list, dict, unions and None."""
    if kind is Any:
        return True
    if isinstance(kind, types.UnionType):
        return any(_is(value, one) for one in typing.get_args(kind))
    origin = typing.get_origin(kind)
    if origin is list:
        return isinstance(value, list) and all(_is(one, typing.get_args(kind)[0]) for one in value)
    if origin is dict:
        return isinstance(value, dict) and all(_is(one, typing.get_args(kind)[1]) for one in value.values())
    if isinstance(value, bool):
        return kind is bool
    if kind is float:
        return isinstance(value, (int, float))
    return isinstance(value, kind)
