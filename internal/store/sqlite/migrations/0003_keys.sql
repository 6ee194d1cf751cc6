-- +goose Up
-- When a key begins to sign, which a published one is told beforehand, and the
-- lifetime in microseconds of the longest-lived token that it may have signed.
ALTER TABLE keys ADD COLUMN signs_at BIGINT;
ALTER TABLE keys ADD COLUMN lifetime BIGINT NOT NULL DEFAULT 0;
