import Foundation
import TestSupport
import Testing

/// What `--help` of every command prints, as it stood when it was last looked at.
///
/// `MARTLET_RECORD=1` records it anew; read the difference before committing it.
@Suite("Help")
struct HelpTests {
    static let programs = ["martlet", "martlet-agent", "martlet-fleetsim", "martlet-registry"]

    @Test("the help of every command is as recorded", arguments: programs)
    func snapshots(program: String) async throws {
        var text = ""
        for command in try await CommandTree.load(program).commands {
            let help = try await CommandTree.help(program, command.path)
            text += "$ " + ([program] + command.path + ["--help"]).joined(separator: " ") + "\n\n" + help + "\n"
        }
        try Golden.check(text, "Help/\(program).txt")
    }

    @Test("every command that does something shows an example", arguments: programs)
    func examples(program: String) async throws {
        for command in try await CommandTree.load(program).commands
        where !command.path.isEmpty && command.path != ["version"] {
            let help = try await CommandTree.help(program, command.path)
            let name = ([program] + command.path).joined(separator: " ")
            // What stands above the usage: abstract and discussion.
            let discussion = help.components(separatedBy: "USAGE:")[0]
            #expect(discussion.contains("Example") && discussion.contains(name), "\(name) shows no example")
        }
    }

    @Test("every command of the operators that prints takes --output, and says what it may be")
    func output() async throws {
        for command in try await CommandTree.load("martlet").commands where command.isLeaf {
            let help = try await CommandTree.help("martlet", command.path)
            #expect(help.contains("-o, --output <output>"), "\(command.path)")
            #expect(help.contains("table") && help.contains("json"), "\(command.path)")
        }
    }

    @Test("lines of the help fit a terminal of 80 columns", arguments: programs)
    func width(program: String) async throws {
        for command in try await CommandTree.load(program).commands {
            let help = try await CommandTree.help(program, command.path)
            // The parser writes the usage on one line, however long.
            for line in help.split(separator: "\n") where line.count > 80 && !line.hasPrefix("USAGE:") {
                Issue.record("\(program) \(command.path): \(line)")
            }
        }
    }

    @Test(
        "completion scripts name every command, and their shells can read them",
        arguments: programs.flatMap { program in ["bash", "zsh", "fish"].map { (program, $0) } })
    func completions(program: String, shell: String) async throws {
        let script = try await run(Checkout.product(program), ["--generate-completion-script", shell])
        #expect(script.status == 0 && script.errors.isEmpty, "\(script.errors)")
        for command in try await CommandTree.load(program).commands where !command.isHidden {
            if let name = command.path.last { #expect(script.output.contains(name), "\(shell): \(command.path)") }
        }
        let interpreter = ["/bin/", "/usr/bin/"].map { $0 + shell }
            .first { FileManager.default.isExecutableFile(atPath: $0) }
        guard let interpreter else { return }
        let folder = try TemporaryFolder()
        try script.output.write(toFile: folder.file("script"), atomically: true, encoding: .utf8)
        let read = try await run(interpreter, ["-n", folder.file("script")])
        #expect(read.status == 0, "\(read.errors)")
    }
}
