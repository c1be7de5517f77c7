-- The registry's state. Portable SQL: type names that SQLite and PostgreSQL both take (BIGINT, TEXT, BYTEA,
-- DOUBLE PRECISION), moments in milliseconds since 1970, Booleans as 0 and 1, documents as JSON text.
-- A step that was applied is never changed: add a new file.

CREATE TABLE counters (
    name TEXT PRIMARY KEY,
    value BIGINT NOT NULL CHECK (value > 0)
);

-- Content: what the OCI paths hold.

CREATE TABLE repository_blobs (
    repository TEXT NOT NULL,
    digest TEXT NOT NULL,
    size BIGINT NOT NULL CHECK (size >= 0),
    added BIGINT NOT NULL,
    PRIMARY KEY (repository, digest)
);
CREATE INDEX repository_blobs_digest ON repository_blobs (digest);

CREATE TABLE manifests (
    repository TEXT NOT NULL,
    digest TEXT NOT NULL,
    media_type TEXT NOT NULL,
    artifact_type TEXT,
    annotations TEXT,
    subject TEXT,
    bytes BYTEA NOT NULL,
    pushed BIGINT NOT NULL,
    PRIMARY KEY (repository, digest)
);
CREATE INDEX manifests_subject ON manifests (repository, subject);

CREATE TABLE manifest_references (
    repository TEXT NOT NULL,
    manifest TEXT NOT NULL,
    digest TEXT NOT NULL,
    is_manifest BIGINT NOT NULL CHECK (is_manifest IN (0, 1)),
    PRIMARY KEY (repository, manifest, digest),
    FOREIGN KEY (repository, manifest) REFERENCES manifests (repository, digest) ON DELETE CASCADE
);
CREATE INDEX manifest_references_digest ON manifest_references (repository, digest);

CREATE TABLE tags (
    repository TEXT NOT NULL,
    tag TEXT NOT NULL,
    digest TEXT NOT NULL,
    updated BIGINT NOT NULL,
    PRIMARY KEY (repository, tag),
    FOREIGN KEY (repository, digest) REFERENCES manifests (repository, digest) ON DELETE CASCADE
);
CREATE INDEX tags_digest ON tags (repository, digest);

-- Trust: every version of every role is kept; one is current.

CREATE TABLE tuf_metadata (
    role TEXT NOT NULL,
    version BIGINT NOT NULL CHECK (version > 0),
    bytes BYTEA NOT NULL,
    digest TEXT NOT NULL,
    length BIGINT NOT NULL CHECK (length > 0),
    expires BIGINT NOT NULL,
    stored BIGINT NOT NULL,
    PRIMARY KEY (role, version)
);

CREATE TABLE tuf_current (
    role TEXT PRIMARY KEY,
    version BIGINT NOT NULL,
    FOREIGN KEY (role, version) REFERENCES tuf_metadata (role, version)
);

CREATE TABLE tuf_targets (
    path TEXT NOT NULL,
    digest TEXT NOT NULL,
    bytes BYTEA NOT NULL,
    stored BIGINT NOT NULL,
    PRIMARY KEY (path, digest)
);

-- Changes of signed roles that still lack signatures.
CREATE TABLE proposals (
    id TEXT PRIMARY KEY,
    namespace TEXT,
    note TEXT NOT NULL,
    document TEXT NOT NULL,
    created BIGINT NOT NULL,
    created_by TEXT NOT NULL
);

-- Releases.

CREATE TABLE repositories (
    name TEXT PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('model', 'adapter', 'engine', 'agent')),
    created BIGINT NOT NULL,
    -- What the publisher signed last: below this version nothing is installed.
    floor TEXT,
    floor_number BIGINT,
    floor_reason TEXT
);

CREATE TABLE releases (
    repository TEXT NOT NULL REFERENCES repositories (name),
    version TEXT NOT NULL,
    version_key TEXT NOT NULL,
    index_digest TEXT NOT NULL,
    length BIGINT NOT NULL CHECK (length > 0),
    base TEXT,
    min_accuracy DOUBLE PRECISION CHECK (min_accuracy BETWEEN 0 AND 1),
    is_blocked BIGINT NOT NULL DEFAULT 0 CHECK (is_blocked IN (0, 1)),
    is_yanked BIGINT NOT NULL DEFAULT 0 CHECK (is_yanked IN (0, 1)),
    block_reason TEXT,
    yank_reason TEXT,
    published BIGINT NOT NULL,
    PRIMARY KEY (repository, version)
);
CREATE INDEX releases_order ON releases (repository, version_key);

