"""The tables that the documentation takes from runs."""

from tests.faults.tables import plants_table, recovery_table


def test_recovery_is_told_by_the_median_and_its_spread() -> None:
    records = [
        {"kind": "kill", "target": "kafka", "first_ok_seconds": [0.02, 0.04], "lag0_seconds": [6.5, 7.25]},
        {"kind": "restart", "target": "mongo", "first_ok_seconds": [1.5], "lag0_seconds": []},
        {"kind": "kill", "target": "kafka", "first_ok_seconds": [0.03], "lag0_seconds": [5.0]},
    ]

    assert recovery_table(records).splitlines()[2:] == [
        "| kill | kafka | 3 | 0.03 (0.02 to 0.04) | 6.5 (5 to 7.2) |",
        "| restart | mongo | 1 | 1.5 |  |",
    ]


def test_a_plant_that_nothing_caught_stands_out() -> None:
    records = [
        {"plant": "naive_poller", "what": "id > last", "caught_by": ["I3", "I5"], "seconds": 41.2, "faults": ["kill"]},
        {"plant": "deaf", "what": "a | b\nc", "caught_by": [], "seconds": 600, "faults": []},
    ]

    assert plants_table(records).splitlines()[2:] == [
        "| naive_poller | id > last | kill | I3, I5 | 41 |",
        "| deaf | a \\| b c | none | **not caught** | 600 |",
    ]
