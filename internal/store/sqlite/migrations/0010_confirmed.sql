-- +goose Up

-- When the password was last proved in a session, at its sign-in or since; NULL
-- for one that Django opened, and for those from before this was noted.
ALTER TABLE sessions ADD COLUMN confirmed_at BIGINT;
