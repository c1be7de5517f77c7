internal import ModelRuntime

/// An engine that systemd starts for the agent.
package enum OrderedEngine {
    /// Confines this process and replaces its program by the engine that the agent ordered in `folder`. Comes back only
    /// by throwing.
    package static func become(in folder: String) throws -> Never { try EngineOrder.carryOut(in: folder) }
}
