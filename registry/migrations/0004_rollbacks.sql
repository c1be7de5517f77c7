-- A rollback of many devices is carried out in bounded steps, and goes on after a restart.

CREATE TABLE rollbacks (
    id TEXT PRIMARY KEY,
    -- What was asked for, and the limits of whoever asked: JSON documents.
    request TEXT NOT NULL,
    reach TEXT NOT NULL,
    actor TEXT NOT NULL,
    created BIGINT NOT NULL,
    -- Slots that it began with, and those of them that were moved.
    places BIGINT NOT NULL,
    moved BIGINT NOT NULL DEFAULT 0,
    finished BIGINT
);
CREATE INDEX rollbacks_created ON rollbacks (created, id);

-- Slots that wait for their turn, or were passed over. One that somebody moves meanwhile is no longer here.
CREATE TABLE rollback_places (
    device TEXT NOT NULL REFERENCES devices (device) ON DELETE CASCADE,
    slot TEXT NOT NULL,
    rollback TEXT NOT NULL REFERENCES rollbacks (id) ON DELETE CASCADE,
    -- Why it was passed over; NULL waits.
    skipped TEXT,
    PRIMARY KEY (device, slot)
);
CREATE INDEX rollback_places_rollback ON rollback_places (rollback);
CREATE INDEX rollback_places_slot ON rollback_places (slot, skipped);
