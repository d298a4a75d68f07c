// Receive webhooks: verify each request, handle each event once.
//
// Run it with Node 18 or later; it needs no packages:
//
//     WEBHOOK_SECRET=whsec_... node receiver.mjs

import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";

const PORT = Number(process.env.PORT ?? 9000);
const TOLERANCE_SECONDS = 300;
const MAX_BODY_BYTES = 1024 * 1024;
const MAX_REMEMBERED_IDS = 10_000;

// In production, use a table with a unique column instead, so that the ids survive a restart.
const handledIds = new Set();

/** Put the event into a queue and return. After an exception the event is sent again. */
function handle(eventId, event) {
  console.log(`verified ${eventId} ${event.type}`);
}

/** Return the key of the signing secret: the base64 text after "whsec_", decoded. */
function signingKey() {
  const text = (process.env.WEBHOOK_SECRET ?? "").trim().replace(/^whsec_/, "");
  const key = Buffer.from(text, "base64");
  if (!text || key.toString("base64") !== text) {
    console.error("Set WEBHOOK_SECRET to the signing secret of your endpoint (whsec_...).");
    process.exit(1);
  }
  return key;
}

/** Throw an error unless the raw body (a Buffer) was signed with the key within the last five minutes. */
function verify(key, headers, body) {
  const eventId = headers["webhook-id"];
  const timestamp = headers["webhook-timestamp"];
  const signatures = headers["webhook-signature"];
  if (!eventId || !timestamp || !signatures) throw new Error("a webhook header is missing");
  if (!/^[0-9]{1,12}$/.test(timestamp) || Math.abs(Date.now() / 1000 - Number(timestamp)) > TOLERANCE_SECONDS) {
    throw new Error("the timestamp is more than five minutes off");
  }
  const hmac = createHmac("sha256", key).update(`${eventId}.${timestamp}.`, "latin1").update(body);
  const expected = Buffer.from(`v1,${hmac.digest("base64")}`);
  // While a secret is rotated, there is one signature for each secret.
  const isGood = signatures.split(" ").some((each) => {
    const given = Buffer.from(each, "latin1");
    return given.length === expected.length && timingSafeEqual(given, expected);
  });
  if (!isGood) throw new Error("no signature matches the secret and the body");
}

/** Return the raw body, or null if it is too large. */
async function readBody(request) {
  const chunks = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Return the status to answer with: 204 for a verified event. */
async function receive(request) {
  if (request.method !== "POST") return 405;
  const body = await readBody(request);
  if (body === null) return 413;
  try {
    verify(KEY, request.headers, body);
  } catch (error) {
    console.log(`refused: ${error.message}`);
    return 401;
  }
  const eventId = request.headers["webhook-id"];
  // Retries and replays have the same id.
  if (!handledIds.has(eventId)) {
    handle(eventId, JSON.parse(body.toString("utf8")));
    handledIds.add(eventId);
    if (handledIds.size > MAX_REMEMBERED_IDS) handledIds.delete(handledIds.values().next().value);
  }
  return 204;
}

const KEY = signingKey();
const server = createServer(async (request, response) => {
  const status = await receive(request).catch((error) => {
    console.error(error);
    return 500;
  });
  response.writeHead(status).end();
});
server.listen(PORT, "127.0.0.1", () => console.log(`listening on http://127.0.0.1:${PORT}`));
