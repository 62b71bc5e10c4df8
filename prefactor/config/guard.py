"""Guards: which text the change of a guarded prefactor must not meet."""

from typing import Annotated, Literal

from pydantic import Field

from prefactor.config.base import Config
from prefactor.config.names import DomainName


class GuardByDomain(Config):
    weigh: Literal["domain"]
    spare: tuple[DomainName, ...] = Field(min_length=1)  # domains whose inputs the change must not meet
    ridge: float = Field(gt=0)  # epsilon as a share of the mean eigenvalue of the second moment


class GuardByImportance(Config):
    """By the subcomponent's own importance, of each token, or of its context: the mean over the token's block.

    By context a token that other text shares with the target's is spared where other text has it.
    """

    weigh: Literal["importance", "context"]
    ridge: float = Field(gt=0)


Guard = Annotated[GuardByDomain | GuardByImportance, Field(discriminator="weigh")]


def spared(guard: GuardByDomain | GuardByImportance | None) -> tuple[str, ...]:
    """The domains that a guard names; none of a guard by importance, or where there is none."""
    return guard.spare if isinstance(guard, GuardByDomain) else ()
