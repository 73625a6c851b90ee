/* The client and the resource server of ACE-OAuth (RFC 9200, 9202, 9203) for firmware in C. Made by cbindgen: see the
 * documentation of the crate ace-ffi for how to use it. */

#ifndef ACE_H
#define ACE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* Sizes depend on the width of pointers. */
#if UINTPTR_MAX == 0xffffffff
#define ACE_POINTERS_32
#else
#define ACE_POINTERS_64
#endif


/*
 What memory for a handle is aligned to, in bytes.
 */
#define ACE_ALIGN 8

/*
 Bytes of a seed.
 */
#define ACE_SEED_SIZE 32

/*
 Longest host of an ace_address, in bytes.
 */
#define ACE_HOST_SIZE 16

#if defined(ACE_POINTERS_32)
/*
 Bytes of memory for a client; to be aligned to ACE_ALIGN.
 */
#define ACE_CLIENT_SIZE 8704
#endif

#if defined(ACE_POINTERS_64)
/*
 Bytes of memory for a client; to be aligned to ACE_ALIGN.
 */
#define ACE_CLIENT_SIZE 10240
#endif

/*
 Longest state that a client asks to be saved, in bytes.
 */
#define ACE_CLIENT_STATE_SIZE 960

/*
 Client and authorization server share an OSCORE security context: `master_secret`, `master_salt`, `sender_id`,
 `recipient_id`, `id_context`.
 */
#define ACE_SECURITY_OSCORE 0

/*
 They share a key for DTLS: `psk_identity`, `psk`.
 */
#define ACE_SECURITY_PSK 1

/*
 They know each other's public key for DTLS: `private_key` and its `curve`, `as_public_key`.
 */
#define ACE_SECURITY_RPK 2

/*
 CoAP's GET.
 */
#define ACE_GET 1

/*
 CoAP's POST.
 */
#define ACE_POST 2

/*
 CoAP's PUT.
 */
#define ACE_PUT 3

/*
 CoAP's DELETE.
 */
#define ACE_DELETE 4

/*
 No Content-Format.
 */
#define ACE_NO_FORMAT 65535

/*
 A raw public key on secp256r1, with ECDSA and SHA-256.
 */
#define ACE_P256 0

/*
 A raw public key on Ed25519.
 */
#define ACE_ED25519 1

#if defined(ACE_POINTERS_32)
/*
 Bytes of memory for a resource server; to be aligned to ACE_ALIGN.
 */
#define ACE_RS_SIZE 12800
#endif

#if defined(ACE_POINTERS_64)
/*
 Bytes of memory for a resource server; to be aligned to ACE_ALIGN.
 */
#define ACE_RS_SIZE 15872
#endif

/*
 Longest state that a resource server asks to be saved, in bytes.
 */
#define ACE_RS_STATE_SIZE 64

/*
 Most resources of a resource server.
 */
#define ACE_RS_RESOURCES 8

/*
 Longest value written to a resource, in bytes.
 */
#define ACE_RS_WRITE_SIZE 256

/*
 GET on a resource is allowed.
 */
#define ACE_METHOD_GET 1

/*
 POST on a resource is allowed, and told as a write.
 */
#define ACE_METHOD_POST (1 << 1)

/*
 PUT on a resource is allowed, and told as a write.
 */
#define ACE_METHOD_PUT (1 << 2)

/*
 DELETE on a resource is allowed, and told as a write.
 */
#define ACE_METHOD_DELETE (1 << 3)

/*
 What a function says. Zero: done; positive: done, and there is nothing; negative: refused, and nothing changed.
 */
