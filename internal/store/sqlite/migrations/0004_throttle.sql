-- +goose Up

-- What was tried without success, by account, by client address and by both.
-- key is a keyed hash: an e-mail address that nobody has here cannot be read
-- from it. Counters expire by themselves.
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

-- Secrets of the server's own that all nodes share and that outlive signing
-- keys: what counters and device cookies are keyed with.
CREATE TABLE secrets (
    name   TEXT    PRIMARY KEY NOT NULL,
    secret BLOB    NOT NULL,
    sealed BOOLEAN NOT NULL
);
