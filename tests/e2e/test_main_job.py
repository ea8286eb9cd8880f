"""The main job as a newcomer runs it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.server, pytest.mark.slow]


def test_the_demo_ends_with_one_json_object_that_says_all_is_well() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from deploy.cli import main; main()", "demo", "--rows", "1000"],
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )

    assert done.returncode == 0, done.stderr[-3000:]
    result = json.loads(done.stdout.strip().splitlines()[-1])
    assert result["rows"] == result["customers"] == result["numbers"] == 1000
    assert result["lag"] == result["parked"] == 0
    assert result["views_equal_fold"] is True
    assert 0 < result["identities"] < 1000
    assert result["pairs"]["precision"] > 0.98
    assert result["reminders"]["fired"] > 0
    assert {"setup", "import", "caught_up"} <= result["seconds"].keys()