typedef enum ace_status {
  /*
   Done.
   */
  ACE_OK = 0,
  /*
   There is nothing to send, to tell, or to save.
   */
  ACE_NOTHING = 1,
  /*
   A pointer that must not be null is null, or a length is given without its bytes.
   */
  ACE_ERR_NULL = -1,
  /*
   The memory for the handle is too small or not aligned: see ACE_CLIENT_SIZE, ACE_RS_SIZE and ACE_ALIGN.
   */
  ACE_ERR_MEMORY = -2,
  /*
   This is no handle, or one that was ended.
   */
  ACE_ERR_HANDLE = -3,
  /*
   The configuration cannot work: a URI, an identifier, an algorithm or a list that is not as it must be.
   */
  ACE_ERR_CONFIG = -4,
  /*
   A key has another length or form than its algorithm wants.
   */
  ACE_ERR_KEY = -5,
  /*
   The library was built without this profile or algorithm.
   */
  ACE_ERR_UNSUPPORTED = -6,
  /*
   The saved state is damaged or of another version. To begin anew with the same keys would use a nonce twice:
   give the device new keys.
   */
  ACE_ERR_STATE = -7,
  /*
   The records do not fit the state.
   */
  ACE_ERR_STATE_FULL = -8,
  /*
   The state must be saved first: see ace_client_unsaved and ace_rs_unsaved.
   */
  ACE_ERR_UNSAVED = -9,
  /*
   Another request is under way, or its end was not polled.
   */
  ACE_ERR_BUSY = -10,
  /*
   An argument is not as the function's description says.
   */
  ACE_ERR_ARGUMENT = -11,
  /*
   More bytes than there is room for.
   */
  ACE_ERR_TOO_LONG = -12,
} ace_status;

/*
 What a client has to tell.
 */
typedef enum ace_client_event_kind {
  /*
   Another phase began: `phase`.
   */
  ACE_CLIENT_PHASE = 0,
  /*
   The answer to the request: `code`, `content_format`, `payload`, `is_protected`. Ends it.
   */
  ACE_CLIENT_RESPONSE = 1,
  /*
   News about the observed resource: as for a response. A `code` of 4.00 or above ends the observation.
   */
  ACE_CLIENT_NOTIFICATION = 2,
  /*
   The authorization server refused: `error`, and its sentence in `payload`. Ends the request.
   */
  ACE_CLIENT_REFUSED_BY_AS = 3,
  /*
   The resource server refused: `step`, `code`, `is_protected`. Ends the request.
   */
  ACE_CLIENT_REFUSED_BY_RS = 4,
  /*
   The authorization server granted less than the request needs: `code`. Ends the request.
   */
  ACE_CLIENT_NOT_GRANTED = 5,
  /*
   The resource server names an authorization server that is not trusted: its URI in `payload`. Ends the request.
   */
  ACE_CLIENT_UNTRUSTED_AS = 6,
  /*
   The request failed: `step`, `reason`. Ends it.
   */
  ACE_CLIENT_FAILED = 7,
  /*
   The observation ended, since it could not be renewed: `step`, `reason`.
   */
  ACE_CLIENT_OBSERVATION_LOST = 8,
  /*
   A token could not be renewed; the one held is used on: `step`, `reason`.
   */
  ACE_CLIENT_RENEWAL_FAILED = 9,
} ace_client_event_kind;

/*
 What a client is doing, and where something failed.
 */
typedef enum ace_client_phase {
  /*
   Nothing.
   */
  ACE_IDLE = 0,
  /*
   Asking the resource server, without protection, for its hints.
   */
  ACE_HINTS = 1,
  /*
   Asking the authorization server for a token.
   */
  ACE_TOKEN = 2,
  /*
   Taking the token to the resource server.
   */
  ACE_UPLOAD = 3,
  /*
   Getting more rights for the key in use.
   */
  ACE_UPDATE = 4,
  /*
   The request itself.
   */
  ACE_ACCESS = 5,
  /*
   Waiting for notifications.
   */
  ACE_OBSERVING = 6,
  /*
   A DTLS handshake, with the authorization server or the resource server.
   */
  ACE_HANDSHAKE = 7,
} ace_client_phase;

/*
 Why a step failed.
 */
