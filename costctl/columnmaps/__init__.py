"""Column maps: files whose columns only their owner knows, written down under `formats:` in costctl.yaml.

A map becomes a format like any other, of the target that it names: a bill's columns are those of FOCUS, those of token counts and
chip time are the ones of the documented sources `hourly` and `chip_time`; so is its SELECT. What a file spells its own way (dates,
amounts, words) is put into ours by an SQL text per column; a text that does not fit is set aside, never guessed.
"""

from __future__ import annotations

from costctl import documents
from costctl.columnmaps import bills, usage
from costctl.config import DESCRIBED, Config
from costctl.errors import UsageError
from costctl.nouns import Format

BASES = {"bill": "focus", "tokens": "hourly", "chip_time": "chip_time"}
KINDS = {"bill": bills, "tokens": usage, "chip_time": usage}


def formats(config: Config, shipped: dict[str, Format]) -> dict[str, Format]:
    """Return the column maps of a configuration as formats, by name; raise UsageError with a position."""
    items = [(name, item, shipped[BASES[item.target]]) for name, item in config.formats.items()]
    problems = [
        problem for name, item, base in items for problem in KINDS[item.target].problems(name, item, base, shipped)
    ]
    if problems:
        if config.file is None:
            raise UsageError("formats", problems[0].what, remedy=DESCRIBED)
        raise documents.read(config.file).refusal(problems, DESCRIBED)
    return {name: KINDS[item.target].format_of(name, item, base) for name, item, base in items}
