"""Code snippets that verify webhook signatures with the Standard Webhooks library of each language.

``docs/verify-webhooks.md`` shows the same snippets; a test compares them.
"""

from typing import NamedTuple

SECRET_NAME = "WEBHOOK_SECRET"  # noqa: S105  a variable's name

LISTEN_COMMAND = """python3 manage.py listen --port 9000 \\
  --secret whsec_… \\
  --forward http://127.0.0.1:3000/hooks
"""


class Snippet(NamedTuple):
    """The library of a language, how to install it, and a request handler."""

    key: str
    title: str
    package: str
    install: str
    code: str


PYTHON = Snippet(
    "python",
    "Python",
    "standardwebhooks",
    "pip install standardwebhooks",
    """import os

from django.http import HttpResponse
from django.views.decorators.csrf import csrf_exempt
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

webhook = Webhook(os.environ["WEBHOOK_SECRET"])


@csrf_exempt
def receive(request):  # any framework that gives the raw body will do
    headers = {name.lower(): value for name, value in request.headers.items()}
    try:
        event = webhook.verify(request.body, headers)
    except WebhookVerificationError:
        return HttpResponse(status=400)
    handle_later(headers["webhook-id"], event)  # answer soon, work later
    return HttpResponse(status=204)
""",
)
NODE = Snippet(
    "node",
    "Node",
    "standardwebhooks",
    "npm install standardwebhooks",
    """import express from "express";
import { Webhook } from "standardwebhooks";

const webhook = new Webhook(process.env.WEBHOOK_SECRET);
const app = express();

// The raw body: a parsed one that is written again has other bytes.
app.post("/hooks", express.raw({ type: "application/json" }), (request, response) => {
  let event;
  try {
    event = webhook.verify(request.body.toString("utf8"), request.headers);
  } catch {
    return response.sendStatus(400);
  }
  handleLater(request.headers["webhook-id"], event); // answer soon, work later
  response.sendStatus(204);
});
""",
)
PHP = Snippet(
    "php",
    "PHP",
    "standard-webhooks/standard-webhooks",
    "composer require standard-webhooks/standard-webhooks",
    """<?php
require "vendor/autoload.php";

$webhook = new \\StandardWebhooks\\Webhook(getenv("WEBHOOK_SECRET"));
$headers = array_change_key_case(getallheaders(), CASE_LOWER);
try {
    $event = $webhook->verify(file_get_contents("php://input"), $headers);
} catch (\\StandardWebhooks\\Exception\\WebhookVerificationException $error) {
    http_response_code(400);
    exit;
}
handle_later($headers["webhook-id"], $event); // answer soon, work later
http_response_code(204);
""",
)
RUBY = Snippet(
    "ruby",
    "Ruby",
    "standardwebhooks",
    "gem install standardwebhooks",
    """require "standardwebhooks"

class HooksController < ActionController::API
  WEBHOOK = StandardWebhooks::Webhook.new(ENV.fetch("WEBHOOK_SECRET"))

  def create
    headers = %w[webhook-id webhook-timestamp webhook-signature].to_h { |name| [name, request.headers[name]] }
    event = WEBHOOK.verify(request.raw_post, headers)
    handle_later(headers["webhook-id"], event) # answer soon, work later
    head :no_content
  rescue StandardWebhooks::WebhookVerificationError
    head :bad_request
  end
end
""",
)
GO = Snippet(
    "go",
    "Go",
    "github.com/standard-webhooks/standard-webhooks/libraries/go",
    "go get github.com/standard-webhooks/standard-webhooks/libraries",
    """package main

import (
	"io"
	"net/http"
	"os"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

func main() {
	webhook, err := standardwebhooks.NewWebhook(os.Getenv("WEBHOOK_SECRET"))
	if err != nil {
		panic(err)
	}
	http.HandleFunc("/hooks", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil || webhook.Verify(body, r.Header) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		handleLater(r.Header.Get("webhook-id"), body) // answer soon, work later
		w.WriteHeader(http.StatusNoContent)
	})
	panic(http.ListenAndServe(":8080", nil))
}
""",
)
JAVA = Snippet(
    "java",
    "Java",
    "com.standardwebhooks:standardwebhooks",
    'implementation("com.standardwebhooks:standardwebhooks:1.+") // Gradle',
    """import com.standardwebhooks.Webhook;
import com.standardwebhooks.exceptions.WebhookVerificationException;
import org.springframework.http.ResponseEntity;
import org.springframework.util.MultiValueMap;
import org.springframework.web.bind.annotation.*;

@RestController
class Hooks {
    private final Webhook webhook;

    Hooks() throws Exception {
        webhook = new Webhook(System.getenv("WEBHOOK_SECRET"));
    }

    @PostMapping("/hooks")
    ResponseEntity<Void> receive(@RequestBody String body, @RequestHeader MultiValueMap<String, String> headers) {
        try {
            webhook.verify(body, headers);
        } catch (WebhookVerificationException error) {
            return ResponseEntity.badRequest().build();
        }
        handleLater(headers.getFirst("webhook-id"), body); // answer soon, work later
        return ResponseEntity.noContent().build();
    }
}
""",
)
SNIPPETS = (PYTHON, NODE, PHP, RUBY, GO, JAVA)

TYPE_HANDLERS = {
    "python": """event = webhook.verify(request.body, headers)
if event["type"] == "{type}":
    data = event["data"]
""",
    "node": """const event = webhook.verify(body, headers);
if (event.type === "{type}") {{
  const data = event.data;
}}
""",
}


def snippet_of(key: str) -> Snippet:
    """Return the snippet of a language, by default Python's."""
    return next((each for each in SNIPPETS if each.key == key), PYTHON)


def code_for_type(language: str, event_type: str) -> str:
    """Return code that handles one event type after verification."""
    return TYPE_HANDLERS[language].format(type=event_type)
