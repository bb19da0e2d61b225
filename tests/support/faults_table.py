"""`python tests/support/faults_table.py ROWS DOCUMENT`: the table of the faults of Kafka, from the rows of test runs.

ROWS has a JSON object a line (support/faults.py); of rows with the same test and producer the last one counts, so that
a test may be repeated alone. The table goes between the two marks in DOCUMENT.
"""

from __future__ import annotations

import json
import sys
from itertools import groupby
from pathlib import Path
from typing import Any

BEGIN = "<!-- faults of Kafka: written by make test-faults -->\n"
END = "<!-- end of faults of Kafka -->\n"
COLUMNS = (
    "fault, and `FAULT=` to repeat it",
    "producer",
    "frames",
    "lost",
    "twice",
    "order",
    "counted as lost",
    "recovery",
    "silence",
    "rx stall",
    "repeated",
    "memory",
)
HEAD = f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|\n"


def table(rows: list[dict[str, Any]]) -> str:
    """The rows in Markdown, those of a fault together."""
    latest = {(row["test"], row["producer"]): row for row in rows}
    order = list(dict.fromkeys(row["test"] for row in rows))
    sorted_rows = sorted(latest.values(), key=lambda row: order.index(row["test"]))
    lines = []
    for test, group in groupby(sorted_rows, key=lambda row: row["test"]):
        for place, row in enumerate(group):
            fault = f"{row['fault']}: `{test}`" if place == 0 else ""
            counted = ", ".join(f"{cause} {count:,}" for cause, count in row["counted"].items()) or "nothing"
            cells = [fault, row["producer"], f"{row['sent']:,}", f"{row['lost']:,}", f"{row['duplicated']:,}"]
            cells += [f"{row['out_of_order']:,}", counted, f"{row['recovery_s']:.1f} s", f"{row['silence_s']:.1f} s"]
            cells += [f"{row['stall_ms']:.0f} ms", f"{row['retries']:,}", f"{row['rss_mib']} MiB, +{row['growth_mib']}"]
            lines.append(f"| {' | '.join(cells)} |\n")
    return HEAD + "".join(lines)


def main() -> int:
    """Put the table into the document."""
    rows_path, document = map(Path, sys.argv[1:])
    rows = [json.loads(line) for line in rows_path.read_text().splitlines()]
    before, begin, rest = document.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        print(f"{document} lacks the marks {BEGIN.strip()} and {END.strip()}", file=sys.stderr)
        return 1
    document.write_text(f"{before}{begin}\n{table(rows)}\n{end}{after}")
    print(f"{document}: {len({row['test'] for row in rows})} faults")
    return 0


if __name__ == "__main__":
    sys.exit(main())
