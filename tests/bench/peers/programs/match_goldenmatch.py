"""GoldenMatch by its call without any configuration. Reads records.csv, writes clusters.csv."""

from __future__ import annotations

import csv
import sys
import tempfile

import goldenmatch  # type: ignore[import-not-found,unused-ignore]  # it has an environment of its own


def main(records: str, clusters: str) -> None:
    """Puts the records of a file together."""
    with open(records, encoding="utf-8", newline="") as file:  # noqa: PTH123 - as short as its guide
        rows = list(csv.DictReader(file))
    ids = [row["id"] for row in rows]
    # A column without any value makes it fail.
    filled = [name for name in rows[0] if any(row[name] for row in rows)]
    with tempfile.NamedTemporaryFile("w", suffix=".csv", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, filled, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
        file.flush()
        found = goldenmatch.dedupe(file.name)
    entity = {name: name for name in ids}
    for cluster in found.clusters.values():
        members = [ids[row] for row in cluster["members"]]
        entity.update(dict.fromkeys(members, members[0]))
    with open(clusters, "w", encoding="utf-8", newline="") as file:  # noqa: PTH123
        csv.writer(file).writerows([("id", "entity_id"), *entity.items()])


if __name__ == "__main__":
    main(*sys.argv[1:3])
