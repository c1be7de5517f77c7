internal import HTTPTypes

/// Routes of what explains and restrains rollouts.
extension OperatorRoutes {
    /// Why a rollout, or with the query `device` one device in it, is where it is.
    package static let explainRollout = Route(
        .get, "/api/v1/rollouts/{rollout}/explain", .atLeast(.viewer), limits: .all)
    /// What the device's slots were to run from when on, who said so and why.
    package static let deviceMoves = Route(.get, "/api/v1/devices/{device}/moves", .atLeast(.viewer), limits: .all)
    /// Keeps a slot as it is: rollouts and rollbacks pass it over.
    package static let pinSlot = Route(
        .put, "/api/v1/devices/{device}/slots/{slot}/pin", .atLeast(.operator), limits: .all)
    package static let unpinSlot = Route(
        .delete, "/api/v1/devices/{device}/slots/{slot}/pin", .atLeast(.operator), limits: .all)
    /// Keeps a device out of rollouts.
    package static let holdDevice = Route(.put, "/api/v1/devices/{device}/hold", .atLeast(.operator), limits: .fleets)
    package static let releaseDevice = Route(
        .delete, "/api/v1/devices/{device}/hold", .atLeast(.operator), limits: .fleets)

    /// A rollout's devices page by page, with the query `state` those of one state.
    package static let rolloutDevices = Route(
        .get, "/api/v1/rollouts/{rollout}/devices", .atLeast(.viewer), limits: .all)
    /// How far a rollback of many devices is.
    package static let rollbackProgress = Route(
        .get, "/api/v1/rollbacks/{rollback}", .atLeast(.viewer), limits: .all)

    static let ofRollouts: [Route] = [
        explainRollout, rolloutDevices, rollbackProgress, deviceMoves, pinSlot, unpinSlot, holdDevice, releaseDevice,
    ]
}