typedef enum ace_client_reason {
  /*
   Another than those below.
   */
  ACE_REASON_OTHER = 0,
  /*
   No answer.
   */
  ACE_REASON_TIMED_OUT = 1,
  /*
   The peer rejected the message.
   */
  ACE_REASON_RESET = 2,
  /*
   An answer without protection, which anyone may have sent; its code in `code`.
   */
  ACE_REASON_UNPROTECTED = 3,
  /*
   An answer that does not verify.
   */
  ACE_REASON_VERIFICATION = 4,
  /*
   No answer to a request that is not idempotent: it may have been carried out, and was not sent again.
   */
  ACE_REASON_UNKNOWN_OUTCOME = 5,
  /*
   A code that the step does not provide for; in `code`.
   */
  ACE_REASON_UNEXPECTED_CODE = 6,
  /*
   A payload that is not what it must be.
   */
  ACE_REASON_MALFORMED = 7,
  /*
   No hints: name the audience in the request.
   */
  ACE_REASON_NO_HINTS = 8,
  /*
   A token that has expired, or does not say how long it lives.
   */
  ACE_REASON_LIFETIME = 9,
  /*
   A token for a profile or of a type that this client does not have, or without a key.
   */
  ACE_REASON_TOKEN = 10,
  /*
   More than the client has room for.
   */
  ACE_REASON_TOO_LONG = 11,
  /*
   The state would not take the records.
   */
  ACE_REASON_STORAGE = 12,
  /*
   The sequence numbers with the authorization server are used up: register anew.
   */
  ACE_REASON_SEQUENCE_EXHAUSTED = 13,
  /*
   In the background: the authorization server refused; its error in `error`.
   */
  ACE_REASON_REFUSED_BY_AS = 14,
  /*
   In the background: the resource server refused; its code in `code`.
   */
  ACE_REASON_REFUSED_BY_RS = 15,
  /*
   In the background: less was granted than is needed.
   */
  ACE_REASON_NOT_GRANTED = 16,
  /*
   The peer of a DTLS handshake has another key than it must have.
   */
  ACE_REASON_WRONG_KEY = 17,
  /*
   A DTLS handshake failed, or a session ended.
   */
  ACE_REASON_DTLS = 18,
} ace_client_reason;

/*
 What a resource server has to tell.
 */
typedef enum ace_rs_event_kind {
  /*
   A client that was allowed to wrote: `resource`, `method`, `content_format`, `payload`. It has its answer already; the next
   write is answered 5.03 until this event is polled.
   */
  ACE_RS_WRITTEN = 0,
  /*
   A token was posted; its presenter has not proven possession of the key yet.
   */
  ACE_RS_TOKEN_ACCEPTED = 1,
  /*
   The presenter has: the token is in force.
   */
  ACE_RS_TOKEN_CONFIRMED = 2,
  /*
   A token's rights were replaced.
   */
  ACE_RS_TOKEN_UPDATED = 3,
  /*
   A token was refused.
   */
  ACE_RS_TOKEN_REFUSED = 4,
  /*
   A token ended: by time, by revocation, or by the client's next one.
   */
  ACE_RS_TOKEN_ENDED = 5,
  /*
   A request was decided: `code` is the answer; `is_allowed` if a handler ran or a value was read.
   */
  ACE_RS_REQUEST = 6,
  /*
   Anything else: a message that does not verify, a handshake, a session.
   */
  ACE_RS_OTHER = 7,
} ace_rs_event_kind;

/*
 A client. Opaque: it lies in memory that the caller gave to ace_client_init, until ace_client_deinit.
 */
typedef struct ace_client ace_client;

/*
 A resource server. Opaque: it lies in memory that the caller gave to ace_rs_init, until ace_rs_deinit.
 */
typedef struct ace_rs ace_rs;

/*
 Bytes of the caller's, or lent to the caller. Empty if the length is zero, whatever `data` is.
 */
typedef struct ace_bytes {
  /*
   The first.
   */
  const uint8_t *data;
  /*
   How many.
   */
  size_t length;
} ace_bytes;

