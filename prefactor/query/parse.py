"""From the text of a query to its tree. Errors say at which character; nothing here needs a table."""

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, NoReturn

from prefactor.errors import PrefactorError
from prefactor.query.fields import Field, field_of, instead, resembles
from prefactor.query.query import Query
from prefactor.query.tree import OPPOSITE, Clause, Group, Node, quoted
from prefactor.query.words import split_words, words_of

DEEPEST = 50  # brackets and `not` inside one another
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")
# Where a comparison may begin: at the start, after a bracket or after a word that joins; then a name and an operator.
_BEGUN = re.compile(
    r"(?:^|\(|(?<!\S)(?:and|or|not)(?=[\s(]))[\s(]*([^\s()\"'!~=<>]+(?:(?<=\.)\"_+\")?)\s*[!~=<>]",
    re.IGNORECASE,
)
# A whole comparison, wherever: a name, an operator and a value with nothing joined to them.
_WHOLE = re.compile(
    r"(?<![^\s(])(\w[\w.]*(?:(?<=\.)\"_+\")?)\s*(?:!~|!=|<=|>=|==|[~=<>])\s*(\"[^\"]*\"|'[^']*'|[^\s()\"'!~=<>]+)(?![^\s()])"
)
_TOKEN = re.compile(
    r"(?P<operator>!~|!=|<=|>=|[~=<>])|(?P<bracket>[()])|\"(?P<double>[^\"]*)\"|'(?P<single>[^']*)'"
    r"|(?P<word>[^\s()\"'~!=<>]+(?:(?<=\.)(?:\"[^\"]*\"|'[^']*'))?)"
)
_END = "the end"
_LABEL = Field("label", "text", "label", ("label",))


@dataclass(frozen=True)
class _Token:
    kind: Literal["operator", "bracket", "text", "word", "end"]
    value: str
    at: int  # from 1

    @property
    def found(self) -> str:
        return _END if self.kind == "end" else quoted(self.value)

    def is_word(self, word: str) -> bool:
        return self.kind == "word" and self.value.lower() == word


def parse_query(text: str, where: str = "query") -> Query:
    """Parse ``text``; without a comparison outside quotes it is words, as it always was.

    Words may have the operators' characters in them: ``german <s>`` and ``token => x`` are words. A comparison is

    - a field's name with an operator after it, where a comparison may begin: at the start, after a bracket, or after
      ``and``, ``or`` or ``not``. What follows may be wrong, and then is an error;
    - a name, an operator and a value, wherever they stand, where the name is a field, is near one or has a dot
      (``lable ~ german``, ``causal.dee > 1``), or the value is a number (``firings > 3``): who wrote it meant to
      compare, and is told what is wrong instead of being shown the labels that happen to have these words.

    In quotes everything is words: ``token "score > 3"``.

    Args:
        where: what errors begin with, such as the key that holds the query.

    Raises:
        PrefactorError: it does not follow the grammar, compares a field that there is not or with a value of the wrong
            kind, or looks for no word.
    """
    if _compares(text):
        return Query(text, _Parser(text, where).whole(), False, where)
    return Query(text, _words(text, where), True, where)


def _compares(text: str) -> bool:
    """Whether ``text`` has a comparison, right or wrong: see :func:`parse_query`."""
    bare = _QUOTED.sub(lambda match: f'"{"_" * (len(match[0]) - 2)}"', text)
    if any(field_of(match[1]) for match in _BEGUN.finditer(bare)):
        return True
    return any(
        field_of(match[1]) is not None or resembles(match[1]) or _is_number(match[2]) for match in _WHOLE.finditer(bare)
    )


def _words(text: str, where: str) -> Node:
    wanted, unwanted = split_words(text)
    if not wanted:
        raise PrefactorError(f"{where}: it has no word to look for: add one")
    pairs = [("~", word) for word in wanted] + [("!~", word) for word in unwanted]
    clauses = tuple(Clause(_LABEL, sign, word, quoted(word)) for sign, word in pairs)
    return clauses[0] if len(clauses) == 1 else Group("and", clauses)


