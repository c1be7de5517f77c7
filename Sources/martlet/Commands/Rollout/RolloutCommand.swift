import ArgumentParser
import MartletAPI
import MartletTypes

struct RolloutCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rollout",
        abstract: "Move a fleet's slot to a release, in waves.",
        discussion: """
            Example: martlet rollout start clinic/triage:2.0.0 --fleet all --slot triage --wave 1 --wave 100% --wait
            """,
        subcommands: [
            RolloutStart.self, RolloutPlanCommand.self, RolloutList.self, RolloutShow.self, RolloutWatch.self,
            RolloutPause.self, RolloutResume.self, RolloutAbort.self, RolloutBack.self,
        ],
        defaultSubcommand: RolloutList.self)
}

/// What `start` and `plan` take.
struct RolloutArguments: ParsableArguments {
    @Argument(help: "The release; several adapters of one base may be given.", transform: ReleaseReference.init)
    var releases: [ReleaseReference]
    @Option(help: "The fleet to move.", transform: FleetName.init) var fleet: FleetName?
    @Option(help: "The devices to move, by labels, instead of --fleet.", transform: LabelSelector.init) var selector:
        LabelSelector?
    @Option(help: "The slot to move; a device gets it if it has none of that name.", transform: SlotName.init) var slot:
        SlotName
    @Option(
        help: "A wave's cumulative size: a count or a share like 20%. The last wave takes the rest.",
        transform: RolloutPolicy.WaveSize.init)
    var wave: [RolloutPolicy.WaveSize] = []
    @Option(help: "How long each device proves the release before it counts, e.g. 10s.")
    var soak = TimeSpan(seconds: 10)
    @Option(help: "Stop when more devices than this have failed.") var maxFailures = 0
    @Option(help: "Devices at work at once.") var maxInFlight: Int?
    @Option(help: "How long a device may take, e.g. 1h; without it the rollout waits for devices that are off.")
    var deadline: TimeSpan?
    @Option(help: "When it stops: pause, or rollback the devices it moved.")
    var onFailure: RolloutPolicy.OnFailure = .pause
    @Option(help: "Tokens of context for each request.") var contextTokens: Int?
    @Option(help: "Requests served at once.") var parallel: Int?
    @Option(help: "Threads of the engine.") var threads: Int?

    func validate() throws {
        guard (fleet == nil) != (selector == nil) else {
            throw ValidationError("Give --fleet or --selector, one of them.")
        }
        guard !releases.isEmpty else { throw ValidationError("Name a release, e.g. clinic/triage:2.0.0.") }
    }

    func request(_ session: Session) async throws -> RolloutRequest {
        var paths: [ReleasePath] = []
        for release in releases { paths.append(try await session.resolve(release)) }
        return RolloutRequest(
            fleet: fleet, selector: selector, slot: slot, releases: paths,
            settings: SlotSettings(contextTokens: contextTokens, parallelRequests: parallel, threads: threads),
            policy: RolloutPolicy(
                waves: wave, soakSeconds: Int(soak.seconds), maxFailures: maxFailures, maxInFlight: maxInFlight,
                deviceDeadlineSeconds: deadline.map { Int($0.seconds) }, onFailure: onFailure))
    }
}

struct RolloutStart: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "start", abstract: "Start a rollout.")
    @OptionGroup var arguments: RolloutArguments
    @Flag(help: "Watch it to its end; exit 1 if it stops before completion.") var wait = false
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let session = try options.session()
        let rollout = try await session.send(
            OperatorRoutes.startRollout, body: try await arguments.request(session), as: RolloutInfo.self)
        if wait {
            try await RolloutWatcher(session: session, printer: options.printer).watch(rollout.id)
        } else {
            try options.printer.say(rollout) {
                "Rollout \($0.id) started: \($0.waves) waves. Follow it with `martlet rollout watch \($0.id)`."
            }
        }
    }
}

struct RolloutPlanCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan", abstract: "Show the waves and their devices; nothing happens.")
    @OptionGroup var arguments: RolloutArguments
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let session = try options.session()
        let plan = try await session.send(
            OperatorRoutes.planRollout, body: try await arguments.request(session), as: RolloutPlan.self)
        try options.printer.show(plan) { plan in
            var table = Table(heads: ["wave", "devices", "names"])
            table.rows = plan.waves.enumerated().map { index, devices in
                let names = devices.prefix(10).map(\.text).joined(separator: ", ")
                return [String(index + 1), String(devices.count), names + (devices.count > 10 ? ", …" : "")]
            }
            table.whenEmpty = "no device is selected"
            return table
        }
    }
}

struct RolloutList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "List rollouts, newest first.")
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let rollouts = try await options.session().list(OperatorRoutes.rollouts, of: RolloutInfo.self)
        try options.printer.show(rollouts) { rollouts in
            var table = Table(heads: ["rollout", "state", "wave", "devices", "slot", "release", "started", "reason"])
            table.rows = rollouts.map { rollout in
                [
                    rollout.id.text, rollout.state.rawValue, "\(min(rollout.wave + 1, rollout.waves))/\(rollout.waves)",
                    RolloutWatcher.counts(rollout), rollout.slot.text, references(rollout.releases),
                    rollout.created.description, rollout.reason,
                ]
            }
            return table
        }
    }
}

struct RolloutShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show a rollout: its devices, and each decision with its reason.")
    @Argument(help: "The rollout, from `martlet rollout list`.", transform: RolloutID.init) var rollout: RolloutID
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let info = try await options.session().get(
            OperatorRoutes.rollout, ["rollout": rollout.text], as: RolloutInfo.self)
        try options.printer.show(info) { info in
            var table = Table(heads: ["what", "state", "detail"])
            table.rows = [["rollout \(info.id)", info.state.rawValue, info.reason]]
            for device in info.devices ?? [] {
                let figures = device.evaluation.map { "\($0.correct) of \($0.rows) right" }
                let detail = [device.code, device.message, figures].compactMap(\.self).joined(separator: "; ")
                table.rows.append(["wave \(device.wave + 1)  \(device.device)", device.state.rawValue, detail])
            }
            for decision in info.decisions ?? [] {
                table.rows.append([decision.time.description, decision.action, decision.reason])
            }
            return table
        }
    }
}

struct RolloutWatch: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "watch", abstract: "Follow a rollout to its end; exit 1 if it stops before completion.")
    @Argument(help: "The rollout, from `martlet rollout list`.", transform: RolloutID.init) var rollout: RolloutID
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        try await RolloutWatcher(session: try options.session(), printer: options.printer).watch(rollout)
    }
}
