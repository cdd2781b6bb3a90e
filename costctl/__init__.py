"""costctl: what an AI company's tokens cost, to the last digit of the bill.

Bills, rate cards and token counts come in; a balanced cost ledger goes out. Start reading at `pipeline.py`, then the
numbered files of `models/`: their names in order are the algorithm.
"""

__version__ = "0.1.0"
