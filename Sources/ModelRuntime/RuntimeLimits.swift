/// Bounds on running engines and on what comes through the gateway, each with its reason.
package enum RuntimeLimits {
    /// The longest path of a UNIX socket: `sun_path` has 108 bytes, and swift-nio refuses paths of more than 103.
    package static let socketPathBytes = 103
    /// An engine's log before it is rotated; one older file is kept.
    package static let logBytes = 4 * 1024 * 1024
    /// The end of an engine's log that is reported when it exits.
    package static let logTailBytes = 2 * 1024
    /// Descriptors an engine may open: model parts, threads' event descriptors, one for each connection.
    package static let engineDescriptors: UInt64 = 1024
    /// Output of `--version` or `--help` that is read; the latter had 46 KiB in version 0.7.
    package static let probeBytes = 256 * 1024
    /// How long either may take, in seconds; under emulation it took three.
    package static let probeSeconds = 20
    /// An answer of an engine to our own questions (health, probe, evaluation).
    package static let answerBytes = 4 * 1024 * 1024
    /// How long one probe or evaluation row may take, in seconds: a small board answers 16 tokens in ten.
    package static let answerSeconds = 120
    /// How long one question about health may take, in seconds.
    package static let healthSeconds = 5
    /// Between two questions about health while an engine loads, in milliseconds.
    package static let healthPollMilliseconds = 25
    /// What an error repeats of an engine's answer, in characters: enough to see what is wrong, not the text.
    package static let quotedAnswerCharacters = 40
    /// Evaluation rows asked at once, whatever the caller says: an engine queues the rest anyway.
    package static let evaluationConcurrency = 16
    /// Context that may be asked of an engine, in tokens.
    package static let contextTokens = 1...1_048_576
    /// Parallel requests that may be asked of an engine.
    package static let parallelRequests = 1...64
    /// Threads that may be asked of an engine.
    package static let threads = 1...512
    /// Scales of adapters that make sense; training uses 1.
    package static let adapterScale = -8.0...8.0
    /// Adapters given to one engine.
    package static let adapters = 16
    /// Arguments of a declared engine's command.
    package static let commandArguments = 64
    /// One argument of a declared engine's command.
    package static let commandArgumentBytes = 4096
    /// What children get of the kernel's score where memory is short: above the agent's, so that they go first.
    static let outOfMemoryScore: Int32 = 500
    /// Connections to one engine that are kept for the next request. Older llama-servers have two threads more than
    /// they answer requests at once, and an idle connection holds one: health must still be answered.
    package static let idleConnections = 2
    /// How long a connection to an engine is kept, in seconds: llama-server closes one that was idle for five.
    package static let idleConnectionSeconds = 2
    /// The list of this program's own mappings.
    package static let mapsBytes = 1024 * 1024
    /// Engines that a device may declare.
    package static let declaredEngines = 16
    /// A content type that a client's request names.
    package static let contentTypeBytes = 256
    /// Parts of one split model.
    package static let modelParts = 256
    /// Live requests that wait for the candidate: what is old says nothing new, and each holds its answer in memory.
    package static let shadowQueue = 2
    /// A live request, and a live answer, that is kept to ask the candidate too; larger ones are passed over.
    package static let shadowBodyBytes = 256 * 1024
    /// Answers that one shadowing compares, whatever the policy says: their latencies are held until its end.
    package static let shadowSamples = 10_000
    /// The longest one shadowing takes, in seconds, whatever the policy says: two engines stand side by side for it.
    package static let shadowSeconds = 7 * 86_400
    /// Calls of tools in one answer that are compared.
    package static let comparedCalls = 64
}
