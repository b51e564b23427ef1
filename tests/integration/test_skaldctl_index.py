#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""skaldctl's volume, volume_range, detected-fields and delete against recorded answers.

Usage: test_skaldctl_index.py PATH_OF_SKALDCTL
"""
import urllib.parse

import ctltest
from ctltest import RANGE, Case, answer, golden

APP = '{app="cli"}'
MISSING = "could not find delete request with given id\n"


class Volume(Case):
    def test_volume(self):
        r = self.replay("volume", "volume", *RANGE, APP)
        self.assert_request(0, "volume")
        self.assertEqual(r.out, '[\n  {\n    "metric": {\n      "app": "cli"\n    },\n'
                                '    "value": [\n      1795358400,\n      "6862"\n    ]\n  }\n]\n')
        self.assertEqual((r.code, r.err), (0, self.url(0) + "\n"))

    def test_aggregated_by_labels(self):
        r = self.replay("volume-agg", "volume", *RANGE, "--targetLabels=host",
                        "--aggregateByLabels", APP)
        self.assert_request(0, "volume-agg")
        self.assertIn('"host": ""', r.out)

    def test_several_labels_are_one_parameter(self):
        self.replay("volume-agg", "volume", *RANGE, "--targetLabels=a", "--targetLabels=b", APP)
        self.assertTrue(self.server.requests[0].line.endswith("&targetLabels=a%2Cb HTTP/1.1"))

    def test_range(self):
        r = self.replay("volume-range", "volume_range", *RANGE, "--step=20m", APP)
        self.assert_request(0, "volume-range")
        self.assertIn('    "values": [\n      [\n        1795357199.999,\n        "3428"\n      ],\n'
                      '      [\n        1795358400,\n        "3431"\n      ]\n    ]\n', r.out)
        self.replay("volume-range", "volume_range", *RANGE, "-q", APP)
        self.assertIn("&step=3600 ", self.server.requests[0].line)

    def test_nothing(self):
        body = b'{"status":"success","data":{"resultType":"vector","result":[]}}'
        r = self.run_ctl("-q", "volume", APP, answers=[answer(200, body)])
        self.assertEqual((r.code, r.out, r.err), (0, "[]\n", ""))

    def test_refusals(self):
        r = self.run_ctl("volume", APP, answers=[answer(404, b"not enabled")])
        self.assertEqual((r.code, r.out), (1, ""))
        self.assertTrue(r.err.endswith(
            "error response from server: not enabled (<nil>) attempts remaining: 0\n"
            "Error doing request: run out of attempts while querying the server\n"))
        r = self.run_ctl("volume", APP, answers=[answer(200, b"{}")])
        self.assertEqual((r.code, r.out), (1, ""))


class Fields(Case):
    def test_fields(self):
        for output in ("default", "jsonl"):
            r = self.replay("detfields", "detected-fields", *RANGE, "-o", output, APP)
            self.assert_request(0, "detfields")
            self.assertEqual(r.out.splitlines()[:2],
                             ["label: detected_level\t\ttype: string\t\tcardinality: 2",
                              "label: i\t\ttype: int\t\tcardinality: 60"])
            self.assertEqual((r.code, len(r.out.splitlines())), (0, 6))

    def test_values_of_a_field(self):
        r = self.replay("detfield-values", "detected-fields", *RANGE, APP, "level")
        self.assert_request(0, "detfield-values")
        self.assertEqual((r.code, r.out), (0, "info\nerror\n"))

    def test_flags(self):
        self.replay("detfields", "detected-fields", "--limit=7", "--line-limit=8", "--step=1m", APP)
        q = urllib.parse.parse_qs(self.server.requests[0].line.split()[1].split("?")[1])
        self.assertEqual((q["limit"], q["line_limit"], q["step"]), (["7"], ["8"], ["1m0s"]))


class Delete(Case):
    def test_create(self):
        r = self.replay("delete-create", "delete", "create", *RANGE, "--max-interval=1h",
                        '{app="nope"}')
        self.assert_request(0, "delete-create")
        self.assertEqual((r.code, r.out, r.err), (0, "Delete request created successfully\n",
                                                  self.url(0) + "\n"))
        self.replay("delete-create", "delete", "create", *RANGE, '{app="nope"}')
        self.assertNotIn("max_interval", self.server.requests[0].line)

    def test_create_is_refused(self):
        r = self.run_ctl("-q", "delete", "create", APP, answers=[answer(400, b"no")])
        self.assertEqual((r.code, r.out, r.err), (
            1, "", "Error response from server: no (<nil>) attempts remaining: 0\n"
            "Error creating delete request: run out of attempts while querying the server\n"))

    def test_create_is_repeated(self):
        r = self.run_ctl("-q", "--retries=1", "delete", "create", APP,
                         answers=[answer(500, b"busy"), golden("delete-create.resp")])
        self.assertEqual((r.code, len(self.server.requests)), (0, 2))
        self.assertEqual(self.server.requests[0].line, self.server.requests[1].line)

    def test_list(self):
        r = self.replay("delete-list", "delete", "list", "-z", "UTC")
        self.assert_request(0, "delete-list")
        self.assertEqual((r.code, r.out), (
            0, 'Found 1 delete requests:\nQuery: {app="nope"}\nStart Time: 2026-11-22T14:00:00Z\n'
            "End Time: 2026-11-22T14:40:00Z\nStatus: received\n---\n"))
        r = self.replay("delete-list", "delete", "list", "-o", "jsonl")
        self.assertEqual(r.out, '[\n  {\n    "start_time": 1795356000,\n'
                                '    "end_time": 1795358400,\n'
                                '    "query": "{app=\\"nope\\"}",\n    "status": "received"\n'
                                "  }\n]\n")

    def test_list_of_none(self):
        for body in (b"[]", b"null"):
            r = self.run_ctl("-q", "delete", "list", answers=[answer(200, body)])
            self.assertEqual((r.code, r.out), (0, "Found 0 delete requests:\n"))
        r = self.run_ctl("-q", "delete", "list", "-o", "jsonl", answers=[answer(200, b"[]")])
        self.assertEqual((r.code, r.out), (0, "[]\n"))
        r = self.run_ctl("-q", "delete", "list", answers=[answer(200, b"{}")])
        self.assertEqual((r.code, r.err), (
            1, "Error listing delete requests: the answer is no list\n"))

    def test_cancel(self):
        r = self.replay("delete-cancel", "delete", "cancel", "--request-id=bf3c0293", "--force")
        self.assert_request(0, "delete-cancel")
        self.assertEqual((r.code, r.out), (0, "Delete request bf3c0293 cancelled successfully\n"))

    def test_cancel_of_none(self):
        r = self.replay("delete-cancel-bad", "delete", "cancel", "--request-id=zzz")
        self.assert_request(0, "delete-cancel-bad")
        self.assertEqual((r.code, r.out), (1, ""))
        self.assertEqual(r.err, self.url(0) + "\nError response from server: " + MISSING +
                         " (<nil>) attempts remaining: 0\nError cancelling delete request: "
                         "run out of attempts while querying the server\n")


if __name__ == "__main__":
    ctltest.main()
