"""Code that activates a device and sends heartbeats, in the language of each platform."""

from string import Template

from django.conf import settings

from apps.sdk_keys.models import Platform, SdkKey

LANGUAGES = {Platform.IOS: "Swift", Platform.ANDROID: "Kotlin", Platform.WEB: "JavaScript"}
KEY_PLACEHOLDER = "ips_…"

SWIFT = """\
import UIKit

let activations = URL(string: "$url")!
let sdkKey = "$key"

struct Activation: Decodable { let id: String; let token: String }

// 201: this device has a place. 200: it had one already. 409: every place is taken.
@MainActor func activate() async throws -> Activation {
    var request = URLRequest(url: activations)
    request.httpMethod = "POST"
    request.setValue("Bearer \\(sdkKey)", forHTTPHeaderField: "Authorization")
    request.setValue("application/json", forHTTPHeaderField: "Content-Type")
    request.httpBody = try JSONSerialization.data(withJSONObject: [
        "device_id": UIDevice.current.identifierForVendor?.uuidString ?? "",
        "app_id": Bundle.main.bundleIdentifier ?? "",
        "os_version": UIDevice.current.systemVersion,
    ])
    let (data, response) = try await URLSession.shared.data(for: request)
    let status = (response as? HTTPURLResponse)?.statusCode ?? 0
    guard status == 200 || status == 201 else { throw URLError(.badServerResponse) }
    return try JSONDecoder().decode(Activation.self, from: data)  // keep it in the Keychain
}

// Once a day: this keeps the place. 404: it was freed, so activate again.
func beat(_ own: Activation) async throws {
    var request = URLRequest(url: activations.appendingPathComponent("\\(own.id)/heartbeat"))
    request.httpMethod = "POST"
    request.setValue("Bearer \\(sdkKey)", forHTTPHeaderField: "Authorization")
    request.setValue(own.token, forHTTPHeaderField: "X-Activation-Token")
    _ = try await URLSession.shared.data(for: request)
}
"""

KOTLIN = """\
import java.net.HttpURLConnection
import java.net.URL
import org.json.JSONObject

const val ACTIVATIONS = "$url"
const val SDK_KEY = "$key"

// 201: this device has a place. 200: it had one already. 409: every place is taken. Not on the main thread.
fun activate(deviceId: String): JSONObject {
    val body = JSONObject()
        .put("device_id", deviceId)  // Settings.Secure.ANDROID_ID, or an id that the app made
        .put("app_id", BuildConfig.APPLICATION_ID)$certificate
        .put("app_version", BuildConfig.VERSION_NAME)
        .put("os_version", android.os.Build.VERSION.RELEASE)
    return JSONObject(post(ACTIVATIONS, body, ""))  // keep its id and token
}

// Once a day: this keeps the place. An error 404 says that it was freed, so activate again.
fun beat(id: String, token: String) = post("$$ACTIVATIONS/$$id/heartbeat", JSONObject(), token)

fun post(url: String, body: JSONObject, token: String): String {
    val call = URL(url).openConnection() as HttpURLConnection
    call.requestMethod = "POST"
    call.doOutput = true
    call.setRequestProperty("Authorization", "Bearer $$SDK_KEY")
    call.setRequestProperty("Content-Type", "application/json")
    if (token.isNotEmpty()) call.setRequestProperty("X-Activation-Token", token)
    call.outputStream.use { it.write(body.toString().toByteArray()) }
    return call.inputStream.bufferedReader().use { it.readText() }
}
"""
CERTIFICATE = """
        .put("cert_sha256", certificate)  // of PackageManager.GET_SIGNING_CERTIFICATES"""

JAVASCRIPT = """\
const ACTIVATIONS = "$url";
const SDK_KEY = "$key";

async function call(path, body, token) {
  const headers = { Authorization: `Bearer $${SDK_KEY}`, "Content-Type": "application/json" };
  if (token) headers["X-Activation-Token"] = token;
  const answer = await fetch(ACTIVATIONS + path, { method: "POST", headers, body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`$${answer.status}: $${(await answer.json()).code}`);
  return answer.json();
}

// 201: this browser has a place. 200: it had one already. An error 409: every place is taken.
export async function activate() {
  const device = localStorage.getItem("device") ?? crypto.randomUUID();
  localStorage.setItem("device", device);
  return call("", { device_id: device }); // keep its id and token
}

// Once a day: this keeps the place. An error 404 says that it was freed, so activate again.
export const beat = (own) => call(`/$${own.id}/heartbeat`, {}, own.token);
"""
CODE = {Platform.IOS: SWIFT, Platform.ANDROID: KOTLIN, Platform.WEB: JAVASCRIPT}


def snippet(key: SdkKey) -> dict[str, str]:
    """Return the language and the code for a key's platform, with this installation's URL."""
    platform = Platform(key.platform)
    certificate = CERTIFICATE if key.cert_sha256 else ""
    url = f"{settings.PUBLIC_URL}/v1/sdk/activations"
    code = Template(CODE[platform]).substitute(url=url, key=KEY_PLACEHOLDER, certificate=certificate)
    return {"language": LANGUAGES[platform], "code": code}
