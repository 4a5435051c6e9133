-- Which headend holds this database, and which ones held it before: the newest term counts.
-- process: the identity of its process, as JSON. released_us: NULL = it was not given back.
CREATE TABLE claims (
    term        bigint PRIMARY KEY,
    claimant    text COLLATE "C" NOT NULL,
    name        text COLLATE "C" NOT NULL,
    process     text COLLATE "C" NOT NULL,
    claimed_us  bigint NOT NULL,
    seen_us     bigint NOT NULL,
    released_us bigint
);
