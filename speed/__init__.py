"""Speed, memory and the paper's claim, measured; run all with ``make bench``."""
