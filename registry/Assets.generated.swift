// Made by `make assets`; edit what it is made from, not this file.
// swift-format-ignore-file

extension RegistryAssets {
    /// Every text file below the folders of `registry/`, by its path there.
    package static let files: [String: String] = [
#"migrations/0001_initial.sql"#: #"""
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

"""#,
#"migrations/0002_webhooks.sql"#: #"""
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

"""#,
#"migrations/0003_rollouts.sql"#: #"""
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

"""#,
#"migrations/0004_rollbacks.sql"#: #"""
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

"""#,
#"migrations/0005_inventories.sql"#: #"""
-- Inventories, kilobytes each, stand apart from what changes with each call and each assignment.

CREATE TABLE device_inventories (
    device TEXT PRIMARY KEY REFERENCES devices (device) ON DELETE CASCADE,
    -- The document as the device sent it.
    document TEXT NOT NULL
);
INSERT INTO device_inventories (device, document)
    SELECT device, inventory FROM devices WHERE inventory IS NOT NULL;
ALTER TABLE devices DROP COLUMN inventory;

"""#,
#"openapi/openapi.yaml"#: ##"""
openapi: 3.1.0
info:
  title: Martlet registry
  version: 0.1.0
  summary: Releases of small models, the devices that run them, and how they move.
  description: |
    The registry has two listeners. The operators' listener takes bearer tokens; the devices' listener takes client
    certificates that the registry issued (`x-martlet-listener` says which one serves a path). `x-martlet-role` is the
    least role that may call: `open`, `viewer`, `publisher`, `operator`, `admin`, `device`, or `enrolling` (a join token
    or a signed nonce stands in the body).

    A token may be limited to namespaces of releases and to fleets of devices. `x-martlet-limits` names the limits that
    an operation holds: it shows and changes only what is within them. A token with a limit that an operation does not
    name is refused there with 403. What is of another namespace, or another fleet by its name, is answered with 403
    `outOfReach`; a device or rollout out of reach with 404, as if it were not there.

    Errors are problem documents (RFC 9457) with a stable `code` and, where something can be done, a `remedy`.
    Lists come in pages; `next` of one page is `cursor` of the following. Writes take `Idempotency-Key`: a repeated
    write with the same key gives the first answer again. Times are RFC 3339 in UTC.

    Below `/v2/` the operators' listener speaks the OCI distribution specification 1.1 (push and pull, by bearer token or
    by the token as a Basic password), the devices' listener its reads of what a device's own generations name. Errors
    there have the specification's form.
  license: { name: Apache-2.0, identifier: Apache-2.0 }
servers:
  - url: http://127.0.0.1:8080
    description: Operators
  - url: https://127.0.0.1:8443
    description: Devices
security:
  - token: []
tags:
  - { name: state, description: How the registry is }
  - { name: trust, description: TUF metadata and online keys }
  - { name: releases, description: What is published }
  - { name: devices, description: Devices and fleets }
  - { name: rollouts, description: Moving a fleet's slot to a release, and back }
  - { name: observing, description: "Telemetry, events and webhooks, the audit log" }
  - { name: tokens, description: Who may do what }
  - { name: protocol, description: What devices call }

paths:
  /healthz:
    get:
      operationId: health
      tags: [state]
      summary: Whether the process answers
      x-martlet-role: open
      x-martlet-listener: both
      security: []
      responses:
        "200": { $ref: "#/components/responses/Status" }
  /readyz:
    get:
      operationId: ready
      tags: [state]
      summary: Whether devices can be served
      description: 503 with code `noRoot` until the root is in place, `metadataExpired` when a role's metadata has ended.
      x-martlet-role: open
      security: []
      responses:
        "200": { $ref: "#/components/responses/Status" }
        "503": { $ref: "#/components/responses/Problem" }
  /metrics:
    get:
      operationId: metrics
      tags: [state]
      summary: Figures of the registry in Prometheus' text form
      x-martlet-role: open
      security: []
      responses:
        "200":
          description: Text exposition format 0.0.4
          content: { text/plain: { schema: { type: string } } }
  /api/v1/openapi.yaml:
    get:
      operationId: openAPI
      tags: [state]
      summary: This document
      x-martlet-role: open
      security: []
      responses:
        "200":
          description: OpenAPI 3.1
          content: { application/yaml: { schema: { type: string } } }
  /api/v1/authority.pem:
    get:
      operationId: authority
      tags: [trust]
      summary: The certificate of the registry's own authority
      description: For who knows its fingerprint (`martlet login --fingerprint`); without that it proves nothing.
      x-martlet-role: open
      security: []
      responses:
        "200":
          description: PEM
          content: { application/x-pem-file: { schema: { type: string } } }
  /api/v1/status:
    get:
      operationId: status
      tags: [state]
      summary: Counts, versions of metadata, readiness
      x-martlet-role: viewer
      x-martlet-limits: [namespaces, fleets]
      responses:
        "200":
          description: The status
          content: { application/json: { schema: { $ref: "#/components/schemas/RegistryStatus" } } }
        default: { $ref: "#/components/responses/Problem" }
  /api/v1/whoami:
    get:
      operationId: whoAmI
      tags: [state]
      summary: The token that calls
      x-martlet-role: viewer
      x-martlet-limits: [namespaces, fleets]
      responses:
        "200":
          description: The caller
          content: { application/json: { schema: { $ref: "#/components/schemas/Caller" } } }
        default: { $ref: "#/components/responses/Problem" }

  /api/v1/trust/online-keys:
    get:
      operationId: onlineKeys
      tags: [trust]
      summary: Public halves of the registry's own keys, for the first root
      x-martlet-role: admin
      responses:
        "200":
          description: Keys, authority, addresses
          content: { application/json: { schema: { $ref: "#/components/schemas/OnlineKeys" } } }
        default: { $ref: "#/components/responses/Problem" }
  /api/v1/trust/init:
    post:
      operationId: initializeTrust
      tags: [trust]
      summary: Put the first signed metadata in place
      description: Everything is verified first. 409 `alreadyInitialized`; 422 names what does not hold.
      x-martlet-role: admin
      requestBody:
        required: true
        content: { application/json: { schema: { $ref: "#/components/schemas/TrustInitialization" } } }
      responses:
        "204": { description: The registry is ready }
        default: { $ref: "#/components/responses/Problem" }
  /api/v1/trust/online-keys/{name}:
    post:
      operationId: makeOnlineKey
      tags: [trust]
      summary: Make the next key of a kind that the registry holds
      description: |
        It is used once owners have signed for it (root for snapshot and timestamp, `martlet/trust.json` for director and
        authority), and the former one is removed once they name it no more. Where there is a next key already, this
        answers with it.
      x-martlet-role: admin
      parameters:
        - name: name
          in: path
          required: true
          schema: { enum: [snapshot, timestamp, director, authority] }
      responses:
        "200":
          description: The keys
          content: { application/json: { schema: { $ref: "#/components/schemas/OnlineKeys" } } }
        default: { $ref: "#/components/responses/Problem" }
  /api/v1/offline:
    post:
      operationId: signOffline
      tags: [trust]
      summary: Sign assignments, snapshot and timestamp for devices without a network
      description: |
        What `martlet export --valid` puts into a bundle. Versions of their own: devices with a network never see this
        snapshot and timestamp. 422 `validityOutOfBounds` outside an hour to 90 days, `nothingAssigned` for a device
        that no rollout has reached, `tooManyDevices` above 1000. Audited as `offline.sign`.
      x-martlet-role: operator
      requestBody:
        required: true
        content: { application/json: { schema: { $ref: "#/components/schemas/OfflineRequest" } } }
      responses:
        "200":
          description: The signed documents
          content: { application/json: { schema: { $ref: "#/components/schemas/OfflineSignatures" } } }
        default: { $ref: "#/components/responses/Problem" }
  /api/v1/tuf/import:
    post:
      operationId: importMetadata
      tags: [trust]
      summary: Take over what owner and publishers signed for another registry of theirs
      description: |
        What `martlet import` sends after it pushed the content. Verified from the root down; roles that are newer here
        stay, releases whose content is not here are not published. The same again changes nothing. 409 `otherRoot`
        where this registry has another first root.
      x-martlet-role: admin
      requestBody:
        required: true
        content: { application/json: { schema: { $ref: "#/components/schemas/MetadataImport" } } }
      responses:
        "200":
          description: What changed
          content: { application/json: { schema: { $ref: "#/components/schemas/MetadataImportReceipt" } } }
        default: { $ref: "#/components/responses/Problem" }
  /api/v1/trust/changes:
    post:
      operationId: changeTrust
      tags: [trust]
      summary: Put several signed roles at once, all of them or none
      description: |
        As `PUT /api/v1/tuf/roles/{role}` for each of them, and every role that devices can reach must verify afterwards:
        422 `leavesUnverified` names the first that would not, unless its namespace is in `suspends`. Root and targets
        need an admin's token without limits.
      x-martlet-role: publisher
      x-martlet-limits: [namespaces]
      requestBody:
        required: true
        content: { application/json: { schema: { $ref: "#/components/schemas/TrustChange" } } }
      responses:
        "200":
          description: What is current now
          content: { application/json: { schema: { $ref: "#/components/schemas/TrustReceipt" } } }
        default: { $ref: "#/components/responses/Problem" }
  /api/v1/trust/proposals:
    get:
      operationId: proposals
      tags: [trust]
      summary: Changes that wait for signatures, oldest first
      x-martlet-role: viewer
      x-martlet-limits: [namespaces]
      parameters:
        - { $ref: "#/components/parameters/Limit" }
        - { $ref: "#/components/parameters/Cursor" }
      responses:
        "200":
          description: A page
          content:
            application/json:
              schema:
                type: object
                required: [items]
                properties:
                  items: { type: array, items: { $ref: "#/components/schemas/Proposal" } }
                  next: { type: string }
        default: { $ref: "#/components/responses/Problem" }
    post:
      operationId: propose
      tags: [trust]
      summary: Keep a change until others have signed it
      description: |
        All but the number of signatures is checked; at least one must be valid (422 `unsigned`), those of strangers are
        dropped. A change that lacks none takes effect at once.
      x-martlet-role: publisher
      x-martlet-limits: [namespaces]
      requestBody:
        required: true
        content: { application/json: { schema: { $ref: "#/components/schemas/ProposalRequest" } } }
      responses:
        "201":
          description: What waits, or what it did
          content: { application/json: { schema: { $ref: "#/components/schemas/ProposalAnswer" } } }
        default: { $ref: "#/components/responses/Problem" }
  /api/v1/trust/proposals/{proposal}:
    get:
      operationId: proposal
      tags: [trust]
      summary: One change that waits for signatures
      x-martlet-role: viewer
      x-martlet-limits: [namespaces]
      parameters:
        - { $ref: "#/components/parameters/Proposal" }
      responses:
        "200":
          description: The change
          content: { application/json: { schema: { $ref: "#/components/schemas/Proposal" } } }
        default: { $ref: "#/components/responses/Problem" }
    put:
      operationId: signProposal
      tags: [trust]
      summary: Add signatures to a change that waits
      description: |
        The body is the change with the new signatures; with the last one that is needed it takes effect. Where another
        change of the same bin came first, an edit is sent applied to what is current now, and its former signatures are
        gone. 409 `proposalMoved` says that what waits is not what was signed.
      x-martlet-role: publisher
      x-martlet-limits: [namespaces]
      parameters:
        - { $ref: "#/components/parameters/Proposal" }
      requestBody:
        required: true
        content: { application/json: { schema: { $ref: "#/components/schemas/TrustChange" } } }
      responses:
        "200":
          description: What waits, or what it did
          content: { application/json: { schema: { $ref: "#/components/schemas/ProposalAnswer" } } }
        default: { $ref: "#/components/responses/Problem" }
    delete:
      operationId: deleteProposal
      tags: [trust]
      summary: Withdraw a change that waits
      x-martlet-role: publisher
      x-martlet-limits: [namespaces]
      parameters:
        - { $ref: "#/components/parameters/Proposal" }
      responses:
        "204": { description: It is forgotten }
        default: { $ref: "#/components/responses/Problem" }
  /api/v1/tuf/roles/{role}:
    put:
      operationId: putRole
      tags: [trust]
      summary: Put the next version of a signed role
      description: |
        The body is the signed metadata, byte for byte. Its version must be the current one plus one, else 409
        `versionConflict` says where the role stands; the very bytes that are current are a no-op. Releases that are new
        in it are published (422 `contentMissing` names what was not pushed), those that vanished are yanked, and one
        whose content changed is refused with 409 `alreadyExists`.
      x-martlet-role: publisher
      x-martlet-limits: [namespaces]
      parameters:
        - { $ref: "#/components/parameters/Role" }
      requestBody:
        required: true
        content: { application/json: { schema: { type: object } } }
      responses:
        "200":
          description: The snapshot that carries it
          content: { application/json: { schema: { $ref: "#/components/schemas/RoleReceipt" } } }
        default: { $ref: "#/components/responses/Problem" }
  /tuf/{file}:
    get:
      operationId: metadata
      tags: [trust]
      summary: A metadata file, `timestamp.json` or `VERSION.ROLE.json`
      x-martlet-role: open
      x-martlet-listener: both
      security: []
      parameters:
        - { name: file, in: path, required: true, schema: { type: string }, example: timestamp.json }
      responses:
        "200": { $ref: "#/components/responses/Signed" }
        default: { $ref: "#/components/responses/Problem" }
  /tuf/targets/{path}:
    get:
      operationId: target
      tags: [trust]
      summary: A target that is no release, by its consistent-snapshot name
      x-martlet-role: open
      x-martlet-listener: both
      x-martlet-segments: several
      security: []
      parameters:
        - { name: path, in: path, required: true, schema: { type: string }, example: martlet/HASH.trust.json }
      responses:
        "200":
          description: The target's bytes
          content: { application/json: { schema: { type: object } } }
        default: { $ref: "#/components/responses/Problem" }

  /api/v1/releases:
    get:
      operationId: releases
      tags: [releases]
      summary: Releases by repository and version
      x-martlet-role: viewer
      x-martlet-limits: [namespaces, fleets]
      parameters:
        - { $ref: "#/components/parameters/Repository" }
        - { $ref: "#/components/parameters/Cursor" }
        - { $ref: "#/components/parameters/Limit" }
      responses:
        "200":
          description: A page
          content: { application/json: { schema: { $ref: "#/components/schemas/ReleasePage" } } }
        default: { $ref: "#/components/responses/Problem" }
  /api/v1/releases/{path}:
    get:
      operationId: release
      tags: [releases]
      summary: One release
      x-martlet-role: viewer
      x-martlet-limits: [namespaces, fleets]
      x-martlet-segments: several
      parameters:
        - { name: path, in: path, required: true, schema: { type: string }, example: clinic/triage/1.0.0 }
      responses:
        "200":
          description: The release
          content: { application/json: { schema: { $ref: "#/components/schemas/Release" } } }
        default: { $ref: "#/components/responses/Problem" }
  /api/v1/releases/block:
    post:
      operationId: block
      tags: [releases]
      summary: Refuse a release online, at once, or take that back
      x-martlet-role: operator
      x-martlet-limits: [namespaces]
      parameters:
        - { $ref: "#/components/parameters/IdempotencyKey" }
      requestBody:
        required: true
        content: { application/json: { schema: { $ref: "#/components/schemas/BlockRequest" } } }
      responses:
        "200":
          description: The release
          content: { application/json: { schema: { $ref: "#/components/schemas/Release" } } }
        default: { $ref: "#/components/responses/Problem" }
  /api/v1/aliases:
    get:
      operationId: aliases
      tags: [releases]
      summary: Movable names of releases
      x-martlet-role: viewer
      x-martlet-limits: [namespaces, fleets]
      parameters:
        - { $ref: "#/components/parameters/Repository" }
        - { $ref: "#/components/parameters/Cursor" }
        - { $ref: "#/components/parameters/Limit" }
      responses:
        "200":
          description: A page
          content: { application/json: { schema: { $ref: "#/components/schemas/AliasPage" } } }
        default: { $ref: "#/components/responses/Problem" }
    put:
      operationId: putAlias
      tags: [releases]
      summary: Point an alias at a release
      x-martlet-role: operator
      x-martlet-limits: [namespaces]
      parameters:
        - { $ref: "#/components/parameters/IdempotencyKey" }
      requestBody:
        required: true
        content: { application/json: { schema: { $ref: "#/components/schemas/Alias" } } }
      responses:
        "200":
          description: The alias
          content: { application/json: { schema: { $ref: "#/components/schemas/Alias" } } }
        default: { $ref: "#/components/responses/Problem" }

  /api/v1/devices:
    get:
      operationId: devices
      tags: [devices]
      summary: Devices by name
      x-martlet-role: viewer
      x-martlet-limits: [namespaces, fleets]
      parameters:
        - name: selector
          in: query
          description: Only devices whose labels match
          schema: { type: string }
          example: site=berlin,tier!=lab
        - name: state
          in: query
          description: Only devices in this state; without it all but the revoked
          schema: { type: string, enum: [pending, active, held, revoked] }
        - { $ref: "#/components/parameters/Cursor" }
        - { $ref: "#/components/parameters/Limit" }
      responses:
        "200":
          description: A page
          content: { application/json: { schema: { $ref: "#/components/schemas/DevicePage" } } }
        default: { $ref: "#/components/responses/Problem" }
  /api/v1/devices/{device}:
    parameters:
      - { $ref: "#/components/parameters/Device" }
    get:
      operationId: device
      tags: [devices]
      summary: One device with its inventory
      x-martlet-role: viewer
      x-martlet-limits: [namespaces, fleets]
      responses:
        "200":
          description: The device
          content: { application/json: { schema: { $ref: "#/components/schemas/Device" } } }
        default: { $ref: "#/components/responses/Problem" }
    patch:
      operationId: patchDevice
      tags: [devices]
      summary: Change a device's labels
      x-martlet-role: operator
      x-martlet-limits: [fleets]
      parameters:
        - { $ref: "#/components/parameters/IdempotencyKey" }
      requestBody:
        required: true
        content: { application/json: { schema: { $ref: "#/components/schemas/DevicePatch" } } }
      responses:
        "200":
          description: The device
          content: { application/json: { schema: { $ref: "#/components/schemas/Device" } } }
        default: { $ref: "#/components/responses/Problem" }
    delete:
      operationId: deleteDevice
      tags: [devices]
      summary: Refuse a device's certificates from now on and forget it
      x-martlet-role: operator
      x-martlet-limits: [fleets]
      parameters:
        - { $ref: "#/components/parameters/IdempotencyKey" }
      responses:
        "204": { description: It is gone }
        default: { $ref: "#/components/responses/Problem" }
  /api/v1/devices/{device}/approve:
    post:
      operationId: approveDevice
      tags: [devices]
      summary: Let a device that waits for approval have its assignments
      x-martlet-role: operator
      x-martlet-limits: [fleets]
      parameters:
        - { $ref: "#/components/parameters/Device" }
        - { $ref: "#/components/parameters/IdempotencyKey" }
      requestBody:
        required: true
        content: { application/json: { schema: { $ref: "#/components/schemas/DeviceDecision" } } }
      responses:
        "200":
          description: The device
          content: { application/json: { schema: { $ref: "#/components/schemas/Device" } } }
        default: { $ref: "#/components/responses/Problem" }
  /api/v1/devices/{device}/reject:
    post:
      operationId: rejectDevice
      tags: [devices]
      summary: Turn a device that waits for approval away
      x-martlet-role: operator
      x-martlet-limits: [fleets]
      parameters:
        - { $ref: "#/components/parameters/Device" }
        - { $ref: "#/components/parameters/IdempotencyKey" }
      requestBody:
        required: true
        content: { application/json: { schema: { $ref: "#/components/schemas/DeviceDecision" } } }
      responses:
        "200":
          description: The device
          content: { application/json: { schema: { $ref: "#/components/schemas/Device" } } }
        default: { $ref: "#/components/responses/Problem" }
  /api/v1/devices/{device}/revoke:
    post:
      operationId: revokeDevice
      tags: [devices]
      summary: Refuse a device's certificates from the next request on and cut its connections; its history stays
      x-martlet-role: operator
      x-martlet-limits: [fleets]
      parameters:
        - { $ref: "#/components/parameters/Device" }
        - { $ref: "#/components/parameters/IdempotencyKey" }
      requestBody:
        required: true
        content: { application/json: { schema: { $ref: "#/components/schemas/DeviceDecision" } } }
      responses:
        "200":
          description: The device
          content: { application/json: { schema: { $ref: "#/components/schemas/Device" } } }
        default: { $ref: "#/components/responses/Problem" }
  /api/v1/devices/{device}/history:
    get:
      operationId: deviceHistory
      tags: [devices]
      summary: What a device reported, newest first
      x-martlet-role: viewer
      x-martlet-limits: [namespaces, fleets]
      parameters:
        - { $ref: "#/components/parameters/Device" }
        - { $ref: "#/components/parameters/Cursor" }
        - { $ref: "#/components/parameters/Limit" }
      responses:
        "200":
          description: A page
          content: { application/json: { schema: { $ref: "#/components/schemas/ReportPage" } } }
        default: { $ref: "#/components/responses/Problem" }
  /api/v1/devices/{device}/moves:
    get:
      operationId: deviceMoves
      tags: [devices]
      summary: What the device's slots were to run from when on, who said so and why, newest first
      x-martlet-role: viewer
      x-martlet-limits: [namespaces, fleets]
      parameters:
        - { $ref: "#/components/parameters/Device" }
        - { $ref: "#/components/parameters/Cursor" }
        - { $ref: "#/components/parameters/Limit" }
      responses:
        "200":
          description: A page
          content: { application/json: { schema: { $ref: "#/components/schemas/MovePage" } } }
        default: { $ref: "#/components/responses/Problem" }
  /api/v1/devices/{device}/slots/{slot}/pin:
    parameters:
      - { $ref: "#/components/parameters/Device" }
      - { name: slot, in: path, required: true, schema: { $ref: "#/components/schemas/Name" } }
      - { $ref: "#/components/parameters/IdempotencyKey" }
    put:
      operationId: pinSlot
      tags: [devices]
      summary: Keep a slot as it is
      description: |
        Rollouts pass it over, rollbacks too unless they name the device and are forced. What a rollout has begun there
        goes on. Audited as `device.pin`.
      x-martlet-role: operator
      x-martlet-limits: [namespaces, fleets]
      requestBody:
        required: true
        content: { application/json: { schema: { $ref: "#/components/schemas/ExemptionRequest" } } }
      responses:
        "200":
          description: The device
          content: { application/json: { schema: { $ref: "#/components/schemas/Device" } } }
        default: { $ref: "#/components/responses/Problem" }
    delete:
      operationId: unpinSlot
      tags: [devices]
      summary: Let rollouts move a slot again
      description: 404 `notExempt` where it is not pinned. Open rollouts let the device in again.
      x-martlet-role: operator
      x-martlet-limits: [namespaces, fleets]
      responses:
        "200":
          description: The device
          content: { application/json: { schema: { $ref: "#/components/schemas/Device" } } }
        default: { $ref: "#/components/responses/Problem" }
  /api/v1/devices/{device}/hold:
    parameters:
      - { $ref: "#/components/parameters/Device" }
      - { $ref: "#/components/parameters/IdempotencyKey" }
    put:
      operationId: holdDevice
      tags: [devices]
      summary: Keep a device out of rollouts
      description: What a rollout has begun there goes on; rollbacks reach it. Audited as `device.holdOut`.
      x-martlet-role: operator
      x-martlet-limits: [fleets]
      requestBody:
        required: true
        content: { application/json: { schema: { $ref: "#/components/schemas/ExemptionRequest" } } }
      responses:
        "200":
          description: The device
          content: { application/json: { schema: { $ref: "#/components/schemas/Device" } } }
        default: { $ref: "#/components/responses/Problem" }
    delete:
      operationId: releaseDevice
      tags: [devices]
      summary: Let rollouts move a device again
      description: 404 `notExempt` where it is not held out. Open rollouts let it in again.
      x-martlet-role: operator
      x-martlet-limits: [fleets]
      responses:
        "200":
          description: The device
          content: { application/json: { schema: { $ref: "#/components/schemas/Device" } } }
        default: { $ref: "#/components/responses/Problem" }
  /api/v1/fleets:
    get:
      operationId: fleets
      tags: [devices]
      summary: Fleets by name, with how many devices each selects now
      x-martlet-role: viewer
      x-martlet-limits: [namespaces, fleets]
      parameters:
        - { $ref: "#/components/parameters/Cursor" }
        - { $ref: "#/components/parameters/Limit" }
      responses:
        "200":
          description: A page
          content: { application/json: { schema: { $ref: "#/components/schemas/FleetPage" } } }
        default: { $ref: "#/components/responses/Problem" }
  /api/v1/fleets/{fleet}:
    parameters:
      - { name: fleet, in: path, required: true, schema: { $ref: "#/components/schemas/Name" } }
      - { $ref: "#/components/parameters/IdempotencyKey" }
    put:
      operationId: putFleet
      tags: [devices]
      summary: Make a fleet, or change its selector
      x-martlet-role: operator
      requestBody:
        required: true
        content: { application/json: { schema: { $ref: "#/components/schemas/Fleet" } } }
      responses:
        "200":
          description: The fleet
          content: { application/json: { schema: { $ref: "#/components/schemas/Fleet" } } }
        default: { $ref: "#/components/responses/Problem" }
    delete:
      operationId: deleteFleet
      tags: [devices]
      summary: Remove a fleet; its devices stay
      x-martlet-role: operator
      responses:
        "204": { description: It is gone }
        default: { $ref: "#/components/responses/Problem" }

  /api/v1/rollouts:
    get:
      operationId: rollouts
      tags: [rollouts]
      summary: Rollouts, newest first
      x-martlet-role: viewer
      x-martlet-limits: [namespaces, fleets]
      parameters:
        - { $ref: "#/components/parameters/Cursor" }
        - { $ref: "#/components/parameters/Limit" }
      responses:
        "200":
          description: A page
          content: { application/json: { schema: { $ref: "#/components/schemas/RolloutPage" } } }
        default: { $ref: "#/components/responses/Problem" }
    post:
      operationId: startRollout
      tags: [rollouts]
      summary: Move a fleet's slot to a release
      description: |
        404 `unknownRelease` or `unknownFleet`, 409 `releaseNotPublished`, 422 `wrongKind`, `baseMismatch` or `noDevices`.
        Rollouts of the same slot that are still open lose the devices that this one selects. Answers once the rollout
        and its first step are durable; of many devices the others follow, also after a restart.
      x-martlet-role: operator
      x-martlet-limits: [namespaces, fleets]
      parameters:
        - { $ref: "#/components/parameters/IdempotencyKey" }
      requestBody:
        required: true
        content: { application/json: { schema: { $ref: "#/components/schemas/RolloutRequest" } } }
      responses:
        "201":
          description: The rollout
          content: { application/json: { schema: { $ref: "#/components/schemas/Rollout" } } }
        default: { $ref: "#/components/responses/Problem" }
  /api/v1/rollouts/plan:
    post:
      operationId: planRollout
      tags: [rollouts]
      summary: What a rollout would do, before anything happens
      x-martlet-role: operator
      x-martlet-limits: [namespaces, fleets]
      requestBody:
        required: true
        content: { application/json: { schema: { $ref: "#/components/schemas/RolloutRequest" } } }
      responses:
        "200":
          description: The waves, who would be passed over, and how long it takes at least
          content: { application/json: { schema: { $ref: "#/components/schemas/RolloutPlan" } } }
        default: { $ref: "#/components/responses/Problem" }
  /api/v1/rollouts/{rollout}:
    get:
      operationId: rollout
      tags: [rollouts]
      summary: One rollout with sums by wave, its gates, and the devices and decisions that matter most
      x-martlet-role: viewer
      x-martlet-limits: [namespaces, fleets]
      parameters:
        - { $ref: "#/components/parameters/Rollout" }
      responses:
        "200":
          description: The rollout
          content: { application/json: { schema: { $ref: "#/components/schemas/Rollout" } } }
        default: { $ref: "#/components/responses/Problem" }
  /api/v1/rollouts/{rollout}/devices:
    get:
      operationId: rolloutDevices
      tags: [rollouts]
      summary: A rollout's devices in the order of the waves
      x-martlet-role: viewer
      x-martlet-limits: [namespaces, fleets]
      parameters:
        - { $ref: "#/components/parameters/Rollout" }
        - { name: state, in: query, description: Only those in it, schema: { $ref: "#/components/schemas/DeviceState" } }
        - { $ref: "#/components/parameters/Cursor" }
        - { $ref: "#/components/parameters/Limit" }
      responses:
        "200":
          description: A page
          content: { application/json: { schema: { $ref: "#/components/schemas/RolloutDevicePage" } } }
        default: { $ref: "#/components/responses/Problem" }
  /api/v1/rollouts/{rollout}/explain:
    get:
      operationId: explainRollout
      tags: [rollouts]
      summary: Why a rollout, or one device in it, is where it is
      x-martlet-role: viewer
      x-martlet-limits: [namespaces, fleets]
      parameters:
        - { $ref: "#/components/parameters/Rollout" }
        - { name: device, in: query, schema: { $ref: "#/components/schemas/Name" } }
      responses:
        "200":
          description: The answer, the most important sentence first
          content: { application/json: { schema: { $ref: "#/components/schemas/RolloutExplanation" } } }
        default: { $ref: "#/components/responses/Problem" }
  /api/v1/rollouts/{rollout}/{action}:
    post:
      operationId: changeRollout
      tags: [rollouts]
      summary: Pause, resume, confirm, retry, abort or roll back
      description: |
        409 `rolloutState` where the rollout's state does not permit it; `confirm` lets the next wave start that waits
        for a person, `retry` tries devices again that did not succeed. 422 `notInRollout` for a device that takes no
        part.
      x-martlet-role: operator
      x-martlet-limits: [namespaces, fleets]
      parameters:
        - { $ref: "#/components/parameters/Rollout" }
        - { name: action, in: path, required: true, schema: { enum: [pause, resume, confirm, retry, abort, rollback] } }
        - { $ref: "#/components/parameters/IdempotencyKey" }
      requestBody:
        content: { application/json: { schema: { $ref: "#/components/schemas/RolloutChange" } } }
      responses:
        "200":
          description: The rollout
          content: { application/json: { schema: { $ref: "#/components/schemas/Rollout" } } }
        default: { $ref: "#/components/responses/Problem" }
  /api/v1/rollbacks:
    post:
      operationId: rollback
      tags: [rollouts]
      summary: Take devices back, each to what it had
      description: |
        Answers once the request and its first step are durable: of more than 250 slots the others follow in further
        steps, also after a restart, and `following` says how many they are. Pinned slots are passed over; 409 `slotPinned` where `device` names one, unless `force` is true.
      x-martlet-role: operator
      x-martlet-limits: [namespaces, fleets]
      parameters:
        - { $ref: "#/components/parameters/IdempotencyKey" }
      requestBody:
        required: true
        content: { application/json: { schema: { $ref: "#/components/schemas/RollbackRequest" } } }
      responses:
        "200":
          description: What was set in motion
          content: { application/json: { schema: { $ref: "#/components/schemas/RollbackAnswer" } } }
        default: { $ref: "#/components/responses/Problem" }
  /api/v1/rollbacks/{rollback}:
    get:
      operationId: rollbackProgress
      tags: [rollouts]
      summary: How far a rollback of many devices is
      x-martlet-role: viewer
      x-martlet-limits: [namespaces, fleets]
      parameters:
        - { name: rollback, in: path, required: true, schema: { type: string, maxLength: 128 } }
      responses:
        "200":
          description: Its progress
          content: { application/json: { schema: { $ref: "#/components/schemas/RollbackProgress" } } }
        default: { $ref: "#/components/responses/Problem" }

  /api/v1/telemetry:
    get:
      operationId: telemetry
      tags: [observing]
      summary: Minutes of slots' and devices' lives
      x-martlet-role: viewer
      x-martlet-limits: [namespaces, fleets]
      parameters:
        - { name: device, in: query, schema: { $ref: "#/components/schemas/Name" } }
        - { name: slot, in: query, schema: { $ref: "#/components/schemas/Name" } }
        - { name: release, in: query, schema: { $ref: "#/components/schemas/ReleasePath" } }
        - { name: minutes, in: query, description: How far back, schema: { type: integer, minimum: 1, maximum: 43200, default: 60 } }
        - name: since
          in: query
          description: From here on, instead of `minutes`
          schema: { $ref: "#/components/schemas/Time" }
        - { name: until, in: query, schema: { $ref: "#/components/schemas/Time" } }
        - { $ref: "#/components/parameters/Cursor" }
        - { $ref: "#/components/parameters/Limit" }
      responses:
        "200":
          description: A page
          content: { application/json: { schema: { $ref: "#/components/schemas/TelemetryPage" } } }
        default: { $ref: "#/components/responses/Problem" }
  /api/v1/audit:
    get:
      operationId: audit
      tags: [observing]
      summary: The audit log, newest first
      x-martlet-role: viewer
      parameters:
        - name: after
          in: query
          description: Rows above this number in rising order instead, for verification
          schema: { type: integer, minimum: 0 }
        - { $ref: "#/components/parameters/Cursor" }
        - { $ref: "#/components/parameters/Limit" }
      responses:
        "200":
          description: A page
          content: { application/json: { schema: { $ref: "#/components/schemas/AuditPage" } } }
        default: { $ref: "#/components/responses/Problem" }
  /api/v1/audit/checkpoint:
    get:
      operationId: auditCheckpoint
      tags: [observing]
      summary: The log's size and the root of its Merkle tree, signed by the director's key
      x-martlet-role: viewer
      responses:
        "200":
          description: A signed checkpoint
          content: { application/json: { schema: { $ref: "#/components/schemas/AuditCheckpoint" } } }
        default: { $ref: "#/components/responses/Problem" }
  /api/v1/audit/proof:
    get:
      operationId: auditProof
      tags: [observing]
      summary: The proof that a row is in the log of `size` rows, or that this log continues a smaller one
      description: Exactly one of `row` and `from` is given.
      x-martlet-role: viewer
      parameters:
        - { name: size, in: query, required: true, schema: { type: integer, minimum: 0 } }
        - { name: row, in: query, description: "For inclusion, from 1", schema: { type: integer, minimum: 1 } }
        - { name: from, in: query, description: For consistency, schema: { type: integer, minimum: 0 } }
      responses:
        "200":
          description: The hashes, as RFC 9162 orders them
          content: { application/json: { schema: { $ref: "#/components/schemas/AuditProof" } } }
        default: { $ref: "#/components/responses/Problem" }

  /api/v1/events:
    get:
      operationId: events
      tags: [observing]
      summary: What happened, newest first, or as it happens
      description: |
        With `Accept: text/event-stream` the answer is a stream of server-sent events that goes on: each has the event's
        `id`, its type as `event`, and the document as `data`. `Last-Event-ID` (or `after`) goes on after an event; where
        that is not kept any more, a `stream.gap` comes first. A comment comes at least every 15 seconds.
        `docs/formats/events.md` describes each type.
      x-martlet-role: viewer
      x-martlet-limits: [namespaces, fleets]
      parameters:
        - name: type
          in: query
          description: "Types and groups, separated by commas: `rollout.*,device.failed`"
          schema: { type: string }
        - name: after
          in: query
          description: Of a stream, begin after the event with this id
          schema: { type: string }
        - name: last
          in: query
          description: Of a stream, begin with so many of the newest events
          schema: { type: integer, minimum: 0, maximum: 1000 }
        - { $ref: "#/components/parameters/Cursor" }
        - { $ref: "#/components/parameters/Limit" }
      responses:
        "200":
          description: A page, or the stream
          content:
            application/json: { schema: { $ref: "#/components/schemas/EventPage" } }
            text/event-stream: { schema: { type: string } }
        default: { $ref: "#/components/responses/Problem" }
  /api/v1/webhooks:
    get:
      operationId: webhooks
      tags: [observing]
      summary: Endpoints that events are sent to, without their secrets
      x-martlet-role: admin
      parameters:
        - { $ref: "#/components/parameters/Cursor" }
        - { $ref: "#/components/parameters/Limit" }
      responses:
        "200":
          description: A page
          content: { application/json: { schema: { $ref: "#/components/schemas/WebhookPage" } } }
        default: { $ref: "#/components/responses/Problem" }
    post:
      operationId: createWebhook
      tags: [observing]
      summary: Have events sent to an address; the secret stands in this answer only
      description: |
        Deliveries are POSTs of one event each, signed by the Standard Webhooks specification (`webhook-id`,
        `webhook-timestamp`, `webhook-signature`). 422 `forbiddenAddress` says that nothing is sent to where this is.
      x-martlet-role: admin
      requestBody:
        required: true
        content: { application/json: { schema: { $ref: "#/components/schemas/WebhookRequest" } } }
      responses:
        "201":
          description: The webhook
          content: { application/json: { schema: { $ref: "#/components/schemas/Webhook" } } }
        default: { $ref: "#/components/responses/Problem" }
  /api/v1/webhooks/{webhook}:
    get:
      operationId: webhook
      tags: [observing]
      summary: One endpoint
      x-martlet-role: admin
      parameters:
        - { $ref: "#/components/parameters/Webhook" }
      responses:
        "200":
          description: The webhook
          content: { application/json: { schema: { $ref: "#/components/schemas/Webhook" } } }
        default: { $ref: "#/components/responses/Problem" }
    patch:
      operationId: patchWebhook
      tags: [observing]
      summary: Change, disable or enable an endpoint
      description: Enabled again it gets what it has missed, as far as that is kept, unless `skip` says otherwise.
      x-martlet-role: admin
      parameters:
        - { $ref: "#/components/parameters/Webhook" }
        - { $ref: "#/components/parameters/IdempotencyKey" }
      requestBody:
        required: true
        content: { application/json: { schema: { $ref: "#/components/schemas/WebhookPatch" } } }
      responses:
        "200":
          description: The webhook
          content: { application/json: { schema: { $ref: "#/components/schemas/Webhook" } } }
        default: { $ref: "#/components/responses/Problem" }
    delete:
      operationId: deleteWebhook
      tags: [observing]
      summary: Forget an endpoint with all that waits for it
      x-martlet-role: admin
      parameters:
        - { $ref: "#/components/parameters/Webhook" }
        - { $ref: "#/components/parameters/IdempotencyKey" }
      responses:
        "204": { description: It is gone }
        default: { $ref: "#/components/responses/Problem" }
  /api/v1/webhooks/{webhook}/test:
    post:
      operationId: testWebhook
      tags: [observing]
      summary: Send an event that says nothing, to this endpoint only
      x-martlet-role: admin
      parameters:
        - { $ref: "#/components/parameters/Webhook" }
        - { $ref: "#/components/parameters/IdempotencyKey" }
      responses:
        "202":
          description: The event that is on its way
          content:
            application/json:
              schema: { type: object, required: [event], properties: { event: { type: string } } }
        default: { $ref: "#/components/responses/Problem" }
  /api/v1/webhooks/{webhook}/rotate-secret:
    post:
      operationId: rotateWebhook
      tags: [observing]
      summary: Make a new secret, which stands in this answer only; the former one signs too for a while
      x-martlet-role: admin
      parameters:
        - { $ref: "#/components/parameters/Webhook" }
      requestBody:
        required: true
        content:
          application/json:
            schema:
              type: object
              properties:
                overlapSeconds: { type: integer, minimum: 0, maximum: 2592000, default: 86400 }
      responses:
        "200":
          description: The webhook
          content: { application/json: { schema: { $ref: "#/components/schemas/Webhook" } } }
        default: { $ref: "#/components/responses/Problem" }
  /api/v1/webhook-deliveries:
    get:
      operationId: deliveries
      tags: [observing]
      summary: Events on their way to endpoints, newest first
      x-martlet-role: admin
      parameters:
        - { name: webhook, in: query, description: Only to this one, schema: { type: string } }
        - { name: state, in: query, schema: { enum: [pending, delivered, dead] } }
        - { $ref: "#/components/parameters/Cursor" }
        - { $ref: "#/components/parameters/Limit" }
      responses:
        "200":
          description: A page
          content: { application/json: { schema: { $ref: "#/components/schemas/WebhookDeliveryPage" } } }
        default: { $ref: "#/components/responses/Problem" }
  /api/v1/webhook-deliveries/{delivery}:
    delete:
      operationId: deleteDelivery
      tags: [observing]
      summary: Throw a delivery away
      x-martlet-role: admin
      parameters:
        - { $ref: "#/components/parameters/Delivery" }
        - { $ref: "#/components/parameters/IdempotencyKey" }
      responses:
        "204": { description: It is gone }
        default: { $ref: "#/components/responses/Problem" }
  /api/v1/webhook-deliveries/{delivery}/replay:
    post:
      operationId: replayDelivery
      tags: [observing]
      summary: Send a delivery again, from its first attempt on and with the same `webhook-id`
      x-martlet-role: admin
      parameters:
        - { $ref: "#/components/parameters/Delivery" }
        - { $ref: "#/components/parameters/IdempotencyKey" }
      responses:
        "202":
          description: The delivery
          content: { application/json: { schema: { $ref: "#/components/schemas/WebhookDelivery" } } }
        default: { $ref: "#/components/responses/Problem" }

  /api/v1/tokens:
    get:
      operationId: tokens
      tags: [tokens]
      summary: Operators' tokens, without their secrets
      x-martlet-role: admin
      parameters:
        - { $ref: "#/components/parameters/Cursor" }
        - { $ref: "#/components/parameters/Limit" }
      responses:
        "200":
          description: A page
          content: { application/json: { schema: { $ref: "#/components/schemas/TokenPage" } } }
        default: { $ref: "#/components/responses/Problem" }
    post:
      operationId: createToken
      tags: [tokens]
      summary: Make a token; its secret stands in this answer only
      x-martlet-role: admin
      requestBody:
        required: true
        content: { application/json: { schema: { $ref: "#/components/schemas/TokenRequest" } } }
      responses:
        "201":
          description: The token
          content: { application/json: { schema: { $ref: "#/components/schemas/Token" } } }
        default: { $ref: "#/components/responses/Problem" }
  /api/v1/tokens/{token}:
    delete:
      operationId: deleteToken
      tags: [tokens]
      summary: Revoke a token
      x-martlet-role: admin
      parameters:
        - { $ref: "#/components/parameters/Token" }
        - { $ref: "#/components/parameters/IdempotencyKey" }
      responses:
        "204": { description: It is gone }
        default: { $ref: "#/components/responses/Problem" }
  /api/v1/join-tokens:
    get:
      operationId: joinTokens
      tags: [tokens]
      summary: Join tokens that can still be used
      x-martlet-role: operator
      parameters:
        - { $ref: "#/components/parameters/Cursor" }
        - { $ref: "#/components/parameters/Limit" }
      responses:
        "200":
          description: A page
          content: { application/json: { schema: { $ref: "#/components/schemas/JoinTokenPage" } } }
        default: { $ref: "#/components/responses/Problem" }
    post:
      operationId: createJoinToken
      tags: [tokens]
      summary: Make a join token; the whole string stands in this answer only
      x-martlet-role: operator
      requestBody:
        required: true
        content: { application/json: { schema: { $ref: "#/components/schemas/JoinTokenRequest" } } }
      responses:
        "201":
          description: The join token
          content: { application/json: { schema: { $ref: "#/components/schemas/JoinToken" } } }
        default: { $ref: "#/components/responses/Problem" }
  /api/v1/join-tokens/{token}:
    delete:
      operationId: deleteJoinToken
      tags: [tokens]
      summary: Revoke a join token
      x-martlet-role: operator
      parameters:
        - { $ref: "#/components/parameters/Token" }
        - { $ref: "#/components/parameters/IdempotencyKey" }
      responses:
        "204": { description: It is gone }
        default: { $ref: "#/components/responses/Problem" }

  /device/v1/enrol:
    post:
      operationId: enrol
      tags: [protocol]
      summary: A new device gets its certificate by a join token
      description: 403 `joinTokenRefused`, 409 `deviceNameTaken`, 422 for a bad certificate request, 429 for too many attempts.
      x-martlet-role: enrolling
      x-martlet-listener: device
      security: []
      requestBody:
        required: true
        content: { application/json: { schema: { $ref: "#/components/schemas/EnrolRequest" } } }
      responses:
        "201":
          description: The certificate
          content: { application/json: { schema: { $ref: "#/components/schemas/EnrolAnswer" } } }
        default: { $ref: "#/components/responses/Problem" }
  /device/v1/renew/nonce:
    post:
      operationId: renewalNonce
      tags: [protocol]
      summary: A nonce to sign for a renewal, good once and for a minute
      x-martlet-role: enrolling
      x-martlet-listener: device
      security: []
      responses:
        "200":
          description: The nonce
          content:
            application/json:
              schema:
                type: object
                required: [nonce]
                properties: { nonce: { $ref: "#/components/schemas/Hex" } }
        default: { $ref: "#/components/responses/Problem" }
  /device/v1/renew:
    post:
      operationId: renew
      tags: [protocol]
      summary: A known device gets its next certificate, also a while after the former one has ended
      x-martlet-role: enrolling
      x-martlet-listener: device
      security: []
      requestBody:
        required: true
        content: { application/json: { schema: { $ref: "#/components/schemas/RenewRequest" } } }
      responses:
        "200":
          description: The certificate
          content: { application/json: { schema: { $ref: "#/components/schemas/EnrolAnswer" } } }
        default: { $ref: "#/components/responses/Problem" }
  /device/v1/inventory:
    put:
      operationId: inventory
      tags: [protocol]
      summary: What the device is and what its slots run
      x-martlet-role: device
      x-martlet-listener: device
      security: [{ certificate: [] }]
      requestBody:
        required: true
        content: { application/json: { schema: { $ref: "#/components/schemas/Inventory" } } }
      responses:
        "204": { description: It is kept }
        default: { $ref: "#/components/responses/Problem" }
  /device/v1/assignment:
    get:
      operationId: assignment
      tags: [protocol]
      summary: What the device shall run, once that is above a number (long poll)
      x-martlet-role: device
      x-martlet-listener: device
      security: [{ certificate: [] }]
      parameters:
        - { name: number, in: query, description: The highest number that it accepted, schema: { type: integer, minimum: 0 } }
        - { name: wait, in: query, description: Seconds to wait, schema: { type: integer, minimum: 0, maximum: 55 } }
        - { name: snapshot, in: query, description: The highest snapshot that it accepted, schema: { type: integer, minimum: 0 } }
        - { name: timestamp, in: query, description: The highest timestamp that it accepted, schema: { type: integer, minimum: 0 } }
        - name: trust
          in: query
          description: Root and top-level targets that it follows; the poll ends once they are others here
          schema: { type: string, pattern: "^[0-9]+\\.[0-9]+$" }
        - { name: journal, in: query, schema: { $ref: "#/components/schemas/Journal" } }
      responses:
        "200": { $ref: "#/components/responses/Signed" }
        "204":
          description: Nothing above the number came within the wait, or only root or targets are others than it said
          headers:
            Martlet-Trust:
              description: The current versions of root and top-level targets, `ROOT.TARGETS`; with 200 too
              schema: { type: string }
        default: { $ref: "#/components/responses/Problem" }
  /device/v1/reports:
    post:
      operationId: reports
      tags: [protocol]
      summary: What happened on the device; each report is taken once
      x-martlet-role: device
      x-martlet-listener: device
      security: [{ certificate: [] }]
      requestBody:
        required: true
        content: { application/json: { schema: { $ref: "#/components/schemas/ReportBatch" } } }
      responses:
        "200":
          description: Up to where the journal is here
          content:
            application/json:
              schema:
                type: object
                required: [highest]
                properties: { highest: { type: integer } }
        default: { $ref: "#/components/responses/Problem" }
  /device/v1/otlp/v1/metrics:
    post:
      operationId: deviceTelemetry
      tags: [protocol]
      summary: OTLP/HTTP metrics as JSON, plain, in gzip or in zstd; taken once by journal and sequence
      x-martlet-role: device
      x-martlet-listener: device
      security: [{ certificate: [] }]
      parameters:
        - { name: Martlet-Journal, in: header, required: true, schema: { $ref: "#/components/schemas/Journal" } }
        - { name: Martlet-Sequence, in: header, required: true, schema: { type: integer, minimum: 1 } }
      requestBody:
        required: true
        content: { application/json: { schema: { type: object } } }
      responses:
        "200":
          description: ExportMetricsServiceResponse
          content: { application/json: { schema: { type: object } } }
        default: { $ref: "#/components/responses/Problem" }

components:
  securitySchemes:
    token: { type: http, scheme: bearer }
    certificate: { type: mutualTLS }
  parameters:
    Cursor: { name: cursor, in: query, description: The page after one whose `next` this is, schema: { type: string } }
    Limit: { name: limit, in: query, schema: { type: integer, minimum: 1, maximum: 500, default: 100 } }
    Repository: { name: repository, in: query, schema: { type: string }, example: clinic/triage }
    Device: { name: device, in: path, required: true, schema: { $ref: "#/components/schemas/Name" } }
    Rollout: { name: rollout, in: path, required: true, schema: { $ref: "#/components/schemas/Name" } }
    Token: { name: token, in: path, required: true, schema: { type: string } }
    Webhook: { name: webhook, in: path, required: true, schema: { type: string }, example: w-4f20c1d2e3a4b5c6 }
    Delivery: { name: delivery, in: path, required: true, schema: { type: integer, minimum: 1 } }
    Proposal: { name: proposal, in: path, required: true, schema: { type: string }, example: p-4f20c1d2e3a4b5c6 }
    Role: { name: role, in: path, required: true, schema: { type: string }, example: clinic-bin-0a }
    IdempotencyKey: { name: Idempotency-Key, in: header, schema: { type: string, minLength: 1, maxLength: 128 } }
  responses:
    Status:
      description: It does
      content:
        application/json:
          schema:
            type: object
            required: [status]
            properties: { status: { type: string } }
    Problem:
      description: Why not
      content: { application/problem+json: { schema: { $ref: "#/components/schemas/Problem" } } }
    Signed:
      description: A signed document, byte for byte
      content:
        application/json:
          schema:
            type: object
            required: [signed, signatures]
            properties:
              signed: { type: object }
              signatures: { type: array, items: { type: object } }
  schemas:
    Name: { type: string, pattern: "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$" }
    Hex: { type: string, pattern: "^([0-9a-f]{2})+$" }
    Journal: { type: string, pattern: "^[0-9a-f]{32}$" }
    Time: { type: string, format: date-time }
    Digest: { type: string, pattern: "^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$" }
    ReleasePath: { type: string, examples: [clinic/triage/1.0.0] }
    Labels: { type: object, additionalProperties: { type: string } }
    State: { enum: [draft, running, paused, completed, rollingBack, rolledBack, aborted] }
    DeviceState:
      enum:
        [pending, offered, downloading, verifying, probing, switching, soaking, succeeded, failed, rolledBack, skipped,
         unreachable, superseded]
    Problem:
      description: RFC 9457
      type: object
      required: [type, title, status, detail, code]
      properties:
        type: { type: string, format: uri }
        title: { type: string }
        status: { type: integer }
        detail: { type: string }
        code: { type: string, description: Stable }
        remedy: { type: string, description: What to do next }
        field: { type: string, description: "The member that was wrong: a JSON pointer or a name" }
    RegistryStatus:
      type: object
      required: [version, readiness, devices, devicesOnline, releases, openRollouts, metadataVersions, metadataExpiries, takenBack, behind]
      properties:
        version: { type: string }
        readiness: { type: string, description: "`ready`, or why not" }
        devices: { type: integer }
        devicesOnline: { type: integer }
        releases: { type: integer }
        openRollouts: { type: integer }
        metadataVersions: { type: object, additionalProperties: { type: integer } }
        metadataExpiries: { type: object, additionalProperties: { $ref: "#/components/schemas/Time" } }
        takenBack: { type: array, items: { $ref: "#/components/schemas/TakenBackRelease" } }
        behind: { type: array, items: { $ref: "#/components/schemas/BehindRole" } }
    BehindRole:
      description: A role that devices have seen in a newer version than stands here, after an older backup was restored
      type: object
      required: [role, version, seen, devices]
      properties:
        role: { type: string }
        namespace: { type: string, description: Absent for the owner's roles }
        version: { type: integer, description: The version here }
        seen: { type: integer, description: The highest version that a device has seen }
        devices: { type: integer, description: Devices that say so }
    TakenBackRelease:
      description: A release that devices run although it was blocked, yanked, or is below its repository's floor
      type: object
      required: [path, state, devices, fleets]
      properties:
        path: { $ref: "#/components/schemas/ReleasePath" }
        state: { enum: [published, blocked, yanked] }
        reason: { type: string }
        floor: { type: string, description: The floor that it is below }
        devices: { type: integer, description: Devices that run it }
        fleets: { type: object, description: How many of them each fleet has, additionalProperties: { type: integer } }
        instead: { $ref: "#/components/schemas/ReleasePath" }
        suggestion: { type: string, description: The command that takes the devices off it }
    Caller:
      type: object
      required: [name, role]
      properties:
        name: { type: string }
        role: { $ref: "#/components/schemas/Role" }
        namespaces: { type: array, minItems: 1, items: { type: string }, description: The only ones it concerns; absent is all }
        fleets:
          type: array
          minItems: 1
          items: { $ref: "#/components/schemas/Name" }
          description: The only ones whose devices it concerns; absent is all devices
        expires: { $ref: "#/components/schemas/Time" }
    Role: { enum: [viewer, publisher, operator, admin] }
    OnlineKeys:
      type: object
      required: [snapshot, timestamp, director, authority, addresses]
      properties:
        snapshot: { type: object, description: A TUF key }
        timestamp: { type: object }
        director: { type: object }
        authority: { type: string, description: PEM }
        addresses: { type: array, items: { type: string, format: uri } }
        next:
          description: Keys that owners have not signed for, or not alone, by kind; an authority is PEM.
          type: object
    TrustInitialization:
      description: Signed documents as text, byte for byte
      type: object
      required: [root, targets, delegated, trustDocument]
      properties:
        root: { type: string }
        targets: { type: string }
        delegated: { type: object, additionalProperties: { type: string } }
        trustDocument: { type: string }
    OfflineRequest:
      type: object
      required: [devices, validSeconds]
      properties:
        devices: { type: array, items: { type: string }, description: Devices whose assignments are wanted }
        fleet: { type: string, description: A fleet, all of whose devices are meant too }
        validSeconds: { type: integer, minimum: 3600, maximum: 7776000 }
    OfflineSignatures:
      type: object
      required: [snapshot, snapshotVersion, timestamp, expires, assignments]
      properties:
        snapshot: { type: string, description: "The signed snapshot, byte for byte as text" }
        snapshotVersion: { type: integer }
        timestamp: { type: string, description: "The signed timestamp, byte for byte as text" }
        expires: { $ref: "#/components/schemas/Time" }
        assignments:
          description: Signed assignments, byte for byte as text, by device.
          type: object
          additionalProperties: { type: string }
    MetadataImport:
      type: object
      required: [roots, roles, trustDocument]
      properties:
        roots: { type: array, items: { type: string }, description: Every version of the root from the first on }
        roles:
          description: "`targets`, and the roles and bins of namespaces, byte for byte as text."
          type: object
          additionalProperties: { type: string }
        trustDocument: { type: string, description: The bytes of `martlet/trust.json` }
        snapshot:
          description: The snapshot of the registry that they come from; this one goes on above its version.
          type: string
        timestamp:
          description: The timestamp of the registry that they come from; this one goes on above its version.
          type: string
    MetadataImportReceipt:
      type: object
      required: [roles, published, withdrawn]
      properties:
        roles: { type: array, items: { type: string }, description: Roles whose version rose }
        published: { type: array, items: { $ref: "#/components/schemas/ReleasePath" } }
        withdrawn: { type: array, items: { $ref: "#/components/schemas/ReleasePath" } }
    TrustChange:
      type: object
      required: [roles]
      properties:
        roles:
          description: Signed metadata, byte for byte as text, by role.
          type: object
          additionalProperties: { type: string }
        trustDocument: { type: string, description: The bytes of `martlet/trust.json` that the targets among them name }
        suspends:
          description: Namespaces that may be left without valid signatures until their publishers sign again.
          type: array
          items: { type: string }
    TrustReceipt:
      type: object
      required: [roles, snapshot]
      properties:
        roles: { type: object, additionalProperties: { type: integer } }
        snapshot: { type: integer }
    ProposalRequest:
      type: object
      required: [change, note]
      properties:
        change: { $ref: "#/components/schemas/TrustChange" }
        edit:
          description: What a publisher wants in a bin, so that it can be applied again when another change came first.
          type: object
          required: [path]
          properties:
            path: { $ref: "#/components/schemas/ReleasePath" }
            target: { type: object, description: The target as TUF metadata has it; absent for a withdrawal }
        note: { type: string, maxLength: 200 }
    Proposal:
      type: object
      required: [id, note, created, createdBy, isOutdated, signAgain, progress, change]
      properties:
        id: { type: string }
        note: { type: string }
        namespace: { type: string, description: Absent where it needs the owner }
        created: { type: string, format: date-time }
        createdBy: { type: string }
        isOutdated: { type: boolean, description: Whether another change came first }
        signAgain:
          description: Keys that had signed before another change came first; their signatures do not count any more.
          type: array
          items: { type: string }
        progress:
          type: array
          items:
            type: object
            required: [role, version, signed, unsigned, needed, isComplete]
            properties:
              role: { type: string }
              version: { type: integer }
              signed: { type: array, items: { type: string } }
              unsigned: { type: array, items: { type: string } }
              needed: { type: integer }
              isComplete: { type: boolean }
        change: { $ref: "#/components/schemas/TrustChange" }
        edit: { type: object }
    ProposalAnswer:
      type: object
      required: [proposal]
      properties:
        proposal: { $ref: "#/components/schemas/Proposal" }
        receipt: { $ref: "#/components/schemas/TrustReceipt" }
    RoleReceipt:
      type: object
      required: [role, version, snapshot]
      properties:
        role: { type: string }
        version: { type: integer }
        snapshot: { type: integer }
    Release:
      type: object
      required: [path, kind, indexDigest, length, state, published, aliases, variants, devices]
      properties:
        path: { $ref: "#/components/schemas/ReleasePath" }
        kind: { enum: [model, adapter, engine, agent] }
        indexDigest: { $ref: "#/components/schemas/Digest" }
        length: { type: integer, description: Bytes of the index }
        state: { enum: [published, blocked, yanked] }
        reason: { type: string, description: Why it was blocked or yanked }
        floor: { type: string, description: The repository's floor; nothing below it is installed }
        takenBack: { $ref: "#/components/schemas/TakenBackRelease" }
        published: { $ref: "#/components/schemas/Time" }
        aliases: { type: array, items: { type: string } }
        base: { $ref: "#/components/schemas/ReleasePath" }
        variants: { type: array, items: { $ref: "#/components/schemas/Variant" } }
        minAccuracy: { type: number, minimum: 0, maximum: 1 }
        devices: { type: integer, description: Devices that run it now }
    Variant:
      type: object
      required: [digest, architecture, quantization, size]
      properties:
        digest: { $ref: "#/components/schemas/Digest" }
        architecture: { type: string }
        quantization: { type: string }
        size: { type: integer, description: Bytes }
        minMemory: { type: integer, description: Bytes }
    ReleasePage: { allOf: [{ $ref: "#/components/schemas/Page" }, { properties: { items: { type: array, items: { $ref: "#/components/schemas/Release" } } } }] }
    AliasPage: { allOf: [{ $ref: "#/components/schemas/Page" }, { properties: { items: { type: array, items: { $ref: "#/components/schemas/Alias" } } } }] }
    DevicePage: { allOf: [{ $ref: "#/components/schemas/Page" }, { properties: { items: { type: array, items: { $ref: "#/components/schemas/Device" } } } }] }
    ReportPage: { allOf: [{ $ref: "#/components/schemas/Page" }, { properties: { items: { type: array, items: { $ref: "#/components/schemas/Report" } } } }] }
    FleetPage: { allOf: [{ $ref: "#/components/schemas/Page" }, { properties: { items: { type: array, items: { $ref: "#/components/schemas/Fleet" } } } }] }
    MovePage: { allOf: [{ $ref: "#/components/schemas/Page" }, { properties: { items: { type: array, items: { $ref: "#/components/schemas/Move" } } } }] }
    RolloutDevicePage: { allOf: [{ $ref: "#/components/schemas/Page" }, { properties: { items: { type: array, items: { $ref: "#/components/schemas/RolloutDevice" } } } }] }
    RolloutPage: { allOf: [{ $ref: "#/components/schemas/Page" }, { properties: { items: { type: array, items: { $ref: "#/components/schemas/Rollout" } } } }] }
    TelemetryPage: { allOf: [{ $ref: "#/components/schemas/Page" }, { properties: { items: { type: array, items: { $ref: "#/components/schemas/TelemetryPoint" } } } }] }
    AuditPage: { allOf: [{ $ref: "#/components/schemas/Page" }, { properties: { items: { type: array, items: { $ref: "#/components/schemas/AuditRow" } } } }] }
    EventPage: { allOf: [{ $ref: "#/components/schemas/Page" }, { properties: { items: { type: array, items: { $ref: "#/components/schemas/Event" } } } }] }
    WebhookPage: { allOf: [{ $ref: "#/components/schemas/Page" }, { properties: { items: { type: array, items: { $ref: "#/components/schemas/Webhook" } } } }] }
    WebhookDeliveryPage: { allOf: [{ $ref: "#/components/schemas/Page" }, { properties: { items: { type: array, items: { $ref: "#/components/schemas/WebhookDelivery" } } } }] }
    TokenPage: { allOf: [{ $ref: "#/components/schemas/Page" }, { properties: { items: { type: array, items: { $ref: "#/components/schemas/Token" } } } }] }
    JoinTokenPage: { allOf: [{ $ref: "#/components/schemas/Page" }, { properties: { items: { type: array, items: { $ref: "#/components/schemas/JoinToken" } } } }] }
    Page:
      type: object
      required: [items]
      properties:
        items: { type: array }
        next: { type: string, description: Absent on the last page }
    BlockRequest:
      type: object
      required: [path, blocked, reason]
      properties:
        path: { $ref: "#/components/schemas/ReleasePath" }
        blocked: { type: boolean }
        reason: { type: string }
    Alias:
      type: object
      required: [repository, name, version]
      properties:
        repository: { type: string }
        name: { $ref: "#/components/schemas/Name" }
        version: { type: string }
    Device:
      type: object
      required: [device, labels, online, enrolled, certificateExpires, assignment, slots, standing]
      properties:
        device: { $ref: "#/components/schemas/Name" }
        labels: { $ref: "#/components/schemas/Labels" }
        online: { type: boolean }
        enrolled: { $ref: "#/components/schemas/Time" }
        lastSeen: { $ref: "#/components/schemas/Time" }
        certificateExpires: { $ref: "#/components/schemas/Time" }
        profile: { type: string }
        agentVersion: { type: string }
        assignment: { type: integer }
        slots: { type: object, additionalProperties: { $ref: "#/components/schemas/DeviceSlot" } }
        standing: { enum: [pending, active, held, revoked] }
        held: { type: string, description: Why it gets nothing; absent while it is active }
        pins:
          description: Slots that rollouts pass over
          type: object
          additionalProperties: { $ref: "#/components/schemas/Exemption" }
        hold: { $ref: "#/components/schemas/Exemption" }
        inventory: { $ref: "#/components/schemas/Inventory" }
    DeviceSlot:
      type: object
      required: [desired, current, previous, serving, generation]
      properties:
        desired: { type: array, items: { $ref: "#/components/schemas/ReleasePath" } }
        current: { type: array, items: { $ref: "#/components/schemas/ReleasePath" } }
        previous: { type: array, items: { $ref: "#/components/schemas/ReleasePath" } }
        state: { $ref: "#/components/schemas/DeviceState" }
        code: { type: string }
        message: { type: string }
        serving: { type: boolean }
        generation: { type: integer }
        override: { type: string }
        evaluation: { $ref: "#/components/schemas/Evaluation" }
    Evaluation:
      type: object
      required: [rows, correct, failed, medianMilliseconds]
      properties:
        rows: { type: integer }
        correct: { type: integer }
        failed: { type: integer }
        medianMilliseconds: { type: number }
        p95Milliseconds: { type: number }
        macroF1: { type: number }
        minAccuracy: { type: number }
    DeviceDecision:
      type: object
      properties:
        reason: { type: string, maxLength: 500 }
    DevicePatch:
      type: object
      properties:
        labels: { $ref: "#/components/schemas/Labels" }
    Report:
      type: object
      required: [sequence, time, releases]
      properties:
        sequence: { type: integer, minimum: 1 }
        time: { $ref: "#/components/schemas/Time" }
        slot: { $ref: "#/components/schemas/Name" }
        generation: { type: integer }
        rollout: { $ref: "#/components/schemas/Name" }
        releases: { type: array, items: { $ref: "#/components/schemas/ReleasePath" } }
        state: { $ref: "#/components/schemas/DeviceState" }
        code: { type: string }
        message: { type: string }
        figures: { type: object }
    ReportBatch:
      type: object
      required: [journal, reports]
      properties:
        journal: { $ref: "#/components/schemas/Journal" }
        reports: { type: array, maxItems: 1000, items: { $ref: "#/components/schemas/Report" } }
    Fleet:
      type: object
      required: [name, selector]
      properties:
        name: { $ref: "#/components/schemas/Name" }
        selector: { type: string, description: Kubernetes' grammar of label selectors }
        devices: { type: integer, readOnly: true }
        online: { type: integer, readOnly: true }
    RolloutRequest:
      type: object
      required: [slot, releases, settings, policy]
      properties:
        fleet: { $ref: "#/components/schemas/Name" }
        selector: { type: string, description: Exactly one of fleet and selector }
        slot: { $ref: "#/components/schemas/Name" }
        releases: { type: array, minItems: 1, maxItems: 16, items: { $ref: "#/components/schemas/ReleasePath" } }
        settings:
          type: object
          properties:
            contextTokens: { type: integer, minimum: 1 }
            parallelRequests: { type: integer, minimum: 1 }
            threads: { type: integer, minimum: 1 }
            adapterScalesPermille: { type: object, additionalProperties: { type: integer } }
            pooling: { type: string, enum: [mean, cls, last], description: How embeddings are made }
            residency: { $ref: "#/components/schemas/SlotResidency" }
        policy: { $ref: "#/components/schemas/RolloutPolicy" }
    SlotResidency:
      description: How a slot lives beside the others of its device; `docs/slots.md` describes it.
      type: object
      properties:
        start: { enum: [always, ifRoom, onDemand], default: ifRoom, description: When its engine runs }
        priority: { type: integer, minimum: -100, maximum: 100, default: 0, description: Higher ones make room later }
        idleSeconds:
          { type: integer, minimum: 0, maximum: 2592000, description: Without a request its engine ends after it }
        memoryMiB: { type: integer, minimum: 16, maximum: 16777216, description: The most memory of one engine }
        cpuPercent: { type: integer, minimum: 5, maximum: 51200, description: Hundredths of one processor }
    RolloutPolicy:
      description: Every field may be left out. `docs/formats/rollout-policy.md` describes each.
      type: object
      properties:
        waves: { type: array, maxItems: 100, items: { $ref: "#/components/schemas/RolloutWave" } }
        membership: { enum: [frozen, dynamic], default: frozen }
        order: { type: array, maxItems: 100, items: { type: string }, description: Selectors of those that come first }
        soakSeconds: { type: integer, minimum: 0, maximum: 86400, default: 10 }
        maxFailures: { type: [integer, "null"], minimum: 0, default: 0 }
        thresholds: { type: array, maxItems: 100, items: { $ref: "#/components/schemas/FailureThreshold" } }
        gates: { type: array, maxItems: 100, items: { $ref: "#/components/schemas/RolloutGate" } }
        maxInFlight: { type: integer, minimum: 1 }
        rate:
          type: object
          required: [perMinute, growth, growAfter]
          properties:
            perMinute: { type: number, minimum: 0.001 }
            growth: { type: number, minimum: 1, maximum: 100 }
            growAfter: { type: integer, minimum: 1 }
            maxPerMinute: { type: number, minimum: 0.001 }
        deviceDeadlineSeconds: { type: integer, minimum: 1, maximum: 31536000 }
        retry:
          type: object
          required: [attempts, backoffSeconds, maxBackoffSeconds, causes]
          properties:
            attempts: { type: integer, minimum: 0, maximum: 100 }
            backoffSeconds: { type: integer, minimum: 1, maximum: 86400 }
            maxBackoffSeconds: { type: integer, minimum: 1, maximum: 604800 }
            causes: { type: array, items: { type: string } }
        conditions: { $ref: "#/components/schemas/UpdateConditions" }
        shadow:
          type: object
          required: [sharePermille, comparison, minSimilarityPermille, samples, maxSeconds]
          properties:
            sharePermille: { type: integer, minimum: 1, maximum: 1000 }
            comparison: { enum: [label, normalized, embedding] }
            minSimilarityPermille: { type: integer, minimum: 0, maximum: 1000 }
            samples: { type: integer, minimum: 1, maximum: 100000 }
            maxSeconds: { type: integer, minimum: 1, maximum: 604800 }
            minAgreementPermille: { type: integer, minimum: 0, maximum: 1000 }
        onFailure: { enum: [pause, stop, rollbackWave, rollbackAll] }
    RolloutWave:
      description: A size, cumulative over the members, or an object
      oneOf:
        - { type: string, examples: ["1", "20%"] }
        - type: object
          properties:
            size: { type: string, examples: ["1", "20%"] }
            selector: { type: string }
            soakSeconds: { type: integer, minimum: 0, maximum: 2592000 }
            confirm: { type: boolean }
    FailureThreshold:
      type: object
      required: [outcomes, causes, maxShare, minCompleted, confidence]
      properties:
        outcomes: { type: array, minItems: 1, items: { enum: [failed, timedOut, unreachable, refused, skipped] } }
        causes: { type: array, items: { type: string }, description: Of `failed` only these; empty is all }
        maxShare: { type: number, minimum: 0, maximum: 1 }
        minCompleted: { type: integer, minimum: 1 }
        confidence: { type: number, minimum: 0.5, maximum: 0.999 }
        onFailure: { enum: [pause, stop, rollbackWave, rollbackAll] }
    RolloutMetric:
      enum:
        - failure.rate
        - crash.count
        - request.error_rate
        - request.duration.p95
        - time_to_first_token.p95
        - time_per_output_token.p50
        - tokens_per_second
        - memory.used
        - temperature
        - eval.accuracy
        - shadow.agreement
    RolloutGate:
      type: object
      required: [metric]
      properties:
        metric: { $ref: "#/components/schemas/RolloutMetric" }
        max: { type: number }
        min: { type: number }
        baseline:
          description: How much worse than devices that are not updated yet is tolerated; for shares a difference
          type: object
          required: [tolerance, confidence]
          properties:
            tolerance: { type: number, minimum: 0 }
            confidence: { type: number, minimum: 0.5, maximum: 0.999 }
        minDevices: { type: integer, minimum: 1, default: 1 }
        minSamples: { type: integer, minimum: 0, default: 20 }
        intervalSeconds: { type: integer, minimum: 1, maximum: 86400, default: 60 }
        failureLimit: { type: integer, minimum: 0, maximum: 10000, default: 0 }
        inconclusiveLimit: { type: integer, minimum: 0, maximum: 10000, default: 10 }
        onFailure: { enum: [pause, stop, rollbackWave, rollbackAll] }
    UpdateConditions:
      type: object
      properties:
        windows:
          type: array
          items:
            type: object
            required: [days, startMinute, minutes]
            properties:
              days: { type: array, items: { type: integer, minimum: 1, maximum: 7 }, description: 1 is Monday; empty is every day }
              startMinute: { type: integer, minimum: 0, maximum: 1439, description: Of the device's own day }
              minutes: { type: integer, minimum: 1, maximum: 1440 }
        idleSeconds: { type: integer, minimum: 0, maximum: 86400 }
        onMains: { type: boolean }
        belowCelsius: { type: integer, minimum: -40, maximum: 150 }
        jitterSeconds: { type: integer, minimum: 0, maximum: 86400 }
        bytesPerSecond: { type: integer, minimum: 1024 }
    RolloutPlan:
      type: object
      required: [waves, skipped, conditions, leastSeconds, supersedes]
      properties:
        waves:
          type: array
          items:
            type: object
            required: [devices, soakSeconds, confirm]
            properties:
              devices: { type: array, items: { $ref: "#/components/schemas/Name" } }
              size: { type: string }
              selector: { type: string }
              soakSeconds: { type: integer }
              confirm: { type: boolean }
        skipped:
          type: array
          items:
            type: object
            required: [device, code, reason]
            properties:
              device: { $ref: "#/components/schemas/Name" }
              code: { type: string, examples: [pinned, held, noVariantFits] }
              reason: { type: string }
        conditions: { $ref: "#/components/schemas/UpdateConditions" }
        maxInFlight: { type: integer }
        leastSeconds: { type: integer, description: What soaks and the rate of starting take }
        supersedes: { type: array, items: { $ref: "#/components/schemas/Name" } }
    RolloutChange:
      type: object
      properties:
        reason: { type: string, maxLength: 500 }
        devices: { type: array, items: { $ref: "#/components/schemas/Name" }, description: For `retry` only these }
    GateResult:
      type: object
      required: [gate, verdict, method, devices, baselineDevices, worst, sentence]
      properties:
        gate: { $ref: "#/components/schemas/RolloutMetric" }
        verdict: { enum: [passed, failed, inconclusive] }
        method: { type: string }
        value: { type: number }
        baseline: { type: number }
        bound: { type: number }
        effect: { type: number, description: "Ratio to the baseline; for shares the difference" }
        low: { type: number }
        high: { type: number }
        probability: { type: number }
        devices: { type: integer }
        baselineDevices: { type: integer }
        worst: { type: array, items: { $ref: "#/components/schemas/Name" } }
        sentence: { type: string }
    GateStanding:
      type: object
      required: [gate, failures, inconclusive, hasPassed]
      properties:
        gate: { $ref: "#/components/schemas/RolloutGate" }
        failures: { type: integer }
        inconclusive: { type: integer }
        hasPassed: { type: boolean }
        result: { $ref: "#/components/schemas/GateResult" }
    RolloutExplanation:
      type: object
      required: [id, state, because, decisions, gates, waiting]
      properties:
        id: { $ref: "#/components/schemas/Name" }
        state: { $ref: "#/components/schemas/State" }
        because: { type: array, items: { type: string } }
        decisions: { type: array, items: { $ref: "#/components/schemas/RolloutDecision" } }
        gates: { type: array, items: { $ref: "#/components/schemas/GateStanding" } }
        waiting: { type: array, items: { $ref: "#/components/schemas/RolloutDevice" } }
        part:
          type: object
          required: [online, moves]
          properties:
            device: { $ref: "#/components/schemas/RolloutDevice" }
            online: { type: boolean }
            lastSeen: { $ref: "#/components/schemas/Time" }
            lastReport: { $ref: "#/components/schemas/Report" }
            pin: { $ref: "#/components/schemas/Exemption" }
            hold: { $ref: "#/components/schemas/Exemption" }
            moves: { type: array, items: { $ref: "#/components/schemas/Move" } }
    ExemptionRequest:
      type: object
      required: [reason]
      properties:
        reason: { type: string, minLength: 1, maxLength: 500 }
        validSeconds: { type: integer, minimum: 1, maximum: 31536000, description: Absent lasts until it is lifted }
    Exemption:
      type: object
      required: [reason, by, since]
      properties:
        reason: { type: string }
        by: { type: string }
        since: { $ref: "#/components/schemas/Time" }
        expires: { $ref: "#/components/schemas/Time" }
    Move:
      type: object
      required: [number, time, slot, releases, actor, reason]
      properties:
        number: { type: integer, description: The assignment that said so }
        time: { $ref: "#/components/schemas/Time" }
        slot: { $ref: "#/components/schemas/Name" }
        releases: { type: array, items: { $ref: "#/components/schemas/ReleasePath" } }
        rollout: { $ref: "#/components/schemas/Name" }
        actor: { type: string, description: Who moved it; `registry` for what a gate decided }
        reason: { type: string }
        state: { $ref: "#/components/schemas/DeviceState" }
        code: { type: string }
        message: { type: string }
        reported: { $ref: "#/components/schemas/Time" }
    Rollout:
      type: object
      required: [id, slot, releases, selector, state, reason, policy, created, createdBy, wave, waves, counts]
      properties:
        id: { $ref: "#/components/schemas/Name" }
        slot: { $ref: "#/components/schemas/Name" }
        releases: { type: array, items: { $ref: "#/components/schemas/ReleasePath" } }
        fleet: { $ref: "#/components/schemas/Name" }
        selector: { type: string }
        state: { $ref: "#/components/schemas/State" }
        reason: { type: string }
        policy: { $ref: "#/components/schemas/RolloutPolicy" }
        created: { $ref: "#/components/schemas/Time" }
        createdBy: { type: string }
        wave: { type: integer }
        waves: { type: integer }
        counts: { type: object, additionalProperties: { type: integer } }
        devices:
          description: All of 200 at most; of more those that need a look, are at work for longest, and changed last
          type: array
          maxItems: 200
          items: { $ref: "#/components/schemas/RolloutDevice" }
        devicesLeft: { type: integer, description: "Devices that are not in `devices`; absent for none" }
        endedLately: { type: integer, description: Devices that came to an end in the last ten minutes }
        decisions:
          description: The newest 500
          type: array
          items: { $ref: "#/components/schemas/RolloutDecision" }
        progress:
          type: array
          items:
            type: object
            required: [devices, counts, soakSeconds, confirm]
            properties:
              devices: { type: integer }
              counts: { type: object, additionalProperties: { type: integer } }
              soakSeconds: { type: integer }
              confirm: { type: boolean }
        gates: { type: array, items: { $ref: "#/components/schemas/GateStanding" } }
        proofs:
          description: What devices proved on themselves, by hardware profile; of more than 400 an even sample
          type: array
          items: { $ref: "#/components/schemas/ProfileProof" }
        phase: { enum: [moving, soaking, measuring, confirming] }
        cause: { type: string, description: "Why it is in its state, as a stable code" }
        estimatedEnd: { $ref: "#/components/schemas/Time" }
    ProfileProof:
      type: object
      required: [profile]
      properties:
        profile: { type: string, description: Empty for devices that told none }
        evaluation:
          type: object
          required: [devices, passed, rows, correct, lowestAccuracy, lowest, medianMilliseconds]
          properties:
            devices: { type: integer }
            passed: { type: integer, description: Devices that reached the threshold }
            rows: { type: integer }
            correct: { type: integer }
            lowestAccuracy: { type: number }
            lowest: { $ref: "#/components/schemas/Name" }
            macroF1: { type: number, description: Median of the devices }
            medianMilliseconds: { type: number, description: Median of the devices' medians }
            slowestP95Milliseconds: { type: number }
        shadow:
          type: object
          required: [devices, compared, agreed, lowestAgreement, lowest, liveMedianMilliseconds, candidateMedianMilliseconds]
          properties:
            devices: { type: integer }
            compared: { type: integer }
            agreed: { type: integer }
            lowestAgreement: { type: number }
            lowest: { $ref: "#/components/schemas/Name" }
            liveMedianMilliseconds: { type: number }
            candidateMedianMilliseconds: { type: number }
    RolloutDevice:
      type: object
      required: [device, wave, state, updated]
      properties:
        device: { $ref: "#/components/schemas/Name" }
        wave: { type: integer }
        state: { $ref: "#/components/schemas/DeviceState" }
        code: { type: string }
        message: { type: string }
        evaluation: { $ref: "#/components/schemas/Evaluation" }
        shadow:
          type: object
          required: [compared, agreed, failed, passedOver, liveMedianMilliseconds, candidateMedianMilliseconds]
          properties:
            compared: { type: integer }
            agreed: { type: integer }
            failed: { type: integer }
            passedOver: { type: integer }
            liveMedianMilliseconds: { type: number }
            candidateMedianMilliseconds: { type: number }
            liveTokenMilliseconds: { type: number }
            candidateTokenMilliseconds: { type: number }
        attempts: { type: integer }
        lastFailure: { type: string, description: Why the attempt before the present one failed }
        updated: { $ref: "#/components/schemas/Time" }
    RolloutDecision:
      type: object
      required: [time, action, reason]
      properties:
        time: { $ref: "#/components/schemas/Time" }
        action: { type: string }
        reason: { type: string }
        figures: { $ref: "#/components/schemas/GateResult" }
    RollbackRequest:
      description: Exactly one of device, fleet, release and rollout
      type: object
      required: [reason]
      properties:
        device: { $ref: "#/components/schemas/Name" }
        fleet: { $ref: "#/components/schemas/Name" }
        release: { $ref: "#/components/schemas/ReleasePath" }
        rollout: { $ref: "#/components/schemas/Name" }
        slot: { $ref: "#/components/schemas/Name" }
        to: { $ref: "#/components/schemas/ReleasePath" }
        reason: { type: string }
        force: { type: boolean, description: "Moves a pinned slot too, where `device` names it" }
    RollbackAnswer:
      type: object
      required: [moves, skipped]
      properties:
        moves:
          type: array
          items:
            type: object
            required: [device, slot, from, to, assignment]
            properties:
              device: { $ref: "#/components/schemas/Name" }
              slot: { $ref: "#/components/schemas/Name" }
              from: { type: array, items: { $ref: "#/components/schemas/ReleasePath" } }
              to: { type: array, items: { $ref: "#/components/schemas/ReleasePath" } }
              assignment: { type: integer }
        skipped: { type: object, additionalProperties: { type: string }, description: Why, by device }
        following: { type: integer, description: Slots that follow in further steps; absent for none }
        rollback: { type: string, description: By which the progress of those that follow is asked for }
    RollbackProgress:
      type: object
      required: [id, created, createdBy, places, moved, following, skipped]
      properties:
        id: { type: string }
        created: { $ref: "#/components/schemas/Time" }
        createdBy: { type: string }
        places: { type: integer, description: Slots that it began with }
        moved: { type: integer, description: Those of them that were moved }
        following: { type: integer, description: Those of them whose turn comes }
        skipped:
          type: object
          additionalProperties: { type: string }
          description: Why slots were passed over, by device; the first hundred
        finished: { $ref: "#/components/schemas/Time" }
    TelemetryPoint:
      type: object
      required: [time, device, requests, errors, refused, inputTokens, outputTokens]
      properties:
        time: { $ref: "#/components/schemas/Time" }
        device: { $ref: "#/components/schemas/Name" }
        slot: { $ref: "#/components/schemas/Name" }
        release: { $ref: "#/components/schemas/ReleasePath" }
        requests: { type: integer }
        errors: { type: integer }
        refused: { type: integer }
        p50Milliseconds: { type: number }
        p95Milliseconds: { type: number }
        p95FirstTokenMilliseconds: { type: number }
        p50OutputTokenMilliseconds: { type: number }
        crashes: { type: integer }
        inputTokens: { type: integer }
        outputTokens: { type: integer }
        cpuPercent: { type: number }
        memoryUsed: { type: integer, description: Bytes }
        temperatureCelsius: { type: number }
    AuditCheckpoint:
      type: object
      required: [signed, signatures]
      properties:
        signed:
          type: object
          required: [_type, size, root, time]
          properties:
            _type: { const: martlet-audit-checkpoint }
            size: { type: integer, minimum: 0 }
            root: { $ref: "#/components/schemas/Digest" }
            time: { $ref: "#/components/schemas/Time" }
        signatures:
          type: array
          items:
            type: object
            required: [keyid, sig]
            properties:
              keyid: { type: string }
              sig: { $ref: "#/components/schemas/Hex" }
    AuditProof:
      type: object
      required: [size, hashes]
      properties:
        size: { type: integer }
        row: { type: integer }
        from: { type: integer }
        hashes: { type: array, items: { $ref: "#/components/schemas/Digest" } }
    AuditRow:
      type: object
      required: [number, time, actor, action, subject, detail, hash]
      properties:
        number: { type: integer }
        time: { $ref: "#/components/schemas/Time" }
        actor: { type: string }
        action: { type: string }
        subject: { type: string }
        detail: { type: object }
        hash: { $ref: "#/components/schemas/Hex" }
    Event:
      type: object
      description: A CloudEvents 1.0 document
      required: [specversion, id, source, type, time, subject, data]
      properties:
        specversion: { const: "1.0" }
        id: { type: string, description: The same in every delivery }
        source: { type: string, description: The registry }
        type: { type: string, examples: [rollout.paused] }
        time: { $ref: "#/components/schemas/Time" }
        subject: { type: string, description: "What it is about: a device, a rollout, a release" }
        data: { type: object }
    EventFilter: { type: string, description: Types and groups separated by commas; empty is all, examples: ["rollout.*,device.failed"] }
    WebhookRequest:
      type: object
      required: [url]
      properties:
        url: { type: string, format: uri, maxLength: 2048 }
        events: { $ref: "#/components/schemas/EventFilter" }
        namespaces: { type: array, minItems: 1, items: { type: string }, description: The only ones it concerns; absent is all }
        fleets: { type: array, minItems: 1, items: { type: string }, description: The only ones it concerns; absent is all }
    WebhookPatch:
      type: object
      properties:
        url: { type: string, format: uri, maxLength: 2048 }
        events: { $ref: "#/components/schemas/EventFilter" }
        enabled: { type: boolean }
        skip: { type: boolean, description: "With `enabled: true`, leave out what happened meanwhile" }
    Webhook:
      type: object
      required: [id, url, events, enabled, pending, dead, formerSecretsUntil, created, createdBy]
      properties:
        id: { type: string }
        url: { type: string }
        events: { $ref: "#/components/schemas/EventFilter" }
        namespaces: { type: array, items: { type: string } }
        fleets: { type: array, items: { type: string } }
        enabled: { type: boolean }
        disabledReason: { type: string }
        failingSince: { $ref: "#/components/schemas/Time" }
        pending: { type: integer, description: Deliveries that wait }
        dead: { type: integer, description: Deliveries that were given up }
        formerSecretsUntil: { type: array, items: { $ref: "#/components/schemas/Time" } }
        created: { $ref: "#/components/schemas/Time" }
        createdBy: { type: string }
        secret: { type: string, pattern: "^whsec_", description: Only in the answer that made it }
    WebhookDelivery:
      type: object
      required: [number, webhook, state, attempts, created, updated, event]
      properties:
        number: { type: integer }
        webhook: { type: string }
        state: { enum: [pending, delivered, dead] }
        attempts: { type: integer }
        nextAttempt: { $ref: "#/components/schemas/Time" }
        status: { type: integer, description: The HTTP status of the last attempt }
        error: { type: string, description: Why the last attempt failed }
        created: { $ref: "#/components/schemas/Time" }
        updated: { $ref: "#/components/schemas/Time" }
        event: { $ref: "#/components/schemas/Event" }
    TokenRequest:
      type: object
      required: [name, role]
      properties:
        name: { type: string, minLength: 1, maxLength: 63 }
        role: { $ref: "#/components/schemas/Role" }
        namespaces: { type: array, minItems: 1, items: { type: string }, description: The only ones it concerns; absent is all }
        fleets:
          type: array
          minItems: 1
          items: { $ref: "#/components/schemas/Name" }
          description: The only ones whose devices it concerns; absent is all devices
        validSeconds: { type: integer, minimum: 1 }
    Token:
      type: object
      required: [id, name, role, created]
      properties:
        id: { type: string }
        name: { type: string }
        role: { $ref: "#/components/schemas/Role" }
        namespaces: { type: array, minItems: 1, items: { type: string }, description: The only ones it concerns; absent is all }
        fleets:
          type: array
          minItems: 1
          items: { $ref: "#/components/schemas/Name" }
          description: The only ones whose devices it concerns; absent is all devices
        created: { $ref: "#/components/schemas/Time" }
        expires: { $ref: "#/components/schemas/Time" }
        secret: { type: string }
    JoinTokenRequest:
      type: object
      required: [uses, validSeconds, labels]
      properties:
        uses: { type: integer, minimum: 1, maximum: 100000 }
        validSeconds: { type: integer, minimum: 1, maximum: 2592000 }
        labels: { $ref: "#/components/schemas/Labels" }
        device:
          allOf: [{ $ref: "#/components/schemas/Name" }]
          description: The only name that it may enrol, in place of the box that has it; then `uses` is 1
        needsApproval: { type: boolean, description: Whether what joins waits for approval; absent is as the registry is set }
    JoinToken:
      type: object
      required: [id, usesLeft, created, expires, labels, needsApproval]
      properties:
        id: { type: string }
        usesLeft: { type: integer }
        created: { $ref: "#/components/schemas/Time" }
        expires: { $ref: "#/components/schemas/Time" }
        labels: { $ref: "#/components/schemas/Labels" }
        device: { $ref: "#/components/schemas/Name" }
        needsApproval: { type: boolean }
        token: { type: string }
    EnrolRequest:
      type: object
      required: [device, secret, certificateRequest, labels, journal]
      properties:
        device: { $ref: "#/components/schemas/Name" }
        secret: { type: string }
        certificateRequest: { type: string, description: PKCS#10 in PEM }
        labels: { $ref: "#/components/schemas/Labels" }
        journal: { $ref: "#/components/schemas/Journal" }
    EnrolAnswer:
      type: object
      required: [device, certificate, authority, notAfter]
      properties:
        device: { $ref: "#/components/schemas/Name" }
        certificate: { type: string, description: PEM }
        authority: { type: string, description: PEM }
        notAfter: { $ref: "#/components/schemas/Time" }
        waitsForApproval: { type: boolean, description: Whether an operator must approve the device before it gets anything }
    RenewRequest:
      type: object
      required: [certificate, nonce, signature, certificateRequest, journal]
      properties:
        certificate: { type: string, description: The one that it has, in PEM }
        nonce: { $ref: "#/components/schemas/Hex" }
        signature: { $ref: "#/components/schemas/Hex" }
        certificateRequest: { type: string }
        journal: { $ref: "#/components/schemas/Journal" }
    Inventory:
      type: object
      required: [agentVersion, engines, profile, facts, slots]
      properties:
        agentVersion: { type: string }
        engines: { type: object, additionalProperties: { type: string } }
        profile: { type: string }
        facts: { type: object }
        storeBytes: { type: integer }
        memoryRoom: { type: integer, description: What a slot more may take of memory beside the others }
        memoryRoomAlone: { type: integer, description: The same where slots that do not always run make room }
        diskRoom: { type: integer, description: What may be brought to the disk }
        problems:
          description: What is wrong with the device as a whole; absent where nothing is
          type: array
          items:
            type: object
            required: [code, message, remedy, since]
            properties:
              code: { type: string }
              message: { type: string }
              remedy: { type: string }
              since: { type: string, format: date-time }
        slots:
          type: object
          additionalProperties:
            type: object
            required: [current, previous, generation, serving]
            properties:
              current: { type: array, items: { $ref: "#/components/schemas/ReleasePath" } }
              previous: { type: array, items: { $ref: "#/components/schemas/ReleasePath" } }
              weights: { $ref: "#/components/schemas/Digest" }
              variant: { $ref: "#/components/schemas/Digest" }
              generation: { type: integer }
              serving: { type: boolean }
              memoryRoom: { type: integer, description: What a generation of the slot may take of memory beside the others }
              memoryRoomAlone: { type: integer, description: The same where slots that do not always run make room }
              settings: { type: object, description: By which a generation of the slot is judged }
              override: { type: string }

"""##,
#"static/live.js"#: #"""
// Replaces the page's content when the registry says that something changed. The pages work without it.
(() => {
  const source = document.body.dataset.live;
  if (!source || !window.EventSource) return;
  let timer = null;
  let selecting = false;
  document.addEventListener("selectionchange", () => {
    selecting = String(document.getSelection()).length > 0;
  });
  const refresh = async () => {
    timer = null;
    // Text that someone is about to copy, and pages nobody looks at, stay as they are.
    if (document.hidden || selecting) return;
    const answer = await fetch(location.href, { credentials: "same-origin" }).catch(() => null);
    if (!answer || !answer.ok || answer.redirected) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const name of ["main", "footer"]) {
      const fresh = page.querySelector(name);
      const present = document.querySelector(name);
      if (fresh && present) present.replaceWith(fresh);
    }
  };
  const stream = new EventSource(source);
  stream.addEventListener("change", () => {
    if (timer === null) timer = setTimeout(refresh, 500);
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && timer === null) timer = setTimeout(refresh, 0);
  });
})();

"""#,
#"static/martlet.svg"#: ##"""
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 48 48"><path d="M2 15c10-1 17 2 21 9 3-9 11-16 23-18-6 4-10 9-12 16-2 8-7 13-14 15l-5 7-1-6-8 2 5-6c4-3 6-7 5-11C15 19 9 16 2 15z" fill="#2563eb"/></svg>

"""##,
#"static/style.css"#: ##"""
/* One sheet for all pages. Colours are variables so that dark mode is a table of values, not a second design. */
:root {
  --page: #f6f7f9;
  --card: #ffffff;
  --line: #e2e6ec;
  --text: #17202c;
  --soft: #5b6776;
  --accent: #1d4ed8;
  --good: #11703b;
  --good-back: #e2f4e9;
  --busy: #1d4ed8;
  --busy-back: #e4ecfd;
  --warn: #8a5200;
  --warn-back: #fdf0d9;
  --bad: #b3261e;
  --bad-back: #fbe5e3;
  --idle: #4f5b69;
  --idle-back: #e9edf1;
  --radius: 10px;
  font-family: system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
  font-size: 15px;
  line-height: 1.5;
  color: var(--text);
  background: var(--page);
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #0f141b;
    --card: #171e27;
    --line: #2a3441;
    --text: #e6ebf1;
    --soft: #9aa7b6;
    --accent: #86b0ff;
    --good: #6fd69a;
    --good-back: #15301f;
    --busy: #93b8ff;
    --busy-back: #172a4d;
    --warn: #f1bd66;
    --warn-back: #3a2a0c;
    --bad: #ff9c94;
    --bad-back: #43191a;
    --idle: #aab6c3;
    --idle-back: #253040;
  }
}
* { box-sizing: border-box; }
body { margin: 0; }
a { color: var(--accent); text-decoration: none; }
a:hover { text-decoration: underline; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: 4px; }
.skip { position: absolute; left: -999px; }
.skip:focus { left: 1rem; top: .5rem; background: var(--card); padding: .5rem 1rem; z-index: 2; }
.bar { display: flex; flex-wrap: wrap; align-items: center; gap: .25rem 1.5rem; padding: .6rem max(1.25rem, calc((100vw - 1240px) / 2)); background: var(--card); border-bottom: 1px solid var(--line); }
.brand { display: flex; align-items: center; gap: .5rem; font-weight: 650; font-size: 1.1rem; color: var(--text); }
.bar nav { display: flex; flex-wrap: wrap; gap: .25rem; flex: 1; }
.bar nav a { color: var(--soft); padding: .35rem .7rem; border-radius: 8px; }
.bar nav a[aria-current] { color: var(--text); background: var(--idle-back); font-weight: 550; }
.session { display: flex; align-items: center; gap: .75rem; color: var(--soft); margin: 0; }
main { max-width: 1280px; margin: 0 auto; padding: 1.5rem 1.25rem 3rem; }
footer { max-width: 1280px; margin: 0 auto; padding: 0 1.25rem 2rem; color: var(--soft); font-size: .85rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .75rem; letter-spacing: -.01em; }
h2 { font-size: 1.05rem; margin: 2rem 0 .6rem; }
.crumbs { margin: 0 0 .25rem; font-size: .9rem; }
.sub { color: var(--soft); margin: 0 0 1rem; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(170px, 1fr)); gap: .9rem; }
.tile { display: block; background: var(--card); border: 1px solid var(--line); border-radius: var(--radius); padding: .9rem 1.1rem; color: var(--soft); }
a.tile:hover { border-color: var(--accent); text-decoration: none; }
.tile.alert { border-color: var(--bad); }
.figure { display: block; color: var(--text); font-size: 1.9rem; font-weight: 650; line-height: 1.2; font-variant-numeric: tabular-nums; }
.figure small { color: var(--soft); font-size: 1rem; font-weight: 450; }
table { width: 100%; border-collapse: separate; border-spacing: 0; background: var(--card); border: 1px solid var(--line); border-radius: var(--radius); overflow: hidden; }
th, td { text-align: left; padding: .55rem .85rem; vertical-align: top; border-bottom: 1px solid var(--line); }
tbody tr:last-child > * { border-bottom: 0; }
thead th { color: var(--soft); font-size: .8rem; font-weight: 550; white-space: nowrap; background: color-mix(in srgb, var(--page) 60%, var(--card)); }
tbody th { font-weight: 550; white-space: nowrap; }
td { overflow-wrap: break-word; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.wide { min-width: 12rem; }
td small, li small { color: var(--soft); }
time { white-space: nowrap; font-variant-numeric: tabular-nums; }
.pill { display: inline-block; padding: .05rem .6rem; border-radius: 999px; font-size: .82rem; font-weight: 550; white-space: nowrap; vertical-align: middle; color: var(--idle); background: var(--idle-back); }
.pill.good { color: var(--good); background: var(--good-back); }
.pill.busy { color: var(--busy); background: var(--busy-back); }
.pill.warn { color: var(--warn); background: var(--warn-back); }
.pill.bad { color: var(--bad); background: var(--bad-back); }
.chip { display: inline-block; padding: 0 .5rem; margin: 0 .1rem .15rem 0; border: 1px solid var(--line); border-radius: 6px; font-size: .85rem; white-space: nowrap; }
.chip.bad { border-color: var(--bad); color: var(--bad); }
.notice { border: 1px solid var(--line); border-left: 4px solid var(--idle); background: var(--card); border-radius: 8px; padding: .7rem 1rem; }
.notice.good { border-left-color: var(--good); }
.notice.busy { border-left-color: var(--busy); }
.notice.warn { border-left-color: var(--warn); background: var(--warn-back); }
.notice.bad { border-left-color: var(--bad); background: var(--bad-back); }
.empty { color: var(--soft); background: var(--card); border: 1px dashed var(--line); border-radius: var(--radius); padding: 1rem 1.1rem; margin: 0; }
code { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: .9em; }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr)); gap: 0 1.5rem; align-items: start; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .35rem 1.25rem; margin: 0; background: var(--card); border: 1px solid var(--line); border-radius: var(--radius); padding: .9rem 1.1rem; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
dl.inline { display: flex; flex-wrap: wrap; gap: .25rem .6rem; border: 0; padding: 0; background: none; }
dl.inline dd { margin-right: 1.25rem; font-weight: 550; }
.timeline { list-style: none; margin: 0; padding: .4rem 1.1rem; background: var(--card); border: 1px solid var(--line); border-radius: var(--radius); }
.timeline li { padding: .5rem 0; border-bottom: 1px solid var(--line); }
.timeline li:last-child { border: 0; }
.timeline time { color: var(--soft); margin-right: .4rem; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 340px), 1fr)); gap: .9rem; }
figure { margin: 0; background: var(--card); border: 1px solid var(--line); border-radius: var(--radius); padding: .8rem 1rem .5rem; }
figcaption { color: var(--soft); font-size: .9rem; display: flex; justify-content: space-between; }
figcaption b { color: var(--text); font-variant-numeric: tabular-nums; }
svg.chart { display: block; width: 100%; height: auto; }
.chart text { fill: var(--soft); font-size: 11px; }
.chart .grid { stroke: var(--line); stroke-width: 1; }
.chart .line { fill: none; stroke: var(--accent); stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
.chart .area { fill: var(--accent); opacity: .12; }
.chart .dot { fill: var(--accent); }
svg.meter { display: block; width: 100%; height: 10px; border-radius: 5px; margin: .35rem 0; }
.progress svg.meter { height: 16px; border-radius: 8px; }
.meter .back { fill: var(--idle-back); }
.meter .good { fill: #2e9e5e; }
.meter .busy { fill: #3b78e7; }
.meter .warn { fill: #d9922b; }
.meter .bad { fill: #d64541; }
.meter .idle { fill: var(--idle-back); }
svg.gate { display: block; width: 100%; max-width: 220px; height: 30px; }
.gate .axis { stroke: var(--line); stroke-width: 1; }
.gate .interval { stroke: var(--idle); stroke-width: 6; stroke-linecap: round; opacity: .45; }
.gate .bound { stroke: var(--text); stroke-width: 1.5; stroke-dasharray: 3 2; }
.gate .point { fill: var(--idle); }
.gate .point.good { fill: #2e9e5e; }
.gate .point.warn { fill: #d9922b; }
.gate .point.bad { fill: #d64541; }
.gate .interval.good { stroke: #2e9e5e; }
.gate .interval.warn { stroke: #d9922b; }
.gate .interval.bad { stroke: #d64541; }
.legend { display: flex; flex-wrap: wrap; gap: .25rem 1.1rem; color: var(--soft); margin: .5rem 0 .75rem; }
.legend b { color: var(--text); }
.dot { display: inline-block; width: .7rem; height: .7rem; border-radius: 50%; margin-right: .35rem; background: var(--idle); }
.dot.good { background: #2e9e5e; }
.dot.busy { background: #3b78e7; }
.dot.warn { background: #d9922b; }
.dot.bad { background: #d64541; }
button { font: inherit; font-weight: 550; color: #fff; background: #1d4ed8; border: 0; border-radius: 8px; padding: .55rem 1.1rem; cursor: pointer; }
button:hover { background: #1e40af; }
button.quiet { background: none; color: var(--soft); border: 1px solid var(--line); padding: .25rem .7rem; font-weight: 450; }
input { font: inherit; color: inherit; background: var(--page); border: 1px solid var(--line); border-radius: 8px; padding: .55rem .75rem; width: 100%; }
.centred { display: grid; min-height: 100vh; place-items: center; }
.login { width: min(100%, 430px); }
.login h1 { display: flex; align-items: center; gap: .6rem; }
.login form { background: var(--card); border: 1px solid var(--line); border-radius: var(--radius); padding: 1.25rem; display: grid; gap: .7rem; }
.login label { font-weight: 550; }
.hint { color: var(--soft); font-size: .9rem; margin: 0; }
@media (max-width: 760px) {
  table { display: block; overflow-x: auto; }
  .session span { display: none; }
  .bar nav { order: 3; flex: 1 0 100%; }
  .session { margin-left: auto; }
}

"""##,
#"templates/device.mustache"#: ##"""
{{<layout}}{{$content}}
<p class="crumbs"><a href="/devices">Devices</a></p>
<h1>{{device}} <span class="pill {{tone}}">{{status}}</span></h1>
<p class="sub">{{#labels}}<span class="chip">{{.}}</span> {{/labels}}</p>

<section aria-labelledby="slots">
<h2 id="slots">Slots</h2>
{{#hasSlots}}
<table>
<thead><tr><th scope="col">Slot</th><th scope="col">Serving</th><th scope="col">Shall run</th><th scope="col">Runs</th><th scope="col">Can go back to</th><th scope="col">Last installation</th><th scope="col">Evaluation here</th></tr></thead>
<tbody>
{{#slots}}<tr>
<th scope="row">{{slot}}</th><td><span class="pill {{servingTone}}">{{serving}}</span></td>
<td>{{desired}}</td><td>{{current}}</td><td>{{previous}}</td>
<td><span class="pill {{stateTone}}">{{state}}</span>{{#why}}<br><small>{{why}}</small>{{/why}}{{#override}}<br><small>Local decision: {{override}}</small>{{/override}}</td>
<td>{{evaluation}}</td>
</tr>
{{/slots}}
</tbody>
</table>
{{/hasSlots}}
{{^hasSlots}}<p class="empty">Nothing is assigned to this device.</p>{{/hasSlots}}
</section>

<section aria-labelledby="hour">
<h2 id="hour">The last hour</h2>
<div class="charts">
{{#charts}}<figure><figcaption>{{title}} <b>{{latest}}</b></figcaption>{{{svg}}}</figure>
{{/charts}}
</div>
</section>

{{#hasMoves}}<section aria-labelledby="moves">
<h2 id="moves">What ran when, and why</h2>
<table>
<thead><tr><th scope="col">From</th><th scope="col">Slot</th><th scope="col">Was to run</th><th scope="col">Because</th><th scope="col">Came out</th></tr></thead>
<tbody>
{{#moves}}<tr><td><time>{{time}}</time></td><td>{{slot}}</td><td>{{releases}}</td><td>{{why}}</td><td><span class="pill {{tone}}">{{outcome}}</span></td></tr>
{{/moves}}
</tbody>
</table>
</section>{{/hasMoves}}

<div class="columns">
<section aria-labelledby="facts">
<h2 id="facts">The box</h2>
<dl>
{{#facts}}<dt>{{name}}</dt><dd>{{value}}</dd>
{{/facts}}
</dl>
</section>
<section aria-labelledby="history">
<h2 id="history">What happened</h2>
{{#hasHistory}}
<ol class="timeline">
{{#history}}<li><time>{{time}}</time> <span class="pill {{tone}}">{{what}}</span> {{slot}} {{releases}}{{#why}}<br><small>{{why}}</small>{{/why}}</li>
{{/history}}
</ol>
{{/hasHistory}}
{{^hasHistory}}<p class="empty">No report yet.</p>{{/hasHistory}}
</section>
</div>
{{/content}}{{/layout}}

"""##,
#"templates/deviceTable.mustache"#: ##"""
{{#hasDevices}}
<table>
<thead><tr><th scope="col">Device</th><th scope="col">Status</th><th scope="col">Labels</th><th scope="col">Profile</th><th scope="col">Slots</th><th scope="col">Last seen</th></tr></thead>
<tbody>
{{#deviceRows}}<tr>
<th scope="row"><a href="/devices/{{device}}">{{device}}</a></th>
<td><span class="pill {{tone}}">{{status}}</span></td>
<td>{{#labels}}<span class="chip">{{.}}</span> {{/labels}}</td>
<td>{{profile}}</td>
<td>{{#slots}}<span class="chip {{tone}}">{{slot}}: {{running}}</span> {{/slots}}</td>
<td>{{lastSeen}}</td>
</tr>
{{/deviceRows}}
</tbody>
</table>
{{/hasDevices}}
{{^hasDevices}}<p class="empty">No device yet. <code>martlet token join</code> makes a token that lets one enrol.</p>{{/hasDevices}}

"""##,
#"templates/devices.mustache"#: ##"""
{{<layout}}{{$content}}
<h1>Devices</h1>
{{> deviceTable}}
{{#next}}<p><a class="more" href="?cursor={{next}}">Next page</a></p>{{/next}}
{{/content}}{{/layout}}

"""##,
#"templates/layout.mustache"#: ##"""
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{{title}} · Martlet</title>
<link rel="icon" href="/static/martlet.svg" type="image/svg+xml">
<link rel="stylesheet" href="/static/style.css">
<script src="/static/live.js" defer></script>
</head>
<body{{#live}} data-live="/live"{{/live}}>
<a class="skip" href="#main">Skip to content</a>
<header class="bar">
<a class="brand" href="/"><img src="/static/martlet.svg" width="28" height="28" alt=""> Martlet</a>
<nav aria-label="Main">
{{#navigation}}<a href="{{href}}"{{#current}} aria-current="page"{{/current}}>{{label}}</a>
{{/navigation}}
</nav>
{{#user}}<form class="session" method="post" action="/logout"><span>{{user}}</span><button class="quiet">Sign out</button></form>{{/user}}
</header>
<main id="main">
{{$content}}{{/content}}
</main>
<footer>Martlet registry {{version}} · {{readiness}} · as of <time>{{now}}</time></footer>
</body>
</html>

"""##,
#"templates/login.mustache"#: ##"""
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Sign in · Martlet</title>
<link rel="icon" href="/static/martlet.svg" type="image/svg+xml">
<link rel="stylesheet" href="/static/style.css">
</head>
<body class="centred">
<main id="main" class="login">
<h1><img src="/static/martlet.svg" width="40" height="40" alt=""> Martlet</h1>
<form method="post" action="/login">
{{#problem}}<p class="notice bad" role="alert">{{problem}}</p>{{/problem}}
<label for="token">Access token</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus>
<button>Sign in</button>
<p class="hint">The token that the registry printed when it first started, or one that an administrator made with
<code>martlet token create</code>.</p>
</form>
</main>
</body>
</html>

"""##,
#"templates/message.mustache"#: #"""
{{<layout}}{{$content}}
<h1>{{heading}}</h1>
<p class="notice bad" role="alert">{{text}}</p>
<p><a href="/">Back to the overview</a></p>
{{/content}}{{/layout}}

"""#,
#"templates/overview.mustache"#: ##"""
{{<layout}}{{$content}}
<h1>Overview</h1>
{{#notReady}}<p class="notice bad" role="status">Not ready: {{notReady}}. Run <code>martlet trust init</code> on your own machine.</p>{{/notReady}}
{{#takenBack}}<p class="notice bad" role="status"><a href="/releases/{{path}}">{{reference}}</a> is {{words}}; {{devices}}.{{#suggestion}} <code>{{suggestion}}</code> takes them off it.{{/suggestion}}</p>
{{/takenBack}}<section class="tiles" aria-label="Key figures">
<a class="tile" href="/devices"><span class="figure">{{devicesOnline}}<small> / {{devices}}</small></span><span>devices online</span></a>
<a class="tile" href="/rollouts"><span class="figure">{{openRollouts}}</span><span>open rollouts</span></a>
<a class="tile" href="/releases"><span class="figure">{{releases}}</span><span>releases</span></a>
<div class="tile"><span class="figure">{{requestsLastHour}}</span><span>requests answered, last hour</span></div>
<div class="tile{{#troubled}} alert{{/troubled}}"><span class="figure">{{attentionCount}}</span><span>need attention</span></div>
</section>

<section aria-labelledby="rollouts">
<h2 id="rollouts">Open rollouts</h2>
{{#hasRollouts}}
{{> rolloutTable}}
{{/hasRollouts}}
{{^hasRollouts}}<p class="empty">No rollout is under way.</p>{{/hasRollouts}}
</section>

{{#troubled}}
<section aria-labelledby="attention">
<h2 id="attention">Needs attention</h2>
<table>
<thead><tr><th scope="col">Device</th><th scope="col">Slot</th><th scope="col">State</th><th scope="col">Why</th></tr></thead>
<tbody>
{{#attention}}<tr><th scope="row"><a href="/devices/{{device}}">{{device}}</a></th><td>{{slot}}</td><td><span class="pill {{tone}}">{{state}}</span></td><td>{{why}}</td></tr>
{{/attention}}
</tbody>
</table>
</section>
{{/troubled}}

<section aria-labelledby="fleets">
<h2 id="fleets">Fleets</h2>
{{#hasFleets}}
<table>
<thead><tr><th scope="col">Fleet</th><th scope="col">Selector</th><th scope="col" class="number">Online</th><th scope="col">What runs</th></tr></thead>
<tbody>
{{#fleets}}<tr><th scope="row">{{name}}</th><td><code>{{selector}}</code></td><td class="number">{{online}} / {{devices}}</td><td>{{#running}}<span class="chip">{{slot}}: <a href="/releases/{{path}}">{{reference}}</a> × {{count}}</span> {{/running}}</td></tr>
{{/fleets}}
</tbody>
</table>
{{/hasFleets}}
{{^hasFleets}}<p class="empty">No fleet yet. <code>martlet fleets set berlin --selector site=berlin</code> makes one.</p>{{/hasFleets}}
</section>

<section aria-labelledby="devices">
<h2 id="devices">Devices</h2>
{{> deviceTable}}
</section>

<section aria-labelledby="releases">
<h2 id="releases">Newest releases</h2>
{{> releaseTable}}
</section>
{{/content}}{{/layout}}

"""##,
#"templates/release.mustache"#: ##"""
{{<layout}}{{$content}}
<p class="crumbs"><a href="/releases">Releases</a></p>
<h1>{{reference}} <span class="pill {{tone}}">{{state}}</span></h1>
<p class="sub">{{kind}} · published <time>{{published}}</time>{{#aliases}} <span class="chip">@{{.}}</span>{{/aliases}}</p>
<div class="columns">
<section aria-labelledby="facts">
<h2 id="facts">Release</h2>
<dl>
{{#facts}}<dt>{{name}}</dt><dd>{{value}}</dd>
{{/facts}}
</dl>
</section>
<section aria-labelledby="variants">
<h2 id="variants">Variants</h2>
<table>
<thead><tr><th scope="col">Quantization</th><th scope="col">Architecture</th><th scope="col" class="number">Size</th><th scope="col" class="number">Least memory</th></tr></thead>
<tbody>
{{#variants}}<tr><th scope="row">{{quantization}}</th><td>{{architecture}}</td><td class="number">{{size}}</td><td class="number">{{minMemory}}</td></tr>
{{/variants}}
</tbody>
</table>
</section>
</div>
<section aria-labelledby="runs">
<h2 id="runs">Where it runs</h2>
{{#hasPlaces}}
<table>
<thead><tr><th scope="col">Device</th><th scope="col">Slot</th><th scope="col">State</th><th scope="col">Evaluation there</th></tr></thead>
<tbody>
{{#places}}<tr><th scope="row"><a href="/devices/{{device}}">{{device}}</a></th><td>{{slot}}</td><td><span class="pill {{tone}}">{{state}}</span></td><td>{{evaluation}}</td></tr>
{{/places}}
</tbody>
</table>
{{/hasPlaces}}
{{^hasPlaces}}<p class="empty">No device runs it now.</p>{{/hasPlaces}}
</section>
{{/content}}{{/layout}}

"""##,
#"templates/releaseTable.mustache"#: ##"""
{{#hasReleases}}
<table>
<thead><tr><th scope="col">Release</th><th scope="col">Kind</th><th scope="col">State</th><th scope="col">Variants</th><th scope="col" class="number">Devices</th><th scope="col">Published</th></tr></thead>
<tbody>
{{#releaseRows}}<tr>
<th scope="row"><a href="/releases/{{path}}">{{reference}}</a>{{#aliases}} <span class="chip">@{{.}}</span>{{/aliases}}</th>
<td>{{kind}}</td><td><span class="pill {{tone}}">{{state}}</span></td><td>{{variants}}</td>
<td class="number">{{devices}}</td><td><time>{{published}}</time></td>
</tr>
{{/releaseRows}}
</tbody>
</table>
{{/hasReleases}}
{{^hasReleases}}<p class="empty">Nothing is published yet. <code>martlet publish MODEL.gguf --as clinic/triage:1.0.0</code> publishes a model.</p>{{/hasReleases}}

"""##,
#"templates/releases.mustache"#: ##"""
{{<layout}}{{$content}}
<h1>Releases</h1>
{{> releaseTable}}
{{#next}}<p><a class="more" href="?cursor={{next}}">Next page</a></p>{{/next}}
{{/content}}{{/layout}}

"""##,
#"templates/rollout.mustache"#: ##"""
{{<layout}}{{$content}}
<p class="crumbs"><a href="/rollouts">Rollouts</a></p>
<h1>{{releases}} <span class="pill {{tone}}">{{state}}</span></h1>
<p class="sub">Slot <b>{{slot}}</b> of {{fleet}} · started <time>{{created}}</time> by {{createdBy}} · {{id}}</p>
{{#reason}}<p class="notice {{tone}}" role="status">{{reason}}</p>{{/reason}}

<section aria-labelledby="progress">
<h2 id="progress">Progress</h2>
<div class="progress">{{{bar}}}</div>
<p class="legend">{{#counts}}<span><span class="dot {{tone}}"></span>{{state}} <b>{{count}}</b></span> {{/counts}}</p>
<dl class="inline">
<dt>Wave</dt><dd>{{wave}} of {{waves}}</dd>
<dt>Soak</dt><dd>{{soak}}</dd>
<dt>Failures allowed</dt><dd>{{maxFailures}}</dd>
<dt>On failure</dt><dd>{{onFailure}}</dd>
<dt>Ends at this pace</dt><dd><time>{{estimatedEnd}}</time></dd>
</dl>
{{#confirms}}<p class="notice warn" role="status">The next wave waits for a person: <code>martlet rollout confirm {{id}}</code></p>{{/confirms}}
</section>

<section aria-labelledby="waves">
<h2 id="waves">Waves</h2>
<table>
<thead><tr><th scope="col" class="number">Wave</th><th scope="col">State</th><th scope="col">Progress</th><th scope="col">Then</th></tr></thead>
<tbody>
{{#waveRows}}<tr><th scope="row" class="number">{{number}}</th><td><span class="pill {{tone}}">{{state}}</span></td><td class="wide">{{{bar}}}<small>{{progress}} devices</small></td><td>{{after}}</td></tr>
{{/waveRows}}
</tbody>
</table>
</section>

{{#hasGates}}<section aria-labelledby="gates">
<h2 id="gates">Gates</h2>
<table>
<thead><tr><th scope="col">Gate</th><th scope="col">Says</th><th scope="col">Measured</th><th scope="col">In words</th></tr></thead>
<tbody>
{{#gates}}<tr><th scope="row">{{name}}<br><small>{{rule}}</small></th><td><span class="pill {{tone}}">{{verdict}}</span></td><td class="wide">{{{picture}}}</td><td>{{sentence}}</td></tr>
{{/gates}}
</tbody>
</table>
</section>{{/hasGates}}

{{#hasProofs}}<section aria-labelledby="proofs">
<h2 id="proofs">Proved on devices</h2>
<table>
<thead><tr><th scope="col">Profile</th><th scope="col" class="number">Devices</th><th scope="col">Right</th><th scope="col">Lowest accuracy</th><th scope="col">Median time</th><th scope="col">Shadowed answers</th></tr></thead>
<tbody>
{{#proofs}}<tr><th scope="row">{{profile}}</th><td class="number">{{devices}}</td><td>{{right}}</td><td>{{lowest}}</td><td>{{times}}</td><td>{{shadow}}</td></tr>
{{/proofs}}
</tbody>
</table>
</section>{{/hasProofs}}

<section aria-labelledby="devices">
<h2 id="devices">Devices</h2>
<table>
<thead><tr><th scope="col">Device</th><th scope="col" class="number">Wave</th><th scope="col">State</th><th scope="col">Why</th><th scope="col">Evaluation</th><th scope="col">Updated</th></tr></thead>
<tbody>
{{#devices}}<tr><th scope="row"><a href="/devices/{{device}}">{{device}}</a></th><td class="number">{{wave}}</td><td><span class="pill {{tone}}">{{state}}</span></td><td>{{why}}</td><td>{{evaluation}}</td><td><time>{{updated}}</time></td></tr>
{{/devices}}
</tbody>
</table>
<p class="hint">{{devicesLeft}}</p>
</section>

<section aria-labelledby="decisions">
<h2 id="decisions">Decisions</h2>
<ol class="timeline">
{{#decisions}}<li><time>{{time}}</time> <b>{{action}}</b> {{reason}}</li>
{{/decisions}}
</ol>
</section>
{{/content}}{{/layout}}

"""##,
#"templates/rolloutTable.mustache"#: ##"""
<table>
<thead><tr><th scope="col">Rollout</th><th scope="col">Slot</th><th scope="col">To</th><th scope="col">Fleet</th><th scope="col">State</th><th scope="col">Progress</th><th scope="col">Started</th></tr></thead>
<tbody>
{{#rollouts}}<tr>
<th scope="row"><a href="/rollouts/{{id}}">{{id}}</a></th><td>{{slot}}</td><td>{{releases}}</td><td>{{fleet}}</td>
<td><span class="pill {{tone}}">{{state}}</span></td>
<td class="wide">{{{bar}}}<small>{{progress}}</small></td>
<td><time>{{created}}</time></td>
</tr>
{{/rollouts}}
</tbody>
</table>

"""##,
#"templates/rollouts.mustache"#: ##"""
{{<layout}}{{$content}}
<h1>Rollouts</h1>
{{#hasRollouts}}
{{> rolloutTable}}
{{/hasRollouts}}
{{^hasRollouts}}<p class="empty">No rollout yet. <code>martlet rollout start</code> begins one.</p>{{/hasRollouts}}
{{#next}}<p><a class="more" href="?cursor={{next}}">Next page</a></p>{{/next}}
{{/content}}{{/layout}}

"""##,
]

    /// Every other file, in base64.
    package static let base64Files: [String: String] = [:]
}
