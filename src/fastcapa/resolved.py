"""The configuration as it was understood, in TOML, every default among it."""

import json
import re
from collections.abc import Iterator

from fastcapa.config import CaptureConfig, SourceKind

# Of librdkafka's properties: what they hold is not for a terminal or a ticket.
_SECRET = re.compile(r"password|secret|\.pem$|oauthbearer\.config|jaas")


def lines(config: CaptureConfig) -> Iterator[str]:
    """Yield a line for each option under its name on the command line, then the Kafka properties without secrets."""
    for kind in SourceKind:
        names = [source.name for source in config.sources if source.kind is kind]
        if names:
            yield f"{kind.value} = {json.dumps(names)}"
    for name, value in config.model_dump(exclude={"sources", "properties"}).items():
        if value is not None:
            yield f"{name.replace('_', '-')} = {json.dumps(value)}"
    yield "[properties]"
    for name, value in sorted(config.properties.items()):
        yield f"{json.dumps(name)} = {json.dumps('***' if _SECRET.search(name) else value)}"
