"""Sends one event in each of HTTP's modes with CloudEvents' SDK for Python: send.py <url>."""

import sys
import urllib.request

from cloudevents.conversion import to_binary, to_structured
from cloudevents.http import CloudEvent

for mode, convert in (("binary", to_binary), ("structured", to_structured)):
    attributes = {
        "id": f"python-{mode}",
        "source": "/clients/python",
        "type": f"python.{mode}",
        "subject": "Müller 100%",
        "time": "2026-03-01T10:00:00.123Z",
        "datacontenttype": "application/json",
    }
    headers, body = convert(CloudEvent(attributes, {"tokens": 1432.5, "model": "größer"}))
    request = urllib.request.Request(sys.argv[1], data=body, method="POST")
    for name, value in {**headers, "Prefer": "wait=20"}.items():
        request.add_header(name, value)
    print(mode, urllib.request.urlopen(request).status)
