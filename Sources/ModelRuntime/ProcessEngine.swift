package import MartletTypes

/// An engine that the owner of this device declared in its configuration: any program that serves a model's files over
/// HTTP on a UNIX socket. A release can name it; what it runs, only the owner can say.
package struct ProcessEngine: Sendable, Hashable {
    /// What stands for values that differ from start to start, in the arguments of the command.
    package enum Placeholder: String, Sendable, CaseIterable {
        /// The model's first file.
        case model = "{model}"
        /// Every file of the model, each an argument of its own; only as a whole argument.
        case models = "{models}"
        /// The folder that holds the model's files under their names.
        case folder = "{folder}"
        /// The UNIX socket to listen on.
        case socket = "{socket}"
        /// The number of threads; 1 where nobody says.
        case threads = "{threads}"
        /// The slot's name.
        case slot = "{slot}"
    }

    /// The name by which releases ask for it.
    package let name: String
    /// The program's absolute path, then its arguments.
    package let command: [String]
    /// Its version as its owner states it; nil where `versionCommand` tells, or nobody.
    package var version: SemanticVersion?
    /// A command whose output holds the version; empty where nobody asks.
    package var versionCommand: [String]
    /// Variables beside the few that every engine gets.
    package var environment: [String: String]
    /// Files and folders that it may read beside its program and the model.
    package var readable: [String]
    /// What must be known of it.
    package var traits: EngineTraits

    package init(
        name: String, command: [String], version: SemanticVersion? = nil, versionCommand: [String] = [],
        environment: [String: String] = [:], readable: [String] = [], traits: EngineTraits
    ) {
        self.name = name
        self.command = command
        self.version = version
        self.versionCommand = versionCommand
        self.environment = environment
        self.readable = readable
        self.traits = traits
    }

    /// Why the command cannot be one; nil where it can.
    package var fault: String? {
        guard let program = command.first, program.hasPrefix("/") else { return "does not begin with an absolute path" }
        guard command.count <= RuntimeLimits.commandArguments else {
            return "has more than \(RuntimeLimits.commandArguments) arguments"
        }
        for argument in command + versionCommand
        where argument.utf8.count > RuntimeLimits.commandArgumentBytes || argument.utf8.contains(0) {
            return "has an argument of more than \(RuntimeLimits.commandArgumentBytes) bytes or with a zero byte"
        }
        if let other = versionCommand.first, !other.hasPrefix("/") {
            return "asks for the version by no absolute path"
        }
        let joined = command.joined(separator: " ")
        guard joined.contains(Placeholder.socket.rawValue) else { return "lacks {socket}" }
        guard [Placeholder.model, .models, .folder].contains(where: { joined.contains($0.rawValue) }) else {
            return "lacks {model}, {models} or {folder}"
        }
        for argument in command.dropFirst()
        where argument.contains(Placeholder.models.rawValue) && argument != Placeholder.models.rawValue {
            return "has {models} as a part of an argument"
        }
        return nil
    }

    /// The command for one start, the program first.
    func arguments(_ spec: EngineSpec) -> [String] {
        let folder = spec.modelPaths.first.map { $0[..<($0.lastIndex(of: "/") ?? $0.startIndex)] } ?? ""
        let values: [(Placeholder, String)] = [
            (.model, spec.modelPaths.first ?? ""), (.folder, String(folder)), (.socket, spec.socketPath),
            (.threads, String(spec.settings.threads ?? 1)), (.slot, spec.slot.text),
        ]
        var arguments: [String] = []
        for argument in command {
            if argument == Placeholder.models.rawValue {
                arguments += spec.modelPaths
            } else {
                arguments.append(Self.filled(argument, values))
            }
        }
        return arguments
    }

    /// Each place is filled once: what stands in a path is no placeholder.
    private static func filled(_ argument: String, _ values: [(Placeholder, String)]) -> String {
        var rest = argument[...]
        var text = ""
        while let brace = rest.firstIndex(of: "{") {
            text += rest[..<brace]
            rest = rest[brace...]
            if let (placeholder, value) = values.first(where: { rest.hasPrefix($0.0.rawValue) }) {
                text += value
                rest = rest.dropFirst(placeholder.rawValue.count)
            } else {
                text.append(rest.removeFirst())
            }
        }
        return text + rest
    }

    /// What an answer of `versionCommand` tells: the first SemVer in it.
    static func version(in output: String) -> String? {
        for word in output.split(whereSeparator: { $0.isWhitespace || $0 == "," || $0 == "(" || $0 == ")" }) {
            let text = word.hasPrefix("v") ? word.dropFirst() : word
            if (try? SemanticVersion(String(text))) != nil { return String(text) }
        }
        return nil
    }
}