/*
 Where a peer is: an IPv4 or IPv6 address, or any other name of up to ACE_HOST_SIZE bytes that the link knows.

 Two addresses are the same peer if host and port are equal; `coaps_port` does not count.
 */
typedef struct ace_address {
  /*
   The host; bytes behind `host_length` are ignored.
   */
  uint8_t host[ACE_HOST_SIZE];
  /*
   Bytes of the host that count: 4, 16, or less.
   */
  uint8_t host_length;
  /*
   UDP port, in host byte order.
   */
  uint16_t port;
  /*
   Where the same peer speaks DTLS; 0: at the same port. Only of use in ace_client_request and in the configuration.
   */
  uint16_t coaps_port;
} ace_address;

/*
 What a client is told once. All zero is a good start; set what `as_security` needs.

 Everything it points to stays valid and unchanged until ace_client_deinit, except `private_key`, which is copied.
 */
typedef struct ace_client_config {
  /*
   Where the authorization server is.
   */
  struct ace_address as_address;
  /*
   Its token endpoint, as in the bundle: `coap://…/token` for OSCORE, `coaps://…/token` for DTLS.
   */
  const char *as_uri;
  /*
   How it is spoken to: ACE_SECURITY_OSCORE and so on.
   */
  uint8_t as_security;
  /*
   OSCORE: Master Secret.
   */
  struct ace_bytes master_secret;
  /*
   OSCORE: Master Salt; may be empty.
   */
  struct ace_bytes master_salt;
  /*
   OSCORE: the client's Sender ID.
   */
  struct ace_bytes sender_id;
  /*
   OSCORE: the client's Recipient ID.
   */
  struct ace_bytes recipient_id;
  /*
   OSCORE: ID Context; `data` null if there is none.
   */
  struct ace_bytes id_context;
  /*
   OSCORE: COSE number of the AEAD; 0: 10, AES-CCM-16-64-128.
   */
  int32_t aead;
  /*
   OSCORE: COSE number of the HKDF; 0: -10, HKDF SHA-256.
   */
  int32_t hkdf;
  /*
   PSK: identity towards the authorization server.
   */
  struct ace_bytes psk_identity;
  /*
   PSK: key.
   */
  struct ace_bytes psk;
  /*
   RPK, also towards resource servers: the client's private key, 32 bytes; empty if there is none.
   */
  struct ace_bytes private_key;
  /*
   RPK: its curve, ACE_P256 or ACE_ED25519.
   */
  uint8_t curve;
  /*
   RPK: the authorization server's public key, a SubjectPublicKeyInfo in DER.
   */
  struct ace_bytes as_public_key;
  /*
   PSK towards resource servers: the whole token goes into the handshake instead of to `/authz-info` first; 0 or 1.
   */
  uint8_t token_in_handshake;
  /*
   Seconds before its end at which a token is renewed; 0: 60.
   */
  uint32_t renew_before;
} ace_client_config;

/*
 A request.

 Everything it points to is copied by ace_client_request.
 */
typedef struct ace_request {
  /*
   CoAP code of the method: ACE_GET, ACE_POST, ACE_PUT, ACE_DELETE and others.
   */
  uint8_t method;
  /*
   Absolute path, `/temp`, without percent-encoding.
   */
  const char *path;
  /*
   Query without the question mark; null for none.
   */
  const char *query;
  /*
   Body; empty for none.
   */
  struct ace_bytes payload;
  /*
   Content-Format of the body; ACE_NO_FORMAT for none.
   */
  uint16_t content_format;
  /*
   Content-Format wanted; ACE_NO_FORMAT for any.
   */
  uint16_t accept;
  /*
   Observe the resource (RFC 7641); 0 or 1.
   */
  uint8_t observe;
  /*
   Audience to ask for; null: the one that the resource server hints at, with one more exchange.
   */
  const char *audience;
  /*
   Scope to ask for, as text; null: the one that the resource server hints at, or the default.
   */
  const char *scope;
} ace_request;

