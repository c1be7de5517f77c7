import MartletAPI
import MartletTypes
import RegistryClient

/// What is taken back.
enum RollbackTarget {
    case device(DeviceID)
    case fleet(FleetName)
    case release(ReleasePath)
    case rollout(RolloutID)

    /// What bears a name, by asking the registry. Throws `unknownName` or, where several do, `ambiguousName`.
    static func find(_ name: String, _ session: Session) async throws -> RollbackTarget {
        // Names of the other three have no slash.
        if name.contains("/") { return .release(try await session.resolve(try ReleaseReference(name))) }
        var found: [RollbackTarget] = []
        let device = try DeviceID(name)
        if try await exists({ _ = try await session.registry.device(device) }) { found.append(.device(device)) }
        let fleet = try FleetName(name)
        if try await session.registry.fleets().contains(where: { $0.name == fleet }) { found.append(.fleet(fleet)) }
        let rollout = try RolloutID(name)
        if try await exists({ _ = try await session.registry.rollout(rollout) }) { found.append(.rollout(rollout)) }
        guard let only = found.first else {
            throw CommandError(
                "unknownName", "There is no device, fleet or rollout called \(name).",
                remedy: "See `martlet devices`, `martlet fleets` and `martlet rollout`; a release has a slash.")
        }
        guard found.count == 1 else {
            let meanings = found.map(\.words).joined(separator: " and ")
            throw CommandError(
                "ambiguousName", "\(name) is the name of \(meanings).",
                remedy: "Say which: \(found.map(\.option).joined(separator: " or ")).")
        }
        return only
    }

    private static func exists(_ ask: () async throws -> Void) async throws -> Bool {
        do {
            try await ask()
            return true
        } catch let error as ClientError {
            guard error.status == 404 else { throw error }
            return false
        }
    }

    /// E.g. `the device pi-1`.
    var words: String {
        switch self {
        case .device(let name): "the device \(name)"
        case .fleet(let name): "the fleet \(name)"
        case .release(let path): "the release \(path.reference)"
        case .rollout(let id): "the rollout \(id)"
        }
    }

    private var option: String {
        switch self {
        case .device(let name): "--device \(name)"
        case .fleet(let name): "--fleet \(name)"
        case .release(let path): "--release \(path.reference)"
        case .rollout(let id): "--rollout \(id)"
        }
    }

    func put(into request: inout RollbackRequest) {
        switch self {
        case .device(let name): request.device = name
        case .fleet(let name): request.fleet = name
        case .release(let path): request.release = path
        case .rollout(let id): request.rollout = id
        }
    }
}
