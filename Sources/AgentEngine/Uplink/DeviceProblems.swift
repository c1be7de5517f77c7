package import AgentStore
package import Logging
internal import MartletAPI
package import MartletTypes

/// What is wrong with the device as a whole, for status and inventory; each cause is reported once, and once its end.
///
/// Kept in the journal, so that an agent that starts again does not report anew what it reported before. Where the
/// journal itself cannot be written a problem is kept in memory, and the inventory alone carries it.
package actor DeviceProblems {
    /// What a problem is about: of each there is one at most.
    package enum Subject: String, Sendable, CaseIterable {
        /// The owner's metadata cannot be followed.
        case metadata
        /// The data folder takes no writes.
        case store
        /// The system clock cannot be right.
        case clock
        /// The agent ends again and again.
        case starts
    }

    private let journal: Journal
    private let clock: AgentClock
    private let logger: Logger
    private let changed: @Sendable () -> Void
    private var known: [Subject: DeviceProblem] = [:]
    private var isLoaded = false

    /// `changed` is called after each change, so that inventory and reports go out.
    package init(
        journal: Journal, clock: AgentClock, logger: Logger, changed: @escaping @Sendable () -> Void = {}
    ) {
        self.journal = journal
        self.clock = clock
        self.logger = logger
        self.changed = changed
    }

    /// All problems there are.
    package func all() async -> [DeviceProblem] {
        await load()
        return Subject.allCases.compactMap { known[$0] }
    }

    /// Notes how it stands about a subject; nil where all is well. `ended` is the code and sentence of the report that
    /// tells the end of what was wrong. The same cause again changes nothing.
    package func note(
        _ cause: (code: String, message: String, remedy: String)?, about subject: Subject,
        ended: (code: String, message: String)
    ) async {
        await load()
        let before = known[subject]
        guard before?.code != cause?.code || before?.message != cause?.message else { return }
        let now = clock.now
        known[subject] = cause.map {
            DeviceProblem(code: $0.code, message: $0.message, remedy: $0.remedy, since: now)
        }
        if let cause {
            logger.warning("\(cause.message)", metadata: ["code": "\(cause.code)"])
            await keep(
                known[subject], subject,
                DeviceReport(
                    sequence: 0, time: now, code: cause.code, message: cause.message))
        } else if let before {
            logger.notice("\(ended.message)", metadata: ["code": "\(ended.code)"])
            let message = "\(ended.message) It began at \(before.since): \(before.message)"
            await keep(nil, subject, DeviceReport(sequence: 0, time: now, code: ended.code, message: message))
        }
        changed()
    }

    /// The report first: a crash in between repeats it, which is better than to lose it.
    private func keep(_ problem: DeviceProblem?, _ subject: Subject, _ report: DeviceReport) async {
        do {
            try await journal.report(ReportBody.write(report))
            try await journal.setFact(Self.fact(subject), try problem.map { try JSONText.encode($0) } ?? [])
        } catch {
            logger.debug("a problem is not kept", metadata: ["error": "\(ErrorSummary(error).message)"])
        }
    }

    private func load() async {
        guard !isLoaded else { return }
        isLoaded = true
        for subject in Subject.allCases where known[subject] == nil {
            do {
                guard let bytes = try await journal.fact(Self.fact(subject)), !bytes.isEmpty else { continue }
                let kept = try JSONText.decode(DeviceProblem.self, from: bytes)
                known[subject] = known[subject] ?? kept
            } catch {
                // What cannot be read is found anew.
                continue
            }
        }
    }

    private static func fact(_ subject: Subject) -> String { "problem.\(subject.rawValue)" }
}

extension DeviceProblems {
    /// Notes how a refresh of metadata ended: that the way to the registry failed says nothing about the metadata, and
    /// what the disk does not take is a problem of its own.
    func noteRefresh(_ failure: (any Error)?) async {
        let ended = (code: "metadataFollowed", message: "The owner's metadata is followed again.")
        guard let failure else {
            await note(nil, about: .metadata, ended: ended)
            return
        }
        guard !TrustKeeper.isTransport(failure), !(failure is AgentStoreError), !(failure is CancellationError) else {
            return
        }
        let code = ErrorSummary(failure).code
        let (message, remedy) = (failure as? any MartletError).map { ($0.message, $0.remedy) } ?? ("\(failure)", "")
        await note(
            (
                code: "metadata" + code.prefix(1).uppercased() + code.dropFirst(),
                message: "The owner's metadata cannot be followed, so nothing new is installed: \(message)",
                remedy: remedy
            ), about: .metadata, ended: ended)
    }

    /// Notes whether the data folder takes writes.
    func noteStore(_ trouble: AgentStoreError?) async {
        let cause: (code: String, message: String, remedy: String)? = trouble.map { trouble in
            let code =
                switch trouble.reason {
                case .readOnly: "storeReadOnly"
                case .diskFull: "storeFull"
                default: "storeFailing"
                }
            return (
                code: code,
                message: "The data folder takes no writes, so what serves goes on and nothing new is installed: "
                    + trouble.message,
                remedy: trouble.remedy + " The agent goes on by itself when it does."
            )
        }
        await note(
            cause, about: .store,
            ended: (code: "storeWritable", message: "The data folder takes writes again."))
    }
}
