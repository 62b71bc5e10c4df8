"""Parameters of the selection stage; which subcomponents an edit takes is said by the edit's own ``choose``."""

from pydantic import Field

from prefactor.config.base import Config


class SelectionConfig(Config):
    runners_up: int = Field(ge=0)  # candidates to write down beside the chosen ones
    tried: int = Field(ge=1)  # label matches whose effect is measured, where an edit asks for `rank: effect` or `spill`
    tokens: int = Field(gt=0)  # text of the select split a domain for that: the target and each retained one
    untagged_tokens: int = Field(gt=0)  # ... of any domain, for guards and for spill
