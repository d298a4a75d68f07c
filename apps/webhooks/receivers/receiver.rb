# Receive webhooks: verify each request, handle each event once.
#
# Run it with Ruby 3.0 or later; it needs no gems:
#
#     WEBHOOK_SECRET=whsec_... ruby receiver.rb

require "json"
require "openssl"
require "socket"
require "timeout"

PORT = Integer(ENV.fetch("PORT", "9000"))
TOLERANCE_SECONDS = 300
TIMEOUT_SECONDS = 10
MAX_HEADER_BYTES = 16 * 1024
MAX_BODY_BYTES = 1024 * 1024
MAX_REMEMBERED_IDS = 10_000
STATUSES = {
  204 => "No Content", 401 => "Unauthorized", 405 => "Method Not Allowed", 411 => "Length Required",
  413 => "Content Too Large", 431 => "Request Header Fields Too Large", 500 => "Internal Server Error"
}.freeze

# In production, use a table with a unique column instead, so that the ids survive a restart.
HANDLED_IDS = {}
LOCK = Mutex.new

class InvalidSignature < StandardError; end

# Put the event into a queue and return. After an exception the event is sent again.
def handle(event_id, event)
  puts "verified #{event_id} #{event["type"]}"
end

# Return the key of the signing secret: the base64 text after "whsec_", decoded.
def signing_key
  key = ENV.fetch("WEBHOOK_SECRET", "").strip.delete_prefix("whsec_").unpack1("m0")
  key.empty? ? raise(ArgumentError) : key
rescue ArgumentError
  abort "Set WEBHOOK_SECRET to the signing secret of your endpoint (whsec_...)."
end

# Raise InvalidSignature unless the raw body was signed with the key within the last five minutes.
def verify(key, headers, body)
  event_id, timestamp, signatures = headers.values_at("webhook-id", "webhook-timestamp", "webhook-signature").map(&:to_s)
  raise InvalidSignature, "a webhook header is missing" if [event_id, timestamp, signatures].any?(&:empty?)

  unless timestamp.match?(/\A[0-9]{1,12}\z/) && (Time.now.to_i - timestamp.to_i).abs <= TOLERANCE_SECONDS
    raise InvalidSignature, "the timestamp is more than five minutes off"
  end
  content = "#{event_id}.#{timestamp}.".b + body
  expected = "v1,#{[OpenSSL::HMAC.digest("SHA256", key, content)].pack("m0")}"
  # While a secret is rotated, there is one signature for each secret.
  return if signatures.split(" ").any? { |each| OpenSSL.secure_compare(each, expected) }

  raise InvalidSignature, "no signature matches the secret and the body"
end

# Read the method and the headers of a request, with names in lower case.
def read_head(client)
  head = client.gets("\r\n\r\n", MAX_HEADER_BYTES).to_s.b
  return unless head.end_with?("\r\n\r\n")

  request_line, *lines = head.split("\r\n")
  headers = lines.to_h do |line|
    name, _, value = line.partition(":")
    [name.downcase, value.strip]
  end
  [request_line.split(" ").first, headers]
end

# Return the status to answer with: 204 for a verified event.
def receive(client, key)
  method, headers = read_head(client)
  return 431 unless headers
  return 405 unless method == "POST"
  return 411 unless headers["content-length"].to_s.match?(/\A[0-9]{1,12}\z/)

  length = headers["content-length"].to_i
  return 413 if length > MAX_BODY_BYTES

  body = client.read(length).to_s
  verify(key, headers, body)
  handle_once(headers["webhook-id"], body)
  204
rescue InvalidSignature => error
  puts "refused: #{error.message}"
  401
end

# Skip an event that was handled before: retries and replays have the same id.
def handle_once(event_id, body)
  LOCK.synchronize do
    next if HANDLED_IDS.key?(event_id)

    handle(event_id, JSON.parse(body))
    HANDLED_IDS[event_id] = true
    HANDLED_IDS.shift if HANDLED_IDS.size > MAX_REMEMBERED_IDS
  end
end

$stdout.sync = true
key = signing_key
server = TCPServer.new("127.0.0.1", PORT)
puts "listening on http://127.0.0.1:#{PORT}"
loop do
  Thread.start(server.accept) do |client|
    status =
      begin
        Timeout.timeout(TIMEOUT_SECONDS) { receive(client, key) }
      rescue StandardError => error
        warn error.message
        500
      end
    client.write("HTTP/1.1 #{status} #{STATUSES.fetch(status)}\r\nConnection: close\r\n\r\n")
  rescue SystemCallError
    next # the client is gone
  ensure
    client.close
  end
end
