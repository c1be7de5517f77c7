/// A part of a pattern.
indirect enum AnswerPatternNode {
    case empty
    case one(ScalarSet)
    case start
    case end
    /// A word's edge, or a place that is none.
    case boundary(Bool)
    case sequence([AnswerPatternNode])
    case choice([AnswerPatternNode])
    case repeated(AnswerPatternNode, Int, Int?)
}

/// Reads the text of a pattern.
struct AnswerPatternParser {
    /// What is wrong, and where, from 1.
    struct Fault: Error {
        let position: Int
        /// The end of a sentence that begins with the position.
        let problem: String
    }

    private let scalars: [Unicode.Scalar]
    private var index = 0
    private var ignoresCase = false

    init(_ pattern: String) { scalars = Array(pattern.unicodeScalars.prefix(BundleLimits.patternCharacters + 1)) }

    mutating func parse() throws(Fault) -> AnswerPatternNode {
        guard !scalars.isEmpty else { throw fault("nothing stands: the pattern is empty") }
        guard scalars.count <= BundleLimits.patternCharacters else {
            index = BundleLimits.patternCharacters
            throw fault("the pattern goes on beyond \(BundleLimits.patternCharacters) characters")
        }
        if scalars.starts(with: "(?i)".unicodeScalars) {
            ignoresCase = true
            index = 4
        }
        let node = try alternatives(depth: 0)
        guard index == scalars.count else { throw fault("a parenthesis closes that none opened") }
        return node
    }

    private func fault(_ problem: String, at position: Int? = nil) -> Fault {
        Fault(position: (position ?? index) + 1, problem: problem)
    }

    private var next: Unicode.Scalar? { index < scalars.count ? scalars[index] : nil }

    private mutating func take(_ scalar: Unicode.Scalar) -> Bool {
        guard next == scalar else { return false }
        index += 1
        return true
    }

    private mutating func alternatives(depth: Int) throws(Fault) -> AnswerPatternNode {
        guard depth <= BundleLimits.patternDepth else {
            throw fault("groups stand deeper in each other than \(BundleLimits.patternDepth) levels")
        }
        var nodes = [try sequence(depth: depth)]
        while take("|") { nodes.append(try sequence(depth: depth)) }
        return nodes.count == 1 ? nodes[0] : .choice(nodes)
    }

    private mutating func sequence(depth: Int) throws(Fault) -> AnswerPatternNode {
        var nodes: [AnswerPatternNode] = []
        while let scalar = next, scalar != "|", scalar != ")" {
            let begin = index
            let node = try part(scalar, depth: depth)
            nodes.append(try quantified(node, from: begin))
        }
        return nodes.isEmpty ? .empty : nodes.count == 1 ? nodes[0] : .sequence(nodes)
    }

    private mutating func part(_ scalar: Unicode.Scalar, depth: Int) throws(Fault) -> AnswerPatternNode {
        let begin = index
        index += 1
        switch scalar {
        case "^": return .start
        case "$": return .end
        case ".": return .one(ScalarSet(ranges: ScalarSet.lineEnds, isNegated: true))
        case "[": return .one(try characterClass(from: begin))
        case "\\": return try escape()
        case "*", "+", "?": throw fault("\(scalar) has nothing before it to repeat", at: begin)
        case "{", "}", "]": throw fault("\(scalar) stands alone; write \\\(scalar) for the character", at: begin)
        case "(":
            if take("?"), !take(":") {
                throw fault("this kind of group is unknown; (…) and (?:…) are known, and (?i) at the very beginning")
            }
            let node = try alternatives(depth: depth + 1)
            guard take(")") else { throw fault("the group that began here is not closed", at: begin) }
            return node
        default: return .one(literal(scalar.value))
        }
    }

    private func literal(_ value: UInt32) -> ScalarSet {
        ScalarSet(ranges: [value...value], ignoresCase: ignoresCase)
    }

