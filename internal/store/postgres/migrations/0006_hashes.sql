-- +goose Up
-- The passwords that are not hashed as Latchkey hashes them today: by it the
-- server knows, without reading all users, which formats there are. It empties
-- as people sign in. Unusable ones ("!") cost what Latchkey's own do.
ALTER TABLE users ALTER COLUMN password TYPE TEXT COLLATE "C";
CREATE INDEX users_foreign_hash ON users (password)
    WHERE password NOT LIKE 'argon2_argon2id_v=19_m=19456,t=2,p=1_%' AND password NOT LIKE '!%';