CREATE TABLE variants (
    repository TEXT NOT NULL,
    version TEXT NOT NULL,
    position BIGINT NOT NULL,
    digest TEXT NOT NULL,
    architecture TEXT NOT NULL,
    quantization TEXT NOT NULL,
    size BIGINT NOT NULL CHECK (size >= 0),
    min_memory BIGINT CHECK (min_memory >= 0),
    PRIMARY KEY (repository, version, position),
    FOREIGN KEY (repository, version) REFERENCES releases (repository, version) ON DELETE CASCADE
);

-- Every digest that a release reaches: what a device that has the release may read.
CREATE TABLE release_objects (
    repository TEXT NOT NULL,
    version TEXT NOT NULL,
    digest TEXT NOT NULL,
    PRIMARY KEY (repository, version, digest),
    FOREIGN KEY (repository, version) REFERENCES releases (repository, version) ON DELETE CASCADE
);
CREATE INDEX release_objects_digest ON release_objects (repository, digest);

CREATE TABLE aliases (
    repository TEXT NOT NULL,
    alias TEXT NOT NULL,
    version TEXT NOT NULL,
    updated BIGINT NOT NULL,
    PRIMARY KEY (repository, alias),
    FOREIGN KEY (repository, version) REFERENCES releases (repository, version)
);

-- Devices.

CREATE TABLE devices (
    device TEXT PRIMARY KEY,
    labels TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'active', 'held', 'revoked')),
    state_reason TEXT,
    enrolled BIGINT NOT NULL,
    last_seen BIGINT,
    journal TEXT NOT NULL,
    certificate_expires BIGINT NOT NULL,
    -- The number of the newest assignment; it never falls.
    assignment BIGINT NOT NULL DEFAULT 0 CHECK (assignment >= 0),
    profile TEXT,
    agent_version TEXT,
    inventory TEXT,
    inventory_time BIGINT
);

CREATE TABLE device_certificates (
    fingerprint TEXT PRIMARY KEY,
    device TEXT NOT NULL REFERENCES devices (device) ON DELETE CASCADE,
    issued BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    revoked BIGINT
);
CREATE INDEX device_certificates_device ON device_certificates (device);

CREATE TABLE device_journals (
    device TEXT NOT NULL REFERENCES devices (device) ON DELETE CASCADE,
    journal TEXT NOT NULL,
    is_expected BIGINT NOT NULL CHECK (is_expected IN (0, 1)),
    first_seen BIGINT NOT NULL,
    -- Up to where this journal's reports and telemetry are here.
    highest_report BIGINT NOT NULL DEFAULT 0,
    highest_telemetry BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (device, journal)
);

CREATE TABLE renewal_nonces (
    nonce_hash TEXT PRIMARY KEY,
    expires BIGINT NOT NULL
);

CREATE TABLE join_tokens (
    id TEXT PRIMARY KEY,
    secret_hash TEXT NOT NULL UNIQUE,
    uses_left BIGINT NOT NULL CHECK (uses_left >= 0),
    labels TEXT NOT NULL,
    -- The only name that it may enrol, also in place of a box that has it; NULL is any free name.
    device TEXT,
    needs_approval BIGINT NOT NULL CHECK (needs_approval IN (0, 1)),
    created BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    expires BIGINT NOT NULL
);

-- Answers to enrolments, given again to a device whose first answer was lost: same token, same key.
CREATE TABLE enrolments (
    token TEXT NOT NULL REFERENCES join_tokens (id) ON DELETE CASCADE,
    key_digest TEXT NOT NULL,
    device TEXT NOT NULL REFERENCES devices (device) ON DELETE CASCADE,
    journal TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    certificate TEXT NOT NULL,
    PRIMARY KEY (token, key_digest)
);
CREATE INDEX enrolments_device ON enrolments (device);

