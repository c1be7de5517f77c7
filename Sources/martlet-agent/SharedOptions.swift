import AgentEngine
import ArgumentParser
import Glibc
import MartletTypes

/// Where the device's data is: an option of every command.
struct DataOption: ParsableArguments {
    @Option(help: "The device's data folder (default /var/lib/martlet-agent).")
    var data: String?

    /// Whom to ask about the agent that runs with the folder.
    func client() -> ControlClient {
        var flags: [AgentOptions.Name: String] = [:]
        flags[.data] = data
        let environment = Environment.variables
        let path = path(AgentOptions(flags: flags, environment: environment))
        return ControlClient(data: path, runtime: environment["RUNTIME_DIRECTORY"])
    }

    /// The folder as an absolute path, so that engines that run elsewhere find it.
    func path(_ options: AgentOptions) -> String {
        AbsolutePath.of(options[.data]?.value ?? AgentOption.defaultData)
    }
}

enum AbsolutePath {
    /// The path without a slash at its end, from the root on.
    static func of(_ path: String) -> String {
        var path = path
        while path.count > 1, path.hasSuffix("/") { path.removeLast() }
        guard !path.hasPrefix("/"), let current = getcwd(nil, 0) else { return path }
        defer { free(current) }
        return String(cString: current) + "/" + path
    }
}

enum Environment {
    /// The variables of this process.
    static var variables: [String: String] {
        var variables: [String: String] = [:]
        var next = environ
        while let entry = next.pointee {
            let text = String(cString: entry)
            if let equals = text.firstIndex(of: "=") {
                variables[String(text[..<equals])] = String(text[text.index(after: equals)...])
            }
            next += 1
        }
        return variables
    }
}