class _Parser:
    """Recursive descent. ``turned`` says that an odd number of ``not`` is around, which swaps ``and`` and ``or``."""

    def __init__(self, text: str, where: str):
        self._where, self._depth = where, 0
        self._tokens = list(self._read(text))

    def whole(self) -> Node:
        node = self._joined("or", turned=False)
        token = self._next()
        if token.kind == "bracket" and token.value == ")":
            self._fail(token, 'this ")" closes nothing; take it out')
        if token.kind != "end":
            remedy = "join two with `and` or `or`, put a text of several words in quotes"
            self._fail(token, f"found {token.found} after a comparison; {remedy}")
        return node

    def _joined(self, word: Literal["and", "or"], turned: bool) -> Node:
        parts = [self._part(word, turned)]
        while self._tokens[0].is_word(word):
            self._next()
            parts.append(self._part(word, turned))
        if len(parts) == 1:
            return parts[0]
        meant: Literal["and", "or"] = word if not turned else "or" if word == "and" else "and"
        flat = [
            member
            for part in parts
            for member in (part.parts if isinstance(part, Group) and part.word == meant else [part])
        ]
        return Group(meant, tuple(flat))

    def _part(self, word: Literal["and", "or"], turned: bool) -> Node:
        return self._joined("and", turned) if word == "or" else self._single(turned)

    def _single(self, turned: bool) -> Node:
        token = self._next()
        if token.is_word("not"):
            with self._deeper(token):
                return self._single(not turned)
        if token.kind == "bracket" and token.value == "(":
            with self._deeper(token):
                node = self._joined("or", turned)
            closing = self._next()
            if closing.value != ")" or closing.kind != "bracket":
                self._fail(closing, f'found {closing.found} where the "(" at character {token.at} should be closed')
            return node
        if token.kind != "word" or token.value.lower() in ("and", "or"):
            self._fail(token, f"needs a comparison such as domain.de > 0.5, found {token.found}")
        return self._comparison(token, turned)

    @contextmanager
    def _deeper(self, token: _Token) -> Iterator[None]:
        self._depth += 1
        if self._depth > DEEPEST:
            self._fail(token, f"more than {DEEPEST} brackets and `not` lie inside one another; take some out")
        yield
        self._depth -= 1

    def _comparison(self, name: _Token, turned: bool) -> Clause:
        field = field_of(name.value)
        if field is None:
            self._fail(name, f'no field is called "{name.value}"; {instead(name.value)}')
        sign = self._next()
        if sign.kind != "operator":
            self._fail(sign, f"{field.name} needs one of {_signs(field)} after it, found {sign.found}")
        if sign.value not in _signs(field).split():
            kind = "a number" if field.kind == "number" else "a text"
            self._fail(sign, f'"{sign.value}" does not go with {field.name}, {kind}; use one of {_signs(field)}')
        value = self._number(sign) if field.kind == "number" else self._text(field, sign)
        shown = value.value if field.kind == "number" else quoted(value.value)
        meant = float(value.value) if field.kind == "number" else value.value
        return Clause(field, OPPOSITE[sign.value] if turned else sign.value, meant, shown, name.at)

    def _number(self, sign: _Token) -> _Token:
        token = self._next()
        if token.kind == "word" and _is_number(token.value):
            return token
        self._fail(token, f'"{sign.value}" needs a number, found {token.found}')

    def _text(self, field: Field, sign: _Token) -> _Token:
        token = self._next()
        if token.kind not in ("word", "text") or token.is_word("and") or token.is_word("or") or token.is_word("not"):
            self._fail(token, f'"{sign.value}" needs a text, found {token.found}')
        if not words_of(token.value):
            self._fail(token, f'"{sign.value}" needs a text with a word in it')
        if field.kind == "pattern" and sign.value in ("~", "!~"):
            try:
                re.compile(token.value)
            except (re.error, OverflowError, RecursionError) as error:
                self._fail(token, f"{token.found} is no regular expression ({error})")
        return token

    def _next(self) -> _Token:
        return self._tokens[0] if self._tokens[0].kind == "end" else self._tokens.pop(0)

    def _read(self, text: str) -> Iterator[_Token]:
        place = 0
        while place < len(text):
            if text[place].isspace():
                place += 1
                continue
            match = _TOKEN.match(text, place)
            if match is None:
                what = "this quote is not closed" if text[place] in "\"'" else '"!" stands alone; write not, !~ or !='
                self._fail(_Token("text", text[place], place + 1), what)
            kind = str(match.lastgroup)
            value = match[kind]
            yield _Token("text" if kind in ("double", "single") else kind, value, place + 1)  # type: ignore[arg-type]
            place = match.end()
        yield _Token("end", "", len(text) + 1)

    def _fail(self, token: _Token, problem: str) -> NoReturn:
        raise PrefactorError(f"{self._where}: at character {token.at}: {problem}")


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _signs(field: Field) -> str:
    return "< <= > >= = !=" if field.kind == "number" else "~ !~ = !="
