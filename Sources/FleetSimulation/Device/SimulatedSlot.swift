internal import MartletTypes
internal import Telemetry
internal import Trust

/// One slot of a simulated device.
struct SimulatedSlot: Sendable {
    /// What serves, or would serve after going back.
    struct Generation: Sendable, Hashable {
        var releases: [ReleasePath]
        var label: ReleaseLabel
        /// The assignment number at which it came.
        var assigned: Int64
        var influence: ReleaseInfluence

        init(_ assignment: SlotAssignment, _ influence: ReleaseInfluence) {
            releases = assignment.releases.map(\.path)
            label = ReleaseLabel(assignment.releases.map { ($0.path, $0.indexDigest) })
            assigned = assignment.generation
            self.influence = influence
        }
    }

    /// A step of an installation, and when it is reached.
    struct Stage: Sendable {
        var state: DeviceRolloutState
        var time: Timestamp
        var code: String?
        /// Milliseconds of the download and of the start, for the report.
        var fetchMilliseconds: Int64?
        var startMilliseconds: Int64?
    }

    /// An installation at work.
    struct Work: Sendable {
        var assignment: SlotAssignment
        var generation: Generation
        /// What is still to come, in order.
        var stages: [Stage]
        /// What is to be read before the next stage.
        var fetches: [ReleaseFetch] = []
        var bytesFetched: Int64 = 0
        /// Whether the candidate serves already.
        var isSwitched = false

        /// All that is still to come comes later.
        mutating func postpone(by duration: Duration) {
            for index in stages.indices { stages[index].time = stages[index].time + duration }
        }
    }

    var current: Generation?
    var previous: Generation?
    var work: Work?
    /// The generation of the assignment that was taken up last, so that it is not taken up twice.
    var seen: Int64 = 0
    /// A local decision against the assignment, e.g. after a failure.
    var override: String?
    /// Attempts at each set of releases, for dice that are thrown at each.
    var attempts: [[ReleasePath]: Int] = [:]
    /// Up to when its requests are counted.
    var measuredSince: Timestamp

    init(measuredSince: Timestamp) { self.measuredSince = measuredSince }

    /// The candidate becomes what serves.
    mutating func switchOver() {
        guard var work, !work.isSwitched else { return }
        work.isSwitched = true
        if current?.releases != work.generation.releases { previous = current }
        current = work.generation
        self.work = work
    }

    /// The candidate failed after it was switched to: what it replaced serves again.
    mutating func switchBack() {
        guard work?.isSwitched == true else { return }
        current = previous
        previous = nil
    }
}

/// One document or blob of a release that is read for its bytes alone.
struct ReleaseFetch: Sendable, Hashable {
    enum Kind: Sendable, Hashable {
        case metadata
        case index(RepositoryName)
        case manifest(RepositoryName)
        case blob
    }

    var kind: Kind
    var path: String
    /// What it must be, where the assignment or a document above says so.
    var digest: Digest?

    var accept: String? {
        switch kind {
        case .index: "application/vnd.oci.image.index.v1+json"
        case .manifest: "application/vnd.oci.image.manifest.v1+json"
        case .metadata, .blob: nil
        }
    }

    /// What is read first for an assigned slot.
    static func first(of assignment: SlotAssignment, _ mode: FetchMode) -> [ReleaseFetch] {
        guard mode != .none else { return [] }
        return [ReleaseFetch(kind: .metadata, path: "/tuf/timestamp.json")]
            + assignment.releases.map {
                ReleaseFetch(
                    kind: .index($0.path.repository),
                    path: "/v2/\($0.path.repository)/manifests/\($0.indexDigest)", digest: $0.indexDigest)
            }
    }

    /// What a document names that is to be read next: of an index its first variant, of a manifest its layers.
    func next(in bytes: [UInt8], _ mode: FetchMode) throws -> [ReleaseFetch] {
        func digests(_ member: String) throws -> [Digest] {
            let entries = try JSONValue(parsing: bytes)[member]?.array ?? []
            return try entries.prefix(SimulationLimits.fetches).compactMap { entry in
                try entry["digest"]?.string.map { try Digest($0) }
            }
        }
        switch kind {
        case .index(let repository):
            return try digests("manifests").prefix(1).map {
                ReleaseFetch(kind: .manifest(repository), path: "/v2/\(repository)/manifests/\($0)", digest: $0)
            }
        case .manifest(let repository) where mode == .blobs:
            return try digests("layers").map {
                ReleaseFetch(kind: .blob, path: "/v2/\(repository)/blobs/\($0)", digest: $0)
            }
        case .manifest, .metadata, .blob: return []
        }
    }
}
