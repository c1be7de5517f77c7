/// What is started for an engine, whoever starts it: the command line and what it may read. Made from typed values and
/// the device's own configuration alone.
package struct EngineCommand: Sendable, Hashable {
    /// The program's absolute path.
    package let path: String
    /// The arguments, the program first.
    package let arguments: [String]
    /// The whole environment; nothing of the agent's own is passed on.
    package let environment: [String]
    /// Files and folders that it must be able to read, beside the system's own.
    package let readable: [String]

    /// Throws `invalidSetting` and `socketPathTooLong`. `folder` is the engine's own, which it may write.
    package init(_ spec: EngineSpec, binary: EngineBinary, folder: String) throws(RuntimeError) {
        try spec.check()
        path = binary.path
        var environment = LlamaArguments.environment(home: folder)
        var readable = [ForkLauncher.tree(of: binary.path)] + spec.modelPaths
        if let process = binary.process {
            arguments = process.arguments(spec)
            environment += process.environment.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
            // A virtual environment's program is a link out of it, and a script is an argument.
            readable += [ForkLauncher.folder(of: binary.path)] + process.readable
            readable += process.command.dropFirst().filter { $0.hasPrefix("/") && !$0.contains("{") }
        } else {
            arguments = try LlamaArguments.make(spec, binary: binary)
            readable += spec.adapters.map(\.path) + [spec.chatTemplatePath].compactMap(\.self)
        }
        self.environment = environment
        self.readable = readable
    }
}
