-- Events, and the webhooks that they go to.

-- What happened, written in the transaction of the change. The number rises without gaps in the order of commits.
CREATE TABLE events (
    number BIGINT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    type TEXT NOT NULL,
    time BIGINT NOT NULL,
    subject TEXT NOT NULL,
    data TEXT NOT NULL,
    -- Whom it concerns, for tokens and webhooks with limits: a JSON list of the releases' namespaces, and devices by
    -- their name with the labels of that moment, by fleet, or by rollout.
    namespaces TEXT,
    device TEXT,
    labels TEXT,
    fleet TEXT,
    rollout TEXT
);
CREATE INDEX events_time ON events (time);

CREATE TABLE webhooks (
    id TEXT PRIMARY KEY,
    url TEXT NOT NULL,
    -- Types as `rollout.*,device.failed`; empty is every one. JSON lists of namespaces and fleets; NULL is all.
    types TEXT NOT NULL,
    namespaces TEXT,
    fleets TEXT,
    is_enabled BIGINT NOT NULL CHECK (is_enabled IN (0, 1)),
    disabled_reason TEXT,
    -- Numbers of the secrets that sign, the newest first, each with its end; the secrets themselves are not here.
    secrets TEXT NOT NULL,
    -- The last event that was looked at.
    event BIGINT NOT NULL,
    failing_since BIGINT,
    failures BIGINT NOT NULL DEFAULT 0,
    -- Nothing is sent before this: an endpoint that fails is not asked for each delivery anew.
    rest_until BIGINT NOT NULL DEFAULT 0,
    created BIGINT NOT NULL,
    created_by TEXT NOT NULL
);

CREATE TABLE webhook_deliveries (
    number BIGINT PRIMARY KEY,
    webhook TEXT NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    event BIGINT NOT NULL REFERENCES events (number),
    state TEXT NOT NULL CHECK (state IN ('pending', 'delivered', 'dead')),
    attempts BIGINT NOT NULL DEFAULT 0,
    next_attempt BIGINT NOT NULL,
    status BIGINT,
    error TEXT,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    UNIQUE (webhook, event)
);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (state, next_attempt);
CREATE INDEX webhook_deliveries_webhook ON webhook_deliveries (webhook, state, number);
CREATE INDEX webhook_deliveries_event ON webhook_deliveries (event);

-- Devices of which an event said that they are silent.
CREATE TABLE device_silences (
    device TEXT PRIMARY KEY REFERENCES devices (device) ON DELETE CASCADE,
    since BIGINT NOT NULL
);
