"""A worker without an engine: it shows no more than that a program has ended."""

import json
import sys

for line in sys.stdin:
    message = json.loads(line)
    if message["type"] == "hello":
        answer = {
            "type": "hello",
            "protocol": 1,
            "engine": "trivial",
            "version": "1.0",
            "language": "Python",
            "capabilities": {"details": ["end"]},
        }
    elif message["type"] == "run":
        answer = {"type": "trace", "id": message["id"], "trace": {"states": [{"live": {}}]}}
    else:
        break
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
