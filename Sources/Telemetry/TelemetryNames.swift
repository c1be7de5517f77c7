/// Names of metrics and attributes, in OpenTelemetry's words where it has them.
package enum TelemetryNames {
    package static let slot = "martlet.slot"
    package static let generation = "martlet.generation"
    package static let release = "martlet.release"
    package static let releaseDigest = "martlet.release.digest"
    package static let profile = "martlet.profile"

    package static let requests = "martlet.gateway.requests"
    package static let errors = "martlet.gateway.errors"
    package static let refused = "martlet.gateway.refused"
    package static let replayed = "martlet.gateway.replayed"
    package static let cutStreams = "martlet.gateway.cut_streams"
    package static let abandoned = "martlet.gateway.abandoned"
    /// Ends of a slot's engine that nobody asked for, with the slot, its generation and release as all others.
    package static let crashes = "martlet.runtime.crashes"

    package static let requestDuration = "gen_ai.server.request.duration"
    package static let timeToFirstToken = "gen_ai.server.time_to_first_token"
    package static let timePerOutputToken = "gen_ai.server.time_per_output_token"
    package static let tokenUsage = "gen_ai.client.token.usage"
    package static let tokenType = "gen_ai.token.type"
    package static let requestModel = "gen_ai.request.model"
    package static let operation = "gen_ai.operation.name"
    package static let provider = "gen_ai.provider.name"
    package static let errorType = "error.type"

    package static let cpuUtilization = "system.cpu.utilization"
    package static let memoryUsage = "system.memory.usage"
    package static let memoryLimit = "system.memory.limit"
    package static let filesystemUsage = "system.filesystem.usage"
    package static let filesystemLimit = "system.filesystem.limit"
    package static let loadAverage = "system.cpu.load_average.1m"
    package static let temperature = "hw.temperature"
    package static let state = "state"
}
