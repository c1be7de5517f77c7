import ArgumentParser
import MartletAPI
import MartletTypes

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
    @Option(help: "How long each device proves the release before it counts (default: 10s).", transform: TimeSpan.init)
    var soak = TimeSpan(seconds: 10)
    @Option(help: "Stop when more devices than this have failed (default: 0).", transform: Count.natural)
    var maxFailures = 0
    @Option(help: "Devices at work at once; without it as many as a wave has.", transform: Count.positive)
    var maxInFlight: Int?
    @Option(
        help: "How long a device may take, e.g. 1h; without it the rollout waits for devices that are off.",
        transform: TimeSpan.init)
    var deadline: TimeSpan?
    @Option(help: "When it stops: pause, or rollback the devices it moved.")
    var onFailure: RolloutPolicy.OnFailure = .pause
    @Option(help: "Tokens of context for each request.", transform: Count.positive) var contextTokens: Int?
    @Option(help: "Requests served at once.", transform: Count.positive) var parallel: Int?
    @Option(help: "Threads of the engine.", transform: Count.positive) var threads: Int?
    @Option(help: "How embeddings are made; without it as the release says.") var pooling: Pooling?

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
            settings: SlotSettings(
                contextTokens: contextTokens, parallelRequests: parallel, threads: threads, pooling: pooling),
            policy: RolloutPolicy(
                waves: wave, soakSeconds: Int(soak.seconds), maxFailures: maxFailures, maxInFlight: maxInFlight,
                deviceDeadlineSeconds: deadline.map { Int($0.seconds) }, onFailure: onFailure))
    }
}
