import MartletAPI
import MartletTypes
import RegistryStore

/// The devices that a caller's fleets select, looked up once for a request.
///
/// What is not within it is answered as if it were not there, so that a limited token learns nothing of other fleets.
struct DeviceReach {
    /// Nil reaches every device.
    private let selectors: [LabelSelector]?

    /// A fleet that was deleted selects nothing.
    init(_ reach: Reach, _ sql: any SQLConnection) throws {
        guard let fleets = reach.fleets else {
            selectors = nil
            return
        }
        selectors = try FleetStore(sql).list().filter { fleets.contains($0.name) }.map(\.selector)
    }

    /// Whether it is every device.
    var isEverything: Bool { selectors == nil }

    func contains(_ labels: Labels) -> Bool { selectors?.contains { $0.matches(labels) } ?? true }

    /// A device within reach; throws 404 `unknownDevice` for any other and for none.
    func device(_ name: DeviceID, _ sql: any SQLConnection) throws -> DeviceRow {
        guard let row = try DeviceStore(sql).find(name), contains(row.labels) else {
            throw ServerError.notFound(
                "unknownDevice", "There is no device \(name).", remedy: "`martlet devices list` shows those that are."
            )
        }
        return row
    }

    /// The names of all devices within reach; nil is every one.
    func names(_ sql: any SQLConnection) throws -> Set<DeviceID>? {
        guard !isEverything else { return nil }
        var names: Set<DeviceID> = []
        var last: DeviceID?
        while true {
            let rows = try DeviceStore(sql).list(after: last, limit: Limits.pageRows)
            for row in rows where contains(row.labels) { names.insert(row.device) }
            guard rows.count == Limits.pageRows else { return names }
            last = rows.last?.device
        }
    }
}

extension Reach {
    /// Throws 403 `outOfReach` where a release is of a namespace that the token does not concern.
    func require(_ release: ReleasePath) throws { try require(namespace: release.repository.namespace) }

    /// Throws 403 `outOfReach` where the token does not concern a namespace.
    func require(namespace: String) throws {
        guard contains(namespace: namespace) else {
            throw ServerError.outOfReach("namespace \(namespace)", (namespaces ?? []).sorted())
        }
    }

    /// Throws 403 `outOfReach` where the token does not concern a fleet.
    func require(fleet: FleetName) throws {
        guard contains(fleet: fleet) else {
            throw ServerError.outOfReach("fleet \(fleet)", (fleets ?? []).map(\.text).sorted())
        }
    }

    /// Of a slot that runs other namespaces' releases nothing is told.
    func filter(_ slots: [SlotName: DeviceInfo.Slot]) -> [SlotName: DeviceInfo.Slot] {
        slots.filter { contains($0.value.desired + $0.value.current + $0.value.previous) }
    }
}

extension ServerError {
    static func outOfReach(_ what: String, _ reach: [String]) -> ServerError {
        ServerError(
            403, "outOfReach", "This token does not reach \(what); it is limited to \(reach.joined(separator: ", ")).",
            remedy: "Use a token that does, or ask an administrator for one.")
    }
}
