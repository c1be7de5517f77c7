package import MartletTypes
package import RolloutEngine

extension RolloutStore {
    /// Open rollouts of a slot that devices take part in, oldest first, each with all its devices.
    package func openMembers(slot: SlotName, except id: RolloutID) throws -> [(rollout: RolloutID, devices: [DeviceID])]
    {
        try sql.query(
            "SELECT id FROM rollouts WHERE is_open = 1 AND slot = ? AND id <> ? ORDER BY created, id",
            [.text(slot), .text(id)]
        ).map { row in
            let rollout: RolloutID = try row.name("id")
            let devices = try sql.query(
                "SELECT device FROM rollout_devices WHERE rollout = ? ORDER BY position", [.text(rollout)])
            return (rollout, try devices.map { try $0.name("device") })
        }
    }

    /// Open rollouts that a device takes part in, of whatever slot.
    package func open(device: DeviceID) throws -> [RolloutID] {
        try sql.query(
            """
            SELECT rollouts.id FROM rollout_devices
            JOIN rollouts ON rollout_devices.rollout = rollouts.id
            WHERE rollouts.is_open = 1 AND rollout_devices.device = ? ORDER BY rollouts.created, rollouts.id
            """, [.text(device)]
        ).map { try $0.name("id") }
    }

    /// Members after a place in the order of the waves, of one state where `state` is given.
    package func members(
        of id: RolloutID, in state: DeviceRolloutState?, after position: Int64?, limit: Int
    ) throws -> [(position: Int64, member: RolloutMember)] {
        try sql.query(
            """
            SELECT position, member FROM rollout_devices WHERE rollout = ? AND position > ?
            \(state == nil ? "" : "AND state = ?") ORDER BY position LIMIT ?
            """,
            [.text(id), .integer(position ?? -1)] + (state.map { [.text($0.rawValue)] } ?? [])
                + [.integer(Int64(limit))]
        ).map { (try $0.integer("position"), try $0.json("member")) }
    }

    /// Remembers when a device said first that it serves the target; later words change nothing.
    package func recordSwitch(_ id: RolloutID, _ device: DeviceID, at time: Timestamp) throws {
        try sql.execute(
            "UPDATE rollout_devices SET switched = ? WHERE rollout = ? AND device = ? AND switched IS NULL",
            [.time(time), .text(id), .text(device)])
    }

    /// When devices said first that they serve the target.
    package func switches(_ id: RolloutID) throws -> [DeviceID: Timestamp] {
        let rows = try sql.query(
            "SELECT device, switched FROM rollout_devices WHERE rollout = ? AND switched IS NOT NULL", [.text(id)])
        return try rows.reduce(into: [:]) { $0[try $1.name("device", DeviceID.self)] = try $1.time("switched") }
    }

    /// The last that a device said about a generation of a slot, newest generation first; by generation.
    package func outcomes(of device: DeviceID, slot: SlotName, generations: [Int64]) throws -> [Int64: ReportRow] {
        try generations.reduce(into: [:]) { outcomes, generation in
            outcomes[generation] = try ReportStore(sql).last(device, slot: slot, generation: generation)
        }
    }
}
