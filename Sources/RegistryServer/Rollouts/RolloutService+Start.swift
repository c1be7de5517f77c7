import MartletAPI
import MartletTypes
import RegistryStore
import RolloutEngine

extension RolloutService {
    /// The waves that a rollout would have; the same request started gives the same waves while the fleet stays.
    func plan(_ request: RolloutRequest, within reach: Reach) async throws -> RolloutPlan {
        try await core.database.read { sql in
            let draft = try Self.draft(request, reach, sql)
            return RolloutPlan(
                waves: WavePlan.waves(of: draft.members, by: request.policy.waves, seed: Self.seed(request)))
        }
    }

    /// Starts a rollout; it takes over the slot of its devices from every rollout that is still open.
    ///
    /// Throws 404 `unknownRelease` or `unknownFleet`, 409 `releaseNotPublished`, 422 `wrongKind` or `noDevices`, each
    /// naming what and the remedy, and 403 `outOfReach` where the caller's token is not for all that it would move.
    func start(_ request: RolloutRequest, by actor: String, within reach: Reach) async throws -> RolloutInfo {
        let id = try RolloutID(try OperatorService.newID("r"))
        return try await drive { driver in
            let draft = try Self.draft(request, reach, driver.sql)
            let run = RolloutRun(
                id: id, target: request.releases, policy: request.policy, members: draft.members,
                seed: Self.seed(request), now: driver.now)
            var row = RolloutRow(
                slot: request.slot, fleet: request.fleet, selector: draft.selector, settings: request.settings,
                createdBy: actor, run: run)
            try RolloutStore(driver.sql).create(&row)
            try AuditLog(driver.sql).append(
                actor: actor, action: "rollout.create", subject: id.text,
                detail: .object([
                    "slot": .string(request.slot.text), "selector": .string(draft.selector.text),
                    "releases": .array(request.releases.map { .string($0.text) }),
                ]), now: driver.now)
            for device in draft.members { try driver.supersede(device, request.slot, by: id.text, except: id) }
            try driver.tell(.start(by: actor), &row)
            return try Self.info(row, driver.sql, isWhole: true)
        }
    }

    private struct Draft {
        let selector: LabelSelector
        let members: [DeviceID]
    }

    private static func seed(_ request: RolloutRequest) -> String {
        request.slot.text + "\n" + request.releases.map(\.text).joined(separator: "\n")
    }

    private static func draft(_ request: RolloutRequest, _ reach: Reach, _ sql: any SQLConnection) throws -> Draft {
        try check(request.policy)
        try check(request.settings)
        // Before anything is looked up, so that a refusal tells nothing of what is there.
        let within = try RolloutReach(reach, sql)
        try within.require(request.releases, request.fleet, [], request.slot)
        let selector: LabelSelector
        switch (request.fleet, request.selector) {
        case (let fleet?, nil): selector = try OperatorService.fleet(fleet, sql).selector
        case (nil, let given?): selector = given
        default:
            throw ServerError.badRequest("Exactly one of fleet and selector is needed.", field: "/fleet")
        }
        try checkReleases(request.releases, sql)
        let members = try DeviceStore(sql).members(of: selector).map(\.device)
        try within.require(request.releases, request.fleet, members, request.slot)
        guard !members.isEmpty else {
            throw ServerError.unprocessable(
                "noDevices",
                selector.terms.isEmpty
                    ? "There is no active device." : "No active device has labels that match \"\(selector)\".",
                remedy: "`martlet devices list` shows the devices and their labels.",
                field: request.fleet == nil ? "/selector" : "/fleet")
        }
        return Draft(selector: selector, members: members)
    }

    /// Every release must be there and installable, and they must be able to share a slot.
    static func checkReleases(_ paths: [ReleasePath], _ sql: any SQLConnection) throws {
        guard (1...Limits.adaptersPerSlot).contains(paths.count) else {
            throw ServerError.badRequest(
                "A slot runs 1 to \(Limits.adaptersPerSlot) releases, not \(paths.count).", field: "/releases")
        }
        guard Set(paths.map(\.repository)).count == paths.count else {
            throw ServerError.badRequest("A slot runs at most one release of a repository.", field: "/releases")
        }
        var rows: [ReleaseRow] = []
        for (index, path) in paths.enumerated() {
            let row = try OperatorService.release(path, sql)
            guard row.state == .published else {
                throw ServerError.conflict(
                    "releaseNotPublished",
                    "\(path.reference) is \(row.state.rawValue)\(row.stateReason.map { ": \($0)" } ?? "").",
                    remedy: "Choose a published release; `martlet releases list` shows them.",
                    field: "/releases/\(index)")
            }
            if let floor = row.floor, row.isBelowFloor { throw belowFloor(path, floor, field: "/releases/\(index)") }
            rows.append(row)
        }
        guard rows.count == 1 || rows.allSatisfy({ $0.kind == .adapter }) else {
            throw ServerError.unprocessable(
                "wrongKind", "Several releases share a slot only as adapters of one base.",
                remedy: "Name one model, or adapters only.", field: "/releases")
        }
        // Releases are immutable, so equal base paths are equal base digests.
        guard Set(rows.map(\.base)).count <= 1 else {
            let bases = rows.map { "\($0.path.reference) on \($0.base?.reference ?? "none")" }.joined(separator: ", ")
            throw ServerError.unprocessable(
                "baseMismatch", "The adapters have different bases: \(bases).",
                remedy: "Choose adapters that were made for the same base release.", field: "/releases")
        }
    }

    private static func check(_ policy: RolloutPolicy) throws {
        let bounds: [(String, Int?, ClosedRange<Int>)] = [
            ("soakSeconds", policy.soakSeconds, 0...86_400), ("maxFailures", policy.maxFailures, 0...1_000_000),
            ("maxInFlight", policy.maxInFlight, 1...1_000_000),
            ("deviceDeadlineSeconds", policy.deviceDeadlineSeconds, 1...31_536_000),
            ("waves", policy.waves.count, 0...64),
        ]
        for (name, value, range) in bounds {
            if let value, !range.contains(value) {
                throw ServerError.badRequest(
                    "\(name) is not between \(range.lowerBound) and \(range.upperBound).", field: "/policy/\(name)")
            }
        }
    }

    private static func check(_ settings: SlotSettings) throws {
        let bounds: [(String, Int?, ClosedRange<Int>)] = [
            ("contextTokens", settings.contextTokens, 1...10_000_000),
            ("parallelRequests", settings.parallelRequests, 1...1024), ("threads", settings.threads, 1...4096),
        ]
        for (name, value, range) in bounds {
            if let value, !range.contains(value) {
                throw ServerError.badRequest(
                    "\(name) is not between \(range.lowerBound) and \(range.upperBound).", field: "/settings/\(name)")
            }
        }
    }
}
