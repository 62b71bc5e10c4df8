"""A hash of what Python code does: comments and docstrings do nothing, so that it stands still when they change.

It is taken over the syntax tree, written down here and not by ``ast.dump``, whose form changes with Python's version.
"""

import ast
import hashlib
from collections.abc import Iterator
from functools import cache


@cache
def code_digest(source: bytes) -> bytes:
    """sha256 of the tree of ``source``."""
    return hashlib.sha256("\n".join(_written(ast.parse(source))).encode()).digest()


def _written(node: ast.AST) -> Iterator[str]:
    """The tree, a line a node or value: what is empty is left out, and so are texts that stand alone (docstrings)."""
    yield type(node).__name__
    for field, value in ast.iter_fields(node):
        if value is None or isinstance(value, ast.expr_context):
            continue
        for each in value if isinstance(value, list) else [value]:
            if not stands_alone(each):  # in a list, None has a place of its own: `**` among the keys of a dict
                yield f".{field}"
                yield from _written(each) if isinstance(each, ast.AST) else [repr(each)]
    yield "/"


def stands_alone(node: object) -> bool:
    """Whether it is a text that no one reads: a docstring."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
