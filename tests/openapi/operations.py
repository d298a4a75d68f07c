"""The operations of the OpenAPI document as collections must have them, read independently of their generator."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass
class DocumentedOperation:
    """One operation, with its references followed."""

    tag: str
    method: str
    path: str
    content: dict[str, Any]
    parameters: list[dict[str, Any]]
    example: Any
    key_variable: str | None

    @property
    def place(self) -> tuple[str, str, str]:
        """Its folder, method and path, as both programs write a path."""
        return self.tag, self.method, self.path.replace("{", ":").replace("}", "")

    def names(self, where: str, required: bool) -> set[str]:
        """The parameters of a part of the request that are required, or those that are not."""
        wanted = [each for each in self.parameters if each["in"] == where]
        return {each["name"] for each in wanted if each.get("required", False) is required}


def operations_of(document: dict[str, Any]) -> Iterator[DocumentedOperation]:
    """Yield every operation."""
    components = document["components"]
    for path, item in document["paths"].items():
        for method, content in item.items():
            parameters = [
                components["parameters"][each["$ref"].rpartition("/")[2]] if "$ref" in each else each
                for each in content["parameters"]
            ]
            example = None
            if "requestBody" in content:
                schema = content["requestBody"]["content"]["application/json"]["schema"]
                example = components["schemas"][schema["$ref"].rpartition("/")[2]]["examples"][0]
            key = "SDK_KEY" if path.startswith("/v1/sdk/") else None if "security" in content else "API_KEY"
            yield DocumentedOperation(content["tags"][0], method.upper(), path, content, parameters, example, key)
