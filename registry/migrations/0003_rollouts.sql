-- Rollouts that know when to stop: exemptions, evidence for gates, and who joins while a rollout is open.

-- A slot that stays as it is, or with slot '' a device that rollouts pass over altogether.
CREATE TABLE exemptions (
    device TEXT NOT NULL REFERENCES devices (device) ON DELETE CASCADE,
    slot TEXT NOT NULL,
    reason TEXT NOT NULL,
    actor TEXT NOT NULL,
    since BIGINT NOT NULL,
    -- NULL holds until it is lifted.
    expires BIGINT,
    PRIMARY KEY (device, slot)
);

-- When time has something to do next in a rollout, and a mark of whoever wrote it last: with the version it tells
-- whether what a replica keeps in memory still holds.
ALTER TABLE rollouts ADD COLUMN next_due BIGINT;
ALTER TABLE rollouts ADD COLUMN stamp BIGINT NOT NULL DEFAULT 0;

-- The numbers behind a decision: a JSON document, NULL where it had none.
ALTER TABLE rollout_decisions ADD COLUMN detail TEXT;

-- When the device said first that the target serves: from here its measurements are the target's.
ALTER TABLE rollout_devices ADD COLUMN switched BIGINT;

-- Rises whenever what selects a device may have changed: it enrolled, was approved, was labelled.
ALTER TABLE devices ADD COLUMN membership BIGINT NOT NULL DEFAULT 0;
CREATE INDEX devices_membership ON devices (membership);

-- Seconds for each output token after the first, and how often the engine ended by itself.
ALTER TABLE telemetry_minutes ADD COLUMN output_token TEXT;
ALTER TABLE telemetry_minutes ADD COLUMN crashes BIGINT NOT NULL DEFAULT 0;