-- Slots: what shall run (one row each, so that two rollouts on two slots never race) and what does.

CREATE TABLE desired_slots (
    device TEXT NOT NULL REFERENCES devices (device) ON DELETE CASCADE,
    slot TEXT NOT NULL,
    -- The assignment number at which the slot last changed.
    generation BIGINT NOT NULL CHECK (generation > 0),
    settings TEXT NOT NULL,
    update_policy TEXT NOT NULL,
    rollout TEXT,
    updated BIGINT NOT NULL,
    PRIMARY KEY (device, slot)
);
CREATE INDEX desired_slots_rollout ON desired_slots (rollout);

CREATE TABLE reported_slots (
    device TEXT NOT NULL REFERENCES devices (device) ON DELETE CASCADE,
    slot TEXT NOT NULL,
    -- From the inventory.
    generation BIGINT NOT NULL DEFAULT 0,
    is_serving BIGINT NOT NULL DEFAULT 0 CHECK (is_serving IN (0, 1)),
    weights TEXT,
    variant TEXT,
    override TEXT,
    -- From the newest report.
    state TEXT,
    state_generation BIGINT,
    code TEXT,
    message TEXT,
    evaluation TEXT,
    rollout TEXT,
    updated BIGINT NOT NULL,
    PRIMARY KEY (device, slot)
);

-- The releases of a slot in their order. Current and previous are what the device says, known here or not.
CREATE TABLE slot_releases (
    device TEXT NOT NULL REFERENCES devices (device) ON DELETE CASCADE,
    slot TEXT NOT NULL,
    phase TEXT NOT NULL CHECK (phase IN ('desired', 'current', 'previous')),
    position BIGINT NOT NULL CHECK (position >= 0),
    repository TEXT NOT NULL,
    version TEXT NOT NULL,
    PRIMARY KEY (device, slot, phase, position)
);
CREATE INDEX slot_releases_release ON slot_releases (repository, version, phase);
CREATE INDEX slot_releases_device ON slot_releases (device, repository);

-- Every release that a device was ever told to run: what it says of itself counts as far as it stands here.
CREATE TABLE assigned_releases (
    device TEXT NOT NULL REFERENCES devices (device) ON DELETE CASCADE,
    repository TEXT NOT NULL,
    version TEXT NOT NULL,
    PRIMARY KEY (device, repository, version)
);

-- What was desired when, and why.
CREATE TABLE slot_history (
    device TEXT NOT NULL REFERENCES devices (device) ON DELETE CASCADE,
    number BIGINT NOT NULL,
    slot TEXT NOT NULL,
    releases TEXT NOT NULL,
    rollout TEXT,
    actor TEXT NOT NULL,
    reason TEXT NOT NULL,
    time BIGINT NOT NULL,
    PRIMARY KEY (device, number, slot)
);

CREATE TABLE reports (
    device TEXT NOT NULL REFERENCES devices (device) ON DELETE CASCADE,
    journal TEXT NOT NULL,
    sequence BIGINT NOT NULL CHECK (sequence > 0),
    number BIGINT NOT NULL,
    time BIGINT NOT NULL,
    received BIGINT NOT NULL,
    slot TEXT,
    generation BIGINT,
    rollout TEXT,
    releases TEXT NOT NULL,
    state TEXT,
    code TEXT,
    message TEXT,
    figures TEXT,
    PRIMARY KEY (device, journal, sequence)
);
CREATE UNIQUE INDEX reports_number ON reports (device, number);

-- Fleets and rollouts.

CREATE TABLE fleets (
    name TEXT PRIMARY KEY,
    selector TEXT NOT NULL,
    updated BIGINT NOT NULL
);

CREATE TABLE rollouts (
    id TEXT PRIMARY KEY,
    slot TEXT NOT NULL,
    fleet TEXT,
    selector TEXT NOT NULL,
    releases TEXT NOT NULL,
    settings TEXT NOT NULL,
    policy TEXT NOT NULL,
    state TEXT NOT NULL,
    is_open BIGINT NOT NULL CHECK (is_open IN (0, 1)),
    reason TEXT NOT NULL,
    -- The engine's own state without its devices, and the fence: a write names the version that it has read.
    run TEXT NOT NULL,
    version BIGINT NOT NULL CHECK (version > 0),
    created BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    updated BIGINT NOT NULL
);
CREATE INDEX rollouts_open ON rollouts (is_open, slot);
CREATE INDEX rollouts_created ON rollouts (created, id);

