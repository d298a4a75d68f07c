"""Find the endpoints with due deliveries: SQL of a claim that both databases share.

If at most as many deliveries are due as one claim takes, their endpoints are the result. If more are due, the backlog
of one endpoint could hide the others: then a loose index scan visits each endpoint with pending deliveries, in two
steps per endpoint, whatever the number of its deliveries.
"""


def due_endpoints(now: str) -> str:
    """Return CTEs, the last of which is ``due(endpoint_id)``; ``now`` is the SQL for the current time."""
    return f"""
    oldest AS (
        SELECT endpoint_id FROM webhooks_delivery
        WHERE status = 'pending' AND next_attempt_at <= {now}
        ORDER BY next_attempt_at LIMIT %(rows)s
    ), {_loose_scan("first_tries", "= 0")}, {_loose_scan("retries", "> 0")}, due(endpoint_id) AS (
        SELECT endpoint_id FROM oldest
        UNION SELECT endpoint_id FROM first_tries WHERE {_is_due("first_tries", "= 0", now)}
        UNION SELECT endpoint_id FROM retries WHERE {_is_due("retries", "> 0", now)}
    )"""  # noqa: S608 - only constants are put in


def _loose_scan(name: str, attempt_condition: str) -> str:
    pending = f"FROM webhooks_delivery d WHERE d.status = 'pending' AND d.attempt_count {attempt_condition}"
    return f"""{name}(endpoint_id) AS (
        SELECT endpoint_id FROM (
            SELECT d.endpoint_id {pending} AND (SELECT count(*) FROM oldest) >= %(rows)s
            ORDER BY d.endpoint_id LIMIT 1
        ) AS lowest
        UNION ALL
        SELECT (SELECT d.endpoint_id {pending} AND d.endpoint_id > {name}.endpoint_id ORDER BY d.endpoint_id LIMIT 1)
        FROM {name} WHERE {name}.endpoint_id IS NOT NULL
    )"""  # noqa: S608


def _is_due(name: str, attempt_condition: str, now: str) -> str:
    return f"""EXISTS (
            SELECT 1 FROM webhooks_delivery d WHERE d.status = 'pending' AND d.attempt_count {attempt_condition}
            AND d.endpoint_id = {name}.endpoint_id AND d.next_attempt_at <= {now})"""  # noqa: S608
