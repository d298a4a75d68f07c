<?php
// Receive webhooks: verify each request, handle each event once.
//
// Run it with PHP 8.0 or later; it needs no packages:
//
//     WEBHOOK_SECRET=whsec_... php -S 127.0.0.1:9000 receiver.php

const TOLERANCE_SECONDS = 300;
const MAX_BODY_BYTES = 1024 * 1024;
const MAX_REMEMBERED_IDS = 10_000;

// PHP forgets its variables after each request, so the ids are in a file.
// In production, use a table with a unique column instead.
const HANDLED_IDS = __DIR__ . "/handled-webhook-ids.txt";

/** Put the event into a queue and return. After an exception the event is sent again. */
function handle(string $eventId, array $event): void
{
    writeLog("verified $eventId {$event["type"]}");
}

function writeLog(string $line): void
{
    file_put_contents("php://stderr", "$line\n");
}

/** Return the key of the signing secret: the base64 text after "whsec_", decoded. */
function signingKey(): string
{
    $secret = preg_replace("/^whsec_/", "", trim((string) getenv("WEBHOOK_SECRET")));
    $key = base64_decode($secret, true);
    if (!$key) {
        throw new RuntimeException("Set WEBHOOK_SECRET to the signing secret of your endpoint (whsec_...).");
    }
    return $key;
}

/** Throw an exception unless the raw body was signed with the key within the last five minutes. */
function verify(string $key, string $eventId, string $timestamp, string $signatures, string $body): void
{
    if ($eventId === "" || $timestamp === "" || $signatures === "") {
        throw new UnexpectedValueException("a webhook header is missing");
    }
    if (!preg_match('/^[0-9]{1,12}\z/', $timestamp) || abs(time() - (int) $timestamp) > TOLERANCE_SECONDS) {
        throw new UnexpectedValueException("the timestamp is more than five minutes off");
    }
    $expected = "v1," . base64_encode(hash_hmac("sha256", "$eventId.$timestamp.$body", $key, true));
    // While a secret is rotated, there is one signature for each secret.
    foreach (explode(" ", $signatures) as $each) {
        if (hash_equals($expected, $each)) {
            return;
        }
    }
    throw new UnexpectedValueException("no signature matches the secret and the body");
}

/** Skip an event that was handled before: retries and replays have the same id. */
function handleOnce(string $eventId, string $body): void
{
    $file = fopen(HANDLED_IDS, "c+");
    flock($file, LOCK_EX);
    $ids = explode("\n", stream_get_contents($file));
    if (!in_array($eventId, $ids, true)) {
        handle($eventId, json_decode($body, true, 512, JSON_THROW_ON_ERROR));
        $ids = array_slice([...$ids, $eventId], -MAX_REMEMBERED_IDS);
        ftruncate($file, 0);
        rewind($file);
        fwrite($file, implode("\n", $ids));
    }
    fclose($file);
}

/** Return the status to answer with: 204 for a verified event. */
function receive(): int
{
    if ($_SERVER["REQUEST_METHOD"] !== "POST") {
        return 405;
    }
    $body = file_get_contents("php://input", false, null, 0, MAX_BODY_BYTES + 1);
    if (strlen($body) > MAX_BODY_BYTES) {
        return 413;
    }
    $eventId = $_SERVER["HTTP_WEBHOOK_ID"] ?? "";
    $timestamp = $_SERVER["HTTP_WEBHOOK_TIMESTAMP"] ?? "";
    $signatures = $_SERVER["HTTP_WEBHOOK_SIGNATURE"] ?? "";
    $key = signingKey();
    try {
        verify($key, $eventId, $timestamp, $signatures, $body);
    } catch (UnexpectedValueException $error) {
        writeLog("refused: {$error->getMessage()}");
        return 401;
    }
    handleOnce($eventId, $body);
    return 204;
}

try {
    http_response_code(receive());
} catch (Throwable $error) {
    writeLog($error->getMessage());
    http_response_code(500);
}
