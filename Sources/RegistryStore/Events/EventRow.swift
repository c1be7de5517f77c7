package import MartletTypes

/// Whom an event concerns: what tokens and webhooks with limits are measured by.
package struct EventScope: Sendable, Hashable {
    /// Namespaces of the releases that it names; empty where it names none.
    package var namespaces: [String] = []
    /// The device that it is about, and its labels at that moment.
    package var device: DeviceID?
    package var labels: Labels?
    /// The fleet that it is about, or that its rollout moves.
    package var fleet: FleetName?
    package var rollout: RolloutID?

    package init() {}
}

/// Something that happened.
package struct EventRow: Sendable, Hashable {
    /// Its place: rises without gaps.
    package var number: Int64
    /// Its name for ever, also where a registry restored from a backup gives the number again.
    package var id: String
    package var type: EventType
    package var time: Timestamp
    /// What it is about: a device, a rollout, a release.
    package var subject: String
    package var data: JSONValue
    package var scope: EventScope

    static func row(_ row: SQLRow) throws -> EventRow {
        var scope = EventScope()
        scope.namespaces = try row.optionalJSON("namespaces") ?? []
        scope.device = try row.optionalName("device")
        scope.labels = try row.optionalJSON("labels")
        scope.fleet = try row.optionalName("fleet")
        scope.rollout = try row.optionalName("rollout")
        return EventRow(
            number: try row.integer("number"), id: try row.text("id"), type: try row.choice("type"),
            time: try row.time("time"), subject: try row.text("subject"), data: try row.json("data"), scope: scope)
    }
}
