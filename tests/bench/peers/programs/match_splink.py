"""Splink on DuckDB, without labels: u from random pairs, m by expectation maximisation, as its guide shows it.

Reads records.csv, writes clusters.csv of the pairs with a match probability of 0.95 and more.
"""

from __future__ import annotations

import csv
import sys

import pandas as pd  # type: ignore[import-untyped,import-not-found,unused-ignore]  # it has an environment of its own
import splink.comparison_library as cl  # type: ignore[import-not-found,unused-ignore]
from splink import DuckDBAPI, Linker, SettingsCreator, block_on  # type: ignore[import-not-found,unused-ignore]

NAMES = ("given_name", "surname", "full_name", "company_name")
FUZZY = ("street", "suburb", "city", "email")
SLIPS = ("birth_date", "phone", "postcode", "soc_sec_id", "national_id", "credit_code")
EXACT = ("street_number", "state", "gender")
BLOCKS = (
    ("full_name",),
    ("company_name",),
    ("given_name", "surname"),
    ("surname", "postcode"),
    ("given_name", "postcode"),
    ("birth_date", "given_name"),
    ("birth_date", "surname"),
    ("birth_date", "postcode"),
    ("phone",),
    ("email",),
    ("soc_sec_id",),
    ("street", "street_number"),
)
THRESHOLD = 0.95


def main(records: str, clusters: str) -> None:
    """Links the records of a file."""
    table = pd.read_csv(records, dtype=str, keep_default_na=False)
    table = table.where(table != "").rename(columns={"id": "unique_id"})
    held = {name for name in table if table[name].notna().mean() > 0.02}
    comparisons = [
        *(
            cl.JaroWinklerAtThresholds(name, [0.92, 0.8]).configure(term_frequency_adjustments=True)
            for name in (*NAMES, *FUZZY)
            if name in held
        ),
        *(cl.LevenshteinAtThresholds(name, [1, 2]) for name in SLIPS if name in held),
        *(cl.ExactMatch(name) for name in EXACT if name in held),
    ]
    rules = [block_on(*names) for names in BLOCKS if held.issuperset(names)]
    settings = SettingsCreator(
        link_type="dedupe_only", comparisons=comparisons, blocking_rules_to_generate_predictions=rules
    )
    api = DuckDBAPI()
    linker = Linker(api.register(table), settings)
    linker.training.estimate_probability_two_random_records_match(rules[:3], recall=0.7)
    linker.training.estimate_u_using_random_sampling(max_pairs=1e6, seed=1)
    for names in (("given_name", "surname"), ("full_name",), ("birth_date",), ("phone",), ("email",)):
        if held.issuperset(names):
            linker.training.estimate_parameters_using_expectation_maximisation(block_on(*names))
    found = linker.inference.predict(threshold_match_probability=0.01)
    made = linker.clustering.cluster_pairwise_predictions_at_threshold(found, THRESHOLD).as_pandas_dataframe()
    with open(clusters, "w", encoding="utf-8", newline="") as file:  # noqa: PTH123 - as short as the guide
        rows = zip(made["unique_id"], made["cluster_id"], strict=True)
        csv.writer(file).writerows([("id", "entity_id"), *rows])


if __name__ == "__main__":
    main(*sys.argv[1:3])
