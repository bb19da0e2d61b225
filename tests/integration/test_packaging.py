"""Alert rules, dashboard and metrics as Prometheus's own tool sees them."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from support.need import need
from support.snapshots import losing, monitor

from fastcapa.monitor.metrics import Exposition

ROOT = Path(__file__).parents[2]
RULES = ROOT / "packaging/prometheus"
DASHBOARD = ROOT / "packaging/grafana/fastcapa.json"


@pytest.fixture(scope="module")
def promtool() -> str:
    ours = ROOT / "build/promtool"
    program = str(ours) if ours.exists() else shutil.which("promtool")
    need(program, "no promtool; run tools/promtool build/promtool")
    assert program is not None
    return program


def run(*command: str, data: bytes = b"") -> str:
    result = subprocess.run(command, input=data, capture_output=True, check=False, timeout=60, cwd=RULES)
    assert result.returncode == 0, (result.stdout + result.stderr).decode()
    return (result.stdout + result.stderr).decode()


def test_alerts_are_right_and_fire(promtool: str) -> None:
    assert "SUCCESS: " in run(promtool, "check", "rules", "alerts.yml")
    assert "SUCCESS" in run(promtool, "test", "rules", "alerts_test.yml")


def test_metrics_are_as_prometheus_likes_them(promtool: str) -> None:
    text, _ = Exposition(monitor(losing(1))).render("")
    assert run(promtool, "check", "metrics", data=text) == ""


def test_every_expression_of_the_dashboard_is_one(promtool: str, tmp_path: Path) -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    expressions = [target["expr"] for panel in panels for target in panel["targets"]]
    # What Grafana puts in for its variables.
    filled = [text.replace("$__rate_interval", "1m").replace("$instance", ".*") for text in expressions]
    rules = [{"record": f"panel:{number}", "expr": text} for number, text in enumerate(filled)]
    file = tmp_path / "panels.yml"
    file.write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))  # JSON is YAML
    assert f"SUCCESS: {len(rules)} rules found" in run(promtool, "check", "rules", str(file))