    private mutating func quantified(_ node: AnswerPatternNode, from begin: Int) throws(Fault) -> AnswerPatternNode {
        let mark = index
        let bounds: (Int, Int?)
        if take("*") {
            bounds = (0, nil)
        } else if take("+") {
            bounds = (1, nil)
        } else if take("?") {
            bounds = (0, 1)
        } else if take("{") {
            bounds = try counts(from: mark)
        } else {
            return node
        }
        switch node {
        case .start, .end, .boundary: throw fault("a place in the text cannot be repeated", at: mark)
        default: break
        }
        // Which of several matches is found makes no difference here: whether it is as short as can be is not asked.
        _ = take("?")
        if let next, "*+?{".unicodeScalars.contains(next) { throw fault("\(next) repeats a repetition") }
        return .repeated(node, bounds.0, bounds.1)
    }

    private mutating func counts(from begin: Int) throws(Fault) -> (Int, Int?) {
        let least = try count(from: begin)
        guard take(",") else {
            guard take("}") else { throw fault("{ is not closed", at: begin) }
            return (least, least)
        }
        if take("}") { return (least, nil) }
        let most = try count(from: begin)
        guard take("}") else { throw fault("{ is not closed", at: begin) }
        guard most >= least else { throw fault("the counts are the wrong way round", at: begin) }
        return (least, most)
    }

    private mutating func count(from begin: Int) throws(Fault) -> Int {
        var value = 0
        let first = index
        while let digit = next.flatMap({ (0x30...0x39).contains($0.value) ? Int($0.value) - 0x30 : nil }) {
            value = value * 10 + digit
            index += 1
            guard value <= BundleLimits.patternRepeats else {
                throw fault("a count is above \(BundleLimits.patternRepeats)", at: first)
            }
        }
        guard index > first else { throw fault("a count is expected, as in {2} or {1,3}", at: begin) }
        return value
    }

    private mutating func escape() throws(Fault) -> AnswerPatternNode {
        guard let scalar = next else { throw fault("a backslash ends the pattern", at: index - 1) }
        switch scalar {
        case "b", "B":
            index += 1
            return .boundary(scalar == "b")
        default: return .one(ScalarSet(ranges: try escaped().ranges, ignoresCase: ignoresCase))
        }
    }

    /// What stands after a backslash, within a class or outside; `single` where it is one character.
    private mutating func escaped() throws(Fault) -> (ranges: [ClosedRange<UInt32>], single: UInt32?) {
        guard let scalar = next else { throw fault("a backslash ends the pattern", at: index - 1) }
        let begin = index - 1
        index += 1
        switch scalar {
        case "d": return (ScalarSet.digits, nil)
        case "D": return (ScalarSet.complement(of: ScalarSet.digits), nil)
        case "w": return (ScalarSet.word, nil)
        case "W": return (ScalarSet.complement(of: ScalarSet.word), nil)
        case "s": return (ScalarSet.space, nil)
        case "S": return (ScalarSet.complement(of: ScalarSet.space), nil)
        case "n": return ([0x0a...0x0a], 0x0a)
        case "r": return ([0x0d...0x0d], 0x0d)
        case "t": return ([0x09...0x09], 0x09)
        default:
            let isName = scalar.value < 0x80 && ScalarSet.isWord(scalar)
            guard !isName else { throw fault("\\\(scalar) is unknown", at: begin) }
            return ([scalar.value...scalar.value], scalar.value)
        }
    }

    private mutating func characterClass(from begin: Int) throws(Fault) -> ScalarSet {
        var set = ScalarSet(ranges: [], isNegated: take("^"), ignoresCase: ignoresCase)
        while !take("]") {
            let (ranges, low) = try classMember(from: begin)
            guard let low, next == "-", index + 1 < scalars.count, scalars[index + 1] != "]" else {
                set.ranges += ranges
                continue
            }
            let dash = index
            index += 1
            guard let high = try classMember(from: begin).single, high >= low else {
                throw fault("the range does not go from a lower character to a higher one", at: dash)
            }
            set.ranges.append(low...high)
        }
        guard !set.ranges.isEmpty else { throw fault("the class that begins here is empty", at: begin) }
        return set
    }

    private mutating func classMember(
        from begin: Int
    ) throws(Fault) -> (ranges: [ClosedRange<UInt32>], single: UInt32?) {
        guard let scalar = next else { throw fault("the class that begins here is not closed", at: begin) }
        index += 1
        if scalar == "\\" { return try escaped() }
        return ([scalar.value...scalar.value], scalar.value)
    }
}
