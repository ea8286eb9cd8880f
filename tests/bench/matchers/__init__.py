"""How well and how fast records are matched, beside other matchers, on the same sets in one run."""
