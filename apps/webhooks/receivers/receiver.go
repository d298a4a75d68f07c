// Receive webhooks: verify each request, handle each event once.
//
// Run it with Go 1.19 or later; it needs no modules:
//
//	WEBHOOK_SECRET=whsec_... go run receiver.go
package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	tolerance        = 5 * time.Minute
	maxBodyBytes     = 1 << 20
	maxRememberedIDs = 10_000
)

// Event is what the body of a webhook holds.
type Event struct {
	Type      string          `json:"type"`
	Timestamp string          `json:"timestamp"`
	Data      json.RawMessage `json:"data"`
}

// receiver remembers the ids of handled events. In production, use a table
// with a unique column instead, so that the ids survive a restart.
type receiver struct {
	key        []byte
	mutex      sync.Mutex
	handledIDs map[string]bool
	oldestIDs  []string
}

// handle puts the event into a queue and returns. After an error the event is sent again.
func handle(eventID string, event Event) error {
	fmt.Printf("verified %s %s\n", eventID, event.Type)
	return nil
}

// signingKey returns the key of the signing secret: the base64 text after "whsec_", decoded.
func signingKey() ([]byte, error) {
	secret := strings.TrimPrefix(strings.TrimSpace(os.Getenv("WEBHOOK_SECRET")), "whsec_")
	key, err := base64.StdEncoding.DecodeString(secret)
	if err != nil || len(key) == 0 {
		return nil, errors.New("set WEBHOOK_SECRET to the signing secret of your endpoint (whsec_...)")
	}
	return key, nil
}

// verify returns an error unless the raw body was signed with the key within the last five minutes.
func verify(key []byte, header http.Header, body []byte) error {
	eventID := header.Get("webhook-id")
	timestamp := header.Get("webhook-timestamp")
	signatures := header.Get("webhook-signature")
	if eventID == "" || timestamp == "" || signatures == "" {
		return errors.New("a webhook header is missing")
	}
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	now := time.Now()
	sentAt := time.Unix(seconds, 0)
	if err != nil || sentAt.Before(now.Add(-tolerance)) || sentAt.After(now.Add(tolerance)) {
		return errors.New("the timestamp is more than five minutes off")
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(eventID + "." + timestamp + "."))
	mac.Write(body)
	expected := []byte("v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	// While a secret is rotated, there is one signature for each secret.
	for _, each := range strings.Split(signatures, " ") {
		if hmac.Equal([]byte(each), expected) {
			return nil
		}
	}
	return errors.New("no signature matches the secret and the body")
}

// ServeHTTP answers 204 to a verified event and 401 to any other POST.
func (r *receiver) ServeHTTP(response http.ResponseWriter, request *http.Request) {
	if request.Method != http.MethodPost {
		response.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(response, request.Body, maxBodyBytes))
	if err != nil {
		response.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	if err := verify(r.key, request.Header, body); err != nil {
		fmt.Printf("refused: %s\n", err)
		response.WriteHeader(http.StatusUnauthorized)
		return
	}
	if err := r.handleOnce(request.Header.Get("webhook-id"), body); err != nil {
		log.Print(err)
		response.WriteHeader(http.StatusInternalServerError)
		return
	}
	response.WriteHeader(http.StatusNoContent)
}

// handleOnce skips an event that was handled before: retries and replays have the same id.
func (r *receiver) handleOnce(eventID string, body []byte) error {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.handledIDs[eventID] {
		return nil
	}
	var event Event
	if err := json.Unmarshal(body, &event); err != nil {
		return err
	}
	if err := handle(eventID, event); err != nil {
		return err
	}
	r.handledIDs[eventID] = true
	r.oldestIDs = append(r.oldestIDs, eventID)
	if len(r.oldestIDs) > maxRememberedIDs {
		delete(r.handledIDs, r.oldestIDs[0])
		r.oldestIDs = r.oldestIDs[1:]
	}
	return nil
}

func main() {
	key, err := signingKey()
	if err != nil {
		log.Fatal(err)
	}
	port := os.Getenv("PORT")
	if port == "" {
		port = "9000"
	}
	server := &http.Server{
		Addr:        "127.0.0.1:" + port,
		Handler:     &receiver{key: key, handledIDs: map[string]bool{}},
		ReadTimeout: 10 * time.Second,
	}
	fmt.Println("listening on http://" + server.Addr)
	log.Fatal(server.ListenAndServe())
}