/*
 What a client tells. What does not belong to its kind is zero.
 */
typedef struct ace_client_event {
  /*
   What happened.
   */
  enum ace_client_event_kind kind;
  /*
   The phase that began, or the step that failed or was refused.
   */
  enum ace_client_phase phase;
  /*
   Why it failed.
   */
  enum ace_client_reason reason;
  /*
   Response code, as in CoAP: class in the upper three bits.
   */
  uint8_t code;
  /*
   Content-Format of the payload; ACE_NO_FORMAT if it has none.
   */
  uint16_t content_format;
  /*
   Whether the answer was protected; what is not may be anybody's.
   */
  bool is_protected;
  /*
   Error of the authorization server, as in RFC 9200, 8.4.
   */
  int32_t error;
  /*
   The body, or a text; lent until the next call on the handle.
   */
  struct ace_bytes payload;
} ace_client_event;

/*
 A resource.
 */
typedef struct ace_resource {
  /*
   Absolute path, `/temp`; valid until ace_rs_deinit.
   */
  const char *path;
  /*
   The methods it has: ACE_METHOD_GET and so on, added.
   */
  uint32_t methods;
  /*
   Anyone may use it, without a token; 0 or 1.
   */
  uint8_t is_public;
  /*
   Its changes may be observed (RFC 7641); 0 or 1.
   */
  uint8_t is_observable;
  /*
   Where its value is kept, of `size` bytes: the caller's, used by the server until ace_rs_deinit.
   */
  uint8_t *value;
  /*
   The longest value.
   */
  size_t size;
  /*
   Content-Format of the value; ACE_NO_FORMAT for none.
   */
  uint16_t content_format;
} ace_resource;

/*
 What a resource server is told once. All zero is a good start. What it points to stays valid and unchanged until
 ace_rs_deinit, except `private_key` and `resources` itself, which are copied.
 */
typedef struct ace_rs_config {
  /*
   The audience of its tokens, as in the bundle.
   */
  const char *audience;
  /*
   The issuer of its tokens, as in the bundle.
   */
  const char *issuer;
  /*
   URI of the token endpoint, told to clients without a token; null leaves it out.
   */
  const char *as_uri;
  /*
   Key identifier of the token key.
   */
  struct ace_bytes token_kid;
  /*
   COSE number of its algorithm; 0: 10, AES-CCM-16-64-128. With the profile of raw public keys also -7 and -8, for tokens
   that are signed.
   */
  int32_t token_alg;
  /*
   The token key: the secret, or for signed tokens the authorization server's public key, a SubjectPublicKeyInfo in DER.
   */
  struct ace_bytes token_key;
  /*
   Derives the keys of DTLS clients whose token only names one (RFC 9202, 3.3.1); empty if there is none.
   */
  struct ace_bytes key_derivation_key;
  /*
   Its own private key for raw public keys, 32 bytes; empty if there is none.
   */
  struct ace_bytes private_key;
  /*
   The curve of it, ACE_P256 or ACE_ED25519.
   */
  uint8_t curve;
  /*
   The resources, at most ACE_RS_RESOURCES.
   */
  const struct ace_resource *resources;
  /*
   How many.
   */
  size_t resource_count;
} ace_rs_config;

/*
 What a resource server tells. What does not belong to its kind is zero.
 */
