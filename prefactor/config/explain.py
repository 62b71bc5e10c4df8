"""What is wrong with a parameter, in one line: the key as the user wrote it, the value, the remedy."""

import difflib
import types
from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, TypeAdapter

from prefactor.config.plain import short


def nearest(word: str, known: Collection[str]) -> str:
    """The remedy for a word that is none of ``known``: the one it resembles, or all of them."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if close:
        return f"did you mean `{close[0]}`?"
    return f"use {_choices(known)}" if known else "take it out"


def _choices(words: Collection[str]) -> str:
    return words_[0] if len(words_ := list(words)) == 1 else f"one of {', '.join(words_)}"


def explain(kind: TypeAdapter[Any], value: Any, where: str, errors: Sequence[Any]) -> str:
    """The first of pydantic's ``errors`` in a user's words; ``value`` is what was read at ``where``."""

    def written(error: Any) -> str:
        return ".".join(part for part in (where, _written(value, error["loc"], error["type"])) if part)

    error = errors[0]
    if _untagged(kind, error["loc"]):
        # One error a member: that of the member the value comes nearest to, or all that is allowed.
        union = error["loc"][:-1]
        error = max((e for e in errors if e["loc"][: len(union)] == union), key=lambda e: len(written(e)))
        if _untagged(kind, error["loc"]):
            shown = short(error["input"])
            return f"params.yaml: {written(error)} = {shown}: write {_describe(_follow(kind, union))}"
    what, context, loc = error["type"], error.get("ctx", {}), error["loc"]
    key, shown = written(error), short(error["input"])
    if what == "extra_forbidden":
        return f"params.yaml: {key} = {shown}: unknown key; {nearest(str(loc[-1]), _fields(_follow(kind, loc[:-1])))}"
    if what == "missing":
        return f"params.yaml: {key} is missing; add it ({_describe(_follow(kind, loc))})"
    if what in ("union_tag_invalid", "union_tag_not_found"):
        name = context["discriminator"].strip("'")
        tags = [a for member in _members(_follow(kind, loc)) for a in _tags(member, name)]
        if what == "union_tag_not_found":
            return f"params.yaml: {key}.{name} is missing; add it ({_choices(tags)})"
        tag = error["input"][name]
        return f"params.yaml: {key}.{name} = {short(tag)}: unknown; {nearest(str(tag), tags)}"
    if what == "literal_error":
        allowed = [str(a) for a in get_args(_bare(_follow(kind, loc)))]
        return f"params.yaml: {key} = {shown}: unknown; {nearest(str(error['input']), allowed)}"
    if what in ("value_error", "assertion_error"):  # raised by a validator of ours, which names the remedy itself
        return f"params.yaml: {key}: {context['error']}"
    message = error["msg"][0].lower() + error["msg"][1:]
    return f"params.yaml: {key} = {shown}: {message}; write {_describe(_follow(kind, loc))}"


def _untagged(kind: TypeAdapter[Any], loc: Sequence[str | int]) -> bool:
    """Whether ``loc`` ends in the name of a member of a union that has no tag to tell its members apart."""
    if not loc:
        return False
    members = _members(_follow(kind, loc[:-1]))
    return len(members) > 1 and not any(isinstance(m, type) and issubclass(m, BaseModel) for m in map(_bare, members))


def _written(value: Any, loc: Sequence[str | int], what: str) -> str:
    """The path as the user wrote it: pydantic's also names the union member it was in."""
    path: list[str] = []
    for position, part in enumerate(loc):
        inside = isinstance(value, Mapping) and part in value
        if inside or (isinstance(value, list | tuple) and isinstance(part, int) and part < len(value)):
            value = value[part]  # type: ignore[index]
            path.append(str(part))
        elif what == "missing" and position == len(loc) - 1:
            path.append(str(part))
    return ".".join(path)


def _bare(kind: Any) -> Any:
    """``kind`` without ``Annotated``."""
    while get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    return kind


def _members(kind: Any) -> list[Any]:
    kind = _bare(kind)
    return list(get_args(kind)) if get_origin(kind) in (Union, types.UnionType) else [kind]


def _tags(model: Any, field: str) -> list[str]:
    fields = _fields(model)
    return [str(a) for a in get_args(_bare(fields[field].annotation))] if field in fields else []


def _fields(kind: Any) -> dict[str, Any]:
    """The fields of a model, or of all the models that ``kind`` may be."""
    return {
        name: field
        for member in _members(kind)
        if isinstance(member, type) and issubclass(member, BaseModel)
        for name, field in member.model_fields.items()
    }


def _follow(kind: TypeAdapter[Any] | Any, loc: Sequence[str | int]) -> Any:
    """The declared type at pydantic's path ``loc``."""
    here: Any = kind._type if isinstance(kind, TypeAdapter) else kind
    for part in loc:
        members = _members(here)
        tagged = [m for m in members if any(part in _tags(m, name) for name in _fields(m))]
        if len(members) > 1 and tagged:
            here = tagged[0]
        elif part in (fields := _fields(here)):
            # Field() constraints live beside the annotation; put them back for the description.
            here = Annotated[fields[part].annotation, fields[part]]
        else:
            inner = [a for m in members for a in get_args(m) if a is not Ellipsis]
            here = inner[-1] if inner else Any
    return here


def _describe(kind: Any) -> str:
    """``kind`` in a user's words."""
    if fields := _fields(kind):
        return "a mapping with " + ", ".join(fields)
    names = {int: "a whole number", float: "a number", str: "a text", bool: "true or false", types.NoneType: "nothing"}
    words = []
    for member in _members(kind):
        bare = _bare(member)
        if get_origin(bare) is Literal:
            words.append(_choices([str(a) for a in get_args(bare)]))
        elif get_origin(bare) is tuple:
            words.append("a list")
        elif get_origin(bare) is dict:
            words.append("a mapping")
        else:
            words.append(names.get(bare, "another value"))
    return " or ".join(words) + _bounds(kind)


def _bounds(kind: Any) -> str:
    """`` > 0`` and the like, from the constraints of a field."""
    if get_origin(kind) is not Annotated:
        return ""
    signs = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}
    metadata = [item for field in get_args(kind)[1:] for item in getattr(field, "metadata", ())]
    bounds = [f"{sign} {getattr(m, name)}" for m in metadata for name, sign in signs.items() if hasattr(m, name)]
    return f" {' and '.join(bounds)}" if bounds else ""
