-- What the migrations make. The test rewrites this file with -update.

CREATE TABLE events (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    at         BIGINT  NOT NULL,
    kind       TEXT    NOT NULL,
    user_id    BIGINT  NOT NULL,
    actor_id   BIGINT  NOT NULL,
    session_id TEXT    NOT NULL,
    address    TEXT    NOT NULL,
    user_agent TEXT    NOT NULL,
    count      BIGINT  NOT NULL,
    detail     TEXT    NOT NULL,
    minute     BIGINT
);

CREATE INDEX events_at ON events (at);

CREATE UNIQUE INDEX events_fold ON events (minute, user_id, address) WHERE minute IS NOT NULL;

CREATE INDEX events_user ON events (user_id, id);

CREATE TABLE keys (
    id           TEXT    PRIMARY KEY NOT NULL,
    algorithm    TEXT    NOT NULL,
    state        TEXT    NOT NULL CHECK (state IN ('published', 'signing', 'retired', 'removed')),
    secret       BLOB,
    sealed       BOOLEAN NOT NULL,
    fingerprint  TEXT    NOT NULL,
    created_at   BIGINT  NOT NULL,
    retired_at   BIGINT,
    accept_until BIGINT
, signs_at BIGINT, lifetime BIGINT NOT NULL DEFAULT 0);

CREATE TABLE revocation_clock (
    one        INTEGER PRIMARY KEY CHECK (one = 1),
    seq        BIGINT NOT NULL,
    max_access BIGINT NOT NULL -- microseconds
);

CREATE TABLE revocations (
    seq           INTEGER PRIMARY KEY,
    kind          TEXT   NOT NULL CHECK (kind IN ('sid', 'jti', 'user', 'all')),
    key           TEXT   NOT NULL,
    gen           BIGINT NOT NULL,
    issued_before BIGINT NOT NULL,
    until         BIGINT NOT NULL
);

CREATE INDEX revocations_key ON revocations (kind, key);

CREATE INDEX revocations_until ON revocations (until);

CREATE TABLE sessions (
    id         TEXT   PRIMARY KEY NOT NULL,
    user_id    BIGINT NOT NULL,
    jti        TEXT   NOT NULL,
    issued_at  BIGINT NOT NULL,
    expires    BIGINT NOT NULL,
    prev_jti   TEXT,
    rotated_at BIGINT,
    origin_jti TEXT,
    created_at BIGINT NOT NULL,
    last_seen  BIGINT NOT NULL,
    until      BIGINT NOT NULL,
    revoked_at BIGINT,
    address    TEXT   NOT NULL,
    user_agent TEXT   NOT NULL
) WITHOUT ROWID;

CREATE UNIQUE INDEX sessions_origin_jti ON sessions (origin_jti) WHERE origin_jti IS NOT NULL;

CREATE INDEX sessions_user ON sessions (user_id, created_at) WHERE revoked_at IS NULL;

CREATE TABLE users (
    id                 INTEGER PRIMARY KEY AUTOINCREMENT,
    email              TEXT    NOT NULL,
    email_key          TEXT    NOT NULL,
    first_name         TEXT    NOT NULL,
    last_name          TEXT    NOT NULL,
    phone              TEXT    NOT NULL,
    role               TEXT    NOT NULL CHECK (role IN ('admin', 'manager', 'employee', 'client')),
    is_active          BOOLEAN NOT NULL,
    password           TEXT    NOT NULL,
    credential_version BIGINT  NOT NULL,
    gen                BIGINT  NOT NULL,
    valid_after        BIGINT,
    created_at         BIGINT  NOT NULL,
    updated_at         BIGINT  NOT NULL,
    last_login         BIGINT
);

CREATE UNIQUE INDEX users_email_key ON users (email_key);