typedef struct ace_rs_event {
  /*
   What happened.
   */
  enum ace_rs_event_kind kind;
  /*
   Number of the token it is about; 0 if none is known.
   */
  uint32_t token;
  /*
   Index of the resource.
   */
  size_t resource;
  /*
   Method of a write, as in CoAP.
   */
  uint8_t method;
  /*
   Code of an answer, as in CoAP.
   */
  uint8_t code;
  /*
   Whether a request was allowed.
   */
  bool is_allowed;
  /*
   Content-Format of a write; ACE_NO_FORMAT if it has none.
   */
  uint16_t content_format;
  /*
   What was written; lent until the next call on the handle.
   */
  struct ace_bytes payload;
} ace_rs_event;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/*
 Chooses between two places where states were saved: the newer of those that are whole.

 A state is saved in the first place, then in the second, and only then is ace_client_saved or ace_rs_saved called: a loss of
 power leaves one place whole, and so does damage to the other. `*newest` points into `first` or `second`. ACE_NOTHING if there
 is none yet: both places are blank (no bytes, or only 0x00 or 0xff), or one is and the other was not finished, for then
 nothing was sent. ACE_ERR_STATE if there was something and none is whole; ACE_ERR_NULL.

 # Safety
 Pointers are null or valid.
 */
enum ace_status ace_state_newest(struct ace_bytes first,
                                 struct ace_bytes second,
                                 struct ace_bytes *newest);

/*
 Makes a client in `memory` of `size` bytes, at least ACE_CLIENT_SIZE, aligned to ACE_ALIGN.

 `seed` is ACE_SEED_SIZE bytes of fresh entropy, new at every start: all randomness of the client comes from it.
 `state` is what was saved last, as ace_client_unsaved gave it, or empty at the very first start: if there was a state and
 it is lost, give the device new keys. On success `*client` is the handle.

 Ownership: the memory is the client's until ace_client_deinit, and must not be moved or copied; what `config` points to
 stays valid and unchanged until then, `seed`, `state` and `config` itself only during the call. Threads: one call at a time
 on one handle, from any thread. Errors: ACE_ERR_NULL, ACE_ERR_MEMORY, ACE_ERR_CONFIG, ACE_ERR_KEY, ACE_ERR_UNSUPPORTED,
 ACE_ERR_STATE, ACE_ERR_ARGUMENT; then there is no client.

 # Safety
 Pointers are null or valid as said.
 */
enum ace_status ace_client_init(uint8_t *memory,
                                size_t size,
                                const struct ace_client_config *config,
                                const uint8_t *seed,
                                struct ace_bytes state,
                                struct ace_client **client);

/*
 Ends a client and wipes its memory, which is the caller's again.

 Errors: ACE_ERR_NULL, ACE_ERR_HANDLE.

 # Safety
 The handle comes from ace_client_init or is no handle; nothing that the client lent is used any more.
 */
enum ace_status ace_client_deinit(struct ace_client *client);

/*
 Takes a request to the resource server at `address`; its end is told by ace_client_poll_event.

 `now`: milliseconds of a clock that never goes back. `wall`: seconds since 1970, 0 if not known. `request` and all it points
 to are copied. Errors: ACE_ERR_NULL, ACE_ERR_HANDLE, ACE_ERR_ARGUMENT (method, path, query or text), ACE_ERR_TOO_LONG,
 ACE_ERR_BUSY until the request before has ended and its end was polled.

 # Safety
 Pointers are null or valid.
 */
enum ace_status ace_client_request(struct ace_client *client,
                                   uint64_t now,
                                   uint64_t wall,
                                   const struct ace_address *address,
                                   const struct ace_request *request);

/*
 Gives up the request under way; no event tells its end. What the resource server does with it is not known.

 Errors: ACE_ERR_NULL, ACE_ERR_HANDLE.

 # Safety
 The handle comes from ace_client_init or is no handle.
 */
enum ace_status ace_client_cancel(struct ace_client *client);

/*
 Ends the observation.

 Errors: ACE_ERR_NULL, ACE_ERR_HANDLE.

 # Safety
 The handle comes from ace_client_init or is no handle.
 */
enum ace_status ace_client_cancel_observation(struct ace_client *client);

/*
 Takes a datagram that came from `address`, CoAP or DTLS. It may be anything: what is not for the client is dropped.

 The bytes are changed (decrypted in place), and are the caller's again when the call returns. Errors: ACE_ERR_NULL,
 ACE_ERR_HANDLE.

 # Safety
 Pointers are null or valid; `datagram` for reads and writes of `length` bytes.
 */
