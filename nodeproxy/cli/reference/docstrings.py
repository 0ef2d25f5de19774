"""The docstrings of a model's fields, read from its source when they are asked for.

pydantic would read them when a class is made (`use_attribute_docstrings`): a fifth of the time of importing all
policies, in every process, for texts that only the reference shows.
"""

import ast
from functools import cache
from inspect import cleandoc, getsource
from itertools import pairwise
from textwrap import dedent

from nodeproxy.policies.block import Block


def field_docstrings(model: type[Block]) -> dict[str, str]:
    """The docstring of each field that has one, inherited fields included."""
    found: dict[str, str] = {}
    for each in reversed(model.__mro__):
        if issubclass(each, Block):
            found |= _own(each)
    return found


@cache
def _own(model: type[Block]) -> dict[str, str]:
    (definition,) = ast.parse(dedent(getsource(model))).body
    assert isinstance(definition, ast.ClassDef)
    return {
        field.target.id: cleandoc(text)
        for field, below in pairwise(definition.body)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        and isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)
        and isinstance(text := below.value.value, str)
    }  # fmt: skip
