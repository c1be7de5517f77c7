extension EngineBinary {
    /// What a program says when it is asked for its version, for people who look why it does not start. Empty where it
    /// says nothing or cannot be started.
    package static func complaint(of path: String) async -> String {
        guard let thread = ProcessThread.shared else { return "" }
        let plan = ChildPlan(
            path: path, arguments: [path, "--version"], environment: LlamaArguments.environment(home: "/"))
        do {
            return try await OutputCollector.run(plan, on: thread)
        } catch {
            return error.message
        }
    }
}
