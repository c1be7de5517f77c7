import MartletAPI
import MartletTypes
import RegistryStore
import RolloutEngine

extension RolloutService {
    /// Starts a rollout; it takes over the slot of its devices from every rollout that is still open. Answers once the
    /// rollout and its first step are durable; the leader makes the others.
    ///
    /// Throws 404 `unknownRelease` or `unknownFleet`, 409 `releaseNotPublished`, 422 `wrongKind` or `noDevices`, each
    /// naming what and the remedy, and 403 `outOfReach` where the caller's token is not for all that it would move.
    func start(_ request: RolloutRequest, by actor: String, within reach: Reach) async throws -> RolloutInfo {
        let id = try RolloutID(try OperatorService.newID("r"))
        try await drive { driver in
            let draft = try Self.draft(request, reach, driver.sql, now: driver.now)
            let run = RolloutRun(
                id: id, target: request.releases, policy: request.policy, candidates: draft.candidates,
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
            driver.add(row)
            let taken = Set(draft.candidates.filter { $0.exclusion == nil }.map(\.device))
            try driver.takeOver(taken, request.slot, by: id)
            try driver.tell(.start(by: actor), id)
        }
        return try await rollout(id, within: .everything)
    }

    /// What a request comes down to, once it is known to be possible.
    struct Draft {
        let selector: LabelSelector
        let candidates: [RolloutCandidate]
    }

    /// Decides the order of devices: the same request gives the same waves.
    static func seed(_ request: RolloutRequest) -> String {
        request.slot.text + "\n" + request.releases.map(\.text).joined(separator: "\n")
    }

    static func draft(
        _ request: RolloutRequest, _ reach: Reach, _ sql: any SQLConnection, now: Timestamp
    ) throws -> Draft {
        try RolloutPolicyCheck.require(request.policy)
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
        try checkSlot(request, sql)
        let members = try DeviceStore(sql).members(of: selector)
        try within.require(request.releases, request.fleet, members.map(\.device), request.slot)
        guard !members.isEmpty else {
            throw ServerError.unprocessable(
                "noDevices",
                selector.terms.isEmpty
                    ? "There is no active device." : "No active device has labels that match \"\(selector)\".",
                remedy: "`martlet devices list` shows the devices and their labels.",
                field: request.fleet == nil ? "/selector" : "/fleet")
        }
        return Draft(selector: selector, candidates: try candidates(members, request.slot, sql, now: now))
    }

    /// Devices as the engine plans with them: their labels, and who keeps them out.
    static func candidates(
        _ members: [DeviceRow], _ slot: SlotName, _ sql: any SQLConnection, now: Timestamp
    ) throws -> [RolloutCandidate] {
        let exemptions = try ExemptionStore(sql).list(slot: slot, now: now)
        return members.map { member in
            let exclusion = exemptions[member.device].map { row in
                RolloutCandidate.Exclusion(
                    code: row.slot == nil ? RolloutCode.held : RolloutCode.pinned, message: row.sentence)
            }
            return RolloutCandidate(device: member.device, labels: member.labels, exclusion: exclusion)
        }
    }

    /// Every release must be there and installable, and they must be able to share a slot.
    static func checkReleases(_ paths: [ReleasePath], _ sql: any SQLConnection) throws {
        guard (1...Limits.releasesPerSlot).contains(paths.count) else {
            throw ServerError.badRequest(
                "A slot runs 1 to \(Limits.releasesPerSlot) releases, not \(paths.count).", field: "/releases")
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
        let models = rows.filter { $0.kind != .engine }
        guard rows.count - models.count <= 1 else {
            throw ServerError.unprocessable(
                "wrongKind", "A slot runs by one engine at most.", remedy: "Name one engine.", field: "/releases")
        }
        guard models.count <= 1 || models.allSatisfy({ $0.kind == .adapter }) else {
            throw ServerError.unprocessable(
                "wrongKind", "Several releases share a slot only as adapters of one base.",
                remedy: "Name one model, or adapters only.", field: "/releases")
        }
        // Releases are immutable, so equal base paths are equal base digests.
        guard Set(models.map(\.base)).count <= 1 else {
            let bases = models.map { "\($0.path.reference) on \($0.base?.reference ?? "none")" }.joined(separator: ", ")
            throw ServerError.unprocessable(
                "baseMismatch", "The adapters have different bases: \(bases).",
                remedy: "Choose adapters that were made for the same base release.", field: "/releases")
        }
    }

    /// The agent stands in a slot of its own, and nothing else there.
    private static func checkSlot(_ request: RolloutRequest, _ sql: any SQLConnection) throws {
        let kinds = Set(try request.releases.map { try OperatorService.release($0, sql).kind })
        let isAgentSlot = request.slot.text == MartletVersion.agentSlot
        guard kinds.contains(.agent) || isAgentSlot, !isAgentSlot || kinds != [.agent] else { return }
        throw ServerError.unprocessable(
            "wrongSlot", "An agent moves slot \(MartletVersion.agentSlot), and nothing else does.",
            remedy: "Give --slot \(MartletVersion.agentSlot) for an agent, another slot for all else.", field: "/slot")
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
        if let wrong = settings.residency?.violation {
            throw ServerError.badRequest(
                "\(wrong.name) is not between \(wrong.range.lowerBound) and \(wrong.range.upperBound).",
                field: "/settings/residency/\(wrong.name)")
        }
    }
}
