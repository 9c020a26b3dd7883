"""ClickHouse's engine in this process (chdb), driven over stdin and stdout: each line is one JSON object.

  {"run": SQL}                                  -> {"rows": [...]}
  {"write": FILE, "insert": SQL, "size": N}     -> {"written": N} now and then, then {"seconds": S}

FILE has a JSON array of events in each line; SQL of an insert reads FROM Python(batch). The seconds are those of the inserts
alone: a batch's columns are made before. An error is answered with {"error": TEXT}.
"""

import json
import os
import secrets
import sys
import time
from datetime import datetime

import pyarrow
from chdb.session import Session

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
PAIRS = [a + b for a in CROCKFORD for b in CROCKFORD]


def main():
    # The engine writes to stdout now and then: answers go to a copy of it.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    session = Session(sys.argv[1])

    def answer(message):
        out.write(json.dumps(message) + "\n")
        out.flush()

    answer({"version": json.loads(str(session.query("SELECT version()", "JSONCompactEachRow")))[0]})
    for line in sys.stdin:
        command = json.loads(line)
        try:
            if "run" in command:
                answer({"rows": run(session, command["run"])})
            else:
                answer(write(session, command, answer))
        except Exception as error:
            answer({"error": str(error)})
    session.close()


def run(session, sql):
    text = str(session.query(sql, "JSONCompactEachRow"))
    return [json.loads(row) for row in text.splitlines() if row]


def write(session, command, answer):
    events, seconds = 0, 0.0
    ids = RowIds()
    for rows in batches(command["write"], command["size"]):
        batch = columns(rows, ids)  # noqa: F841: the insert reads it by its name
        started = time.perf_counter()
        session.query(command["insert"])
        seconds += time.perf_counter() - started
        events += len(rows)
        answer({"written": events})
    return {"seconds": seconds}


def batches(path, size):
    rows = []
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            rows += json.loads(line)
            if len(rows) >= size:
                yield rows[:size]
                rows = rows[size:]
    if rows:
        yield rows


def columns(rows, ids):
    now = int(time.time())
    seconds = [int(datetime.fromisoformat(row["time"][:19] + "+00:00").timestamp()) for row in rows]
    return pyarrow.table(
        {
            **{name: [row[name] for row in rows] for name in ("id", "type", "subject", "source")},
            "data": [json.dumps(row["data"], separators=(",", ":"), ensure_ascii=False) for row in rows],
            "time": pyarrow.array(seconds, pyarrow.uint32()),
            "ingested_at": pyarrow.array([now] * len(rows), pyarrow.uint32()),
            "store_row_id": [ids.next() for _ in rows],
        }
    )


class RowIds:
    """ULIDs that rise within a millisecond by a random step, as OpenMeter gives one to each stored row."""

    def __init__(self):
        self.ms = 0
        self.random = 0

    def next(self):
        ms = int(time.time() * 1000)
        if ms > self.ms:
            self.ms, self.random = ms, secrets.randbits(79)
        else:
            self.random += 1 + secrets.randbits(32)
        number = self.ms << 80 | self.random
        return "".join(PAIRS[number >> shift & 1023] for shift in range(120, -1, -10))


main()
