internal import AgentStore
package import MartletTypes
internal import Synchronization

/// Blobs that have to be fetched again and could not be: when each is tried next. No I/O.
package struct MendDebts {
    private struct Debt {
        var file: BlobScrub.File
        var failures: Int
        var at: ContinuousClock.Instant
    }

    private var debts: [Digest: Debt] = [:]
    /// What is being fetched for the first time.
    private var begun: Set<Digest> = []

    package init() {}

    /// Whether a blob is owed, or being fetched: there is nothing to be found out about it.
    package func holds(_ digest: Digest) -> Bool { debts[digest] != nil || begun.contains(digest) }

    /// It is fetched from now on.
    mutating func begin(_ digest: Digest) { begun.insert(digest) }

    /// It was brought, or is not needed any more.
    package mutating func paid(_ digest: Digest) {
        debts[digest] = nil
        begun.remove(digest)
    }

    /// Pauses double; what came wrong costs as much as what comes right, and is tried again once a day at last.
    package mutating func owe(_ file: BlobScrub.File, isOfContent: Bool, now: ContinuousClock.Instant) {
        begun.remove(file.file.digest)
        let failures = (debts[file.file.digest]?.failures ?? 0) + 1
        let isHopeless = isOfContent && failures >= SlotLimits().wrongContents
        let pause = isHopeless ? .seconds(86_400) : min(Self.first * (1 << min(failures - 1, 20)), .seconds(3600))
        debts[file.file.digest] = Debt(file: file, failures: failures, at: now + pause)
    }

    /// What is to be tried now.
    package func due(_ now: ContinuousClock.Instant) -> BlobScrub.File? {
        debts.values.filter { $0.at <= now }.min { $0.at < $1.at }?.file
    }

    /// How long until something is to be done.
    package func wait(upTo interval: Duration, now: ContinuousClock.Instant) -> Duration {
        guard let next = debts.values.map(\.at).min() else { return interval }
        return max(.zero, min(interval, next - now))
    }

    private static let first = Duration.seconds(5)
}

/// The debts of one scrub, which it looks at in the middle of a file too.
final class MendLedger: Sendable {
    private let debts = Mutex(MendDebts())

    func change<Result: Sendable>(_ body: (inout MendDebts) -> Result) -> Result {
        debts.withLock { body(&$0) }
    }
}