enum ace_status ace_client_handle(struct ace_client *client,
                                  uint64_t now,
                                  uint64_t wall,
                                  const struct ace_address *address,
                                  uint8_t *datagram,
                                  size_t length);

/*
 The next datagram to send, until ACE_NOTHING; to be called after every other call.

 `*datagram` is lent until the next call on this handle. Errors: ACE_ERR_NULL, ACE_ERR_HANDLE, ACE_ERR_UNSAVED: what the
 datagram relies on must be saved first, see ace_client_unsaved.

 # Safety
 Pointers are null or valid.
 */
enum ace_status ace_client_poll_transmit(struct ace_client *client,
                                         uint64_t now,
                                         struct ace_address *address,
                                         struct ace_bytes *datagram);

/*
 The next event, until ACE_NOTHING. What it points to is lent until the next call on this handle.

 Errors: ACE_ERR_NULL, ACE_ERR_HANDLE.

 # Safety
 Pointers are null or valid.
 */
enum ace_status ace_client_poll_event(struct ace_client *client, struct ace_client_event *event);

/*
 When ace_client_handle_timeout is to be called, by the clock of `now`; ACE_NOTHING if nothing is to come. To be asked again
 after every call.

 Errors: ACE_ERR_NULL, ACE_ERR_HANDLE.

 # Safety
 Pointers are null or valid.
 */
enum ace_status ace_client_poll_timeout(struct ace_client *client,
                                        uint64_t *at);

/*
 Does what is due at `now`.

 Errors: ACE_ERR_NULL, ACE_ERR_HANDLE.

 # Safety
 The handle comes from ace_client_init or is no handle.
 */
enum ace_status ace_client_handle_timeout(struct ace_client *client, uint64_t now, uint64_t wall);

/*
 The state that must be saved before anything more is sent, at most ACE_CLIENT_STATE_SIZE bytes; ACE_NOTHING if the saved one
 is current. It holds keys: keep it as safe as those.

 Save it so that neither a loss of power nor a damaged place of the flash brings back an older one (ace_state_newest says how),
 then call ace_client_saved. `*state` is lent until the next call on this handle. Errors: ACE_ERR_NULL, ACE_ERR_HANDLE.

 # Safety
 Pointers are null or valid.
 */
enum ace_status ace_client_unsaved(struct ace_client *client,
                                   struct ace_bytes *state);

/*
 The state that ace_client_unsaved gave last is saved. If it changed since then, it is still unsaved.

 Errors: ACE_ERR_NULL, ACE_ERR_HANDLE.

 # Safety
 The handle comes from ace_client_init or is no handle.
 */
enum ace_status ace_client_saved(struct ace_client *client);

/*
 Adds `length` bytes of entropy to the randomness of the client.

 Errors: ACE_ERR_NULL, ACE_ERR_HANDLE.

 # Safety
 Pointers are null or valid.
 */
enum ace_status ace_client_reseed(struct ace_client *client, struct ace_bytes entropy);

/*
 Makes a resource server in `memory` of `size` bytes, at least ACE_RS_SIZE, aligned to ACE_ALIGN.

 `seed` and `state` as for ace_client_init. On success `*rs` is the handle.

 Ownership: the memory is the server's until ace_rs_deinit, and must not be moved or copied; what `config` points to stays valid
 and unchanged until then, `seed`, `state` and `config` itself only during the call. Threads: one call at a time on one handle, from
 any thread. Errors: ACE_ERR_NULL, ACE_ERR_MEMORY, ACE_ERR_CONFIG, ACE_ERR_KEY, ACE_ERR_UNSUPPORTED, ACE_ERR_STATE,
 ACE_ERR_ARGUMENT; then there is no server.

 # Safety
 Pointers are null or valid as said.
 */
enum ace_status ace_rs_init(uint8_t *memory,
                            size_t size,
                            const struct ace_rs_config *config,
                            const uint8_t *seed,
                            struct ace_bytes state,
                            struct ace_rs **rs);

