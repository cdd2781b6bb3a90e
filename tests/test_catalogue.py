"""costctl/models/README.md says what the models say themselves."""

from pathlib import Path

import costctl
from costctl.ledger import catalogue

PAGE = Path(costctl.__file__).parent / "models" / "README.md"


def test_the_page_is_current(update_golden):
    if update_golden:
        PAGE.write_text(catalogue.text(), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == catalogue.text()
