-- +goose Up
-- request is the id of the request that an event came of: its line in the log
-- has the same. Empty for events of the server itself and of the command line.
ALTER TABLE events ADD COLUMN request TEXT NOT NULL DEFAULT '';
