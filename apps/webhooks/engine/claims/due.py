"""Which endpoints have due deliveries: the SQL of a claim that both databases share.

While few rows are due, the oldest ones give their endpoints. Once more rows are due than one claim takes, one
endpoint's backlog could hide the others: then a loose index scan steps from endpoint to endpoint, two steps for each
endpoint with pending rows, whatever their number.
"""


def due_endpoints(now: str) -> str:
    """Return the CTEs that end in ``due(endpoint_id)``; ``now`` is the SQL for the current time."""
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


def _loose_scan(name: str, tries: str) -> str:
    waiting = f"FROM webhooks_delivery d WHERE d.status = 'pending' AND d.attempt_count {tries}"
    return f"""{name}(endpoint_id) AS (
        SELECT endpoint_id FROM (
            SELECT d.endpoint_id {waiting} AND (SELECT count(*) FROM oldest) >= %(rows)s
            ORDER BY d.endpoint_id LIMIT 1
        ) AS lowest
        UNION ALL
        SELECT (SELECT d.endpoint_id {waiting} AND d.endpoint_id > {name}.endpoint_id ORDER BY d.endpoint_id LIMIT 1)
        FROM {name} WHERE {name}.endpoint_id IS NOT NULL
    )"""  # noqa: S608


def _is_due(name: str, tries: str, now: str) -> str:
    return f"""EXISTS (
            SELECT 1 FROM webhooks_delivery d WHERE d.status = 'pending' AND d.attempt_count {tries}
            AND d.endpoint_id = {name}.endpoint_id AND d.next_attempt_at <= {now})"""  # noqa: S608
