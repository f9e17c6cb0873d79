"""Bugs planted in shared/config and shared/telemetry.py."""

from typing import Final

from proofs.planted.bug import Bug

BUGS: Final = (
    Bug(
        "a lease may be shorter than functionTimeout",
        "shared/config/settings.py",
        "    if lease <= timeout:\n",
        "    if lease <= timeout - timeout:\n",
        ("tests/unit/config/test_settings.py",),
    ),
    Bug(
        "a connection string with a signature is taken for one with a key",
        "shared/config/connections.py",
        '    elif "sharedaccesssignature" in members or "sig" in members:\n',
        "    elif False:\n",
        ("tests/unit/config/test_connections.py",),
    ),
    Bug(
        "a number is rounded on its way from the file",
        "shared/config/yaml_reader.py",
        '    if kind == "float" and _JSON_NUMBER.fullmatch(text) and repr(float(text)) == text:\n',
        '    if kind == "float":\n',
        ("tests/unit/config/test_yaml_scalars.py",),
    ),
    Bug(
        "what aliases make large is made before it is measured",
        "shared/config/yaml_reader.py",
        "            _Sizes().of(node)\n",
        "            pass\n",
        (
            "tests/unit/config/test_limits.py",
            "tests/unit/config/test_probe_files.py",
            "tests/unit/config/test_secrets_in_file.py",
        ),
    ),
    Bug(
        "a probe may lie anywhere",
        "shared/config/file_locations.py",
        "        if not real.is_relative_to(base) or real == base:\n",
        "        if real == base:\n",
        (
            "tests/unit/config/test_limits.py",
            "tests/unit/config/test_probe_files.py",
            "tests/unit/config/test_secrets_in_file.py",
        ),
    ),
    Bug(
        "mistakes over several fields wait for those of single ones",
        "shared/config/pipeline_reader.py",
        "            pipeline = as_far_as_right(Pipeline, tree, wrong, context)\n",
        "            pipeline = None\n",
        ("tests/unit/config/test_cross_field.py", "tests/unit/config/test_unknown_values.py"),
    ),
    Bug(
        "tracebacks are logged as they are",
        "shared/telemetry.py",
        "        record.exc_text = clean\n",
        "        return\n",
        ("tests/unit/providers/test_redacted_records_and_logs.py",),
    ),
    Bug(
        "anonymous health lists the open runs",
        "shared/operations/health.py",
        "        poll, tick = ledger.heartbeat.read(), ledger.tick.read()\n",
        "        list(ledger.open_markers.listed())\n"
        "        poll, tick = ledger.heartbeat.read(), ledger.tick.read()\n",
        ("tests/functions/test_health.py",),
    ),
    Bug(
        "a query parameter is cut short before it is redacted",
        "functions/requests.py",
        "one_line(redacted(name)[:50])",
        "one_line(name[:50])",
        ("tests/functions/test_secret_requests.py",),
    ),
    Bug(
        "wrong settings fail the trigger of a blob",
        "functions/on_training_data.py",
        '        built = usable_app(f"blob {client.blob_name}", of_blob=True)\n',
        "        from functions.process import app\n\n        built = app()\n",
        ("tests/functions/test_triggers.py",),
    ),
    Bug(
        "a wait for approval is logged nowhere",
        "shared/telemetry.py",
        'logging.WARNING, Phase.AWAITING_APPROVAL, "waits for approval")',
        "logging.WARNING)",
        (
            "tests/unit/core/run/test_waiting.py",
            "tests/unit/core/run/test_waiting_for_approval.py",
        ),
    ),
    Bug(
        "a query parameter that nobody reads is ignored",
        "functions/methods.py",
        "                    refuse_unknown(req, query)\n",
        "",
        ("tests/functions/test_changes_recorded.py",),
    ),
    Bug(
        "attributes of spans are exported as they are",
        "shared/tracing.py",
        "    return one_line(redacted(text))[:_LONGEST]\n",
        "    return one_line(text)[:_LONGEST]\n",
        ("tests/functions/test_traces.py", "tests/functions/test_echoes.py"),
    ),
    Bug(
        "a span keeps the query of a URL",
        "shared/tracing.py",
        "{parts.netloc.rpartition('@')[2]}{parts.path}",
        "{parts.netloc}{parts.path}?{parts.query}",
        ("tests/functions/test_traces.py",),
    ),
    Bug(
        "the steps of a run are in the trace of the invocation that takes them",
        "shared/tracing.py",
        "live.context_of(run.trace), links)",
        "None, links)",
        ("tests/functions/test_traces.py",),
    ),
    Bug(
        "functions do not take part in the trace of the host",
        "functions/process.py",
        'given.trace_parent or "" if given else ""',
        '""',
        ("tests/functions/test_traces.py",),
    ),
    Bug(
        "each invocation that comes first sets OpenTelemetry up",
        "functions/process.py",
        "    with _BUILDING:\n        return _of_this_process()\n",
        "    return _of_this_process()\n",
        ("tests/functions/test_health_alerts.py",),
    ),
    Bug(
        "libraries record a call once more, with its query",
        "shared/tracing.py",
        " as made, live.recorded_once():\n",
        " as made:\n",
        ("tests/functions/test_traces.py",),
    ),
    Bug(
        "a key is written into a line as it is",
        "shared/core/run/log_lines.py",
        '    text = "/".join(quote(part, safe=_PLAIN, errors="surrogatepass") for part in key)\n',
        '    text = "/".join(key)\n',
        ("tests/unit/core/run/test_log_lines.py", "tests/unit/test_alert_rules.py"),
    ),
    Bug(
        "a blob's name makes a line that looks like an alert",
        "shared/telemetry.py",
        "        if not beginning and text.startswith(MARK):\n",
        "        if False:\n",
        ("tests/unit/core/run/test_log_lines.py",),
    ),
    Bug(
        "health that is not ok is an alert at every tick",
        "shared/operations/health.py",
        "        self._checked = now\n",
        "        self._checked = None\n",
        ("tests/functions/test_health_alerts.py",),
    ),
)
