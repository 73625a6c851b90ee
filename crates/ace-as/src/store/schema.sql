-- Version 2. Types are PostgreSQL's names; SQLite takes them as they are. Every id is drawn from
-- `counter` and never drawn again, so rows may outlive what they point at (token, pop_key).

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

-- Numbers below `next` have been handed out or reserved by some process.
CREATE TABLE counter (
    name TEXT PRIMARY KEY,
    next BIGINT NOT NULL
);

-- What a client or resource server authenticates itself with at the AS: OSCORE, DTLS, or both.
CREATE TABLE peer (
    id            BIGINT PRIMARY KEY,
    -- OSCORE, ids from the AS's side.
    recipient_id  BYTEA UNIQUE,
    sender_id     BYTEA,
    master_secret BYTEA,
    master_salt   BYTEA,
    id_context    BYTEA,
    alg           BIGINT,
    hkdf          BIGINT,
    -- Sender sequence numbers below this may have been used (RFC 8613, appendix B.1.1); 0: never spoken to.
    reserved      BIGINT NOT NULL,
    -- DTLS with a pre-shared key.
    psk_identity  BYTEA UNIQUE,
    psk           BYTEA,
    -- DTLS with a raw public key: DER of its SubjectPublicKeyInfo. The private key is there if it was made here.
    public_key    BYTEA UNIQUE,
    private_key   BYTEA
);

-- `profiles`, here and in rs: 1 coap_dtls with PSK, 2 coap_dtls with raw public keys, 4 coap_oscore, added up.
CREATE TABLE client (
    id       BIGINT PRIMARY KEY,
    name     TEXT   NOT NULL UNIQUE,
    peer     BIGINT NOT NULL UNIQUE REFERENCES peer (id),
    profiles BIGINT NOT NULL
);

CREATE TABLE rs (
    id                 BIGINT  PRIMARY KEY,
    name               TEXT    NOT NULL UNIQUE,
    audience           TEXT    NOT NULL UNIQUE,
    peer               BIGINT  NOT NULL UNIQUE REFERENCES peer (id),
    profiles           BIGINT  NOT NULL,
    -- The device has no clock: its tokens carry `exi` (RFC 9200, 5.10.3).
    clockless          BOOLEAN NOT NULL,
    -- What protects new tokens: the key in token_key, or the AS's own if it signs.
    token_alg          BIGINT  NOT NULL,
    -- Shared keys are derived from this, and not put into tokens (RFC 9202, 3.3.1).
    key_derivation_key BYTEA
);

-- Keys shared with a resource server. `state`: 0 protects new tokens, 1 only still opens old ones.
CREATE TABLE token_key (
    kid   BYTEA  PRIMARY KEY,
    rs    BIGINT NOT NULL REFERENCES rs (id),
    alg   BIGINT NOT NULL,
    k     BYTEA  NOT NULL,
    state BIGINT NOT NULL
);
CREATE INDEX token_key_rs ON token_key (rs, state);

-- The AS's own keys. `purpose`: 0 DTLS, 1 signatures of tokens. `state` as in token_key.
CREATE TABLE as_key (
    kid         BYTEA  PRIMARY KEY,
    purpose     BIGINT NOT NULL,
    alg         BIGINT NOT NULL,
    private_key BYTEA  NOT NULL,
    state       BIGINT NOT NULL
);

-- `kind` 0: `object` is a scope token, `methods` 0. `kind` 1: `object` is a path, `methods` the AIF bits.
CREATE TABLE grant_ (
    client  BIGINT NOT NULL REFERENCES client (id),
    rs      BIGINT NOT NULL REFERENCES rs (id),
    kind    BIGINT NOT NULL,
    object  TEXT   NOT NULL,
    methods BIGINT NOT NULL,
    PRIMARY KEY (client, rs, kind, object)
);
CREATE INDEX grant_rs ON grant_ (rs);

-- Proof-of-possession keys; each lives as long as a token bound to it. `profile`: one of the numbers in client.
CREATE TABLE pop_key (
    client  BIGINT NOT NULL,
    rs      BIGINT NOT NULL,
    kid     BYTEA  NOT NULL,
    profile BIGINT NOT NULL,
    -- Master Secret (RFC 9203, 3.2.1) or pre-shared key; none if the client has a public key.
    k       BYTEA,
    -- Of OSCORE input material.
    salt    BYTEA,
    created BIGINT NOT NULL,
    PRIMARY KEY (client, rs, kid)
);

-- `hash`: SHA-256 of the token as sent. `scope`: as in the token, CBOR. Times in seconds since the epoch.
CREATE TABLE token (
    cti    BYTEA  PRIMARY KEY,
    hash   BYTEA  NOT NULL,
    client BIGINT NOT NULL,
    rs     BIGINT NOT NULL,
    scope  BYTEA  NOT NULL,
    iat    BIGINT NOT NULL,
    exp    BIGINT NOT NULL,
    kid    BYTEA  NOT NULL,
    FOREIGN KEY (client, rs, kid) REFERENCES pop_key (client, rs, kid)
);
CREATE INDEX token_hash ON token (hash);
CREATE INDEX token_exp ON token (exp);
CREATE INDEX token_pop_key ON token (client, rs, kid);

INSERT INTO meta (name, value) VALUES ('schema', '2');
