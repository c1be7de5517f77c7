import ArgumentParser
import MartletAPI
import MartletTypes
import RolloutPolicyFile

/// What `start` and `plan` take.
struct RolloutArguments: ParsableArguments {
    @Argument(help: "The release; several adapters of one base may be given.", transform: ReleaseReference.init)
    var releases: [ReleaseReference]
    @Option(help: "The fleet to move.", transform: FleetName.init) var fleet: FleetName?
    @Option(help: "The devices to move, by labels, instead of --fleet.", transform: LabelSelector.init) var selector:
        LabelSelector?
    @Option(help: "The slot to move; a device gets it if it has none of that name.", transform: SlotName.init) var slot:
        SlotName?
    @OptionGroup var policy: PolicyOptions
    @Option(help: "Tokens of context for each request.", transform: Count.positive) var contextTokens: Int?
    @Option(help: "Requests served at once.", transform: Count.positive) var parallel: Int?
    @Option(help: "Threads of the engine.", transform: Count.positive) var threads: Int?
    @Option(help: "How embeddings are made; without it as the release says.") var pooling: Pooling?
    @OptionGroup(title: "Beside other slots") var residency: ResidencyOptions

    func validate() throws {
        guard fleet == nil || selector == nil else {
            throw ValidationError("Give --fleet or --selector, one of them.")
        }
        guard !releases.isEmpty else { throw ValidationError("Name a release, e.g. clinic/triage:2.0.0.") }
        // A policy file may say both.
        guard policy.policy != nil || (fleet == nil) != (selector == nil) else {
            throw ValidationError("Give --fleet or --selector, one of them.")
        }
        guard policy.policy != nil || slot != nil else { throw ValidationError("Give --slot, e.g. --slot triage.") }
    }

    /// Reads the policy before anything is asked of the registry.
    func request(_ session: Session) async throws -> RolloutRequest {
        let file = try policy.file()
        let isNamed = fleet != nil || selector != nil
        let (fleet, selector) = isNamed ? (fleet, selector) : (file.target.fleet, file.target.selector)
        guard fleet != nil || selector != nil else {
            throw CommandError(
                "targetMissing", "Neither a flag nor the policy says which devices move.",
                remedy: "Give --fleet or --selector, or write target: {fleet: NAME} into the file.")
        }
        guard let slot = slot ?? file.target.slot else {
            throw CommandError(
                "targetMissing", "Neither a flag nor the policy says which slot moves.",
                remedy: "Give --slot, or write target: {slot: NAME} into the file.")
        }
        var paths: [ReleasePath] = []
        for release in releases { paths.append(try await session.resolve(release)) }
        return RolloutRequest(
            fleet: fleet, selector: selector, slot: slot, releases: paths,
            settings: SlotSettings(
                contextTokens: contextTokens, parallelRequests: parallel, threads: threads, pooling: pooling,
                residency: residency.residency),
            policy: file.policy)
    }
}
