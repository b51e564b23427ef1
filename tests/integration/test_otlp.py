#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""otlp_config through the real binary: what becomes of attributes, for each tenant, and after SIGHUP; a rule that makes no
sense ends the start, or leaves the tenant as it was."""
import json
import os
import signal
import sys
import time

from skaldtest import Server

T0 = 1_768_467_600_000_000_000
HOUR = 3_600_000_000_000
RULES = """otlp_config: {
    resource_attributes: {attributes_config: [{action: drop, attributes: [service.name, host.id]}, {action: index_label, regex: "team.*"}]},
    scope_attributes: [{action: drop, regex: ".*"}],
    log_attributes: [{action: drop, attributes: [secret]}]}"""
OVERRIDES = """overrides:
  labels:
    otlp_config:
      severity_text_as_label: true
      resource_attributes: {ignore_defaults: true, attributes_config: [{action: index_label, attributes: [host.id]}]}
      log_attributes: [{action: index_label, attributes: [secret]}]
"""


def attributes(**kv):
    return [{"key": k.replace("__", "."), "value": {"stringValue": v}} for k, v in kv.items()]


def export(server, tenant, line):
    body = {"resourceLogs": [{
        "resource": {"attributes": attributes(service__name="shop", host__id="h1", team__name="red", other="o")},
        "scopeLogs": [{"scope": {"name": "lib", "attributes": attributes(noise="n")}, "logRecords": [
            {"timeUnixNano": str(T0 + 1), "severityText": "WARN", "body": {"stringValue": line},
             "attributes": attributes(secret="s3", kept="k")}]}]}]}
    status, _, data = server.request("POST", "/otlp/v1/logs", json.dumps(body).encode(),
                                     {"Content-Type": "application/json", "X-Scope-OrgID": tenant})
    if status != 204:
        raise AssertionError("export: %d %s" % (status, data))


def expect(server, tenant, line, labels, metadata):
    found = [(lb, v[2].get("structuredMetadata", {})) for lb, vs in server.query(
        '{service_name=~".+"}', T0, T0 + HOUR, tenant=tenant, categorize=True) for v in vs if v[1] == line]
    if found != [(labels, metadata)]:
        raise AssertionError("%s, %s: %s" % (tenant, line, found))


def reload_overrides(server, text):
    with open(server.env["RT"], "w") as f:
        f.write(text)
    server.proc.send_signal(signal.SIGHUP)


def within(seconds, attempt, *args):
    """Calls until it does not raise AssertionError."""
    end = time.monotonic() + seconds
    while True:
        try:
            return attempt(*args)
        except AssertionError:
            if time.monotonic() > end:
                raise
        time.sleep(0.05)


def refusal_is_logged(server):
    if "otlp_config.log_attributes[0].action" not in server.log():
        raise AssertionError("the refusal is not in the log")


def is_as_the_others(server, want):
    line = "after %d" % time.monotonic_ns()
    export(server, "labels", line)
    expect(server, "labels", line, *want)


def rules_decide():
    s = Server(auth=True, limits="reject_old_samples: false, " + RULES, extra="runtime_config: {file: ${RT}, period: 1h}\n")
    s.env = {"RT": os.path.join(s.folder, "runtime.yaml")}
    with open(s.env["RT"], "w") as f:
        f.write(OVERRIDES)
    plain = ({"service_name": "shop", "team_name": "red"},
             {"detected_level": "warn", "kept": "k", "other": "o", "scope_name": "lib", "severity_text": "WARN"})
    own = ({"host_id": "h1", "secret": "s3", "service_name": "unknown_service", "severity_text": "WARN"},
           {"detected_level": "warn", "kept": "k", "other": "o", "scope_name": "lib", "service_name_extracted": "shop",
            "severity_text_extracted": "WARN", "team_name": "red"})
    with s:
        export(s, "plain", "one")
        expect(s, "plain", "one", *plain)
        export(s, "labels", "two")
        expect(s, "labels", "two", *own)
        reload_overrides(s, "overrides: {labels: {otlp_config: {log_attributes: [{action: label, attributes: [a]}]}}}\n")
        within(20, refusal_is_logged, s)
        export(s, "labels", "three")
        expect(s, "labels", "three", *own)
        reload_overrides(s, "overrides: {}\n")
        within(20, is_as_the_others, s, plain)


def bad_rules_end_the_start():
    s = Server(limits='otlp_config: {log_attributes: [{action: drop, regex: "a["}]}')
    try:
        s.start(ready=False)
        s.proc.wait(30)
        want = "otlp_config.log_attributes[0].regex: error parsing regexp: missing closing ]: `[`"
        if s.proc.returncode != 1 or want not in s.log():
            raise AssertionError("ended with %s:\n%s" % (s.proc.returncode, s.log()[-1000:]))
    finally:
        s.close()


def main():
    rules_decide()
    bad_rules_end_the_start()


sys.exit(main())
