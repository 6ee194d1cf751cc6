-- +goose Up

-- What the last import from Django noted of each user, to tell at the next one
-- what has changed there and what here. The row outlives a user who is deleted,
-- so that they do not come back.
CREATE TABLE django_users (
    user_id BIGINT PRIMARY KEY NOT NULL,
    base    BYTEA  NOT NULL
);

-- Refresh tokens that a session does not tell of, by their jti: blacklisted or
-- outstanding in Django when it was taken over, or rotated here since. expires
-- is a token claim in Unix seconds.
CREATE TABLE spent_tokens (
    jti     TEXT   COLLATE "C" PRIMARY KEY NOT NULL,
    user_id BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    kind    TEXT   NOT NULL CHECK (kind IN ('imported', 'outstanding', 'spent'))
);
CREATE INDEX spent_tokens_expires ON spent_tokens (expires);

-- The last import from each source. finished_at is NULL for one that was broken
-- off.
CREATE TABLE django_imports (
    source      TEXT   COLLATE "C" PRIMARY KEY NOT NULL,
    started_at  BIGINT NOT NULL,
    finished_at BIGINT,
    users       BIGINT NOT NULL,
    counts      TEXT   NOT NULL
);

-- Second factors as they came, sealed, until they can be used.
CREATE TABLE mfa_imported (
    user_id   BIGINT NOT NULL,
    kind      TEXT   NOT NULL,
    source_id BIGINT NOT NULL,
    sealed    BYTEA  NOT NULL,
    PRIMARY KEY (user_id, kind, source_id)
);
