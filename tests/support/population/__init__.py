"""A made-up population, Chinese and Western, for tests, benches and calibration: the same for the same seed.

It is written from general knowledge of how people and companies are recorded, not from the tables of the matcher, so
that a matcher which only knows its own tables shows it here.
"""

from tests.support.population.population import Lookalike, Population, generate

__all__ = ["Lookalike", "Population", "generate"]
