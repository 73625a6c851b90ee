-- Version 1. Types are PostgreSQL's names; SQLite takes them as they are. Every id is drawn from
-- `counter` and never drawn again, so rows may outlive what they point at (token, input_material).

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

-- Numbers below `next` have been handed out or reserved by some process.
CREATE TABLE counter (
    name TEXT PRIMARY KEY,
    next BIGINT NOT NULL
);

-- OSCORE between the AS and a client or resource server; ids from the AS's side.
CREATE TABLE peer (
    id            BIGINT PRIMARY KEY,
    recipient_id  BYTEA  NOT NULL UNIQUE,
    sender_id     BYTEA  NOT NULL,
    master_secret BYTEA  NOT NULL,
    master_salt   BYTEA  NOT NULL,
    id_context    BYTEA,
    alg           BIGINT NOT NULL,
    hkdf          BIGINT NOT NULL,
    -- Sender sequence numbers below this may have been used (RFC 8613, appendix B.1.1); 0: never spoken to.
    reserved      BIGINT NOT NULL
);

-- `profiles`: bit n stands for the ace_profile with CBOR value n.
CREATE TABLE client (
    id       BIGINT PRIMARY KEY,
    name     TEXT   NOT NULL UNIQUE,
    peer     BIGINT NOT NULL UNIQUE REFERENCES peer (id),
    profiles BIGINT NOT NULL
);

CREATE TABLE rs (
    id        BIGINT  PRIMARY KEY,
    name      TEXT    NOT NULL UNIQUE,
    audience  TEXT    NOT NULL UNIQUE,
    peer      BIGINT  NOT NULL UNIQUE REFERENCES peer (id),
    profiles  BIGINT  NOT NULL,
    -- The device has no clock: its tokens carry `exi` (RFC 9200, 5.10.3).
    clockless BOOLEAN NOT NULL
);

-- `state`: 0 protects new tokens, 1 only still opens old ones.
CREATE TABLE token_key (
    kid   BYTEA  PRIMARY KEY,
    rs    BIGINT NOT NULL REFERENCES rs (id),
    alg   BIGINT NOT NULL,
    k     BYTEA  NOT NULL,
    state BIGINT NOT NULL
);
CREATE INDEX token_key_rs ON token_key (rs, state);

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

-- OSCORE input material (RFC 9203, 3.2.1); lives as long as a token bound to it.
CREATE TABLE input_material (
    id      BYTEA  PRIMARY KEY,
    client  BIGINT NOT NULL,
    rs      BIGINT NOT NULL,
    ms      BYTEA  NOT NULL,
    salt    BYTEA  NOT NULL,
    created BIGINT NOT NULL
);

-- `hash`: SHA-256 of the token as sent. `scope`: as in the token, CBOR. Times in seconds since the epoch.
CREATE TABLE token (
    cti            BYTEA  PRIMARY KEY,
    hash           BYTEA  NOT NULL,
    client         BIGINT NOT NULL,
    rs             BIGINT NOT NULL,
    scope          BYTEA  NOT NULL,
    iat            BIGINT NOT NULL,
    exp            BIGINT NOT NULL,
    input_material BYTEA  NOT NULL REFERENCES input_material (id)
);
CREATE INDEX token_hash ON token (hash);
CREATE INDEX token_exp ON token (exp);
CREATE INDEX token_input_material ON token (input_material);

INSERT INTO meta (name, value) VALUES ('schema', '1');
