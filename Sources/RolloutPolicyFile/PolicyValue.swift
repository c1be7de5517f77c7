import Yams

/// A value of the document with its place. Yams stands behind this file alone.
struct PolicyValue {
    enum Content {
        /// A scalar's text, and whether it was quoted.
        case scalar(String, isQuoted: Bool)
        case sequence([PolicyValue])
        case mapping([(key: PolicyValue, value: PolicyValue)])
        /// Nothing, `null` or `~`.
        case nothing
    }

    let content: Content
    let path: String
    let line: Int
    let column: Int

    /// What it is, in words.
    var kind: String {
        switch content {
        case .scalar(let text, let isQuoted) where isQuoted:
            "text \"\(text.prefix(PolicyFileLimits.quotedCharacters))\""
        case .scalar(let text, _): "\"\(text.prefix(PolicyFileLimits.quotedCharacters))\""
        case .sequence: "a list"
        case .mapping: "a mapping"
        case .nothing: "nothing"
        }
    }

    func issue(_ message: String, _ remedy: String) -> PolicyIssue {
        PolicyIssue(line: line, column: column, path: path, message: message, remedy: remedy)
    }
}

extension PolicyValue {
    /// The document's root. What YAML itself finds wrong is one fault: what follows it cannot be read.
    static func parse(_ yaml: String) throws(PolicyIssue) -> PolicyValue {
        guard yaml.utf8.count <= PolicyFileLimits.bytes else {
            throw whole("The file is longer than a policy may be.", "Keep it below \(PolicyFileLimits.bytes) bytes.")
        }
        // An alias must follow its asterisk at once; written so, also where it stands in a comment.
        let bytes = Array(yaml.utf8)
        let asterisks = zip(bytes, bytes.dropFirst()).count { $0 == UInt8(ascii: "*") && $1 > UInt8(ascii: " ") }
        guard asterisks <= PolicyFileLimits.asterisks else {
            throw whole(
                "The file has \(asterisks) asterisks.", "Aliases are not read: write values where they are used.")
        }
        do {
            // Never from the environment, as Yams would choose it.
            let parser = try Parser(yaml: yaml, encoding: .utf8)
            // A node knows its anchor only as long as its parser lives.
            return try withExtendedLifetime(parser) {
                guard let root = try parser.singleRoot() else {
                    throw whole("The file is empty.", "Write at least one field, e.g. \"soak: 10m\".")
                }
                return try value(root, path: "", depth: 0)
            }
        } catch let error as PolicyIssue {
            throw error
        } catch let error as YamlError {
            throw fault(error)
        } catch {
            throw whole("The file is no YAML: \(error).", "Mend it.")
        }
    }

    private static func whole(_ message: String, _ remedy: String) -> PolicyIssue {
        PolicyIssue(line: 1, column: 1, path: "", message: message, remedy: remedy)
    }

    private static func fault(_ error: YamlError) -> PolicyIssue {
        func at(_ mark: Mark, _ message: String, _ remedy: String) -> PolicyIssue {
            PolicyIssue(line: mark.line, column: mark.column, path: "", message: message, remedy: remedy)
        }
        let remedy = "Mind indentation, colons and quotes."
        return switch error {
        case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _):
            at(
                mark, "This is no YAML: \([context?.text, problem].compactMap(\.self).joined(separator: ", ")).",
                remedy)
        case .composer(_, let problem, let mark, _):
            at(mark, "This cannot be read: \(problem).", "Write one document, without aliases.")
        case .duplicatedKeysInMapping(let duplicates, let context):
            at(
                context.mark, "\(duplicates.prefix(3).joined(separator: ", ")) stands here twice.",
                "Keep one of them.")
        case .reader(let problem, _, _, _):
            whole("The file is no text: \(problem).", "Save it as UTF-8 without control characters.")
        default: whole("The file is no YAML.", remedy)
        }
    }

    private static func value(_ node: Node, path: String, depth: Int) throws(PolicyIssue) -> PolicyValue {
        let line = node.mark?.line ?? 1
        let column = node.mark?.column ?? 1
        func make(_ content: Content) -> PolicyValue {
            PolicyValue(content: content, path: path, line: line, column: column)
        }
        // Checked before going down, so that the walk costs no more than the file has bytes.
        guard node.anchor == nil else {
            throw make(.nothing).issue("Anchors and aliases are not read.", "Write the value where it is used.")
        }
        guard depth < PolicyFileLimits.depth else {
            throw make(.nothing).issue("This is nested too deeply.", "No field has so many levels.")
        }
        switch node {
        case .scalar(let scalar):
            let isQuoted = scalar.style != .plain && scalar.style != .any
            if !isQuoted, ["", "~", "null", "Null", "NULL"].contains(scalar.string) { return make(.nothing) }
            return make(.scalar(scalar.string, isQuoted: isQuoted))
        case .sequence(let nodes):
            var items: [PolicyValue] = []
            for (index, item) in nodes.enumerated() {
                items.append(try value(item, path: "\(path)[\(index)]", depth: depth + 1))
            }
            return make(.sequence(items))
        case .mapping(let pairs):
            var items: [(PolicyValue, PolicyValue)] = []
            for (keyNode, valueNode) in pairs {
                let key = try value(keyNode, path: path, depth: depth + 1)
                guard case .scalar(let name, _) = key.content else {
                    throw key.issue("A field's name is \(key.kind).", "Names of fields are words.")
                }
                let below = path.isEmpty ? name : "\(path).\(name)"
                let short = String(below.prefix(PolicyFileLimits.quotedCharacters * 2))
                items.append((key, try value(valueNode, path: short, depth: depth + 1)))
            }
            return make(.mapping(items.map { (key: $0.0, value: $0.1) }))
        case .alias:
            throw make(.nothing).issue("Anchors and aliases are not read.", "Write the value where it is used.")
        }
    }
}
