internal import MartletTypes

/// A regular expression that is searched for in an answer: the part of ECMAScript's that needs no memory of what was
/// matched, so that a search takes time in proportion to text and pattern, whatever both are.
///
/// After Thompson's simulation of all paths at once. The syntax is in `docs/formats/probes.md`.
package struct AnswerPattern: Sendable, Hashable {
    /// One instruction of the compiled pattern.
    enum Step: Sendable, Hashable {
        case one(ScalarSet)
        /// Both ways.
        case split(Int, Int)
        case jump(Int)
        case start
        case end
        case boundary(Bool)
    }

    private let steps: [Step]

    /// Compiles. Throws `invalid` with the position, from 1, of what is wrong.
    package init(_ pattern: String) throws(BundleError) {
        var parser = AnswerPatternParser(pattern)
        var program = AnswerPatternProgram()
        do throws(AnswerPatternParser.Fault) {
            let node = try parser.parse()
            try program.emit(node)
        } catch {
            throw BundleError(.invalid, "pattern", "at character \(error.position)", error.problem)
        }
        steps = program.steps
    }

    /// Whether the pattern is found anywhere in `text`, of which `BundleLimits.patternTextScalars` are looked at.
    package func isFound(in text: String) -> Bool {
        let scalars = Array(text.unicodeScalars.prefix(BundleLimits.patternTextScalars))
        var seeds: [Int] = []
        var marks = [Int](repeating: -1, count: steps.count + 1)
        for position in 0...scalars.count {
            let before = position > 0 ? scalars[position - 1] : nil
            let after = position < scalars.count ? scalars[position] : nil
            var next: [Int] = []
            var open = seeds + [0]
            while let step = open.popLast() {
                guard marks[step] != position else { continue }
                marks[step] = position
                guard step < steps.count else { return true }
                switch steps[step] {
                case .one(let set): if let after, set.contains(after) { next.append(step + 1) }
                case .split(let first, let second): open += [first, second]
                case .jump(let target): open.append(target)
                case .start: if before == nil { open.append(step + 1) }
                case .end: if after == nil { open.append(step + 1) }
                case .boundary(let isWanted):
                    let isBoundary = ScalarSet.isWord(before) != ScalarSet.isWord(after)
                    if isBoundary == isWanted { open.append(step + 1) }
                }
            }
            seeds = next
        }
        return false
    }
}

/// Characters that one place of a pattern takes.
struct ScalarSet: Sendable, Hashable {
    var ranges: [ClosedRange<UInt32>]
    var isNegated = false
    var ignoresCase = false

    func contains(_ scalar: Unicode.Scalar) -> Bool { holds(scalar) != isNegated }

    private func holds(_ scalar: Unicode.Scalar) -> Bool {
        if has(scalar.value) { return true }
        guard ignoresCase else { return false }
        let properties = scalar.properties
        return Self.only(properties.lowercaseMapping).map(has) ?? false
            || Self.only(properties.uppercaseMapping).map(has) ?? false
    }

    private func has(_ value: UInt32) -> Bool { ranges.contains { $0.contains(value) } }

    private static func only(_ mapping: String) -> UInt32? {
        mapping.unicodeScalars.count == 1 ? mapping.unicodeScalars.first?.value : nil
    }

    static func isWord(_ scalar: Unicode.Scalar?) -> Bool {
        guard let scalar else { return false }
        return word.contains { $0.contains(scalar.value) }
    }

    static let digits: [ClosedRange<UInt32>] = [0x30...0x39]
    static let word: [ClosedRange<UInt32>] = [0x30...0x39, 0x41...0x5a, 0x5f...0x5f, 0x61...0x7a]
    static let space: [ClosedRange<UInt32>] = [0x09...0x0d, 0x20...0x20, 0xa0...0xa0, 0x2028...0x2029]
    static let lineEnds: [ClosedRange<UInt32>] = [0x0a...0x0a, 0x0d...0x0d, 0x2028...0x2029]

    /// All but these.
    static func complement(of ranges: [ClosedRange<UInt32>]) -> [ClosedRange<UInt32>] {
        var result: [ClosedRange<UInt32>] = []
        var low: UInt32 = 0
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if range.lowerBound > low { result.append(low...(range.lowerBound - 1)) }
            low = max(low, range.upperBound + 1)
        }
        return result + [low...0x10ffff]
    }
}

/// Makes the steps of a pattern.
struct AnswerPatternProgram {
    private(set) var steps: [AnswerPattern.Step] = []

    mutating func emit(_ node: AnswerPatternNode) throws(AnswerPatternParser.Fault) {
        switch node {
        case .empty: break
        case .one(let set): try add(.one(set))
        case .start: try add(.start)
        case .end: try add(.end)
        case .boundary(let isWanted): try add(.boundary(isWanted))
        case .sequence(let nodes): for node in nodes { try emit(node) }
        case .choice(let nodes): try choose(nodes[...])
        case .repeated(let node, let least, let most): try `repeat`(node, least, most)
        }
    }

    private mutating func choose(_ nodes: ArraySlice<AnswerPatternNode>) throws(AnswerPatternParser.Fault) {
        guard let first = nodes.first else { return }
        guard nodes.count > 1 else { return try emit(first) }
        let split = steps.count
        try add(.split(split + 1, 0))
        try emit(first)
        let jump = steps.count
        try add(.jump(0))
        steps[split] = .split(split + 1, steps.count)
        try choose(nodes.dropFirst())
        steps[jump] = .jump(steps.count)
    }

    private mutating func `repeat`(
        _ node: AnswerPatternNode, _ least: Int, _ most: Int?
    ) throws(AnswerPatternParser.Fault) {
        for _ in 0..<least { try emit(node) }
        guard let most else {
            let split = steps.count
            try add(.split(split + 1, 0))
            try emit(node)
            try add(.jump(split))
            steps[split] = .split(split + 1, steps.count)
            return
        }
        var splits: [Int] = []
        for _ in least..<max(least, most) {
            splits.append(steps.count)
            try add(.split(steps.count + 1, 0))
            try emit(node)
        }
        for split in splits { steps[split] = .split(split + 1, steps.count) }
    }

    private mutating func add(_ step: AnswerPattern.Step) throws(AnswerPatternParser.Fault) {
        guard steps.count < BundleLimits.patternSteps else {
            throw AnswerPatternParser.Fault(position: 1, problem: "repeats too much: it would have too many steps")
        }
        steps.append(step)
    }
}

extension BundleLimits {
    /// Characters of a pattern.
    package static let patternCharacters = 512
    /// Steps of a compiled pattern: what one character of the text may cost.
    package static let patternSteps = 4096
    /// Groups of a pattern within each other.
    package static let patternDepth = 32
    /// How often one part of a pattern may be said to occur.
    package static let patternRepeats = 255
    /// Characters of an answer that are searched: more than 4096 tokens have.
    package static let patternTextScalars = 65_536
}
