internal import AgentStore
internal import Glibc
internal import MartletTypes

/// The unit that starts the agent, as its files tell: what systemd gives the agent, and with which data folder.
struct AgentUnit {
    static let name = "martlet-agent.service"
    /// Where units lie, the first that has one wins.
    static let folders = [
        "/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system",
        "/lib/systemd/system",
    ]

    /// What it sets in the agent's environment, files included.
    private(set) var variables: [String: String] = [:]
    /// The words of its command line after the program.
    private(set) var words: [String] = []

    /// Reads the unit and its drop-ins, one text after the other; `file` reads an environment file.
    init(_ texts: [String], file: (String) -> String?) {
        var fromFiles: [String: String] = [:]
        var command = ""
        for line in texts.flatMap({ $0.split(separator: "\n") }) {
            guard let sign = line.firstIndex(of: "=") else { continue }
            let value = Self.filled(String(line[line.index(after: sign)...]))
            switch line[..<sign] {
            case "Environment": variables.merge(Self.variables(Self.words(value))) { $1 }
            case "EnvironmentFile":
                let lines = (file(String(value.drop { $0 == "-" })) ?? "").split(separator: "\n")
                fromFiles.merge(Self.variables(lines.filter { !"#;".contains($0.first ?? "#") }.map(Self.unquoted))) {
                    $1
                }
            case "ExecStart": command = value
            default: continue
            }
        }
        variables.merge(fromFiles) { $1 }
        // `$NAME` as a word of its own is split into words.
        words = Self.words(command).dropFirst().flatMap { word in
            word.hasPrefix("$") ? Self.words(variables[String(word.dropFirst())] ?? "") : [word]
        }
    }

    /// What it says to the agent: flags over variables.
    var options: AgentOptions {
        var flags: [AgentOptions.Name: String] = [:]
        for name in AgentOption.allCases { flags[name] = flag(name) }
        return AgentOptions(flags: flags, environment: variables)
    }

    private func flag(_ name: AgentOption) -> String? {
        if let joined = words.last(where: { $0.hasPrefix(name.flag + "=") }) {
            return String(joined.dropFirst(name.flag.count + 1))
        }
        guard let index = words.lastIndex(of: name.flag), index + 1 < words.count else { return nil }
        return words[index + 1]
    }

    /// The folders that systemd puts into a unit of the system.
    private static func filled(_ text: String) -> String {
        text.replacing("%S", with: "/var/lib").replacing("%E", with: "/etc").replacing("%t", with: "/run")
            .replacing("%%", with: "%")
    }

    private static func variables(_ words: [String]) -> [String: String] {
        var variables: [String: String] = [:]
        for word in words {
            guard let sign = word.firstIndex(of: "=") else { continue }
            variables[String(word[..<sign])] = String(word[word.index(after: sign)...])
        }
        return variables
    }

    /// A line of an environment file, whose value may stand in quotes as a whole.
    private static func unquoted(_ line: Substring) -> String {
        guard let sign = line.firstIndex(of: "=") else { return String(line) }
        let value = line[line.index(after: sign)...]
        guard let quote = value.first, "\"'".contains(quote), value.count > 1, value.last == quote else {
            return String(line)
        }
        return String(line[...sign]) + String(value.dropFirst().dropLast())
    }

    /// Words between blanks; what stands in quotes is one.
    private static func words(_ text: String) -> [String] {
        var words: [String] = []
        var word: String?
        var quote: Character?
        for character in text {
            if character == quote {
                quote = nil
            } else if quote == nil, "\"'".contains(character) {
                quote = character
                word = word ?? ""
            } else if quote == nil, character.isWhitespace {
                if let word { words.append(word) }
                word = nil
            } else {
                word = (word ?? "") + String(character)
            }
        }
        return words + [word].compactMap(\.self)
    }
}

extension Doctor {
    /// The same doctor, who knows what the agent's unit says beside what was said here; only where the unit is for this
    /// data folder.
    var informed: Doctor {
        guard let unit = agentUnit, let data = unit.options[.data]?.value, resolved(data) == resolved(scene.data) else {
            return self
        }
        var informed = self
        informed.unit = unit
        informed.scene.options = scene.options.over(unit.options)
        informed.scene.environment.merge(unit.variables) { own, _ in own }
        return informed
    }

    private var agentUnit: AgentUnit? {
        guard let place = AgentUnit.folders.first(where: { exists("\($0)/\(AgentUnit.name)") }) else { return nil }
        var paths = ["\(place)/\(AgentUnit.name)"]
        for folder in AgentUnit.folders.reversed().map({ "\($0)/\(AgentUnit.name).d" }) {
            paths += names(in: scene.root + folder).filter { $0.hasSuffix(".conf") }.sorted().map { "\(folder)/\($0)" }
        }
        return AgentUnit(paths.compactMap(text), file: text)
    }

    /// Whether the unit starts at boot, on a box that systemd runs.
    func unitAtBoot() -> [Diagnosis.Finding] {
        let name = AgentUnit.name
        guard access(scene.root + "/run/systemd/system", F_OK) == 0 else { return [] }
        guard let place = AgentUnit.folders.first(where: { exists("\($0)/\(name)") }) else { return [] }
        let isWanted = ["/etc/systemd/system", "/run/systemd/system"].contains { folder in
            names(in: scene.root + folder).contains { wants in
                (wants.hasSuffix(".wants") || wants.hasSuffix(".requires")) && exists("\(folder)/\(wants)/\(name)")
            }
        }
        let isMasked = files.destination(of: scene.root + "\(place)/\(name)") == "/dev/null"
        guard isMasked || !isWanted else { return [] }
        let what = isMasked ? "is masked" : "is not enabled"
        return [
            Ailment.unitNotEnabled.found(
                at: "\(place)/\(name)", "The unit \(what): the agent does not start when the box does.",
                remedy: isMasked ? "systemctl unmask martlet-agent, then systemctl enable --now martlet-agent" : nil)
        ]
    }

    /// Whether something is below the scene's root. Links that lead nowhere count: below another root they lead out of
    /// it.
    func exists(_ path: String) -> Bool { files.status(scene.root + path) != nil }

    func resolved(_ path: String) -> String {
        guard let real = realpath(path, nil) else { return path }
        defer { free(real) }
        return String(cString: real)
    }
}
