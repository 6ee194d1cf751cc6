-- What the migrations make. The test rewrites this file with -update.

CREATE TABLE audit_chain (
    one          INTEGER PRIMARY KEY CHECK (one = 1),
    begun_at     BIGINT NOT NULL,
    events       BIGINT NOT NULL,
    head_seq     BIGINT NOT NULL,
    head_hash    TEXT   NOT NULL,
    sealed_at    BIGINT NOT NULL,
    anchor_seq   BIGINT NOT NULL,
    anchor_hash  TEXT   NOT NULL,
    anchored_at  BIGINT NOT NULL,
    accepted_seq BIGINT NOT NULL,
    accepted_at  BIGINT NOT NULL,
    verified_at  BIGINT NOT NULL,
    verified_seq BIGINT NOT NULL,
    problems     BIGINT NOT NULL,
    key_id       TEXT   NOT NULL,
    mac          TEXT   NOT NULL
);

CREATE TABLE audit_links (
    seq      INTEGER PRIMARY KEY,
    at       BIGINT NOT NULL,
    count    BIGINT NOT NULL,
    first_id BIGINT NOT NULL,
    last_id  BIGINT NOT NULL,
    ids      TEXT   NOT NULL,
    last_at  BIGINT NOT NULL,
    batch    TEXT   NOT NULL,
    hash     TEXT   NOT NULL
);

CREATE TABLE django_imports (
    source      TEXT   PRIMARY KEY NOT NULL,
    started_at  BIGINT NOT NULL,
    finished_at BIGINT,
    users       BIGINT NOT NULL,
    counts      TEXT   NOT NULL
);

CREATE TABLE django_users (
    user_id BIGINT PRIMARY KEY NOT NULL,
    base    BLOB   NOT NULL
);

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
, changes TEXT NOT NULL DEFAULT '', link BIGINT, request TEXT NOT NULL DEFAULT '');

CREATE INDEX events_at ON events (at, id);

CREATE UNIQUE INDEX events_fold ON events (minute, user_id, address) WHERE minute IS NOT NULL;

CREATE INDEX events_kind ON events (kind, at, id);

CREATE INDEX events_unsealed ON events (id) WHERE link IS NULL;

CREATE INDEX events_user ON events (user_id, id);

CREATE TABLE guards (
    name TEXT   PRIMARY KEY NOT NULL,
    n    BIGINT NOT NULL
);

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

CREATE TABLE links (
    hash       TEXT   PRIMARY KEY NOT NULL,
    kind       TEXT   NOT NULL CHECK (kind IN ('reset', 'setup')),
    user_id    BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires    BIGINT NOT NULL
);

CREATE INDEX links_expires ON links (expires);

CREATE INDEX links_user ON links (user_id, kind);

CREATE TABLE mfa_imported (
    user_id   BIGINT NOT NULL,
    kind      TEXT   NOT NULL,
    source_id BIGINT NOT NULL,
    sealed    BLOB   NOT NULL,
    PRIMARY KEY (user_id, kind, source_id)
);

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

CREATE TABLE samples (
    at            BIGINT PRIMARY KEY NOT NULL,
    live_sessions BIGINT NOT NULL
);

CREATE TABLE secrets (
    name   TEXT    PRIMARY KEY NOT NULL,
    secret BLOB    NOT NULL,
    sealed BOOLEAN NOT NULL
);

CREATE TABLE service_keys (
    id         TEXT   PRIMARY KEY NOT NULL,
    name       TEXT   NOT NULL,
    scope      TEXT   NOT NULL,
    hash       TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    revoked_at BIGINT
);

CREATE UNIQUE INDEX service_keys_hash ON service_keys (hash);

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
, confirmed_at BIGINT) WITHOUT ROWID;

CREATE UNIQUE INDEX sessions_origin_jti ON sessions (origin_jti) WHERE origin_jti IS NOT NULL;

CREATE INDEX sessions_user ON sessions (user_id, created_at) WHERE revoked_at IS NULL;

CREATE TABLE spent_tokens (
    jti     TEXT   PRIMARY KEY NOT NULL,
    user_id BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    kind    TEXT   NOT NULL CHECK (kind IN ('imported', 'outstanding', 'spent'))
) WITHOUT ROWID;

CREATE INDEX spent_tokens_expires ON spent_tokens (expires);

CREATE TABLE throttle (
    key           TEXT   PRIMARY KEY NOT NULL,
    kind          TEXT   NOT NULL,
    user_id       BIGINT NOT NULL,
    address       TEXT   NOT NULL,
    failures      BIGINT NOT NULL,
    last_at       BIGINT NOT NULL,
    expires       BIGINT NOT NULL,
    blocked_until BIGINT NOT NULL,
    known_until   BIGINT NOT NULL,
    places        BLOB   NOT NULL,
    emails        BLOB   NOT NULL
) WITHOUT ROWID;

CREATE INDEX throttle_expires ON throttle (expires);

CREATE INDEX throttle_failures ON throttle (last_at, key) WHERE failures > 0;

CREATE INDEX throttle_user ON throttle (user_id) WHERE user_id > 0;

CREATE TABLE user_words (
    class   BIGINT NOT NULL,
    word    TEXT   NOT NULL,
    user_id BIGINT NOT NULL,
    PRIMARY KEY (class, word, user_id)
) WITHOUT ROWID;

CREATE INDEX user_words_user ON user_words (user_id, word);

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
, name_key TEXT NOT NULL DEFAULT '', search_version BIGINT NOT NULL DEFAULT 0);

CREATE INDEX users_created ON users (created_at, id);

CREATE UNIQUE INDEX users_email_key ON users (email_key);

CREATE INDEX users_foreign_hash ON users (password)
    WHERE password NOT LIKE 'argon2_argon2id_v=19_m=19456,t=2,p=1_%' AND password NOT LIKE '!%';

CREATE INDEX users_last_login ON users (COALESCE(last_login, 0), id);

CREATE INDEX users_name ON users (name_key, id);

CREATE INDEX users_role ON users (role, is_active, id);

CREATE INDEX users_unindexed ON users (id) WHERE search_version < 1;
