"""The parts of generate.py: the company, its token counts, its bills, and the known totals."""
