"""What the page sends: a whole edit each time, so that the server keeps nobody's."""

from typing import Annotated, Self

from pydantic import Field, StrictFloat, StrictInt, model_validator

from prefactor.config.base import Config
from prefactor.config.guard import Guard
from prefactor.config.names import LONGEST
from prefactor.config.numbers import FURTHEST

SLIDERS, STACKED, TEXT, NEW_TOKENS, QUERY = 64, 8, 20_000, 256, 500  # the most of each

Name = Annotated[str, Field(min_length=1, max_length=200)]  # module:index
EntryOf = Annotated[str, Field(min_length=1, max_length=LONGEST)]  # an edit or a baseline of params
Page = Annotated[str, Field(pattern=r"^[\w-]{1,64}$")]  # chosen by the page, at random
Number = StrictFloat | StrictInt


class Slider(Config):
    subcomponent: Name
    alpha: Annotated[Number, Field(ge=-FURTHEST, le=FURTHEST)]  # its prefactor


class AskedEdit(Config):
    """Prefactors, guarded or not, and recorded edits of params on top of them."""

    target: EntryOf | None = None  # the domain to be removed; the headline's if left out
    sliders: Annotated[tuple[Slider, ...], Field(max_length=SLIDERS)] = ()
    guard: Guard | None = None
    stacked: Annotated[tuple[EntryOf, ...], Field(max_length=STACKED)] = ()

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        for names in ([slider.subcomponent for slider in self.sliders], self.stacked):
            if len(set(names)) < len(names):
                raise ValueError(f"{next(n for n in names if names.count(n) > 1)} is there twice: name each once")
        return self


class FromPage(Config):
    page: Page  # of which a newer request ends an older one


class Measured(FromPage):
    edit: AskedEdit
    exact: bool = False  # on all the text of the evaluate stage


class Read(FromPage):
    edit: AskedEdit
    text: Annotated[str, Field(max_length=TEXT)]


class Generated(FromPage):
    edit: AskedEdit
    beside: EntryOf | None = None  # a recorded edit to compare with
    prompt: Annotated[str, Field(max_length=TEXT)]
    tokens: Annotated[int, Field(ge=1, le=NEW_TOKENS)] = 60
    temperature: Annotated[Number, Field(ge=0, le=10)] = 0.0
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0


class Sought(FromPage):
    target: EntryOf  # the domain to be removed
    seconds: Annotated[Number, Field(ge=1, le=3600)] = 60


class Found(Config):
    query: Annotated[str, Field(max_length=QUERY)] = ""
    domain: EntryOf | None = None  # to sort by
    start: Annotated[int, Field(ge=0)] = 0
    most: Annotated[int, Field(ge=1, le=200)] = 50


class Shown(Config):
    subcomponent: Name


class Loaded(Config):
    name: EntryOf


class Kept(Config):
    edit: AskedEdit
    name: EntryOf  # in params, or of the adapter's folder
