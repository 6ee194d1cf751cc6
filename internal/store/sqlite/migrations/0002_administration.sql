-- +goose Up

-- name_key is "last first" in lower case, the order of people in a list.
-- search_version says by which rules the user's words were made; 0: not yet.
ALTER TABLE users ADD COLUMN name_key TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN search_version BIGINT NOT NULL DEFAULT 0;

-- Each order of the list of users has an index, and so has each of its filters.
CREATE INDEX users_name ON users (name_key, id);
CREATE INDEX users_created ON users (created_at, id);
CREATE INDEX users_last_login ON users (COALESCE(last_login, 0), id);
CREATE INDEX users_role ON users (role, is_active, id);
CREATE INDEX users_unindexed ON users (id) WHERE search_version < 1;

-- The words of names and e-mail addresses, by whose beginnings users are found.
-- class is 2 × the role's place in the list admin, manager, employee, client,
-- and 1 more if the user is active: so a search within a role is one range.
CREATE TABLE user_words (
    class   BIGINT NOT NULL,
    word    TEXT   NOT NULL,
    user_id BIGINT NOT NULL,
    PRIMARY KEY (class, word, user_id)
) WITHOUT ROWID;
CREATE INDEX user_words_user ON user_words (user_id, word);

-- A rule across rows is decided by who updates its row first.
CREATE TABLE guards (
    name TEXT   PRIMARY KEY NOT NULL,
    n    BIGINT NOT NULL
);
INSERT INTO guards (name, n) VALUES ('active_admins', 0);

-- Links that work once. Only the token's hash is kept.
CREATE TABLE links (
    hash       TEXT   PRIMARY KEY NOT NULL,
    kind       TEXT   NOT NULL CHECK (kind IN ('reset', 'setup')),
    user_id    BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires    BIGINT NOT NULL
);
CREATE INDEX links_user ON links (user_id, kind);
CREATE INDEX links_expires ON links (expires);

-- What other services read the revocations with. Only the key's hash is kept.
CREATE TABLE service_keys (
    id         TEXT   PRIMARY KEY NOT NULL,
    name       TEXT   NOT NULL,
    scope      TEXT   NOT NULL,
    hash       TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    revoked_at BIGINT
);
CREATE UNIQUE INDEX service_keys_hash ON service_keys (hash);

-- changes is what an edit changed: {"field":["before","after"]}, or ''.
ALTER TABLE events ADD COLUMN changes TEXT NOT NULL DEFAULT '';
DROP INDEX events_at;
CREATE INDEX events_at ON events (at, id);
CREATE INDEX events_kind ON events (kind, at, id);

-- What can be counted now and not later.
CREATE TABLE samples (
    at            BIGINT PRIMARY KEY NOT NULL,
    live_sessions BIGINT NOT NULL
);