CREATE TABLE rollout_devices (
    rollout TEXT NOT NULL REFERENCES rollouts (id) ON DELETE CASCADE,
    device TEXT NOT NULL,
    -- Its place in the order of the waves.
    position BIGINT NOT NULL,
    wave BIGINT NOT NULL,
    state TEXT NOT NULL,
    -- The engine's own view of the device.
    member TEXT NOT NULL,
    -- What the slot was to run before this rollout moved it, JSON `null` where it was empty.
    previous TEXT,
    updated BIGINT NOT NULL,
    PRIMARY KEY (rollout, device),
    UNIQUE (rollout, position)
);
CREATE INDEX rollout_devices_device ON rollout_devices (device, rollout);

CREATE TABLE rollout_decisions (
    rollout TEXT NOT NULL REFERENCES rollouts (id) ON DELETE CASCADE,
    number BIGINT NOT NULL,
    time BIGINT NOT NULL,
    action TEXT NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (rollout, number)
);

-- Operators.

CREATE TABLE tokens (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    role TEXT NOT NULL CHECK (role IN ('viewer', 'publisher', 'operator', 'admin')),
    -- JSON lists of the only namespaces and fleets that the token concerns; NULL is all.
    namespaces TEXT,
    fleets TEXT,
    secret_hash TEXT NOT NULL UNIQUE,
    created BIGINT NOT NULL,
    expires BIGINT
);

CREATE TABLE idempotency (
    caller TEXT NOT NULL,
    key TEXT NOT NULL,
    request TEXT NOT NULL,
    status BIGINT NOT NULL,
    media_type TEXT NOT NULL,
    body BYTEA NOT NULL,
    created BIGINT NOT NULL,
    PRIMARY KEY (caller, key)
);

-- Append-only. The hash is that of the row as a leaf of the Merkle tree (RFC 9162).
CREATE TABLE audit (
    number BIGINT PRIMARY KEY,
    time BIGINT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail TEXT NOT NULL,
    hash TEXT NOT NULL
);

-- The tree's full nodes above the leaves: level 1 covers two rows, level 2 four.
CREATE TABLE audit_nodes (
    level BIGINT NOT NULL CHECK (level > 0),
    position BIGINT NOT NULL CHECK (position >= 0),
    hash TEXT NOT NULL,
    PRIMARY KEY (level, position)
);

-- Telemetry: one row for each minute of a slot's generation; slot '' is the whole box.

CREATE TABLE telemetry_minutes (
    device TEXT NOT NULL REFERENCES devices (device) ON DELETE CASCADE,
    slot TEXT NOT NULL,
    generation BIGINT NOT NULL,
    minute BIGINT NOT NULL,
    release TEXT,
    release_digest TEXT,
    profile TEXT,
    requests BIGINT NOT NULL DEFAULT 0,
    errors BIGINT NOT NULL DEFAULT 0,
    refused BIGINT NOT NULL DEFAULT 0,
    cut_streams BIGINT NOT NULL DEFAULT 0,
    input_tokens BIGINT NOT NULL DEFAULT 0,
    output_tokens BIGINT NOT NULL DEFAULT 0,
    duration TEXT,
    first_token TEXT,
    cpu_percent DOUBLE PRECISION,
    memory_used BIGINT,
    temperature_celsius DOUBLE PRECISION,
    PRIMARY KEY (device, slot, minute, generation)
);
CREATE INDEX telemetry_minutes_minute ON telemetry_minutes (minute);

-- Replicas.

CREATE TABLE leases (
    name TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    fence BIGINT NOT NULL CHECK (fence > 0),
    expires BIGINT NOT NULL
);

CREATE TABLE changes (
    revision BIGINT PRIMARY KEY,
    topic TEXT NOT NULL,
    subject TEXT NOT NULL
);
