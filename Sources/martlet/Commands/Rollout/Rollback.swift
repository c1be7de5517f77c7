import ArgumentParser
import MartletAPI
import MartletTypes

struct Rollback: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Take devices back to what each of them has on disk: seconds, no download.",
        discussion: """
            WHAT is the name of a device, a fleet or a rollout, or a release; where it is the name of several, say \
            which by an option.

            Examples:
              martlet rollback wards --slot triage --wait
              martlet rollback pi-1 --slot triage
              martlet rollback clinic/triage:2.0.0
              martlet rollback --rollout r-4f1c2a90
              martlet rollback --fleet all --slot triage --to clinic/triage:1.0.0
            """)

    @Argument(help: "A device, a fleet, a rollout or a release.") var what: String?
    @Option(help: "One device.", transform: DeviceID.init) var device: DeviceID?
    @Option(help: "All devices of a fleet.", transform: FleetName.init) var fleet: FleetName?
    @Option(help: "Every device that runs this release.", transform: ReleaseReference.init) var release:
        ReleaseReference?
    @Option(help: "Every device that this rollout moved.", transform: RolloutID.init) var rollout: RolloutID?
    @Option(help: "The slot; releases and rollouts know it.", transform: SlotName.init) var slot: SlotName?
    @Option(help: "A release to go to, instead of each device's previous one.", transform: ReleaseReference.init)
    var to: ReleaseReference?
    @Option(help: "Why; stands in the audit log.") var reason = ""
    @Flag(help: "Move a pinned slot too; of one device only.") var force = false
    @Flag(help: "Wait until every device serves it again (of many the first; the others are told), and how long.")
    var wait = false
    @Option(help: "How long to wait at most (default: 60s).", transform: TimeSpan.init)
    var timeout = TimeSpan(seconds: 60)
    @OptionGroup var options: GlobalOptions

    func validate() throws {
        let given = [what != nil, device != nil, fleet != nil, release != nil, rollout != nil].filter(\.self).count
        guard given == 1 else {
            throw ValidationError("Name one thing, or give one of --device, --fleet, --release and --rollout.")
        }
        if force, what == nil, device == nil { throw ValidationError("--force is for one device.") }
    }

    /// What the caller means, by the options or by looking its name up.
    private func target(_ session: Session) async throws -> RollbackTarget {
        if let device { return .device(device) }
        if let fleet { return .fleet(fleet) }
        if let rollout { return .rollout(rollout) }
        if let release { return .release(try await session.resolve(release)) }
        return try await RollbackTarget.find(what ?? "", session)
    }

    func run() async throws {
        let session = try options.session()
        let clock = ContinuousClock()
        let target = try await target(session)
        var request = RollbackRequest(slot: slot, reason: reason, force: force ? true : nil)
        target.put(into: &request)
        if force, request.device == nil {
            throw CommandError(
                "forceOfMany", "\(target.words) is not one device, and --force is for one.",
                remedy: "Unpin the slots, or name one device.")
        }
        if let to { request.to = try await session.resolve(to) }
        let start = clock.now
        let answer = try await session.send(OperatorRoutes.rollback, body: request, as: RollbackAnswer.self)
        if wait {
            let end = start + .seconds(timeout.seconds)
            try await waitFor(answer.moves, session, until: end)
            try await RollbackFollower(session: session, until: end).follow(answer, request.rollout)
        }
        try show(answer, clock.now - start)
    }

    private func show(_ answer: RollbackAnswer, _ elapsed: Duration) throws {
        let milliseconds = elapsed.components.seconds * 1000 + elapsed.components.attoseconds / 1_000_000_000_000_000
        try options.printer.show(Report(answer: answer, milliseconds: wait ? milliseconds : nil)) { _ in
            var table = Table(heads: ["device", "slot", "from", "to", "assignment"])
            table.rows = answer.moves.map {
                [$0.device.text, $0.slot.text, references($0.from), references($0.to), String($0.assignment)]
            }
            table.rows += answer.skipped.sorted { $0.key < $1.key }.map {
                [$0.key.text, "-", "-", "skipped: \($0.value)", "-"]
            }
            table.whenEmpty = "no device runs it; nothing to take back"
            return table
        }
        if wait, !answer.moves.isEmpty {
            let verb = answer.moves.count == 1 ? "serves" : "serve"
            options.printer.note(
                "\(Printable.count(answer.moves.count, "device")) \(verb) it after \(milliseconds) ms.")
        }
        if let following = answer.following {
            let how = answer.rollback.map { "rollback \($0)" } ?? "the rollout"
            options.printer.note(
                wait
                    ? "\(Printable.count(following, "more device")) were told as well (\(how))."
                    : "\(Printable.count(following, "more device")) follow by themselves (\(how)); with --wait this "
                        + "command waits until all were told.")
        }
        // A script that takes a fleet back must not believe that it did.
        guard !answer.moves.isEmpty || answer.skipped.isEmpty || answer.following != nil else {
            throw CommandError(
                "nothingToGoBackTo",
                "No device was taken back: \(Printable.count(answer.skipped.count, "device")) skipped.",
                remedy: "Name a release that they can run, with --to.")
        }
    }

    /// The registry's answer, and how long it took until all devices served it.
    private struct Report: Encodable {
        let answer: RollbackAnswer
        let milliseconds: Int64?

        private enum CodingKeys: CodingKey { case milliseconds }

        func encode(to encoder: any Encoder) throws {
            try answer.encode(to: encoder)
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encodeIfPresent(milliseconds, forKey: .milliseconds)
        }
    }

    private func waitFor(_ moves: [RollbackAnswer.Move], _ session: Session, until end: ContinuousClock.Instant)
        async throws
    {
        var open = moves
        while !open.isEmpty {
            var left: [RollbackAnswer.Move] = []
            for move in open {
                let info = try await session.get(
                    OperatorRoutes.device, ["device": move.device.text], as: DeviceInfo.self)
                let slot = info.slots[move.slot]
                let arrived =
                    slot?.serving == true && slot?.current == move.to && (slot?.generation ?? 0) >= move.assignment
                if !arrived { left.append(move) }
            }
            open = left
            guard ContinuousClock.now < end else {
                throw CommandError(
                    "waitFailed",
                    "\(open.map(\.device.text).joined(separator: ", ")) did not report the rollback in time.",
                    remedy: "They follow as soon as they are back; see `martlet devices list`.", fault: .peer)
            }
            if !open.isEmpty { try await Task.sleep(for: .milliseconds(50)) }
        }
    }
}
