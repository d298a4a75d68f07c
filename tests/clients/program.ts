// A program over the types that openapi-typescript makes. tsc checks it; nothing runs it.
import type { components, operations, paths } from "./portal";

type Schemas = components["schemas"];
type Body<Id extends keyof operations> = operations[Id] extends {
    requestBody: { content: { "application/json": infer Sent } };
}
    ? Sent
    : never;

const address = "https://portal.example.com";

async function call<Answer>(method: string, path: keyof paths, key: string, body?: unknown): Promise<Answer> {
    const response = await fetch(address + path, {
        method,
        headers: { Authorization: `Bearer ${key}`, "Content-Type": "application/json" },
        body: body === undefined ? null : JSON.stringify(body),
    });
    if (!response.ok) {
        const wrong: Schemas["ErrorResponse"] = await response.json();
        throw new Error(`${wrong.code}: ${wrong.error}`);
    }
    return response.json();
}

export async function makeKey(key: string): Promise<string | undefined> {
    const body: Body<"createApiKey"> = { name: "Nightly export", type: "partner", scopes: ["users:read"], limits: null };
    const made = await call<Schemas["ApiKeyWithSecret"]>("POST", "/v1/api-keys", key, body);
    const minute: number | null | undefined = made.limits.minute;
    return minute === null ? undefined : made.key;
}

export async function publish(key: string): Promise<string> {
    const body: Body<"publishEvent"> = { type: "order.created", data: { order_id: "ORD-1", status: "placed" } };
    const accepted = await call<Schemas["AcceptedEvent"]>("POST", "/v1/events", key, body);
    return accepted.id;
}

// @ts-expect-error: a key needs scopes
export const without: Body<"createApiKey"> = { name: "Nightly export", type: "partner" };
// @ts-expect-error: no such operation has a body
export const none: Body<"enableApiKey"> = {};
