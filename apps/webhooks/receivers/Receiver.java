// Receive webhooks: verify each request, handle each event once.
//
// Run it with Java 17 or later; it needs no libraries:
//
//     WEBHOOK_SECRET=whsec_... java Receiver.java

import com.sun.net.httpserver.Headers;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.time.Instant;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.Executors;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

public class Receiver {
    private static final int TOLERANCE_SECONDS = 300;
    private static final int MAX_BODY_BYTES = 1024 * 1024;
    private static final int MAX_REMEMBERED_IDS = 10_000;
    // Java has no JSON parser of its own: parse the event with the one your application uses.
    private static final Pattern TYPE = Pattern.compile("\"type\"\\s*:\\s*\"([\\w.-]+)\"");

    // In production, use a table with a unique column instead, so that the ids survive a restart.
    private final Map<String, Boolean> handledIds = new LinkedHashMap<>();
    private final byte[] key;

    Receiver(byte[] key) {
        this.key = key;
    }

    /** Put the event into a queue and return. After an exception the event is sent again. */
    static void handle(String eventId, String event) {
        Matcher type = TYPE.matcher(event);
        System.out.println("verified " + eventId + " " + (type.find() ? type.group(1) : ""));
    }

    /** Return the key of the signing secret: the base64 text after "whsec_", decoded. */
    static byte[] signingKey() {
        String secret = System.getenv().getOrDefault("WEBHOOK_SECRET", "").strip();
        byte[] key = Base64.getDecoder().decode(secret.replaceFirst("^whsec_", ""));
        if (key.length == 0) {
            throw new IllegalArgumentException("empty");
        }
        return key;
    }

    /** Throw an exception unless the raw body was signed with the key within the last five minutes. */
    static void verify(byte[] key, Headers headers, byte[] body) throws GeneralSecurityException {
        String eventId = headers.getFirst("webhook-id");
        String timestamp = headers.getFirst("webhook-timestamp");
        String signatures = headers.getFirst("webhook-signature");
        if (eventId == null || timestamp == null || signatures == null) {
            throw new SecurityException("a webhook header is missing");
        }
        if (!timestamp.matches("[0-9]{1,12}")
                || Math.abs(Instant.now().getEpochSecond() - Long.parseLong(timestamp)) > TOLERANCE_SECONDS) {
            throw new SecurityException("the timestamp is more than five minutes off");
        }
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(key, "HmacSHA256"));
        mac.update((eventId + "." + timestamp + ".").getBytes(StandardCharsets.ISO_8859_1));
        String expected = "v1," + Base64.getEncoder().encodeToString(mac.doFinal(body));
        // While a secret is rotated, there is one signature for each secret.
        for (String each : signatures.split(" ")) {
            byte[] given = each.getBytes(StandardCharsets.ISO_8859_1);
            if (MessageDigest.isEqual(given, expected.getBytes(StandardCharsets.ISO_8859_1))) {
                return;
            }
        }
        throw new SecurityException("no signature matches the secret and the body");
    }

    /** Skip an event that was handled before: retries and replays have the same id. */
    private synchronized void handleOnce(String eventId, String event) {
        if (handledIds.containsKey(eventId)) {
            return;
        }
        handle(eventId, event);
        handledIds.put(eventId, true);
        if (handledIds.size() > MAX_REMEMBERED_IDS) {
            handledIds.remove(handledIds.keySet().iterator().next());
        }
    }

    /** Return the status to answer with: 204 for a verified event. */
    private int receive(HttpExchange exchange) throws IOException, GeneralSecurityException {
        if (!exchange.getRequestMethod().equals("POST")) {
            return 405;
        }
        byte[] body = exchange.getRequestBody().readNBytes(MAX_BODY_BYTES + 1);
        if (body.length > MAX_BODY_BYTES) {
            return 413;
        }
        try {
            verify(key, exchange.getRequestHeaders(), body);
        } catch (SecurityException error) {
            System.out.println("refused: " + error.getMessage());
            return 401;
        }
        handleOnce(exchange.getRequestHeaders().getFirst("webhook-id"), new String(body, StandardCharsets.UTF_8));
        return 204;
    }

    private void respond(HttpExchange exchange) throws IOException {
        int status = 500;
        try {
            status = receive(exchange);
        } catch (GeneralSecurityException | RuntimeException error) {
            System.err.println(error);
        }
        exchange.sendResponseHeaders(status, -1);
        exchange.close();
    }

    public static void main(String[] args) throws IOException {
        byte[] key;
        try {
            key = signingKey();
        } catch (IllegalArgumentException error) {
            System.err.println("Set WEBHOOK_SECRET to the signing secret of your endpoint (whsec_...).");
            System.exit(1);
            return;
        }
        int port = Integer.parseInt(System.getenv().getOrDefault("PORT", "9000"));
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", port), 0);
        server.createContext("/", new Receiver(key)::respond);
        server.setExecutor(Executors.newCachedThreadPool());
        server.start();
        System.out.println("listening on http://127.0.0.1:" + port);
    }
}
