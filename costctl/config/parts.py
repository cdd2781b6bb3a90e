"""What the parts of costctl.yaml are made of: a frozen mapping that knows its keys, and the kinds of values."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator


def as_list(value: Any) -> Any:
    """Return one text as a list of it."""
    return [value] if isinstance(value, str) else value


Texts = Annotated[list[str], BeforeValidator(as_list)]
Wanted = Annotated[list[str], BeforeValidator(as_list), Field(min_length=1)]
TagName = Annotated[str, Field(pattern="^[a-z][a-z0-9_]*$")]  # it becomes the column tag_NAME
Role = Literal["gateway", "client", "engine", "provider_meter", "bill"]
Weight = Annotated[Decimal, Field(ge=0, max_digits=9, decimal_places=6)]


class Part(BaseModel):
    """A frozen part of the configuration; an unknown key is an error, so that a typo never passes."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


class Tag(Part):
    """The keys under which a tag is written, the first that is not blank wins, and the one spelling that each of its values has."""

    keys: Wanted
    values: dict[str, Wanted] = {}
    fold: bool = False

    @model_validator(mode="after")
    def _one_meaning(self) -> Tag:
        said = [
            (self.folded(spelling), value)
            for value, spellings in self.values.items()
            for spelling in {value, *spellings}
        ]
        meant: dict[str, str] = {}
        for spelling, value in said:
            if meant.setdefault(spelling, value) != value:
                raise ValueError(
                    f"{spelling!r} means both {meant[spelling]!r} and {value!r}: give each spelling one value"
                )
        return self

    def folded(self, text: str) -> str:
        """Return a value as it is compared."""
        return text.lower() if self.fold else text

    def stored(self) -> list[str] | dict[str, Any]:
        """Return it as the ledger remembers by what its column was filled: the keys, with more only where there is more."""
        if not (self.values or self.fold):
            return list(self.keys)
        spellings = {self.folded(text): value for value, texts in self.values.items() for text in (value, *texts)}
        return {"keys": list(self.keys), "values": spellings, "fold": self.fold}


def as_tag(value: Any) -> Any:
    """Return the keys of a tag, where nothing else is said of it, as a tag."""
    return value if isinstance(value, dict | Tag) else {"keys": value}


TagKeys = Annotated[Tag, BeforeValidator(as_tag, json_schema_input_type=Tag | Wanted)]
