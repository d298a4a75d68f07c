"""Schemathesis against the API itself, in this process: what it sends, as whom, and what must hold of each answer.

Each call happens in a savepoint that is taken back, so that no case depends on another: a key that a case revokes is
good again for the next. Nothing leaves the machine: no worker runs, and deliveries are only stored.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count, islice
from types import MappingProxyType
from typing import Any

import schemathesis
from django.conf import settings as django_settings
from django.db import transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.core.failures import FailureGroup
from schemathesis.generation.case import Case
from schemathesis.generation.meta import coverage_scenario
from schemathesis.generation.modes import GenerationMode
from schemathesis.specs.openapi import checks

from apps.credentials.gate import key_check, rate_limits
from integrations_portal.wsgi import application
from tests.contract import Contract

CHECKS = (
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
    checks.missing_required_header,
    checks.unsupported_method,
    checks.allow_header_conformance,
)
BOTH = list(GenerationMode)
# What any program may send beside what an operation names.
VISIBLE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=80)
NOISE = st.fixed_dictionaries(
    {},
    optional={
        "Accept": st.sampled_from(["*/*", "application/json", "application/*;q=0.5, image/png", "text/csv"]),
        "Accept-Language": st.sampled_from(["fr", "de-CH, fr;q=0.8", "*"]),
        "Origin": st.sampled_from(["https://app.acme.example", "null"]),
        "User-Agent": VISIBLE,
        "X-Request-ID": VISIBLE,
    },
)


@dataclass
class Caller:
    """What authenticates the calls of an operation, and the ids that its path may name."""

    headers: dict[str, str]
    ids: dict[str, str]


@dataclass
class Findings:
    """What was sent and seen: statuses by view class, and what did not hold, once each."""

    statuses: dict[str, Counter[int]] = field(default_factory=dict)
    wrong: dict[tuple[str, str], str] = field(default_factory=dict)
    _told: int = 0

    def table(self) -> str:
        """Say per class how many cases there were and how they were answered."""
        lines = []
        for name, seen in sorted(self.statuses.items()):
            told = ", ".join(f"{status}: {count}" for status, count in sorted(seen.items()))
            lines.append(f"{name:24} {seen.total():6} cases   {told}")
        whole = self.whole
        return "\n".join([*lines, f"{'all':24} {whole.total():6} cases   {dict(sorted(whole.items()))}"])

    def news(self) -> list[str]:
        """Return what did not hold since the last time."""
        found = list(self.wrong.values())[self._told :]
        self._told += len(found)
        return found

    @property
    def whole(self) -> Counter[int]:
        """The statuses of all classes."""
        return sum(self.statuses.values(), Counter())


class Fuzzer:
    """Sends cases of one operation after the other."""

    def __init__(self, contract: Contract, caller_of: Callable[[str], Caller]) -> None:
        self.contract, self.caller_of = contract, caller_of
        self.schema = schemathesis.openapi.from_dict(contract.document)
        self.schema.config.generation.with_security_parameters = False
        # A condition that does not hold may be said before what else is wrong; of a batch, each user is refused alone.
        refusals = self.schema.config.checks.negative_data_rejection
        refusals.expected_statuses = [*refusals.expected_statuses, "412", "207"]
        self.schema.app = self.app = application
        self.findings = Findings()
        # In Redis, which is not emptied, the limits of each call are other ones; the suite puts the prefix back.
        self._prefix, self._number = rate_limits.PREFIX, count()
        # Operations of which a good answer was seen to need its key: asked once each.
        self._guarded: set[str] = set()

    def operations(self) -> Iterator[Any]:
        """Go through the operations of the document."""
        for found in self.schema.get_all_operations():
            yield found.ok()

    def class_of(self, operation: Any) -> str:
        """Name the view class that answers an operation."""
        return self.contract.view_name(operation.path)

    def boundaries(self, operation: Any, step: int = 1) -> None:
        """Send what lies on and beyond each limit of the schema: all of it, or each so many-th case."""
        self.schema.coverage_unexpected_methods_seen.clear()
        config = self.schema.config.generation_for(operation=operation, phase="coverage")
        cases = self.schema.iter_coverage_cases(operation, generation_modes=BOTH, generation_config=config)
        for case in islice(cases, 0, None, step):
            if not case.meta.is_negative_at("path"):
                case.path_parameters = {**case.path_parameters, **self.caller_of(operation.path).ids}
            self.send(case)

    def random(self, operation: Any, cases: int) -> None:
        """Send so many cases, good and bad ones, the same in each run."""

        @settings(
            max_examples=cases, derandomize=True, database=None, deadline=None,
            suppress_health_check=list(HealthCheck), phases=[Phase.generate],
        )  # fmt: skip
        @given(st.one_of(*self._strategies(operation)), NOISE)
        def run(case: Case, noise: dict[str, str]) -> None:
            self.send(case, noise)

        run()

    def _strategies(self, operation: Any) -> list[Any]:
        ids = self.caller_of(operation.path).ids
        found = [operation.as_strategy(GenerationMode.POSITIVE, path_parameters=ids)]
        if "requestBody" in operation.definition.raw:
            example = self.example_of(operation.definition.raw["requestBody"])
            found.append(operation.as_strategy(GenerationMode.POSITIVE, path_parameters=ids, body=example))
        if operation.body or operation.query or operation.headers:
            found.append(operation.as_strategy(GenerationMode.NEGATIVE, path_parameters=ids))
        if ids:
            found.append(operation.as_strategy(GenerationMode.NEGATIVE))
        return found

    def example_of(self, body: dict[str, Any]) -> Any:
        """Return the example of a request body: that of its schema."""
        name = body["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        return self.contract.document["components"]["schemas"][name]["examples"][0]

    def send(self, case: Case, noise: Mapping[str, str] = MappingProxyType({})) -> None:
        """Make one call, judge its answer, and take back what it did."""
        operation = case.operation
        headers = {**noise, **self.caller_of(operation.path).headers}
        self._forget()
        with transaction.atomic():
            answer = case.call(app=self.app, headers=headers, environ_base={"REMOTE_ADDR": "127.0.0.1"})
            self._count(operation.path, answer.status_code)
            self._judge(case, answer, headers)
            transaction.set_rollback(True)

    def _forget(self) -> None:
        """Start each call with every limit unused, and no key in memory."""
        rate_limits.memory.clear()
        key_check.cache._rows.clear()
        if django_settings.REDIS_URL:
            rate_limits.PREFIX = f"{self._prefix}{next(self._number)}:"

    def _count(self, path: str, status: int) -> None:
        self.findings.statuses.setdefault(self.contract.view_name(path), Counter())[status] += 1

    def _judge(self, case: Case, answer: Any, headers: dict[str, str]) -> None:
        label = case.operation.label
        chosen = list(CHECKS)
        if 200 <= answer.status_code < 300 and label not in self._guarded:
            self._guarded.add(label)
            chosen.append(checks.ignored_auth)
        try:
            case.validate_response(
                answer, checks=chosen, headers=headers, transport_kwargs={"app": self.app, "headers": headers}
            )
        except FailureGroup as group:
            for failure in group.exceptions:
                self._note(case, answer, f"{failure.title}: {failure.message}")
        given_headers = {name: values[0] for name, values in answer.headers.items()}
        for complaint in self.contract.complaints(
            case.operation.path, case.method, answer.status_code, given_headers, answer.content
        ):
            self._note(case, answer, complaint)

    def _note(self, case: Case, answer: Any, text: str) -> None:
        """Keep the first case of each kind, with all that it takes to see what happened."""
        first, scenario = text.splitlines()[0], coverage_scenario(case)
        sent = {"path": case.path_parameters, "query": case.query, "headers": dict(case.headers or {})}
        lines = (
            f"{case.operation.label}: {first[:160]}",
            f"{case.method} {sent} body={case.body!r:.600}",
            f"{answer.status_code} {answer.text[:300]}",
            f"{case.meta.phase.data if case.meta else None!r:.300}",
            text[:500],
        )
        self.findings.wrong.setdefault((case.operation.label, f"{first[:60]} {scenario}"), "\n  ".join(lines))
