/// What a model card says in the places where cards usually say it: the head between two lines of hyphens, as the
/// hubs of models read it, and the sections on use and on limits. What it does not find it leaves out.
package struct ModelCard: Sendable, Hashable {
    /// Values of the head by key, each a list; a plain value is a list of one.
    package private(set) var head: [String: [String]] = [:]
    /// The first paragraph of the text.
    package private(set) var summary: String?
    /// The section on what the model is for.
    package private(set) var uses: String?
    /// The section on limits, risks and bias.
    package private(set) var limitations: String?

    /// Longest text taken over from a section, in characters: a bill of materials is no copy of the card.
    private static let textCharacters = 4000
    /// Values taken from one list of the head.
    private static let listValues = 64

    /// Reads a card; any text is one.
    package init(parsing bytes: [UInt8]) {
        let lines = String(decoding: bytes, as: UTF8.self).split(
            omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        var body = lines[...]
        if lines.first.map(Self.trimmed) == "---",
            let end = lines.dropFirst().firstIndex(where: { Self.trimmed($0) == "---" })
        {
            readHead(lines[1..<end])
            body = lines[(end + 1)...]
        }
        readBody(body)
    }

    /// The one value of a key in the head.
    package func value(_ key: String) -> String? { head[key]?.first }

    /// The subset of YAML that heads are written in: `key: value`, `key: [a, b]`, and `- item` below a key.
    private mutating func readHead(_ lines: ArraySlice<Substring>) {
        var key: String?
        for line in lines {
            let text = Self.trimmed(line)
            if text.isEmpty || text.hasPrefix("#") { continue }
            if text.hasPrefix("- ") || text == "-" {
                if let key { add(Self.plain(text.dropFirst(1)), to: key) }
                continue
            }
            guard line.first?.isWhitespace == false, let colon = text.firstIndex(of: ":") else { continue }
            let name = String(text[..<colon])
            key = name
            let value = Self.trimmed(text[text.index(after: colon)...])
            if value.hasPrefix("["), value.hasSuffix("]") {
                for item in value.dropFirst().dropLast().split(separator: ",") { add(Self.plain(item), to: name) }
            } else if !value.isEmpty {
                add(Self.plain(value), to: name)
            }
        }
    }

    private mutating func add(_ value: String, to key: String) {
        guard !value.isEmpty, !value.contains(": "), head[key, default: []].count < Self.listValues else { return }
        head[key, default: []].append(String(value.prefix(Self.textCharacters)))
    }

    private mutating func readBody(_ lines: ArraySlice<Substring>) {
        var section: WritableKeyPath<Self, String?>? = \.summary
        var isFenced = false
        for line in lines {
            if line.hasPrefix("```") { isFenced.toggle() }
            if line.hasPrefix("#"), !isFenced {
                let title = line.drop { $0 == "#" }.lowercased()
                let isSubsection = line.hasPrefix("###")
                if title.contains("limitation") || title.contains("risk") || title.contains("bias") {
                    section = \.limitations
                } else if title.contains("intended use") || Self.trimmed(title) == "uses" || title.contains("use case")
                {
                    section = \.uses
                } else if !isSubsection || section == \.summary {
                    section = summary == nil ? \.summary : nil
                }
                continue
            }
            guard let place = section else { continue }
            let text = Self.trimmed(line)
            if text.isEmpty {
                if place == \.summary, summary != nil { section = nil }
                continue
            }
            // Badges and markup are for browsers.
            if text.hasPrefix("<") || text.hasPrefix("![") || text.hasPrefix("[![") { continue }
            let before = self[keyPath: place].map { $0 + " " } ?? ""
            self[keyPath: place] = String((before + text).prefix(Self.textCharacters))
        }
    }

    private static func trimmed(_ text: some StringProtocol) -> String {
        let start = text.drop { $0.isWhitespace }
        return String(start.reversed().drop { $0.isWhitespace }.reversed())
    }

    private static func plain(_ text: some StringProtocol) -> String {
        let bare = trimmed(text)
        for quote in ["\"", "'"] where bare.count >= 2 && bare.hasPrefix(quote) && bare.hasSuffix(quote) {
            return String(bare.dropFirst().dropLast())
        }
        return bare
    }
}