/*
 Ends a resource server and wipes its memory, which is the caller's again. Clients are not told.

 Errors: ACE_ERR_NULL, ACE_ERR_HANDLE.

 # Safety
 The handle comes from ace_rs_init or is no handle; nothing that the server lent is used any more.
 */
enum ace_status ace_rs_deinit(struct ace_rs *rs);

/*
 Takes a datagram that came from `address`, CoAP or DTLS; as ace_client_handle.

 # Safety
 Pointers are null or valid; `datagram` for reads and writes of `length` bytes.
 */
enum ace_status ace_rs_handle(struct ace_rs *rs,
                              uint64_t now,
                              uint64_t wall,
                              const struct ace_address *address,
                              uint8_t *datagram,
                              size_t length);

/*
 The next datagram to send, until ACE_NOTHING; as ace_client_poll_transmit.

 # Safety
 Pointers are null or valid.
 */
enum ace_status ace_rs_poll_transmit(struct ace_rs *rs,
                                     uint64_t now,
                                     struct ace_address *address,
                                     struct ace_bytes *datagram);

/*
 The next event, until ACE_NOTHING; a write comes first. What it points to is lent until the next call on this handle.

 Errors: ACE_ERR_NULL, ACE_ERR_HANDLE.

 # Safety
 Pointers are null or valid.
 */
enum ace_status ace_rs_poll_event(struct ace_rs *rs, struct ace_rs_event *event);

/*
 When ace_rs_handle_timeout is to be called; as ace_client_poll_timeout.

 # Safety
 Pointers are null or valid.
 */
enum ace_status ace_rs_poll_timeout(struct ace_rs *rs, uint64_t *at);

/*
 Does what is due at `now`.

 Errors: ACE_ERR_NULL, ACE_ERR_HANDLE.

 # Safety
 The handle comes from ace_rs_init or is no handle.
 */
enum ace_status ace_rs_handle_timeout(struct ace_rs *rs, uint64_t now, uint64_t wall);

/*
 Sets the value of the resource with this index in the configuration, and tells its observers.

 `value` is copied; it may be the resource's own memory, or part of it, but nothing that the handle lent: copy a payload first.
 Errors: ACE_ERR_NULL, ACE_ERR_HANDLE, ACE_ERR_ARGUMENT for an index that is none, ACE_ERR_TOO_LONG.

 # Safety
 Pointers are null or valid.
 */
enum ace_status ace_rs_set(struct ace_rs *rs,
                           uint64_t now,
                           uint64_t wall,
                           size_t resource,
                           struct ace_bytes value);

/*
 Ends the tokens with this `cti`; `*count`, which may be null, is how many there were.

 Errors: ACE_ERR_NULL, ACE_ERR_HANDLE.

 # Safety
 Pointers are null or valid.
 */
enum ace_status ace_rs_revoke(struct ace_rs *rs, uint64_t now, struct ace_bytes cti, size_t *count);

/*
 The state that must be saved before anything more is sent, at most ACE_RS_STATE_SIZE bytes; as ace_client_unsaved.

 # Safety
 Pointers are null or valid.
 */
enum ace_status ace_rs_unsaved(struct ace_rs *rs, struct ace_bytes *state);

/*
 The state that ace_rs_unsaved gave last is saved.

 Errors: ACE_ERR_NULL, ACE_ERR_HANDLE.

 # Safety
 The handle comes from ace_rs_init or is no handle.
 */
enum ace_status ace_rs_saved(struct ace_rs *rs);

/*
 Adds entropy to the randomness of the server.

 Errors: ACE_ERR_NULL, ACE_ERR_HANDLE.

 # Safety
 Pointers are null or valid.
 */
enum ace_status ace_rs_reseed(struct ace_rs *rs, struct ace_bytes entropy);

/*
 One sentence about a status, in English; static, and never null.
 */
const char *ace_status_text(int32_t status);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* ACE_H */
