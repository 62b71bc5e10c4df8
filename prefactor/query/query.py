"""A parsed query: what it needs, what it matches, and why."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prefactor.config.explain import nearest
from prefactor.errors import PrefactorError
from prefactor.query.fields import Field, SubcomponentRow
from prefactor.query.tree import Clause, Group, Node

if TYPE_CHECKING:  # the params are checked with no table at hand, and are not to wait for pandas
    import pandas as pd


@dataclass(frozen=True)
class Query:
    """Made by :func:`prefactor.query.parse.parse_query`. ``where`` is what errors name."""

    text: str
    root: Node
    plain: bool  # words of the label and no comparison
    where: str

    @property
    def fields(self) -> tuple[Field, ...]:
        """What it compares, each once, in order."""
        return tuple(dict.fromkeys(clause.field for clause in self.root.clauses))

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it needs of the table of subcomponents."""
        return tuple(dict.fromkeys(column for field in self.fields for column in field.columns))

    @property
    def stages(self) -> frozenset[str]:
        """The stages whose tables have these columns: of ``harvest``, ``label``, ``effects`` and ``score``."""
        return frozenset(field.stage for field in self.fields)

    def check_domains(self, known: Collection[str]) -> None:
        """Check the D of ``domain.D`` and the like.

        Raises:
            PrefactorError: a domain is none of ``known``; with its place and the nearest.
        """
        for clause in self.root.clauses:
            if clause.field.domain is not None and clause.field.domain not in known:
                self._no_domain(clause, known)

    def check(self, columns: Collection[str]) -> None:
        """Check that a table with these columns has all that is compared.

        Raises:
            PrefactorError: a domain is unknown, or the stage that makes a field has not run.
        """
        for clause in self.root.clauses:
            field = clause.field
            if all(column in columns for column in field.columns):
                continue
            known = [column.removeprefix(field.prefix) for column in columns if column.startswith(field.prefix)]
            if field.domain is not None and known:
                self._no_domain(clause, known)
            raise PrefactorError(
                f"{self.where}: at character {clause.at}: {field.name} is made by the {field.stage} stage, which has "
                f"not run here: run it (`dvc repro {field.stage}`)"
            )

    def matches(self, table: "pd.DataFrame") -> "pd.Series[bool]":
        """Whether each row of ``table`` satisfies the query.

        Raises:
            PrefactorError: as :meth:`check`.
        """
        import pandas as pd

        self.check(table.columns)
        rows = table[list(self.columns)].to_dict("records")
        return pd.Series([self.holds({str(k): v for k, v in row.items()}) for row in rows], table.index, dtype=bool)

    def holds(self, row: SubcomponentRow) -> bool:
        return self.root.holds(row)

    def explain(self, row: SubcomponentRow) -> str:
        """Every clause with the value that ``row`` has."""
        return "; ".join(part.shown(row) for part in self._conjunction)

    def misses(self, row: SubcomponentRow) -> list[Node]:
        """The clauses that fail, of those that ``and`` joins at the top; with a top-level ``or``, all of it or none."""
        return [part for part in self._conjunction if not part.holds(row)]

    @property
    def _conjunction(self) -> tuple[Node, ...]:
        return self.root.parts if isinstance(self.root, Group) and self.root.word == "and" else (self.root,)

    def _no_domain(self, clause: Clause, known: Collection[str]) -> None:
        domain = clause.field.domain or ""
        raise PrefactorError(
            f'{self.where}: at character {clause.at}: no domain is called "{domain}"; {nearest(domain, sorted(known))}'
        )
