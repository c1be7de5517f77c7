-- Inventories, kilobytes each, stand apart from what changes with each call and each assignment.

CREATE TABLE device_inventories (
    device TEXT PRIMARY KEY REFERENCES devices (device) ON DELETE CASCADE,
    -- The document as the device sent it.
    document TEXT NOT NULL
);
INSERT INTO device_inventories (device, document)
    SELECT device, inventory FROM devices WHERE inventory IS NOT NULL;
ALTER TABLE devices DROP COLUMN inventory;
