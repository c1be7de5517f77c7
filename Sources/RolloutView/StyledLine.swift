/// What a piece of text means; a terminal shows it as a colour.
package enum Shade: Sendable, Hashable {
    case plain, strong, faint, good, bad, warning, busy

    /// The parameter of "select graphic rendition" (ECMA-48, 8.3.117); nil changes nothing.
    var code: String? {
        switch self {
        case .plain: nil
        case .strong: "1"
        case .faint: "2"
        case .good: "32"
        case .bad: "31"
        case .warning: "33"
        case .busy: "36"
        }
    }
}

/// One line of the screen, in pieces.
package struct StyledLine: Sendable, Hashable {
    private var pieces: [(text: String, shade: Shade)] = []

    package init() {}

    init(_ text: String, _ shade: Shade = .plain) { add(text, shade) }

    package static func == (left: Self, right: Self) -> Bool {
        left.pieces.map(\.text) == right.pieces.map(\.text) && left.pieces.map(\.shade) == right.pieces.map(\.shade)
    }

    package func hash(into hasher: inout Hasher) { hasher.combine(text) }

    /// Adds a piece; what moves a cursor or turns the direction of writing becomes a space.
    mutating func add(_ text: String, _ shade: Shade = .plain) {
        let scalars = text.unicodeScalars.map { scalar -> Unicode.Scalar in
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator: " "
            default: scalar
            }
        }
        pieces.append((String(String.UnicodeScalarView(scalars)), shade))
    }

    /// The same for a terminal that knows ASCII only.
    var inASCII: StyledLine {
        let signs: [Character: String] = [
            "▸": ">", "✓": "+", "✗": "x", "·": ".", "→": "->", "×": "x", "…": ">", "—": "-", "°": " ",
        ]
        var line = StyledLine()
        for (text, shade) in pieces {
            line.add(text.map { signs[$0] ?? ($0.isASCII ? String($0) : "?") }.joined(), shade)
        }
        return line
    }

    /// Without any colours.
    package var text: String { pieces.map(\.text).joined() }

    /// A sentence on as many lines as it needs, at most `most`, broken between words.
    static func wrapped(_ text: String, _ shade: Shade, width: Int, most: Int) -> [StyledLine] {
        var lines: [String] = []
        for word in text.split(separator: " ") {
            if let last = lines.last, lines.count == most || Columns.of(last) + 1 + Columns.of(String(word)) <= width {
                lines[lines.count - 1] = last + " " + word
            } else {
                lines.append(String(word))
            }
        }
        return lines.map { StyledLine($0, shade) }
    }

    /// At most `width` columns, with colours if asked for. A wide character counts as two columns.
    package func rendered(width: Int, colours: Bool, isUnicode: Bool = true) -> String {
        let more = isUnicode ? "…" : ">"
        var left = width
        var out = ""
        let total = Columns.of(text)
        for (text, shade) in pieces where left > 0 {
            var part = ""
            for character in text {
                let columns = Columns.of(character)
                // The last column says that there is more.
                if total > width, left - columns < 1 {
                    part += more
                    left = 0
                    break
                }
                part.append(character)
                left -= columns
            }
            if colours, let code = shade.code { part = "\u{1B}[\(code)m\(part)\u{1B}[0m" }
            out += part
        }
        return out
    }
}

/// Columns that text takes on a terminal.
enum Columns {
    static func of(_ text: String) -> Int { text.reduce(0) { $0 + of($1) } }

    /// Two for East Asian wide characters and emoji, one for the rest (Unicode Standard Annex 11, its large blocks).
    static func of(_ character: Character) -> Int {
        guard let scalar = character.unicodeScalars.first else { return 0 }
        switch scalar.value {
        case 0x1100...0x115F, 0x2E80...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F, 0xFF00...0xFF60,
            0xFFE0...0xFFE6, 0x1F300...0x1FAFF, 0x20000...0x3FFFD:
            return 2
        default: return 1
        }
    }

    /// The text and spaces up to `columns`; where it is longer, it is cut and its last column says so.
    static func pad(_ text: String, _ columns: Int) -> String {
        let isCut = of(text) > columns && columns > 0
        var out = ""
        var left = columns
        for character in text {
            let width = of(character)
            guard width <= left - (isCut ? 1 : 0) else { break }
            out.append(character)
            left -= width
        }
        if isCut {
            out.append("…")
            left -= 1
        }
        return out + String(repeating: " ", count: max(0, left))
    }
}
