package import Logging

/// Loggers of the agent.
package enum AgentLog {
    /// Says nothing: for parts of the agent that something else than the agent runs, such as a test.
    package static let silent = Logger(label: "martlet-agent") { _ in SwiftLogNoOpLogHandler() }
}
