"""recordlinkage as its guide shows it: blocks on several keys, compares field by field, ECM without labels.

Reads records.csv, writes clusters.csv. Linked pairs are closed by connected components.
"""

from __future__ import annotations

import csv
import sys

import pandas as pd  # type: ignore[import-untyped,import-not-found,unused-ignore]  # it has an environment of its own
import recordlinkage  # type: ignore[import-untyped,import-not-found,unused-ignore]

NAMES = ("given_name", "surname", "full_name", "company_name", "street", "suburb", "city")
EXACT = ("birth_date", "phone", "email", "postcode", "state", "soc_sec_id", "national_id", "credit_code")
BLOCKS = ("given_name", "surname", "full_name", "company_name", "birth_date", "phone", "email", "soc_sec_id")
LARGEST_BLOCK = 200


def main(records: str, clusters: str) -> None:
    """Links the records of a file."""
    table = pd.read_csv(records, dtype=str, keep_default_na=False).set_index("id")
    table = table.where(table != "")
    names = [name for name in NAMES if name in table]
    exact = [name for name in EXACT if name in table]
    indexer = recordlinkage.Index()
    pairs = None
    for name in BLOCKS:
        if name in table:
            # A block of everybody with one common name has too many pairs for any tool.
            common = table[name].map(table[name].value_counts()) > LARGEST_BLOCK
            indexer = recordlinkage.Index()
            indexer.block(name)
            found = indexer.index(table[~common & table[name].notna()])
            pairs = found if pairs is None else pairs.union(found)
    compare = recordlinkage.Compare()
    for name in names:
        compare.string(name, name, method="jarowinkler", threshold=0.85, label=name)
    for name in exact:
        compare.exact(name, name, label=name)
    vectors = compare.compute(pairs, table)
    linked = recordlinkage.ECMClassifier().fit_predict(vectors)
    write(clusters, list(table.index), linked)


def write(path: str, ids: list[str], linked: object) -> None:
    """Connected components of the linked pairs, as id,entity_id."""
    root = {name: name for name in ids}

    def find(name: str) -> str:
        while root[name] != name:
            root[name] = root[root[name]]
            name = root[name]
        return name

    for a, b in linked:  # type: ignore[attr-defined]
        root[find(a)] = find(b)
    with open(path, "w", encoding="utf-8", newline="") as file:  # noqa: PTH123 - as short as the guide
        csv.writer(file).writerows([("id", "entity_id"), *((name, find(name)) for name in ids)])


if __name__ == "__main__":
    main(*sys.argv[1:3])
