-- +goose Up
-- link is the link of the chain that holds an event; NULL until it is sealed.
-- The index has the few events that are not sealed yet and no more.
ALTER TABLE events ADD COLUMN link BIGINT;
CREATE INDEX events_unsealed ON events (id) WHERE link IS NULL;

-- One row per batch of sealed events. ids are the events' ids, as "1-5,7".
CREATE TABLE audit_links (
    seq      BIGINT PRIMARY KEY,
    at       BIGINT NOT NULL,
    count    BIGINT NOT NULL,
    first_id BIGINT NOT NULL,
    last_id  BIGINT NOT NULL,
    ids      TEXT   NOT NULL,
    last_at  BIGINT NOT NULL,
    batch    TEXT   NOT NULL,
    hash     TEXT   NOT NULL
);

-- The chain's two ends, under one MAC. Its row lock lets one node seal at a
-- time.
CREATE TABLE audit_chain (
    one          BIGINT PRIMARY KEY CHECK (one = 1),
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
INSERT INTO audit_chain VALUES (1, 0, 0, 0, '', 0, 0, '', 0, 0, 0, 0, 0, 0, '', '');
