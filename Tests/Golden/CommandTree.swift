import Foundation
import TestSupport

/// The commands of a program, as its own parser tells them.
struct CommandTree {
    struct Command {
        /// The words after the program's name; empty for the program itself.
        let path: [String]
        /// Whether it has no subcommands.
        let isLeaf: Bool
        /// Whether people are not told of it: programs of ours call it.
        let isHidden: Bool
    }

    /// Parents before their subcommands, in the order of the help.
    let commands: [Command]

    private struct Dump: Decodable {
        struct Node: Decodable {
            let commandName: String
            let subcommands: [Node]?
            let shouldDisplay: Bool?
        }
        let command: Node
    }

    /// The commands of a program; asked once in a process.
    static func load(_ program: String) async throws -> CommandTree {
        try await Answers.shared.tree(program) { try await ask(program) }
    }

    private static func ask(_ program: String) async throws -> CommandTree {
        let result = try await run(Checkout.product(program), ["--experimental-dump-help"])
        let root = try JSONDecoder().decode(Dump.self, from: Data(result.output.utf8)).command
        var commands: [Command] = []
        func walk(_ node: Dump.Node, _ path: [String]) {
            let children = (node.subcommands ?? []).filter { $0.commandName != "help" }
            commands.append(
                Command(path: path, isLeaf: children.isEmpty, isHidden: node.shouldDisplay == false))
            for child in children { walk(child, path + [child.commandName]) }
        }
        walk(root, [])
        return CommandTree(commands: commands)
    }

    /// What `--help` prints, at a width that does not depend on the terminal; asked once in a process.
    static func help(_ program: String, _ path: [String]) async throws -> String {
        try await Answers.shared.help([program] + path) { try await askHelp(program, path) }
    }

    private static func askHelp(_ program: String, _ path: [String]) async throws -> String {
        let result = try await run(
            Checkout.product(program), path + ["--help"], environment: ["COLUMNS": "80", "NO_COLOR": "1"])
        guard result.status == 0, result.errors.isEmpty else {
            throw NeverTrue(description: "\(program) \(path) --help exits \(result.status): \(result.errors)")
        }
        return result.output
    }
}

/// What programs answered: several tests look at the same texts, and each costs a process.
private actor Answers {
    static let shared = Answers()
    private var trees: [String: Task<CommandTree, any Error>] = [:]
    private var helps: [[String]: Task<String, any Error>] = [:]

    func tree(_ key: String, _ ask: @escaping @Sendable () async throws -> CommandTree) async throws -> CommandTree {
        let task = trees[key] ?? Task { try await ask() }
        trees[key] = task
        return try await task.value
    }

    func help(_ key: [String], _ ask: @escaping @Sendable () async throws -> String) async throws -> String {
        let task = helps[key] ?? Task { try await ask() }
        helps[key] = task
        return try await task.value
    }
}

/// Texts that are kept beside the tests.
enum Golden {
    /// Compares with `Tests/Golden/NAME`, or writes it where `MARTLET_RECORD` is set.
    static func check(_ text: String, _ name: String) throws {
        let path = Checkout.root + "/Tests/Golden/" + name
        if ProcessInfo.processInfo.environment["MARTLET_RECORD"] != nil {
            return try text.write(toFile: path, atomically: true, encoding: .utf8)
        }
        let recorded = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
        guard recorded != text else { return }
        let (now, before) = (text.components(separatedBy: "\n"), recorded.components(separatedBy: "\n"))
        let line = zip(now, before).prefix { $0 == $1 }.count
        throw NeverTrue(
            description: """
                \(name) is not what is printed now, from line \(line + 1) on.
                recorded: \(line < before.count ? before[line] : "(nothing)")
                now:      \(line < now.count ? now[line] : "(nothing)")
                Where the change is wanted, record it with MARTLET_RECORD=1.
                """)
    }
}
