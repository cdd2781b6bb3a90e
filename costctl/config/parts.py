"""What the parts of costctl.yaml are made of: a frozen mapping that knows its keys, and the kinds of values."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


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
